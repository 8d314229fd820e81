"""`anchorwatch schema`: what editors need to help with an intent."""

from __future__ import annotations

import argparse
import json

from detectors.intent.schema import intent_schema

HELP = "print the JSON Schema of the intent, by which editors complete and check it"


def configure(parser: argparse.ArgumentParser) -> None:
    """There is nothing to choose."""
    del parser


def run(args: argparse.Namespace) -> int:
    """Print the schema as one JSON document."""
    del args
    print(json.dumps(intent_schema(), indent=2))
    return 0
