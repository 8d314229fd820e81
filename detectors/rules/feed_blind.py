"""A router that is not seen, not seen in time, or that shows what is not so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple

from collector.event import Kind
from detectors.base import FINE, UNKNOWN, Rule, Severity, Status, Verdict
from detectors.feed import MINUTE, FeedKey
from detectors.intent import FeedIntent, Intent
from detectors.route import Cause, Change
from detectors.routes import Routes
from detectors.rules._feeds import (
    Trouble,
    dispute_verdict,
    errors_verdict,
    fault_until,
    fault_verdict,
    gap_verdict,
    lag_verdict,
    moment,
    name_verdict,
    trouble_in_words,
    trouble_of,
    way,
)
from detectors.rules._reconcile import Disputes

NEVER = 2**63
"""Longer than any lag, ns."""
REPORT_STANDS = 15 * MINUTE
"""How long the report of what changed in a gap is open."""


class Subject(NamedTuple):
    """What one key is about."""

    about: str
    """`sight`, `lag`, `errors`, `sender`, `name`, `gap` or `feeds`."""
    router: str
    feed: str | None


class FeedBlind(Rule):
    """Judges the feeds themselves: by what they do, never by what they show.

    `ROUTER FEED` is whether a router of the intent's `feeds` is seen; `… lag`, `… errors`, `… name`
    and `… sender` whether what it shows can be relied on; `ROUTER feeds` whether its feeds agree;
    `… gap TIME` reports, once, what changed while it was not seen. In the window of a cutover all
    but reports are critical.
    """

    name: ClassVar[str] = "feed_blind"
    alone: ClassVar[bool] = True

    def __init__(self, intent: Intent) -> None:
        """Expect the intent's feeds; the watch has not begun."""
        self._intent = intent
        self._begun: int | None = None
        self._subjects: dict[str, Subject] = {}
        self._raised: dict[str, Verdict] = {}
        """What people were told of sight, and of gaps."""
        self._disputes = Disputes()
        self._least_lag = min((entry.lag for entry in intent.feeds), default=NEVER)
        self._late: dict[str, None] = {}
        """The keys of lag that people were told of, and that the next route may end."""

    def standing(self) -> Iterable[str]:
        """The feeds that must be seen: one that never comes causes no event."""
        return [self._key("sight", entry.router, entry.feed) for entry in self._intent.feeds]

    def subjects(self, change: Change, routes: Routes) -> Iterable[str]:
        """What a change of a session, or an oddity, may say of its feed."""
        if change.cause is Cause.PROBE:
            return ()
        event = change.event
        keys = []
        if routes.feeds.have_pairs and self._disputes.note(change, routes):
            keys.append(self._key("feeds", event.router, None))
        if change.key is not None:
            state = routes.feeds.of_event(event)
            if state is not None and state.behind >= self._least_lag:
                keys.append(self._key("lag", *FeedKey.of(event)))
            elif self._late:
                keys += self._late
            return keys
        feed = FeedKey.of(event)
        entry = self._entry(feed, routes)
        keys += [self._key(about, *feed) for about in ("errors", "sender")]
        if event.kind in _OF_SESSIONS:
            keys.append(self._key("name", *feed))
        if entry is not None:
            keys += [self._key("sight", *feed), self._key("lag", *feed)]
            keys.append(self._key("sight", entry.router, entry.feed))
        state = routes.feeds.get(feed)
        gap = state.gap if state is not None else None
        if gap is not None and event.kind == Kind.END_OF_RIB and gap.until == event.received:
            keys += self._report(feed, routes)
        return dict.fromkeys(keys)

    def heard(self, feed: FeedKey) -> Iterable[str]:
        """A silent feed has spoken."""
        sight = self._key("sight", *feed)
        return [sight] if sight in self._raised else []

    def judge(self, key: str, routes: Routes, now: int) -> Verdict:
        """Fine while the feed sees, is in time, decodes, and agrees with the other one."""
        if self._begun is None:
            self._begun = now
        subject = self._subjects.get(key)
        if subject is None:
            return FINE
        if subject.about == "gap":
            return self._judge_gap(key, now)
        verdict = _JUDGES[subject.about](self, key, subject, routes, now)
        moments = [verdict.again] if verdict.again is not None else []
        moments += [
            edge
            for cutover in self._intent.cutovers
            for edge in (cutover.window.start, cutover.window.end)
            if edge > now
        ]
        critical = self._intent.in_cutover(now)
        return replace(
            verdict,
            severity=Severity.CRITICAL if critical else Severity.WARNING,
            again=min(moments, default=None),
        )

    def succeed(self, other: FeedBlind) -> None:
        """Know since when the watch looks, and what it has told."""
        self._begun = other._begun
        self._subjects |= other._subjects
        self._raised |= other._raised
        self._disputes = other._disputes
        self._late |= other._late

    def restore(self, key: str, details: Mapping[str, Any], at: int) -> None:
        """Know again what a key is about, and what people were told."""
        del at
        state = str(details.get("state"))
        about = _ABOUT.get(state, state)
        self._subjects[key] = Subject(about, str(details.get("router")), details.get("feed"))
        if about in ("sight", "gap"):
            self._raised[key] = Verdict(status=Status.VIOLATED, details=details)
        elif about == "lag":
            self._late[key] = None

    # Whether a feed sees

    def _judge_sight(self, key: str, subject: Subject, routes: Routes, now: int) -> Verdict:
        entry = self._entry_named(subject, routes)
        if entry is None:  # the intent no longer names it
            self._raised.pop(key, None)
            return FINE
        trouble = self._trouble(entry, subject, routes, now)
        raised = self._raised.get(key)
        if trouble is None:
            self._raised.pop(key, None)
            return self._seen_again(entry, subject, routes)
        if now < trouble.due:
            # Neither a short loss nor, once told, the way back is a finding of its own.
            again = replace(raised, again=trouble.due) if raised else None
            return again or replace(UNKNOWN, again=trouble.due)
        verdict = Verdict(
            status=Status.VIOLATED,
            summary=trouble_in_words(entry, subject.router, subject.feed, trouble),
            details={
                "router": subject.router,
                "feed": subject.feed,
                "state": trouble.state,
                "since": moment(trouble.since),
            },
            evidence=trouble.evidence,
        )
        self._raised[key] = verdict
        return verdict

    def _trouble(
        self, entry: FeedIntent, subject: Subject, routes: Routes, now: int
    ) -> Trouble | None:
        feeds = {
            key: state
            for key, state in routes.feeds.of_router(subject.router).items()
            if subject.feed in (None, key.feed)
        }
        met = {key: state for key, state in feeds.items() if state.up or state.last is not None}
        if not met:
            begun = self._begun or now
            return Trouble("absent", begun, begun + entry.silent_after)
        if subject.feed is None:
            return None  # it has come; each of its feeds has a key of its own
        ((key, state),) = list(met.items())[:1]
        return trouble_of(entry, key.feed, state, now)

    def _seen_again(self, entry: FeedIntent, subject: Subject, routes: Routes) -> Verdict:
        state = routes.feeds.get(FeedKey(subject.router, subject.feed or ""))
        again = None
        told = ""
        if state is not None:
            again = state.heard + entry.silent_after
            if state.gap is not None:
                count = len(state.gap.found)
                told = f" Meanwhile {count} watched destinations changed."
                told = told if count else " Nothing that is watched had changed meanwhile."
        return Verdict(
            status=Status.FINE,
            summary=f"{subject.router} is seen again over {way(subject.feed)}.{told}",
            again=again,
        )

    # Whether what it shows can be relied on

    def _judge_lag(self, key: str, subject: Subject, routes: Routes, now: int) -> Verdict:
        entry = self._entry_named(subject, routes)
        feed = FeedKey(subject.router, subject.feed or "")
        state = routes.feeds.get(feed)
        if entry is None or state is None or not state.up:
            self._late.pop(key, None)
            return FINE
        late = lag_verdict(*feed, state, entry.lag, now)
        if late is not None:
            self._late[key] = None
            return replace(late, again=now + MINUTE)
        if state.timed and state.lag(now) is None:
            return UNKNOWN  # there was no news by which to tell
        self._late.pop(key, None)
        summary = f"News of {subject.router} over {way(subject.feed)} comes in time again."
        return Verdict(status=Status.FINE, summary=summary)

    def _judge_errors(self, key: str, subject: Subject, routes: Routes, now: int) -> Verdict:
        del key
        feed = FeedKey(subject.router, subject.feed or "")
        state = routes.feeds.get(feed)
        odd = state.undecodable(now) if state is not None else []
        again = odd[0].received + MINUTE if odd else None
        found = errors_verdict(*feed, odd)
        if found is not None:
            return replace(found, again=again)
        summary = f"What {subject.router} sends over {way(subject.feed)} can be decoded again."
        return Verdict(status=Status.FINE, summary=summary, again=again)

    def _judge_sender(self, key: str, subject: Subject, routes: Routes, now: int) -> Verdict:
        del key
        feed = FeedKey(subject.router, subject.feed or "")
        state = routes.feeds.get(feed)
        until = fault_until(state) if state is not None else 0
        if state is not None and now < until:
            return replace(fault_verdict(*feed, state), again=until)
        summary = f"{subject.router} has withdrawn nothing that it had not announced for a while."
        return Verdict(status=Status.FINE, summary=summary)

    def _judge_name(self, key: str, subject: Subject, routes: Routes, now: int) -> Verdict:
        del key
        feed = FeedKey(subject.router, subject.feed or "")
        state = routes.feeds.get(feed)
        if state is None or not state.up:
            return UNKNOWN
        sharing = len(state.sharing) > 1 and state.shared is not None
        # An old session takes a while to die, and after a restart one comes before the other.
        due = (state.shared.received if sharing and state.shared else state.since) + MINUTE
        if now < due:
            return replace(UNKNOWN, again=due)
        if sharing and state.shared is not None:
            return name_verdict(*feed, state.shared, sorted(state.sharing))
        return Verdict(status=Status.FINE, summary=f"{subject.router} is the name of one router.")

    def _judge_feeds(self, key: str, subject: Subject, routes: Routes, now: int) -> Verdict:
        del key
        feeds = routes.feeds.of_router(subject.router)
        if sum(state.complete for state in feeds.values()) < 2:
            return UNKNOWN
        entries = [entry for entry in self._intent.feeds if entry.router == subject.router]
        settle = entries[0].settle if entries else FeedIntent(router=subject.router).settle
        disputes = self._disputes.of(subject.router)
        old = [dispute for dispute in disputes if now >= dispute.since + settle]
        moments = [d.since + settle for d in disputes if now < d.since + settle]
        again = min(moments, default=None)
        if old:
            return replace(dispute_verdict(subject.router, old), again=again)
        summary = f"The feeds of {subject.router} agree again."
        return Verdict(status=Status.FINE, summary=summary, again=again)

    # What changed while nobody saw

    def _report(self, feed: FeedKey, routes: Routes) -> list[str]:
        state = routes.feeds.get(feed)
        if state is None or state.gap is None or not state.gap.found:
            return []
        key = f"{feed} gap {moment(state.gap.until)}"
        self._subjects[key] = Subject("gap", *feed)
        until = state.gap.until + REPORT_STANDS
        self._raised[key] = replace(gap_verdict(*feed, state.gap), again=until)
        return [key]

    def _judge_gap(self, key: str, now: int) -> Verdict:
        report = self._raised.get(key)
        if report is None:
            return FINE
        if report.again is None:  # taken up after a restart: from now on it stands that long
            report = self._raised[key] = replace(report, again=now + REPORT_STANDS)
        if report.again is not None and now < report.again:
            return replace(report, severity=Severity.INFO)
        del self._raised[key], self._subjects[key]
        return Verdict(status=Status.FINE, summary="This was a report, and has been told.")

    # Names

    def _key(self, about: str, router: str, feed: str | None) -> str:
        words = [router, *([feed] if feed else []), *([] if about == "sight" else [about])]
        key = " ".join(words)
        self._subjects[key] = Subject(about, router, feed)
        return key

    def _entry(self, feed: FeedKey, routes: Routes) -> FeedIntent | None:
        """What the intent asks of a feed: an entry for its kind goes before one for any."""
        if not self._intent.feeds:
            return None
        state = routes.feeds.get(feed)
        names = (feed.router, state.address if state is not None else "")
        found = [e for e in self._intent.feeds if e.router in names and e.feed in (None, feed.feed)]
        return min(found, key=lambda entry: entry.feed is None, default=None)

    def _entry_named(self, subject: Subject, routes: Routes) -> FeedIntent | None:
        for entry in self._intent.feeds:
            if (entry.router, entry.feed) == (subject.router, subject.feed):
                return entry
        return self._entry(FeedKey(subject.router, subject.feed or ""), routes)


_OF_SESSIONS = frozenset({Kind.FEED_UP, Kind.FEED_DOWN})
_ABOUT = {
    **dict.fromkeys(("absent", "down", "dumping", "bouncing", "silent"), "sight"),
    "disagree": "feeds",
}
_JUDGES = {
    "sight": FeedBlind._judge_sight,
    "lag": FeedBlind._judge_lag,
    "errors": FeedBlind._judge_errors,
    "sender": FeedBlind._judge_sender,
    "name": FeedBlind._judge_name,
    "feeds": FeedBlind._judge_feeds,
}
