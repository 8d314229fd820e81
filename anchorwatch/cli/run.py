"""`anchorwatch run`: collector, detectors, pagers and web in one process."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
from pathlib import Path

from anchorwatch.cli.check import load_intent_or_fail
from anchorwatch.settings import Settings, load_settings
from detectors.intent import Intent

HELP = "collect, store, detect and page, in one process"


def configure(parser: argparse.ArgumentParser) -> None:
    """Where the settings are, and how much to say."""
    parser.add_argument(
        "-c", "--config", type=Path, default=Path("anchorwatch.yaml"), help="settings file"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="log debug messages too")


def run(args: argparse.Namespace) -> int:
    """Watch until SIGINT or SIGTERM."""
    # Whoever asks for the intent to be read while we start gets that anyway, and must not end us.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    logging.basicConfig(
        level=logging.DEBUG if args.verbose else logging.INFO,
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
    )
    for chatty in ("httpx", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    settings = load_settings(args.config)
    intent = load_intent_or_fail(settings.intent)
    asyncio.run(_watch(settings, intent, str(args.config)))
    return 0


async def _watch(settings: Settings, intent: Intent, config: str) -> None:
    # It is nearly all of the program, which takes long to load: mistakes and help come before that.
    from anchorwatch.watch import Watch  # noqa: PLC0415

    await Watch(settings, intent, config).run()
