"""Who may originate what by the RPKI: validated ROA payloads (VRPs) from a local JSON file.

A relying party such as routinator validates the repositories and writes the file; here it is only
read, and only what concerns watched prefixes is kept.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterable, Iterator
from enum import StrEnum
from functools import lru_cache
from ipaddress import ip_network
from pathlib import Path
from typing import NamedTuple

import msgspec

from detectors.documents import UNREADABLE, Mistake, Mistakes

MAX_BYTES = 256 << 20
"""The largest file that is read; the whole RPKI is about 50 MB."""
_BITS = {4: 32, 6: 128}
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_NUMBER = re.compile(r"[0-9]{1,10}")
_BETWEEN = tuple(" \t\r\n,")
_NO_LIST = "has no list `roas` with asn, prefix and maxLength, as routinator writes it"


class Validity(StrEnum):
    """What the RPKI says of a route (RFC 6811 section 2)."""

    VALID = "valid"
    INVALID = "invalid"
    NOT_FOUND = "not-found"


class Place(NamedTuple):
    """A prefix in numbers."""

    version: int
    length: int
    bits: int
    """The first `length` bits of the address."""

    def up_to(self, length: int) -> Place:
        """The prefix of this length that covers it."""
        return Place(self.version, length, self.bits >> (self.length - length))


class Vrp(NamedTuple):
    """A validated ROA payload: this AS may originate this prefix, and down to `max_length`."""

    asn: int
    prefix: str
    max_length: int

    def __str__(self) -> str:
        return f"AS{self.asn} {self.prefix} up to /{self.max_length}"


class Vrps:
    """The payloads that concern some prefixes."""

    def __init__(self, payloads: Iterable[tuple[Place, Vrp]]) -> None:
        """Index them by their prefix."""
        self._at: dict[Place, list[Vrp]] = {}
        for place, vrp in payloads:
            self._at.setdefault(place, []).append(vrp)
        self._lengths = sorted({(place.version, place.length) for place in self._at})
        self.covering = lru_cache(maxsize=4096)(self._covering)
        """The payloads whose prefix covers this one."""

    def __len__(self) -> int:
        return sum(map(len, self._at.values()))

    def validity(self, prefix: str, origin: int | None) -> Validity:
        """What the RPKI says of a route of this origin AS; None is an AS_SET, which no VRP has."""
        covering = self.covering(prefix)
        length = int(prefix.rpartition("/")[2])
        if any(vrp.asn == origin and origin and length <= vrp.max_length for vrp in covering):
            return Validity.VALID  # AS 0 is nobody (RFC 6483 section 4)
        return Validity.INVALID if covering else Validity.NOT_FOUND

    def _covering(self, prefix: str) -> tuple[Vrp, ...]:
        place = _place_of_network(prefix)
        return tuple(
            vrp
            for version, length in self._lengths
            if version == place.version and length <= place.length
            for vrp in self._at.get(place.up_to(length), ())
        )


def read_vrps(path: Path, watched: Iterable[str]) -> Vrps:
    """The VRPs of a file that cover one of these prefixes, or lie in one. Raises Mistakes."""
    content = _read(path)
    try:
        roas = _DECODER.decode(content).roas
    except (msgspec.DecodeError, RecursionError):
        raise Mistakes([_explain(path, content)]) from None
    concerns = _Watched(watched)
    kept = []
    for index, roa in enumerate(roas):
        try:
            place, asn, longest = _payload(roa)
        except ValueError as error:
            line = _line_of(content.decode(), index)
            raise Mistakes([Mistake(str(path), line, f"roas[{index}]", str(error))]) from None
        if concerns.meets(*place):
            kept.append((Place(*place), Vrp(asn, roa.prefix, longest)))
    return Vrps(kept)


class _Watched:
    """Tells whether a prefix covers a watched one or lies in one: it is asked 600,000 times."""

    def __init__(self, watched: Iterable[str]) -> None:
        places = {_place_of_network(prefix) for prefix in watched}
        self._above = {tuple(place.up_to(n)) for place in places for n in range(place.length + 1)}
        self._below: dict[int, dict[int, set[int]]] = {4: {}, 6: {}}
        for version, length, bits in places:
            self._below[version].setdefault(length, set()).add(bits)

    def meets(self, version: int, length: int, bits: int) -> bool:
        """Whether the prefix and a watched one have an address in common."""
        if (version, length, bits) in self._above:
            return True
        for shorter, level in self._below[version].items():
            if shorter <= length and bits >> (length - shorter) in level:
                return True
        return False


class _Roa(msgspec.Struct):
    asn: int | str
    prefix: str
    maxLength: int | None = None  # noqa: N815 - the name in the file


class _File(msgspec.Struct):
    roas: list[_Roa]


_DECODER = msgspec.json.Decoder(_File)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Mistakes([Mistake(str(path), 1, "", f"{UNREADABLE}: {reason}")]) from error
    if len(content) > MAX_BYTES:
        raise Mistakes([Mistake(str(path), 1, "", f"is larger than {MAX_BYTES} bytes")])
    return content


def _payload(roa: _Roa) -> tuple[tuple[int, int, int], int, int]:
    """Prefix (as of a `Place`), AS number and longest length. Raises ValueError."""
    number = roa.asn
    if isinstance(number, str):
        digits = number[2:] if number[:2] in ("AS", "as") else number
        number = int(digits) if _NUMBER.fullmatch(digits) else -1
    if not 0 <= number < 1 << 32:
        raise ValueError(f"{roa.asn!r} is not an AS number")
    place = _place(roa.prefix)
    longest = place[1] if roa.maxLength is None else roa.maxLength
    if not place[1] <= longest <= _BITS[place[0]]:
        raise ValueError(f"maxLength {longest} does not fit {roa.prefix}")
    return place, number, longest


def _place(prefix: str) -> tuple[int, int, int]:
    """A prefix as numbers, ten times as fast as `ipaddress` does it. Raises ValueError."""
    address, _, digits = prefix.partition("/")
    version = 6 if ":" in address else 4
    try:
        bits = int.from_bytes(socket.inet_pton(_FAMILIES[version], address))
        length = int(digits) if _NUMBER.fullmatch(digits) else -1
    except (OSError, ValueError):
        length = -1
    host = _BITS[version] - length
    if length < 0 or host < 0:
        raise ValueError(f"{prefix!r} is not a prefix")
    if bits & ((1 << host) - 1):
        raise ValueError(f"{prefix!r} has host bits set")
    return version, length, bits >> host


def _place_of_network(prefix: str) -> Place:
    network = ip_network(prefix)
    host = network.max_prefixlen - network.prefixlen
    return Place(network.version, network.prefixlen, int(network.network_address) >> host)


# Where a mistake is: only a file that has one is looked at again


def _explain(path: Path, content: bytes) -> Mistake:
    """What is wrong with a file that is no list of VRPs."""
    name = str(path)
    try:
        text = content.decode()
        document = json.loads(text)
    except UnicodeDecodeError as error:
        return Mistake(name, content.count(b"\n", 0, error.start) + 1, "", "is not UTF-8 text")
    except json.JSONDecodeError as error:
        return Mistake(name, error.lineno, "", f"is not JSON: {error.msg.lower()}")
    except RecursionError:
        return Mistake(name, 1, "", "is nested too deep")
    roas = document.get("roas") if isinstance(document, dict) else None
    if not isinstance(roas, list):
        return Mistake(name, 1, "", _NO_LIST)
    for index, roa in enumerate(roas):
        try:
            msgspec.convert(roa, _Roa)
        except msgspec.ValidationError as error:
            words = str(error)
            words = words[:1].lower() + words[1:]
            return Mistake(name, _line_of(text, index), f"roas[{index}]", words)
    return Mistake(name, 1, "", _NO_LIST)


def _line_of(text: str, index: int) -> int:
    """The line on which an item of the list `roas` begins."""
    for number, start in enumerate(_starts(text)):
        if number == index:
            return text.count("\n", 0, start) + 1
    return 1


def _starts(text: str) -> Iterator[int]:
    found = re.search(r'"roas"\s*:\s*\[', text)
    position = found.end() if found else len(text)
    decoder = json.JSONDecoder()
    while True:
        while text[position : position + 1] in _BETWEEN:
            position += 1
        yield position
        try:
            _, position = decoder.raw_decode(text, position)
        except json.JSONDecodeError:
            return
