"""How the forensic commands answer: as a table for people, or as lines, CSV or Parquet."""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute

from anchorwatch.cli.places import add_store, place_of
from anchorwatch.cli.tables import plain, print_rows
from anchorwatch.errors import UserError
from anchorwatch.pictures import story
from anchorwatch.web_settings import read_secret
from collector.event import rfc3339
from collector.store.backend import Reader, StoreError
from collector.store.differences import actions_in_words
from collector.store.moments import moment_of_incident, names_incident, parse_moment
from collector.store.opening import open_store
from collector.store.owner import in_use, other_owner
from collector.store.remote import RemoteStore
from collector.store.sight import blind_rows

MOMENT = "RFC 3339, -10m, now, or an incident's id (also ID+30s, ID-10s)"
"""What a time may be, for the help of options."""


def configure(
    parser: argparse.ArgumentParser, *, output: str = "write here (parquet needs it)"
) -> None:
    """The options that all of them have."""
    add_store(parser)
    formats = ("table", "jsonl", "csv", "parquet")
    parser.add_argument("--format", choices=formats, default="table")
    parser.add_argument("--output", type=Path, help=output, metavar="PATH")


def moment(text: str, store: Reader) -> int:
    """A time argument as ns; UserError where it is none."""
    try:
        if names_incident(text):
            return moment_of_incident(store, text)
        return parse_moment(text, time.time_ns())
    except ValueError as error:
        raise UserError(str(error)) from error


def past_moment(text: str, store: Reader) -> int:
    """One of which something can be known, as ns; UserError where it is none."""
    at = moment(text, store)
    # An incident has opened, whatever a clock that was set back says.
    if at > time.time_ns() and ("+" in text or not names_incident(text)):
        raise UserError(f"{text!r} is yet to come: nobody knows what will be held then")
    return at


@contextmanager
def opened(path: Path) -> Iterator[Reader]:
    """The store, for reading; UserError where it cannot be.

    While another anchorwatch has it, that one is asked.
    """
    place = place_of(path)
    try:
        store: Reader
        if isinstance(place, Path) and in_use(place):
            store = _asked(place)
        else:
            store = open_store(place, create=False)
    except StoreError as error:
        raise UserError(str(error)) from error
    try:
        yield store
    except StoreError as error:
        raise UserError(str(error)) from error
    finally:
        store.close()


def _asked(path: Path) -> Reader:
    """The process that has the store. Raises UserError where it does not answer others."""
    owner = other_owner(path)
    if owner is None or owner.endpoint is None:
        raise UserError(
            f"the store at {path} is in use by another anchorwatch "
            f"(process {owner.pid if owner else 'unknown'}), which does not answer questions as "
            "`run` does: wait for its end, or stop it"
        )
    token = read_secret(Path(owner.token_file), "token") if owner.token_file else ""
    return RemoteStore(owner.endpoint, password=token)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command answers."""

    rows: pa.Table
    columns: Mapping[str, str]
    """The columns of the table for people, with their headings; the other formats have all."""
    nothing: str
    """What to say where there is no row."""
    blind: list[dict[str, Any]] | None = None
    """When the watch could not see, as `blind_rows` tells it; None where that is no question."""


def blind_times(
    store: Reader, since: int, until: int, routers: Collection[str] | None = None
) -> list[dict[str, Any]]:
    """When the watch was blind between two times (ns), up to now at most."""
    until = min(until, time.time_ns())
    return blind_rows(store, since, until, routers).to_pylist() if since < until else []


def blind_at(
    store: Reader, at: int, routers: Collection[str] | None = None
) -> list[dict[str, Any]]:
    """What the watch could not see at one moment (ns)."""
    return blind_times(store, at - 1, at, routers)


def show(args: argparse.Namespace, answer: Answer) -> None:
    """Print the answer, or say in a sentence that there is none, and where nobody could see."""
    if args.format == "parquet" and args.output is None:
        raise UserError("parquet is not text: say where to write it with --output FILE")
    if args.format != "table":
        answer = replace(answer, rows=_with_blindness(answer))
    if args.output is None:
        _write(args.format, answer, sys.stdout)
    elif args.format == "parquet":
        from pyarrow import parquet  # noqa: PLC0415 - few ask for it

        with complaining(args.output):
            parquet.write_table(answer.rows, args.output)
    else:
        with complaining(args.output), args.output.open("w", encoding="utf-8") as file:
            _write(args.format, answer, file)
    if args.format != "table":  # of a table, it is the last lines
        for sentence in story.blindness(answer.blind or ()):
            print(f"anchorwatch {args.command}: {sentence}", file=sys.stderr)


@contextmanager
def complaining(path: Path) -> Iterator[None]:
    """UserError where a file cannot be written."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from error


