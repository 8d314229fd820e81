"""The incidents that the store knows, the newest first."""

from __future__ import annotations

import json
from typing import Any

from collector.event import FOREVER, rfc3339
from collector.store.backend import Reader

_LAST = """
SELECT id, toInt64(toUnixTimestamp64Nano(min(incidents.opened))) AS began,
       argMax((detector, key, severity, state, summary,
               toInt64(toUnixTimestamp64Nano(incidents.time))),
              (incidents.time, incidents.state != 'open')) AS last
FROM incidents
WHERE NOT {one:Bool} OR (detector, key) = ({detector:String}, {key:String})
GROUP BY id
HAVING (began, id) < ({began:Int64}, {id:String})
ORDER BY began DESC, id DESC
LIMIT {limit:UInt32}
"""


def incidents_before(
    store: Reader,
    limit: int,
    began: int = FOREVER,
    id_: str = "",
    of: tuple[str, str] | None = None,
) -> list[dict[str, Any]]:
    """The last transitions of up to `limit` incidents, the newest first, without their evidence.

    They opened before `began` (ns), or then with an id that is before `id_`: what a page ends with
    begins the next one. `of` is the detector and the key of those that are asked for alone.
    """
    detector, key = of or ("", "")
    values = {"one": of is not None, "detector": detector, "key": key}
    page = {"began": began, "id": id_, "limit": limit}
    rows = store.query(_LAST, values | page).to_pylist()
    return [_told(row) for row in rows]


_BETWEEN = """
SELECT id, toInt64(toUnixTimestamp64Nano(min(incidents.opened))) AS began
FROM incidents
WHERE incidents.opened <= fromUnixTimestamp64Nano({until:Int64})
GROUP BY id
HAVING max(incidents.time) >= fromUnixTimestamp64Nano({since:Int64})
    OR argMax(incidents.state, (incidents.time, incidents.state != 'open')) != 'resolved'
ORDER BY began, id
LIMIT {limit:UInt32}
"""
_TRANSITIONS = """
SELECT id, detector, key, severity, state, summary,
       toInt64(toUnixTimestamp64Nano(incidents.time)) AS at,
       toInt64(toUnixTimestamp64Nano(incidents.opened)) AS began
FROM incidents WHERE id IN JSONExtract({ids:String}, 'Array(String)')
ORDER BY began, id, at, multiIf(state = 'open', 0, state = 'resolved', 2, 1)
"""
_NAMES = ("id", "detector", "key", "severity", "state", "summary")
MOST = 500
"""Incidents that are told of a time."""


def transitions_between(store: Reader, since: int, until: int) -> list[dict[str, Any]]:
    """Every transition of the incidents that were open between two times (ns), without evidence.

    JSON objects of the contract, those of one incident together and in order, the oldest incident
    first; of `MOST` incidents at most.
    """
    between = {"since": since, "until": until, "limit": MOST}
    ids = json.dumps(store.query(_BETWEEN, between)["id"].to_pylist())
    rows = store.query(_TRANSITIONS, {"ids": ids}).to_pylist()
    return [
        {
            **{name: row[name] for name in _NAMES},
            "time": rfc3339(row["at"]),
            "opened": rfc3339(row["began"]),
        }
        for row in rows
    ]


def _told(row: dict[str, Any]) -> dict[str, Any]:
    last = row["last"]
    names = ("detector", "key", "severity", "state", "summary", "time")
    found = dict(zip(names, last.values() if isinstance(last, dict) else last, strict=True))
    return {
        "id": row["id"],
        **found,
        "time": rfc3339(found["time"]),
        "opened": rfc3339(row["began"]),
    }
