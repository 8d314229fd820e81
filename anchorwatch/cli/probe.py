"""`anchorwatch probe`: asks anycast addresses how they are, and tells the watch."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
from pathlib import Path

from anchorwatch.cli.check import load_intent_or_fail
from anchorwatch.errors import UserError
from anchorwatch.probes import Poster, duties_of
from anchorwatch.settings import load_settings
from anchorwatch.web_settings import read_secret
from collector.inputs.probes.base import CannotProbe, bracketed
from collector.inputs.probes.prober import Duty, Prober, probe
from detectors.intent import Intent

HELP = "probe the anycast addresses of one site from there, and tell the watch"


def configure(parser: argparse.ArgumentParser) -> None:
    """Who this is, what is to be probed, and who is told."""
    parser.add_argument(
        "--site",
        required=True,
        metavar="NAME",
        help="the site that this is at, or the name of a prober in the intent",
    )
    parser.add_argument(
        "-c", "--config", type=Path, metavar="FILE", help="the settings of the watch"
    )
    parser.add_argument("--intent", type=Path, metavar="FILE", help="the intent, without settings")
    parser.add_argument("--to", metavar="URL", help="the watch, as http://192.0.2.1:8480")
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE", help="file of the watch's token (web.token_file)"
    )
    parser.add_argument(
        "--once", action="store_true", help="probe once, print what was found, tell nobody"
    )


def run(args: argparse.Namespace) -> int:
    """Probe until SIGINT or SIGTERM; with `--once`, status 1 where something is not well."""
    intent, url, token = _given(args)
    duties = duties_of(intent, args.site)
    if args.once:
        return asyncio.run(_once(duties))
    if url is None:
        raise UserError("say who is told: --to URL, or -c FILE")
    if not url.startswith(("http://", "https://")):
        raise UserError(f"--to {url} is no URL: write http://192.0.2.1:8480")
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s"
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)
    asyncio.run(_probe(duties, Poster(args.site, url, token)))
    return 0


def _given(args: argparse.Namespace) -> tuple[Intent, str | None, str | None]:
    """The intent, the watch's URL and its token, from the settings or the options."""
    if (args.config is None) == (args.intent is None):
        raise UserError("say what to probe: -c FILE, or --intent FILE with --to URL")
    url, token, path = args.to, None, args.intent
    if args.config is not None:
        settings = load_settings(args.config)
        host, _, port = settings.web.listen.rpartition(":")
        url = url or f"http://{bracketed(host.strip('[]'))}:{port}"
        token, path = settings.web.token(), settings.intent
    if args.token_file is not None:
        token = read_secret(args.token_file, "token")
    return load_intent_or_fail(path), url, token


async def _once(duties: list[Duty]) -> int:
    found = await asyncio.gather(*(probe(duty) for duty in duties), return_exceptions=True)
    failed = 0
    for duty, result in zip(duties, found, strict=True):
        if isinstance(result, CannotProbe):
            raise UserError(f"{duty}: {result}")
        if isinstance(result, BaseException):
            raise result
        failed += result.reason is not None
        word = f"failed, {result.reason}" if result.reason is not None else "healthy"
        print(f"{duty} ({duty.address}): {word} ({result.seconds * 1000:.1f} ms)")
    return int(failed > 0)


async def _probe(duties: list[Duty], poster: Poster) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    prober = Prober(duties, poster.put)
    poster.start()
    prober.start()
    await stop.wait()
    await prober.close()
    await poster.close()
