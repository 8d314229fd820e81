"""The board's API and pages, asked of a program that runs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.installation import ROUTE, Installation
from tests.unit.wire.build import (
    BASIC,
    initiation,
    monitoring,
    peer_header,
    peer_up,
    prefix,
    update,
)
from tests.waiting import free_port, until

STRANGER = peer_header("10.0.1.1")
ADVERTISED = monitoring(update(attributes=BASIC, nlri=prefix("192.0.2.50/32")), STRANGER)
HTML = "text/html; charset=utf-8"


@pytest.fixture
def here(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


class Asker:
    """Asks a running program."""

    def __init__(self, here: Installation) -> None:
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{here.web}", timeout=60)

    def get(self, path: str, status: int = 200, **parameters: Any) -> Any:
        answer = self.client.get(f"/api/v1{path}", params=parameters or None)
        assert answer.status_code == status, answer.text
        assert answer.headers["cache-control"] == "no-store"
        return answer.json()

    def page(self, path: str, status: int = 200) -> str:
        answer = self.client.get(path)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == HTML
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self' 'sha256-")
        return answer.text

    def open(self) -> list[dict[str, Any]]:
        return list(self.get("/incidents", state="open")["items"])


@contextmanager
def asking(here: Installation) -> Iterator[Asker]:
    asker = Asker(here)
    try:
        yield asker
    finally:
        asker.client.close()


@contextmanager
def two_homes(here: Installation) -> Iterator[Asker]:
    """A router whose two peers both announce the address of a service with one home."""
    with here.running(), here.connect() as router:
        router.sendall(initiation(name="r1") + peer_up() + ROUTE)
        router.sendall(peer_up(STRANGER) + ADVERTISED)
        with asking(here) as asker:
            until(asker.open, "the incident of two homes", 60)
            yield asker


def test_one_incident_is_told_from_its_opening_to_what_the_store_keeps(here: Installation) -> None:
    with two_homes(here) as asker:
        (incident,) = asker.open()
        assert (incident["detector"], incident["severity"]) == ("dual_advertisement", "critical")
        told = asker.get(f"/incidents/{incident['id']}")
        assert [each["state"] for each in told["transitions"]] == ["open"]
        assert told["evidence"][0]["prefix"] == "192.0.2.50/32"
        assert len(told["evidence"][0]["raw"]) > 100
        page = asker.page(f"/incidents/{incident['id']}")
        assert "is advertised by new-pe1 while legacy-pe still does" in page
        assert "0000  03 00" in page
        assert f"anchorwatch rib 192.0.2.50/32 --at {incident['id']} --store" in page
        until(lambda: "<svg xmlns" in asker.page(f"/incidents/{incident['id']}"), "a picture", 60)
        assert asker.get("/incidents/0123456789abcdef", 404) == {
            "error": "there is no incident '0123456789abcdef'"
        }
        assert "there is no incident" in asker.page("/incidents/0123456789abcdef", 404)
    # Afterwards the same incident is told by the store, and by the next run.
    with here.running(), asking(here) as asker:
        items = {item["id"]: item for item in asker.get("/incidents")["items"]}
        assert items[incident["id"]]["opened"] == incident["opened"]
        assert asker.get(f"/incidents/{incident['id']}")["transitions"][0]["state"] == "open"


def test_lists_come_in_pages(here: Installation) -> None:
    (here.folder / "intent.yaml").write_text(
        (here.folder / "intent.yaml").read_text()
        + "feeds:\n"
        + "".join(f"  - {{router: m{n}, silent_after: 1s}}\n" for n in range(5))
    )
    with here.running(), asking(here) as asker:
        until(lambda: len(asker.open()) == 5, "five routers are missed", 60)
        newest = [item["id"] for item in asker.get("/incidents")["items"]]
        found: list[str] = []
        page: dict[str, Any] = {"next": None}
        while "next" in page:
            after = {"after": page["next"]} if page["next"] else {}
            page = asker.get("/incidents", limit=2, **after)
            assert len(page["items"]) <= 2
            found += [item["id"] for item in page["items"]]
        assert found == newest
        assert len(set(found)) == 5


@pytest.mark.parametrize(
    ("question", "status", "error"),
    [
        ("/incidents?limit=0", 400, "limit must be a number from 1 to 1000"),
        ("/incidents?after=x", 400, "after must be the `next` of another answer"),
        ("/services?state=odd", 400, "state must be all or violated or unknown or fine"),
        ("/services/wob", 404, "the intent has no service 'wob' (did you mean 'web'?)"),
        ("/flowspec/0123", 404, "no Flowspec rule with the id '0123' was ever seen"),
        ("/flowspec?at=wob", 400, "'wob' is no moment: give RFC 3339 such as"),
        ("/flowspec?at=now&state=fine", 400, "state is of now: it does not go with at"),
        ("/diff?prefix=::/0", 400, "from is needed"),
        ("/diff?from=-1h", 400, "say which prefix, or flowspec=true"),
        ("/diff?from=-1h&flowspec=true&prefix=::/0", 400, "flowspec=true takes no prefix"),
        ("/diff?from=now&to=-1h&prefix=::/0", 400, "from is later than to: turn them round"),
        ("/diff?from=-1h&prefix=wob", 400, "'wob' does not appear to be an IPv4 or IPv6 network"),
        ("/rib", 400, "prefix is needed"),
        ("/rib?prefix=wob", 400, "'wob' does not appear to be an IPv4 or IPv6 network"),
        ("/rib?prefix=::/0&at=wob", 400, "'wob' is no moment: give RFC 3339 such as"),
        ("/history?prefix=::/0&since=wob", 400, "'wob' is no moment: give RFC 3339 such as"),
    ],
)
def test_a_question_that_is_not_right_gets_a_sentence(
    asked_once: Asker, question: str, status: int, error: str
) -> None:
    answer = asked_once.client.get(f"/api/v1{question}")
    assert answer.status_code == status
    assert answer.json()["error"].startswith(error)


@pytest.fixture(scope="module")
def asked_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asker]:
    here = Installation(tmp_path_factory.mktemp("board"))
    with here.running(), asking(here) as asker:
        yield asker


def test_every_page_is_there(here: Installation) -> None:
    with two_homes(here) as asker:
        board = asker.page("/")
        assert "1 critical incident open" in " ".join(board.split())
        assert "not its home" in board
        for path in ("/incidents", "/incidents?state=open", "/services", "/anycast", "/flowspec"):
            assert asker.page(path)
        until(lambda: asker.get("/rib", prefix="192.0.2.50/32")["routes"], "the store has it", 60)
        page = asker.page("/prefix/192.0.2.50/32")
        assert 'type="range"' in page
        assert "<td>new-pe1</td>" in page
        part = asker.page("/prefix/192.0.2.50/32/rib?at=2020-01-01T00:00:00Z")
        assert "<b>0</b> routes at 2020-01-01 00:00:00.000 UTC" in part
        assert "is no moment" in asker.page("/prefix/192.0.2.50/32/rib?at=%3Cb%3E")
        assert "&lt;b&gt;" in asker.page("/prefix/192.0.2.50/32?at=%3Cb%3E")
        assert "is no prefix" in asker.page("/prefix/%3Cscript%3E", 404)
        assert "<script>" not in asker.page("/prefix/%3Cscript%3E", 404)
        assert "was ever seen" in asker.page("/flowspec/0123", 404)
        for name in ("board.css", "board.js", "times.js", "slider.js", "anchor.svg"):
            assert asker.client.get(f"/static/{name}").status_code == 200
        assert asker.client.get("/static/..%2fpages.py").status_code == 404


class Stream:
    """What the stream told, read until enough was told."""

    def __init__(self, here: Installation, query: str = "") -> None:
        self._client = httpx.Client(timeout=30)
        address = f"http://127.0.0.1:{here.web}/api/v1/stream{query}"
        self._response = self._client.send(self._client.build_request("GET", address), stream=True)
        self._lines = self._response.iter_lines()

    def next(self) -> tuple[str, str, dict[str, Any]]:
        """Kind, id and data of the next event."""
        fields: dict[str, str] = {}
        for line in self._lines:
            if not line:
                break
            name, _, value = line.partition(": ")
            fields[name] = value
        return fields["event"], fields["id"], json.loads(fields["data"])

    def close(self) -> None:
        self._response.close()
        self._client.close()


def test_the_stream_tells_the_state_and_then_every_change_by_number(here: Installation) -> None:
    with here.running(), asking(here) as asker, here.connect() as router:
        router.sendall(initiation(name="r1") + peer_up())
        until(lambda: "r1" in str(asker.get("/feeds")), "the router is seen")
        stream = Stream(here)
        kind, identity, data = stream.next()
        number = data["number"]
        assert kind == "state"
        assert identity.endswith(f"-{number}")
        here.metric("anchorwatch_board_listeners", 1)
        router.sendall(ROUTE)
        web: list[dict[str, Any]] = []
        while not (web and web[-1]["advertised_by"]):
            kind, _, data = stream.next()
            if kind == "change":
                number += 1
                web += [i for i in data["put"].get("services", []) if i["name"] == "web"]
            assert data["number"] == number
        assert web[-1]["advertised_by"][0]["site"] == "legacy-pe"
        assert here.metrics()["anchorwatch_board_differences_total"] >= 1
        assert here.metrics()["anchorwatch_board_look_seconds_count"] >= 2
        stream.close()
        known = f"{asker.get('/board')['started']}-{asker.get('/board')['number']}"
        again = Stream(here, f"?after={known}")
        assert again.next()[0] == "beat"
        again.close()
        late = Stream(here, "?as=html&after=of-another-run-7")
        kind, _, data = late.next()
        assert kind == "state"
        assert '<li data-id="service web"' in data["services"][0]["html"]
        begun = time.monotonic()
    assert time.monotonic() - begun < 30  # an open stream holds up no stop
    late.close()


def test_while_the_store_does_not_answer_the_board_tells_what_the_watch_knows(
    here: Installation,
) -> None:
    here.settings(store=f"server: {{address: '127.0.0.1:{free_port()}', timeout: 1s}}")
    with two_homes(here) as asker:
        (incident,) = asker.open()
        page = asker.page(f"/incidents/{incident['id']}")
        assert "The store does not answer, so this is what the watch itself knows" in page
        assert "is advertised by new-pe1 while legacy-pe still does" in page
        assert "1 critical incident open" in " ".join(asker.page("/").split())
        assert asker.get("/incidents", 503)["error"]
        assert here.metrics()['anchorwatch_board_questions_total{result="failed"}'] >= 2
        assert "The store does not answer" in asker.page("/prefix/192.0.2.50/32", 503)
