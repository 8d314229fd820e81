"""Events as lines of JSON, as lines for people, as CSV or as Parquet; memory stays flat."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, get_type_hints

import msgspec

from anchorwatch.errors import UserError
from collector.event import Event, rfc3339

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS = ("jsonl", "table", "csv", "parquet")
TIMES = frozenset({"received", "time", "epoch"})
NAMES = frozenset({"router", "router_address"})
"""Empty where they are not known."""
ROWS = 32_768
"""Rows of a Parquet row group: what is held in memory."""

Write = Callable[[Event], None]


def columns(*, raw: bool) -> list[str]:
    """The columns of CSV and Parquet: the fields of the event; `raw` adds the message."""
    names = list(Event.__struct_fields__)
    return names if raw else [name for name in names if name != "raw"]


@contextmanager
def event_output(kind: str, path: Path | None, *, raw: bool) -> Iterator[Write]:
    """What takes events in; they go to `path`, or to standard output. Raises UserError."""
    if kind == "parquet":
        if path is None:
            raise UserError("parquet is not text: say where to write it with --output FILE")
        with _complaining(path), _parquet(path, raw=raw) as write:
            yield write
    elif path is None:
        yield _text_output(kind, sys.stdout, raw=raw)
    else:
        with _complaining(path), path.open("w", newline="", encoding="utf-8") as file:
            yield _text_output(kind, file, raw=raw)


@contextmanager
def _complaining(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from error


def _text_output(kind: str, file: IO[str], *, raw: bool) -> Write:
    if kind == "csv":
        return _csv(file, raw=raw)
    show = row if kind == "table" else (lambda event: event.to_json(raw=raw))
    return lambda event: print(show(event), file=file)


def row(event: Event) -> str:
    """One event as a line for people."""
    fields = event.to_dict()
    what = event.rule or event.prefix or event.nlri or event.reason or ""
    who = " ".join(filter(None, (event.router, event.peer, event.view)))
    how = " ".join(
        f"{name.replace('_', '-')} {fields[name]}"
        for name in ("next_hop", "as_path", "med", "local_pref")
        if name in fields
    )
    actions = ", ".join(action["action"] for action in event.actions)
    parts = (
        *(fields["received"][:23], who, event.provenance, event.kind, event.family or "", what),
        *(f"then {actions}" if actions else "", how, "; ".join(event.warnings)),
    )
    return "  ".join(part for part in parts if part)


def _csv(file: IO[str], *, raw: bool) -> Write:
    names = columns(raw=raw)
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(names)
    return lambda event: writer.writerow([_cell(name, getattr(event, name)) for name in names])


def _cell(name: str, value: Any) -> str:
    """A value as the text of a CSV cell; what is nested is JSON."""
    if value is None or value is False or value == ():
        return ""
    if name in TIMES:
        return rfc3339(value)
    if isinstance(value, bytes):
        return value.hex()
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


@contextmanager
def _parquet(path: Path, *, raw: bool) -> Iterator[Write]:
    import pyarrow as pa  # noqa: PLC0415 - it takes long to load, and most runs need none of it
    import pyarrow.parquet as pq  # noqa: PLC0415

    schema = _schema(raw=raw)
    json = {field.name for field in schema if (field.metadata or {}).get(b"content")}
    held: list[Event] = []

    def flush() -> None:
        arrays = [
            pa.array([_value(event, field.name, field.name in json) for event in held], field.type)
            for field in schema
        ]
        writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
        held.clear()

    def write(event: Event) -> None:
        held.append(event)
        if len(held) >= ROWS:
            flush()

    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        yield write
        if held:
            flush()


def _schema(*, raw: bool) -> pa.Schema:
    """Arrow types by the types of the event's fields; other nested values are JSON text."""
    import pyarrow as pa  # noqa: PLC0415 - see above

    text, number = pa.string(), pa.uint32()
    known: dict[object, pa.DataType] = {
        str: text,
        str | None: text,
        tuple[str, ...]: pa.list_(text),
        int: pa.uint64(),
        int | None: number,
        tuple[int, ...]: pa.list_(number),
        bool: pa.bool_(),
        bytes | None: pa.binary(),
    }
    hints = get_type_hints(Event)
    fields = []
    for name in columns(raw=raw):
        if name in TIMES:
            fields.append(pa.field(name, pa.timestamp("ns", "UTC")))
        elif hints[name] in known:
            fields.append(pa.field(name, known[hints[name]]))
        else:
            fields.append(pa.field(name, text, metadata={"content": "json"}))
    return pa.schema(fields)


def _value(event: Event, name: str, json: bool) -> Any:
    """A value as Arrow takes it; what the event did not carry is null."""
    value = getattr(event, name)
    if value is None or value == () or (name in NAMES and not value):
        return None
    return msgspec.json.encode(value).decode() if json else value
