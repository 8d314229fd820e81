"""Events and incidents as columns, and events back from rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv6Address
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from collector.event import FLOWSPEC_FAMILIES, Event, Kind, parse_rfc3339
from collector.store.prefixes import MAPPED, V4, prefix_text

DAY = 86_400_000_000_000
"""Nanoseconds. The rows of one insert are of one day, and so of one partition."""
NS = pa.timestamp("ns", "UTC")
TEXT = pa.string()
TEXTS = pa.list_(pa.string())
NUMBER = pa.uint32()

NO_PATH = "attribute-missing: as path"
"""The warning of a route that has no AS path; without it, an empty path was carried, and empty."""

_SESSION: dict[str, pa.DataType] = {
    "received": NS,
    "sequence": pa.uint64(),
    "time": NS,
    "epoch": NS,
    **dict.fromkeys(("feed", "router", "router_address", "peer"), TEXT),
    "peer_as": NUMBER,
    **dict.fromkeys(("peer_bgp_id", "peer_rd", "view", "table_name"), TEXT),
    **dict.fromkeys(("kind", "provenance", "family", "reason"), TEXT),
    "warnings": TEXTS,
}
_PATH: dict[str, pa.DataType] = {
    "rd": TEXT,
    "path_id": NUMBER,
    "next_hop": TEXT,
    "origin_as": NUMBER,
    "origin": TEXT,
    "med": NUMBER,
    "local_pref": NUMBER,
    "atomic_aggregate": pa.bool_(),
    "aggregator": TEXT,
    "originator_id": TEXT,
    "unknown_attributes": TEXTS,
}
LISTS = ("communities", "ext_communities", "large_communities", "cluster_list")
"""Lists of an event that are one text in table `routes`."""
AS_STORED = {"as_path": "as_path_text", **{name: f"{name}_text" for name in LISTS}}
"""The columns of `routes` that hold what has another name in answers: see `as_told`."""
SCHEMAS: dict[str, dict[str, pa.DataType]] = {
    "routes": {
        **_SESSION,
        **_PATH,
        **dict.fromkeys(("nlri", "components", "address"), TEXT),
        "length": pa.uint8(),
        "labels": pa.list_(NUMBER),
        "path_status": TEXTS,
        "as_path_text": TEXT,
        **dict.fromkeys((f"{name}_text" for name in LISTS), TEXT),
    },
    "flowspec": {
        **_SESSION,
        **_PATH,
        **dict.fromkeys(LISTS, TEXTS),
        **dict.fromkeys(("as_path", "rule", "precedence", "components", "actions", "raw"), TEXT),
    },
    "sessions": {**_SESSION, **dict.fromkeys(("information", "raw"), TEXT)},
    "stats": {**_SESSION, **dict.fromkeys(("statistics", "raw"), TEXT)},
    "undecodable": {**_SESSION, "raw": TEXT},
    "probes": {**_SESSION, **dict.fromkeys(("prefix", "information"), TEXT)},
    "incidents": {
        "time": NS,
        "opened": NS,
        **dict.fromkeys(("id", "detector", "key", "severity", "state", "summary"), TEXT),
        **dict.fromkeys(("details", "evidence"), TEXT),
    },
}
"""Columns by table, as Arrow types."""


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode() if value else ""


def _address(event: Event) -> str:
    if event.prefix is None:
        return "::"
    text = event.prefix.partition("/")[0]
    return text if ":" in text else MAPPED + text


def _length(event: Event) -> int:
    if event.prefix is None:
        return 0
    address, _, length = event.prefix.partition("/")
    return int(length) + (0 if ":" in address else V4)


def _text_of(name: str) -> Callable[[Event], object]:
    return lambda event: " ".join(getattr(event, name))


_SPECIAL: Mapping[str, Callable[[Event], object]] = {
    "address": _address,
    "length": _length,
    "as_path_text": lambda event: event.as_path or "",
    **{f"{name}_text": _text_of(name) for name in LISTS},
    "table_name": lambda event: event.table or "",
    "epoch": lambda event: event.epoch or 0,
    "components": lambda event: _json(event.components),
    "actions": lambda event: _json(event.actions),
    "information": lambda event: _json(event.information),
    "statistics": lambda event: _json(event.statistics),
    "raw": lambda event: event.raw.hex() if event.raw else "",
}


_TABLES = {
    Kind.STATS.value: "stats",
    Kind.UNDECODABLE.value: "undecodable",
    Kind.PROBE.value: "probes",
}


def table_of(event: Event) -> str:
    """The table that an event belongs in."""
    if event.kind in (Kind.ANNOUNCE, Kind.WITHDRAW):
        return "flowspec" if event.family in FLOWSPEC_FAMILIES else "routes"
    return _TABLES.get(event.kind, "sessions")


def event_table(name: str, events: Sequence[Event]) -> pa.Table:
    """Events that all belong in table `name`, as columns."""
    arrays = []
    for column, kind in SCHEMAS[name].items():
        values: list[Any]
        special = _SPECIAL.get(column)
        if special is not None:
            values = [special(event) for event in events]
        elif kind == TEXT and column != "as_path":
            values = [getattr(event, column) or "" for event in events]
        else:
            values = [getattr(event, column) for event in events]
        arrays.append(pa.array(values, kind))
    return pa.table(arrays, names=list(SCHEMAS[name]))


def incident_table(incidents: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Incident transitions (the JSON objects of the contract) as columns."""
    arrays = []
    for column, kind in SCHEMAS["incidents"].items():
        if kind == NS:
            values: list[Any] = [parse_rfc3339(row[column]) for row in incidents]
        elif column in ("details", "evidence"):
            values = [_json(row[column]) for row in incidents]
        else:
            values = [row[column] for row in incidents]
        arrays.append(pa.array(values, kind))
    return pa.table(arrays, names=list(SCHEMAS["incidents"]))


