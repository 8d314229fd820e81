"""`anchorwatch sql`: any question to the store, in ClickHouse's SQL."""

from __future__ import annotations

import argparse

from anchorwatch.cli import answers
from anchorwatch.errors import UserError
from collector.store.backend import Reader
from collector.store.embedded import EmbeddedStore
from collector.store.guard import RefusedError, examine
from collector.store.server import ServerStore

HELP = "ask the store in SQL; it is only read"


def configure(parser: argparse.ArgumentParser) -> None:
    """The statement and its parameters."""
    parser.add_argument("statement", metavar="SQL", help="one SELECT, SHOW, DESCRIBE or EXPLAIN")
    parser.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a value for {NAME:Type} in the statement",
    )
    answers.configure(parser)


def run(args: argparse.Namespace) -> int:
    """Ask the store and show the answer."""
    parameters = {}
    for text in args.param:
        name, equals, value = text.partition("=")
        if not equals:
            raise UserError(f"--param {text}: give NAME=VALUE")
        parameters[name] = value
    with answers.opened(args.store) as store:
        if isinstance(store, EmbeddedStore):
            _examine(store, args.statement, parameters)
        if isinstance(store, EmbeddedStore | ServerStore):  # a running anchorwatch does so itself
            store.execute("SET readonly = 2")
        rows = store.query(args.statement, parameters)
        columns = {name: name for name in rows.column_names}
        answers.show(args, answers.Answer(rows, columns, "no rows"))
    return 0


def _examine(store: Reader, statement: str, parameters: dict[str, str]) -> None:
    """What a running anchorwatch would refuse is refused here, too."""
    try:
        question = examine(store, statement, parameters)
    except RefusedError as error:
        raise UserError(str(error)) from error
    if question.format is not None:
        raise UserError(f"leave FORMAT {question.format} out, and say --format")
