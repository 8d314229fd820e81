"""`/metrics` and `/healthz`: what they say, to whom, and that they get out of the way."""

from __future__ import annotations

import asyncio
import signal
import socket
from base64 import b64encode
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from anchorwatch import __version__
from anchorwatch.errors import UserError
from anchorwatch.metrics import Metrics, Parts
from anchorwatch.web.app import Health, WebServer, create_app
from collector.event import Event
from collector.native import decoder_name
from detectors.base import Rule
from detectors.feed import FeedKey, FeedState
from detectors.incidents import Incident
from detectors.intent import parse_intent
from detectors.pagers.delivery import Delivery
from detectors.pagers.outbox import Outbox
from detectors.rules.failover import Distribution, Failover
from tests.unit.pagers.test_outbox import Receiver, incident


def request(path: str, *, token: str | None = None, given: bytes | None = None) -> httpx.Response:
    """The answer of an application that has nothing to tell."""
    app = create_app(Metrics(), Health, token)
    return asked(app, path, {} if given is None else {b"Authorization": given})


def asked(app: Any, path: str, headers: dict[bytes, bytes] | None = None) -> httpx.Response:
    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://h") as client:
            return await client.get(path, headers=headers)

    return asyncio.run(run())


# Health


def test_health_is_ok() -> None:
    answer = request("/healthz")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "problems": [], "feeds": {}, "open_incidents": 0}


def test_health_says_what_is_wrong() -> None:
    health = Health(["the store does not take rows: disk full"], {"rr1": "down"}, 2)
    answer = asked(create_app(Metrics(), lambda: health), "/healthz")
    assert answer.status_code == 503
    assert answer.json() == {
        "status": "failing",
        "problems": ["the store does not take rows: disk full"],
        "feeds": {"rr1": "down"},
        "open_incidents": 2,
    }


# Token


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/none"])
@pytest.mark.parametrize(
    "given", [None, b"", b"Bearer", b"Bearer wrong", b"secret", b"Bearer \xff"]
)
def test_nothing_is_told_without_the_token(path: str, given: bytes | None) -> None:
    answer = request(path, token="secret", given=given)  # noqa: S106 - made up here
    assert answer.status_code == 401
    assert answer.text == "a bearer token is needed\n"
    challenges = answer.headers.get_list("WWW-Authenticate")
    assert challenges == ["Bearer", 'Basic realm="anchorwatch", charset="UTF-8"']


@pytest.mark.parametrize("token", ["secret", "s\u00e9cret"])
def test_the_token_opens(token: str) -> None:
    answer = request("/metrics", token=token, given=f"Bearer {token}".encode())
    assert answer.status_code == 200
    for user in ("", "noc", "\u00e9"):
        basic = b64encode(f"{user}:{token}".encode())
        assert request("/metrics", token=token, given=b"Basic " + basic).status_code == 200


@pytest.mark.parametrize("given", [b":", b"noc:", b"noc:wrong", b"secret:", b"secret"])
def test_a_browser_needs_the_token_as_its_password(given: bytes) -> None:
    basic = b"Basic " + b64encode(given)
    assert request("/", token="secret", given=basic).status_code == 401  # noqa: S106 - made up here
    assert request("/", token="secret", given=b"Basic \xff").status_code == 401  # noqa: S106


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost:8480", 404), ("127.0.0.1", 404), ("[::1]:1", 404), ("evil.example:8480", 403)],
)
def test_without_a_token_no_name_of_others_leads_here(host: str, status: int) -> None:
    """A page of the world may give itself a name that leads to loopback."""
    app = create_app(Metrics(), Health)
    assert asked(app, "/none", {b"Host": host.encode()}).status_code == status
    assert asked(app, "/healthz", {b"Host": host.encode()}).status_code == 200


def test_every_answer_says_what_a_browser_may_do_with_it() -> None:
    for answer in (request("/healthz"), request("/", token="secret")):  # noqa: S106 - made up here
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])  # noqa: S104 - refused
def test_only_loopback_is_served_without_a_token(host: str) -> None:
    app = create_app(Metrics(), Health)
    with pytest.raises(UserError, match=f"web.listen {host} is not loopback: set web.token_file"):
        WebServer(app, host, 0, has_token=False)


# Serving


@asynccontextmanager
async def serving() -> AsyncIterator[WebServer]:
    server = WebServer(create_app(Metrics(), Health), "127.0.0.1", 0, has_token=False)
    server.start()
    try:
        yield server
    finally:
        await server.close()


