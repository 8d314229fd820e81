"""The program's own metrics, read from its parts at the moment of a scrape."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from prometheus_client import Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from anchorwatch import __version__
from collector.event import Event
from collector.inputs.bmp import BmpServer
from collector.native import decoder_name
from collector.store.writer import Writer
from detectors.engine import Engine
from detectors.incidents import Incident
from detectors.pagers.delivery import Delivery
from detectors.pagers.outbox import Outbox, OutboxError

LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)


class Metrics(Collector):
    """Counts what has no other owner, and reads the rest from the parts."""

    def __init__(self) -> None:
        """Nothing has been counted yet; `watch` says which parts to read."""
        self.events: Counter[str] = Counter()
        """Events by kind."""
        self.transitions: Counter[tuple[str, str]] = Counter()
        """Incident transitions by (detector, state)."""
        self.page_latency = Histogram(
            "anchorwatch_page_latency_seconds",
            "Time from the moment that an incident opened to a receiver's answer to its page.",
            ["pager"],
            registry=None,
            buckets=LATENCY_BUCKETS,
        )
        self._parts: tuple[BmpServer, Engine, Writer, Outbox, Delivery] | None = None

    def watch(
        self, server: BmpServer, engine: Engine, writer: Writer, outbox: Outbox, delivery: Delivery
    ) -> None:
        """Read these parts from now on."""
        self._parts = (server, engine, writer, outbox, delivery)

    def count(self, events: Sequence[Event], transitions: Sequence[Incident]) -> None:
        """Count events and what they led to."""
        self.events.update(event.kind for event in events)
        self.transitions.update((t.detector, t.state) for t in transitions)

    def collect(self) -> Iterable[Metric]:
        """All metrics, as they are now."""
        info = GaugeMetricFamily(
            "anchorwatch_build_info", "1, with what runs here.", labels=["version", "decoder"]
        )
        info.add_metric([__version__, decoder_name()], 1)
        yield info
        routes = self._parts[0].routes if self._parts is not None else Counter[str]()
        events = self.events + routes
        yield _counter("anchorwatch_events", "Events taken in.", ["kind"], events)
        yield _counter(
            "anchorwatch_incident_transitions",
            "Transitions of incidents.",
            ["detector", "state"],
            self.transitions,
        )
        yield from self.page_latency.collect()
        if self._parts is not None:
            server, engine, writer, outbox, delivery = self._parts
            yield from _of_server(server)
            yield from _of_engine(engine)
            yield from _of_writer(writer)
            yield from _of_pages(outbox, delivery)


def _of_server(server: BmpServer) -> Iterator[Metric]:
    yield _gauge("anchorwatch_bmp_sessions", "BMP sessions that are up.", len(server.sessions))
    yield _counter(
        "anchorwatch_bmp_messages", "BMP messages read.", ["router", "type"], server.messages
    )
    yield _counter("anchorwatch_bmp_bytes", "Bytes of BMP read.", ["router"], server.octets)
    yield _counter(
        "anchorwatch_bmp_refused", "Connections turned away.", ["reason"], server.refused
    )
    yield _counter(
        "anchorwatch_decode_errors",
        "Messages, or parts of them, that could not be read.",
        ["router", "reason"],
        server.errors,
    )


def _of_engine(engine: Engine) -> Iterator[Metric]:
    yield _gauge(
        "anchorwatch_feeds_blind",
        "Routers whose tables are not completely seen now.",
        len(engine.blind),
    )
    by_severity = Counter(incident.severity for incident in engine.open_incidents)
    family = GaugeMetricFamily(
        "anchorwatch_incidents_open", "Incidents that are open.", labels=["severity"]
    )
    for severity in ("info", "warning", "critical"):
        family.add_metric([severity], by_severity[severity])
    yield family
    yield _counter(
        "anchorwatch_rule_errors", "Judgements lost to a fault in a rule.", ["rule"], engine.errors
    )


def _of_writer(writer: Writer) -> Iterator[Metric]:
    rows, inserts, failures = writer.rows_written, writer.inserts, writer.failures
    yield _counter("anchorwatch_store_rows_written", "Rows written to the store.", [], {(): rows})
    yield _counter("anchorwatch_store_inserts", "Inserts that succeeded.", [], {(): inserts})
    yield _counter("anchorwatch_store_insert_failures", "Inserts that failed.", [], {(): failures})
    yield _gauge(
        "anchorwatch_store_pending_bytes", "Rows in memory, not yet written.", writer.pending_octets
    )
    yield _gauge(
        "anchorwatch_reading_paused", "1 while no BMP is read, as the store is behind.", writer.full
    )


def _of_pages(outbox: Outbox, delivery: Delivery) -> Iterator[Metric]:
    yield _counter("anchorwatch_pages_sent", "Pages accepted.", ["pager"], delivery.sent)
    yield _counter(
        "anchorwatch_pages_failed",
        "Attempts to page that failed, by what became of the page.",
        ["pager", "outcome"],
        delivery.failed,
    )
    pending = GaugeMetricFamily(
        "anchorwatch_pages_pending", "Pages that are still to be sent.", labels=["pager"]
    )
    failing = GaugeMetricFamily(
        "anchorwatch_pager_failing_seconds",
        "How long a receiver has not taken pages; 0 while it does.",
        labels=["pager"],
    )
    now = time.time()
    for name in delivery.pagers:
        since = delivery.failing_since.get(name, now)
        failing.add_metric([name], max(0.0, now - since))
        # A file that cannot be read must not take the other metrics with it.
        with suppress(OutboxError):
            pending.add_metric([name], outbox.pending(name))
    yield pending
    yield failing


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _counter(name: str, text: str, labels: Sequence[str], values: Mapping[Any, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    # The parts may count in other threads while this reads.
    for key, value in list(values.items()):
        family.add_metric(list(key) if isinstance(key, tuple) else [key], value)
    return family
