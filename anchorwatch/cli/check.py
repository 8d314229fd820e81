"""`anchorwatch check`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from anchorwatch.cli.annotations import FORMATS
from anchorwatch.errors import UserError
from anchorwatch.own_probes import own_duties
from anchorwatch.settings import Settings, read_settings
from detectors.documents import Mistakes, read_document, read_text
from detectors.intent import Cutover, Intent, Maintenance, load_intent

HELP = "say what an intent means, or every mistake in it with its line"


def configure(parser: argparse.ArgumentParser) -> None:
    """Name what is checked."""
    parser.add_argument(
        "--intent", type=Path, metavar="FILE", help="the intent: what should be true"
    )
    parser.add_argument(
        "-c", "--config", type=Path, metavar="FILE", help="the settings, and the intent they name"
    )
    parser.add_argument(
        "--format",
        choices=("text", *FORMATS),
        default="text",
        help="sentences, or a report for the machine that builds this: on standard output",
    )


def run(args: argparse.Namespace) -> int:
    """Exit status 0 and a line for each file that is right; 1 and all mistakes of the others."""
    if args.intent is None and args.config is None:
        raise UserError("say what to check: --intent FILE, or -c FILE")
    right: list[str] = []
    mistakes: list[Mistakes] = []
    intents = [args.intent] if args.intent is not None else []
    settings = None
    if args.config is not None:
        try:
            settings = read_settings(args.config)
        except Mistakes as wrong:
            mistakes.append(wrong)
        else:
            right.append(f"{args.config}: {_describe_settings(settings)}")
            intents.append(settings.intent)
    for path in intents:
        try:
            intent = load_intent(path)
        except Mistakes as wrong:
            mistakes.append(wrong)
        else:
            right.append(f"{path}: {describe(intent, time.time_ns())}")
            if settings is not None and path is settings.intent:
                mistakes += _between(args.config, settings, intent)
    _tell(right, mistakes, args.format)
    return int(bool(mistakes))


def _tell(right: list[str], mistakes: list[Mistakes], form: str) -> None:
    if form == "text":
        right_to, wrong_to, wrong = sys.stdout, sys.stderr, "\n".join(map(str, mistakes))
    else:
        right_to, wrong_to = sys.stderr, sys.stdout
        wrong = FORMATS[form]([each for several in mistakes for each in several.mistakes])
    for line in right:
        print(line, file=right_to)
    if wrong:
        print(wrong, file=wrong_to)


def _between(path: Path, settings: Settings, intent: Intent) -> list[Mistakes]:
    """What the settings ask for and their intent does not have."""
    try:
        own_duties(settings.prober, intent)
    except UserError as error:
        document = read_document(read_text(path), str(path))
        return [Mistakes([document.mistake(("prober",), str(error))])]
    return []


def load_intent_or_fail(path: Path) -> Intent:
    """The intent, for a command that needs it right; UserError tells every mistake in it."""
    try:
        return load_intent(path)
    except Mistakes as mistakes:
        raise UserError(f"{path} has mistakes:\n{mistakes}") from mistakes


def describe(intent: Intent, now: int) -> str:
    """What was understood, in one line; what is over at `now` (ns) may be a wrong year."""
    flowspec = _count(len(intent.flowspec), "Flowspec policy", "Flowspec policies")
    if not intent.judges_flowspec:
        flowspec = "Flowspec not judged"
    payloads = len(intent.vrps or ())
    rpki = (_count(payloads, "RPKI payload") + " of watched prefixes",) if intent.rpki else ()
    return ", ".join(
        (
            _count(len(intent.sites), "site"),
            _count(len(intent.services), "service"),
            _count(len(intent.anycast), "anycast address", "anycast addresses"),
            flowspec,
            f"{len(intent.protect)} protected",
            _count(len(intent.cutovers), "cutover") + _over(intent.cutovers, now),
            _count(len(intent.maintenance), "maintenance window") + _over(intent.maintenance, now),
            _count(len(intent.feeds), "feed"),
            *rpki,
        )
    )


def _describe_settings(settings: Settings) -> str:
    routers = _count(len(settings.bmp.routers), "router entry", "router entries")
    return f"{routers}, {_count(len(settings.pagers), 'pager')}"


def _over(planned: Sequence[Cutover | Maintenance], now: int) -> str:
    over = sum(each.window.end <= now for each in planned)
    return f" ({over} over)" if over else ""


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or f'{one}s'}"
