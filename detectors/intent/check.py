"""What is wrong between the parts of an intent: names that nothing has, plans that collide.

It reads the plain values of the file, not the model, so that it still finds what is wrong here
when the model refuses something elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError

from detectors.documents import Loc, did_you_mean
from detectors.intent.models import Anycast, Cutover, Matcher, Part, Service, Site
from detectors.joined import Wrong

PartT = TypeVar("PartT", bound=Part)
Found = Iterator[Wrong]


class _Reference(NamedTuple):
    """A key whose value names something of another section."""

    section: str
    key: str
    what: str
    source: str
    only_typos: bool = False
    """It may name something else too, so only what looks like a typing mistake is one."""


_REFERENCES = (
    _Reference("services", "home", "site", "sites"),
    _Reference("anycast", "sites", "site", "sites"),
    _Reference("cutovers", "service", "service", "services"),
    _Reference("cutovers", "from", "site", "sites"),
    _Reference("cutovers", "to", "site", "sites"),
    _Reference("cutovers", "flush", "policy", "flowspec"),
    _Reference("cutovers", "rehearsal_of", "cutover", "cutovers"),
    _Reference("maintenance", "site", "site", "sites"),
    _Reference("flowspec", "from", "site", "sites", only_typos=True),  # or a router's name
)
_NAMED = ("services", "anycast", "flowspec", "cutovers")


def check_intent(data: Any) -> Found:
    """Every mistake between parts, with its place."""
    if not isinstance(data, dict):
        return
    for section in _NAMED:
        yield from _duplicates(data, section, "name")
    yield from _shared_names(data)
    yield from _never_known(data)
    yield from _duplicate_feeds(data)
    for reference in _REFERENCES:
        yield from _unknown(data, reference)
    yield from _one_meaning(data)
    yield from _cutovers(data)


def _items(data: dict[str, Any], section: str) -> Iterator[tuple[int, dict[str, Any]]]:
    items = data.get(section)
    for index, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict):
            yield index, item


def _valid(data: dict[str, Any], section: str, model: type[PartT]) -> Iterator[tuple[int, PartT]]:
    """The items of a section that are right in themselves."""
    for index, item in _items(data, section):
        try:
            yield index, model.model_validate(item)
        except ValidationError:
            continue  # the model tells of this one


def _names(data: dict[str, Any], section: str) -> list[str]:
    if section == "sites":
        sites = data.get("sites")
        return list(sites) if isinstance(sites, dict) else []
    return [item["name"] for _, item in _items(data, section) if isinstance(item.get("name"), str)]


def _duplicates(data: dict[str, Any], section: str, key: str) -> Found:
    first: dict[str, int] = {}
    for index, item in _items(data, section):
        name = item.get(key)
        if isinstance(name, str) and first.setdefault(name, index) != index:
            yield Wrong((section, index, key), f"{name!r} is also", (section, first[name]))


def _shared_names(data: dict[str, Any]) -> Found:
    """Of services and anycast addresses alike, a finding tells the name."""
    services: dict[str, int] = {}
    for index, item in _items(data, "services"):
        if isinstance(item.get("name"), str):
            services.setdefault(item["name"], index)
    for index, item in _items(data, "anycast"):
        name = item.get("name")
        if isinstance(name, str) and name in services:
            yield Wrong(
                ("anycast", index, "name"), f"{name!r} is also", ("services", services[name])
            )


def _never_known(data: dict[str, Any]) -> Found:
    """Of two sites with the same matcher, the first one has its routes."""
    owners: dict[Matcher, str] = {}
    sites = data.get("sites")
    for name, given in sites.items() if isinstance(sites, dict) else ():
        try:
            site = Site.model_validate(given)
        except ValidationError:
            continue  # the model tells of this one
        first = [owners.setdefault(matcher, name) for matcher in site.match]
        if name not in first:
            others = " and ".join(repr(each) for each in dict.fromkeys(first))
            said = f"all that it is known by is of {others}, before it"
            yield Wrong(("sites", name), f"no route is ever of it: {said}")


def _duplicate_feeds(data: dict[str, Any]) -> Found:
    first: dict[tuple[str, str | None], int] = {}
    for index, item in _items(data, "feeds"):
        router, feed = item.get("router"), item.get("feed")
        if not isinstance(router, str) or not isinstance(feed, str | None):
            continue
        if first.setdefault((router, feed), index) != index:
            other = ("feeds", first[router, feed])
            yield Wrong(("feeds", index, "router"), f"{router!r} is also", other)


def _unknown(data: dict[str, Any], reference: _Reference) -> Found:
    known = _names(data, reference.source)
    for index, item in _items(data, reference.section):
        value = item.get(reference.key)
        loc: Loc = (reference.section, index, reference.key)
        named = [((*loc, i), n) for i, n in enumerate(value)] if isinstance(value, list) else []
        for place, name in named or [(loc, value)]:
            if not isinstance(name, str) or name in known:
                continue
            hint = did_you_mean(name, known, 0.8 if reference.only_typos else 0.6)
            if hint or not reference.only_typos:
                yield Wrong(place, f"unknown {reference.what} {name!r}{hint}")


def _one_meaning(data: dict[str, Any]) -> Found:
    """An address has one home or many, and one entry."""
    taken: dict[tuple[str, str | None], str] = {}
    for index, service in _valid(data, "services", Service):
        other = taken.setdefault((service.prefix, service.rd), service.name)
        if other != service.name:
            said = f"{service.prefix} is service {other!r} already"
            yield Wrong(("services", index, "prefix"), said)
        elif clash := _of_any_vpn(service, taken):
            yield Wrong(("services", index, "prefix"), clash)
    by_prefix = {prefix: name for (prefix, _), name in taken.items()}
    many: dict[str, str] = {}
    for index, anycast in _valid(data, "anycast", Anycast):
        loc = ("anycast", index, "prefix")
        if anycast.prefix in by_prefix:
            one = by_prefix[anycast.prefix]
            yield Wrong(loc, f"{anycast.prefix} is service {one!r}, with one home")
        other = many.setdefault(anycast.prefix, anycast.name)
        if other != anycast.name:
            yield Wrong(loc, f"{anycast.prefix} is anycast {other!r} already")


def _of_any_vpn(service: Service, taken: Mapping[tuple[str, str | None], str]) -> str:
    """Why a service and an earlier one of its prefix would take the same routes, if they would."""
    others = [name for (prefix, rd), name in taken.items() if prefix == service.prefix and rd]
    said = f"{service.prefix} is service"
    if service.rd is None and others:
        return f"{said} {others[0]!r} already: without an rd, this one would take its routes too"
    whole = taken.get((service.prefix, None))
    if service.rd is not None and whole is not None:
        return f"{said} {whole!r} already, which has no rd: it would take these routes too"
    return ""


def _cutovers(data: dict[str, Any]) -> Found:
    services = {service.name: service for _, service in _valid(data, "services", Service)}
    cutovers = list(_valid(data, "cutovers", Cutover))
    for place, (index, cutover) in enumerate(cutovers):
        service = services.get(cutover.service)
        for _, other in cutovers[:place]:
            if other.service == cutover.service and other.window.meets(cutover.window):
                loc: Loc = ("cutovers", index, "window")
                moved = f"{other.name!r}, which moves {other.service!r} too"
                yield Wrong(loc, f"overlaps the window of {moved}")
        if service is not None and not _could_be_home(cutover, service, cutovers):
            homes = ", ".join(service.home)
            loc = ("cutovers", index, "from")
            yield Wrong(loc, f"{cutover.from_!r} is not a home of {service.name!r} ({homes})")
        for site in service.home if service is not None else ():
            if site in cutover.to and not _was_left(site, cutover, cutovers):
                why = "it advertises before the first step"
                told = f"{site!r} is a home of {cutover.service!r} already: {why}"
                yield Wrong(("cutovers", index, "to"), told)


def _could_be_home(
    cutover: Cutover, service: Service, all_of_them: list[tuple[int, Cutover]]
) -> bool:
    """Whether the service is at home where the cutover takes it from, or was moved there before."""
    return cutover.from_ in service.home or any(
        cutover.from_ in other.to for other in _before(cutover, all_of_them)
    )


def _was_left(site: str, cutover: Cutover, all_of_them: list[tuple[int, Cutover]]) -> bool:
    """Whether the service was moved away from a site before, or is moved so now."""
    return site == cutover.from_ or any(
        site == other.from_ for other in _before(cutover, all_of_them)
    )


def _before(cutover: Cutover, all_of_them: list[tuple[int, Cutover]]) -> Iterator[Cutover]:
    """The moves of the same service that are over when it begins."""
    for _, other in all_of_them:
        if other.service == cutover.service and other.window.end <= cutover.window.start:
            yield other
