"""What the answers of the API are made of: events, cutovers, and how the watch is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
TIME: Schema = {"type": "string", "format": "date-time", "description": "RFC 3339, UTC"}
NUMBER: Schema = {"type": "integer"}
SECONDS: Schema = {"type": "number", "description": "seconds"}
YES: Schema = {"type": "boolean"}
STATE: Schema = {"type": "string", "enum": ["fine", "violated", "unknown"]}
TEXTS: Schema = {"type": "array", "items": TEXT}
NEXT: Schema = {**TEXT, "description": "the `after` of the next page; absent on the last one"}
FREE: Schema = {"type": "object"}


def object_of(required: Mapping[str, Schema], **others: Schema) -> Schema:
    """An object; what is not in `required` may be left out."""
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **others},
    }


def list_of(schema: Schema) -> Schema:
    """A list of these."""
    return {"type": "array", "items": schema}


def named(name: str) -> Schema:
    """One of the document's schemas."""
    return {"$ref": f"#/components/schemas/{name}"}


def page_of(name: str) -> Schema:
    """A page of a list."""
    return object_of({"items": list_of(named(name))}, next=NEXT)


def all_of(schema: Schema, *names: str) -> dict[str, Schema]:
    """Members that have the same schema."""
    return dict.fromkeys(names, schema)


_ROUTE: dict[str, Schema] = {
    **all_of(TEXT, "feed", "router", "router_address", "view", "peer", "peer_rd", "family", "rd"),
    **all_of(TEXT, "prefix", "nlri", "next_hop", "as_path", "origin", "originator_id"),
    **all_of(NUMBER, "peer_as", "path_id", "origin_as", "med", "local_pref"),
    **all_of(TEXTS, "communities", "ext_communities", "large_communities", "cluster_list"),
    **all_of(TEXTS, "path_status", "warnings"),
    "labels": list_of(NUMBER),
    "provenance": TEXT,
}
_EVENT = object_of(
    {"received": TIME, "sequence": NUMBER, "feed": TEXT, "kind": TEXT},
    **{name: schema for name, schema in _ROUTE.items() if name != "feed"},
    **all_of(TIME, "time", "epoch"),
    **all_of(TEXT, "table", "peer_bgp_id", "aggregator", "rule", "precedence", "reason"),
    atomic_aggregate=YES,
    unknown_attributes=TEXTS,
    components={"type": "object", "additionalProperties": TEXT},
    actions=list_of({**FREE, "required": ["action"], "description": "what a rule does"}),
    information={**FREE, "description": "what a session said of itself"},
    statistics={"type": "object", "additionalProperties": NUMBER},
    raw={**TEXT, "description": "the message as it was on the wire, in hex"},
)
_EVENT["description"] = "an Event, as `anchorwatch decode` prints it"

_FEED = object_of(
    {"router": TEXT, "state": {**TEXT, "enum": ["complete", "dumping", "down", "absent"]}},
    **all_of(TEXT, "feed", "address", "sender", "profile", "reason"),
    **all_of(TIME, "since", "epoch", "heard"),
    peers_up=NUMBER,
    lag_seconds=SECONDS,
    skew_seconds={**SECONDS, "description": "how far our clock is ahead of the router's"},
)
_PROBER = object_of(
    {
        "prober": TEXT,
        "state": {**TEXT, "enum": ["reports", "awaited", "silent"]},
        "probes": list_of(
            object_of(
                {"anycast": TEXT, "probe": TEXT},
                **all_of(TEXT, "site", "result", "reason"),
                time=TIME,
                seconds=SECONDS,
            )
        ),
    },
    heard=TIME,
)
_TIMER = object_of({"seconds": SECONDS, "limit": SECONDS})
_TRANSITION: dict[str, Schema] = {
    "severity": {**TEXT, "enum": ["info", "warning", "critical"]},
    "state": {**TEXT, "enum": ["open", "updated", "unknown", "resolved"]},
    "summary": TEXT,
}
_SHORT_INCIDENT = {"id": TEXT, **_TRANSITION}
_STEPS = all_of(TIME, "begun", "both", "moved", "flushed", "complete")
_PROGRESS: dict[str, Schema] = {
    "phase": {**TEXT, "enum": ["armed", "both", "moved", "flushed", "complete"]},
    "steps": object_of({}, **_STEPS),
    "vantage_points": list_of(
        object_of(
            {
                "at": {**TEXT, "description": "router, feed and view"},
                "sees": {**YES, "description": "whether its feed sees now"},
                "saw_old": {**YES, "description": "whether it ever saw the old site"},
                "advertised_by": TEXTS,
                "rules": {**NUMBER, "description": "rules that are not gone"},
            }
        )
    ),
    "rules_left": {"type": "object", "additionalProperties": NUMBER},
    "earlier": list_of(
        object_of(
            {
                "name": TEXT,
                "begun": TIME,
                "seconds": object_of(
                    {}, **all_of(SECONDS, "moved", "flushed", "total", "overlap", "gap")
                ),
            }
        )
    ),
}
_STAGES = (
    *("planned", "armed", "under way", "complete", "going back", "rolled back"),
    *("not begun", "replaced"),
)
_SHOWN_TIMER = object_of(
    {"limit": SECONDS},
    seconds={**SECONDS, "description": "how long it was, at the longest"},
    since={**TIME, "description": "since when it counts; absent where it does not"},
)
_SHOWN_CUTOVER = object_of(
    {
        **all_of(TEXT, "id", "name", "service", "prefix", "from", "why"),
        "to": TEXTS,
        "window": object_of({"start": TIME, "end": TIME}),
        "state": STATE,
        "stage": {**TEXT, "enum": list(_STAGES)},
        **_PROGRESS,
        "timers": object_of(all_of(_SHOWN_TIMER, "total", "overlap", "gap")),
        "sites": list_of(
            object_of(
                {
                    "site": TEXT,
                    "role": {**TEXT, "enum": ["old site", "new site", "not of the plan"]},
                    "seen": {**NUMBER, "description": "at how many vantage points"},
                    "places": {**NUMBER, "description": "vantage points that matter"},
                    "hidden": {**YES, "description": "whether it may be where nobody sees"},
                }
            )
        ),
        "track": list_of(
            object_of(
                {"at": TIME, "watched": {**YES, "description": "whether a watch ran"}},
                sites={"type": "object", "additionalProperties": NUMBER},
                phase=TEXT,
                hidden=TEXTS,
                **all_of(NUMBER, "places", "rules", "rules_at"),
                **all_of(YES, "back", "rules_hidden"),
            )
        ),
        "faults": list_of(object_of({"id": TEXT, "opened": TIME}, resolved=TIME)),
    },
    **all_of(TEXT, "flush", "rehearsal_of"),
    **all_of(TIME, "rollback", "rolled_back"),
    broken={**TEXTS, "description": "limits that it did not keep, once it is complete"},
    rules_hidden={**YES, "description": "rules may be left where nobody sees"},
    incident=object_of({"id": TEXT, "opened": TIME}),
)

