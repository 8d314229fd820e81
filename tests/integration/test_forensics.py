"""The forensic commands on a store that holds the demonstration's story and its incidents."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from collector.event import Event
from collector.inputs.files import read_events
from tests.integration.stored_story import (
    BEAST,
    KILL_SWITCH,
    OPENED,
    ROOT,
    Said,
    incident,
    said,
    story,
)

__all__ = ["story"]  # the fixture


def test_rib_of_a_prefix(story: Path) -> None:
    intent = ["--intent", str(story / "intent.yaml")]
    before, during, view, site, other, covered, covering, router_clock, late = said(
        story,
        f"rib {BEAST} --at 2026-11-21T05:39:05Z --format jsonl",
        f"rib {BEAST} --at 2026-11-21T05:39:10Z --format jsonl",
        f"rib {BEAST} --at 2026-11-21T05:39:10Z --view loc-rib --format jsonl",
        [*f"rib {BEAST} --at 2026-11-21T05:39:10Z --site new-pe1".split(), *intent],
        [*f"rib {BEAST} --at 2026-11-21T05:39:10Z --site new-pe2".split(), *intent],
        "rib 192.0.2.0/24 --covered --view loc-rib --at 2026-11-21T05:39:10Z --format jsonl",
        "rib 192.0.2.60 --covering --peer 10.0.0.1 --at 2026-11-21T05:39:10Z --format csv",
        f"rib {BEAST} --at 2026-11-21T05:39:07Z --clock router --format jsonl",
        f"rib {BEAST} --at 2026-11-21T06:00:00Z --format jsonl",
    )
    assert {row["next_hop"] for row in before.lines()} == {"10.0.0.1"}
    assert {row["next_hop"] for row in during.lines()} == {"10.0.0.1", "10.0.1.1"}
    assert {row["provenance"] for row in during.lines()} == {"dump", "live"}
    assert [(row["view"], row["next_hop"]) for row in view.lines()] == [("loc-rib", "10.0.0.1")]
    assert {line.split()[0] for line in site.out.splitlines()[1:]} == {"new-pe1"}
    assert "10.0.0.1 " not in site.out
    assert other.out.startswith(f"nobody held a route of {BEAST} at 2026-11-21T05:39:10.0")
    assert {row["prefix"] for row in covered.lines()} == {BEAST, "192.0.2.50/32"}
    cells = list(csv.DictReader(io.StringIO(covering.out)))
    assert {(row["peer"], row["prefix"]) for row in cells} == {("10.0.0.1", BEAST)}
    # By the router's own clock (whole seconds) the new PE's route was there at :07.
    assert {row["next_hop"] for row in router_clock.lines()} == {"10.0.0.1", "10.0.1.1"}
    assert {row["blind_since"] for row in late.lines()} == {"2026-11-21T05:39:28.577140051Z"}
    assert late.lines()[0]["blind"][0]["why"].startswith("its session with us was down")
    assert "blind to controller" in late.err


def test_rib_of_a_whole_table_and_by_incident(story: Path) -> None:
    killed = incident(story, kill_switch=True)
    whole, by_id, earlier, short = said(
        story,
        "rib --router controller --view loc-rib --at 2026-11-21T05:39:10Z --format jsonl",
        f"rib --router controller --view loc-rib --at {killed} --format jsonl",
        f"rib --router controller --view loc-rib --at {killed}-10s --format jsonl",
        f"flowspec --at {killed[:8]} --format jsonl",
    )
    assert {row["prefix"] for row in whole.lines()} == {BEAST, "192.0.2.50/32", "10.100.0.254/32"}
    hops = [
        next(row["next_hop"] for row in each.lines() if row["prefix"] == BEAST)
        for each in (earlier, by_id)
    ]
    assert hops == ["10.0.0.1", "10.0.1.1"]
    rules = {(row["view"], row["rule"]) for row in short.lines()}
    assert ("loc-rib", KILL_SWITCH) in rules


def test_diff(story: Path) -> None:
    routes, table, rules, none, nobody, gained, lost, prefixes = said(
        story,
        "diff --from 2026-11-21T05:39:05Z --to 2026-11-21T05:39:15Z --router controller "
        "--format jsonl",
        f"diff {BEAST} --from 2026-11-21T05:39:05Z --to 2026-11-21T05:39:15Z",
        "diff --flowspec --from 2026-11-21T05:39:05Z --to 2026-11-21T05:39:22Z --format jsonl",
        f"diff {BEAST} --from 2026-11-21T05:39:14Z --to 2026-11-21T05:39:15Z",
        "diff 203.0.113.7 --from 2026-11-21T05:39:05Z --to 2026-11-21T05:39:15Z",
        f"diff {BEAST} --peer 10.0.1.1 --from -999d --to 2026-11-21T05:39:15Z --format jsonl",
        f"diff {BEAST} --peer 10.0.0.1 --from 2026-11-21T05:39:05Z --to now --format jsonl",
        f"diff {BEAST} 192.0.2.50 --view loc-rib --from 2026-11-21T05:38:58Z --to now "
        "--format jsonl",
    )
    found = {(row["change"], row["view"], row.get("peer", "")) for row in routes.lines()}
    assert found == {
        ("changed", "loc-rib", ""),
        *(("lost", f"adj-in-{when}", "10.0.0.1") for when in ("pre", "post")),
        *(("gained", f"adj-in-{when}", "10.0.1.1") for when in ("pre", "post")),
    }
    (changed,) = [row for row in routes.lines() if row["change"] == "changed"]
    assert changed["what"][0] == "next_hop 10.0.0.1 → 10.0.1.1"
    assert (changed["next_hop_before"], changed["next_hop"]) == ("10.0.0.1", "10.0.1.1")
    assert "next_hop 10.0.0.1 → 10.0.1.1" in table.out
    changes = {(row["change"], row["rule"]) for row in rules.lines()}
    assert ("gained", KILL_SWITCH) in changes
    assert {change for change, _ in changes} == {"gained", "lost"}
    assert none.out.startswith("no difference between 2026-11-21T05:39:14.0")
    assert nobody.out.startswith("no difference between")
    assert [row["change"] for row in gained.lines()] == ["gained", "gained"]
    assert [row["change"] for row in lost.lines()] == ["lost", "lost"]
    assert {row["prefix"] for row in prefixes.lines()} == {BEAST, "192.0.2.50/32"}
    assert all("blind_since" in row for row in prefixes.lines())


def test_history_and_its_timeline(story: Path, tmp_path: Path) -> None:
    svg, parquet = tmp_path / "beast.svg", tmp_path / "beast.parquet"
    intent = ["--intent", str(story / "intent.yaml")]
    moved = incident(story, kill_switch=False)
    people, spans, _, around, to_come, nothing = said(
        story,
        ["history", BEAST, *intent, "--svg", str(svg)],
        ["history", BEAST, *intent, "--spans", "--format", "jsonl"],
        ["history", BEAST, "--format", "parquet", "--output", str(parquet)],
        ["history", BEAST, "--since", f"{moved}-5s", "--until", f"{moved}+1s", "--format", "jsonl"],
        ["history", BEAST, "--spans", "--until", "2100-01-01T00:00:00Z", "--format", "jsonl"],
        ["history", "203.0.113.7"],
    )
    bars = [line for line in people.out.splitlines() if line.startswith(("legacy-pe ", "new-pe1 "))]
    assert len(bars) == 2
    assert re.fullmatch(r"legacy-pe +█+·+", bars[0])
    assert re.fullmatch(r"new-pe1 +·+█+", bars[1])
    assert "The watch was blind to controller from 2026-11-21 05:38:55.819" in people.out
    assert people.out.count(" withdraw ") == 2
    states = [(row["place"], row["state"]) for row in spans.lines()]
    assert states == [
        *(("legacy-pe", state) for state in ("not yet known", "advertised", "absent")),
        *(("new-pe1", state) for state in ("not yet known", "absent", "advertised")),
    ]
    assert svg.read_text().startswith("<svg ")
    assert pq.read_table(parquet).column_names[:4] == ["received", "router", "feed", "peer"]
    assert [row["kind"] for row in around.lines()] == ["announce", "announce"]
    assert max(row["until"] for row in to_come.lines()) < "2100"
    assert nothing.out.splitlines() == ["the store has seen nothing of 203.0.113.7"]


def test_the_life_of_rules(story: Path) -> None:
    people, life, late = said(
        story,
        ["flowspec", "--life", KILL_SWITCH],
        ["flowspec", "--life", "192.0.2.60*9443", "--format", "jsonl"],
        ["flowspec", "--life", "9443", "--since", "2026-11-21T05:39:15Z", "--format", "jsonl"],
    )
    assert re.search(r"controller loc-rib +·+█+·+", people.out)
    changes = [(row["view"], row["change"]) for row in life.lines()]
    # GoBGP never takes back what it has shown after policy: it stays until we are blind.
    assert changes == [
        *(("adj-in-post", change) for change in ("announced", "unseen")),
        *(("adj-in-pre", change) for change in ("announced", "withdrawn")),
        *(("loc-rib", change) for change in ("announced", "withdrawn")),
    ]
    assert [row["actions_before"] != "" for row in life.lines() if row["change"] == "withdrawn"]
    assert {(row["view"], row["change"]) for row in late.lines()} == {
        ("adj-in-post", "announced"),
        ("adj-in-post", "unseen"),
    }


def test_an_incident_in_the_terminal(story: Path) -> None:
    killed = incident(story, kill_switch=True)
    people, events = said(
        story, f"incident {killed}", f"incident {killed[:9]} --window 1s --format jsonl"
    )
    assert f"critical incident {killed} (flowspec_policy" in people.out
    assert "it was resolved:" in people.out
    assert re.search(r"controller loc-rib +·+█+·*", people.out)
    assert f"loc-rib  live  announce  ipv4-flowspec  {KILL_SWITCH}" in people.out
    assert "0060  00 04 81 b3" in people.out
    assert f"anchorwatch flowspec --life '{KILL_SWITCH}'" in people.out
    # From a second before its opening to a second after its end; of the rest what is near either.
    first, last, *others = events.lines()
    assert (first["received"], first["rule"]) == (OPENED, KILL_SWITCH)
    assert (last["kind"], last["rule"]) == ("withdraw", KILL_SWITCH)
    assert {(row["kind"], row["received"][17:19]) for row in others} == {("stats", "25")}


def test_an_incident_as_a_folder(story: Path, tmp_path: Path) -> None:
    moved = incident(story, kill_switch=False)
    folder = tmp_path / "bundle"
    words = ["incident", moved, "--intent", str(story / "intent.yaml"), "--output", str(folder)]
    written, again = said(story, words, words)
    names = ["events.parquet", "incident.json", "index.html", "raw/controller.bmp"]
    assert written.out.splitlines() == [str(folder / name) for name in names]
    assert again.status == 2
    assert again.err.endswith("is not empty: name another --output\n")
    page = (folder / "index.html").read_text()
    assert "legacy-pe and new-pe1 both advertise 192.0.2.60/32" in page
    assert ">legacy-pe</text>" in page
    assert "advertised from 2026-11-21 05:39:07.688" in page
    assert f"anchorwatch decode {folder / 'raw/controller.bmp'}" in page
    assert not re.findall(r"(?:src|href)=", page)
    facts = json.loads((folder / "incident.json").read_text())
    states = [each["state"] for each in facts["transitions"]]
    assert states == ["open", "updated", "updated", "resolved"]
    assert facts["blind"][0]["router"] == "controller"
    table = pq.read_table(folder / "events.parquet")
    assert table.num_rows == len(facts["around"]) > 90
    # What was stored of the octets decodes to what they said.
    told = [e for e in read_events(folder / "raw" / "controller.bmp") if e.rule or e.prefix]
    said_so = [e for e in map(Event.from_dict, facts["around"]) if e.raw and (e.rule or e.prefix)]
    assert {(e.kind, e.view, e.rule or e.prefix) for e in told} == {
        (e.kind, e.view, e.rule or e.prefix) for e in said_so
    }
    assert {BEAST, KILL_SWITCH} <= {e.rule or e.prefix for e in told}


def test_from_python(story: Path) -> None:
    """The reference's own example, and what the other functions answer."""
    (example, *_) = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs/reference/python.md").read_text(), re.DOTALL
    )
    code = example.replace("anchorwatch-data/store", str(story / "store")) + PYTHON
    killed, moved = (incident(story, kill_switch=each) for each in (True, False))
    done = subprocess.run(
        [sys.executable, "-c", code, killed, moved],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "[1800, '10.0.0.1']",
        "changed 1",
        "['announce', 'withdraw'] datetime64[ns, UTC]",
        "['advertised', 'absent']",
        "discard True",
        "['announced', 'withdrawn']",
        "1",
        "['open', 'updated', 'updated', 'resolved'] 4 True controller",
        "2026-12-01 00:00:00 has no time zone",
    ]


