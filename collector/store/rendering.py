"""The schema's statements as a cluster takes them.

Each table becomes two: `<table>_local`, replicated within its shard, holds the rows; `<table>` is
what is read and written, and spreads the rows over the shards.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from collector.store.address import ServerAddress
from collector.store.backend import StoreError

SHARDED_BY = {
    "routes": "cityHash64(address, length)",
    "flowspec": "cityHash64(rule)",
    "sessions": "cityHash64(router)",
    "stats": "cityHash64(router)",
    "undecodable": "cityHash64(router)",
    "probes": "cityHash64(router)",
    "incidents": "cityHash64(id)",
    "imports": "rand()",
    "schema_version": "version",
}
"""What decides the shard of a row: what is asked for together lies together."""

_CREATE = re.compile(
    r"CREATE TABLE IF NOT EXISTS (?P<name>\w+)(?P<columns>\s*\(.*)"
    r"^ENGINE = (?P<kind>\w*)MergeTree(?:\((?P<arguments>[^)]*)\))?(?P<rest>.*)",
    re.DOTALL | re.MULTILINE,
)
_WINDOW = re.compile(r"non_replicated_deduplication_window = (\d+)")
REMEMBERED = 7 * 86_400
"""Seconds for which replicas know a batch again: an outage may be long. ClickHouse's own hour
would let a batch in twice that is repeated after it."""


def rendered(statement: str, address: ServerAddress) -> Iterator[str]:
    """What to run in place of a statement of the schema. Raises StoreError for what it cannot be.

    Without a cluster that is the statement itself.
    """
    if address.cluster is None:
        yield statement
        return
    found = _CREATE.search(statement)
    if found is None or found["name"] not in SHARDED_BY:
        raise StoreError(f"this statement cannot be run on a cluster: {statement[:80]}")
    name, cluster = found["name"], f"`{address.cluster}`"
    place = f"'/clickhouse/tables/{{shard}}/{address.database}/{name}', '{{replica}}'"
    arguments = f"{place}, {found['arguments']}" if found["arguments"] else place
    rest = _WINDOW.sub(
        rf"replicated_deduplication_window = \1, "
        rf"replicated_deduplication_window_seconds = {REMEMBERED}",
        found["rest"],
    )
    yield (
        f"CREATE TABLE IF NOT EXISTS {name}_local ON CLUSTER {cluster}{found['columns']}"
        f"ENGINE = Replicated{found['kind']}MergeTree({arguments}){rest}"
    )
    yield (
        f"CREATE TABLE IF NOT EXISTS {name} ON CLUSTER {cluster} AS {name}_local "
        f"ENGINE = Distributed({cluster}, {address.database}, {name}_local, {SHARDED_BY[name]})"
    )
