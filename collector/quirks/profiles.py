"""Whose software a sender is, by what it says of itself."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from collector.event import View
from collector.quirks.base import Message, Profile
from collector.quirks.gobgp import GENERIC_NAMES

_DESCRIPTIONS = (
    (re.compile(r"\bgobgp", re.IGNORECASE), Profile.GOBGP),
    (re.compile(r"\bFRRouting\b", re.IGNORECASE), Profile.FRR),
    (re.compile(r"\bBIRD\b", re.IGNORECASE), Profile.BIRD),
    (re.compile(r"\bJuniper Networks\b|\bJunos\b", re.IGNORECASE), Profile.JUNOS),
    (re.compile(r"\bHuawei\b", re.IGNORECASE), Profile.HUAWEI),
    (re.compile(r"\bIOS.?XR\b", re.IGNORECASE), Profile.IOS_XR),
)
_BIRDS_ORDER = ("route-refresh", "graceful-restart", "four-octet-as", "enhanced-route-refresh")


def described(information: Mapping[str, Any]) -> Profile | None:
    """By the sysDescr or sysName of an Initiation."""
    if information.get("sys_name") in GENERIC_NAMES:
        return Profile.GOBGP
    text = str(information.get("sys_descr", ""))
    return next((profile for words, profile in _DESCRIPTIONS if words.search(text)), None)


def peering(message: Message) -> Profile | None:
    """By a Peer Up: the capabilities that the sender's own OPEN has, and what it leaves out."""
    if message.view == View.LOC_RIB:  # its OPENs are made up (RFC 9069 section 5.1)
        return None
    sent: Sequence[str] = message.information.get("sent_capabilities", ())
    if tuple(sent[:2]) == ("route-refresh", "fqdn"):
        return Profile.GOBGP  # the only one to begin so
    # BIRD's stand in the order of their numbers, and its Peer Up lacks the time and the port.
    ordered = [name for name in sent if name in _BIRDS_ORDER] == list(_BIRDS_ORDER)
    if ordered and not message.stamp and message.information.get("local_port") == 0:
        return Profile.BIRD
    return None
