"""What a report tells of a cutover, as JSON values, and the same in sentences."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from anchorwatch.advice import limits_missed
from anchorwatch.cutovers import durations, standing
from anchorwatch.pictures.scale import SECOND, clock, exact
from anchorwatch.reports.happenings import flush_proof, happenings, vantage_points
from anchorwatch.reports.lanes import clock_of
from anchorwatch.reports.recording import Record, Times
from collector.event import parse_rfc3339, rfc3339
from detectors.cutovers import superseded_by

Json = dict[str, Any]


def cutover_facts(
    record: Record,
    transitions: Sequence[Json],
    blind: Sequence[Mapping[str, Any]],
    first: int | None,
) -> Json:
    """All of it. Times are RFC 3339 in UTC, durations seconds; what there is not is null.

    What vantage points showed and proved is judged when the cutover ended (`judged`), or else at
    the end of the record: what a feed does later takes nothing from the proof.
    `transitions` are those of incidents in its time, `blind` is what `blind_rows` tells, `first`
    (ns) when the first row of the store came.
    """
    cutover, recorder, until = record.cutover, record.recorder, record.until
    stands = standing(record.engine, cutover, until)
    later = superseded_by(record.engine.intent, cutover, until)
    incidents = _incidents(transitions, cutover.name)
    ended = clock_of(recorder, until)[1] or until
    facts: Json = {
        "name": cutover.name,
        "until": rfc3339(until),
        "outcome": _outcome(record),
        "phase": stands["phase"],
        "plan": _plan(record),
        "superseded_by": later.name if later is not None else None,
        "store_begins": rfc3339(first) if first is not None else None,
        "steps": _steps(record),
        "seconds": durations(record.progress),
        "timers": _timers(record),
        "overlaps": _times(recorder.overlaps, until),
        "gaps": _times(recorder.gaps, until),
        "judged": rfc3339(ended),
        "routers": sorted(record.engine.feeds()),
        "vantage_points": vantage_points(recorder, ended),
        "flush": _flush(record, ended),
        "rules_left": _rules_left(record),
        "happened": happenings(recorder),
        "happened_more": recorder.full,
        "incidents": [each for each in incidents if each["of_cutover"]],
        "other_incidents": [each for each in incidents if not each["of_cutover"]],
        "blind": [
            {**each, "from": rfc3339(each["from"].value), "until": rfc3339(each["until"].value)}
            for each in blind
        ],
        "earlier": stands["earlier"],
    }
    facts["broken"] = broken(facts)
    return facts


def _plan(record: Record) -> Json:
    cutover = record.cutover
    service = record.engine.intent.service(cutover.service)
    return {
        "service": service.name,
        "prefix": service.prefix,
        "rd": service.rd,
        "from": cutover.from_,
        "to": list(cutover.to),
        "window": [rfc3339(moment) for moment in cutover.window],
        "deadline": cutover.deadline / SECOND,
        "max_overlap": cutover.max_overlap / SECOND,
        "max_gap": cutover.max_gap / SECOND,
        "flush": cutover.flush,
        "rehearsal_of": cutover.rehearsal_of,
    }


def _outcome(record: Record) -> str:
    """One of the words of `HEADLINES`."""
    progress, until = record.progress, record.until
    start, end = record.cutover.window
    seen = any(snapshot.points for snapshot in record.recorder.snapshots)
    found = (
        (until < start, "ahead"),
        (progress.complete, "complete"),
        (progress.rollback, "going back"),
        (progress.begun, "under way"),
        (progress.rolled_back, "rolled back"),
        (until < end, "waiting"),
        (seen, "not begun"),
    )
    return next((word for holds, word in found if holds), "not seen")


def _steps(record: Record) -> list[Json]:
    steps = record.recorder.steps
    return [
        {"step": step.name, "time": rfc3339(step.at), "after": (step.at - steps[0].at) / SECOND}
        for step in steps
    ]


def _timers(record: Record) -> Json:
    """Each limit, how much of it was used, and whether it was kept."""
    cutover, recorder, until = record.cutover, record.recorder, record.until
    timers: Json = {}
    begun = max((step.at for step in recorder.steps if step.name == "begun"), default=0)
    if begun:
        ends = ("complete", "rollback")
        ended = [s.at for s in recorder.steps if s.name in ends and s.at >= begun]
        timers["total"] = _timer(begun, min(ended, default=0), until, cutover.deadline)
    asked, back = clock_of(recorder, until)
    if any(step.name == "rollback" and step.at == asked for step in recorder.steps):
        timers["going_back"] = _timer(asked, back, until, cutover.deadline)
    for name, times, limit in (
        ("overlap", recorder.overlaps, cutover.max_overlap),
        ("gap", recorder.gaps, cutover.max_gap),
    ):
        longest = max((end - begin for begin, end in times.until(until)), default=0)
        kept = longest <= limit
        timers[name] = {"seconds": longest / SECOND, "limit": limit / SECOND, "kept": kept}
    return timers


def _timer(begun: int, ended: int, until: int, limit: int) -> Json:
    took = (ended or until) - begun
    return {
        "seconds": took / SECOND,
        "limit": limit / SECOND,
        "kept": took <= limit,
        "from": rfc3339(begun),
        "until": rfc3339(ended) if ended else None,
    }


def _times(times: Times, until: int) -> list[Json]:
    return [
        {"from": rfc3339(begin), "until": rfc3339(end), "seconds": (end - begin) / SECOND}
        for begin, end in times.until(until)
    ]


def _flush(record: Record, ended: int) -> list[Json]:
    """The proof of each place; rules that nobody meant to be gone yet are not left, but held."""
    if record.cutover.flush is None:
        return []
    meant = _outcome(record) in ("under way", "complete")
    return [
        {**each, "proof": "held"} if each["proof"] == "left" and not meant else each
        for each in flush_proof(record.recorder, ended)
    ]


def _rules_left(record: Record) -> list[Json]:
    left = []
    for rule in record.held:
        places = {
            key.router: None for key, route in record.engine.routes.of_rule(rule) if not route.stale
        }
        if places:
            left.append({"rule": rule.rule, "family": rule.family, "routers": sorted(places)})
    return sorted(left, key=lambda each: each["rule"])


def _incidents(transitions: Iterable[Json], name: str) -> list[Json]:
    found: dict[str, list[Json]] = {}
    for each in transitions:
        found.setdefault(each["id"], []).append(each)
    told = []
    for identity, mine in found.items():
        first, last = mine[0], mine[-1]
        told.append(
            {
                "id": identity,
                "of_cutover": (first["detector"], first["key"]) == ("cutover", name),
                **{field: first[field] for field in ("detector", "key", "opened")},
                "severity": last["severity"],
                "state": last["state"],
                "resolved": last["time"] if last["state"] == "resolved" else None,
                "summary": first["summary"],
                "transitions": [
                    {field: t[field] for field in ("time", "state", "severity", "summary")}
                    for t in mine
                ],
            }
        )
    return told


def broken(facts: Json) -> list[str]:
    """What was not as planned, in few words each."""
    timers = facts["timers"]
    words = limits_missed(gap_allowed=bool(facts["plan"]["max_gap"]))
    found = [words[name] for name, timer in timers.items() if not timer["kept"]]
    if facts["outcome"] == "under way" and not timers["total"]["kept"]:
        left = sum(each["proof"] == "left" for each in facts["flush"])
        if left:
            found.append(f"rules are left at {left} vantage point{'s' * (left != 1)}")
    if facts["outcome"] == "not begun":
        found.append("its window passed without a first step")
    if facts["incidents"] and not found:
        found.append("its incident was opened")
    return found


HEADLINES = {
    "ahead": "Its window is still ahead",
    "waiting": "Its window is open; the first step is still to come",
    "under way": "Under way",
    "complete": "Complete",
    "going back": "Going back, as asked",
    "rolled back": "Rolled back, as asked",
    "not begun": "Not begun",
    "not seen": "Nothing was seen of it: no vantage point has shown the service",
}


def headline(facts: Json) -> str:
    """How it went, in a line."""
    text = HEADLINES[facts["outcome"]]
    if facts["outcome"] == "under way" and facts["superseded_by"]:
        text = f"Never completed: {facts['superseded_by']} came in its place"
    if facts["broken"]:
        but = ", but " if facts["outcome"] == "complete" else ": "
        return f"{text}{but}{' and '.join(facts['broken'])}"
    return f"{text}, within every limit" if facts["outcome"] == "complete" else text


def sentences(facts: Json) -> Iterator[str]:
    """What happened, in order."""
    plan = facts["plan"]
    start, end = (_clock(each) for each in plan["window"])
    goal = " and ".join(plan["to"])
    rehearsal = f", a rehearsal of {plan['rehearsal_of']}," if plan["rehearsal_of"] else ""
    yield (
        f"Cutover {facts['name']}{rehearsal} moves {plan['service']} ({plan['prefix']}) from "
        f"{plan['from']} to {goal} between {start} and {end} UTC."
    )
    yield from _about_times(facts)
    if plan["flush"] and facts["flush"]:
        yield _about_rules(facts["flush"], plan["flush"])
    elif plan["flush"] and facts["vantage_points"] and facts["outcome"] != "waiting":
        yield f"No vantage point showed a rule of {plan['flush']} in its time."
    unseen = [each["at"] for each in facts["vantage_points"] if each["needed"] and not each["sees"]]
    if unseen:
        yield f"At the end these vantage points did not see: {', '.join(unseen)}."
    begins = facts["store_begins"]
    if begins is None:
        yield "The store is empty: nothing was seen."
    elif begins > plan["window"][0] and facts["outcome"] != "ahead":
        yield (
            f"The store begins at {_clock(begins)} UTC, after the window opened: what was before "
            "that is not known."
        )


def _about_times(facts: Json) -> Iterator[str]:
    timers = facts["timers"]
    total = timers.get("total")
    if total is not None:
        took = f"{_length(total['seconds'])} of {_length(total['limit'])} at most"
        ended = {"complete": "it was complete", "rolled back": "going back was asked for"}.get(
            facts["outcome"]
        )
        if ended and total["until"]:
            yield (
                f"It began at {_clock(total['from'])} UTC, and {ended} at "
                f"{_clock(total['until'])}: {took}."
            )
        else:
            yield f"It began at {_clock(total['from'])} UTC: {took} are used."
    elif facts["outcome"] == "complete":
        yield "It was complete when the watch first saw it."
    back = timers.get("going_back")
    if back is not None:
        took = f"{_length(back['seconds'])} of {_length(back['limit'])} at most"
        proven = f"proven at {_clock(back['until'])}" if back["until"] else "not proven yet"
        asked = f"Going back was asked for at {_clock(back['from'])} UTC"
        yield f"{asked}; the start is {proven}: {took}."
    if total is not None or facts["gaps"]:
        yield _about_limit("both sites advertised", timers["overlap"])
        yield _about_limit("nobody advertised", timers["gap"])


def _about_limit(said: str, timer: Json) -> str:
    if not timer["seconds"]:
        return f"It was never seen that {said}."
    limit = f"{_length(timer['limit'])} at most" if timer["limit"] else "not allowed at all"
    return f"{said.capitalize()} for {_length(timer['seconds'])} at the longest ({limit})."


def _about_rules(proofs: Sequence[Json], policy: str) -> str:
    gone = [each for each in proofs if each["proof"] == "seen gone"]
    left = [each for each in proofs if each["proof"] in ("left", "held")]
    unseen = [each for each in proofs if each["proof"] == "not seen"]
    parts = []
    if gone:
        last = max((each["gone"] for each in gone if "gone" in each), default="")
        when = f", the last at {_clock(last)} UTC" if last else ""
        all_of = len(gone) + len(left) + len(unseen)
        points = f"vantage point{'s' * (all_of != 1)}"
        parts.append(f"seen gone at {len(gone)} of {all_of} {points}{when}")
    if left:
        places = ", ".join(f"{each['at']} ({each['left']})" for each in left)
        parts.append(f"{left[0]['proof']} at {places}")
    if unseen:
        parts.append("not seen at " + ", ".join(each["at"] for each in unseen))
    return f"Rules of {policy}: {'; '.join(parts) or 'another feed says it'}."


def commands(facts: Json, store: str) -> list[tuple[str, str]]:
    """What to ask next, and what it answers."""
    at = f"--store {shlex.quote(store)}"
    plan = facts["plan"]
    steps = [each["time"] for each in facts["steps"]]
    begin = rfc3339(parse_rfc3339(min(steps, default=plan["window"][0])) - 60 * SECOND)
    end = facts["until"]
    asked = [
        (f"incident {each['id']} {at}", f"{each['detector']} {each['key']}: its evidence")
        for each in [*facts["incidents"], *facts["other_incidents"]][:5]
    ]
    if begin < end:
        span = f"--since {begin} --until {end}"
        asked.append((f"history {plan['prefix']} {span} {at}", "every change of the address"))
    for step in facts["steps"][-1:]:
        words = f"rib {plan['prefix']} --at {step['time']} {at}"
        asked.append((words, "who advertised at the last step"))
        if plan["flush"]:
            asked.append((f"flowspec --at {step['time']} {at}", "the rules in force then"))
    return asked


def _clock(text: str) -> str:
    return clock(parse_rfc3339(text))


def _length(seconds: float) -> str:
    return exact(round(seconds * SECOND))
