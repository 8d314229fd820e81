"""Whether what the engine knows stays bounded: memory over millions of events of churn.

`python benchmarks/state.py [--events N] [--quick]` prints how much memory the process has after
each tenth, and a JSON object as its last line. Ten million events of 1,000 watched prefixes take
several minutes.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import common
from benchmarks.churn import Network, intent
from detectors.engine import Engine

STRANGERS = 0.005
"""Share of the events that are of more-specifics and places that nobody has seen before."""


def main() -> None:
    """All events through one engine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000, metavar="N")
    parser.add_argument("--quick", action="store_true", help="within a minute: 300,000 events")
    args = parser.parse_args()
    count = 300_000 if args.quick else args.events
    network, engine = Network(strangers=STRANGERS), Engine(intent())
    for event in network.table():
        engine.process(event)
    told, samples = 0, []
    for _ in range(10):
        told += sum(len(engine.process(event)) for event in network.churn(count // 10))
        gc.collect()
        samples.append(common.unshared())
        print(f"{samples[-1]:.1f} MiB, {told:,} transitions so far", flush=True)
    if engine.errors:
        raise SystemExit(f"rules failed: {dict(engine.errors)}")
    answer = {
        "events": count,
        "transitions": told,
        "mib_after_a_tenth": round(samples[0], 1),
        "mib_at_most_later": round(max(samples), 1),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
