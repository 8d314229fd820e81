"""The API of a program that runs, against the document that it gives of itself."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from jsonschema import Draft202012Validator, FormatChecker

from tests.integration.installation import ROUTE, Installation
from tests.integration.test_board import STRANGER, Asker, asking
from tests.integration.test_cutover import says, window
from tests.unit.rules.test_contract import INTENT
from tests.unit.wire.build import attribute, initiation, monitoring, peer_up, update
from tests.waiting import until

RULE = bytes.fromhex("01 20 c0 00 02 32  03 81 06  05 91 20 fb")
"""To 192.0.2.50/32, TCP, destination port 8443."""
GONE = monitoring(update(attributes=attribute(15, b"\0\x01\x85" + bytes((len(RULE),)) + RULE)))
HELD = monitoring(
    update(
        attributes=attribute(1, b"\0")
        + attribute(2, b"")
        + attribute(16, b"\x80\x06" + bytes(6))
        + attribute(14, b"\0\x01\x85\0\0" + bytes((len(RULE),)) + RULE)
    )
)
ROUTES = """
import json, sys
from pathlib import Path
from anchorwatch.cli.check import load_intent_or_fail
from anchorwatch.settings import load_settings
from anchorwatch.watch import Watch
settings = load_settings(Path("anchorwatch.yaml"))
web = Watch(settings, load_intent_or_fail(settings.intent))._web()
routes = web._server.config.app.routes
print(json.dumps([[route.path, sorted(route.methods - {"HEAD"})] for route in routes]))
"""


class Busy(Installation):
    """A watch that has something to answer to every question."""

    def __init__(self, folder: Path, token: str = "") -> None:
        super().__init__(folder)
        probe = "probe: {tcp: 8443, every: 5s, timeout: 1s, from: site}"
        (folder / "intent.yaml").write_text(
            INTENT.replace("minimum: 1\n", f"minimum: 1\n    {probe}\n")
            + "cutovers:\n"
            + f"  - {{name: move/1, service: web, from: legacy-pe, to: [new-pe1], "
            f"window: {window()}, max_overlap: 10m, flush: migration}}\n"
            + "feeds:\n  - {router: r9, silent_after: 1h}\n"
        )
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        if token:
            (folder / "token").write_text(f"{token}\n")
            path = folder / "anchorwatch.yaml"
            listen = f"web: {{listen: 127.0.0.1:{self.web}"
            path.write_text(path.read_text().replace(listen, f"{listen}, token_file: token"))


def busy(here: Busy) -> Generator[Asker, None, None]:
    with here.running(), here.connect() as router, asking(here) as asker:
        asker.client.headers.update(here.headers)
        router.sendall(initiation(name="r1") + peer_up() + ROUTE + HELD)
        router.sendall(peer_up(STRANGER) + says("10.0.1.1", advertise=True))
        until(lambda: len(asker.get("/cutovers/move%2F1")["advertised_by"]) == 2, "both", 60)
        until(asker.open, "an incident", 60)
        until(lambda: asker.get("/rib", prefix="192.0.2.50/32")["routes"], "the store has it", 60)
        yield asker


@pytest.fixture(scope="module")
def asker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asker]:
    yield from busy(Busy(tmp_path_factory.mktemp("api")))


def exact(document: dict[str, Any], schema: Any) -> Any:
    """A schema with its references, that allows nothing that it does not name."""
    if isinstance(schema, list):
        return [exact(document, each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return exact(document, document["components"]["schemas"][name])
    whole = {key: exact(document, each) for key, each in schema.items()}
    if isinstance(schema.get("properties"), dict):
        whole = {"additionalProperties": False, **whole}
    return whole


def faults(
    document: dict[str, Any], operation: dict[str, Any], answer: httpx.Response
) -> list[str]:
    told = operation["responses"][str(answer.status_code)]["content"]["application/json"]
    schema = exact(document, told["schema"])
    validator = Draft202012Validator(schema, format_checker=FormatChecker())
    return [f"{each.json_path}: {each.message}" for each in validator.iter_errors(answer.json())]


def test_every_question_is_answered_as_the_document_says(asker: Asker) -> None:
    document = asker.get("/openapi.json")
    assert document["openapi"] == "3.1.0"
    (rule,) = asker.get("/flowspec")["items"]
    names = {
        "/incidents/": asker.open()[0]["id"],
        "/services/": "web",
        "/anycast/": "anchor",
        "/flowspec/": rule["id"],
        "/cutovers/": quote("move/1", safe=""),
    }
    asked = set()
    for path, methods in document["paths"].items():
        if "get" not in methods or path.endswith("/stream"):
            continue
        place = path
        for begin, name in names.items():
            if path.startswith(f"/api/v1{begin}"):
                place = path.replace("{id}", name).replace("{name}", name)
        # Every question as short as it can be, and with all that it may say beside state.
        for all_of_it in (False, True):
            wanted = {
                each["name"]: each["example"]
                for each in methods["get"]["parameters"]
                if (each["required"] or all_of_it) and "example" in each
            }
            answer = asker.client.get(place, params=wanted or None)
            if path.endswith("/diff") and not all_of_it:
                assert answer.status_code == 400  # it needs a prefix or flowspec
                continue
            assert answer.status_code == 200, (place, wanted, answer.text)
            assert faults(document, methods["get"], answer) == [], path
        asked.add(path.removeprefix("/api/v1"))
    lists = {f"/{name}" for name in ("incidents", "services", "anycast", "flowspec", "cutovers")}
    single = {"/incidents/{id}", "/services/{name}", "/anycast/{name}", "/flowspec/{id}"}
    others = {"/board", "/feeds", "/rib", "/history", "/diff", "/status", "/openapi.json"}
    assert asked == lists | single | others | {"/cutovers/{name}"}


def test_what_is_sent_is_answered_as_the_document_says(asker: Asker) -> None:
    document = asker.get("/openapi.json")
    result = {"anycast": "anchor", "healthy": True, "time": "2027-01-15T08:00:00Z"}
    report = {"prober": "new-pe1", "results": [{**result, "site": "new-pe1"}]}
    for body, status in ((report, 200), ({**report, "prober": "x"}, 400), ([], 400)):
        answer = asker.client.post("/api/v1/probes", json=body)
        assert answer.status_code == status, answer.text
        assert faults(document, document["paths"]["/api/v1/probes"]["post"], answer) == []
    answer = asker.client.post("/api/v1/probes", content=b"x")
    assert (answer.status_code, "error" in answer.json()) == (415, True)
    operation = document["paths"]["/api/v1/cutovers/{name}/rollback"]["post"]
    json_type = {"Content-Type": "application/json"}
    for name, headers, status in (
        ("move%2F1", {}, 415),
        ("move", json_type, 404),
        ("move%2F1", json_type, 200),
    ):
        answer = asker.client.post(f"/api/v1/cutovers/{name}/rollback", headers=headers)
        assert answer.status_code == status, answer.text
        assert faults(document, operation, answer) == []
    assert "rollback" in asker.get("/cutovers/move%2F1")


def test_the_document_has_every_address(tmp_path: Path) -> None:
    here = Busy(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", ROUTES],
        cwd=here.folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    served = {
        (path.replace(":path}", "}"), method.lower())
        for path, methods in json.loads(done.stdout)
        for method in methods
        if path.startswith("/api/")
    }
    with here.running(), asking(here) as asker:
        paths = asker.get("/openapi.json")["paths"]
    assert served == {(path, method) for path, methods in paths.items() for method in methods}
    assert ("/api/v1/cutovers/{name}/rollback", "post") in served


def test_rules_of_the_past_are_told_as_on_the_command_line(tmp_path: Path) -> None:
    here = Busy(tmp_path)
    with here.running(), here.connect() as router, asking(here) as asker:
        document = asker.get("/openapi.json")["paths"]

        def checked(path: str, **parameters: Any) -> Any:
            answer = asker.client.get(f"/api/v1{path}", params=parameters)
            assert answer.status_code == 200, answer.text
            operation = document[f"/api/v1{path}".replace(held["id"], "{id}")]["get"]
            assert faults(asker.get("/openapi.json"), operation, answer) == []
            return answer.json()

        router.sendall(initiation(name="r1") + peer_up() + ROUTE + HELD)
        (held,) = until(lambda: asker.get("/flowspec")["items"], "a rule", 60)
        (then,) = until(lambda: checked("/flowspec", at="now")["items"], "the store has it", 60)
        assert (then["id"], then["rule"], then["actions"]) == (
            *(held["id"], held["rule"], held["actions"]),
        )
        before = checked("/flowspec", at="now")["at"]
        router.sendall(GONE + says("10.0.0.1", advertise=False))
        until(lambda: not asker.get("/flowspec")["items"], "it is gone", 60)
        until(lambda: not checked("/flowspec", at="now")["items"], "the store knows it", 60)
        told = here.command("flowspec", "--at", before, "--format", "jsonl")
        (row,) = (json.loads(line) for line in told.stdout.splitlines())
        (there,) = checked("/flowspec", at=before)["items"]
        names = ("router", "view", "peer", "rule", "first_seen", "changed", "provenance")
        assert [there[name] for name in names] == [row[name] for name in names]
        assert there.get("blind_since") == row.get("blind_since")

        gone = checked(f"/flowspec/{held['id']}")
        assert (gone["id"], gone["rule"], gone["since"]) == (
            *(held["id"], held["rule"], there["changed"]),
        )
        assert (gone["state"], gone["seen_at"], gone["incidents"]) == ("gone", [], [])
        assert gone["policies"]
        assert asker.get(f"/flowspec/{held['id'][:8]}", 404)["error"].endswith("was ever seen")

        (lost,) = checked("/diff", **{"from": before}, flowspec="true")["differences"]
        assert (lost["change"], lost["rule"]) == ("lost", held["rule"])
        question = {"from": before, "prefix": "192.0.2.50/32"}
        assert checked("/diff", **question, router="r9")["differences"] == []
        (lost,) = checked("/diff", **question, router="r1", to="now")["differences"]
        assert (lost["change"], lost["next_hop_before"]) == ("lost", "10.0.0.1")
        told = here.command("diff", "192.0.2.50/32", "--from", before, "--format", "jsonl")
        (row,) = (json.loads(line) for line in told.stdout.splitlines())
        names = ("change", "router", "view", "peer", "prefix", "what", "changed")
        assert [lost[name] for name in names] == [row[name] for name in names]


def test_lists_of_the_past_come_in_pages(asker: Asker) -> None:
    moment = asker.get("/rib", prefix="192.0.2.50/32")["at"]
    question = {"prefix": "192.0.2.50/32", "at": moment}
    whole = asker.get("/rib", **question)["routes"]
    first = asker.get("/rib", **question, limit=1)
    second = asker.get("/rib", **question, limit=1, after=first["next"])
    assert first["routes"] + second["routes"] == whole
    assert "next" not in second
    assert asker.get("/history", prefix="192.0.2.50/32", after=1000)["spans"] == []
    for path in ("/rib?", "/history?", "/cutovers?", "/flowspec?at=now", "/diff?from=-1h"):
        for wrong in ("limit=0", "limit=1001", "after=x", "after=-1"):
            told = asker.get(f"{path}&prefix=192.0.2.50/32&{wrong}", 400)
            assert told["error"].startswith(wrong.partition("=")[0])
