"""An intent that cannot be taken up, for whatever reason, leaves nothing behind."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from anchorwatch import reloading as module
from anchorwatch.own_probes import OwnProbes
from anchorwatch.reloading import Reloading
from anchorwatch.settings import load_settings
from collector.event import Kind, Provenance
from detectors.engine import Engine
from detectors.incidents import Incident
from detectors.intent import parse_intent
from tests.unit.pagers.test_delivery import until
from tests.unit.rules.scenes import HOUR, PEERS, SECOND, START, play, route, steady_state
from tests.unit.rules.test_contract import INTENT
from tests.unit.rules.test_reload import MORE, OTHER


class Server:
    """What is to be watched of the sessions."""

    watched: tuple[str, ...] = ()

    def watch(self, watched: Any) -> None:
        self.watched = tuple(watched)


class Scene:
    """A real engine, probes and files, and a store that has all that was received."""

    def __init__(self, folder: Path) -> None:
        (folder / "intent.yaml").write_text(MORE)
        settings = folder / "anchorwatch.yaml"
        settings.write_text("intent: intent.yaml\nbmp: {routers: [{address: 192.0.2.1}]}\n")
        self.engine = Engine(parse_intent(INTENT))
        self.server = Server()
        self.now = START + SECOND
        self.told: list[Incident] = []
        writer = SimpleNamespace(pending_octets=0, spool=SimpleNamespace(age=0.0))
        parts: Any = SimpleNamespace(
            engine=self.engine, server=self.server, clock=lambda: self.now, writer=writer
        )
        probes = OwnProbes(None, lambda _: None, lambda: self.now, lambda *_: None)
        intent = self.engine.intent
        self.reloading = Reloading(intent, load_settings(settings), parts, probes, self.told.extend)

    def reload(self) -> None:
        """As with SIGHUP, until it is refused."""

        async def run() -> None:
            told = asyncio.Event()
            told.set()
            following = asyncio.create_task(self.reloading.follow(told))
            await until(lambda: self.reloading.files.reloads["refused"] == 1)
            following.cancel()

        asyncio.run(run())


def broken(*_: object, **__: object) -> Any:
    raise ZeroDivisionError("a defect")


def test_what_could_not_be_learnt_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(tmp_path)
    monkeypatch.setattr(module, "learn", broken)
    scene.reload()
    assert scene.reloading.files.error == "a fault of anchorwatch: ZeroDivisionError('a defect')"
    assert OTHER not in scene.server.watched
    assert scene.server.watched == tuple(scene.engine.intent.watched_prefixes())
    play(scene.engine, steady_state(START))
    play(
        scene.engine,
        [route(Kind.ANNOUNCE, "r1", PEERS["new-pe1"], OTHER, scene.now, Provenance.LIVE)],
    )
    assert scene.engine._meanwhile == []


def test_what_fell_due_before_a_fault_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(tmp_path)
    play(scene.engine, steady_state(START))
    for router in ("r1", "r2"):
        gone = (Kind.WITHDRAW, router, PEERS["legacy-pe"], "192.0.2.50/32", START + SECOND)
        play(scene.engine, [route(*gone, Provenance.LIVE)])
    scene.now = START + HOUR
    monkeypatch.setattr(module, "learn", lambda *_: None)
    monkeypatch.setattr(scene.engine, "_watch", broken)
    scene.reload()
    assert scene.told == scene.engine.open_incidents != []