PYTHON = """
import sys
from datetime import UTC, datetime

killed, cut = sys.argv[1:]
at = datetime(2026, 11, 21, 5, 39, 5, tzinfo=UTC)
rib = frames.rib(store, at, prefix="192.0.2.60/32", view="loc-rib")
print([(rib.blind_since.isna().sum() * 1800).item(), rib.next_hop[0]])
moved = frames.diff(store, at, "2026-11-21T05:39:15Z", "192.0.2.60", view="loc-rib")
print(moved.change[0], len(moved))
changes = frames.history(store, "192.0.2.60", at)
mine = changes[(changes["peer"] == "10.0.0.1") | (changes["peer"] == "10.0.1.1")]
mine = mine[mine["view"] == "adj-in-pre"]
print(list(mine.kind), mine.received.dtype)
spans = frames.timeline(store, "192.0.2.60", at, place_of=lambda row: row["next_hop"])
print(list(spans[spans["place"] == "10.0.0.1"].state))
rules = frames.flowspec_at(store, killed)
rule = rules[rules["rule"].str.contains("=179")].iloc[0]
gained = frames.flowspec_diff(store, f"{killed}-1s", killed, router="controller")
print("discard" if "discard" in rule.actions else rule.actions, list(gained.change) == ["gained"])
print(list(frames.flowspec_life(store, "=179").change))
print(len(frames.blind(store, "2026-11-21T05:38:56Z", "2026-11-21T05:39:00Z", ["controller"])))
found = frames.incident(store, cut)
print(list(found.transitions.state), len(found.evidence), len(found.around) > 90,
      found.blind.router[0])
try:
    frames.rib(store, datetime(2026, 12, 1))
except ValueError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("rib 192.0.2.60 --at soon", "'soon' is no moment: give RFC 3339 such as"),
        ("rib 192.0.2.60 --at ffffffff", "knows no incident whose id begins with 'ffffffff'"),
        ("rib 192.0.2.60 --at 2100-01-01T00:00:00Z", "'2100-01-01T00:00:00Z' is yet to come"),
        ("flowspec --at 2100-01-01T00:00:00Z", "'2100-01-01T00:00:00Z' is yet to come"),
        ("rib nonsense", "'nonsense' is no prefix:"),
        ("rib", "say which PREFIX, or whose whole table with --router NAME"),
        ("rib --router r1 --covered", "--covering and --covered go with a PREFIX"),
        ("rib 192.0.2.60 --site new-pe1", "--site is a name of the intent"),
        ("rib 192.0.2.60 --site new-pe --intent INTENT", "has no site 'new-pe' (did you mean"),
        ("diff --from -1h", "say which PREFIX, or whose whole table with --router NAME"),
        ("diff 192.0.2.60 --from now --to -1h", "--from is later than --to: turn them round"),
        ("diff 192.0.2.60 --flowspec --from -1h", "--flowspec takes no PREFIX"),
        ("diff nonsense --from -1h", "cannot compare nonsense: 'nonsense' does not appear"),
        ("history nonsense", "'nonsense' is no prefix:"),
        ("history 192.0.2.60 --svg /nowhere/x.svg", "/nowhere/x.svg: cannot be written: No such"),
        ("history 192.0.2.60 --format parquet", "parquet is not text: say where to write it"),
        ("flowspec --since -1h", "--since, --until and --svg go with --life"),
        ("incident TWIN", "begins the ids of several incidents:"),
        ("incident ffff", "knows no incident whose id begins with 'ffff'"),
        ("incident ffff --window long", "'long' is no length of time: give 90s, 15m, 2h or 1d"),
    ],
)
def test_what_cannot_be_answered_is_told_in_a_sentence(
    story: Path, words: str, complaint: str, refused: dict[str, Said]
) -> None:
    answer = refused[words]
    assert answer.status == 2
    assert len(answer.err.splitlines()) == 1
    assert complaint in answer.err
    assert answer.out == ""


@pytest.fixture(scope="module")
def refused(story: Path, request: pytest.FixtureRequest) -> dict[str, Said]:
    """The answers to all of them, asked in one process."""
    marks = test_what_cannot_be_answered_is_told_in_a_sentence.pytestmark  # type: ignore[attr-defined]
    questions = [words for words, _ in marks[0].args[1]]
    twin = incident(story, kill_switch=False)[:8]
    places = {"INTENT": str(story / "intent.yaml"), "TWIN": twin}
    asked = [[places.get(word, word) for word in words.split()] for words in questions]
    return dict(zip(questions, said(story, *asked), strict=True))
