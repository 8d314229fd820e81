"""How the forensic commands answer: as a table for people, or as lines, CSV or Parquet."""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
from rich.console import Console
from rich.table import Table

from anchorwatch.errors import UserError
from collector.event import rfc3339
from collector.store.embedded import DEFAULT_STORE, EmbeddedStore, StoreError
from collector.store.history import parse_moment


def configure(parser: argparse.ArgumentParser) -> None:
    """The options that all of them have."""
    parser.add_argument("--store", type=Path, default=DEFAULT_STORE, help="folder of the store")
    formats = ("table", "jsonl", "csv", "parquet")
    parser.add_argument("--format", choices=formats, default="table")
    parser.add_argument("--output", type=Path, help="write here (parquet needs it)")


def moment(text: str) -> int:
    """A time argument as ns; UserError where it is none."""
    try:
        return parse_moment(text, time.time_ns())
    except ValueError as error:
        raise UserError(str(error)) from error


@contextmanager
def opened(path: Path) -> Iterator[EmbeddedStore]:
    """The store, for reading; UserError where it cannot be."""
    try:
        store = EmbeddedStore(path, create=False)
    except StoreError as error:
        raise UserError(str(error)) from error
    try:
        yield store
    except StoreError as error:
        raise UserError(str(error)) from error
    finally:
        store.close()


def show(args: argparse.Namespace, rows: pa.Table, columns: dict[str, str], nothing: str) -> None:
    """Print the answer, or say in a sentence that there is none.

    `columns` are the ones of the table for people, with their headings; the other formats have all.
    """
    if args.format == "parquet":
        if args.output is None:
            raise UserError("parquet is not text: say where to write it with --output FILE")
        pyarrow.parquet.write_table(rows, args.output)
        return
    if args.output is not None:
        with args.output.open("w") as file:
            _write(args.format, rows, columns, nothing, file)
        return
    _write(args.format, rows, columns, nothing, sys.stdout)


def _write(kind: str, rows: pa.Table, columns: dict[str, str], nothing: str, file: Any) -> None:
    found = rows.to_pylist()
    if kind == "jsonl":
        for row in found:
            filled = {k: _json(v) for k, v in row.items() if v not in (None, "", [])}
            print(msgspec.json.encode(filled).decode(), file=file)
    elif kind == "csv":
        writer = csv.writer(file)
        writer.writerow(rows.column_names)
        writer.writerows([_text(value) for value in row.values()] for row in found)
    elif not found:
        print(nothing, file=file)
    else:
        _print_table(found, columns, file)


def _print_table(found: list[dict[str, Any]], columns: dict[str, str], file: Any) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in columns.values():
        table.add_column(heading, overflow="fold")
    for row in found:
        table.add_row(*(_SHOW.get(name, _text)(row[name]) for name in columns))
    terminal = file.isatty()
    Console(file=file, width=None if terminal else 160, highlight=False).print(table)


def _json(value: Any) -> Any:
    return rfc3339(value.value) if isinstance(value, pd.Timestamp) else value


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d %H:%M:%S}.{value.microsecond // 1000:03d}"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _actions(value: str) -> str:
    actions = msgspec.json.decode(value) if value else []
    return ", ".join(
        " ".join(str(part) for name, part in action.items() if part not in (False, None))
        for action in actions
    )


def _blind(value: Any) -> str:
    return f"blind since {_text(value)}" if value is not None else "live"


_SHOW: dict[str, Callable[[Any], str]] = {"actions": _actions, "blind_since": _blind}
