"""Panels of what Prometheus has counted and measured."""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.builders import timeseries

from dashboards.panels import GREEN, ORANGE, RED, Limits, series

Line = tuple[str, str]
"""PromQL, and how its series are called."""


def rate(metric: str, *by: str, called: str = "") -> Line:
    """Per second, summed up by some labels, and called by them."""
    labels = f" by ({', '.join(by)})" if by else ""
    return f"sum{labels} (rate({metric}[$__rate_interval]))", called or _labels(by)


def increase(metric: str, *by: str) -> Line:
    """How often, in the step of the panel, summed up by some labels, and called by them."""
    return f"sum by ({', '.join(by)}) (increase({metric}[$__rate_interval]))", _labels(by)


def _labels(by: Sequence[str]) -> str:
    """The values of some labels, as a legend."""
    return " ".join(f"{{{{{label}}}}}" for label in by)


def bad_from(odd: float, bad: float) -> Limits:
    """Green, orange from one value on, red from another."""
    return ((None, GREEN), (odd, ORANGE), (bad, RED))


def lines_of(
    title: str,
    description: str,
    *exprs: Line,
    unit: str = "short",
    limits: Limits = (),
    stepped: bool = False,
) -> timeseries.Panel:
    """Half the width, as all of these are."""
    return series(
        title, description, (12, 7), exprs=exprs, unit=unit, limits=limits, stepped=stepped
    )


def rates_of(title: str, description: str, *rates: Line) -> timeseries.Panel:
    """Rates of what is counted."""
    return lines_of(title, description, *rates, unit="cps")


def times_of(
    title: str, description: str, histogram: str, *by: str, limits: Limits = ()
) -> timeseries.Panel:
    """The median and the 99th percentile of a duration."""
    rates = f"sum by ({', '.join(('le', *by))}) (rate({histogram}_bucket[$__rate_interval]))"
    quantiles = [
        (f"histogram_quantile({share}, {rates})", f"{_labels(by)} p{share * 100:g}".lstrip())
        for share in (0.5, 0.99)
    ]
    return lines_of(title, description, *quantiles, unit="s", limits=limits)
