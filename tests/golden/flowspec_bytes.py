"""What Flowspec octets out of other projects' unit tests mean, by RFC 8955 and RFC 8956.

The vectors name what they are about (`Port 443 (HTTPS)`); what is said here was read off that name
and the octets. Where the name of a vector and the RFC part, a comment says so.
"""

from __future__ import annotations

REFUSED = ""
"""Nobody can tell what was meant: an error, or a rule that is marked undecodable."""

GOBMP = {
    "0502180a00070303812f": "source 10.0.7.0/24; protocol =47",
    "0502180a0007": "source 10.0.7.0/24",
    "0303812f0a01": REFUSED,  # the second rule is cut off
    "03011800": REFUSED,  # three octets of prefix promised, one there
    "060120c0a80164": "destination 192.168.1.100/32",
    "0701200020010db8": "destination 2001:db8::/32",
    "0702200020010db8": "source 2001:db8::/32",
    "0301080a": "destination 10.0.0.0/8",
    "040110c0a8": "destination 192.168.0.0/16",
    "0301080a040110c0a8": "destination 10.0.0.0/8; destination 192.168.0.0/16",
    "0702200020010db9": "source 2001:db9::/32",
    "0301080a0a0108": REFUSED,
    "f003038006": "protocol false",  # a length of two octets; an operator without lt, gt and eq
    "0303812f": "protocol =47",
    "03011020": REFUSED,  # offset behind the length
    "05014000aabb": REFUSED,
    "0501180a0001": "destination 10.0.1.0/24",
    "030108ac": "destination 172.0.0.0/8",
    "0401100a0a": "destination 10.10.0.0/16",
    "060220cb007101": "source 203.0.113.1/32",
    "03038106": "protocol =6",
    "03038111": "protocol =17",
    "03038101": "protocol =1",
    "0404910050": "port =80",
    "04049101bb": "port =443",
    "0405910016": "destination-port =22",
    "0405910d3d": "destination-port =3389",
    # gobmp takes bit 4 for gt; it is lt (RFC 8955 section 4.2.1.1): its `>=1024` is `<=1024`.
    "0405950400": "destination-port <=1024",
    "0406910035": "source-port =53",
    "0406920400": "source-port >1024",
    "03078108": "icmp-type =8",
    "03078100": "icmp-type =0",
    "03078103": "icmp-type =3",
    "03088100": "icmp-code =0",
    "03088101": "icmp-code =1",
    "03088103": "icmp-code =3",
    "040a9105dc": "packet-length =1500",
    "030a8240": "packet-length >64",  # gobmp: <64
    "040a950578": "packet-length <=1400",  # gobmp: >=1400
    "040a9405dc": "packet-length <1500",  # gobmp: greater than
    "030b8100": "dscp =0",
    "030b812e": "dscp =46",
    "030b810a": "dscp =10",
    "0c01180a000003810605910050": "destination 10.0.0.0/24 protocol =6 destination-port =80",
    # Out of order (RFC 8955 section 4.2): shown as sent, with a warning.
    "0f0218c0a80101100a00038101078108": (
        "source 192.168.1.0/24 destination 10.0.0.0/16 protocol =1 icmp-type =8"
    ),
    "ff01180a0001": REFUSED,
    "03038006": "protocol false",
    "050340068111": "protocol false =17",  # the AND bit of a first operator counts as unset
    "03010180": "destination 128.0.0.0/1",
    "050211ac1080": "source 172.16.128.0/17",
    "060119c0a80180": "destination 192.168.1.128/25",
    "03098102": "tcp-flags =0x02",
    "03098110": "tcp-flags =0x10",
    "03098112": "tcp-flags =0x12",
    "03098111": "tcp-flags =0x11",
    "03098118": "tcp-flags =0x18",
    "03098114": "tcp-flags =0x14",
    "03098129": "tcp-flags =0x29",
    "03098100": "tcp-flags =0x00",
    # gobmp's names of the fragment bits are not those of RFC 8955 section 4.2.2.12; bits are bits.
    "030c8104": "fragment =0x04",
    "030c8102": "fragment =0x02",
    "030c8101": "fragment =0x01",
    "030c8108": "fragment =0x08",
    "030c8106": "fragment =0x06",
    "030c8105": "fragment =0x05",
    "0a038106": REFUSED,  # the length promises ten octets
    "03ff8100": REFUSED,  # a component type that nobody has defined
    "0801180a0001038106": "destination 10.0.1.0/24 protocol =6",
    "07055100509101bb": "destination-port =80 =443",
    "03039106": REFUSED,  # a value of two octets promised, one there
    "0d00000064000000c801180a0001": "rd 100:200 destination 10.0.1.0/24",
    "0c00010a00000100640110ac10": "rd 10.0.0.1:100 destination 172.16.0.0/16",
    "0d00020001000000010218c0a801": "rd 65536:1 source 192.168.1.0/24",
    "0f000000c80000012c01200020010db8": "rd 200:300 destination 2001:db8::/32",
    # IPv4 octets; read as IPv6, whose prefix has an offset, they make no rule.
    "0e000000c80000012c012020010db8": REFUSED,
    "0b000000640000000101080a": "rd 100:1 destination 10.0.0.0/8",
    "0c000000c8000000020210ac10": "rd 200:2 source 172.16.0.0/16",
    "0400000001": REFUSED,  # shorter than a route distinguisher
    "0d000500000000000001080a038106": REFUSED,
    "0f0000fde80000006401080a05910050": "rd 65000:100 destination 10.0.0.0/8 destination-port =80",
    "f00d00000064000000c801180a0001": "rd 100:200 destination 10.0.1.0/24",
    "0b000000010000000101080a0b000000020000000201080b": (
        "rd 1:1 destination 10.0.0.0/8; rd 2:2 destination 11.0.0.0/8"
    ),
    "080000000100000001": REFUSED,  # a route distinguisher and no component
    "0b000000010000000101080a140000": REFUSED,
    "0901300020010db80001": "destination 2001:db8:1::/48",
    "1301800020010db8000000000000000000000001": "destination 2001:db8::1/128",
    "050120100db8": "destination 0:db8::/16-32",
    "05014030abcd": "destination 0:0:0:abcd::/48-64",
    "07023000fd000001": REFUSED,
    "09023000fd0000000001": "source fd00:0:1::/48",
    "060501509101bb": "destination-port =80 =443",
    "0a01200020010db803810608021000fd00058150": (
        "destination 2001:db8::/32 protocol =6; source fd00::/16 destination-port =80"
    ),
    # gobmp takes it; the offset must be less than the length (RFC 8956 section 3.1).
    "03012020": REFUSED,
    "03012040": REFUSED,
    "03010000": "destination ::/0",
    "080268412468acf134": "source ::1234:5678:9a00:0/65-104",  # RFC 8956 section 3.8.2
    "03012000": REFUSED,
}
"""Whole NLRI, by their octets."""


