"""How the running watch is: the answer of `/api/v1/status`, which `anchorwatch status` shows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from anchorwatch import __version__
from anchorwatch.metrics import Parts
from collector.event import Event, Feed, rfc3339
from collector.inputs.probes.intake import ProbeIntake
from collector.native import decoder_name
from collector.store.writer import Writer
from detectors.engine import Engine
from detectors.feed import FeedKey, FeedState
from detectors.intent import Intent
from detectors.probes import Place, places_of


def status(
    parts: Parts, problems: list[str], *, store: str, controllers: Iterable[str] = ()
) -> dict[str, Any]:
    """JSON values; what is not known is left out. Times are RFC 3339, durations seconds.

    `controllers` are watched over gRPC, whether they have ever been reached or not.
    """
    now = parts.clock()
    writer = parts.writer
    spool = writer.spool
    incidents = sorted(
        parts.engine.open_incidents + parts.impairments.open, key=lambda each: each.opened
    )
    return {
        "time": rfc3339(now),
        "version": __version__,
        "decoder": decoder_name(),
        "problems": problems,
        "feeds": feeds(parts.engine, controllers, now),
        "sessions": {"bmp": len(parts.server.sessions)},
        "store": {
            "place": store,
            "rows_written": writer.rows_written,
            **_given(error=writer.store_error),
        },
        "spool": {
            "octets": spool.octets,
            "max_octets": int(spool.max_octets),
            "age_seconds": round(spool.age, 1),
            "reading": "paused" if writer.full else "goes on",
            **_given(error=writer.spool_error),
        },
        "incidents": [
            {
                "id": each.id,
                "severity": each.severity,
                "state": each.state,
                "detector": each.detector,
                "opened": rfc3339(each.opened),
                "summary": each.summary,
            }
            for each in incidents
        ],
    }


def problems_of(writer: Writer) -> list[str]:
    """What keeps rows from the store, one sentence each."""
    problems = []
    if writer.spool_error is not None:
        problems.append(f"the spool does not take rows: {writer.spool_error}")
    if writer.store_error is not None:
        problems.append(f"the store does not take rows: {writer.store_error}")
    if aside := writer.spool.set_aside:
        cause = f": {writer.refusal}" if writer.refusal else ""
        place = f"{writer.spool.folder} (*.refused)"
        problems.append(f"some rows can never be stored, {aside} segments are in {place}{cause}")
    return problems


def feeds(engine: Engine, controllers: Iterable[str], now: int) -> list[dict[str, Any]]:
    """Every feed that is known or should be, as JSON values; see `status`."""
    states = engine.feed_states()
    unreached = [FeedKey(name, Feed.GOBGP) for name in controllers]
    unreached = [key for key in unreached if key not in states]
    known = {key.router for key in (*states, *unreached)}
    missing = [router for router in engine.feeds() if router not in known]
    return [
        *(_feed(key, state, now) for key, state in sorted(states.items())),
        *({"router": key.router, "feed": key.feed, "state": "absent"} for key in unreached),
        *({"router": router, "state": "absent"} for router in missing),
    ]


def probers(intent: Intent, intake: ProbeIntake, now: int) -> list[dict[str, Any]]:
    """Every prober that the intent wants, as JSON values: `reports`, `awaited` or `silent`.

    `awaited` has told nothing since this watch runs, `silent` nothing for longer than it may.
    """
    wanted: dict[str, list[Place]] = {}
    for place in places_of(intent):
        wanted.setdefault(place.prober, []).append(place)
    return [_prober(name, places, intake, now) for name, places in sorted(wanted.items())]


def _prober(name: str, places: list[Place], intake: ProbeIntake, now: int) -> dict[str, Any]:
    found = [(place, intake.last.get((name, place.anycast.name, place.site))) for place in places]
    heard = max((event.received for _, event in found if event is not None), default=0)
    patience = max(place.patience for place in places)
    quiet = now - max(heard, intake.awaited.get(name, now))
    word = "silent" if quiet > patience else "reports" if heard else "awaited"
    return {
        "prober": name,
        "state": word,
        **_given(heard=_moment(heard)),
        "probes": [
            {
                "anycast": place.anycast.name,
                **_given(site=place.site),
                "probe": str(place.probe),
                **(_result(event) if event is not None else {}),
            }
            for place, event in found
        ],
    }


def _result(event: Event) -> dict[str, Any]:
    said = event.information or {}
    return {
        "result": said["result"],
        "time": rfc3339(event.received),
        **_given(seconds=said.get("seconds"), reason=event.reason),
    }


def _feed(key: FeedKey, state: FeedState, now: int) -> dict[str, Any]:
    lag = state.lag(now)
    return {
        "router": key.router,
        "feed": key.feed,
        "state": state.word(),
        "peers_up": len(state.peers),
        **_given(
            since=_moment(state.since),
            epoch=_moment(state.epoch),
            heard=_moment(state.heard),
            address=state.address or None,
            sender=state.sender or None,
            profile=state.profile,
            reason=None if state.up or state.last is None else state.last.reason,
            skew_seconds=None if state.skew is None else round(state.skew / 1e9, 3),
            lag_seconds=None if lag is None else round(lag / 1e9, 1),
        ),
    }


def _moment(ns: int) -> str | None:
    return rfc3339(ns) if ns else None


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
