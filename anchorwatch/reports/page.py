"""The report of a cutover as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from anchorwatch import __version__
from anchorwatch.pictures.document import STYLE
from anchorwatch.pictures.scale import SECOND, clock, exact
from anchorwatch.pictures.swimlane import Swimlane, swimlane
from anchorwatch.reports.cutover import headline, sentences
from collector.event import parse_rfc3339

TIMERS = {
    "total": "first step to last",
    "going_back": "word to go back to proof of the start",
    "overlap": "both sites advertise, at the longest",
    "gap": "nobody advertises, at the longest",
}
MOST = 500
"""Of what happened, so many lines are on the page; the JSON beside it has all."""

MOST_INCIDENTS = 30
"""Of each kind of incident, likewise."""


def page(
    facts: Mapping[str, Any],
    picture: Swimlane | None,
    blindness: Sequence[str],
    commands: Sequence[tuple[str, str]],
) -> str:
    """The whole page, of what `cutover_facts` tells."""
    good = {"complete": "fine", "rolled back": "warning", "going back": "warning"}
    word = "critical" if facts["broken"] else good.get(facts["outcome"], "info")
    return _template().render(
        facts=facts,
        plan=facts["plan"],
        headline=headline(dict(facts)),
        word=word,
        sentences=list(sentences(dict(facts))),
        picture=None if picture is None else Markup(swimlane(picture)),  # noqa: S704 - it escapes
        blindness=blindness,
        commands=commands,
        style=Markup(STYLE),  # noqa: S704 - ours
        timers=TIMERS,
        most=MOST,
        most_incidents=MOST_INCIDENTS,
        version=__version__,
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("anchorwatch.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"clock": _clock, "length": _length, "time": _time, "beside": _beside}
    return environment.get_template("cutover.html")


def _clock(text: str | None) -> str:
    return clock(parse_rfc3339(text)) if text else ""


def _time(text: str | None) -> str:
    """The time of day alone."""
    return _clock(text)[11:]


def _beside(text: str, received: str) -> str:
    """The time of day by another clock than `received`, with the date where that differs."""
    return _time(text) if text[:10] == received[:10] else _clock(text)


def _length(seconds: float | None) -> str:
    return "" if seconds is None else exact(round(seconds * SECOND))
