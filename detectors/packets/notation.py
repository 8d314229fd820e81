"""Reads the text of one component, as collector/wire/flowspec.py writes it.

Terms are separated by a blank (OR); a term is operators joined by `&` (AND, which binds more
tightly, RFC 8955 section 4.2.1.1). Numbers: `=80`, `>=1024&<=65535`, `!=6`, `true`, `false`. Bit
masks: `0x12` any of these bits, `=0x02` all of them, and the opposite of either with `!` before it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache, reduce
from operator import and_, or_

from detectors.packets.addresses import WIDTH, Pattern
from detectors.packets.numbers import NumberSet

_OPERATOR = re.compile(r"(?P<sign>[!<>=]{0,2})(?P<value>0x[0-9a-fA-F]{1,16}|[0-9]{1,20})")
_OFFSET_PREFIX = re.compile(r"(?P<address>[0-9a-fA-F:.]+)/(?P<offset>\d+)-(?P<length>\d+)")
_NUMERIC: dict[str, Callable[[int], tuple[tuple[int, int], ...]]] = {
    "": lambda value: ((value, value),),
    "=": lambda value: ((value, value),),
    "<": lambda value: ((0, value - 1),),
    "<=": lambda value: ((0, value),),
    ">": lambda value: ((value + 1, _LARGEST),),
    ">=": lambda value: ((value, _LARGEST),),
    "!=": lambda value: ((0, value - 1), (value + 1, _LARGEST)),
}
_LARGEST = 2**64  # a numeric operator has up to eight octets
_EVERY_NUMBER = NumberSet(((0, _LARGEST),))
_MAX_OPERATORS = 2048  # an NLRI has at most 4095 octets, and an operator at least two
_FLAG_BITS = 12
_EVERY = (1 << (1 << _FLAG_BITS)) - 1
_WITH_BIT = tuple(
    sum(1 << value for value in range(1 << _FLAG_BITS) if value >> bit & 1)
    for bit in range(_FLAG_BITS)
)
"""For each bit, the values that have it, as an integer with bit V set for value V: a rule of two
thousand operators is then two thousand integer operations."""


class UnreadableRuleError(ValueError):
    """A component that nobody here understands: what the rule matches is not known."""


@lru_cache(maxsize=4096)
def parse_numbers(text: str, among: NumberSet, *, bitmask: bool) -> NumberSet:
    """The members of `among` that a component matches. Raises UnreadableRuleError."""
    terms = [term.split("&") for term in re.sub(r"\s*&\s*", "&", text).split()]
    if not terms or sum(map(len, terms)) > _MAX_OPERATORS:
        raise UnreadableRuleError(f"cannot read {text[:60]!r}")
    if bitmask:
        values = reduce(or_, (reduce(and_, map(_bitmask, term)) for term in terms))
        return NumberSet.where(among, lambda value: bool(values >> value & 1))
    spans: list[tuple[int, int]] = []
    for term in terms:
        # What all operators of a term match is what none of them leaves out: one sort, where
        # intersecting them one by one would take the square of a hostile rule's length.
        left_out = [span for each in term for span in (_EVERY_NUMBER - _numeric(each)).spans]
        spans += (among - NumberSet.of(left_out)).spans
    return NumberSet.of(spans)


def _numeric(text: str) -> NumberSet:
    if text in ("true", "false"):
        return _EVERY_NUMBER if text == "true" else NumberSet()
    sign, value = _operator(text)
    if sign not in _NUMERIC:
        raise UnreadableRuleError(f"cannot read {text[:60]!r}")
    return NumberSet.of(_NUMERIC[sign](value))


def _bitmask(text: str) -> int:
    """The values that one operator matches (RFC 8955 section 4.2.1.2), as in `_WITH_BIT`."""
    sign, mask = _operator(text)
    with_bit = [_WITH_BIT[bit] for bit in range(_FLAG_BITS) if mask >> bit & 1]
    if sign.endswith("="):  # a bit that no value has cannot be matched
        found = 0 if mask >> _FLAG_BITS else reduce(and_, with_bit, _EVERY)
    else:
        found = reduce(or_, with_bit, 0)
    if sign not in ("", "!", "=", "!="):
        raise UnreadableRuleError(f"cannot read {text[:60]!r}")
    return _EVERY ^ found if sign.startswith("!") else found


def _operator(text: str) -> tuple[str, int]:
    parts = _OPERATOR.fullmatch(text)
    if parts is None:
        raise UnreadableRuleError(f"cannot read {text[:60]!r}")
    value = parts["value"]
    return parts["sign"], int(value, 16 if value.startswith("0x") else 10)


def parse_pattern(text: str, version: int) -> Pattern:
    """The addresses that a prefix matches. Raises UnreadableRuleError.

    `192.0.2.0/24`, `2001:db8::/32`, or with an offset `::1234:0:0:0/64-80` (bits 64 to 79).
    """
    parts = _OFFSET_PREFIX.fullmatch(text)
    try:
        if parts is None:
            found = Pattern.prefix(text)
        else:
            found = Pattern.slice(parts["address"], int(parts["offset"]), int(parts["length"]))
    except ValueError as error:
        raise UnreadableRuleError(f"cannot read {text[:60]!r}") from error
    if found.version != version:
        raise UnreadableRuleError(f"{text} is not IPv{version} ({WIDTH[version]} bits)")
    return found
