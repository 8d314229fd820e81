"""What was gained, lost and changed between two moments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import isnan
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.compute

from collector.store.backend import Reader
from collector.store.rib import rib_rows
from collector.store.rules import flowspec_rows

if TYPE_CHECKING:
    import pandas as pd

_SESSION = ("router", "feed", "peer", "peer_rd", "view", "table_name", "family", "rd")
_ROUTE_KEY = (*_SESSION, "prefix", "nlri", "path_id")
_RULE_KEY = (*_SESSION, "rule", "path_id")
_ROUTE_CONTENT = (
    *("next_hop", "as_path", "origin", "med", "local_pref", "labels", "communities"),
    *("ext_communities", "large_communities", "originator_id", "cluster_list", "path_status"),
)
_RULE_CONTENT = ("actions", "next_hop")
_NS = pa.timestamp("ns", "UTC")
DIFFERENCES = pa.schema(
    [
        ("change", pa.string()),
        *((name, pa.string()) for name in _SESSION),
        *((name, pa.string()) for name in ("prefix", "nlri", "rule")),
        ("path_id", pa.uint32()),
        ("what", pa.list_(pa.string())),
        *((name, pa.string()) for name in ("next_hop_before", "next_hop", "provenance")),
        *((name, _NS) for name in ("changed", "blind_since_before", "blind_since")),
    ]
)
"""`what` names each attribute with what it was and became; `changed` and `provenance` are those of
the announcement that holds at the second moment, or held at the first where it is lost."""


def diff_rows(
    store: Reader, before: int, after: int, prefixes: Sequence[str] = (), **narrowed: Any
) -> pa.Table:
    """The routes that were `gained`, `lost` or `changed` from one time (ns) to another.

    Of these prefixes, or of whole tables; `narrowed` is what narrows `rib_rows`. A route that was
    announced again as it was is no difference. Raises ValueError for what is no prefix.
    """
    tables = []
    for at in (before, after):
        asked = prefixes or (None,)
        found = [rib_rows(store, at, prefix=prefix, **narrowed) for prefix in asked]
        tables.append(pa.concat_tables(found))
    return pa.Table.from_pylist(
        [*_differences(tables[0], tables[1], _ROUTE_KEY, _ROUTE_CONTENT)], DIFFERENCES
    )


def flowspec_diff_rows(
    store: Reader, before: int, after: int, *, router: str | None = None
) -> pa.Table:
    """The Flowspec rules that were gained, lost or changed from one time (ns) to another."""
    tables = [flowspec_rows(store, at) for at in (before, after)]
    if router is not None:
        tables = [rows.filter(pa.compute.field("router") == router) for rows in tables]
    return pa.Table.from_pylist(
        [*_differences(tables[0], tables[1], _RULE_KEY, _RULE_CONTENT)], DIFFERENCES
    )


def _differences(
    before: pa.Table, after: pa.Table, key: Sequence[str], content: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Only what was announced in between can differ, so the rest is never looked at in Python."""
    if not before.num_rows and not after.num_rows:
        return  # pandas cannot join what has no rows at all
    both = _numbered(before, key).merge(
        _numbered(after, key), on=list(key), how="outer", suffixes=("_before", "_after")
    )
    same = both["changed_before"] == both["changed_after"]
    places = both.loc[~same, ["row_before", "row_after"]].drop_duplicates()
    olds = _rows(before, places["row_before"])
    news = _rows(after, places["row_after"])
    for old, new in zip(olds, news, strict=True):
        what = list(_what(old, new, content))
        if not (old and new) or what:
            yield _row(old, new, key, what)


def _numbered(rows: pa.Table, key: Sequence[str]) -> pd.DataFrame:
    frame: pd.DataFrame = rows.select([*key, "changed"]).to_pandas()
    frame["row"] = range(len(frame))
    return frame


def _rows(rows: pa.Table, places: pd.Series[Any]) -> Iterator[dict[str, Any]]:
    """The row at each place, and nothing where there is none."""
    found = iter(rows.take(places.dropna().astype("int64").to_numpy()).to_pylist())
    for place in places:
        yield {} if isnan(place) else next(found)


def _what(old: Mapping[str, Any], new: Mapping[str, Any], content: Sequence[str]) -> Iterator[str]:
    for name in content:
        was, becomes = old.get(name), new.get(name)
        if was == becomes:
            continue
        if old and new:
            yield f"{name} {_text(name, was) or 'none'} → {_text(name, becomes) or 'none'}"
        elif known := _text(name, was if old else becomes):
            yield f"{name} {known}"


def _text(name: str, value: Any) -> str:
    if name == "actions":
        return actions_in_words(value)
    if isinstance(value, list):
        return " ".join(map(str, value))
    return "" if value is None else str(value)


def actions_in_words(actions: str) -> str:
    """Column `actions` of a rule for people: `redirect-to-nexthop 10.100.0.254`."""
    return ", ".join(
        " ".join(str(part) for part in action.values() if part not in (False, None))
        for action in msgspec.json.decode(actions or "[]")
    )


def _row(
    old: Mapping[str, Any], new: Mapping[str, Any], key: Sequence[str], what: list[str]
) -> dict[str, Any]:
    holds = new or old
    return {
        **{name: holds[name] for name in key},
        "change": "changed" if old and new else "gained" if new else "lost",
        "what": what,
        "next_hop_before": old.get("next_hop"),
        "next_hop": new.get("next_hop"),
        "provenance": holds["provenance"],
        "changed": holds["changed"],
        "blind_since_before": old.get("blind_since"),
        "blind_since": new.get("blind_since"),
    }
