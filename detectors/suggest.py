"""A draft of an intent from what was seen: every guess is a comment that says on what it rests.

It is a beginning for a person to correct: what was seen need not be what was meant.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from detectors.intent import COMPONENTS, FLAGS, ProtectedPort
from detectors.intent.flowspec import ACTIONS, FASTEST, LARGEST, RATES
from detectors.intent.values import unmapped
from detectors.packets import Match, UnreadableRuleError, is_wildcard, rule_matches, touches
from detectors.packets.notation import parse_numbers
from detectors.packets.numbers import NumberSet

Row = Mapping[str, Any]
"""A row of the store's answers: a route or a rule that was held, a feed that was up."""
MOST_SPANS = 20
"""A policy with more ranges than this says nothing: the component is left open."""
PROTECT = (ProtectedPort(6, 179, 179), ProtectedPort(17, 3784, 3784))
NOWHERE = {"", "0.0.0.0", "::"}  # noqa: S104 - a next hop that says "here"


@dataclass(slots=True)
class Place:
    """Where routes come from, as one site."""

    matcher: tuple[str, str]
    routes: int = 0
    originators: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        """A name to be replaced by the one that people use."""
        return "site-" + self.matcher[1].replace(".", "-").replace(":", "-").replace("/", "-")


def draft(
    routes: Iterable[Row], rules: Iterable[Row], feeds: Iterable[Row], *, at: str, left: int = 0
) -> str:
    """The text of an intent file, as of `at` (text); `left` prefixes were not looked at."""
    routes, feeds = _printable(routes), _printable(feeds)
    places = _places(routes)
    lines = [
        f"# A draft, from what the store held at {at}. What was seen need not be what was meant:",
        "# read every line, give the sites their names, and run `anchorwatch check --intent FILE`.",
        "version: 1",
        *_sites(places),
        *_addresses(routes, places),
        *_flowspec(list(rules)),
        *_feeds(feeds),
    ]
    if left:
        lines.insert(2, f"# {left} more prefixes were left out: name those that matter.")
    return "\n".join(lines) + "\n"


def _printable(rows: Iterable[Row]) -> list[Row]:
    """Rows whose router calls itself what a file can hold: the name is the router's own word."""
    return [
        {**row, "router": "".join(c if c.isprintable() else "?" for c in row["router"])}
        for row in rows
    ]


def _matcher(row: Row) -> tuple[str, str]:
    """What tells best where a route leads: who takes the packets, else who said it."""
    if row["next_hop"] not in NOWHERE:
        return "next_hop", unmapped(row["next_hop"])
    return ("peer", row["peer"]) if row["peer"] else ("router", row["router"])


def _places(routes: Sequence[Row]) -> dict[tuple[str, str], Place]:
    places: dict[tuple[str, str], Place] = {}
    for row in routes:
        place = places.setdefault(_matcher(row), Place(_matcher(row)))
        place.routes += 1
        if row["originator_id"]:
            place.originators.add(row["originator_id"])
    return dict(sorted(places.items()))


def _sites(places: Mapping[tuple[str, str], Place]) -> Iterator[str]:
    if not places:
        yield "# No site: no route of these prefixes was held."
        return
    shared = defaultdict(list)
    for place in places.values():
        for originator in place.originators:
            shared[originator].append(place)
    yield "sites:"
    for place in places.values():
        key, value = place.matcher
        yield f"  # {place.routes} routes with {key.replace('_', ' ')} {value}"
        matchers = [f"{{{key}: {_text(value)}}}"]
        alone = sorted(place.originators)
        if len(alone) == 1 and len(shared[alone[0]]) == 1:
            yield f"  # all that name an originator name {alone[0]}, and no other site does"
            matchers.insert(0, f"{{originator_id: {_text(alone[0])}}}")
        yield f"  {_text(place.name)}: {{match: [{', '.join(matchers)}]}}"


def _addresses(routes: Sequence[Row], places: Mapping[tuple[str, str], Place]) -> Iterator[str]:
    by_prefix: dict[str, list[Row]] = defaultdict(list)
    for row in routes:
        by_prefix[row["prefix"]].append(row)
    homes = {
        prefix: sorted({places[_matcher(row)].name for row in rows})
        for prefix, rows in by_prefix.items()
    }
    one = [prefix for prefix in sorted(homes) if len(homes[prefix]) == 1]
    many = [prefix for prefix in sorted(homes) if len(homes[prefix]) > 1]
    if one:
        yield "services:"
    for prefix in one:
        rows = by_prefix[prefix]
        yield f"  # one site advertised it, seen at {_routers(rows)}"
        parts = [*_named(prefix), f"home: {_list(homes[prefix])}"]
        parts += _rd(rows)
        origins = {row["origin_as"] for row in rows}
        if None not in origins:
            parts.append(f"origin_as: [{', '.join(map(str, sorted(origins)))}]")
        yield f"  - {{{', '.join(parts)}}}"
    if many:
        yield "anycast:"
    for prefix in many:
        sites = homes[prefix]
        seen = _routers(by_prefix[prefix])
        yield f"  # {len(sites)} sites advertised it at once, seen at {seen};"
        yield "  # `minimum` is all of them: lower it where one may be away"
        rds = sorted(set(map(_vpn, by_prefix[prefix])))
        if len(rds) > 1:
            vpns = ", ".join(f"rd {rd}" if rd else "no VPN" for rd in rds)
            yield f"  # (in {vpns}: where these are"
            yield "  # different networks, write a service for each, with its `rd`)"
        parts = [*_named(prefix), f"sites: {_list(sites)}"]
        yield f"  - {{{', '.join(parts)}, minimum: {len(sites)}}}"


def _named(prefix: str) -> list[str]:
    return [f"name: {_text(prefix)}", f"prefix: {_text(prefix)}"]


