"""Reports over real stores: of the demonstration's story, and of a watch while it runs."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests import waiting
from tests.integration.installation import Installation
from tests.integration.stored_story import incident, said, story
from tests.integration.test_cutover import SECONDS, here, says, until
from tests.unit.wire.build import initiation, peer_header, peer_up

__all__ = ["here", "story"]  # fixtures
VOID = {"meta", "br", "hr", "img", "link", "input", "line", "path", "rect"}
FETCHED = ("src", "href", "srcset", "data", "action", "xlink:href")


class Whole(HTMLParser):
    """A page whose elements are all closed, in order, and that fetches nothing."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.pictures: list[str] = []
        text = path.read_text()
        assert text.startswith("<!doctype html>")
        assert "@import" not in text
        assert not re.findall(r"url\((?!#)", text)
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "iframe", "link", "img"), tag
        for name, value in attrs:
            assert name not in FETCHED or (value or "").startswith("#"), (name, value)
            assert not name.startswith("on"), name
        if tag == "svg":
            self.pictures.append(dict(attrs).get("class") or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data.strip())

    @property
    def text(self) -> str:
        return " ".join(filter(None, self.words))


def report(story: Path, folder: Path, name: str) -> tuple[dict[str, Any], Whole]:
    words = ["cutover", "report", name, "--intent", str(story / "intent.yaml")]
    (done,) = said(story, [*words, "--output", str(folder)])
    page = folder / f"cutover-{name}.html"
    assert done.out.splitlines() == [str(page), str(page.with_suffix(".json"))], done.err
    assert (done.status, done.err) == (0, "")
    return json.loads(page.with_suffix(".json").read_text()), Whole(page)


def test_a_clean_cutover_of_the_story(story: Path, tmp_path: Path) -> None:
    facts, page = report(story, tmp_path / "new", "web-cutover")
    assert (facts["outcome"], facts["broken"], facts["incidents"]) == ("complete", [], [])
    assert [(each["step"], each["time"]) for each in facts["steps"]] == [
        ("begun", "2026-11-21T05:39:00.834826789Z"),
        ("both", "2026-11-21T05:39:00.834826789Z"),
        ("moved", "2026-11-21T05:39:02.432055433Z"),
        ("flushed", "2026-11-21T05:39:03.584963611Z"),
        ("complete", "2026-11-21T05:39:03.584963611Z"),
    ]
    kept = {name: timer["kept"] for name, timer in facts["timers"].items()}
    assert kept == {"total": True, "overlap": True, "gap": True}
    assert facts["timers"]["total"]["seconds"] == pytest.approx(2.750136822)
    assert [(each["at"], each["proof"], each["rules_at_most"]) for each in facts["flush"]] == [
        ("controller bmp adj-in-pre peer 10.0.9.9", "seen gone", 3),
        ("controller bmp loc-rib", "seen gone", 3),
    ]
    assert [each["why"] for each in facts["blind"]][:2] == [
        "no session yet",
        "its table was not complete yet",
    ]
    assert "Complete, within every limit" in page.text
    assert "The watch was blind to controller from 2026-11-21 05:38:00.000" in page.text
    assert page.pictures == ["swimlane"]


def test_a_faulty_cutover_of_the_story(story: Path, tmp_path: Path) -> None:
    facts, page = report(story, tmp_path, "beast-cutover")
    assert facts["broken"] == ["the deadline was missed", "both sites advertised for too long"]
    assert facts["timers"]["overlap"]["seconds"] == pytest.approx(6.101366688)
    assert facts["timers"]["total"]["seconds"] == pytest.approx(18.288522297)
    assert [each["gone"] for each in facts["flush"]] == [
        "2026-11-21T05:39:25.976853554Z",
        "2026-11-21T05:39:25.977025607Z",
    ]
    mine = incident(story, kill_switch=False)
    (told,) = (each for each in facts["incidents"] if each["id"] == mine)
    assert [each["state"] for each in told["transitions"]] == [
        *("open", "updated", "updated", "resolved"),
    ]
    killed = incident(story, kill_switch=True)
    assert killed in {each["id"] for each in facts["other_incidents"]}
    assert "both sites advertised for too long" in page.text
    assert f"anchorwatch incident {mine} --store {story / 'store'}" in page.text


