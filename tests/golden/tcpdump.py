"""Reads what tcpdump -v prints of BGP UPDATEs and NOTIFICATIONs."""

from __future__ import annotations

import re

from tests.golden.rows import Row, host

FAMILIES = {
    ("1", "1"): "ipv4-unicast",
    ("2", "1"): "ipv6-unicast",
    ("1", "4"): "ipv4-labelled-unicast",
    ("1", "128"): "l3vpn-ipv4-unicast",
}
ATTRIBUTE = re.compile(r"^\t  ([A-Z][\w -]+) \((\d+)\), length: \d+, Flags \[\w*\]: ?(.*)$")
FAMILY = re.compile(r"AFI: [^(]*\((\d+)\), (?:vendor specific )?SAFI: [^(]*\((\d+)\)")
NEXT_HOP = re.compile(r"nexthop: (?:RD: [^,]*, )?([0-9a-f.:]+)")
PREFIX = re.compile(
    r"^\s+(?:RD: (?P<rd>\S+) \([^)]*\), )?(?P<prefix>[0-9a-f.:]+/\d+)"
    r"(?:, label:(?P<label>\d+) \(bottom\))?(?:\s+Path Id: (?P<id>\d+))?$"
)
NOTIFICATION = re.compile(
    r"Notification Message .*? (?P<name>[A-Z]\w+) \((?P<code>\d+)\), subcode "
    r"(?P<subname>[\w ]+) \((?P<subcode>\d+)\)"
)


def updates(text: str) -> list[list[Row]]:
    """The announcements of each UPDATE that is printed."""
    blocks = re.split(r"^\t(?=[A-Z])|^ {2,4}(?=\d|[0-9a-f.:]+ >)", text, flags=re.MULTILINE)
    return [_routes(block) for block in blocks if block.startswith("Update Message")]


def _routes(block: str) -> list[Row]:
    said: Row = {"next_hop": None, "med": None, "local_pref": None}
    family, routes = "ipv4-unicast", []
    for line in block.splitlines():
        attribute = ATTRIBUTE.match(line)
        if attribute:
            _take(said, attribute[2], attribute[3])
        found = FAMILY.search(line)
        if found:
            family = FAMILIES.get((found[1], found[2]), f"{found[1]}/{found[2]}")
        elif line.strip() == "Updated routes:":
            family = "ipv4-unicast"
        found = NEXT_HOP.search(line)
        if found:
            said["next_hop"] = host(found[1])
        found = PREFIX.match(line)
        if found:
            routes.append(
                {
                    "family": family,
                    "prefix": found["prefix"],
                    "rd": found["rd"],
                    "labels": (int(found["label"]),) if found["label"] else (),
                    "path_id": int(found["id"]) if found["id"] else None,
                }
            )
    return [{**route, **said} for route in routes]


def _take(said: Row, code: str, value: str) -> None:
    value = value.strip()
    if code == "1":
        said["origin"] = value.lower()
    elif code == "2":
        said["as_path"] = "" if value == "empty" else value
    elif code == "3":
        said["next_hop"] = host(value)
    elif code in {"4", "5"}:
        said["med" if code == "4" else "local_pref"] = int(value)


def notifications(text: str) -> list[str]:
    """The NOTIFICATIONs that are printed, as `code/subcode`."""
    return [f"{found['code']}/{found['subcode']}" for found in NOTIFICATION.finditer(text)]
