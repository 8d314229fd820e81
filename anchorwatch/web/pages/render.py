"""Templates and what they use. All that they fill in is escaped."""

from __future__ import annotations

import re
import time
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import Response

from anchorwatch.board.now import Item
from anchorwatch.board.swimlanes import swimlane_of
from anchorwatch.pictures.scale import clock, length
from anchorwatch.pictures.svg import picture
from anchorwatch.pictures.swimlane import STYLE, Mark, swimlane
from collector.event import parse_rfc3339, rfc3339
from collector.store.timeline import Timeline

SECOND = 1_000_000_000
SHAPES = {
    "critical": "octagon",
    "warning": "triangle",
    "info": "circle",
    "violated": "octagon",
    "unknown": "question",
    "fine": "tick",
    "complete": "tick",
    "dumping": "question",
    "down": "octagon",
    "absent": "octagon",
    "open": "octagon",
    "updated": "octagon",
    "resolved": "tick",
    "live": "dot",
    "stale": "question",
    "planned": "ring",
}
"""The shape beside each word: nothing is told by colour alone."""


class Html:
    """Shows the board's items as its page does; see `anchorwatch.web.api.stream.Shown`."""

    def __init__(self, now: Callable[[], int] = time.time_ns) -> None:
        """Read the templates; `now` tells the time, ns."""
        self._now = now
        self._drawn: dict[str, tuple[Item, int, Markup]] = {}
        self._environment = Environment(
            loader=PackageLoader("anchorwatch.web.pages"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {
            "clock": _clock,
            "day": _day,
            "path": _path,
            "segment": lambda text: quote(text, safe=""),
            "count": _count,
            "seconds": _seconds,
            "swimlane": self.swimlane,
        }
        self._environment.globals |= {
            "shapes": SHAPES,
            "server_time": lambda: rfc3339(self._now()),
        }
        self._parts: Any = self._environment.get_template("parts.html").module

    def item(self, section: str, item: Item) -> Item:
        """An item as an element."""
        return {"id": item["id"], "html": str(getattr(self._parts, section)(item)).strip()}

    def head(self, counts: Mapping[str, Mapping[str, int]], problems: Sequence[str]) -> Item:
        """What is said of the whole, and how many of each there are."""
        head = str(self._parts.head(counts, problems)).strip()
        return {"head": head, "counts": {name: each["all"] for name, each in counts.items()}}

    def swimlane(self, item: Item) -> Markup:
        """The picture of a cutover; drawn once a second, however many look at it."""
        name, now = item["name"], self._now()
        known = self._drawn.get(name)
        if known is not None and known[:2] == (item, now // SECOND):
            return known[2]
        shown = swimlane_of(item, now)
        ids = f"swimlane-{sha256(name.encode()).hexdigest()[:8]}"
        drawn = Markup(swimlane(shown, ids)) if shown else Markup()  # noqa: S704 - it escapes
        self._drawn[name] = item, now // SECOND, drawn
        return drawn

    def page(self, template: str, status: int = 200, **values: Any) -> Response:
        """A whole page."""
        return self.part(self._environment.get_template(template).render(values), status)

    @staticmethod
    def part(html: str, status: int = 200) -> Response:
        """A page, or a part of one, that is made already."""
        headers = {"content-security-policy": POLICY, "cache-control": "no-store"}
        return Response(html, status, headers, media_type="text/html")


def pictures(timelines: Sequence[Timeline], marks: Sequence[Mark] = ()) -> list[Markup]:
    """Timelines as SVG to stand in a page; the pictures escape what they show."""
    return [
        Markup(picture(timeline, f"timeline-{number}", marks))  # noqa: S704 - `picture` escapes
        for number, timeline in enumerate(timelines, 1)
    ]


def _policy() -> str:
    """What a page may do: nothing but what this server sends, and the style that pictures carry."""
    drawn = picture(Timeline("", 0, 1, ()))
    found = re.search(r"<style>(.*?)</style>", drawn, re.DOTALL)
    styles = [found[1] if found else "", STYLE]
    digests = [b64encode(sha256(style.encode()).digest()).decode() for style in styles]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            f"style-src 'self' {allowed}",
            "img-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


POLICY = _policy()


def _clock(text: str) -> str:
    return clock(parse_rfc3339(text))[11:19]


def _day(text: str) -> str:
    return clock(parse_rfc3339(text))


def _path(text: str) -> str:
    return quote(text, safe="/:")


def _count(number: int, one: str, many: str) -> str:
    """A number with its noun: `1 feed`, `2 feeds`."""
    return f"{number} {one if number == 1 else many}"


def _seconds(seconds: float) -> str:
    return length(round(seconds * SECOND)) if seconds else "0 s"
