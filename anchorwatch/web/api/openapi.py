"""The OpenAPI document of the API, made from the table of its routes."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from anchorwatch import __version__
from anchorwatch.web.api.endpoint import PATH, Endpoint, Parameter
from anchorwatch.web.api.schemas import (
    FREE,
    MORE_SCHEMAS,
    NEXT,
    NUMBER,
    STATE,
    TEXT,
    TEXTS,
    TIME,
    Schema,
    list_of,
    named,
    object_of,
    page_of,
)
from collector.inputs.probes.report import Report

_VANTAGE_POINT = object_of(
    {"router": TEXT, "feed": TEXT, "since": TIME, "stale": {"type": "boolean"}},
    **dict.fromkeys(("peer", "view", "rd", "prefix", "next_hop", "as_path"), TEXT),
)
_ADDRESS = object_of(
    {
        "id": TEXT,
        "name": TEXT,
        "prefix": TEXT,
        "sites": TEXTS,
        "state": STATE,
        "why": TEXT,
        "advertised_by": list_of(named("Advertiser")),
        "absent": TEXTS,
        "incidents": TEXTS,
    },
    rd=TEXT,
    minimum=NUMBER,
)
_INCIDENT: dict[str, Schema] = {
    "id": TEXT,
    "detector": TEXT,
    "key": TEXT,
    "severity": {"type": "string", "enum": ["info", "warning", "critical"]},
    "state": {"type": "string", "enum": ["open", "updated", "unknown", "resolved"]},
    "time": TIME,
    "opened": TIME,
    "summary": TEXT,
}
_COUNTS: Schema = {"type": "object", "additionalProperties": NUMBER}
_REPORT = msgspec.json.schema_components([Report], ref_template="#/components/schemas/{name}")[1]
SCHEMAS: dict[str, Schema] = {
    **MORE_SCHEMAS,
    **_REPORT,
    "Error": object_of({"error": TEXT}),
    "Incident": object_of(_INCIDENT, kill_switch={"type": "boolean"}),
    "IncidentWithEvidence": object_of(
        {
            **_INCIDENT,
            "transitions": list_of(named("Transition")),
            "evidence": list_of(named("Event")),
            "around": list_of(named("Event")),
            "blind": list_of(named("Blindness")),
        },
        details=FREE,
    ),
    "VantagePoint": _VANTAGE_POINT,
    "Advertiser": object_of(
        {
            "site": TEXT,
            "role": {**TEXT, "description": "`home`, or in words what else it is"},
            "state": {"type": "string", "enum": ["live", "stale"]},
            "vantage_points": list_of(named("VantagePoint")),
        },
        since=TIME,
    ),
    "Address": _ADDRESS,
    "Rule": object_of(
        {
            "id": TEXT,
            "family": TEXT,
            "rule": TEXT,
            "actions": TEXT,
            "since": TIME,
            "state": {"type": "string", "enum": [*STATE["enum"], "gone"]},
            "why": TEXT,
            "seen_at": list_of(named("VantagePoint")),
            "incidents": TEXTS,
        },
        rd=TEXT,
        example=TEXT,
        unreadable=TEXT,
        protected=TEXTS,
        policies=list_of(
            object_of(
                {
                    "policy": TEXT,
                    "allowed": {"type": "boolean"},
                    "broken": {"type": "object", "additionalProperties": TEXT},
                    "unsure": {"type": "boolean"},
                }
            )
        ),
    ),
    "Feed": object_of(
        {
            "id": TEXT,
            "router": TEXT,
            "state": {"type": "string", "enum": ["complete", "dumping", "down", "absent"]},
        },
        feed=TEXT,
        peers_up=NUMBER,
        **dict.fromkeys(("since", "epoch", "heard"), TIME),
        **dict.fromkeys(("address", "sender", "profile", "reason"), TEXT),
    ),
    "Board": object_of(
        {
            "started": {**TEXT, "description": "this run of the program"},
            "number": {**NUMBER, "description": "grows by one with each change"},
            "counts": {"type": "object", "additionalProperties": _COUNTS},
            "problems": TEXTS,
            "incidents": list_of(named("Incident")),
            "cutovers": list_of(named("ShownCutover")),
            "services": list_of(named("Address")),
            "anycast": list_of(named("Address")),
            "rules": list_of(named("Rule")),
            "feeds": list_of(named("Feed")),
        }
    ),
    "Incidents": page_of("Incident"),
    "Addresses": page_of("Address"),
    "Rules": page_of("Rule"),
    "HeldRules": object_of({"at": TIME, "items": list_of(named("HeldRule"))}, next=NEXT),
    "RulesNowOrThen": {
        "anyOf": [named("Rules"), named("HeldRules")],
        "description": "`HeldRules` where `at` names a moment",
    },
    "Feeds": page_of("Feed"),
    "Differences": object_of(
        {"from": TIME, "to": TIME, "differences": list_of(named("Difference"))}, next=NEXT
    ),
    "Rib": object_of(
        {"prefix": TEXT, "at": TIME, "routes": list_of(named("HeldRoute"))}, next=NEXT
    ),
    "History": object_of(
        {"prefix": TEXT, "since": TIME, "until": TIME, "spans": list_of(named("Span"))}, next=NEXT
    ),
}


_REASONS = {
    400: "the question is not right",
    404: "there is no such thing",
    405: "there is another method for this",
    409: "this cannot be done now",
    413: "too much is sent",
    415: "what is sent is not application/json",
    503: "the store does not answer",
}
_NOBODY: Schema = {
    "401": {"description": "the token is missing", "content": {"text/plain": {"schema": TEXT}}},
    "403": {
        "description": "the request is for another host",
        "content": {"text/plain": {"schema": TEXT}},
    },
}
_ERROR: Schema = {"application/json": {"schema": named("Error")}}


def document(endpoints: Iterable[Endpoint], *, secured: bool = False) -> Schema:
    """The whole document, OpenAPI 3.1; `secured` where a token is asked for."""
    paths: dict[str, Schema] = {}
    for each in endpoints:
        path = PATH + each.path.replace(":path}", "}")
        paths.setdefault(path, {})[each.method.lower()] = _operation(each)
    paths[f"{PATH}/stream"] = {"get": _STREAM}
    paths[f"{PATH}/openapi.json"] = {"get": _DOCUMENT}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "anchorwatch",
            "version": __version__,
            "description": "What the network shows now, and what it did. Times are UTC.",
        },
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "password": {"type": "http", "scheme": "basic"},
            },
        },
        "security": [{"token": []}, {"password": []}] if secured else [],
    }


def _operation(endpoint: Endpoint) -> Schema:
    path = [
        {"name": name, "in": "path", "required": True, "schema": {**TEXT, "minLength": 1}}
        for name in re.findall(r"{(\w+)", endpoint.path)
    ]
    body: Schema = {}
    if endpoint.body is not None:
        content = {"application/json": {"schema": named(endpoint.body)}}
        body = {"requestBody": {"required": True, "content": content}}
    refused = {
        str(status): {"description": _REASONS[status], "content": _ERROR}
        for status in endpoint.may_fail
    }
    words = re.findall(r"\w+", endpoint.path.replace(":path", ""))
    return {
        "operationId": "_".join(words if endpoint.body is None else ["post", *words]),
        "summary": endpoint.summary,
        "parameters": [*path, *(each.values() for each in endpoint.parameters)],
        **body,
        "responses": {
            "200": {
                "description": "the answer",
                "content": {"application/json": {"schema": named(endpoint.answers)}},
            },
            **refused,
            **_NOBODY,
        },
    }


_STREAM: Schema = {
    "operationId": "stream",
    "summary": "what changes on the board: server-sent events `state`, `change` and `beat`",
    "parameters": [
        Parameter(
            "after",
            "`started-number` of what is known already: then the state is not told first",
            TEXT,
        ).values(),
        Parameter("as", "items as the board's HTML", {"type": "string", "enum": ["html"]}).values(),
    ],
    "responses": {
        "200": {"description": "the stream", "content": {"text/event-stream": {}}},
        "503": {"description": "too many listen already", "content": _ERROR},
        **_NOBODY,
    },
}
_DOCUMENT: Schema = {
    "operationId": "openapi",
    "summary": "this document",
    "parameters": [],
    "responses": {
        "200": {"description": "the answer", "content": {"application/json": {"schema": FREE}}},
        **_NOBODY,
    },
}
