"""An incident as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

import msgspec

from anchorwatch.pictures import story
from anchorwatch.pictures.document import STYLE
from anchorwatch.pictures.lanes import marks_of
from anchorwatch.pictures.scale import clock, exact, length
from anchorwatch.pictures.svg import picture
from collector.event import Event, parse_rfc3339
from collector.store.evidence import Evidence
from collector.store.timeline import Timeline


def page(
    evidence: Evidence,
    timelines: Sequence[Timeline],
    blindness: Sequence[str],
    commands: Sequence[tuple[str, str]],
) -> str:
    """The whole page."""
    first, last = evidence.transitions[0], evidence.transitions[-1]
    title = f"Incident {evidence.id}"
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}: {escape(first['key'])}</title><style>{STYLE}</style></head>",
        f"<body><h1>{escape(first['summary'])}</h1>",
        f'<p class="dim"><b class="{escape(first["severity"])}">{escape(first["severity"])}</b>',
        *(f" · {escape(each)}" for each in (first["detector"], first["key"], last["state"])),
        f" · incident <code>{escape(evidence.id)}</code></p>",
        "<h2>What happened</h2>",
        *(f"<p>{escape(each)}</p>" for each in story.sentences(evidence)),
        *(f"<p><b>{escape(each)}</b></p>" for each in blindness),
    ]
    parts += _transitions(evidence)
    if timelines:
        parts += ["<h2>Who advertised when</h2>", *_pictures(timelines, evidence)]
    parts += ["<h2>The evidence</h2>", *map(_proof, evidence.proof)]
    parts += _around(evidence)
    parts += ["<h2>To go on</h2>", *_commands(commands), "</body></html>"]
    return "\n".join(parts) + "\n"


def _transitions(evidence: Evidence) -> Iterator[str]:
    yield f"<h2>Transitions</h2>{_scrolled('Transitions')}<table><thead><tr><th>time (UTC)</th>"
    yield "<th>after the opening</th>"
    yield "<th>state</th><th>severity</th></tr></thead><tbody>"
    for each in evidence.transitions:
        at = parse_rfc3339(each["time"])
        yield f"<tr><td>{clock(at)}</td><td>{exact(at - evidence.opened)}</td>"
        yield f"<td>{escape(each['state'])}</td>"
        yield f"<td class='{escape(each['severity'])}'>{escape(each['severity'])}</td></tr>"
    yield "</tbody></table></div>"


def _scrolled(name: str) -> str:
    """The beginning of what scrolls on its own where it is wide, by keyboard too."""
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{name}">'


def _pictures(timelines: Sequence[Timeline], evidence: Evidence) -> Iterator[str]:
    for number, timeline in enumerate(timelines, 1):
        drawn = picture(timeline, f"timeline-{number}", marks_of(evidence))
        yield f"{_scrolled('Who advertised when')}{drawn}</div>"


def _proof(event: Event) -> str:
    fields = event.to_dict()
    terms = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(_value(value))}</dd>" for name, value in fields.items()
    )
    raw = f'<pre tabindex="0">{hex_lines(event.raw)}</pre>' if event.raw else ""
    name = f"{event.kind} {event.rule or event.prefix or event.router}"
    return f"<details open><summary>{escape(name)}</summary><dl>{terms}</dl>{raw}</details>"


def _value(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def hex_lines(raw: bytes) -> str:
    """Octets in lines of sixteen, each with the place of its first one."""
    lines = (f"{start:04x}  {raw[start : start + 16].hex(' ')}" for start in range(0, len(raw), 16))
    return "\n".join(lines)


def _around(evidence: Evidence) -> Iterator[str]:
    yield f"<h2>Messages around it</h2><p class='dim'>{len(evidence.around)} messages, "
    yield f"{clock(evidence.since)} to {clock(evidence.until)} UTC. What is bold is evidence. "
    yield "The first column tells how long before or after the opening.</p>"
    yield f"{_scrolled('Messages around it')}<table><thead><tr><th>offset</th>"
    yield "<th>received (UTC)</th>"
    yield "<th>router</th><th>view</th><th>peer</th><th>kind</th><th>provenance</th><th>what</th>"
    yield "</tr></thead><tbody>"
    for event in evidence.around:
        offset = event.received - evidence.opened
        sign = "−" if offset < 0 else "+"
        cells = (
            *(f"{sign}{length(abs(offset))}", clock(event.received), event.router),
            *(event.view or "", event.peer or "", event.kind, event.provenance),
        )
        row = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        proof = " class='proof'" if evidence.proves(event) else ""
        yield f"<tr{proof}>{row}<td class='what'>{escape(story.what(event))}</td></tr>"
    yield "</tbody></table></div>"


def _commands(commands: Sequence[tuple[str, str]]) -> Iterator[str]:
    lines = "\n".join(f"# {answer}\nanchorwatch {words}" for words, answer in commands)
    yield f'<pre tabindex="0">{escape(lines)}</pre>'
