"""Reads what NetGauze printed of a BMP or BGP session: one JSON object for each message."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from collector.event import parse_rfc3339
from tests.golden.rows import Row, host

Json = dict[str, Any]

FAMILIES = {
    "Ipv4Unicast": "ipv4-unicast",
    "Ipv6Unicast": "ipv6-unicast",
    "Ipv4NlriMplsLabels": "ipv4-labelled-unicast",
    "Ipv6NlriMplsLabels": "ipv6-labelled-unicast",
    "Ipv4MplsVpnUnicast": "l3vpn-ipv4-unicast",
    "Ipv6MplsVpnUnicast": "l3vpn-ipv6-unicast",
    "Ipv4MplsLabeledVpn": "l3vpn-ipv4-unicast",
    "Ipv6MplsLabeledVpn": "l3vpn-ipv6-unicast",
    "L2Evpn": "l2vpn-evpn",
    "L2VpnBgpEvpn": "l2vpn-evpn",
    "BgpLs": "16388/71",
}
CAPABILITIES = {
    "MultiProtocolExtensions": "multiprotocol",
    "RouteRefresh": "route-refresh",
    "CiscoRouteRefresh": "128",
    "ExtendedNextHopEncoding": "extended-next-hop",
    "ExtendedMessage": "extended-message",
    "GracefulRestartCapability": "graceful-restart",
    "FourOctetAs": "four-octet-as",
    "AddPath": "add-path",
    "EnhancedRouteRefresh": "enhanced-route-refresh",
    "LongLivedGracefulRestart": "long-lived-graceful-restart",
    "Fqdn": "fqdn",
}
COUNTERS = {
    "NumberOfPrefixesRejectedByInboundPolicy": "rejected_by_policy",
    "NumberOfDuplicatePrefixAdvertisements": "duplicate_announcements",
    "NumberOfDuplicateWithdraws": "duplicate_withdraws",
    "NumberOfUpdatesInvalidatedDueToClusterListLoop": "cluster_list_loop",
    "NumberOfUpdatesInvalidatedDueToAsPathLoop": "as_path_loop",
    "NumberOfUpdatesInvalidatedDueToOriginatorId": "originator_id_loop",
    "NumberOfRoutesInAdjRibIn": "adj_rib_in_routes",
    "NumberOfRoutesInLocRib": "loc_rib_routes",
    "NumberOfRoutesInPerAfiSafiLocRib": "loc_rib_routes_by_family",
    "NumberOfUpdatesSubjectedToTreatAsWithdraw": "treated_as_withdraw_updates",
    "Experimental65531": "type_65531",
}
NUMBERS = {"Ipv4Unicast": "1/1", "Ipv6Unicast": "2/1", "Ipv4NlriMplsLabels": "1/4"}
NUMBERS |= {"Ipv4MplsLabeledVpn": "1/128", "Ipv6MplsLabeledVpn": "2/128"}
UNKNOWN = {"Aigp": 26, "PrefixSegmentIdentifier": 40}
"""Attributes that events carry as octets, and their types."""
CEASE = {"AdministrativeShutdown": 2, "AdministrativeReset": 4, "HardReset": 9}


def messages(path: Path) -> list[tuple[str, Json]]:
    """The messages of a session, as their type and what is in them."""
    found: list[tuple[str, Json]] = []
    for text in path.read_text().splitlines():
        line = json.loads(text)
        if isinstance(line, str):  # a message that is its header alone
            found.append((line, {}))
            continue
        name, body = _only(line)
        found.append(_only(body) if name in {"V3", "V4"} else (name, body))
    return found


def _only(value: Json) -> tuple[str, Any]:
    ((name, body),) = value.items()
    return name, body


def peer(header: Json) -> Row:
    """The per-peer header."""
    kind, flags = _only(header["peer_type"])
    if kind == "LocRibInstancePeer":
        view = "loc-rib"
    else:
        side = "out" if flags["adj_rib_out"] else "in"
        view = f"adj-{side}-{'post' if flags['post_policy'] else 'pre'}"
    return {
        "time": parse_rfc3339(header["timestamp"]) if header["timestamp"] else None,
        "peer": host(header["address"]),
        "peer_as": header["peer_as"],
        "peer_bgp_id": header["bgp_id"],
        "peer_rd": rd(header["rd"]) if header["rd"] else None,
        "view": view,
    }


def rd(value: Json) -> str:
    """A route distinguisher as `administrator:number`."""
    administrator, number = _only(value)[1].values()
    return f"{administrator}:{number}"


def label(octets: list[int]) -> int:
    """Three octets, of which the upper 20 bits are the label."""
    return int.from_bytes(bytes(octets)) >> 4


def path_text(value: Json) -> str:
    """An AS path as text."""
    parts = []
    for segment in _only(value)[1]:
        numbers = segment["as_numbers"]
        if segment["segment_type"] == "AsSequence":
            parts.append(" ".join(map(str, numbers)))
        else:
            parts.append("{" + ",".join(map(str, numbers)) + "}")
    return " ".join(parts)


def ext_community(value: Json) -> str:
    """An extended community as text."""
    kind, inner = _only(value)
    name, parts = _only(inner)
    if name in {"RouteTarget", "RouteOrigin"}:
        return f"{'rt' if name == 'RouteTarget' else 'soo'}:{parts['global_admin']}:" + str(
            parts["local_admin"]
        )
    if name == "EvpnL2Attribute":  # RFC 8214 section 3.1, which events have as octets
        return f"0x0604{parts['control_flags']:04x}{parts['l2_mtu']:04x}0000"
    return f"{kind} {name}"


def attributes(update: Json) -> Row:
    """Path attributes by the names of events; absent ones as events have them."""
    row: Row = dict.fromkeys(("next_hop", "as_path", "origin", "med", "local_pref"))
    row |= dict.fromkeys(("communities", "ext_communities", "large_communities", "cluster_list"))
    row |= dict.fromkeys(("originator_id", "aggregator"))
    row |= {"atomic_aggregate": False, "unknown": []}
    for attribute in update["path_attributes"]:
        name, value = _only(attribute["value"])
        if name in UNKNOWN:
            row["unknown"].append(UNKNOWN[name])
        elif name in _READ:
            field, read = _READ[name]
            row[field] = read(value)
        else:
            assert name in {"MpReach", "MpUnreach"}, name
    for name in ("communities", "ext_communities", "large_communities", "cluster_list"):
        row[name] = tuple(row[name] or ())
    return row


_READ: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "Origin": ("origin", str.lower),
    "AsPath": ("as_path", path_text),
    "NextHop": ("next_hop", lambda value: value["next_hop"]),
    "MultiExitDiscriminator": ("med", lambda value: value["metric"]),
    "LocalPreference": ("local_pref", lambda value: value["metric"]),
    "Communities": (
        "communities",
        lambda value: [f"{number >> 16}:{number & 65535}" for number in value["communities"]],
    ),
    "ExtendedCommunities": (
        "ext_communities",
        lambda value: [ext_community(each) for each in value["communities"]],
    ),
    "Originator": ("originator_id", str),
    "ClusterList": ("cluster_list", list),
}


def routes(update: Json) -> list[Row]:
    """The routes of an UPDATE; one without any is the end of a table."""
    found = list(_routes(update))
    if found:
        return found
    family = "ipv4-unicast"
    for attribute in update["path_attributes"]:
        name, value = _only(attribute["value"])
        if name == "MpUnreach":
            family = FAMILIES[_only(value)[0]]
    return [{**_destination({}), "kind": "end-of-rib", "family": family}]


def _routes(update: Json) -> Iterator[Row]:
    said = attributes(update)
    for each in update["withdrawn_routes"]:
        yield {**_destination(each), "kind": "withdraw", "family": "ipv4-unicast"}
    for attribute in update["path_attributes"]:
        name, value = _only(attribute["value"])
        if name not in {"MpReach", "MpUnreach"}:
            continue
        family, body = _only(value)
        for each in body["nlri"]:
            row = {**_destination(each), "family": FAMILIES[family]}
            if name == "MpReach":
                yield {**row, **said, "kind": "announce", "next_hop": _next_hop(body)}
            else:
                # What stands for the labels of a withdrawal is none (RFC 8277 section 2.4).
                row["labels"] = () if row["labels"] == (0x80000,) else row["labels"]
                yield {**row, "kind": "withdraw"}
    for each in update["nlri"]:
        yield {**_destination(each), **said, "kind": "announce", "family": "ipv4-unicast"}


def _destination(each: Json) -> Row:
    row: Row = {"path_id": each.get("path_id"), "rd": None, "labels": (), "components": None}
    row["prefix"] = each.get("network") or each.get("prefix")
    if "rd" in each:
        row["rd"] = rd(each["rd"])
    row["labels"] = tuple(map(label, each.get("label_stack") or each.get("labels") or ()))
    if "route" in each:
        row |= _evpn(each["route"])
    return row


def _evpn(route: Json) -> Row:
    name, body = _only(route)
    assert name == "EthernetAutoDiscovery"
    return {
        "rd": rd(body["rd"]),
        "labels": (label(body["mpls_label"]),),
        "components": {
            "type": "ethernet-auto-discovery",
            "esi": bytes(body["segment_id"]).hex(":"),
            "tag": str(body["tag"]),
        },
    }


def _next_hop(body: Json) -> str | None:
    value = body.get("next_hop_global") or body["next_hop"]
    if isinstance(value, dict):  # one with an RD before it
        value = _only(value)[1]["next_hop"]
    return host(value)


def opened(message: Json) -> Row:
    """What an OPEN says: the number of the AS is that of the capability, where there is one."""
    body = message.get("Open", message)
    each = [
        (capability, {}) if isinstance(capability, str) else _only(capability)
        for parameter in body["params"]
        for capability in parameter.get("Capabilities", ())
    ]
    numbers = [value["asn4"] for name, value in each if name == "FourOctetAs"]
    return {
        "as_number": (numbers or [body["my_as"]])[0],
        "hold_time": body["hold_time"],
        "bgp_id": str(ip_address(body["bgp_id"])),
        "capabilities": [CAPABILITIES[name] for name, _ in each],
        "families": [
            FAMILIES[value["address_type"]]
            for name, value in each
            if name == "MultiProtocolExtensions"
        ],
    }


def counters(report: Json) -> dict[str, int]:
    """A statistics report by the names of events."""
    found = {}
    for counter in report["counters"]:
        name, value = _only(counter)
        key = COUNTERS[name]
        if name.startswith("Experimental"):
            value = int.from_bytes(bytes(value))
        elif isinstance(value, list):
            family, value = value
            key += f" {NUMBERS[family]}"
        assert key not in found
        found[key] = value
    return found


def down(reason: Any) -> str:
    """Why a peer went down, in the words of events."""
    name, value = (reason, {}) if isinstance(reason, str) else _only(reason)
    if name == "RemoteSystemClosedNoData":
        return "remote, without notification"
    if name == "LocalSystemClosedTlvDataFollows":
        return f"local system closed table {value['VrfTableName']}"
    side = "local" if name.startswith("Local") else "remote"
    subcode = _only(value["Notification"]["CeaseError"])[0]
    words = {"AdministrativeReset": "administrative reset"}[subcode]
    return f"{side} notification 6/{CEASE[subcode]} cease, {words}"
