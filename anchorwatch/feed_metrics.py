"""Metrics of what is taken in: routers, controllers, public vantage points, probers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from anchorwatch.metric_families import counter, gauge
from collector.inputs.bgpstream import BgpStreamSource
from collector.inputs.bmp import BmpServer
from collector.inputs.gobgp.client import GobgpClient
from collector.inputs.probes.intake import ProbeIntake


def of_server(server: BmpServer) -> Iterator[Metric]:
    """The sessions of routers."""
    yield gauge("anchorwatch_bmp_sessions", "BMP sessions that are up.", len(server.sessions))
    yield counter(
        "anchorwatch_bmp_messages", "BMP messages read.", ["router", "type"], server.messages
    )
    yield counter("anchorwatch_bmp_bytes", "Bytes of BMP read.", ["router"], server.octets)
    yield counter("anchorwatch_bmp_refused", "Connections turned away.", ["reason"], server.refused)
    yield counter(
        "anchorwatch_decode_errors",
        "Messages, or parts of them, that could not be read, or that were read and odd.",
        ["router", "reason"],
        server.errors,
    )
    yield counter(
        "anchorwatch_sender_quirks",
        "What senders did that the RFCs do not say.",
        ["router", "quirk"],
        server.quirks,
    )


def of_controllers(clients: Sequence[GobgpClient]) -> Iterator[Metric]:
    """GoBGP controllers."""
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
        yield counter(f"anchorwatch_gobgp_{name}", text, ["router", label], found)


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


def of_public(source: BgpStreamSource) -> Iterator[Metric]:
    """Public vantage points."""
    seen = source.vantage_points
    yield gauge(
        "anchorwatch_bgpstream_vantage_points",
        "Public vantage points that the stream has shown since it began.",
        len(seen.up),
    )
    yield counter(
        "anchorwatch_bgpstream_elements",
        "Elements of watched prefixes that came, by vantage point.",
        ["router"],
        seen.elements,
    )
    yield counter(
        "anchorwatch_bgpstream_errors",
        "Elements and records that could not be taken.",
        ["router", "reason"],
        seen.errors,
    )
    yield counter(
        "anchorwatch_bgpstream_failures",
        "Streams that broke and were opened again.",
        [],
        {(): source.failures},
    )


def of_probes(intake: ProbeIntake) -> Iterator[Metric]:
    """Probers and their results."""
    yield counter(
        "anchorwatch_probes",
        "Results of probes that were taken in.",
        ["prober", "anycast", "result"],
        intake.taken,
    )
    yield counter(
        "anchorwatch_probes_refused",
        "Reports of probers that were turned away.",
        ["reason"],
        intake.refused,
    )
