"""What `anchorwatch run` refuses, each in one sentence that says what and where."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from tests.conftest import disk
from tests.integration.installation import COMMAND, Installation
from tests.waiting import free_port


@pytest.fixture
def here(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


def test_a_bmp_port_in_use(here: Installation) -> None:
    with socket.create_server(("127.0.0.1", here.bmp)):
        error = here.refused()
    assert error.startswith(
        f"anchorwatch run: cannot listen for BMP on 127.0.0.1 port {here.bmp}: "
    )
    assert "address already in use" in error.lower()


def test_a_web_port_in_use(here: Installation) -> None:
    with socket.create_server(("127.0.0.1", here.web)):
        error = here.refused()
    assert error == (
        f"anchorwatch run: cannot serve the web pages on 127.0.0.1 port {here.web}: "
        "Address already in use\n"
    )


def test_a_web_address_that_is_not_loopback_needs_a_token(here: Installation) -> None:
    path = here.folder / "anchorwatch.yaml"
    path.write_text(path.read_text().replace(f"127.0.0.1:{here.web}", f"0.0.0.0:{here.web}"))
    assert "is not loopback: set web.token_file" in here.refused()


def test_settings_with_mistakes_name_each_with_its_line(here: Installation) -> None:
    (here.folder / "anchorwatch.yaml").write_text(
        "intent: intent.yaml\nbmp:\n  listen: nowhere\n  routers: []\npager: []\n"
        "web: {grafana: 'javascript:alert(1)'}\n"
    )
    error = here.refused()
    assert "anchorwatch.yaml:3: bmp.listen: 'nowhere' is not ADDRESS:PORT" in error
    assert "anchorwatch.yaml:4: bmp.routers" in error
    assert "anchorwatch.yaml:5: pager" in error
    assert "pagers" in error  # did you mean
    words = "'javascript:alert(1)' is no address such as https://grafana.example.net"
    assert f"anchorwatch.yaml:6: web.grafana: {words}" in error


def test_an_intent_with_ten_mistakes_names_all_ten(here: Installation) -> None:
    (here.folder / "intent.yaml").write_text(
        """version: 2
sites:
  a: {match: []}
  b: {match: [{peer: nowhere}]}
services:
  - {name: web, prefix: 192.0.2.50/24, home: [nobody], hold: soon}
anycast:
  - {name: x, prefix: 10.0.0.1/32, sites: [a], minimum: 5}
flowspec:
  - {name: m, destinations: [192.0.2.0/24], actions: [explode]}
protect: [tcp/99999]
surprise: yes
"""
    )
    done = subprocess.run(
        [*COMMAND, "check", "-c", "anchorwatch.yaml"],
        cwd=here.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    lines = [line.split(":")[1] for line in done.stderr.splitlines()]
    assert len(done.stderr.splitlines()) >= 10
    assert {"1", "3", "4", "6", "8", "10", "11", "12"} <= set(lines)
    assert "Traceback" not in done.stderr


def test_a_store_that_cannot_be_written(here: Installation) -> None:
    (here.folder / "anchorwatch-data").write_text("in the way")
    assert "File exists" in here.refused()


def test_a_read_only_disk(here: Installation) -> None:
    with disk(here.folder / "anchorwatch-data", "ro"):
        error = here.refused()
    assert error == (
        "anchorwatch run: cannot use the spool anchorwatch-data/spool: Read-only file system\n"
    )


def test_a_second_run_on_the_same_state(here: Installation, tmp_path: Path) -> None:
    with here.running():
        text = (here.folder / "anchorwatch.yaml").read_text()
        other = text.replace(str(here.bmp), str(free_port())).replace(
            str(here.web), str(free_port())
        )
        (here.folder / "anchorwatch.yaml").write_text(other)
        assert "is in use by another anchorwatch" in here.refused()


def test_a_secret_that_is_not_there(here: Installation) -> None:
    here.settings(
        more="pagers:\n  - webhook: {url: http://127.0.0.1:1/, token_file: /nonexistent}\n"
    )
    assert "cannot use /nonexistent: No such file or directory" in here.refused()
