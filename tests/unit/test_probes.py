"""Probes: each way to ask against a real server, and the prober that asks."""

from __future__ import annotations

import asyncio
import random
import resource
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from typing import Any

import dns.message
import dns.rcode
import pytest

from collector.inputs.probes import dns as dns_probe
from collector.inputs.probes import http, icmp, tcp
from collector.inputs.probes.base import CannotProbe, ProbeFailed
from collector.inputs.probes.prober import Duty, Prober, Result, probe
from tests.conftest import unavailable
from tests.unit.pagers.test_delivery import until

HERE = "127.0.0.1"


def reason(asking: Any) -> str:
    """Why a probe failed."""
    with pytest.raises(ProbeFailed) as failed:
        asyncio.run(asking)
    return str(failed.value)


@contextmanager
def server(answer: bytes | None) -> Iterator[int]:
    """A TCP server that reads something and answers this, or never."""

    class Talk(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(ConnectionError):  # who asked may have had enough
                self.request.recv(4096)
                if answer is not None:
                    self.request.sendall(answer)
                else:
                    self.request.recv(1)

    with socketserver.ThreadingTCPServer((HERE, 0), Talk) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield running.server_address[1]
        finally:
            running.shutdown()
            thread.join()


def closed_port() -> int:
    with socket.create_server((HERE, 0)) as listener:
        return int(listener.getsockname()[1])


# Ways


def test_tcp() -> None:
    async def run() -> None:
        with server(None) as port:
            await tcp.ask(HERE, port, 30)

    asyncio.run(run())
    assert reason(tcp.ask(HERE, closed_port(), 30)) == "connection refused"
    # A listener whose queue is full answers nothing at all.
    with socket.create_server((HERE, 0), backlog=0) as full:
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(address)
        assert reason(tcp.ask(HERE, address[1], 0.3)) == "no connection within 0.3 s"
        for each in waiting:
            each.close()


@pytest.mark.parametrize(
    ("status", "failure"),
    [("200 OK", None), ("302 Found", None), ("404 Gone", "HTTP status 404"), ("503 No", "503")],
)
def test_http(status: str, failure: str | None) -> None:
    answer = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()

    async def run() -> None:
        with server(answer) as port:
            await http.ask(HERE, f"http://{HERE}:{port}/health", 30)

    if failure is None:
        asyncio.run(run())
    else:
        assert failure in reason(run())


def test_http_that_is_none() -> None:
    async def run(answer: bytes | None, seconds: float) -> None:
        with server(answer) as port:
            await http.ask(HERE, f"http://{HERE}:{port}/", seconds)

    assert reason(run(None, 0.3)) == "no answer within 0.3 s"
    assert "status line" in reason(run(b"SSH-2.0-OpenSSH\r\n\r\n", 30))
    assert "connect" in reason(http.ask(HERE, f"http://{HERE}:{closed_port()}/", 30))
    assert "invalid port" in reason(http.ask(HERE, "http://h:x/", 30))


class NameServer(asyncio.DatagramProtocol):
    """Answers every question with one code, or not at all."""

    def __init__(self, rcode: dns.rcode.Rcode | None) -> None:
        self.rcode = rcode
        self.asked: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        self.asked.append(query.question[0].name.to_text())
        if self.rcode is not None:
            answer = dns.message.make_response(query)
            answer.set_rcode(self.rcode)
            self.transport.sendto(answer.to_wire(), addr)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("rcode", "failure"),
    [
        (dns.rcode.NOERROR, None),
        (dns.rcode.NXDOMAIN, None),
        (dns.rcode.SERVFAIL, "answer SERVFAIL"),
        (dns.rcode.REFUSED, "answer REFUSED"),
        (None, "no answer within 0.3 s"),
    ],
)
def test_dns(rcode: dns.rcode.Rcode | None, failure: str | None) -> None:
    server = NameServer(rcode)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: server, (HERE, 0))
        port = transport.get_extra_info("sockname")[1]
        try:
            await dns_probe.ask(HERE, "example.net", 0.3 if rcode is None else 30, port)
        finally:
            transport.close()
            await asyncio.sleep(0)  # it closes in the next round of the loop

    if failure is None:
        asyncio.run(run())
    else:
        assert reason(run()) == failure
    assert server.asked == ["example.net."]


def test_a_name_that_is_none() -> None:
    assert reason(dns_probe.ask(HERE, "a..b", 30)) != ""


