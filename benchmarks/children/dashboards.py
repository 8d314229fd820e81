"""How fast the panels' questions are answered: `dashboards.py FOLDER PREFIXES EVENTS ROUNDS`.

The routes are those of `benchmarks/past.py`; Flowspec and incidents are added. Asked twice: with an
intent that watches ordinary prefixes, those in the middle by their changes, and with one that
watches the busiest that there are. A store that is there already is asked as it is.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks import common, past
from benchmarks.children.past import fill, number
from collector.event import rfc3339
from collector.store.backend import StoreError
from collector.store.embedded import EmbeddedStore
from collector.store.owner import is_store
from collector.store.rows import event_table
from dashboards.build import DASHBOARDS, content
from dashboards.grafana import expand, variables
from detectors.intent import Intent, parse_intent

SERVICES, ANYCAST = 16, 8
MINUTE = 60_000
AFTER = past.START // 10**6 + 8 * 86_400_000
"""The end of the time ranges, ms: a moment of the eighth day, with rows behind it."""
MERGING = 1_800.0
"""Seconds that merging may take."""
RANGES = {"cutover.json": 30 * MINUTE, "forensics.json": 1440 * MINUTE}
"""How much is looked at; of the other dashboards, an hour."""
_FLOWSPEC = """
INSERT INTO flowspec (received, sequence, epoch, feed, router, router_address, peer, view, kind,
                      provenance, family, rule, components, actions)
SELECT fromUnixTimestamp64Nano(toInt64({start} + (1000 + intDiv(number, 6) * {spacing}) * 1000000)),
       number, fromUnixTimestamp64Nano(toInt64({start} + (number % 3 * 4 + 1) * 1000003)), 'bmp',
       concat('rr', toString(1 + number % 3), '.example.net'),
       concat('192.0.2.', toString(1 + number % 3)),
       concat('198.51.100.', toString(10 + 4 * (number % 3))),
       if(number % 3 = 2, 'adj-in-post', 'adj-in-pre'),
       what, 'live', 'ipv4-flowspec',
       concat('destination ', destination, ' protocol =6 destination-port =', toString(n % 60000)),
       concat('{{"destination":"', destination, '","protocol":"=6"}}'),
       if(what = 'announce', '[{{"action":"discard"}}]', '')
FROM (SELECT number, cityHash64(intDiv(number, 6)) AS n,
             if(intDiv(number, 3) % 2 = 0 OR intDiv(number, 6) % 5 = 0, 'announce', 'withdraw')
                 AS what,
             concat('203.0.113.', toString(n % 250), '/32') AS destination
      FROM numbers({rows}))
"""
_INCIDENTS = """
INSERT INTO incidents (time, id, detector, key, severity, state, opened, summary, details, evidence)
SELECT fromUnixTimestamp64Nano(toInt64({start} + ({spacing} * n + late) * 1000000)),
       hex(cityHash64(n)), 'dual_advertisement', concat('service ', toString(n % 24)),
       if(n % 3 = 0, 'warning', 'critical'), step, fromUnixTimestamp64Nano(
           toInt64({start} + {spacing} * n * 1000000)),
       concat('Something about service ', toString(n % 24), ' that somebody has to look at.'),
       concat('{{"prefix":"', [{prefixes}][1 + n % 24], '"}}'), '[]'
FROM (SELECT number AS n FROM numbers({rows}))
ARRAY JOIN ['open', 'resolved'] AS step, [0, 60000] AS late
WHERE n % 50 > 0 OR step = 'open'
"""


def intent_of(prefixes: list[str]) -> Intent:
    """Watch these prefixes, each home at one of the ways that peers show."""
    sites = "\n".join(
        f"  site{n}: {{match: [{{next_hop: 198.51.100.{n + 10}}}]}}" for n in range(past.PEERS)
    )
    services = "\n".join(
        f"  - {{name: service {n}, prefix: {prefix}, home: [site{n % past.PEERS}]}}"
        for n, prefix in enumerate(prefixes[:SERVICES])
    )
    anycast = "\n".join(
        f"  - {{name: anycast {n}, prefix: {prefix}, sites: [site1, site2]}}"
        for n, prefix in enumerate(prefixes[SERVICES : SERVICES + ANYCAST])
    )
    begin, end = (rfc3339((AFTER + moment) * 10**6) for moment in (-20 * MINUTE, 20 * MINUTE))
    return parse_intent(f"""
version: 1
sites:
{sites}
services:
{services}
anycast:
{anycast}
flowspec: [{{name: moved, destination: [203.0.113.7/32], actions: [discard]}}]
cutovers:
  - {{name: move, service: service 0, from: site0, to: [site1], window: [{begin}, {end}],
     flush: moved}}
