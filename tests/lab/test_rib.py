"""What the store says that the controller held is what the controller says that it holds."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from collector.event import rfc3339
from deploy.lab.lab import ANCHOR, BEAST, SERVICE6, WEB, Lab
from deploy.lab.story import KILL_SWITCH, REDIRECT, Narrator, tell_story
from tests.lab.test_watch import intent
from tests.lab.watched import Watched

pytestmark = pytest.mark.lab

ROOT = Path(__file__).parents[2]
FAMILIES = ("ipv4", "ipv6", "ipv4-flowspec")
ORIGINS = ("igp", "egp", "incomplete")
COMPONENTS = {1: "destination", 3: "protocol", 4: "port", 5: "destination-port"}
QUIET = 1.5
"""Seconds after which the controller's BMP has told what its RIB has."""

Rib = dict[str, Any]


def told_by_gobgp(lab: Lab) -> tuple[int, Rib]:
    """The moment (ns), and the best paths of the global RIB as it prints them."""
    time.sleep(QUIET)
    found: Rib = {}
    for family in FAMILIES:
        text = lab.controller.gobgp("global", "rib", "-a", family, "-j")
        for paths in json.loads(text or "{}").values():
            for path in paths:
                if path["best"]:
                    flowspec = family.endswith("flowspec")
                    key, value = _rule(path) if flowspec else _route(path)
                    found[key] = value
    return time.time_ns(), found


def _route(path: dict[str, Any]) -> tuple[str, Any]:
    attributes = {each["type"]: each for each in path["attrs"]}
    return path["nlri"]["prefix"], {
        "origin": ORIGINS[attributes[1]["value"]],
        "as_path": " ".join(map(str, attributes[2]["as_paths"])),
        "next_hop": (attributes.get(3) or attributes[14])["nexthop"],
        "med": attributes.get(4, {}).get("metric"),
        "local_pref": attributes.get(5, {}).get("value"),
    }


def _rule(path: dict[str, Any]) -> tuple[str, Any]:
    parts = []
    for component in path["nlri"]["value"]:
        value = component["value"]
        if isinstance(value, list):
            assert all(each["op"] & 0x07 == 1 for each in value), "equals, in all our rules"
            text = " ".join(f"={each['value']}" for each in value)
        else:
            text = value["prefix"]
        parts.append(f"{COMPONENTS[component['type']]} {text}")
    actions = []
    for attribute in path["attrs"]:
        for value in attribute["value"] if attribute["type"] == 16 else ():
            if (value["type"], value["subtype"]) == (128, 6):
                actions.append("discard" if value["rate"] == 0 else "rate-limit-bytes")
            elif (value["type"], value["subtype"]) == (1, 12):
                actions.append(f"redirect-to-nexthop {value['value'].partition(':')[0]}")
    return " ".join(parts), actions


def told_by_the_store(store: Path, at: int) -> Rib:
    """The same of the controller's Loc-RIB, by the command line."""
    moment = ["--at", rfc3339(at)]
    routes = _asked(store, "rib", "--router", "controller", "--view", "loc-rib", *moment)
    rules = _asked(store, "flowspec", *moment)
    names = ("origin", "as_path", "next_hop", "med", "local_pref")
    found: Rib = {
        row["prefix"]: {name: row.get(name, "" if name == "as_path" else None) for name in names}
        for row in routes
    }
    for row in rules:
        if row["view"] == "loc-rib":
            actions = json.loads(row["actions"])
            found[row["rule"]] = [
                " ".join(filter(None, (each["action"], each.get("next_hop")))) for each in actions
            ]
    assert all("blind_since" not in row for row in (*routes, *rules))
    return found


def _asked(store: Path, *words: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "anchorwatch", *words, "--format", "jsonl"]
    done = subprocess.run(
        [*command, "--store", str(store)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_rib_at_a_moment_is_that_of_the_controller(
    lab: Lab, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """At the beginning and the end of the story, and with every family in use."""
    lab.reset()
    folder = tmp_path_factory.mktemp("rib")
    story = tell_story(lab, Narrator())
    next(story)
    watched = Watched(lab, folder, intent(lab))
    try:
        moments = [told_by_gobgp(lab)]
        for _ in story:
            pass
        moments.append(told_by_gobgp(lab))
        lab.new1.advertise(SERVICE6)
        lab.new2.withdraw(ANCHOR)
        lab.legacy.advertise(WEB)
        lab.new1.withdraw(WEB)
        lab.controller.add_flowspec(*KILL_SWITCH)
        lab.injector.announce_flowspec(
            destination=BEAST, protocol=6, destination_port=2883, redirect=REDIRECT
        )
        moments.append(told_by_gobgp(lab))
    finally:
        watched.close()
    for number, (at, expected) in enumerate(moments):
        assert told_by_the_store(folder / "anchorwatch-data" / "store", at) == expected, number
    assert [len(expected) for _, expected in moments] == [9, 3, 6]
    lab.reset()
