"""The native decoder, where it was built: BMP to ClickHouse Native blocks, called with ctypes.

`collector.wire` is the reference and reads everything; this reads what tables are made of, the
unicast, labelled and VPN routes of Route Monitoring, and declines the rest.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from ctypes import POINTER, Structure, byref, c_int, c_int64, c_size_t, c_uint8, c_uint32, c_uint64
from ctypes import c_void_p as pointer
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Any

LIBRARY = Path(__file__).with_name("libanchorwatch_native.so")
VERSION = 4
"""Of the interface, as `native/src/abi.rs` has it."""
WITHOUT = "ANCHORWATCH_DECODER"
"""Environment variable: `python` keeps the native decoder from being used."""

FAMILIES = (
    *("ipv4-unicast", "ipv6-unicast", "ipv4-labelled-unicast", "ipv6-labelled-unicast"),
    *("l3vpn-ipv4-unicast", "l3vpn-ipv6-unicast"),
)
"""Families that it reads, by their bit in a mask."""
FAMILY_NUMBERS = ((1, 1), (2, 1), (1, 4), (2, 4), (1, 128), (2, 128))
"""The same as (AFI, SAFI)."""


MRT = -1
"""Stands for the time of receipt: MRT records have their own."""


class NativeError(RuntimeError):
    """A fault in the native decoder: always a defect, never the network's doing."""


class Stop(IntEnum):
    """Why decoding stopped."""

    FAULT = -1
    MORE = 0
    DECLINED = 1
    FULL = 2
    BROKEN = 3


class _Taken(Structure):
    _fields_ = (
        ("octets", pointer),
        ("length", c_size_t),
        ("names", pointer),
        ("names_length", c_size_t),
        ("rows", c_size_t),
        ("day", c_int64),
    )


class Done(Structure):
    """How far decoding went."""

    octets: int
    rows: int
    seconds: int
    """Since 1970, in the header of the last MRT record."""
    _fields_ = (("octets", c_size_t), ("rows", c_size_t), ("seconds", c_int64))


class _Told(Structure):
    _fields_ = (
        ("key", ctypes.c_char_p),
        ("key_length", c_size_t),
        ("names", ctypes.c_char_p),
        ("names_length", c_size_t),
        ("epoch", c_int64),
        ("peer_as", c_uint32),
        ("as4", c_uint8),
        ("add_path", c_uint8),
        ("dumping", c_uint8),
    )


_COUNTS = ("messages", "announced", "withdrawn", "trailing", "odd")


class _Counted(Structure):
    _fields_ = tuple((name, c_uint64) for name in _COUNTS)


_SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "aw_version": (c_uint32, ()),
    "aw_new": (pointer, (c_size_t, c_size_t)),
    "aw_free": (None, (pointer,)),
    "aw_watch": (c_int, (pointer, ctypes.c_char_p, c_size_t)),
    "aw_peer": (c_int, (pointer, POINTER(_Told))),
    "aw_forget": (c_int, (pointer, ctypes.c_char_p, c_size_t)),
    "aw_last_dumped": (c_int64, (pointer, ctypes.c_char_p, c_size_t)),
    "aw_decode": (
        c_int,
        (pointer, pointer, c_size_t, c_int64, c_uint64, POINTER(Done)),
    ),
    "aw_pending": (c_size_t, (pointer,)),
    "aw_counts": (None, (pointer, POINTER(_Counted))),
    "aw_take": (pointer, (pointer, POINTER(_Taken))),
    "aw_release": (None, (pointer,)),
    "aw_count_frames": (c_size_t, (pointer, c_size_t)),
}


@cache
def library() -> ctypes.CDLL | None:
    """The library, or None where it was not built, does not fit or is not wanted."""
    if os.environ.get(WITHOUT) == "python":
        return None
    try:
        found = ctypes.CDLL(str(LIBRARY))
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(found, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError):
        return None
    return found if found.aw_version() == VERSION else None


READ_ONLY = 0x100
"""PyBUF_READ of Python's C API."""
_memory = ctypes.pythonapi.PyMemoryView_FromMemory
_memory.restype, _memory.argtypes = ctypes.py_object, (pointer, c_size_t, c_int)


def decoder_name() -> str:
    """Which decoder this program uses: `native` or `python`."""
    return "python" if library() is None else "native"


def address_of(data: bytearray) -> int:
    """Where the octets are, until the array changes its size."""
    return ctypes.addressof(ctypes.c_char.from_buffer(data)) if data else 0


