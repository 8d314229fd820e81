"""From a dashboard to the board, and back: each link as Grafana, or the board, fills it in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest

from anchorwatch.web_settings import WebSettings
from collector.event import parse_rfc3339
from dashboards.build import DASHBOARDS, content, demo_intent, main
from dashboards.grafana import Values, expand, variables
from tests.integration.installation import ROUTE, Installation
from tests.integration.test_api import RULE
from tests.integration.test_board import ADVERTISED, STRANGER, Asker, asking
from tests.integration.test_cutover import with_a_cutover
from tests.unit.rules.test_contract import INTENT
from tests.unit.wire.build import (
    BASIC,
    attribute,
    initiation,
    monitoring,
    peer_up,
    prefix,
    update,
)
from tests.waiting import until

ANCHOR = "10.100.0.254/32"
LONELY = monitoring(update(attributes=BASIC, nlri=prefix(ANCHOR)), STRANGER)
DISCARD = attribute(16, b"\x80\x06" + bytes(6))
OUT_OF_POLICY = monitoring(
    update(
        attributes=attribute(1, b"\0")
        + attribute(2, b"")
        + DISCARD
        + attribute(14, b"\0\x01\x85\0\0" + bytes((len(RULE),)) + RULE)
    )
)
END_OF_RIB = monitoring(update(), STRANGER)
PANELS = {
    "overview.json": ("Open incidents", {"flowspec_policy"}),
    "flowspec.json": ("Findings", {"flowspec_policy"}),
    "anycast.json": ("Findings", {"anchor_redundancy"}),
    "forensics.json": ("Incidents that name it", {"dual_advertisement", "flowspec_policy"}),
}
"""Every panel with incidents, and what it has to show here at least."""
GRAFANA = "https://grafana.example.net/noc"
LINK = "${board:raw}/incidents/${__data.fields.id}"


@pytest.fixture(scope="module")
def asker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, Asker]]:
    here = Installation(tmp_path_factory.mktemp("links"))
    (here.folder / "intent.yaml").write_text(INTENT.replace("minimum: 1\n", "minimum: 2\n"))
    there_is_grafana(here)
    with here.running(), here.connect() as router, asking(here) as asker:
        router.sendall(initiation(name="r1") + peer_up() + ROUTE + OUT_OF_POLICY)
        router.sendall(peer_up(STRANGER) + ADVERTISED + LONELY + END_OF_RIB)
        wanted = set.union(*(detectors for _, detectors in PANELS.values()))
        until(lambda: {i["detector"] for i in asker.open()} >= wanted, "incidents", 60)
        yield here, asker


def there_is_grafana(here: Installation) -> None:
    file = here.folder / "anchorwatch.yaml"
    listen = f"listen: 127.0.0.1:{here.web}"
    file.write_text(file.read_text().replace(listen, f"{listen}, grafana: {GRAFANA}/"))


def panel_of(there: dict[str, Any], title: str) -> dict[str, Any]:
    (found,) = (panel for panel in there["panels"] if panel["title"] == title)
    return dict(found)


def links(panel: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The data links of each column."""
    return {
        override["matcher"]["options"]: given["value"]
        for override in panel.get("fieldConfig", {}).get("overrides", [])
        for given in override["properties"]
        if given["id"] == "links"
    }


def answered(here: Installation, panel: dict[str, Any], values: Values) -> list[dict[str, Any]]:
    """The rows of a panel whose range has no beginning and no end."""
    question = expand(panel["targets"][0]["rawSql"], values, 0, 2**42)
    answer = httpx.post(
        here.endpoint, params={"default_format": "JSON"}, content=question, timeout=60
    )
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


