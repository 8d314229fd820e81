"""The program's own metrics, read from its parts at the moment of a scrape."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from prometheus_client import Histogram
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from anchorwatch import __version__
from anchorwatch.board.live import Live
from anchorwatch.board.metrics import LOOK_BUCKETS, board_metrics
from anchorwatch.board.past import Past
from anchorwatch.impairments import Impairments
from anchorwatch.intent_files import IntentFiles
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
        yield _counter("anchorwatch_events", "Events taken in.", ["kind"], events)
        yield _counter(
            "anchorwatch_incident_transitions",
            "Transitions of incidents.",
            ["detector", "state"],
            self.transitions,
        )
        yield from self.page_latency.collect()
        if self._parts is not None:
            parts = self._parts
            yield _gauge(
                "anchorwatch_clock_ahead_seconds",
                "How far the time of receipt is before the system's clock, which was set back.",
                parts.clock.ahead / 1e9,
            )
            yield from _of_server(parts.server)
            yield from _of_engine(parts.engine, parts.impairments)
            failover = parts.engine.rule("failover")
            if isinstance(failover, Failover):
                yield from _of_failovers(failover)
            yield from _of_writer(parts.writer)
            yield from _of_pages(parts.outbox, parts.delivery)
        if self.intent is not None:
            yield from _of_intent(self.intent)
        if self.gobgp:
            yield from _of_controllers(self.gobgp)
        if self.public is not None:
            yield from _of_public(self.public)
        if self.probes is not None:
            yield from _of_probes(self.probes)
            yield from self.probe_seconds.collect()
        if self.board is not None:
            yield from board_metrics(*self.board)
            yield from self.board_seconds.collect()
        if self.asked is not None:
            yield from _of_questions(self.asked)
            yield from self.query_seconds.collect()


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
        "Messages, or parts of them, that could not be read, or that were read and odd.",
        ["router", "reason"],
        server.errors,
    )
    yield _counter(
        "anchorwatch_sender_quirks",
        "What senders did that the RFCs do not say.",
        ["router", "quirk"],
        server.quirks,
    )


def _of_intent(files: IntentFiles) -> Iterator[Metric]:
    yield _counter(
        "anchorwatch_intent_reloads",
        "How often the intent was read again, by what became of it.",
        ["result"],
        files.reloads,
    )
    yield _gauge(
        "anchorwatch_intent_used_since_seconds",
        "When the intent that is in use was read, in seconds since 1970.",
        files.used_since / 1e9,
    )


def _of_controllers(clients: Sequence[GobgpClient]) -> Iterator[Metric]:
    for name, text, value in _GOBGP_GAUGES:
        family = GaugeMetricFamily(f"anchorwatch_gobgp_{name}", text, labels=["router"])
        for client in clients:
            family.add_metric([client.controller.name], value(client))
        yield family
    for name, text, label, counts in _GOBGP_COUNTERS:
        found = {
            (client.controller.name, key): count
            for client in clients
            for key, count in counts(client).items()
        }
        yield _counter(f"anchorwatch_gobgp_{name}", text, ["router", label], found)


_GOBGP_GAUGES: tuple[tuple[str, str, Callable[[GobgpClient], float]], ...] = (
    ("up", "1 while the controller is connected over gRPC.", lambda c: c.up),
    ("lag_seconds", "How long the oldest message waits to be taken in.", lambda c: c.lag),
    ("queue_messages", "Messages that were read and not taken in.", lambda c: len(c.queue)),
    ("queue_bytes", "Size of what was read and not taken in.", lambda c: c.queue.octets),
    ("stalled", "1 while nothing was taken in for 10 seconds.", lambda c: c.is_stalled),
)
_GOBGP_COUNTERS: tuple[tuple[str, str, str, Callable[[GobgpClient], Counter[str]]], ...] = (
    ("paths", "Paths read over gRPC, by view.", "view", lambda c: c.session.paths),
    ("unchanged", "Paths that said nothing new, by view.", "view", lambda c: c.session.unchanged),
    ("connects", "Connections, by how they came out.", "outcome", lambda c: c.connects),
    ("errors", "Paths that could not be read.", "reason", lambda c: c.session.errors),
)


def _of_public(source: BgpStreamSource) -> Iterator[Metric]:
    seen = source.vantage_points
    yield _gauge(
        "anchorwatch_bgpstream_vantage_points",
        "Public vantage points that the stream has shown since it began.",
        len(seen.up),
    )
    yield _counter(
        "anchorwatch_bgpstream_elements",
        "Elements of watched prefixes that came, by vantage point.",
        ["router"],
        seen.elements,
    )
    yield _counter(
        "anchorwatch_bgpstream_errors",
        "Elements and records that could not be taken.",
        ["router", "reason"],
        seen.errors,
    )
    yield _counter(
        "anchorwatch_bgpstream_failures",
        "Streams that broke and were opened again.",
        [],
        {(): source.failures},
    )


def _of_probes(intake: ProbeIntake) -> Iterator[Metric]:
    yield _counter(
        "anchorwatch_probes",
        "Results of probes that were taken in.",
        ["prober", "anycast", "result"],
        intake.taken,
    )
    yield _counter(
        "anchorwatch_probes_refused",
        "Reports of probers that were turned away.",
        ["reason"],
        intake.refused,
    )


def _of_engine(engine: Engine, impairments: Impairments) -> Iterator[Metric]:
    yield _gauge(
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
    yield _counter(
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
    yield _counter("anchorwatch_store_rows_written", "Rows written to the store.", [], {(): rows})
    yield _counter("anchorwatch_store_inserts", "Inserts that succeeded.", [], {(): inserts})
    yield _counter("anchorwatch_store_insert_failures", "Inserts that failed.", [], {(): failures})
    yield _counter(
        "anchorwatch_spool_rows", "Rows received: in the spool.", [], {(): writer.rows_spooled}
    )
    yield _counter(
        "anchorwatch_spool_rows_left_out",
        "Rows lost, as the spool cannot write them.",
        [],
        {(): writer.rows_left_out},
    )
    yield _gauge(
        "anchorwatch_spool_pending_bytes",
        "Rows in memory, not yet in the spool.",
        writer.pending_octets,
    )
    spool = writer.spool
    yield _gauge("anchorwatch_spool_segments", "Segments not yet in the store.", spool.depth)
    yield _gauge(
        "anchorwatch_spool_segments_refused",
        "Segments set aside, as something in them cannot be stored.",
        spool.set_aside,
    )
    yield _gauge("anchorwatch_spool_bytes", "Size of what is not yet in the store.", spool.octets)
    yield _gauge("anchorwatch_spool_max_bytes", "Size of a full spool.", spool.max_octets)
    yield _gauge("anchorwatch_spool_age_seconds", "Age of the oldest row in the spool.", spool.age)
    yield _gauge(
        "anchorwatch_reading_paused", "1 while no BMP is read, as the spool is full.", writer.full
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
    yield _counter(
        "anchorwatch_queries",
        "Questions of others to the store, by what became of them.",
        ["result"],
        asked.queries,
    )
    yield _counter(
        "anchorwatch_queries_rejected",
        "Requests to the store that were turned away before they were read.",
        ["reason"],
        asked.rejected,
    )


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _counter(name: str, text: str, labels: Sequence[str], values: Mapping[Any, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    # The parts may count in other threads while this reads.
    for key, value in list(values.items()):
        family.add_metric(list(key) if isinstance(key, tuple) else [key], value)
    return family
