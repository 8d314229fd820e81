"""A real GoBGP's BMP against the commands that its peer was given, one by one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from collector.event import Event, Kind, View
from tests.golden.rows import Row, Tally, fields_of, heard, report

LAB = "_locallab"
CAPTURE = "gobgp-3.10-flowspec-unicast.bmp"
PEER = "gobgp -u 192.0.2.2 "
"""Commands to the peer; those to the monitored router itself change nothing that it receives."""
SECOND = 1_000_000_000
FAMILIES = {
    "ipv6": "ipv6-unicast",
    "ipv4-flowspec": "ipv4-flowspec",
    "ipv6-flowspec": "ipv6-flowspec",
    "ipv4-l3vpn-flowspec": "l3vpn-ipv4-flowspec",
    "ipv6-l3vpn-flowspec": "l3vpn-ipv6-flowspec",
}
PROTOCOLS = {"icmp": "=1", "tcp": "=6", "udp": "=17"}
VALUES = {"=S": "=0x02", "is-fragment": "0x02"}
COMMAND = re.compile(
    r"^(?P<time>\d+)\.\d+ gobgp .* global rib (?:-a (?P<family>\S+) )?(?P<verb>add|del) "
    r"(?:rd (?P<rd>\S+) )?(?:match (?P<match>.*) then (?P<then>.*?)(?: rt (?P<rt>\S+))?"
    r"|(?P<prefix>\S+)(?: community (?P<community>\S+))?)$"
)


def commanded(text: str) -> Row:
    """What a command makes the router hear."""
    found = COMMAND.match(text)
    assert found, text
    row: Row = {
        "second": int(found["time"]),
        "kind": Kind.ANNOUNCE if found["verb"] == "add" else Kind.WITHDRAW,
        "family": FAMILIES[found["family"]] if found["family"] else "ipv4-unicast",
        "rd": found["rd"],
        "what": found["prefix"] or rule(found["match"]),
    }
    if found["verb"] == "del":
        return row
    row["actions"] = action(found["then"]) if found["then"] else ()
    row["communities"] = (found["community"],) if found["community"] else ()
    row["targets"] = (f"rt:{found['rt']}",) if found["rt"] else ()
    return row


def rule(text: str) -> str:
    words = text.split(" ")
    parts: list[str] = []
    while words:
        name = words.pop(0)
        values: list[str] = []
        while not values or (words and not re.fullmatch(r"[a-z]+(-[a-z]+)?", words[0])):
            values.append(value(words.pop(0)))
        parts.append(f"{'flow-label' if name == 'label' else name} {' '.join(values)}")
    return " ".join(parts)


def value(text: str) -> str:
    known = PROTOCOLS | VALUES
    return known.get(text) or text.replace("==", "=")


def action(text: str) -> tuple[dict[str, Any], ...]:
    word, _, argument = text.partition(" ")
    if text in {"discard", "rate-limit 0"}:
        return ({"action": "discard"},)
    if word == "rate-limit":
        return ({"action": "rate-limit-bytes", "rate": float(argument), "as": 0},)
    if word == "redirect":
        return ({"action": "redirect-to-vrf", "target": argument},)
    return ({"action": word, "dscp": int(argument)},)


def seen(event: Event) -> Row:
    row: Row = {
        "second": (event.time or 0) // SECOND,
        "kind": event.kind,
        "family": event.family,
        "rd": event.rd,
        "what": event.prefix or event.rule,
    }
    if event.kind == Kind.WITHDRAW:
        return row
    targets = tuple(text for text in event.ext_communities if text.startswith("rt:"))
    return {
        **row,
        "actions": event.actions,
        "communities": event.communities,
        "targets": targets,
    }


def commands(shared_data: Path) -> list[str]:
    lines = (shared_data / LAB / "truth" / "events.log").read_text().splitlines()
    return [text for text in lines if PEER in text and " global rib " in text]


def test_every_command_is_one_event_of_its_second(shared_data: Path) -> None:
    expected = [commanded(text) for text in commands(shared_data)]
    events = heard(shared_data / LAB / CAPTURE)
    down = next(place for place, e in enumerate(events) if e.kind == Kind.PEER_DOWN)
    received = [e for e in events[:down] if e.family and e.view == View.ADJ_IN_PRE]
    found = list(map(seen, received))
    for want, have in zip(expected, found, strict=True):
        # A command that begins at the end of a second may be heard in the next.
        assert have.pop("second") - want.pop("second") in {0, 1}
        assert have == want
    assert len(expected) > 25
    assert {event.as_path for event in received if event.kind == Kind.ANNOUNCE} == {"65002"}
    report(Tally("GoBGP commands", len(found), len(found), fields_of(expected)))


def test_after_a_restart_the_router_tells_what_was_left(shared_data: Path) -> None:
    left: dict[str, Row] = {}
    for text in commands(shared_data):
        row = commanded(text)
        key = f"{row['family']} {row['rd']} {row['what']}"
        if row["kind"] == Kind.ANNOUNCE:
            left[key] = row
        else:
            del left[key]
    events = heard(shared_data / LAB / CAPTURE)
    down = next(place for place, e in enumerate(events) if e.kind == Kind.PEER_DOWN)
    received = [e for e in events[down:] if e.family and e.view == View.ADJ_IN_PRE]
    again = {f"{e.family} {e.rd} {e.prefix or e.rule}": seen(e) for e in received}
    for row in (*left.values(), *again.values()):
        del row["second"]
    assert again == left
    assert len(left) == 8
    report(Tally("GoBGP table", len(again), len(again), fields_of(left.values())))
