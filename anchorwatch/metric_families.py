"""How figures become families of metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric


def gauge(name: str, text: str, value: float) -> Metric:
    """One figure without labels."""
    return GaugeMetricFamily(name, text, value=value)


def counter(name: str, text: str, labels: Sequence[str], values: Mapping[Any, int]) -> Metric:
    """One figure for each value of its labels."""
    family = CounterMetricFamily(name, text, labels=labels)
    # The parts may count in other threads while this reads.
    for key, value in list(values.items()):
        family.add_metric(list(key) if isinstance(key, tuple) else [key], value)
    return family
