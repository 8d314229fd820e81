"""What the intent wants probed, and what the watch takes in of it."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
from starlette.applications import Starlette

from anchorwatch.errors import UserError
from anchorwatch.metrics import Metrics
from anchorwatch.probes import Poster, duties_of, expected_probes
from anchorwatch.web.api.probes import MAX_OCTETS, probes_endpoint
from anchorwatch.web.app import Health, create_app
from collector.event import Event, Kind, Provenance
from collector.inputs.probes.intake import ProbeIntake
from collector.inputs.probes.prober import Duty, Result
from collector.inputs.probes.report import MOST, decode, encode, report_of
from detectors.documents import Mistakes
from detectors.intent import parse_intent
from tests.unit.pagers.test_delivery import until
from tests.unit.test_probes import HERE, closed_port, duty

AT = 1_800_000_000_000_000_000
INTENT = """
version: 1
sites:
  pe1: {match: [{peer: 10.0.1.1}]}
  pe2: {match: [{peer: 10.0.1.2}]}
anycast:
  - {name: anchor, prefix: 10.100.0.254/32, sites: [pe1, pe2], probe: {tcp: 8443, timeout: 1s}}
  - name: web
    prefix: 10.100.1.0/24
    sites: [pe1]
    probe: {http: /health, from: vantage, every: 10s, address: 10.100.1.80}
