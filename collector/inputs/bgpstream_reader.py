"""Reads a BGPStream with pybgpstream, and writes a line of JSON for each element.

A process of its own (`python -m collector.inputs.bgpstream_reader`, the request on standard
input): pybgpstream 2.0.2 keeps Python's lock while it waits for the network, so in a thread of the
watch it would stop everything else, pages too.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from collector.inputs.bgpstream_elements import CORRUPTED, END_OF_DUMP, RECORDS, Element

ALIVE = 30.0
"""Seconds after which a collector that says nothing of the watched prefixes shows that it lives."""
_RIB, _END, _VALID = "rib", "end", "valid"


class Request(msgspec.Struct, kw_only=True, frozen=True):
    """What to read."""

    prefixes: tuple[str, ...]
    """These, and all more-specifics of them."""
    projects: tuple[str, ...] = ("ris-live",)
    collectors: tuple[str, ...] = ()
    """None given means all of the projects."""
    begin: int | None = None
    """Seconds since 1970 UTC; absent means now."""
    until: int | None = None
    """Likewise; absent means for ever."""


def open_stream(library: Any, request: Request) -> Any:
    """A `pybgpstream.BGPStream` of what is asked for; it is not started before it is read."""
    stream = library.BGPStream(
        from_time=request.begin,
        until_time=request.until,
        projects=list(request.projects),
        collectors=list(request.collectors),
    )
    for prefix in request.prefixes:
        # Filters of one type are joined by "or". The filter string would be one for each release:
        # older ones repeat the term, newer ones list the values.
        stream.add_filter("prefix-more", prefix)
    return stream


def elements(records: Iterable[Any], steady: Callable[[], float]) -> Iterator[Element]:
    """What is worth a line in these records (`pybgpstream.BGPRecord`)."""
    read: Counter[tuple[str, str]] = Counter()
    told: dict[tuple[str, str], float] = {}
    for record in records:
        where = (record.project, record.collector)
        if record.status.startswith(CORRUPTED):
            yield Element(type=CORRUPTED, project=record.project, collector=record.collector)
            continue
        if record.status == _VALID:
            read[where] += 1
            for element in record:
                yield element_of(record, element)
        if record.type == _RIB and record.dump_position == _END:
            yield Element(type=END_OF_DUMP, project=record.project, collector=record.collector)
        now = steady()
        if read[where] and now - told.get(where, -ALIVE) >= ALIVE:
            told[where] = now
            count = read.pop(where)
            yield Element(type=RECORDS, project=where[0], collector=where[1], count=count)


def element_of(record: Any, element: Any) -> Element:
    """A `pybgpstream.BGPElem` with what its record says."""
    fields = dict(element.fields)
    if "communities" in fields:
        fields["communities"] = sorted(fields["communities"])
    return Element(
        type=element.type,
        project=record.project,
        collector=record.collector,
        time=element.time,
        peer_address=element.peer_address,
        peer_asn=element.peer_asn,
        fields=fields,
    )


def main() -> None:
    """Read what standard input asks for, until it ends."""
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=Request)
    try:
        import pybgpstream  # noqa: PLC0415 - an extra that few install
    except ImportError as error:
        sys.exit(f"pybgpstream cannot be loaded: {error}")
    encoder = msgspec.json.Encoder()
    out = sys.stdout.buffer
    stream = open_stream(pybgpstream, request)
    try:
        for element in elements(stream.records(), time.monotonic):
            out.write(encoder.encode(element) + b"\n")
            out.flush()
    except RuntimeError as error:  # what pybgpstream raises for everything
        sys.exit(str(error))


if __name__ == "__main__":
    main()
