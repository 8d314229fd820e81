"""The JSON Schema of the intent: it helps editors, and never says no where `check` says yes."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from detectors.documents import Mistakes
from detectors.intent import parse_intent
from detectors.intent.schema import intent_schema

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs/examples/intent.yaml"
SCHEMA = intent_schema()
VALIDATOR = Draft202012Validator(SCHEMA)


def example() -> dict[str, Any]:
    """The example as JSON has it: times are text."""
    data: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text())
    for part in (*data["cutovers"], *data["maintenance"]):
        part["window"] = [f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in part["window"]]
    return data


def accepted(data: object) -> bool:
    try:
        parse_intent(json.dumps(data), "i.yaml")
    except Mistakes:
        return False
    return True


def test_the_schema_is_one_and_takes_the_example() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert [error.message for error in VALIDATOR.iter_errors(example())] == []
    assert accepted(example())


def test_every_key_has_its_sentence_and_defaults_are_as_people_write_them() -> None:
    parts = {"Intent": SCHEMA, **SCHEMA["$defs"]}
    for name, part in parts.items():
        assert part["description"], name
        for key, value in part["properties"].items():
            assert value.get("description"), f"{name}.{key}"
    assert parts["Service"]["properties"]["hold"]["default"] == "5s"
    assert parts["Cutover"]["properties"]["deadline"]["default"] == "3m"
    assert parts["Cutover"]["properties"]["max_gap"]["default"] == "0s"
    assert parts["Flap"]["properties"]["half_life"]["default"] == "15m"
    assert parts["Anycast"]["properties"]["minimum"]["minimum"] == 1
    for part in parts.values():
        for value in part["properties"].values():
            assert not isinstance(value.get("default"), dict)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["servics"], []),
        (["version"], 2),
        (["version"], None),
        (["services", 0, "prefix"], "192.0.2.50"),
        (["services", 0, "hold"], 5),
        (["services", 0, "hold"], "5 s"),
        (["services", 0, "rd"], 65000),
        (["services", 0, "home"], []),
        (["services", 0, "origin_as"], ["AS65000"]),
        (["sites", "new-pe1", "match"], [{}]),
        (["sites", "new-pe1", "match"], [{"nexthop": "10.0.0.1"}]),
        (["anycast", 0, "minimum"], 0),
        (["flowspec", 0, "actions"], ["drop"]),
        (["flowspec", 0, "actions"], [{"redirect": "10.0.0.1"}]),
        (["flowspec", 0, "require"], ["destination_prot"]),
        (["flowspec", 0, "destination_port"], [65536]),
        (["protect"], ["bgp"]),
        (["cutovers", 0, "window"], ["2026-12-01T22:00:00Z"]),
        (["feeds", 0, "feed"], "bmpp"),
    ],
)
def test_the_schema_and_check_refuse_the_same_slips(path: list[Any], value: object) -> None:
    data = example()
    part: Any = data
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    assert not VALIDATOR.is_valid(data)
    assert not accepted(data)


ODD: st.SearchStrategy[Any] = st.sampled_from(
    [
        *(
            None,
            0,
            1,
            -1,
            70000,
            1.5,
            "",
            "x",
            "5s",
            "10m30s",
            "1-5",
            " 1 - 5 ",
            "9-1",
            "tcp",
            "TCP",
        ),
        *("syn", "SYN+ack", "none", "discard", "10.0.0.1", "2001:db8::1", "10.0.0.0/8", "::/0"),
        *("65000:50", "10.0.0.1:5", "tcp/179", "UDP/1-5", "2026-12-01T22:00:00Z", "legacy-pe"),
        *("destination-port", "destination_port", [], {}, [1], ["tcp"], [{}], {"mark": 5}),
    ]
)


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    return [at, *(place for key in keys for place in places(value[key], (*at, key)))]


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_what_the_schema_refuses_check_refuses(data: st.DataObject) -> None:
    changed = copy.deepcopy(example())
    for _ in range(data.draw(st.integers(1, 2))):
        *path, last = data.draw(st.sampled_from(places(changed)[1:]))
        part: Any = changed
        for key in path:
            part = part[key]
        if data.draw(st.booleans()) or isinstance(part, list):
            part[last] = data.draw(ODD)
        else:
            del part[last]
    if not VALIDATOR.is_valid(changed):
        assert not accepted(changed), changed


def test_the_command_prints_the_schema() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "anchorwatch", "schema"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == SCHEMA
