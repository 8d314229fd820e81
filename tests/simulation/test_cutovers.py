"""Cutovers at random: those done right page nobody, the others page once, rightly and in time.

`ANCHORWATCH_SIMULATIONS=1000 pytest tests/simulation` runs so many faulty ones and a tenth as many
clean ones; a seed that fails is in the test's name.
"""

from __future__ import annotations

import os
from random import Random

import pytest

from detectors.engine import Engine
from detectors.incidents import Incident, State
from detectors.intent import parse_intent
from tests.simulation.network import START, FeedOf, events_of, network
from tests.simulation.plans import END, FAULTS, Story, clean, some_plan

COUNT = int(os.environ.get("ANCHORWATCH_SIMULATIONS", "100"))


def play(story: Story, feeds: list[FeedOf], random: Random) -> tuple[list[Incident], Engine]:
    """All transitions of a story."""
    failures: list[tuple[str, Exception]] = []
    engine = Engine(
        parse_intent(story.plan.intent()), on_error=lambda *failure: failures.append(failure)
    )
    told: list[Incident] = []
    for event in events_of(feeds, story.happenings, random):
        told += engine.process(event)
    told += engine.advance(START + END)
    assert failures == []
    return told, engine


@pytest.mark.parametrize("seed", range(max(COUNT // 10, 10)))
def test_a_clean_cutover_pages_nobody(seed: int) -> None:
    random = Random(seed)
    feeds = network(random)
    story = clean(random, feeds)
    told, engine = play(story, feeds, random)
    # A feed that is lost may tell, for information, what changed meanwhile.
    told = [t for t in told if t.severity != "info"]
    assert [(t.detector, t.state, t.summary) for t in told] == []
    (progress,) = engine.cutovers
    assert progress.complete or progress.rolled_back


@pytest.mark.parametrize("seed", range(COUNT))
def test_a_faulty_cutover_pages_rightly_and_once(seed: int) -> None:
    random = Random(f"faulty {seed}")
    kind = [*FAULTS][seed % len(FAULTS)]
    feeds = network(random)
    story = FAULTS[kind](random, some_plan(random), feeds)
    told, engine = play(story, feeds, random)
    opened = [t for t in told if t.state == State.OPEN]
    words = "\n".join(f"{(t.time - START) / 1e9:.1f} {t.state} {t.summary}" for t in told)
    assert [(t.detector, t.key) for t in opened] == [(story.detector, story.key)], (kind, words)
    assert story.earliest <= opened[0].time - START <= story.latest, (kind, words)
    if story.fault:
        assert story.fault in opened[0].details["faults"], (kind, words)
    if kind != "not begun":
        assert told[-1].state == State.RESOLVED, (kind, words)
        assert engine.open_incidents == []
