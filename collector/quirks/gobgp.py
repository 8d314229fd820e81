"""GoBGP 3.10, 3.36 and 4.8."""

from __future__ import annotations

from collector.event import View
from collector.quirks.base import INITIATION, ROUTES, Message, Profile, Quirk

GENERIC_NAMES = frozenset({"GoBGP"})
"""What a sender calls itself until somebody names it: two routers of that name are not one."""

GHOSTS = "post-policy-ghosts"
"""Withdrawals of what was dumped into the post-policy view never come."""


def _post_policy(message: Message) -> bool:
    gobgp = message.past.profile == Profile.GOBGP
    return gobgp and message.view == View.ADJ_IN_POST and not message.ends


def _no_peer_up(message: Message) -> bool:
    return not message.known and message.view == View.LOC_RIB


def _old_time(message: Message) -> bool:
    """The withdrawal has the time of the announcement: earlier than what came before it."""
    newest = message.past.newest.get((message.key, message.view), 0)
    return message.withdraws and 0 < message.stamp < newest


def _flags(message: Message) -> bool:
    return message.ends and message.two_octet_as and message.both_four_octet


def _generic_name(message: Message) -> bool:
    return message.information.get("sys_name") in GENERIC_NAMES


def _no_target(message: Message) -> bool:
    return any(
        action["action"] == "redirect-to-nexthop" and "next_hop" not in action
        for action in message.path.get("actions", ())
    )


QUIRKS = (
    Quirk(GHOSTS, (ROUTES,), _post_policy),
    Quirk("add-path-not-as-negotiated"),
    Quirk("loc-rib-without-peer-up", (ROUTES,), _no_peer_up),
    # What was announced before it may have been read by the native decoder: it is only counted.
    Quirk("withdrawal-with-old-time", (ROUTES,), _old_time, quoted=False),
    Quirk("end-of-rib-flags", (ROUTES,), _flags),
    Quirk("default-name", (INITIATION,), _generic_name),
    Quirk("redirect-next-hop-lost", (ROUTES,), _no_target),
)
