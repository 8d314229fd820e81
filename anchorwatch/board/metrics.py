"""What the board costs and whether it keeps up, as Prometheus metrics."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from anchorwatch.board.live import OVERRUN, REFUSED, TOLD, Live
from anchorwatch.board.past import ANSWERED, CANCELLED, FAILED, Past
from anchorwatch.board.past import REFUSED as NO_QUESTION

LOOK_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1)
"""Seconds."""
_LIVE = (
    (TOLD, "differences", "Differences told, each counted for every listener."),
    (OVERRUN, "listeners_overrun", "Listeners that were too slow and are told the whole anew."),
    (REFUSED, "listeners_refused", "Listeners turned away, as too many listened."),
)


def board_metrics(live: Live, past: Past) -> Iterator[Metric]:
    """The listeners, what they are told, and what pages ask of the store."""
    yield GaugeMetricFamily(
        "anchorwatch_board_listeners", "Who follows the board now.", value=live.listeners
    )
    for key, name, text in _LIVE:
        yield CounterMetricFamily(f"anchorwatch_board_{name}", text, value=live.counts[key])
    yield GaugeMetricFamily(
        "anchorwatch_board_questions_open",
        "Questions of pages to the store that wait or are being answered.",
        value=past.open,
    )
    asked = CounterMetricFamily(
        "anchorwatch_board_questions",
        "Questions of pages to the store, by what became of them.",
        labels=["result"],
    )
    for result in (ANSWERED, FAILED, CANCELLED, NO_QUESTION):
        asked.add_metric([result], past.asked[result])
    yield asked