class Block:
    """Rows of the table `routes` in ClickHouse's Native format, in memory of the decoder."""

    __slots__ = ("_library", "_place", "columns", "day", "rows", "view")

    def __init__(self, found: ctypes.CDLL, place: int, taken: _Taken) -> None:
        """Look at a block that was taken; `release` gives it back."""
        self.day: int = taken.day
        """Days since 1970 of all its rows, which one insert takes together."""
        self._library = found
        self._place: int | None = place
        self.rows: int = taken.rows
        names = ctypes.string_at(taken.names, taken.names_length).decode()
        self.columns = tuple(names.split())
        """Names of the columns that it has; the table's defaults stand for the others."""
        self.view: memoryview = _memory(taken.octets, taken.length, READ_ONLY)
        """The octets; not to be used after `release`."""

    def span(self) -> tuple[int, int]:
        """Earliest and latest `received` of its rows, ns: that is the first column."""
        at = 1  # the number of columns has one octet
        while self.view[at] & 0x80:
            at += 1
        for _ in ("name", "type"):
            at += 1 + self.view[at + 1]
        times = self.view[at + 1 : at + 1 + 8 * self.rows].cast("q")
        return min(times), max(times)

    def release(self) -> None:
        """Give the memory back; from any thread, and more than once if need be."""
        place, self._place = self._place, None
        if place is not None:
            self.view = memoryview(b"")
            self._library.aw_release(place)

    def __del__(self) -> None:
        self.release()


@dataclass(frozen=True, slots=True)
class Told:
    """How to read the messages of one peer."""

    names: tuple[str, str, str, str, str, str, str, str]
    """Feed, router, its address, peer, BGP identifier, peer distinguisher, view, table."""
    peer_as: int
    epoch: int = 0
    as4: bool = True
    """Whether AS numbers have four octets."""
    add_path: int = 0
    """Those of `FAMILIES` with path ids, as bits."""
    dumping: int = 0
    """Those whose initial table is not complete, as bits."""


class Core:
    """One native decoder: that of one session or file, used by one thread at a time."""

    def __init__(self, *, max_rows: int, max_octets: int) -> None:
        """Make one that is full from so many rows, or about so many octets, on."""
        found = library()
        if found is None:
            raise NativeError("the native decoder is not there")
        self._library = found
        self._core: int | None = found.aw_new(max_rows, max_octets)
        self._done = Done()

    def __del__(self) -> None:
        core, self._core = getattr(self, "_core", None), None
        if core:
            self._library.aw_free(core)

    def watch(self, prefixes: Iterable[str]) -> None:
        """Decline messages with routes that cover, or are covered by, any of these prefixes."""
        data = bytearray()
        for text in prefixes:
            network = ip_network(text)
            mapped = network.version == 4
            octets = network.network_address.packed
            data += (b"\0" * 10 + b"\xff\xff" + octets) if mapped else octets
            data.append(network.prefixlen + (96 if mapped else 0))
        self._check(self._library.aw_watch(self._core, bytes(data), len(data)))

    def add_peer(self, key: bytes, told: Told) -> None:
        """Say how to read what begins with `key`: see the crate, `native/src/decode/decoder.rs`."""
        names = b"".join(len(n).to_bytes(4) + n for n in map(str.encode, told.names))
        flags = (told.as4, told.add_path, told.dumping)
        raw = _Told(key, len(key), names, len(names), told.epoch, told.peer_as, *flags)
        self._check(self._library.aw_peer(self._core, byref(raw)))

    def forget(self, key: bytes) -> None:
        """Decline what begins with this key until something is said of it again."""
        self._check(self._library.aw_forget(self._core, key, len(key)))

    def last_dumped(self, key: bytes) -> int:
        """When a route of this peer's initial table last came, ns; 0 where none did."""
        return int(self._library.aw_last_dumped(self._core, key, len(key)))

    def decode(self, address: int, length: int, received: int, sequence: int) -> tuple[Stop, Done]:
        """Read BMP messages, or MRT records where `received` is `MRT`.

        Answers why it stopped and how far it went, which holds until the next call.
        """
        done = self._done
        status = self._library.aw_decode(
            self._core, address, length, received, sequence, byref(done)
        )
        self._check(status)
        return Stop(status), done

    @property
    def pending(self) -> int:
        """Rows that wait to be taken."""
        return int(self._library.aw_pending(self._core))

    def counts(self) -> dict[str, int]:
        """What was read since the last call.

        Messages, routes announced and withdrawn, and the messages with octets behind them and with
        path ids that were not as negotiated.
        """
        counted = _Counted()
        self._library.aw_counts(self._core, byref(counted))
        return {name: getattr(counted, name) for name in _COUNTS}

    def take(self) -> Block:
        """The rows that wait, as a block."""
        taken = _Taken()
        place = self._library.aw_take(self._core, byref(taken))
        if not place:
            raise NativeError("the native decoder failed to write a block")
        return Block(self._library, place, taken)

    def _check(self, status: int) -> None:
        if status == Stop.FAULT:
            raise NativeError("the native decoder failed")


def count_frames(data: bytearray) -> int:
    """Whole BMP messages in the data, looking at their headers alone: a floor for benchmarks."""
    found = library()
    if found is None:
        raise NativeError("the native decoder is not there")
    return int(found.aw_count_frames(address_of(data), len(data)))
