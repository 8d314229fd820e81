"""What `/api/v1/status` says of probers."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from anchorwatch.probes import expected_probes
from anchorwatch.status import probers
from collector.event import rfc3339
from collector.inputs.probes.intake import ProbeIntake
from collector.inputs.probes.report import decode
from detectors.intent import Intent, parse_intent

SECOND = 1_000_000_000
AT = 1_800_000_000 * SECOND
INTENT = """
version: 1
sites:
  pe1: {match: [{peer: 10.0.1.1}]}
  pe2: {match: [{peer: 10.0.1.2}]}
anycast:
  - {name: anchor, prefix: 10.100.0.254/32, sites: [pe1, pe2], probe: {tcp: 8443, every: 10s}}
  - name: web
    prefix: 10.100.1.0/24
    sites: [pe1]
    probe: {http: /, from: pe1, address: 10.100.1.80}
"""


class Watch:
    """Probes of an intent, and a clock."""

    def __init__(self) -> None:
        self.now = AT
        self.intent = parse_intent(INTENT)
        expected = expected_probes(self.intent)
        self.intake = ProbeIntake(expected, lambda events: None, lambda: self.now, print)
        self.intake.begin()

    def take(self, prober: str, **result: Any) -> None:
        """A result comes in."""
        body = {"time": rfc3339(AT), "site": prober, "healthy": True} | result
        report = {"prober": prober, "results": [body]}
        self.intake.take(decode(msgspec.json.encode(report)), "192.0.2.1")

    def told(self, seconds: float, intent: Intent | None = None) -> dict[str, dict[str, Any]]:
        """What is told so many seconds after the start, by prober."""
        now = AT + int(seconds * SECOND)
        return {each["prober"]: each for each in probers(intent or self.intent, self.intake, now)}


def test_a_prober_is_awaited_reports_and_is_silent_after_its_patience() -> None:
    watch = Watch()
    awaited = watch.told(50)["pe2"]
    assert awaited == {
        "prober": "pe2",
        "state": "awaited",
        "probes": [{"anycast": "anchor", "site": "pe2", "probe": "tcp 8443"}],
    }
    # Five of its probes: 50 s.
    assert watch.told(50.1)["pe2"]["state"] == "silent"
    watch.now = AT + 20 * SECOND
    watch.take("pe2", anycast="anchor", healthy=False, reason="refused", seconds=0.5)
    assert watch.told(70)["pe2"] == {
        "prober": "pe2",
        "state": "reports",
        "heard": rfc3339(AT + 20 * SECOND),
        "probes": [
            {
                "anycast": "anchor",
                "site": "pe2",
                "probe": "tcp 8443",
                "result": "failed",
                "time": rfc3339(AT + 20 * SECOND),
                "seconds": 0.5,
                "reason": "refused",
            }
        ],
    }
    silent = watch.told(70.1)["pe2"]
    assert (silent["state"], silent["probes"][0]["result"]) == ("silent", "failed")
    assert watch.told(70)["pe1"]["state"] == "silent"


def test_one_prober_may_have_several_probes_and_is_as_patient_as_the_most_patient() -> None:
    watch = Watch()
    watch.now = AT + 5 * SECOND
    watch.take("pe1", anycast="web", site=None)
    told = watch.told(55)["pe1"]
    assert told["state"] == "reports"
    anchor, web = told["probes"]
    assert (anchor["anycast"], "result" in anchor) == ("anchor", False)
    assert (web["anycast"], web["probe"], web["result"]) == ("web", "http /", "healthy")
    assert "site" not in web


@pytest.mark.parametrize(
    "text", ["version: 1", INTENT.replace(", probe: {tcp: 8443, every: 10s}", "")]
)
def test_what_the_intent_does_not_want_any_more_is_not_told(text: str) -> None:
    watch = Watch()
    watch.take("pe2", anycast="anchor")
    fewer = parse_intent(text)
    assert "pe2" not in watch.told(1, fewer)
    watch.intake.expect(expected_probes(fewer))
    watch.intake.expect(expected_probes(watch.intent))
    assert "result" not in watch.told(1)["pe2"]["probes"][0]  # it was forgotten
