"""The command line: one module per command, all the same shape.

A command module is named as its command (`import` is in `import_`) and has `HELP`,
`configure(parser)` and `run(args) -> int`. Exit status 0 means done, 1 that the answer is bad news
(`check` found mistakes), 2 that the command could not be carried out.
"""

from __future__ import annotations

import argparse
import importlib
import keyword
import os
import re
import sys
from collections.abc import Sequence
from io import TextIOWrapper

from anchorwatch import __version__
from anchorwatch.errors import UserError

COMMANDS = (
    *("run", "probe", "status", "cutover", "demo", "decode", "import", "replay", "check"),
    *("schema", "intent"),
    *("rib", "diff", "history", "flowspec", "incident", "sql", "version"),
)


def build_parser(names: Sequence[str] = COMMANDS) -> argparse.ArgumentParser:
    """The grammar of these commands; only their modules are imported."""
    parser = argparse.ArgumentParser(
        prog="anchorwatch",
        description="The watch over BGP services that move or are announced from many places.",
    )
    parser.add_argument("--version", action="version", version=f"anchorwatch {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in names:
        ending = "_" if keyword.iskeyword(name) else ""
        module = importlib.import_module(f"anchorwatch.cli.{name}{ending}")
        command = commands.add_parser(name, help=module.HELP, description=module.HELP)
        module.configure(command)
        command.set_defaults(run=module.run)
    return parser


def with_moments(words: list[str]) -> list[str]:
    """Tie a moment such as `-10m` to its option, or argparse takes it for an option itself."""
    tied: list[str] = []
    for word in words:
        if tied and tied[-1].startswith("--") and re.fullmatch(r"-\d+(ms|s|m|h|d)", word):
            tied[-1] += f"={word}"
        else:
            tied.append(word)
    return tied


def main(argv: list[str] | None = None) -> int:
    """Run one command; print what went wrong as one sentence, never as a traceback."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a sign that it lacks must not end a command
    try:
        status = _run(with_moments(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return _unread()
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # as rich ends then
            return _unread()
        raise
    return status


def _run(words: list[str]) -> int:
    # Most commands need no database: what one does not need is not loaded.
    first = words[:1]
    needed = first if first and first[0] in COMMANDS else COMMANDS
    args = build_parser(() if first == ["--version"] else needed).parse_args(words)
    try:
        status: int = args.run(args)
    except UserError as error:
        print(f"anchorwatch {args.command}: {error}", file=sys.stderr)
        return 2
    return status


def _unread() -> int:
    """The reader of our output has gone: there is nobody left to tell, and no fault. The status."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