_INTERVALS = pa.list_(
    pa.struct(
        {
            "peer": pa.string(),
            **dict.fromkeys(("from", "until"), pa.timestamp("ns", "UTC")),
            "why": pa.string(),
        }
    )
)


def _with_blindness(answer: Answer) -> pa.Table:
    """The rows with column `blind`: when, in the time asked about, its router was not seen."""
    rows = answer.rows
    if answer.blind is None or "router" not in rows.column_names:
        return rows
    times: dict[str, list[dict[str, Any]]] = {}
    for each in answer.blind:
        told = {name: value for name, value in each.items() if name != "router"}
        times.setdefault(each["router"], []).append(told)
    routers = rows["router"].combine_chunks().dictionary_encode()
    of_each = [times.get(router, []) for router in routers.dictionary.to_pylist()]
    column = pa.array(of_each, _INTERVALS).take(routers.indices)
    return rows.append_column("blind", column)


MOST_ROWS = 2_000
"""Of the table for people: a full table is read by programs."""


def _write(kind: str, answer: Answer, file: Any) -> None:
    if kind == "jsonl":
        names = answer.rows.column_names
        for batch in answer.rows.to_batches(max_chunksize=10_000):
            for row in zip(*map(_values, batch.columns), strict=True):
                pairs = zip(names, row, strict=True)
                filled = {name: value for name, value in pairs if value not in (None, "", [])}
                file.write(f"{msgspec.json.encode(filled).decode()}\n")
    elif kind == "csv":
        writer = csv.writer(file)
        writer.writerow(answer.rows.column_names)
        for batch in answer.rows.to_batches(max_chunksize=10_000):
            writer.writerows(zip(*map(_cells, batch.columns), strict=True))
    else:
        found = answer.rows.num_rows
        if found:
            rows = answer.rows.slice(0, MOST_ROWS).to_pylist()
            cells = [[_SHOW.get(name, _text)(row[name]) for name in answer.columns] for row in rows]
            print_rows(plain(file, piped=160), [*answer.columns.values()], cells)
        else:
            print(answer.nothing, file=file)
        if found > MOST_ROWS:
            print(f"the first {MOST_ROWS} of {found} rows: --format csv has all", file=file)
        for sentence in story.blindness(answer.blind or ()):
            print(sentence, file=file)


def _values(column: pa.Array) -> list[Any]:
    """The values of a column, as JSON has them."""
    if pa.types.is_timestamp(column.type):
        # Arrow writes all decimals of the seconds, and knows no time zone but UTC here.
        moments = column.cast(pa.timestamp(column.type.unit))
        texts = pa.compute.strftime(moments, "%Y-%m-%dT%H:%M:%S").to_pylist()
        zone = "Z" if column.type.tz else ""
        return [None if text is None else f"{text}{zone}" for text in texts]
    if pa.types.is_list(column.type):  # all items at once: lists one by one take ten times as long
        items, ends = _values(column.values), column.offsets.to_pylist()
        return [items[begin:end] for begin, end in pairwise(ends)]
    values: list[Any] = column.to_pylist()
    return [_json(value) for value in values] if pa.types.is_nested(column.type) else values


def _json(value: Any) -> Any:
    """A value as JSON has it; times are RFC 3339 at any depth."""
    if isinstance(value, datetime):
        from pandas import Timestamp  # noqa: PLC0415 - slow to load, and this one pyarrow has loaded

        return rfc3339(Timestamp(value).value)
    if isinstance(value, list):
        return [_json(each) for each in value]
    if isinstance(value, dict):
        return {name: _json(each) for name, each in value.items() if each not in (None, "")}
    return value


def _cells(column: pa.Array) -> list[Any]:
    """The values of a column for the writer of CSV; what is nested more than once is JSON."""
    kind = column.type
    if pa.types.is_list(kind) and not pa.types.is_nested(kind.value_type):
        items = column.cast(pa.list_(pa.string()))
        return list(pa.compute.binary_join(items, " ").to_pylist())
    if pa.types.is_nested(kind):
        return [msgspec.json.encode(value).decode() for value in _values(column)]
    return _values(column)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}.{value.microsecond // 1000:03d}"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _blind(value: Any) -> str:
    return f"blind since {_text(value)}" if value is not None else "yes"


_SHOW: dict[str, Callable[[Any], str]] = {
    "actions": actions_in_words,
    "blind_since": _blind,
    "what": "; ".join,
}
