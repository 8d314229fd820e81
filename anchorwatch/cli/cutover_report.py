"""`anchorwatch cutover report`: how a cutover went, as one HTML page with the same as JSON."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

import msgspec

from anchorwatch.cli import answers
from anchorwatch.cli.check import load_intent_or_fail
from anchorwatch.cli.reporting import report_file, write_report
from anchorwatch.errors import UserError
from anchorwatch.pictures import story
from anchorwatch.pictures.swimlane import Mark
from anchorwatch.reports.cutover import commands, cutover_facts
from anchorwatch.reports.lanes import picture_of
from anchorwatch.reports.page import page
from anchorwatch.reports.recording import Record, record
from anchorwatch.settings import load_settings
from collector.event import Kind, parse_rfc3339
from collector.store.backend import Reader
from collector.store.incidents import transitions_between
from collector.store.sight import blind_rows
from collector.store.span import ends_of, span
from detectors.documents import did_you_mean
from detectors.intent import Cutover, Intent

_LAST_WORD = """
SELECT toInt64(toUnixTimestamp64Nano(max(received))) AS at FROM sessions
WHERE kind = {kind:String} AND reason = {name:String}
  AND received <= fromUnixTimestamp64Nano({until:Int64})
"""


def run(args: argparse.Namespace) -> int:
    """Write both files, and print where they are."""
    intent = load_intent_or_fail(args.intent or load_settings(args.config).intent)
    cutover = _cutover(intent, args.name)
    file = report_file(args.output, f"cutover-{cutover.name}")
    place = args.store or args.config
    with answers.opened(place) as store:
        text, facts = _report(store, intent, cutover, str(place))
    for path in write_report(file, text, facts):
        print(path)
    return 0


def _cutover(intent: Intent, name: str) -> Cutover:
    known = {cutover.name: cutover for cutover in intent.cutovers}
    if name not in known:
        raise UserError(f"the intent has no cutover {name!r}{did_you_mean(name, known)}")
    return known[name]


def _report(store: Reader, intent: Intent, cutover: Cutover, place: str) -> tuple[bytes, bytes]:
    now = time.time_ns()
    ends = ends_of(store)
    asked = {"kind": str(Kind.ROLLBACK), "name": cutover.name, "until": now}
    (last,) = store.query(_LAST_WORD, asked).to_pylist()
    recorded = record(
        span(store, _watched(intent), until=now),
        intent,
        cutover,
        until=now,
        last_word=max(last["at"], 0),
        on_error=_report_fault,
    )
    since, until = cutover.window.start, recorded.until
    transitions = transitions_between(store, since, until) if since < until else []
    blind = _blind(store, recorded, since)
    facts = cutover_facts(recorded, transitions, blind, ends[0] if ends is not None else None)
    opened = [
        Mark(parse_rfc3339(each["opened"]), f"{each['severity']} incident", fault=True)
        for each in facts["incidents"]
    ]
    service = intent.service(cutover.service)
    text = page(
        facts,
        picture_of(recorded.recorder, service, until, opened),
        list(story.blindness(blind)),
        commands(facts, place),
    )
    octets = msgspec.json.format(msgspec.json.encode(facts), indent=2)
    return text.encode(), octets


def _watched(intent: Intent) -> list[str]:
    """What moves: the detector of cutovers needs to know of no other route."""
    moving = [intent.service(cutover.service).prefix for cutover in intent.cutovers]
    return list(dict.fromkeys(moving))


def _blind(store: Reader, recorded: Record, since: int) -> list[dict[str, Any]]:
    """When the watch did not see, from the start of the window to the end of the record."""
    routers = recorded.engine.feeds()
    if since >= recorded.until or not routers:
        return []
    rows: list[dict[str, Any]] = blind_rows(store, since, recorded.until, routers).to_pylist()
    return rows


def _report_fault(rule: str, error: Exception) -> None:
    print(f"anchorwatch cutover: rule {rule} failed: {error!r}", file=sys.stderr)
