"""`anchorwatch replay`: would this have paged?"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from anchorwatch.cli import answers
from anchorwatch.cli.check import load_intent_or_fail
from anchorwatch.cli.places import add_store
from anchorwatch.errors import UserError
from anchorwatch.replaying import differences, replay, stored
from anchorwatch.settings import load_settings
from collector.inputs.files import FileError, read_events
from detectors.incidents import Incident
from detectors.intent import Intent

HELP = "run the detectors over files, or over the store, and print every incident transition"


def configure(parser: argparse.ArgumentParser) -> None:
    """What to replay, and the intent to judge it by."""
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="what decode reads")
    parser.add_argument(
        "--intent", type=Path, metavar="FILE", help="the intent to judge by; else the settings'"
    )
    parser.add_argument(
        "--against", type=Path, metavar="FILE", help="another intent: print what it would change"
    )
    parser.add_argument("--from", dest="since", metavar="T", help=answers.MOMENT)
    parser.add_argument("--to", dest="until", metavar="T", help=answers.MOMENT)
    add_store(parser)


def run(args: argparse.Namespace) -> int:
    """Lines of JSON: transitions, or with `--against` the incidents that differ."""
    intents = {"intent": load_intent_or_fail(_intent_of(args))}
    if args.against is not None:
        intents["against"] = load_intent_or_fail(args.against)
    if args.files and (args.since or args.until):
        raise UserError("--from and --to are for what the store holds; leave the files out")
    told = _of_files(args.files, intents) if args.files else _of_store(args, intents)
    if args.against is None:
        for _, transition in told:
            print(transition.to_json())
    else:
        _compare(told, args)
    return 0


Told = Iterator[tuple[str, Incident]]


def _intent_of(args: argparse.Namespace) -> Path:
    if args.intent is not None:
        return Path(args.intent)
    if args.files or not args.store.is_file():
        raise UserError("say what to judge by: --intent FILE, or --store anchorwatch.yaml")
    return load_settings(args.store).intent


def _of_files(files: Iterable[Path], intents: dict[str, Intent]) -> Told:
    """Each file is a history of its own; the clock is that of the recorded events."""
    failures: list[str] = []
    for path in files:
        try:
            yield from replay(read_events(path), intents, on_error=_report)
        except FileError as error:
            failures.append(str(error))
    if failures:
        raise UserError("; ".join(failures))


def _of_store(args: argparse.Namespace, intents: dict[str, Intent]) -> Told:
    """The store from its first row on; what happened before `--from` is not told."""
    with answers.opened(args.store) as store:
        since = answers.moment(args.since, store) if args.since else 0
        until = answers.moment(args.until, store) if args.until else time.time_ns()
        what = stored(store, intents.values(), until)
        for name, transition in replay(what, intents, until=until, on_error=_report):
            if since <= transition.time <= until:
                yield name, transition


def _compare(told: Told, args: argparse.Namespace) -> None:
    found: dict[str, list[Incident]] = {"intent": [], "against": []}
    for name, transition in told:
        found[name].append(transition)
    counts = {"intent": 0, "against": 0, "both": 0}
    for difference in differences(found["intent"], found["against"]):
        counts[difference["raised_by"]] += 1
        print(msgspec.json.encode(difference).decode())
    all_of = {name: len({each.id for each in some}) for name, some in found.items()}
    print(
        f"{args.intent or 'the intent'} raises {all_of['intent']} incidents, {args.against} "
        f"{all_of['against']}: {counts['intent']} only by the first, {counts['against']} only by "
        f"the second, {counts['both']} by both and not the same",
        file=sys.stderr,
    )


def _report(rule: str, error: Exception) -> None:
    print(f"anchorwatch replay: rule {rule} failed: {error!r}", file=sys.stderr)