"""


# What the intent wants


def test_duties_by_prober() -> None:
    intent = parse_intent(INTENT)
    assert duties_of(intent, "pe2") == [
        Duty("anchor", "pe2", "10.100.0.254", "tcp", 8443, every=5.0, timeout=1.0)
    ]
    assert duties_of(intent, "vantage") == [
        Duty("web", None, "10.100.1.80", "http", "/health", every=10.0, timeout=2.0)
    ]
    with pytest.raises(UserError) as refused:
        duties_of(intent, "vantag")
    assert str(refused.value) == (
        "the intent has no probe from 'vantag' (did you mean 'vantage'?): it has probes from pe1, "
        "pe2, vantage"
    )


@pytest.mark.parametrize(
    ("probe", "mistake"),
    [
        ("{tcp: 1, timeout: 0s}", "probe.timeout: must be longer than 0s"),
        ("{tcp: 1, fall: 0}", "probe.fall: should be greater than or equal to 1, not 0"),
        ("{http: health}", "probe.http: 'health' is no URL and no path: write /health"),
        ("{tcp: 1, address: 10.9.0.1}", "probe: address 10.9.0.1 is not in 10.0.0.0/24"),
        ("{tcp: 1}", "probe: 10.0.0.0/24 is more than one address: give probe.address"),
    ],
)
def test_probes_that_cannot_be(probe: str, mistake: str) -> None:
    text = "version: 1\nsites: {a: {match: [{peer: 10.0.0.1}]}}\nanycast:\n"
    text += f"  - {{name: x, prefix: 10.0.0.0/24, sites: [a], probe: {probe}}}\n"
    with pytest.raises(Mistakes) as found:
        parse_intent(text)
    assert [str(each) for each in found.value.mistakes] == [f"intent.yaml:4: anycast[0].{mistake}"]


# What the watch takes in


class Watch:
    """An intake, its metrics and its application."""

    def __init__(self, token: str | None = None) -> None:
        self.events: list[Event] = []
        self.metrics = Metrics()
        ticks = iter(range(AT, AT + 1000))
        self.intake = self.metrics.probes = ProbeIntake(
            expected_probes(parse_intent(INTENT)),
            self.events.extend,
            lambda: next(ticks),
            self.metrics.probed,
        )
        self.app: Starlette = create_app(
            self.metrics, Health, token, more=[probes_endpoint(self.intake).route()]
        )

    def client(self) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=self.app)
        return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")

    def post(self, body: object, **headers: str) -> httpx.Response:
        async def run() -> httpx.Response:
            async with self.client() as client:
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                given = {"Content-Type": "application/json", **headers}
                return await client.post("/api/v1/probes", content=content, headers=given)

        return asyncio.run(run())


def told(**fields: object) -> dict[str, object]:
    result = {"anycast": "anchor", "site": "pe1", "healthy": True, "time": "2027-01-15T08:00:00Z"}
    return {"prober": "pe1", "results": [{**result, **fields}]}


def test_a_result_becomes_an_event() -> None:
    watch = Watch()
    answer = watch.post(told(healthy=False, seconds=0.25, reason="connection refused"))
    assert (answer.status_code, answer.json()) == (200, {"taken": 1})
    assert watch.events == [
        Event(
            received=AT,
            sequence=1,
            feed="probe",
            kind="probe",
            router="pe1",
            router_address="127.0.0.1",
            time=AT,
            prefix="10.100.0.254/32",
            information={
                "anycast": "anchor",
                "result": "failed",
                "probe": "tcp 8443",
                "site": "pe1",
                "seconds": 0.25,
            },
            reason="connection refused",
        )
    ]


def test_the_words_of_others_command_nothing() -> None:
    watch = Watch()
    watch.post(told(healthy=False, reason="reset\n\x1b[2J"))
    assert watch.events[0].reason == r"reset\n\x1b[2J"


def test_results_are_awaited_from_the_start() -> None:
    watch = Watch()
    watch.intake.begin()
    assert [(e.kind, e.provenance, e.router, e.information) for e in watch.events] == [
        (Kind.PROBE, Provenance.SYNTHETIC, prober, {"result": "awaited"})
        for prober in ("pe1", "pe2", "vantage")
    ]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "not JSON: Input data was truncated"),
        (b"[]", "Expected `object`, got `array`"),
        ({"prober": "pe1"}, "Object missing required field `results`"),
        (told(healthy="yes"), "Expected `bool`, got `str` - at `$.results[0].healthy`"),
        (told(surprise=1), "Object contains unknown field `surprise` - at `$.results[0]`"),
        (told(time="now"), "Invalid isoformat string: 'now' - at `$.results[0].time`"),
        *[
            (told(time=time), "is not from 1970 to 2116, as stores keep - at `$.results[0].time`")
            for time in ("0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "2300-01-01T00:00:00Z")
        ],
        (told(anycast="x"), "the intent has no probe of 'x' at pe1 from 'pe1'"),
        (told(site="pe2"), "the intent has no probe of 'anchor' at pe2 from 'pe1'"),
        ({**told(), "prober": "me"}, "the intent has no probe from 'me'"),
    ],
)
def test_a_report_that_is_wrong_is_refused_whole(body: object, words: str) -> None:
    watch = Watch()
    answer = watch.post(body)
    assert answer.status_code == 400
    assert words in answer.json()["error"]
    assert watch.events == []
    assert sum(watch.intake.refused.values()) == 1


def test_reports_need_the_token_the_type_and_a_size() -> None:
    watch = Watch("secret")
    assert watch.post(told()).status_code == 401
    key = {"Authorization": "Bearer secret"}
    assert watch.post(told(), **key).status_code == 200
    assert watch.post(told(), **key, **{"Content-Type": "text/plain"}).status_code == 415
    assert watch.post(b" " * (MAX_OCTETS + 1), **key).status_code == 413
    assert watch.intake.refused == {"content-type": 1, "size": 1}
    assert len(watch.events) == 1


def test_probes_are_counted() -> None:
    watch = Watch()
    watch.post(told(seconds=0.25))
    watch.post(told(healthy=False))
    watch.post(b"{")
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in watch.metrics.collect()
        for sample in family.samples
    }
    assert samples["anchorwatch_probes_total", "pe1", "anchor", "healthy"] == 1
    assert samples["anchorwatch_probes_total", "pe1", "anchor", "failed"] == 1
    assert samples["anchorwatch_probes_refused_total", "malformed"] == 1
    assert samples["anchorwatch_probe_seconds_sum", "pe1", "anchor"] == 0.25
    assert samples["anchorwatch_probe_seconds_count", "pe1", "anchor"] == 1


def test_what_a_prober_sends_is_what_the_watch_reads() -> None:
    one = Result(duty(), AT, 0.0123456789)
    other = Result(duty(site=None), AT, 1.0, "x" * 5000)
    report = report_of("pe1", [one, other])
    again = decode(encode(report))
    assert again == report
    assert [r.moment for r in again.results] == [AT, AT]
    assert (again.results[0].seconds, len(again.results[1].reason or "")) == (0.012346, 1000)


def test_a_watch_that_is_away_costs_its_results_and_is_told_when_back() -> None:
    watch = Watch()

    async def run() -> None:
        poster = Poster("pe1", f"http://{HERE}:{closed_port()}", None)
        result = Result(duty(), AT, 0.1)
        for _ in range(2 * MOST):
            poster.put(result)
        assert poster._waiting.qsize() == MOST
        poster.start()
        await until(lambda: poster.error is not None and poster._waiting.empty())
        await poster._client.aclose()
        poster._client = watch.client()
        poster._url = "/api/v1/probes"
        poster.put(result)
        await until(lambda: poster.error is None)
        await poster.close()

    asyncio.run(run())
    assert watch.intake.taken == {("pe1", "anchor", "healthy"): 1}
