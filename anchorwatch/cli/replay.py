"""`anchorwatch replay`: would this have paged?"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from anchorwatch.cli.check import load_intent_or_fail
from anchorwatch.errors import UserError
from collector.inputs.files import FileError, read_events
from detectors.engine import Engine

HELP = "run the detectors over recorded files and print every incident transition as a line of JSON"


def configure(parser: argparse.ArgumentParser) -> None:
    """Files and the intent to judge them by."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="what decode reads")
    parser.add_argument("--intent", type=Path, required=True, help="the intent to judge by")


def run(args: argparse.Namespace) -> int:
    """Each file is a history of its own; the clock is that of the recorded events."""
    intent = load_intent_or_fail(args.intent)
    failures: list[str] = []
    for path in args.files:
        engine = Engine(intent, on_error=_report)
        try:
            for event in read_events(path):
                for transition in engine.process(event):
                    print(transition.to_json())
        except FileError as error:
            failures.append(str(error))
    if failures:
        raise UserError("; ".join(failures))
    return 0


def _report(rule: str, error: Exception) -> None:
    print(f"anchorwatch replay: rule {rule} failed: {error!r}", file=sys.stderr)