@pytest.mark.parametrize("name", PANELS)
def test_an_incident_leads_to_its_page_on_the_board(
    name: str, asker: tuple[Installation, Asker]
) -> None:
    here, asking_it = asker
    title, wanted = PANELS[name]
    there = content(name, demo_intent(), f"http://127.0.0.1:{here.web}/")
    panel = panel_of(there, title)
    (link,) = links(panel)["id"]
    assert (link["url"], link["targetBlank"]) == (LINK, True)
    values = variables(there) | {"prefix": ["192.0.2.50/32"], "anycast": [ANCHOR]}

    def rows() -> list[dict[str, Any]]:
        found = answered(here, panel, values)
        words = " ".join(str(row) for row in found)
        return found if all(detector in words for detector in expected) else []

    known = {each["id"]: each for each in asking_it.open()}
    expected = {i["id"] for i in known.values() if i["detector"] in wanted}
    assert expected
    for row in until(rows, f"{wanted} in the store", 60):
        url = LINK.replace("${board:raw}", values["board"][0])
        url = url.replace("${__data.fields.id}", row["id"])
        assert "$" not in url
        page = httpx.get(url, timeout=60)
        assert page.status_code == 200
        heading = re.search(r"<h1[^>]*>(.*?)</h1>", page.text, re.DOTALL)
        assert heading, url
        assert known[row["id"]]["detector"] in page.text


def test_who_starts_the_watch_is_told_where_the_board_is(
    asker: tuple[Installation, Asker],
) -> None:
    here, _ = asker
    (told,) = re.findall(r"the board is at (\S+)$", here.log(), re.MULTILINE)
    assert httpx.get(told, timeout=60).status_code == 200


def test_every_panel_with_incidents_has_the_link() -> None:
    linked = {
        (name, panel["title"])
        for name in DASHBOARDS
        for panel in content(name, demo_intent())["panels"]
        if "id" in links(panel)
    }
    with_an_id = {
        (name, panel["title"])
        for name in DASHBOARDS
        for panel in content(name, demo_intent())["panels"]
        if panel["type"] == "table" and ", id FROM " in panel["targets"][0]["rawSql"]
    }
    events = ("cutover.json", "Events")
    assert linked == with_an_id == {(n, title) for n, (title, _) in PANELS.items()} | {events}


def test_the_address_is_where_the_board_is_unless_another_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = variables(content("overview.json", demo_intent()))
    assert there["board"] == [f"http://{WebSettings().listen}"]
    command = ["build", "--output", str(tmp_path), "--board", "https://noc.example.net/"]
    monkeypatch.setattr("sys.argv", command)
    main()
    for name in PANELS:
        assert '"query": "https://noc.example.net"' in (tmp_path / name).read_text()


def to_dashboards(page: str) -> dict[str, dict[str, str]]:
    """The links of a page to Grafana: what each says of a dashboard that there is."""
    found = {}
    for href in map(unescape, re.findall(rf'href="({GRAFANA}[^"]+)"', page)):
        place, _, query = href.partition("?")
        told = dict(parse_qsl(query))
        (name,) = (n for n in DASHBOARDS if f"{GRAFANA}/d/anchorwatch-{n[:-5]}" == place)
        there = {each["name"] for each in content(name, demo_intent())["templating"]["list"]}
        assert {key.removeprefix("var-") for key in told} - {"from", "to"} <= there
        assert int(told["from"]) < int(told["to"])
        found[name] = told
    return found


def test_a_page_leads_to_the_dashboards_in_its_time(asker: tuple[Installation, Asker]) -> None:
    _, board = asker
    by_detector = {each["detector"]: each for each in board.open()}
    incident = by_detector["dual_advertisement"]
    opened = parse_rfc3339(incident["opened"]) // 1_000_000
    (name, told), *others = to_dashboards(board.page(f"/incidents/{incident['id']}")).items()
    assert (name, told["var-prefix"], others) == ("forensics.json", "192.0.2.50/32", [])
    assert int(told["from"]) < opened < int(told["to"])
    of_rule = to_dashboards(board.page(f"/incidents/{by_detector['flowspec_policy']['id']}"))
    assert "flowspec.json" in of_rule
    (told,) = to_dashboards(board.page("/prefix/192.0.2.50/32")).values()
    assert told["var-prefix"] == "192.0.2.50/32"


def test_a_cutover_leads_to_its_room(tmp_path: Path) -> None:
    here = with_a_cutover(tmp_path)
    with here.running(), asking(here) as board:
        assert to_dashboards(board.page("/cutovers/move%2F1")) == {}  # nobody said where
    there_is_grafana(here)
    with here.running(), asking(here) as board:
        (name, told), *_ = to_dashboards(board.page("/cutovers/move%2F1")).items()
    assert (name, told["var-cutover"]) == ("cutover.json", "move/1")
