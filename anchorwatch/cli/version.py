"""`anchorwatch version`."""

from __future__ import annotations

import argparse
import platform
from importlib.metadata import version

from anchorwatch import __version__
from collector.native import decoder_name

HELP = "print the version of anchorwatch, of its decoder and of its store"


def configure(parser: argparse.ArgumentParser) -> None:
    """This command takes no arguments."""
    del parser


def run(args: argparse.Namespace) -> int:
    """Print what runs here."""
    del args
    print(f"anchorwatch {__version__}")
    print(f"decoder     {decoder_name()}")
    print(f"store       chdb {version('chdb')}")
    print(f"python      {platform.python_version()}")
    return 0