def test_icmp() -> None:
    try:
        asyncio.run(icmp.ask(HERE, True, 30))
    except CannotProbe:
        unavailable("needs the right to send ICMP")
    # The broadcast address of the loopback: the kernel sends no echo request there.
    assert reason(icmp.ask("127.255.255.255", True, 0.3)) != ""


@contextmanager
def no_descriptors() -> Iterator[None]:
    """As on a machine whose files are all taken."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    ("way", "what"),
    [(tcp, 1), (http, "/"), (http, f"https://{HERE}/"), (dns_probe, "a.net"), (icmp, True)],
)
def test_what_the_prober_lacks_says_nothing_of_the_service(way: Any, what: object) -> None:
    async def run() -> None:
        with no_descriptors():
            await way.ask(HERE, what, 30)

    with pytest.raises(CannotProbe, match="too many open files"):
        asyncio.run(run())


# The prober


def duty(**fields: Any) -> Duty:
    values: dict[str, Any] = {"anycast": "anchor", "site": "pe1", "address": HERE, "way": "tcp"}
    return Duty(**{**values, "what": 1, "every": 0.01, "timeout": 30.0, **fields})


def test_a_probe_says_how_long_it_took_and_why_it_failed() -> None:
    async def run() -> tuple[Result, Result]:
        with server(None) as port:
            return await probe(duty(what=port)), await probe(duty(what=closed_port()))

    well, ill = asyncio.run(run())
    assert (well.reason, ill.reason) == (None, "connection refused")
    assert well.seconds > 0
    assert str(well.duty).startswith("anchor at pe1: tcp ")


def test_what_hangs_is_given_up_and_does_not_hold_up_the_others() -> None:
    found: list[Result] = []

    async def run() -> None:
        with server(None) as port:
            hung = duty(anycast="hung", way="http", what=f"http://{HERE}:{port}/", timeout=0.1)
            prober = Prober([hung, duty(what=port)], found.append, chance=lambda: 0.0)
            prober.start()
            await until(lambda: {r.duty.anycast for r in found} == {"hung", "anchor"})
            await prober.close()

    asyncio.run(run())
    reasons = {result.duty.anycast: result.reason for result in found}
    assert reasons == {"hung": "no answer within 0.1 s", "anchor": None}


def test_no_more_probes_at_once_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    now, most = 0, 0

    async def slow(address: str, what: object, timeout: float) -> None:  # noqa: ASYNC109
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.002)
        now -= 1

    monkeypatch.setattr("collector.inputs.probes.prober.WAYS", {"tcp": slow})
    found: list[Result] = []

    async def run() -> None:
        prober = Prober([duty() for _ in range(20)], found.append, at_once=3)
        prober.start()
        await until(lambda: len(found) >= 60)
        await prober.close()

    asyncio.run(run())
    assert most == 3


def test_pauses_vary_within_the_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = random.Random(1)
    times: list[float] = []

    async def instant(address: str, what: object, timeout: float) -> None:  # noqa: ASYNC109
        times.append(time.monotonic())

    async def run() -> None:
        monkeypatch.setattr("collector.inputs.probes.prober.WAYS", {"tcp": instant})
        prober = Prober([duty(every=0.05)], lambda _: None, chance=numbers.random)
        prober.start()
        await until(lambda: len(times) > 5)
        await prober.close()

    asyncio.run(run())
    # Never sooner than the jitter allows, however slow the machine is.
    pauses = len({round(b - a, 4) for a, b in pairwise(times)})
    assert pauses > 1
    assert all(b - a >= 0.05 * 0.9 - 0.005 for a, b in pairwise(times))


def test_a_fault_of_the_prober_is_told_and_got_over(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    faults = [RuntimeError("a bug")] * 3
    found: list[Result] = []

    async def faulty(address: str, what: object, timeout: float) -> None:  # noqa: ASYNC109
        if faults:
            raise faults.pop()

    def take(result: Result) -> None:
        found.append(result)
        if len(found) == 1:
            raise ValueError("nobody expects it")

    monkeypatch.setattr("collector.inputs.probes.prober.WAYS", {"tcp": faulty})

    async def run() -> None:
        prober = Prober([duty()], take, chance=lambda: 0.0)
        prober.start()
        await until(lambda: len(found) == 3)
        assert prober.cannot == {}
        await prober.close()

    asyncio.run(run())
    assert [result.reason for result in found] == [None] * 3
    told = [record.getMessage() for record in caplog.records]
    fault = "cannot probe anchor at pe1: tcp 1: a fault of anchorwatch:"
    assert told == [f"{fault} RuntimeError('a bug')", f"{fault} ValueError('nobody expects it')"]