def run(coroutine: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(coroutine())


def test_it_serves_inside_a_running_loop_and_leaves_signals_alone() -> None:
    async def main() -> None:
        before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
        async with serving() as server, httpx.AsyncClient() as client:
            answer = await client.get(f"http://127.0.0.1:{server.port}/healthz")
            assert answer.status_code == 200
            now = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
            assert now == before
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", server.port)

    run(main)


def test_a_port_in_use_is_one_sentence_at_once() -> None:
    """Before either serves, too: the second must not find out in the background."""

    async def main() -> None:
        app = create_app(Metrics(), Health)
        first = WebServer(app, "127.0.0.1", 0, has_token=False)
        sentence = f"cannot serve the web pages on 127.0.0.1 port {first.port}: Address already"
        with pytest.raises(UserError, match=sentence):
            WebServer(app, "127.0.0.1", first.port, has_token=False)
        await first.close()

    run(main)


def test_a_client_that_says_nothing_more_does_not_hold_up_the_stop() -> None:
    async def main() -> None:
        async with serving() as server:
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(b"GET /metrics HTTP/1.1\r\nHost:")
            await writer.drain()
            await asyncio.sleep(0.05)
            async with asyncio.timeout(5):
                await server.close()
            writer.close()

    run(main)


def test_an_answer_that_never_ends_does_not_hold_up_the_stop() -> None:
    async def main() -> None:
        asked, never = asyncio.Event(), asyncio.Event()

        async def hang(_: Request) -> Response:
            asked.set()
            await never.wait()
            return Response()

        server = WebServer(Starlette(routes=[Route("/", hang)]), "127.0.0.1", 0, has_token=False)
        server.start()
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        await asked.wait()
        async with asyncio.timeout(10):
            await server.close()
        writer.close()

    run(main)


def test_ipv6_is_served_where_there_is_any() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"no IPv6 loopback here: {error}")

    async def main() -> None:
        server = WebServer(create_app(Metrics(), Health), "::1", 0, has_token=False)
        server.start()
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"http://[::1]:{server.port}/healthz")).status_code == 200
        await server.close()

    run(main)


# Metrics


class Server:
    def __init__(self) -> None:
        self.sessions = (1, 2)
        self.messages = Counter({("rr1", "route-monitoring"): 7})
        self.octets = Counter({"rr1": 4096})
        self.refused = Counter({"unknown-router": 3})
        self.errors = Counter({("rr1", "version"): 1})
        self.quirks = Counter({("rr1", "zero-time"): 6})
        self.routes = Counter({"announce": 40, "withdraw": 2})


class Engine:
    def __init__(self) -> None:
        self.blind = ("rr2",)
        self.open_incidents = [incident("a"), incident("b")]
        self.errors = Counter({"flapping": 2})

    def rule(self, name: str) -> Rule:
        """One failover has been measured."""
        assert name == "failover"
        failover = Failover(parse_intent("version: 1"))
        failover.distributions["anchor"] = Distribution()
        failover.distributions["anchor"].add(1_500_000_000)
        return failover

    def feed_states(self) -> dict[FeedKey, FeedState]:
        """One router that tells the time, an hour ahead of ours, and one that does not."""
        state = FeedState()
        news = Event(received=10, sequence=1, feed="bmp", kind="stats", time=10 + 3600 * 10**9)
        state.hear(news)
        return {FeedKey("rr1", "bmp"): state, FeedKey("rr2", "bmp"): FeedState()}


class Clock:
    ahead = 2_500_000_000


class Impaired:
    @property
    def open(self) -> list[Incident]:
        return [msgspec.structs.replace(incident("c"), severity="warning")]


class Spool:
    depth, octets, max_octets, age, set_aside = 3, 5000, 4096, 12.5, 1


class Writer:
    rows_written, inserts, failures, pending_octets, full = 100, 4, 1, 600, True
    rows_spooled, rows_left_out, spool = 120, 7, Spool()