_JSON_COLUMNS = ("components", "actions", "information", "statistics")
_OF_ROUTES = ("address", "length", "as_path_text", "nlri", *(f"{name}_text" for name in LISTS))
_TIMES = ("received", "time", "epoch")


def events_from_rows(rows: pa.Table) -> list[Event]:
    """Events as they were before they were stored, but for the raw bytes of routes.

    `rows` are whole rows of one of the event tables, as the store answers them.
    """
    return [_event(row) for row in rows.to_pylist()]


def _event(row: Mapping[str, Any]) -> Event:
    fields: dict[str, Any] = {}
    for column, value in row.items():
        name = "table" if column == "table_name" else column
        if (column in _OF_ROUTES and "address" in row) or value is None or value == []:
            continue
        if value == "" and column != "as_path":  # an empty path is one that was carried
            continue
        if column in _TIMES:
            fields[name] = _nanoseconds(value)
        elif column in _JSON_COLUMNS:
            fields[name] = msgspec.json.decode(value)
        elif column == "raw":
            fields[name] = bytes.fromhex(value)
        else:
            fields[name] = value
    if not fields["epoch"]:
        del fields["epoch"]
    if "address" in row:
        fields |= _route(row)
    return msgspec.convert(fields, Event)


def _route(row: Mapping[str, Any]) -> dict[str, Any]:
    """What the columns of table `routes` hold in another shape than an event does."""
    fields: dict[str, Any] = {}
    nlri = row["nlri"]
    if nlri:
        fields["nlri"] = nlri
        name, *parts = nlri.split(" ")
        if name == "ip-prefix":
            fields["prefix"] = parts[-1]
    else:
        address = IPv6Address(row["address"])
        of_v6 = "ipv6" in row["family"]
        fields["prefix"] = prefix_text(address, row["length"], of_v6=of_v6)
    if row["kind"] == Kind.ANNOUNCE and NO_PATH not in row["warnings"]:
        fields["as_path"] = row["as_path_text"]
    for name in LISTS:
        if row[f"{name}_text"]:
            fields[name] = row[f"{name}_text"].split(" ")
    return fields


def as_told(rows: pa.Table) -> pa.Table:
    """Rows of table `routes` with the AS path under its own name, and lists as lists.

    The table has such columns too, but asking it for them costs more than making them here.
    """
    told = {stored: name for name, stored in AS_STORED.items()}
    for place, name in enumerate(rows.column_names):
        if name in told:
            column = rows.column(place)
            parts = column if name == AS_STORED["as_path"] else _parts(column)
            rows = rows.set_column(place, told[name], parts)
    return rows


def _parts(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Words as lists; of an empty text an empty one."""
    words = pc.split_pattern(pc.if_else(pc.equal(texts, ""), None, texts), " ")
    return pc.coalesce(words, pa.scalar([], TEXTS))


def _nanoseconds(value: Any) -> int:
    return int(value.value)  # a pandas.Timestamp, exact to the nanosecond
