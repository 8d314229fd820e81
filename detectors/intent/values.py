"""The small values of an intent, as people write them: durations, times, prefixes, numbers.

Each is text in the file and ready for use in the model: nanoseconds, canonical prefixes, pairs.
Whatever is wrong is a ValueError, a wrong type too: that is how pydantic is told of a mistake.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Annotated, Any, NamedTuple

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
)

from collector.event import parse_rfc3339

_UNITS = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
}
_DURATION = re.compile(r"(?:\d{1,9}(?:ns|us|ms|s|m|h|d))+")
_LONGEST = 36_500 * _UNITS["d"]  # a time that far ahead is still a 64-bit number of nanoseconds
_ROUTE_DISTINGUISHER = re.compile(r"(\d{1,10}|\d{1,3}(\.\d{1,3}){3}):\d{1,10}")


class Span(NamedTuple):
    """Numbers from `first` to `last`, both included."""

    first: int
    last: int

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


class TimeWindow(NamedTuple):
    """From `start` up to, and without, `end` (ns)."""

    start: int
    end: int

    def holds(self, now: int) -> bool:
        """Whether `now` (ns) lies in the window."""
        return self.start <= now < self.end

    def meets(self, other: TimeWindow) -> bool:
        """Whether the two windows share a moment."""
        return self.start < other.end and other.start < self.end


def parse_duration(value: Any) -> int:
    """`500ms`, `30s`, `1h30m`, `30d` to nanoseconds. Raises ValueError."""
    if value == 0 and not isinstance(value, bool):  # the one number that needs no unit
        return 0
    if not isinstance(value, str) or not _DURATION.fullmatch(value):
        example = f"{value}s" if isinstance(value, int) else "30s"
        raise ValueError(f"{value!r} is not a duration: write {example} (ns, us, ms, s, m, h, d)")
    total = sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([a-z]+)", value))
    if total > _LONGEST:
        raise ValueError(f"{value!r} is longer than a hundred years")
    return total


def duration_text(ns: int) -> str:
    """Nanoseconds as people write them: the inverse of `parse_duration`."""
    units = sorted(_UNITS.items(), key=lambda unit: -unit[1])
    name, size = next(unit for unit in units if ns % unit[1] == 0 and (ns or unit[0] == "s"))
    return f"{ns // size}{name}"


def parse_time(value: Any) -> int:
    """RFC 3339 text with a zone to nanoseconds since 1970 UTC. Raises ValueError."""
    if isinstance(value, datetime):  # a model made by a program, not from a file
        value = value.isoformat()
    try:
        if isinstance(value, str):
            return parse_rfc3339(value)
    except ValueError as error:
        if len(str(value)) > len("2026-12-01") and "time zone" in str(error):
            raise
    raise ValueError(f"{value!r} is not a time: write 2026-12-01T22:00:00Z")


def parse_window(value: Any) -> TimeWindow:
    """`[start, end]` to a window. Raises ValueError."""
    if isinstance(value, TimeWindow):
        return value
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError("must be a list of two times, [start, end]")
    window = TimeWindow(parse_time(value[0]), parse_time(value[1]))
    if window.end <= window.start:
        raise ValueError(f"ends ({value[1]}) before it starts ({value[0]})")
    return window


def parse_prefix(value: Any) -> str:
    """A prefix as canonical text. Raises ValueError where it has host bits or no length."""
    if not isinstance(value, str) or "%" in value:
        raise ValueError(f"{value!r} is not a prefix: write 192.0.2.50/32")
    try:
        network = ip_network(value, strict=False)
    except ValueError:
        raise ValueError(f"{value!r} is not a prefix: write 192.0.2.50/32") from None
    if not value.partition("/")[2].isdigit():
        raise ValueError(f"{value!r} has no prefix length: write {network}")
    if value.partition("/")[0] and ip_address(value.partition("/")[0]) != network.network_address:
        raise ValueError(f"{value!r} has host bits set: write {network}")
    return str(network)


def parse_address(value: Any) -> str:
    """An address as canonical text; see `unmapped`. Raises ValueError."""
    try:
        if isinstance(value, str) and "%" not in value:
            return unmapped(str(ip_address(value)))
    except ValueError:
        pass
    raise ValueError(f"{value!r} is not an IP address")


def unmapped(address: str) -> str:
    """An IPv4 address where it is mapped into IPv6, as next hops of IPv6 routes are (RFC 4798)."""
    if not address.startswith("::ffff:"):
        return address
    mapped = IPv6Address(address).ipv4_mapped
    return address if mapped is None else str(mapped)


def parse_rd(value: Any) -> str:
    """A route distinguisher as `admin:number`, as routes have it. Raises ValueError."""
    if isinstance(value, str) and _ROUTE_DISTINGUISHER.fullmatch(value):
        admin, _, number = value.partition(":")
        short = "." in admin or int(admin) > 0xFFFF  # RFC 4364 section 4.2: types 1 and 2
        with suppress(ValueError):
            name = IPv4Address(admin) if "." in admin else _up_to(0xFFFFFFFF, int(admin))
            return f"{name}:{_up_to(0xFFFF if short else 0xFFFFFFFF, int(number))}"
    raise ValueError(f'{value!r} is not a route distinguisher: write "65000:50"')


def _up_to(largest: int, number: int) -> int:
    if number > largest:
        raise ValueError(f"{number} is above {largest}")
    return number


def parse_span(value: Any, largest: int) -> Span:
    """A number, or `a-b`, up to `largest`. Raises ValueError."""
    if isinstance(value, Span):
        return value
    first, last = value, value
    if isinstance(value, str):
        low, dash, high = value.partition("-")
        if low.strip().isdecimal() and (not dash or high.strip().isdecimal()):
            first = int(low)
            last = int(high) if dash else first
    if not isinstance(first, int) or not isinstance(last, int) or isinstance(value, bool):
        raise ValueError(f'{value!r} is neither a number nor a range such as "1024-65535"')  # noqa: TRY004
    if not 0 <= first <= last <= largest:
        why = f"numbers here are 0 to {largest}" if first <= last else "it ends before it begins"
        raise ValueError(f"{value!r} is not a range: {why}")
    return Span(first, last)


def _strict_int(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{value!r} is not a whole number")  # noqa: TRY004
    return value


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError(f"{text!r} has a character that cannot be printed")
    return text


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e12:
        raise ValueError(f"{value!r} is not a number above 0")
    return float(value)


# What editors are told of each value; it refuses nothing that the parser takes.
NUMBERS = r"^\s*[0-9]+\s*(-\s*[0-9]+\s*)?$"
"""A number or a range, as text."""
DURATION = {
    "type": ["string", "integer"],
    "pattern": r"^([0-9]{1,9}(ns|us|ms|s|m|h|d))+$",
    "minimum": 0,
    "maximum": 0,
}
_TEXT = {"type": "string"}


def span_schema(largest: int) -> WithJsonSchema:
    """What editors are told of a `Span` up to `largest`."""
    kinds = ["integer", "string"]
    return WithJsonSchema({"type": kinds, "minimum": 0, "maximum": largest, "pattern": NUMBERS})


Duration = Annotated[int, PlainValidator(parse_duration), WithJsonSchema(DURATION)]
"""Nanoseconds."""
Window = Annotated[
    TimeWindow,
    PlainValidator(parse_window),
    WithJsonSchema({"type": "array", "items": _TEXT, "minItems": 2, "maxItems": 2}),
]
Prefix = Annotated[
    str,
    PlainValidator(parse_prefix),
    WithJsonSchema({**_TEXT, "pattern": "^[0-9A-Fa-f:.]+/[0-9]{1,3}$"}),
]
Address = Annotated[
    str, PlainValidator(parse_address), WithJsonSchema({**_TEXT, "pattern": "^[0-9A-Fa-f:.]+$"})
]
RouteDistinguisher = Annotated[
    str,
    PlainValidator(parse_rd),
    WithJsonSchema({**_TEXT, "pattern": "^[0-9]+([.][0-9]+){0,3}:[0-9]+$"}),
]
Name = Annotated[
    str, StringConstraints(strict=True, min_length=1, max_length=255), AfterValidator(_one_line)
]
AsNumber = Annotated[int, Field(ge=0, le=2**32 - 1), BeforeValidator(_strict_int)]
Count = Annotated[int, Field(ge=1, le=10**9), BeforeValidator(_strict_int)]
Port = Annotated[int, Field(ge=1, le=65535), BeforeValidator(_strict_int)]
Score = Annotated[
    float, PlainValidator(_number), WithJsonSchema({"type": "number", "exclusiveMinimum": 0})
]
