"""What the detectors find in labelled recordings, and how fast the engine is with all of them.

`python benchmarks/detection.py [--quick]` prints precision and recall of each recording and, as its
last line, a JSON object. The recordings are other projects': without `shared/data` beside the
checkout only the speed is measured.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import common, labels
from benchmarks.churn import Network, intent
from benchmarks.labels import Score
from detectors.engine import Engine

Answer = dict[str, Any]
QUICK = (
    "CAIDA+libbgpstream/test/ris.rrc06.updates.1427846400.gz",
    "RIPE-NCC+bgpdump/test_data/updates.20160811.1600.gz",
    "bgpkit+bgpkit-parser/examples/local_only/updates.bz2",
    "bgpkit+bgpkit-parser/tests/fixtures/ripe/rrc01/2000.11/updates.20001104.0124.gz",
)


def detection(*, quick: bool) -> Answer:
    """Every label, every finding beside the labels, and a quiet hour."""
    if not labels.DATA.is_dir():
        print("the labelled recordings are not here: nothing is looked for")
        return {"labels_found": None, "labels_total": None, "unexplained": None}
    scores = [
        labels.flaps(label) for label in labels.flap_labels() if not quick or label["file"] in QUICK
    ]
    scores += [labels.telegram(), labels.quiet(labels.QUIET[:1] if quick else labels.QUIET)]
    common.show([_row(score) for score in scores])
    for score in scores:
        for reason, count in score.explained.items():
            print(f"{score.name[-40:]}: {count} without a label: {reason}")
        for finding in score.unexplained:
            print(f"{score.name[-40:]}: UNEXPLAINED: {finding}")
    return {
        "labels_found": sum(score.found for score in scores),
        "labels_total": sum(score.labels for score in scores),
        "unexplained": sum(len(score.unexplained) for score in scores),
    }


def _row(score: Score) -> dict[str, object]:
    return {
        "recording": score.name[-40:],
        "events": score.events,
        "labels": score.labels,
        "found": score.found,
        "recall": score.recall,
        "meet the definition": score.meets,
        "explained": score.explained.total(),
        "unexplained": len(score.unexplained),
        "precision": score.precision,
    }


def speed(count: int, rounds: int) -> Answer:
    """How many watched events one core judges in a second of its time, with all rules."""
    rates = []
    for _ in range(rounds):
        network, engine = Network(), Engine(intent())
        for event in network.table():
            engine.process(event)
        events = list(network.churn(count))
        gc.collect()
        begun = time.process_time()  # what else runs on the machine is not to be measured
        told = sum(len(engine.process(event)) for event in events)
        rates.append(count / (time.process_time() - begun))
        if engine.errors:
            raise SystemExit(f"rules failed: {dict(engine.errors)}")
    rate = statistics.median(rates)
    print(
        f"{count:,} events of 1,000 watched prefixes and {told:,} transitions: "
        f"{rate:,.0f} events per second of one core (best {max(rates):,.0f})"
    )
    return {"engine_events_per_s": round(rate), "engine_best_events_per_s": round(max(rates))}


def main() -> None:
    """Every part in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="within a minute, less exact")
    quick = parser.parse_args().quick
    common.pin(common.COLLECTOR)
    answer = speed(50_000 if quick else 300_000, 3 if quick else 5)
    answer |= detection(quick=quick)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
