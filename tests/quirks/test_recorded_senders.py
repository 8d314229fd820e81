"""Which quirks each of seven daemons shows, in the recording of the same story told to all."""

from __future__ import annotations

import pytest

from collector.wire.session import BmpSession
from tests.lab.story_of_a_sender import Told, recording

NOW = 1_800_000_000_000_000_000
HOUR = 3_600_000_000_000

GOBGP = {"default-name", "post-policy-ghosts", "withdrawal-with-old-time", "end-of-rib-flags"}
FRR = {"own-as-prepended", "peer-down-without-peer-up", "peer-up-with-old-time", "zero-time"}
BIRD = {"zero-time", "end-of-rib-before-routes", "local-pref-of-external-peer"}
SHOWN = {
    "gobgp-3.10": ("gobgp", GOBGP | {"loc-rib-without-peer-up"}),
    "gobgp-3.36": ("gobgp", GOBGP | {"loc-rib-without-peer-up"}),
    "gobgp-4.8": ("gobgp", GOBGP | {"add-path-not-as-negotiated"}),
    "frr-8.4": ("frr", FRR | {"repeated-peer-down", "mirrored-before-peer-up"}),
    "frr-10.3": ("frr", FRR),
    "bird2-2.20": ("bird", BIRD),
    "bird3-3.1": ("bird", BIRD | {"silent-after-initiation", "withdrawal-with-old-time"}),
}


@pytest.mark.parametrize("name", SHOWN)
def test_a_sender_shows_its_quirks_and_no_others(name: str) -> None:
    profile, quirks = SHOWN[name]
    found: set[str] = set()
    for stream in Told.load(recording(name)).streams():
        session = BmpSession("10.0.0.4")
        session.feed(stream, NOW)
        session.tick(NOW + HOUR)
        assert session.sender.profile == profile
        found |= set(session.sender.quirks)
    assert found == quirks
