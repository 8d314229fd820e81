"""The demonstration's folder: what should be true, how it runs, and the recording."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from anchorwatch.errors import UserError
from collector.event import rfc3339

MARK = "# Written by `anchorwatch demo`, which may remove this folder."
MINUTE = 60_000_000_000


INTENT = """{mark}
version: 1
sites:
  legacy-pe: {{match: [{{next_hop: 10.0.0.1}}]}}
  new-pe1:   {{match: [{{next_hop: 10.0.1.1}}]}}
  new-pe2:   {{match: [{{next_hop: 10.0.1.2}}]}}
services:
  - {{name: web,   prefix: 192.0.2.50/32, home: [legacy-pe]}}
  - {{name: beast, prefix: 192.0.2.60/32, home: [legacy-pe]}}
anycast:
  - {{name: flowspec-anchor, prefix: 10.100.0.254/32, sites: [new-pe1, new-pe2], minimum: 2}}
flowspec:
  - name: migration-web
    destination: [192.0.2.50/32]
    protocol: [tcp]
    destination_port: [1024-65535]
    actions: [{{redirect-to-nexthop: 10.100.0.254}}]
    require: [destination, protocol, destination_port]
  - name: migration-beast
    destination: [192.0.2.60/32]
    protocol: [tcp]
    destination_port: [1024-65535]
    actions: [{{redirect-to-nexthop: 10.100.0.254}}]
    require: [destination, protocol, destination_port]
protect: [tcp/179]
cutovers:
  - {{name: web-cutover, service: web, from: legacy-pe, to: [new-pe1], window: {window},
     max_overlap: 4s, deadline: 10s, flush: migration-web}}
  - {{name: beast-cutover, service: beast, from: legacy-pe, to: [new-pe1], window: {window},
     max_overlap: 4s, deadline: 10s, flush: migration-beast}}
"""

SETTINGS = """{mark}
intent: intent.yaml
bmp:
  listen: 127.0.0.1:{bmp}
  routers:
    - {{address: 127.0.0.1}}
web:
  listen: 127.0.0.1:{web}
store:
  listen: 127.0.0.1:0
pagers:
  - webhook: {{url: "http://127.0.0.1:{pages}/page"}}
"""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the recorded story."""

    at: float
    """Seconds from the start of the recording."""
    step: str
    say: str


def read_steps() -> list[Step]:
    """The story, in order."""
    text = resources.files("anchorwatch.demo").joinpath("story.json").read_text()
    return [Step(**step) for step in json.loads(text)]


def prepare(folder: Path, *, bmp: int, web: int, pages: int) -> Path:
    """Fill the folder anew; answer the recording's path. UserError where it is not ours to fill."""
    settings = folder / "anchorwatch.yaml"
    if folder.exists() and any(folder.iterdir()):
        if not settings.exists() or not settings.read_text().startswith(MARK):
            raise UserError(f"{folder} is not empty and not from a demo: name another --folder")
        shutil.rmtree(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make {folder}: {error.strerror}") from error
    now = time.time_ns()
    window = f"[{rfc3339(now - MINUTE)}, {rfc3339(now + 5 * MINUTE)}]"
    (folder / "intent.yaml").write_text(INTENT.format(mark=MARK, window=window))
    settings.write_text(SETTINGS.format(mark=MARK, bmp=bmp, web=web, pages=pages))
    recording = folder / "story.pcap.gz"
    data = resources.files("anchorwatch.demo").joinpath("story.pcap.gz").read_bytes()
    recording.write_bytes(data)
    return recording