""")


def add(store: EmbeddedStore, prefixes: list[str], rows: int) -> None:
    """Flowspec rules that come and go, and incidents that opened and were resolved."""
    span = 86_400_000 * past.DAYS
    flowspec = {"start": past.START, "rows": rows, "spacing": span // (rows // 6 + 1)}
    store.execute(_FLOWSPEC.format(**flowspec))
    texts = ", ".join(f"'{prefix}'" for prefix in prefixes[: SERVICES + ANYCAST])
    incidents = {"start": past.START, "rows": rows // 10, "spacing": span // (rows // 10 + 1)}
    store.execute(_INCIDENTS.format(prefixes=texts, **incidents))


def ask(store: EmbeddedStore, intent: Intent, rounds: int) -> list[dict[str, Any]]:
    """For each target the median of its time and of its CPU time, ms, and the rows read for it."""
    told = []
    for name in DASHBOARDS:
        there = content(name, intent)
        values = variables(there)
        begin = AFTER - RANGES.get(name, 60 * MINUTE)
        for panel in there["panels"]:
            for target in panel["targets"]:
                if "rawSql" not in target:
                    continue
                question = expand(target["rawSql"], values, begin, AFTER)
                taken, used = [], []
                for _ in range(rounds):
                    started, worked = time.perf_counter(), time.process_time()
                    answer = store.answer(question, "Arrow", {})
                    taken.append((time.perf_counter() - started) * 1000)
                    used.append((time.process_time() - worked) * 1000)
                told.append(
                    {
                        "dashboard": name.removesuffix(".json"),
                        "panel": panel["title"],
                        "rows read": answer.storage_rows_read(),
                        "CPU ms": statistics.median(used),
                        "p50 ms": statistics.median(taken),
                        "worst ms": max(taken),
                    }
                )
    return told


def made(folder: Path, size: past.Past) -> dict[str, Any]:
    """Fill a new store and let the engine merge it."""
    store = EmbeddedStore(folder)
    store.insert("sessions", event_table("sessions", past.sessions()), "sessions")
    store.execute("SYSTEM STOP MERGES routes")
    answer = {"fill_s": fill(folder, size), "merge_s": merge_months(store)}
    add(store, watched(store, 0)[0], 60_000)
    store.close()
    return answer


def merge_months(store: EmbeddedStore) -> float:
    """Make each month one part, as the table has it a day after the month; seconds that it took."""
    begun = time.perf_counter()
    store.execute("SYSTEM START MERGES routes")
    many = "SELECT partition FROM system.parts WHERE active AND table = 'routes' GROUP BY 1 HAVING "
    while time.perf_counter() - begun < MERGING:
        months = store.query(f"{many} count() > 1")["partition"].to_pylist()
        if not months:
            break
        # Where the engine is at it already, this waits for a while and then says so.
        with contextlib.suppress(StoreError):
            store.execute(
                f"OPTIMIZE TABLE routes PARTITION {months[0]} FINAL "
                "SETTINGS optimize_throw_if_noop = 1"
            )
    return time.perf_counter() - begun


def watched(store: EmbeddedStore, offset: int) -> tuple[list[str], int]:
    """Prefixes to watch, from a place in the order of their changes, and the most changes."""
    found = store.query(
        "SELECT any(prefix) AS prefix, count() AS n FROM routes WHERE provenance = 'live' "
        "GROUP BY address, length ORDER BY n DESC, prefix LIMIT {n:UInt8} OFFSET {offset:UInt32}",
        {"n": SERVICES + ANYCAST, "offset": offset},
    )
    return found["prefix"].to_pylist(), found["n"][0].as_py()


def main() -> None:
    """Fill, merge, ask."""
    folder, rounds = Path(sys.argv[1]), int(sys.argv[4])
    answer: dict[str, Any] = {"fill_s": 0.0, "merge_s": 0.0}
    if not is_store(folder):
        answer |= made(folder, past.Past(int(sys.argv[2]), int(sys.argv[3])))
    store = EmbeddedStore(folder)
    store.execute("SYSTEM STOP MERGES")
    for table in ("routes", "flowspec", "incidents"):
        answer[table] = number(store, f"SELECT count() FROM {table}")  # noqa: S608
    answer["parts"] = number(
        store, "SELECT count() FROM system.parts WHERE active AND table = 'routes'"
    )
    live = "SELECT uniq(address, length) FROM routes WHERE provenance = 'live'"
    for name, offset in (("ordinary", number(store, live) // 2), ("busiest", 0)):
        prefixes, answer[name] = watched(store, offset)
        answer[f"{name}_panels"] = ask(store, intent_of(prefixes), rounds)
    answer["rss_mib"] = common.resident(peak=True)
    store.close()
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