COUNTED_TOO_HIGH = {
    "04098101": "tcp-flags =0x01",
    "04098102": "tcp-flags =0x02",
    "04098104": "tcp-flags =0x04",
    "04098108": "tcp-flags =0x08",
    "04098110": "tcp-flags =0x10",
    "04098120": "tcp-flags =0x20",
    "04098112": "tcp-flags =0x12",
    "04098111": "tcp-flags =0x11",
    "04098118": "tcp-flags =0x18",
    "04098114": "tcp-flags =0x14",
    "04098202": "tcp-flags !0x02",
    "0409813f": "tcp-flags =0x3f",
    "04098100": "tcp-flags =0x00",
    "04098129": "tcp-flags =0x29",
    "040c8104": "fragment =0x04",
    "040c8102": "fragment =0x02",
    "040c8101": "fragment =0x01",
    "040c8108": "fragment =0x08",
    "040c8106": "fragment =0x06",
    "040c8105": "fragment =0x05",
    "040c8204": "fragment !0x04",
    "0b0381110b912e": REFUSED,  # a value of two octets promised, one there
    "0e0a8505dc0c9104": REFUSED,
    "100685040005850400": REFUSED,
    "0505810050": REFUSED,  # a value of two octets behind an operator that says one
    "12010003810605810050099102": REFUSED,
    "160120c000020003810605810016099129": REFUSED,
    "130100038106058101bb099110": REFUSED,
    "0d01000381010c9104": REFUSED,
}
"""gobmp's rules whose lengths are too high, some as they count themselves: read without it too."""

COMPONENTS = {
    "03509101bb": "destination-port >=80 =443",
    "18c0a801": "destination 192.168.1.0/24",
    "200a141e28": "destination 10.20.30.40/32",
    "200020010db8": "destination 2001:db8::/32",
    "6840123456789a": "destination ::1234:5678:9a00:0/64-104",
    "4068123456789a": REFUSED,  # offset behind the length
    "200020010db8beef": "destination 2001:db8::/32",
    "6840123456789abeef": "destination ::1234:5678:9a00:0/64-104",
    "4068123456789abeef": REFUSED,
    "68412468acf134beef": "destination ::1234:5678:9a00:0/65-104",
}
"""bgpfix's values of single components, with octets behind them that are not theirs."""
