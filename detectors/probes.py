"""What the intent wants probed, and by whom."""

from __future__ import annotations

from typing import NamedTuple

from detectors.intent import Anycast, Intent, Probe

PATIENCE = 30_000_000_000
"""A prober may be silent for so long (ns), or for five of its probes where that is longer."""


class Place(NamedTuple):
    """What one prober asks about one anycast address."""

    anycast: Anycast
    probe: Probe
    prober: str
    site: str | None
    """The site that the prober is at; None where it is anywhere, and reaches whichever is near."""

    @property
    def key(self) -> str:
        """`NAME SITE`, or `NAME from PROBER`."""
        return f"{self.anycast.name} {self.site or f'from {self.prober}'}"

    @property
    def patience(self) -> int:
        """How long its prober may be silent, ns."""
        return max(PATIENCE, 5 * self.probe.every)


def places_of(intent: Intent) -> list[Place]:
    """Everything that the intent wants probed: a site is probed by the prober of its own name."""
    return [
        Place(anycast, anycast.probe, site or anycast.probe.from_, site)
        for anycast in intent.anycast
        if anycast.probe is not None
        for site in (anycast.sites if anycast.probe.from_ == "site" else (None,))
    ]
