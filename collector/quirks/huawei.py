"""Huawei VRP."""

from __future__ import annotations

from collector.quirks.base import Quirk

TRAILING = "trailing-octets"
"""A TLV, or anything else, behind the UPDATE of a version 3 Route Monitoring message."""

QUIRKS = (Quirk(TRAILING),)
