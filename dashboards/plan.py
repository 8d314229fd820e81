"""What an intent says, as the SQL and the lists that the dashboards' variables hold.

The store knows what the network did, and nothing of the intent: names of sites and services, and
the plan of a cutover, come into a dashboard as constants when it is built.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from detectors.intent import Anycast, Cutover, Intent, Matcher, Service

SECOND = 1e9
BOARD = "http://127.0.0.1:8480"
"""Where `web.listen` is, when nothing is said of it."""
_PLACES = {"next_hop": "next_hop", "peer": "if(peer = '', next_hop, peer)"}
"""Where packets go; a Loc-RIB names no peer."""
_RANKS = ("originator_id", "next_hop", "peer")
"""A matcher with one of these goes before the others, in this order: docs/reference/intent.md."""
_WATCH = (
    "kind String, name String, prefix String, sites String, minimum Float64, half_life Float64, "
    "suppress Float64, reuse Float64"
)
_PLAN = (
    "cutover String, service String, prefix String, old String, new Array(String), "
    "begin Float64, end Float64, deadline Float64, max_overlap Float64, max_gap Float64, "
    "policy String, destinations Array(String)"
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What the variables of the dashboards hold."""

    sites: tuple[str, ...]
    """Names, in the order of the file."""
    site: str
    """SQL: the site that a row of `routes` comes from."""
    watch: str
    """SQL: a table of what is watched, with the columns of `_WATCH` (durations in seconds)."""
    plan: str
    """SQL: a table of the cutovers, with the columns of `_PLAN` (times in seconds since 1970)."""
    watched: tuple[tuple[str, str], ...]
    """Name and prefix of each service and anycast address."""
    anycast: tuple[tuple[str, str], ...]
    """Name and prefix of each anycast address."""
    cutovers: tuple[str, ...]
    """Names: the one that runs or is next first, then later ones, then those that are over."""
    board: str
    """Where browsers find anchorwatch's own board, with no slash at its end."""


def plan_of(intent: Intent, board: str = BOARD, now: int | None = None) -> Plan:
    """What the dashboards have to know of an intent, where the board is, and what time it is (ns).

    Without the time, so that the same intent always makes the same, the latest cutover goes first.
    """
    addresses: tuple[Service | Anycast, ...] = (*intent.services, *intent.anycast)
    return Plan(
        sites=tuple(intent.sites),
        site=_site(intent),
        watch=_table(_WATCH, [_watched(address) for address in addresses]),
        plan=_table(_PLAN, [_planned(intent, cutover) for cutover in intent.cutovers]),
        watched=tuple((address.name, address.prefix) for address in addresses),
        anycast=tuple((address.name, address.prefix) for address in intent.anycast),
        cutovers=tuple(cutover.name for cutover in _in_turn(intent.cutovers, now)),
        board=board.rstrip("/"),
    )


def _in_turn(cutovers: Iterable[Cutover], now: int | None) -> list[Cutover]:
    latest_first = sorted(cutovers, key=lambda each: each.window.start, reverse=True)
    to_come = [each for each in latest_first if now is not None and each.window.end >= now]
    over = [each for each in latest_first if each not in to_come]
    return sorted(to_come, key=lambda each: each.window.start) + over


def text(value: str) -> str:
    r"""A string as SQL has it; `$` is `\x24`, as Grafana would take it for a variable."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("$", "\\x24")
    return f"'{escaped}'"


def _texts(values: Iterable[str]) -> str:
    return f"[{', '.join(map(text, values))}]"


def _table(columns: str, rows: list[str]) -> str:
    return f"values('{columns}', {', '.join(rows)})" if rows else f"null('{columns}')"


def _site(intent: Intent) -> str:
    ranked = sorted(
        (
            (_rank(matcher), order, _matches(matcher), name)
            for order, (name, site) in enumerate(intent.sites.items())
            for matcher in site.match
        ),
    )
    cases = [f"{condition}, {text(name)}" for _, _, condition, name in ranked]
    unknown = "concat('unknown site ', next_hop)"
    return f"multiIf({', '.join(cases)}, {unknown})" if cases else "next_hop"


def _rank(matcher: Matcher) -> int:
    keys = matcher.keys()
    return next((rank for rank, key in enumerate(_RANKS) if key in keys), len(_RANKS))


def _matches(matcher: Matcher) -> str:
    words = []
    keys = matcher.keys()
    for key in keys:
        value = getattr(matcher, key)
        if key == "router":
            words.append(f"{text(value)} IN (router, router_address)")
        elif key in _PLACES:
            words.append(f"{_PLACES[key]} IN ({_addresses(value)})")
        else:
            words.append(f"{key} = {value if key == 'peer_as' else text(value)}")
    return " AND ".join(words)


def _addresses(value: str) -> str:
    """An address, as IPv6 routes have it too: they may have an IPv4 one mapped."""
    return text(value) if ":" in value else f"{text(value)}, {text(f'::ffff:{value}')}"


def _watched(address: Service | Anycast) -> str:
    if isinstance(address, Service):
        figures = "1, 900, 2000, 750"
        return (
            f"('service', {text(address.name)}, {text(address.prefix)}, "
            f"{text(', '.join(address.home))}, {figures})"
        )
    flap = address.flap
    figures = f"{flap.half_life / SECOND:g}, {flap.suppress:g}, {flap.reuse:g}"
    return (
        f"('anycast', {text(address.name)}, {text(address.prefix)}, "
        f"{text(', '.join(address.sites))}, {address.minimum}, {figures})"
    )


def _planned(intent: Intent, cutover: Cutover) -> str:
    service = intent.service(cutover.service)
    policy = next((p for p in intent.flowspec if p.name == cutover.flush), None)
    destinations = [str(prefix) for prefix in policy.destination or ()] if policy else []
    seconds = (
        *(moment / SECOND for moment in (cutover.window.start, cutover.window.end)),
        *(d / SECOND for d in (cutover.deadline, cutover.max_overlap, cutover.max_gap)),
    )
    figures = ", ".join(f"{value:.9f}".rstrip("0").rstrip(".") for value in seconds)
    return (
        f"({text(cutover.name)}, {text(service.name)}, {text(service.prefix)}, "
        f"{text(cutover.from_)}, {_texts(cutover.to)}, {figures}, "
        f"{text(cutover.flush or '')}, {_texts(destinations)})"
    )
