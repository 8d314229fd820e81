"""Resident memory while one session takes in a stream many times: `memory.py STREAM ROUTES`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks import common, sessions

SAMPLES = 200


def main() -> None:
    """Sample every so many routes."""
    data, routes = Path(sys.argv[1]).read_bytes(), int(sys.argv[2])
    sink = sessions.Count()
    session = sessions.open_session(sink)
    samples: list[float] = []
    sampled = 0
    while sink.rows < routes:
        for part in sessions.parts(data):
            session.feed(part, sessions.NOW)
            if sink.rows - sampled >= routes // SAMPLES:
                sampled = sink.rows
                samples.append(common.resident())
    session.flush()
    print(json.dumps({"rows": sink.rows, "rss_mib": samples}))


if __name__ == "__main__":
    main()