def test_an_incident_as_a_report(story: Path, tmp_path: Path) -> None:
    killed = incident(story, kill_switch=True)
    file = tmp_path / "killed.html"
    words = ["incident", killed, "--intent", str(story / "intent.yaml")]
    done, no_page, both = said(
        story,
        [*words, "--report", str(file)],
        [*words, "--report", str(tmp_path / "killed.txt")],
        [*words, "--report", str(file), "--output", str(tmp_path / "x")],
    )
    assert done.out.splitlines() == [str(file), str(tmp_path / "killed.json")], done.err
    page = Whole(file)
    assert f"critical incident {killed} (flowspec_policy" in page.text
    assert "0000 03 00 00" in re.sub(r"\s+", " ", page.text)  # the octets on the wire
    assert page.pictures == ["timeline"]
    facts = json.loads((tmp_path / "killed.json").read_text())
    states = [(each["state"], each["severity"]) for each in facts["transitions"]]
    assert states == [("open", "critical"), ("resolved", "critical")]
    assert facts["transitions"][0]["evidence"][0]["raw"].startswith("0300")
    assert (no_page.status, both.status) == (2, 2)
    assert "a report is HTML, so its name ends with .html" in no_page.err
    assert "--report writes a page and --output a folder: name one of them" in both.err


def test_what_is_asked_wrongly_is_said(story: Path, tmp_path: Path) -> None:
    intent = ["--intent", str(story / "intent.yaml")]
    (tmp_path / "file").write_text("")
    unknown, page, place, settings = said(
        story,
        ["cutover", "report", "web-cutove", *intent],
        ["cutover", "report", "web-cutover", *intent, "--output", str(tmp_path / "a.pdf")],
        ["cutover", "report", "web-cutover", *intent, "--output", str(tmp_path / "file/b")],
        ["cutover", "report", "web-cutover"],
    )
    assert [each.status for each in (unknown, page, place, settings)] == [2, 2, 2, 2]
    assert "the intent has no cutover 'web-cutove' (did you mean 'web-cutover'?)" in unknown.err
    assert "a.pdf: name a folder, or a file whose name ends with .html" in page.err
    assert "cannot be written" in place.err
    assert "anchorwatch.yaml" in settings.err


def test_a_cutover_is_reported_while_it_runs_and_after_it_went_back(here: Installation) -> None:
    page, facts = here.folder / "cutover-move_1.html", here.folder / "cutover-move_1.json"

    def told(outcome: str) -> dict[str, Any]:
        """The report, once the store has what makes it so."""

        def right() -> dict[str, Any] | None:
            done = here.command("cutover", "report", "move/1")
            assert done.returncode == 0, done.stderr
            found: dict[str, Any] = json.loads(facts.read_text())
            return found if found["outcome"] == outcome else None

        return waiting.until(right, outcome, SECONDS, facts.read_text)

    openings = b"".join(peer_up(peer_header(peer)) for peer in ("10.0.0.1", "10.0.1.1"))
    start = initiation(name="r1") + openings + says("10.0.0.1", advertise=True)
    with here.running(), here.connect() as router:
        assert told("waiting")["steps"] == []
        router.sendall(start)
        until(here, advertised_by=["legacy-pe"])
        router.sendall(says("10.0.1.1", advertise=True))
        begun = until(here, phase="both")["steps"]["begun"]
        running = told("under way")
        assert (running["steps"][0], running["timers"]["total"]["until"]) == (
            {"step": "begun", "time": begun, "after": 0},
            None,
        )
        assert "Under way" in Whole(page).text
        assert here.command("cutover", "rollback", "move/1").returncode == 0
        asked = until(here)["rollback"]
        told("going back")
        router.sendall(says("10.0.1.1", advertise=False))
        back = until(here, phase="armed")["rolled_back"]
        live = told("rolled back")
    for found in (live, told("rolled back")):  # the watch that runs answers, and then the folder
        assert [(each["step"], each["time"]) for each in found["steps"]] == [
            *(("begun", begun), ("both", begun), ("rollback", asked), ("rolled_back", back)),
        ]
        (point,) = found["vantage_points"]
        assert (point["at"], point["advertised_by"]) == ("r1 bmp adj-in-pre", ["legacy-pe"])
        assert found["timers"]["going_back"]["kept"]
    assert "Rolled back, as asked" in Whole(page).text
