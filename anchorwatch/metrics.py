"""The program's own metrics, read from its parts at the moment of a scrape."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate

from prometheus_client import Histogram
from prometheus_client.core import (
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from anchorwatch import __version__
from anchorwatch.board.live import Live
from anchorwatch.board.metrics import LOOK_BUCKETS, board_metrics
from anchorwatch.board.past import Past
from anchorwatch.feed_metrics import of_controllers, of_probes, of_public, of_server
from anchorwatch.heartbeat import Heartbeat
from anchorwatch.impairments import Impairments
from anchorwatch.intent_files import IntentFiles
from anchorwatch.metric_families import counter, gauge
from anchorwatch.web.clickhouse import Counts
from collector.event import Event
from collector.inputs.bgpstream import BgpStreamSource
from collector.inputs.bmp import BmpServer
from collector.inputs.clock import Clock
from collector.inputs.gobgp.client import GobgpClient
from collector.inputs.probes.intake import ProbeIntake
from collector.native import decoder_name
from collector.store.writer import Writer
from detectors.engine import Engine
from detectors.incidents import Incident
from detectors.pagers.delivery import Delivery
from detectors.pagers.outbox import Outbox, OutboxError
from detectors.rules.failover import BUCKETS, Failover

LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)


@dataclass(frozen=True, slots=True)
class Parts:
    """What is read at the moment of a scrape."""

    clock: Clock
    server: BmpServer
    engine: Engine
    impairments: Impairments
    writer: Writer
    outbox: Outbox
    delivery: Delivery


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
        self.query_seconds = Histogram(
            "anchorwatch_query_seconds",
            "Time from a question of others to the store to the end of its answer.",
            registry=None,
            buckets=LATENCY_BUCKETS,
        )
        self.probe_seconds = Histogram(
            "anchorwatch_probe_seconds",
            "Time that a probe of an anycast address took, whatever it found.",
            ["prober", "anycast"],
            registry=None,
            buckets=LATENCY_BUCKETS,
        )
        self.board_seconds = Histogram(
            "anchorwatch_board_look_seconds",
            "Time that the board takes to see what has changed.",
            registry=None,
            buckets=LOOK_BUCKETS,
        )
        self.board: tuple[Live, Past] | None = None
        """What the board tells and asks."""
        self.asked: Counts | None = None
        """What became of questions to the store, where it is served."""
        self.gobgp: Sequence[GobgpClient] = ()
        """The controllers that are watched over gRPC."""
        self.public: BgpStreamSource | None = None
        """The public vantage points, where they are asked."""
        self.intent: IntentFiles | None = None
        """Where the intent comes from."""
        self.probes: ProbeIntake | None = None
        """Where results of probes come in."""
        self.heartbeat: Heartbeat | None = None
        """Who waits to hear from us, where somebody does."""
        self._parts: Parts | None = None

    def probed(self, prober: str, anycast: str, seconds: float) -> None:
        """A probe took so long."""
        self.probe_seconds.labels(prober, anycast).observe(seconds)

    def watch(self, parts: Parts) -> None:
        """Read these parts from now on."""
        self._parts = parts

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
        routes = self._parts.server.routes if self._parts is not None else Counter[str]()
        events = self.events + routes
        yield counter("anchorwatch_events", "Events taken in.", ["kind"], events)
        yield counter(
            "anchorwatch_incident_transitions",
            "Transitions of incidents.",
            ["detector", "state"],
            self.transitions,
        )
        yield from self.page_latency.collect()
        if self._parts is not None:
            parts = self._parts
            yield gauge(
                "anchorwatch_clock_ahead_seconds",
                "How far the time of receipt is before the system's clock, which was set back.",
                parts.clock.ahead / 1e9,
            )
            yield from of_server(parts.server)
            yield from _of_engine(parts.engine, parts.impairments)
            failover = parts.engine.rule("failover")
            if isinstance(failover, Failover):
                yield from _of_failovers(failover)
            yield from _of_writer(parts.writer)
            yield from _of_pages(parts.outbox, parts.delivery)
        if self.heartbeat is not None:
            yield counter(
                "anchorwatch_heartbeats",
                "Heartbeats that were due, by what became of them.",
                ["outcome"],
                self.heartbeat.beats,
            )
        if self.intent is not None:
            yield from _of_intent(self.intent)
        if self.gobgp:
            yield from of_controllers(self.gobgp)
        if self.public is not None:
            yield from of_public(self.public)
        if self.probes is not None:
            yield from of_probes(self.probes)
            yield from self.probe_seconds.collect()
        if self.board is not None:
            yield from board_metrics(*self.board)
            yield from self.board_seconds.collect()
        if self.asked is not None:
            yield from _of_questions(self.asked)
            yield from self.query_seconds.collect()


def _of_intent(files: IntentFiles) -> Iterator[Metric]:
    yield counter(
        "anchorwatch_intent_reloads",
        "How often the intent was read again, by what became of it.",
        ["result"],
        files.reloads,
    )
    yield gauge(
        "anchorwatch_intent_used_since_seconds",
        "When the intent that is in use was read, in seconds since 1970.",
        files.used_since / 1e9,
    )


def _of_engine(engine: Engine, impairments: Impairments) -> Iterator[Metric]:
    yield gauge(
        "anchorwatch_feeds_blind",
        "Routers whose tables are not completely seen now.",
        len(engine.blind),
    )
    skew = GaugeMetricFamily(
        "anchorwatch_feed_skew_seconds",
        "How far our clock is ahead of the router's, by its last news with a time to believe.",
        labels=["router", "feed"],
    )
    for key, state in engine.feed_states().items():
        if state.skew is not None:
            skew.add_metric([key.router, key.feed], state.skew / 1e9)
    yield skew
    incidents = engine.open_incidents + impairments.open
    by_severity = Counter(incident.severity for incident in incidents)
    family = GaugeMetricFamily(
        "anchorwatch_incidents_open", "Incidents that are open.", labels=["severity"]
    )
    for severity in ("info", "warning", "critical"):
        family.add_metric([severity], by_severity[severity])
    yield family
    yield counter(
        "anchorwatch_rule_errors", "Judgements lost to a fault in a rule.", ["rule"], engine.errors
    )


def _of_failovers(rule: Failover) -> Iterator[Metric]:
    family = HistogramMetricFamily(
        "anchorwatch_failover_seconds",
        "Time from a withdrawal to the last vantage point that left the site.",
        labels=["name"],
    )
    for name, found in rule.distributions.items():
        sums = list(accumulate(found.counts))
        bounds = [str(float(bound)) for bound in BUCKETS] + ["+Inf"]
        family.add_metric([name], list(zip(bounds, sums, strict=True)), found.seconds)
    yield family


def _of_writer(writer: Writer) -> Iterator[Metric]:
    rows, inserts, failures = writer.rows_written, writer.inserts, writer.failures
    yield counter("anchorwatch_store_rows_written", "Rows written to the store.", [], {(): rows})
    yield counter("anchorwatch_store_inserts", "Inserts that succeeded.", [], {(): inserts})
    yield counter("anchorwatch_store_insert_failures", "Inserts that failed.", [], {(): failures})
    yield counter(
        "anchorwatch_spool_rows", "Rows received: in the spool.", [], {(): writer.rows_spooled}
    )
    yield counter(
        "anchorwatch_spool_rows_left_out",
        "Rows lost, as the spool cannot write them.",
        [],
        {(): writer.rows_left_out},
    )
    yield gauge(
        "anchorwatch_spool_pending_bytes",
        "Rows in memory, not yet in the spool.",
        writer.pending_octets,
    )
    spool = writer.spool
    yield gauge("anchorwatch_spool_segments", "Segments not yet in the store.", spool.depth)
    yield gauge(
        "anchorwatch_spool_segments_refused",
        "Segments set aside, as something in them cannot be stored.",
        spool.set_aside,
    )
    yield gauge("anchorwatch_spool_bytes", "Size of what is not yet in the store.", spool.octets)
    yield gauge("anchorwatch_spool_max_bytes", "Size of a full spool.", spool.max_octets)
    yield gauge("anchorwatch_spool_age_seconds", "Age of the oldest row in the spool.", spool.age)
    yield gauge(
        "anchorwatch_reading_paused", "1 while no BMP is read, as the spool is full.", writer.full
    )


def _of_pages(outbox: Outbox, delivery: Delivery) -> Iterator[Metric]:
    yield counter("anchorwatch_pages_sent", "Pages accepted.", ["pager"], delivery.sent)
    yield counter(
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
        "How long a receiver has not taken some page; 0 while it takes all.",
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


def _of_questions(asked: Counts) -> Iterator[Metric]:
    yield counter(
        "anchorwatch_queries",
        "Questions of others to the store, by what became of them.",
        ["result"],
        asked.queries,
    )
    yield counter(
        "anchorwatch_queries_rejected",
        "Requests to the store that were turned away before they were read.",
        ["reason"],
        asked.rejected,
    )
