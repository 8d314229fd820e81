"""All quirks there are."""

from __future__ import annotations

from collector.quirks import bird, devices, frr, gobgp, huawei, junos
from collector.quirks.base import Quirk

QUIRKS: tuple[Quirk, ...] = (
    *gobgp.QUIRKS,
    *frr.QUIRKS,
    *huawei.QUIRKS,
    *bird.QUIRKS,
    *junos.QUIRKS,
    *devices.QUIRKS,
)
"""By sender; `docs/reference/senders.md` has a line for each."""
