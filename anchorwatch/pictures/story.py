"""An incident in sentences, and the commands to go on with."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from anchorwatch import advice
from anchorwatch.pictures.lanes import MOST_PICTURES
from anchorwatch.pictures.scale import clock, length
from collector.event import Event, parse_rfc3339, rfc3339
from collector.store.evidence import Evidence

MOST_TIMES = 4
"""Times of blindness that a sentence tells."""
_VERBS = {
    "open": "opened",
    "updated": "was updated",
    "unknown": "could not be seen any more",
    "resolved": "was resolved",
}


def sentences(evidence: Evidence, *, live: bool = False) -> Iterator[str]:
    """What happened, in order; `live` says that the watch itself has the incident open now."""
    first = evidence.transitions[0]
    yield (
        f"{clock(evidence.opened)} UTC: {first['severity']} incident {evidence.id} "
        f"({first['detector']}, {first['key']}) opened: {first['summary']}"
    )
    for each in evidence.transitions[1:]:
        at = parse_rfc3339(each["time"])
        later = length(at - evidence.opened)
        said = each["summary"]
        yield f"{clock(at)} UTC, {later} later: it {_VERBS[each['state']]}: {said}"
    if evidence.open:
        yield f"It is still open{'' if live else ', as far as the store knows'}."
    proof = len(evidence.proof)
    yield (
        f"The evidence is {proof} message{'s' if proof != 1 else ''}"
        + (f" of {_and(evidence.routers)}" if evidence.routers else "")
        + f"; with {len(evidence.around) - proof} more from {clock(evidence.since)} to "
        f"{clock(evidence.until)} UTC around it."
    )
    for table in evidence.incomplete:
        yield (
            f"Table {table} has more messages of that time than are told here: "
            "those that are nearest to its opening and to its last change."
        )
    for what, names in (("prefixes", evidence.prefixes), ("rules", evidence.rules)):
        if len(names) > MOST_PICTURES:
            yield f"Of its {len(names)} {what} {MOST_PICTURES} have a picture."
    if evidence.cut:
        yield (
            "It lasted longer than is told here: messages and pictures end at "
            f"{clock(evidence.until)} UTC. `history` and `flowspec --life` tell what came later."
        )


def blindness(intervals: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """A sentence for each router and peer of `blind_rows`, with the times when it was not seen."""
    by_router: dict[tuple[str, str], list[str]] = {}
    for each in intervals:
        since, until = each["from"].value, each["until"].value
        # One moment is asked for as the nanosecond that ends with it.
        when = (
            f"at {clock(until)}" if until - since <= 1 else f"from {clock(since)} to {clock(until)}"
        )
        said = f"{when} UTC ({each['why']})"
        by_router.setdefault((each["router"], each["peer"]), []).append(said)
    for (router, peer), times in by_router.items():
        of = f"peer {peer} of {router}" if peer else router
        told = "; ".join(times[:MOST_TIMES])
        more = len(times) - MOST_TIMES
        yield f"The watch was blind to {of} {told}{f'; {more} times more' * (more > 0)}."


def cutover_of(evidence: Evidence) -> list[str]:
    """The name of the cutover that an incident is about, if it is about one."""
    last = evidence.transitions[-1]
    return [last["key"]] if last["detector"] == "cutover" else []


def commands(evidence: Evidence, store: str, config: str = "") -> list[tuple[str, str]]:
    """What to ask next, and what it answers; `config` is the file of the watch's settings."""
    at = f"--store {shlex.quote(store)}"
    begin, end = rfc3339(evidence.since), rfc3339(evidence.until)
    asked = [each for name in cutover_of(evidence) for each in advice.commands(name, config)]
    for prefix in evidence.prefixes[:3]:
        asked += [
            (f"rib {prefix} --at {evidence.id} {at}", f"who held {prefix} when it opened"),
            (
                f"history {prefix} --since {begin} --until {end} {at}",
                f"every change of {prefix} around it",
            ),
        ]
    for rule in evidence.rules[:3]:
        asked.append((f"flowspec --life {shlex.quote(rule)} {at}", "the life of the rule"))
    if evidence.rules:
        asked.append((f"flowspec --at {evidence.id} {at}", "all rules in force when it opened"))
    for router in evidence.routers[:2]:
        words = f"--from {evidence.id}-10s --to {evidence.id}+10s --router {shlex.quote(router)}"
        asked.append((f"diff {words} {at}", f"what changed at {router} within ten seconds of it"))
    return asked


def what(event: Event) -> str:
    """What an event speaks of, in a few words."""
    actions = ", ".join(action["action"] for action in event.actions)
    subject = event.rule or event.prefix or event.nlri or event.reason or ""
    how = " ".join(
        f"{word} {value}"
        for word, value in (("via", event.next_hop), ("path", event.as_path), ("then", actions))
        if value
    )
    return "  ".join(filter(None, (subject, how)))


def _and(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
