"""An incident as a folder to hand on: a page to read, the events, and the octets themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from anchorwatch.cli.event_files import event_output
from anchorwatch.errors import UserError
from anchorwatch.pictures.page import page
from collector.event import Event, Feed, rfc3339
from collector.store.evidence import Evidence
from collector.store.timeline import Timeline

_SUFFIXES = {Feed.MRT.value: "mrt", Feed.BGP.value: "bgp"}
"""What a file of a feed's raw messages is called; that of all others is BMP."""


def write_bundle(
    folder: Path,
    evidence: Evidence,
    timelines: Sequence[Timeline],
    blindness: Sequence[str],
    commands: Sequence[tuple[str, str]],
) -> list[Path]:
    """Fill a new or empty folder; answer the files in it. UserError where it cannot be.

    `index.html`, `incident.json`, `events.parquet` and `raw/ROUTER.bmp` (what that router sent, as
    far as the store has octets of it).
    """
    commands = [
        *commands,
        *((f"decode {folder / name}", "what the octets say") for name in raw_files(evidence)),
    ]
    try:
        if folder.exists() and any(folder.iterdir()):
            raise UserError(f"{folder} is not empty: name another --output")
        (folder / "raw").mkdir(parents=True, exist_ok=True)
        text = page(evidence, timelines, blindness, commands)
        (folder / "index.html").write_text(text, encoding="utf-8")
        (folder / "incident.json").write_bytes(incident_json(evidence))
        for name, octets in raw_files(evidence).items():
            (folder / name).write_bytes(octets)
    except OSError as error:
        raise UserError(f"cannot write {error.filename or folder}: {error.strerror}") from error
    with event_output("parquet", folder / "events.parquet", raw=True) as write:
        for event in evidence.around:
            write(event)
    return sorted(path for path in folder.rglob("*") if path.is_file())


def incident_json(evidence: Evidence) -> bytes:
    """An incident for programs: transitions with their evidence, blindness, messages around it."""
    facts = {
        "id": evidence.id,
        "transitions": evidence.transitions,
        "blind": [
            {**each, **{name: rfc3339(each[name].value) for name in ("from", "until")}}
            for each in evidence.blind
        ],
        "around": [event.to_dict(raw=True) for event in evidence.around],
    }
    return msgspec.json.format(msgspec.json.encode(facts), indent=2)


def raw_files(evidence: Evidence) -> dict[str, bytes]:
    """The octets of all messages by the name of their file, in order and each message once."""
    files: dict[str, bytearray] = {}
    for name, octets in _messages(evidence.around):
        files.setdefault(name, bytearray()).extend(octets)
    return {name: bytes(octets) for name, octets in files.items()}


def _messages(events: Sequence[Event]) -> Iterator[tuple[str, bytes]]:
    told: set[tuple[str, int, bytes]] = set()
    for event in events:
        if event.raw is None:
            continue
        message = (event.router_address, event.received, event.raw)
        if message in told:  # one message makes an event for each of its routes
            continue
        told.add(message)
        router = re.sub(r"[^\w.-]+", "_", event.router or event.router_address) or "unknown"
        yield f"raw/{router}.{_SUFFIXES.get(event.feed, 'bmp')}", event.raw
