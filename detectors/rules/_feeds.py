"""The sentences and figures of what can be wrong with a feed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from collector.event import Event, Feed, rfc3339
from detectors.base import Severity, Status, Verdict
from detectors.feed import FeedState
from detectors.gaps import Found, Gap
from detectors.intent import FeedIntent
from detectors.rules._flowspec import action_text
from detectors.rules._reconcile import Dispute

SECOND = 1_000_000_000
ERRORS = 5
"""So many undecodable messages within a minute are too many."""
FABRICATED = 20
"""So many withdrawals of what was never announced are a fault, if they are half of all."""
FAULT_STANDS = 300 * SECOND
"""A fault is over when it has not shown for this long."""
MOST_LISTED = 50
"""Destinations that a finding lists; it counts the rest."""
WAYS = {Feed.BMP: "BMP", Feed.GOBGP: "gRPC"}


class Trouble(NamedTuple):
    """Why a feed does not see now."""

    state: str
    """`absent`, `down`, `dumping`, `bouncing` or `silent`."""
    since: int
    due: int
    """When it lasts too long, ns."""
    evidence: tuple[Event, ...] = ()


def moment(ns: int) -> str:
    """A time for a sentence, to the second."""
    return rfc3339(ns)[:19] + "Z"


def way(feed: str | None) -> str:
    """How a router is seen, for a sentence."""
    return WAYS.get(Feed(feed), feed) if feed else "any feed"


def trouble_of(entry: FeedIntent, feed: str, state: FeedState, now: int) -> Trouble | None:
    """What keeps a feed that has been up from seeing now; None where it sees."""
    last = (state.last,) if state.last else ()
    if not state.up:
        down = Trouble("down", state.since, state.since + entry.lost_after, last)
        return _bouncing(entry, state, down) or down
    if not state.complete:
        dumping = Trouble("dumping", state.since, state.since + entry.dump_within, last)
        return _bouncing(entry, state, dumping) or dumping
    # The keepalive of gRPC ends a session that is dead, which is then down; BMP has none.
    if feed == Feed.BMP and now >= state.heard + entry.silent_after:
        newest = (state.newest,) if state.newest else ()
        return Trouble("silent", state.heard, state.heard + entry.silent_after, newest)
    return None


def _bouncing(entry: FeedIntent, state: FeedState, now: Trouble) -> Trouble | None:
    """Sessions of which none gets to show its tables, where that lasts too long before `now` does.

    Each loss and each dump is short, and begins anew: together they may take no longer than one
    loss and one dump.
    """
    due = state.unseen_since + entry.lost_after + entry.dump_within
    if not state.cut_short or due > now.due:
        return None
    evidence = state.lost or state.last
    return Trouble("bouncing", state.unseen_since, due, (evidence,) if evidence else ())


def trouble_in_words(entry: FeedIntent, router: str, feed: str | None, trouble: Trouble) -> str:
    """What, where, since when, what to do."""
    since, over = f"since {moment(trouble.since)}", f"over {way(feed)}"
    if trouble.state == "absent":
        return (
            f"{router} must be seen and is not: {over} it has not come up {since}. What happens "
            "there goes unnoticed. Check that it is configured to reach this collector, and that "
            "its address is a listed one."
        )
    if trouble.state == "down":
        reason = trouble.evidence[0].reason if trouble.evidence else None
        return (
            f"{router} is not seen {over} {since}: {reason or 'its session is down'}. What it "
            "alone shows is unknown until it is back. Check the router, and its way to here."
        )
    if trouble.state == "bouncing":
        reason = trouble.evidence[0].reason if trouble.evidence else None
        return (
            f"{router} has not been seen completely {over} {since}: its session comes and goes, "
            f"and ends before its tables are sent (the last time: {reason or 'it began anew'}). "
            "What it alone shows is unknown. Check the router, and its way to here."
        )
    if trouble.state == "dumping":
        limit = f"{entry.dump_within / SECOND:g} s"
        return (
            f"{router} has not finished sending its tables {over} {since}, longer than {limit}: "
            "until it has, nothing follows from what is absent there. Check the load of the "
            "router, or reset its session to this collector."
        )
    return (
        f"{router} has sent nothing {over} {since}, longer than {entry.silent_after / SECOND:g} s, "
        "though its session is up: what happens there may go unnoticed. Check the router; if it "
        "is only quiet, switch its BMP statistics on, or raise silent_after."
    )


def lag_verdict(router: str, feed: str, state: FeedState, limit: int, now: int) -> Verdict | None:
    """News that comes later than it did; None where it does not, or nobody can tell."""
    lag = state.lag(now)
    if lag is None or lag < limit:
        return None
    return Verdict(
        status=Status.VIOLATED,
        severity=Severity.WARNING,
        summary=f"News of {router} over {way(feed)} comes {lag / SECOND:.0f} s later than at the "
        f"start of its session (seen at {moment(now)}): what is shown is past. Check the load of "
        "the router, and the way from it to here.",
        details={"router": router, "feed": feed, "state": "lag"},
        measures={"lag_seconds": round(lag / SECOND, 1)},
        evidence=(state.newest,) if state.newest else (),
    )


def errors_verdict(router: str, feed: str, odd: Sequence[Event]) -> Verdict | None:
    """Too much that could not be decoded; None where it is not too much."""
    if len(odd) < ERRORS:
        return None
    return Verdict(
        status=Status.VIOLATED,
        severity=Severity.WARNING,
        summary=f"{len(odd)} or more messages of {router} over {way(feed)} could not be decoded "
        f"within a minute, since {moment(odd[0].received)} (the last: {odd[-1].reason}). Routes "
        "may be missing from what is seen. The octets are in the evidence: give them to the maker "
        "of the router, or to us.",
        details={"router": router, "feed": feed, "state": "errors"},
        measures={"undecodable": len(odd)},
        evidence=tuple(odd[:ERRORS]),
    )


def fault_until(state: FeedState) -> int:
    """Until when (ns) the sender counts as one that makes withdrawals up; 0 where it does not."""
    counted = state.withdrawals
    moments = [0]
    made_up = counted.unknown >= FABRICATED and counted.unknown >= counted.known
    if made_up and counted.last_unknown is not None:
        moments.append(counted.last_unknown.received + FAULT_STANDS)
    if counted.last_surplus is not None:
        moments.append(counted.last_surplus.received + FAULT_STANDS)
    return max(moments)


def fault_verdict(router: str, feed: str, state: FeedState) -> Verdict:
    """A sender that withdraws what it never announced."""
    counted = state.withdrawals
    what = (
        f"{counted.surplus} more routes than it announced"
        if counted.surplus
        else f"{counted.unknown} watched routes that it never announced"
    )
    return Verdict(
        status=Status.VIOLATED,
        severity=Severity.WARNING,
        summary=f"{router} has withdrawn {what} over {way(feed)} since its session came up at "
        f"{moment(state.since)}: a fault of the sender, and no outage. Take what only this router "
        "says with care, and look for a newer version of its software.",
        details={"router": router, "feed": feed, "state": "sender"},
        measures={"unknown_withdrawals": counted.unknown, "surplus": counted.surplus},
        evidence=tuple(e for e in (counted.last_surplus, counted.last_unknown) if e is not None),
    )


def name_verdict(router: str, feed: str, shared: Event, addresses: Sequence[str]) -> Verdict:
    """Two routers that cannot be told apart."""
    return Verdict(
        status=Status.VIOLATED,
        severity=Severity.WARNING,
        summary=f"{' and '.join(addresses)} both call themselves {router} over {way(feed)} since "
        f"{moment(shared.received)}: only the one that came last is seen, and what the other shows "
        "is left out. Give each a name of its own in bmp.routers, and both the same if they are "
        "one router.",
        details={"router": router, "feed": feed, "state": "name", "addresses": list(addresses)},
        evidence=(shared,),
    )


def gap_verdict(router: str, feed: str, gap: Gap) -> Verdict:
    """What changed while a feed did not see."""
    listed = [_found(each) for each in gap.found[:MOST_LISTED]]
    words = "; ".join(f"{each['destination']} {each['what']}" for each in listed[:3])
    more = f" and {len(gap.found) - 3} more" if len(gap.found) > 3 else ""
    seen = tuple((each.now or each.was)[0] for each in gap.found[:MOST_LISTED])
    return Verdict(
        status=Status.VIOLATED,
        severity=Severity.INFO,
        summary=f"Found after a gap at {router}: {words}{more}. That happened while it was not "
        f"seen over {way(feed)}, between {moment(gap.since)} and {moment(gap.until)}; when, nobody "
        "can tell. Check that it was meant.",
        details={
            "router": router,
            "feed": feed,
            "state": "gap",
            "from": rfc3339(gap.since),
            "until": rfc3339(gap.until),
            "count": len(gap.found),
            "changed": listed,
        },
        evidence=seen,
    )


def _found(found: Found) -> dict[str, Any]:
    what = "changed" if found.was and found.now else "is new" if found.now else "is gone"
    told = {
        "family": found.family,
        "rd": found.rd,
        "destination": found.destination,
        "what": what,
        "was": _places(found.was),
        "now": _places(found.now),
    }
    return {name: value for name, value in told.items() if value not in (None, [])}


def _places(events: Sequence[Event]) -> list[str]:
    return sorted({place(event) for event in events})


def place(event: Event) -> str:
    """Where a route is seen and what it says, in a few words."""
    seen = f"{event.view or 'table'}{f' of {event.peer}' if event.peer else ''}"
    if event.rule is not None:
        return f"{seen}: {action_text(event.actions)}"
    med = f" med {event.med}" if event.med is not None else ""
    return f"{seen}: next hop {event.next_hop or 'none'}{med}"


def dispute_verdict(router: str, disputes: Sequence[Dispute]) -> Verdict:
    """Two feeds of one router that do not show the same."""
    first = disputes[0]
    listed = [
        {
            "destination": each.place.destination,
            "view": each.place.view,
            "shown": {feed: _places(events) for feed, events in each.shown.items()},
        }
        for each in disputes[:MOST_LISTED]
    ]
    sides = ", but ".join(
        f"{way(feed)} shows {' and '.join(_places(events)) or 'nothing'}"
        for feed, events in sorted(first.shown.items())
    )
    others = f" (and {len(disputes) - 1} more)" if len(disputes) > 1 else ""
    evidence = tuple(e for each in disputes[:5] for events in each.shown.values() for e in events)
    return Verdict(
        status=Status.VIOLATED,
        severity=Severity.WARNING,
        summary=f"Two feeds of {router} disagree since {moment(first.since)} about "
        f"{first.place.destination}{others}: {sides}. One of them is wrong, or the router refuses "
        "what a peer sent, which BMP shows: look at the router, and reset the wrong one's session.",
        details={"router": router, "state": "disagree", "routes": listed},
        evidence=evidence,
    )