def _vpn(row: Row) -> str:
    """Its route distinguisher, or that of the VRF whose session showed it."""
    return str(row["rd"] or row.get("peer_rd") or "")


def _rd(rows: Sequence[Row]) -> list[str]:
    found = set(map(_vpn, rows))
    return [f"rd: {_text(*found)}"] if len(found) == 1 and "" not in found else []


def _routers(rows: Sequence[Row]) -> str:
    names = sorted({row["router"] for row in rows})
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


# Flowspec


def _flowspec(rules: Sequence[Row]) -> Iterator[str]:
    groups: dict[tuple[tuple[str, ...], str], dict[str, Row]] = defaultdict(dict)
    left: dict[str, str] = {}
    whole = {(row["family"], row["rule"]) for row in rules if not _lost(row)}
    for row in rules:
        if _lost(row) and (row["family"], row["rule"]) in whole:
            continue  # another view shows it
        components = _components(row["rule"])
        why = _unfit(components, row["family"]) or _inexpressible(row)
        if why:
            left[row["rule"]] = why
        else:
            actions = ", ".join(sorted(_actions(row)))
            groups[tuple(components), actions][row["rule"]] = row
    yield "# No rule should touch BGP or BFD."
    yield f"protect: {_list(map(str, PROTECT))}"
    for rule, why in sorted(left.items()):
        yield f"# left out: rule `{rule}` {why}"
    if not groups:
        yield "# No other Flowspec rule was in force: any is out of policy."
        yield "flowspec: []"
        return
    yield "flowspec:"
    for number, ((names, actions), found) in enumerate(sorted(groups.items()), 1):
        seen = (
            "1 rule of this shape was"
            if len(found) == 1
            else f"{len(found)} rules of this shape were"
        )
        yield f"  # {seen} in force, such as"
        yield f"  # `{min(found)}`"
        yield f"  - name: rules-{number}"
        for name, values in _clauses(names, list(found)):
            yield f"    {name}: [{', '.join(values)}]" if values else f"    # any {name}"
        yield f"    actions: [{actions or 'accept'}]"
        yield f"    require: {_list(name.replace('-', '_') for name in names)}"
        yield f"    max_rules: {len(found)}"


def _components(rule: str) -> dict[str, str]:
    """The components of a rule by name, from its text."""
    known = {name.replace("_", "-") for name in COMPONENTS}
    found: dict[str, list[str]] = {}
    words: list[str] = []
    for word in rule.split():
        if word in known:
            words = found.setdefault(word, [])
        else:
            words.append(word)
    return {name: " ".join(each) for name, each in found.items()}


def _unfit(components: Mapping[str, str], family: str) -> str:
    """Why a rule is no example of what should be; empty where it may be one."""
    try:
        match: Match = rule_matches(components, family)
    except UnreadableRuleError as error:
        return f"cannot be read ({error})"
    if not components or match.is_empty():
        return "can match no packet, or cannot be decoded"
    touched = [str(port) for port in PROTECT if touches(match, port)]
    if touched:
        return f"could touch {', '.join(touched)}"
    return "matches a wildcard" if is_wildcard(match) else ""


def _clauses(names: Sequence[str], rules: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """What each component may be: all that was seen of it, or nothing where that says nothing."""
    parts = [_components(rule) for rule in rules]
    for name in names:
        texts = sorted({part[name] for part in parts})
        key = name.replace("-", "_")
        if key in ("destination", "source"):
            plain = all("-" not in text and not text.endswith("/0") for text in texts)
            yield key, [_text(text) for text in texts] if plain else []
        elif key in FLAGS:
            yield key, []
        else:
            domain = NumberSet(((0, LARGEST[key]),))
            spans = NumberSet.of(
                span for text in texts for span in parse_numbers(text, domain, bitmask=False).spans
            ).spans
            ranges = [str(a) if a == b else f"{a}-{b}" for a, b in spans]
            yield key, ranges if len(ranges) <= MOST_SPANS else []


_VALUE_OF = {
    "redirect-to-nexthop": "next_hop",
    "redirect-to-vrf": "target",
    "mark": "dscp",
    "rate-limit-bytes": "rate",
    "rate-limit-packets": "rate",
}


def _done(row: Row) -> list[dict[str, Any]]:
    """What a rule does, as the store has it."""
    return list(json.loads(row["actions"] or "[]"))


def _lost(row: Row) -> bool:
    """Whether this view does not show where the rule redirects to."""
    return any(a["action"] == "redirect-to-nexthop" and "next_hop" not in a for a in _done(row))


def _inexpressible(row: Row) -> str:
    """Why no policy can allow what a rule does; empty where one can."""
    odd = sorted({action["action"] for action in _done(row)}.difference(ACTIONS))
    return f"does {', '.join(odd)}, which no policy can allow" if odd else ""


def _actions(row: Row) -> Iterator[str]:
    for action in _done(row):
        value = action.get(_VALUE_OF.get(action["action"], ""))
        too_much = action["action"] in RATES and not 0 < (value or 0) < FASTEST
        known = value is not None and not too_much
        yield f"{{{action['action']}: {json.dumps(value)}}}" if known else action["action"]


def _feeds(feeds: Sequence[Row]) -> Iterator[str]:
    if not feeds:
        yield "# No router was seen over BMP or gRPC: there is nobody to miss."
        return
    yield "feeds:"
    for row in feeds:
        yield f"  # its session came up {row['times']} times, the last time at {row['last']}"
        yield f"  - {{router: {_text(row['router'])}, feed: {row['feed']}}}"


def _text(value: object) -> str:
    return json.dumps(str(value))


def _list(values: Iterable[object]) -> str:
    return f"[{', '.join(map(_text, values))}]"
