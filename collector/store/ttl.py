"""How long rows are kept: ClickHouse's TTL of each table, brought to what the settings say."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping

from collector.store.backend import Store

log = logging.getLogger(__name__)

CLOCKS = {
    **dict.fromkeys(
        ("routes", "flowspec", "sessions", "stats", "undecodable", "probes"), "received"
    ),
    "incidents": "time",
}
"""Tables whose rows may be let go, and the column that says how old one is."""
_TTL = re.compile(r"\bTTL (.*?)(?: SETTINGS .*)?$", re.DOTALL)
_ENGINES = """
SELECT name, engine_full FROM system.tables WHERE database = currentDatabase() ORDER BY name
"""


def apply_ttl(store: Store, kept: Mapping[str, int], cluster: str | None = None) -> list[str]:
    """Keep rows of each table for so many seconds; forever, where nothing is said of it.

    Tables that do so already are left alone. Answers the tables that were changed. Raises
    StoreError.
    """
    suffix, where = ("_local", f" ON CLUSTER `{cluster}`") if cluster else ("", "")
    engines = {row["name"]: row["engine_full"] for row in store.query(_ENGINES).to_pylist()}
    changed = []
    for table, clock in CLOCKS.items():
        name = table + suffix
        if name not in engines and table not in kept:
            continue
        found = _TTL.search(engines.get(name, ""))
        has = found[1] if found else None
        wanted = None
        if table in kept:
            # Written as ClickHouse writes it back, so that it can be compared.
            wanted = f"toDateTime({clock}) + toIntervalSecond({kept[table]})"
        if has == wanted:
            continue
        change = f"MODIFY TTL {wanted}" if wanted else "REMOVE TTL"
        store.execute(f"ALTER TABLE {name}{where} {change}")
        log.info("rows of %s are kept %s", table, _words(kept.get(table)))
        changed.append(table)
    return changed


def _words(seconds: int | None) -> str:
    return "forever" if seconds is None else f"for {seconds} s"