_PLACE: dict[str, Schema] = {
    **all_of(TEXT, "peer", "peer_rd", "view", "table_name", "rd"),
    "path_id": NUMBER,
}

MORE_SCHEMAS: dict[str, Schema] = {
    "Event": _EVENT,
    "Transition": object_of(
        {**_TRANSITION, "detector": TEXT, "key": TEXT, "time": TIME, "opened": TIME},
        details=FREE,
    ),
    "Blindness": object_of(
        {"router": TEXT, "from": TIME, "until": TIME, "why": TEXT},
        **all_of(TEXT, "feed", "peer", "view", "reason"),
    ),
    "HeldRoute": object_of(
        {"site": TEXT, "router": TEXT, "feed": TEXT, "family": TEXT, "changed": TIME},
        **{name: schema for name, schema in _ROUTE.items() if name not in {"router", "feed"}},
        **all_of(TIME, "time", "epoch"),
        table_name=TEXT,
        blind_since={**TIME, "description": "since when nobody sees whether it is still there"},
    ),
    "HeldRule": object_of(
        {"id": TEXT, "router": TEXT, "feed": TEXT, "family": TEXT, "rule": TEXT, "actions": TEXT}
        | all_of(TIME, "first_seen", "changed"),
        **_PLACE,
        next_hop=TEXT,
        provenance=TEXT,
        precedence={**TEXT, "description": "rules are applied in the order of this"},
        warnings=TEXTS,
        blind_since={**TIME, "description": "since when nobody sees whether it is still there"},
    ),
    "Difference": object_of(
        {
            "change": {**TEXT, "enum": ["gained", "lost", "changed"]},
            **all_of(TEXT, "router", "feed", "family"),
            "changed": {**TIME, "description": "when what holds then, or was lost, was announced"},
        },
        **_PLACE,
        **all_of(TEXT, "prefix", "nlri", "rule", "next_hop_before", "next_hop", "provenance"),
        what={**TEXTS, "description": "each attribute with what it was and became"},
        **all_of(TIME, "blind_since_before", "blind_since"),
    ),
    "Span": object_of(
        {"subject": TEXT, "place": TEXT, "state": TEXT, "since": TIME, "until": TIME},
        rd=TEXT,
        reason=TEXT,
        routers=TEXTS,
    ),
    "FeedStatus": _FEED,
    "Status": object_of(
        {
            "time": TIME,
            "version": TEXT,
            "decoder": TEXT,
            "problems": TEXTS,
            "feeds": list_of(named("FeedStatus")),
            "sessions": object_of({"bmp": NUMBER}),
            "probers": list_of(_PROBER),
            "store": object_of({"place": TEXT, "rows_written": NUMBER}, error=TEXT),
            "spool": object_of(
                {
                    "octets": NUMBER,
                    "max_octets": NUMBER,
                    "age_seconds": SECONDS,
                    "reading": {**TEXT, "enum": ["paused", "goes on"]},
                },
                error=TEXT,
            ),
            "incidents": list_of(
                object_of({**_SHORT_INCIDENT, "detector": TEXT, "opened": TIME}),
            ),
            "intent": object_of({"file": TEXT, "used_since": TIME}, error=TEXT),
        }
    ),
    "ShownCutover": _SHOWN_CUTOVER,
    "Cutover": object_of(
        {
            **all_of(TEXT, "name", "service", "prefix", "from"),
            "to": TEXTS,
            "window": object_of(
                {
                    "start": TIME,
                    "end": TIME,
                    "state": {**TEXT, "enum": ["ahead", "open", "over"]},
                }
            ),
            **_PROGRESS,
            "timers": object_of(all_of(_TIMER, "total", "overlap", "gap")),
            "advertised_by": TEXTS,
        },
        **all_of(TEXT, "flush", "rehearsal_of"),
        superseded_by={**TEXT, "description": "the later one of the service that ended it"},
        **all_of(TIME, "rollback", "rolled_back"),
        incident=object_of(_SHORT_INCIDENT),
    ),
    "Cutovers": object_of({"time": TIME, "cutovers": list_of(named("Cutover"))}, next=NEXT),
    "Nothing": {**FREE, "description": "an object; what it says is not read"},
    "Taken": object_of({"taken": {**NUMBER, "description": "how many results"}}),
}
