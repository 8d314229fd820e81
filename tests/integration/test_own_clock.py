"""A watch whose clock is ahead of the system's, as it is after that was set back."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from tests.integration.installation import Installation
from tests.waiting import until

SECOND = 1_000_000_000


def incidents(here: Installation) -> list[dict[str, Any]]:
    told = json.loads(here.command("status", "--format", "json").stdout)
    return [each for each in told["incidents"] if each["detector"] == "clock"]


def test_it_is_told_and_outlives_a_restart(tmp_path: Path) -> None:
    here = Installation(tmp_path)
    with here.running():
        assert incidents(here) == []
    lived = tmp_path / "anchorwatch-data" / "spool" / "feeds.json"
    an_hour_on = time.time_ns() + 3600 * SECOND
    os.utime(lived, ns=(an_hour_on, an_hour_on))
    with here.running():
        (opened,) = until(lambda: incidents(here), "the incident", 60)
        assert opened["severity"] == "warning"
        assert "s ahead of it" in opened["summary"]
        # What is stored is received at times that go on.
        assert here.metrics()["anchorwatch_clock_ahead_seconds"] > 3500
    assert lived.stat().st_mtime_ns > an_hour_on
    with here.running():
        assert [each["id"] for each in until(lambda: incidents(here), "it", 60)] == [opened["id"]]
    os.utime(lived)
    with here.running():
        until(lambda: not incidents(here), "its end", 60)
        assert "resolved clock: Our clock is no longer ahead of the system's." in here.log()
