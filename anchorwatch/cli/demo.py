"""`anchorwatch demo`: the main job, with nothing else installed."""

from __future__ import annotations

import argparse
import asyncio
import re
import shlex
import shutil
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

from anchorwatch.demo.screen import Screen
from anchorwatch.demo.show import Show, commands

HELP = "play a recorded cutover and a kill-switch rule into a real watch, and show what it pages"


def configure(parser: argparse.ArgumentParser) -> None:
    """Where to keep what the demonstration leaves."""
    parser.add_argument("--folder", type=Path, default=Path("anchorwatch-demo"))
    parser.add_argument(
        "--stay", action="store_true", help="keep the watch and its board until Ctrl-C"
    )
    parser.add_argument("--svg", type=Path, help="also draw what was shown into this file")


def run(args: argparse.Namespace) -> int:
    """The show, then the commands to try next. Ends by itself within a minute, without `--stay`."""
    recorded = args.svg is not None
    console = Console(record=recorded, width=100 if recorded else None, highlight=False)
    console.print(
        Text.assemble(
            ("anchorwatch demo", "bold"),
            ": a GoBGP controller's BMP, recorded in a lab of real daemons, is played over TCP "
            f"into a real `anchorwatch run` (its log: {args.folder / 'run.log'}).",
        )
    )
    show = Show(args.folder, screen := Screen(console), stay=args.stay)
    asyncio.run(show.run())
    console.print()
    console.rule(Text(f"{screen.pages} pages sent. Try next", style="bold"), align="left")
    for command, answer in commands(args.folder, typed(sys.argv[0]), show.kill_switch):
        console.print(Text(f"  # {answer}", style="dim"))
        console.print(Text(f"  {command}", style="bold cyan"), soft_wrap=True)
    if recorded:
        # The picture names web fonts of others; any monospaced font does.
        svg = console.export_svg(title="anchorwatch demo")
        svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
        args.svg.write_text(svg)
    return 0


def typed(program: str) -> str:
    """How a shell starts this program again, which was started as `program` (`sys.argv[0]`)."""
    path = Path(program)
    if path.name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m anchorwatch"
    return path.name if shutil.which(path.name) == program else shlex.quote(program)
