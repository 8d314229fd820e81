"""What an UPDATE speaks of: the NLRI of every family, as fields of events.

A new family is a reader and a line in the table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from collector.wire.cursor import Cursor, WireError
from collector.wire.evpn import read_evpn
from collector.wire.families import family_name
from collector.wire.flowspec import read_rules
from collector.wire.nlri import BITS, read_labelled, read_prefixes

UNICAST, MULTICAST, LABELLED, VPN, FLOWSPEC, FLOWSPEC_VPN = 1, 2, 4, 128, 133, 134

ADD_PATH_ODD = "add-path-not-as-negotiated"
"""The warning of routes whose path ids are not as the OPENs say."""

Fields = dict[str, Any]
Reader = Callable[[Cursor, int, bool], list[Fields]]


@dataclass(slots=True)
class Context:
    """What was negotiated, as far as it changes how an UPDATE is read."""

    as4: bool = True
    add_path: frozenset[tuple[int, int]] = frozenset()
    """(AFI, SAFI) of the families whose NLRI has path ids."""


def read_destinations(nlri: Cursor, afi: int, safi: int, context: Context) -> list[Fields]:
    """The destinations of a family; all NLRI of a family without a reader is one of them.

    Raises WireError where they cannot be told apart.
    """
    read = _reader(afi, safi)
    family: Fields = {"family": family_name(afi, safi)}
    if read is None:
        octets = nlri.rest().hex()
        return [{**family, "nlri": f"0x{octets}", "warnings": ("family-not-decoded",)}]
    negotiated = (afi, safi) in context.add_path
    start = nlri.position
    routes, error = _attempt(read, nlri, afi, negotiated)
    if error is not None:
        # Senders do not always do what they negotiated; only an exact parse is believed.
        nlri.position = start
        other, failed = _attempt(read, nlri, afi, not negotiated)
        if failed is None:
            odd = (ADD_PATH_ODD,)
            return [{**family, **r, "warnings": r.get("warnings", ()) + odd} for r in other]
        if not routes:
            raise error
        nlri.rest()
    return [{**family, **route} for route in routes]


def _attempt(
    read: Reader, nlri: Cursor, afi: int, add_path: bool
) -> tuple[list[Fields], WireError | None]:
    """What is read this way, and what speaks against it."""
    try:
        routes = read(nlri, afi, add_path)
    except WireError as error:
        return [], error
    if any("undecodable" in (route.get("components") or ()) for route in routes):
        return routes, WireError("flowspec", nlri.position, "a rule cannot be decoded")
    return routes, None


def _reader(afi: int, safi: int) -> Reader | None:
    if (afi, safi) == (25, 70):
        return _evpn
    return _READERS.get(safi) if afi in BITS else None


def _unicast(nlri: Cursor, afi: int, add_path: bool) -> list[Fields]:
    return read_prefixes(nlri, afi, add_path=add_path)


def _labelled(nlri: Cursor, afi: int, add_path: bool) -> list[Fields]:
    return read_labelled(nlri, afi, add_path=add_path, vpn=False)


def _vpn(nlri: Cursor, afi: int, add_path: bool) -> list[Fields]:
    return read_labelled(nlri, afi, add_path=add_path, vpn=True)


def _evpn(nlri: Cursor, _: int, add_path: bool) -> list[Fields]:
    return read_evpn(nlri, add_path=add_path)


def _flowspec(nlri: Cursor, afi: int, add_path: bool) -> list[Fields]:
    return _rules(nlri, afi, add_path, vpn=False)


def _flowspec_vpn(nlri: Cursor, afi: int, add_path: bool) -> list[Fields]:
    return _rules(nlri, afi, add_path, vpn=True)


def _rules(nlri: Cursor, afi: int, add_path: bool, *, vpn: bool) -> list[Fields]:
    rules = read_rules(nlri, afi, vpn=vpn, add_path=add_path)
    return [
        {
            "rule": rule.text,
            "components": rule.components,
            "rd": rule.rd,
            "path_id": rule.path_id,
            "warnings": rule.warnings,
            "precedence": rule.precedence,
        }
        for rule in rules
    ]


_READERS: dict[int, Reader] = {
    UNICAST: _unicast,
    MULTICAST: _unicast,
    LABELLED: _labelled,
    VPN: _vpn,
    FLOWSPEC: _flowspec,
    FLOWSPEC_VPN: _flowspec_vpn,
}
"""By SAFI, for the AFIs IPv4 and IPv6."""
