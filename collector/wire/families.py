"""AFI and SAFI numbers and the names of the families they make (IANA)."""

from __future__ import annotations

from collector.event import Family

NAMES: dict[tuple[int, int], str] = {
    (1, 1): Family.IPV4_UNICAST.value,
    (2, 1): Family.IPV6_UNICAST.value,
    (1, 4): Family.IPV4_LABELLED.value,
    (2, 4): Family.IPV6_LABELLED.value,
    (1, 128): Family.L3VPN_IPV4.value,
    (2, 128): Family.L3VPN_IPV6.value,
    (1, 133): Family.IPV4_FLOWSPEC.value,
    (2, 133): Family.IPV6_FLOWSPEC.value,
    (1, 134): Family.L3VPN_IPV4_FLOWSPEC.value,
    (2, 134): Family.L3VPN_IPV6_FLOWSPEC.value,
    (25, 70): Family.L2VPN_EVPN.value,
}


def family_name(afi: int, safi: int) -> str:
    """The family's name, or `afi/safi` in numbers where it has none here."""
    return NAMES.get((afi, safi)) or f"{afi}/{safi}"
