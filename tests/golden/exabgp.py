"""Reads what ExaBGP says of an UPDATE: its JSON, or the command that makes it send the UPDATE."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

from tests.golden.rows import Row, host

Json = dict[str, Any]

FAMILIES = {
    "ipv4 unicast": "ipv4-unicast",
    "ipv6 unicast": "ipv6-unicast",
    "ipv4 nlri-mpls": "ipv4-labelled-unicast",
    "ipv4 mpls-vpn": "l3vpn-ipv4-unicast",
    "ipv6 mpls-vpn": "l3vpn-ipv6-unicast",
    "ipv4 flow": "ipv4-flowspec",
    "ipv6 flow": "ipv6-flowspec",
    "ipv4 flow-vpn": "l3vpn-ipv4-flowspec",
    "l2vpn evpn": "l2vpn-evpn",
    "l2vpn vpls": "25/65",
    "ipv4 mcast-vpn": "1/5",
    "ipv6 mcast-vpn": "2/5",
    "ipv4 sr-policy": "1/73",
    "ipv6 sr-policy": "2/73",
    "ipv4 mup": "1/85",
    "ipv6 mup": "2/85",
    "bgp-ls bgp-ls": "16388/71",
}
COMPONENTS = {
    "destination-ipv4": "destination",
    "destination-ipv6": "destination",
    "source-ipv4": "source",
    "source-ipv6": "source",
    "next-header": "protocol",
    "traffic-class": "dscp",
}
NUMBERS = {"tcp": 6, "udp": 17, "unreachable": 3, "echo-request": 8, "echo-reply": 0}
FLAGS = {"fin": 1, "syn": 2, "rst": 4, "push": 8, "ack": 16, "urg": 32, "ece": 64, "cwr": 128}
FRAGMENTS = {"dont-fragment": 1, "is-fragment": 2, "first-fragment": 4, "last-fragment": 8}
MASKS = {"tcp-flags": FLAGS, "fragment": FRAGMENTS}
OCTETS = {"bgp-prefix-sid": 40, "tunnel-encap": 23, "bgp-ls": 29}
"""Attributes that events carry as octets, and their types."""


def rows(update: Json) -> list[Row]:
    """The routes of an UPDATE, with the fields of events that ExaBGP prints."""
    said = attributes(update.get("attribute", {}))
    found: list[Row] = []
    for family, each in update.get("withdraw", {}).items():
        found += [{**row, "kind": "withdraw"} for row in destinations(family, each)]
    for family, hops in update.get("announce", {}).items():
        for hop, each in hops.items():
            common = {**said, "kind": "announce"}
            common["next_hop"] = None if hop == "no-nexthop" else host(hop)
            if "flow" in family:
                common["actions"] = actions(update["attribute"], common["next_hop"])
            found += [{**common, **row} for row in destinations(family, each)]
    return found


def destinations(family: str, each: list[Json]) -> list[Row]:
    """The NLRI of one family."""
    name = FAMILIES[family]
    if "flow" in family:
        return [{"family": name, **rule(nlri)} for nlri in each]
    if name == "l2vpn-evpn":
        return [{"family": name, **evpn(nlri)} for nlri in each]
    if "nlri" not in each[0]:
        # Events have all destinations of a family that they do not know as one row of octets.
        octets = "".join(nlri.get("raw", "") for nlri in each).lower()
        return [{"family": name, "nlri": f"0x{octets}" if octets else None}]
    return [{"family": name, **prefix(nlri)} for nlri in each]


def prefix(nlri: Json) -> Row:
    """A prefix with what stands before it."""
    path_id = nlri.get("path-information")
    return {
        "prefix": nlri["nlri"],
        "path_id": int(ip_address(path_id)) if path_id else None,
        "rd": nlri.get("rd"),
        "labels": tuple(label for label, _ in nlri.get("label", ())),
    }


def rule(nlri: Json) -> Row:
    """A Flowspec rule."""
    components = {
        COMPONENTS.get(name, name): _component(name, values)
        for name, values in nlri.items()
        if name not in {"string", "rd"}
    }
    return {"components": components, "rd": nlri.get("rd")}


def _component(name: str, values: list[str]) -> str:
    if name.endswith("ipv6"):  # address, length and offset
        address, length, offset = values[0].split("/")
        return f"{address}/{offset}-{length}" if offset != "0" else f"{address}/{length}"
    if name in MASKS:
        return " ".join(_masks(value, MASKS[name]) for value in values)
    known = re.compile("|".join(sorted(NUMBERS, key=len, reverse=True)))
    return " ".join(known.sub(lambda found: str(NUMBERS[found[0]]), value) for value in values)


def _masks(value: str, names: dict[str, int]) -> str:
    parts = []
    for part in value.split("&"):
        sign = part[: len(part) - len(part.lstrip("!="))]
        bits = sum(names[word] for word in part[len(sign) :].split("+"))
        parts.append(f"{sign}0x{bits:02x}")
    return "&".join(parts)


def evpn(nlri: Json) -> Row:
    """An EVPN route; the vectors hold MAC/IP ones, and one of a type that neither side reads."""
    if not nlri["parsed"]:
        return {"nlri": f"0x{nlri['raw'].lower()}", "components": None}
    parts = {
        "type": {2: "mac-ip"}[nlri["code"]],
        "esi": {"-": ":".join(["00"] * 10)}[nlri["esi"]],
        "tag": str(nlri["ethernet-tag"]),
        "mac": nlri["mac"].lower(),
    }
    if "ip" in nlri:
        parts["ip"] = nlri["ip"]
    labels = tuple(each[0] for each in nlri["label"])
    return {"rd": nlri["rd"], "components": parts, "labels": labels}


def attributes(said: Json) -> Row:
    """Path attributes by the names of events."""
    path = said.get("as-path", {})
    unknown = [OCTETS[name] for name in said if name in OCTETS]
    unknown += [int(name.split("-")[1], 16) for name in said if name.startswith("attribute-0x")]
    texts = tuple(ext_community(each) for each in said.get("extended-community", ()))
    return {
        "as_path": " ".join(_segment(path[index]) for index in sorted(path, key=int)),
        "origin": said.get("origin"),
        "med": said.get("med"),
        "local_pref": said.get("local-preference"),
        "communities": tuple(_joined(each) for each in said.get("community", ())),
        "large_communities": tuple(_joined(each) for each in said.get("large-community", ())),
        "ext_communities": texts + _ipv6_communities(said),
        "originator_id": said.get("originator-id"),
        "cluster_list": tuple(said.get("cluster-list", ())),
        "aggregator": said["aggregator"].replace(":", " ") if "aggregator" in said else None,
        "atomic_aggregate": said.get("atomic-aggregate", False),
        "unknown": sorted(unknown),
    }


def _segment(segment: Json) -> str:
    assert segment["element"] == "as-sequence"
    return " ".join(map(str, segment["value"]))


def _joined(numbers: list[int]) -> str:
    return ":".join(map(str, numbers))


def ext_community(each: Json) -> str:
    """An extended community; what is no route target or origin is octets in both."""
    name, _, value = each["string"].partition(":")
    if name not in {"target", "origin"}:
        return f"0x{each['value']:016x}"
    administrator, number = value.split(":")
    # ExaBGP writes the four octets behind an AS number as an address for the origin.
    number = int(ip_address(number)) if "." in number else number
    return f"{'rt' if name == 'target' else 'soo'}:{administrator}:{number}"


def _ipv6_communities(said: Json) -> tuple[str, ...]:
    return tuple(f"0x{each['value']:040x}" for each in said.get("extended-community-ipv6", ()))


def actions(said: Json, next_hop: str | None) -> tuple[Json, ...]:
    """What the communities make a rule do."""
    found: list[Json] = []
    for name in ("extended-community", "extended-community-ipv6"):
        for each in said.get(name, ()):
            found += _action(each["string"], each["value"], next_hop)
    return tuple(found) or ({"action": "accept"},)


def _action(text: str, value: int, next_hop: str | None) -> list[Json]:
    word, *rest = re.split("[: ]", text, maxsplit=1)
    argument = rest[0] if rest else ""
    if word == "rate-limit":
        number, _, unit = argument.partition(":")
        if number == "0":
            return [{"action": "discard"}]
        name = f"rate-limit-{unit or 'bytes'}"
        return [{"action": name, "rate": float(number), "as": value >> 32 & 0xFFFF}]
    if word in _SIMPLE:
        return _SIMPLE[word](argument)
    if word in {"redirect-to-nexthop", "copy-to-nexthop", "redirect-to-nexthop-ietf"}:
        action: Json = {"action": "redirect-to-nexthop", "copy": word == "copy-to-nexthop"}
        hop = argument or next_hop
        return [{**action, "next_hop": hop} if hop else action]
    return []


_SIMPLE: dict[str, Callable[[str], list[Json]]] = {
    "redirect": lambda target: [{"action": "redirect-to-vrf", "target": target}],
    "mark": lambda number: [{"action": "mark", "dscp": int(number)}],
    "action": lambda names: [{"action": name} for name in names.split("-")],
}


def command(text: str) -> list[Row]:
    """What a command announces, where there is no JSON of it."""
    words = re.findall(r"\[[^]]*\]|\S+", text)[1:]
    if words[0] == "eor":
        return [{"kind": "end-of-rib", "family": FAMILIES[" ".join(words[1:])]}]
    family = "ipv4-unicast" if words[0] == "route" else FAMILIES[f"{words[0]} {words[1]}"]
    values = {word: words[place + 1] for place, word in enumerate(words[:-1])}
    said: Json = {"origin": values["origin"]} if "origin" in values else {}
    if "sr-policy" in text:
        hop = host(values["next-hop"])
        return [{"kind": "announce", "family": family, "next_hop": hop}]
    said["local-preference"] = int(values["local-preference"])
    if "med" in values:
        said["med"] = int(values["med"])
    numbers = _list(values.get("as-path", ""))
    said["as-path"] = {"0": {"element": "as-sequence", "value": numbers}}
    said["community"] = [each.split(":") for each in _list(values.get("community", ""))]
    targets = _list(values.get("extended-community", ""))
    said["extended-community"] = [{"string": each} for each in targets]
    said["atomic-aggregate"] = "atomic-aggregate" in words
    if "aggregator" in values:
        said["aggregator"] = values["aggregator"]
    row = {**attributes(said), "kind": "announce", "family": family}
    row |= {"prefix": words[1 if words[0] == "route" else 2]}
    return [{**row, "next_hop": host(values["next-hop"])}]


def _list(text: str) -> list[str]:
    return text.strip("[]").split()
