"""ClickHouse's Native format, as far as to know where a block ends.

Nothing is decoded: values are stepped over, and only texts one by one.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

SIZES = {
    **dict.fromkeys(("UInt8", "Int8", "Bool", "Enum8", "Nothing"), 1),
    **dict.fromkeys(("UInt16", "Int16", "Date", "Enum16", "BFloat16"), 2),
    **dict.fromkeys(("UInt32", "Int32", "Float32", "Date32", "DateTime", "IPv4", "Decimal32"), 4),
    **dict.fromkeys(("Time",), 4),
    **dict.fromkeys(("UInt64", "Int64", "Float64", "DateTime64", "Time64", "Decimal64"), 8),
    **dict.fromkeys(("UInt128", "Int128", "UUID", "IPv6", "Decimal128"), 16),
    **dict.fromkeys(("UInt256", "Int256", "Decimal256"), 32),
}
HAS_MORE_KEYS = 1 << 9
"""The flag of a LowCardinality column that brings its dictionary."""
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`")
"""Names, of an enumeration's values and of a tuple's elements."""


class UnknownTypeError(Exception):
    """A type whose length in a Native block is not known here."""


def block_ends(data: bytes) -> Iterator[int]:
    """Where each block of a file ends. Raises ValueError where that is not within the file."""
    at = 0
    while at < len(data):
        start = at
        try:
            columns, at = read_number(data, at)
            rows, at = read_number(data, at)
            for _ in range(columns):
                length, at = read_number(data, at)  # of the name
                length, at = read_number(data, at + length)  # of the type
                kind, at = read_text(data, at, length)
                at = skip_column(data, at, kind, rows)
        except IndexError:
            at = len(data) + 1
        except UnknownTypeError as error:
            raise ValueError(str(error)) from error
        if at > len(data):
            raise ValueError(f"the block at octet {start} is cut off")
        yield at


def skip_column(data: bytes, at: int, kind: str, rows: int) -> int:
    """Where the values of a column end. Raises IndexError or UnknownTypeError.

    The answer may lie behind the end of the data.
    """
    if not rows:
        return at
    kind = _QUOTED.sub("", kind)
    versions = 8 * kind.count("LowCardinality(")
    return _skip(data, at + versions, kind, rows)


def read_number(data: bytes, at: int) -> tuple[int, int]:
    """A variable-length number, and where it ends. Raises IndexError where the data does."""
    value = shift = 0
    while True:
        octet = data[at]
        value |= (octet & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if octet < 0x80:
            return value, at


def read_text(data: bytes, at: int, length: int) -> tuple[str, int]:
    """A text of so many octets, and where it ends. Raises IndexError where the data does."""
    if at + length > len(data):
        raise IndexError
    return data[at : at + length].decode(), at + length


def _word(data: bytes, at: int) -> int:
    if at + 8 > len(data):
        raise IndexError
    value: int = struct.unpack_from("<Q", data, at)[0]
    return value


def _skip(data: bytes, at: int, kind: str, rows: int) -> int:
    """Where so many values of a type end. Raises IndexError where the data does, before."""
    name, _, rest = kind.partition("(")
    inner = rest[:-1]
    if name in SIZES:
        return at + SIZES[name] * rows
    if name == "String":
        return _skip_texts(data, at, rows)
    if name == "FixedString":
        return at + int(inner) * rows
    if name == "Decimal":
        digits = int(inner.split(",")[0])
        return at + rows * next(
            size for top, size in ((9, 4), (18, 8), (38, 16), (76, 32)) if digits <= top
        )
    if name.startswith("Interval"):
        return at + 8 * rows
    return _skip_nested(data, at, (name, inner), rows)


def _skip_texts(data: bytes, at: int, count: int) -> int:
    for _ in range(count):
        length = data[at]
        if length < 0x80:  # nearly all are shorter than this
            at += 1 + length
        else:
            length, at = read_number(data, at)
            at += length
    return at


def _skip_nested(data: bytes, at: int, kind: tuple[str, str], rows: int) -> int:
    name, inner = kind
    if name == "Nullable":
        return _skip(data, at + rows, inner, rows)
    if name in {"Array", "Map", "Nested"}:
        values = _word(data, at + 8 * (rows - 1)) if rows else 0
        of = inner if name == "Array" else f"Tuple({inner})"
        return _skip(data, at + 8 * rows, of, values)
    if name == "Tuple":
        for each in _parts(inner):
            at = _skip(data, at, each, rows)
        return at
    if name == "LowCardinality":
        return _skip_dictionary(data, at, inner) if rows else at
    raise UnknownTypeError(f"the length of a {name} is not known here")


def _skip_dictionary(data: bytes, at: int, of: str) -> int:
    flags, at = _word(data, at), at + 8
    if flags & HAS_MORE_KEYS:
        of = of[len("Nullable(") : -1] if of.startswith("Nullable(") else of
        at = _skip(data, at + 8, of, _word(data, at))
    return at + 8 + (1 << (flags & 0xFF)) * _word(data, at)


def _parts(inner: str) -> list[str]:
    """The types of a tuple, without the names of its elements."""
    parts, depth, begin = [], 0, 0
    for place, character in enumerate(inner):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and not depth:
            parts.append(inner[begin:place])
            begin = place + 1
    parts.append(inner[begin:])
    return [re.sub(r"^\w+\s+(?=\w)", "", part.strip()) for part in parts]