def values(metrics: Metrics) -> dict[str, float]:
    """Every sample that `/metrics` shows."""
    answer = asked(create_app(metrics, Health), "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    lines = (line.rsplit(" ", 1) for line in answer.text.splitlines() if line[:1] != "#")
    return {name: float(value) for name, value in lines}


@pytest.fixture
def parts(tmp_path: Path) -> Any:
    outbox = Outbox(tmp_path / "outbox", ["p", "q"])
    delivery = Delivery(outbox, [Receiver("p"), Receiver("q")])
    yield outbox, delivery
    outbox.close()


def watched(outbox: Outbox, delivery: Delivery) -> Metrics:
    metrics = Metrics()
    parts = (Clock(), Server(), Engine(), Impaired(), Writer(), outbox, delivery)
    metrics.watch(Parts(*parts))  # type: ignore[arg-type]
    return metrics


def test_every_metric_has_its_value(parts: tuple[Outbox, Delivery]) -> None:
    outbox, delivery = parts
    outbox.record([incident("a"), incident("a", "resolved")])
    outbox.done(1)
    delivery.sent["p"] = 5
    delivery.failed["q", "dropped"] = 2
    metrics = watched(outbox, delivery)
    event = Event(received=1, sequence=1, feed="bmp", kind="announce")
    metrics.count([event, event], [incident("a"), incident("a", "resolved")])
    metrics.page_latency.labels("p").observe(0.02)
    found = values(metrics)
    buckets = [name for name in found if "_seconds_bucket{" in name]
    assert found['anchorwatch_failover_seconds_bucket{le="1.0",name="anchor"}'] == 0
    assert found['anchorwatch_failover_seconds_bucket{le="2.5",name="anchor"}'] == 1
    assert found['anchorwatch_failover_seconds_bucket{le="+Inf",name="anchor"}'] == 1
    assert found['anchorwatch_page_latency_seconds_bucket{le="0.01",pager="p"}'] == 0
    assert found['anchorwatch_page_latency_seconds_bucket{le="0.025",pager="p"}'] == 1
    del found['anchorwatch_page_latency_seconds_created{pager="p"}']
    assert {name: value for name, value in found.items() if name not in buckets} == {
        f'anchorwatch_build_info{{decoder="{decoder_name()}",version="{__version__}"}}': 1,
        'anchorwatch_events_total{kind="announce"}': 42,
        'anchorwatch_events_total{kind="withdraw"}': 2,
        'anchorwatch_incident_transitions_total{detector="flowspec_policy",state="open"}': 1,
        'anchorwatch_incident_transitions_total{detector="flowspec_policy",state="resolved"}': 1,
        'anchorwatch_page_latency_seconds_count{pager="p"}': 1,
        'anchorwatch_page_latency_seconds_sum{pager="p"}': 0.02,
        "anchorwatch_clock_ahead_seconds": 2.5,
        "anchorwatch_bmp_sessions": 2,
        'anchorwatch_bmp_messages_total{router="rr1",type="route-monitoring"}': 7,
        'anchorwatch_bmp_bytes_total{router="rr1"}': 4096,
        'anchorwatch_bmp_refused_total{reason="unknown-router"}': 3,
        'anchorwatch_decode_errors_total{reason="version",router="rr1"}': 1,
        'anchorwatch_sender_quirks_total{quirk="zero-time",router="rr1"}': 6,
        "anchorwatch_feeds_blind": 1,
        'anchorwatch_feed_skew_seconds{feed="bmp",router="rr1"}': -3600,
        'anchorwatch_incidents_open{severity="info"}': 0,
        'anchorwatch_incidents_open{severity="warning"}': 1,
        'anchorwatch_incidents_open{severity="critical"}': 2,
        'anchorwatch_rule_errors_total{rule="flapping"}': 2,
        'anchorwatch_failover_seconds_count{name="anchor"}': 1,
        'anchorwatch_failover_seconds_sum{name="anchor"}': 1.5,
        "anchorwatch_store_rows_written_total": 100,
        "anchorwatch_store_inserts_total": 4,
        "anchorwatch_store_insert_failures_total": 1,
        "anchorwatch_spool_rows_total": 120,
        "anchorwatch_spool_rows_left_out_total": 7,
        "anchorwatch_spool_segments_refused": 1,
        "anchorwatch_spool_pending_bytes": 600,
        "anchorwatch_spool_segments": 3,
        "anchorwatch_spool_bytes": 5000,
        "anchorwatch_spool_max_bytes": 4096,
        "anchorwatch_spool_age_seconds": 12.5,
        "anchorwatch_reading_paused": 1,
        'anchorwatch_pages_sent_total{pager="p"}': 5,
        'anchorwatch_pages_failed_total{outcome="dropped",pager="q"}': 2,
        'anchorwatch_pages_pending{pager="p"}': 1,
        'anchorwatch_pages_pending{pager="q"}': 2,
        'anchorwatch_pager_failing_seconds{pager="p"}': 0,
        'anchorwatch_pager_failing_seconds{pager="q"}': 0,
    }


def test_how_long_a_pager_has_failed(
    parts: tuple[Outbox, Delivery], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: 1000.0)
    outbox, delivery = parts
    delivery.failing_since["p"] = 700.0
    found = values(watched(outbox, delivery))
    assert found['anchorwatch_pager_failing_seconds{pager="p"}'] == 300
    assert found['anchorwatch_pager_failing_seconds{pager="q"}'] == 0


def test_an_outbox_that_fails_takes_no_other_metric_with_it(
    parts: tuple[Outbox, Delivery],
) -> None:
    outbox, delivery = parts
    whole = values(watched(outbox, delivery))
    outbox._database.execute("DROP TABLE pages")
    found = values(watched(outbox, delivery))
    assert {name for name in whole if "pages_pending" in name} == set(whole) - set(found)


def test_two_sets_of_metrics_do_not_share_anything() -> None:
    one, other = Metrics(), Metrics()
    one.page_latency.labels("p").observe(1)
    assert any("page_latency" in name for name in values(one))
    assert not any("page_latency" in name for name in values(other))
