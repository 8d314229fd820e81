from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from anchorwatch.cli import build_parser, main
from anchorwatch.cli.check import load_intent_or_fail
from anchorwatch.errors import UserError
from tests.unit.test_intent import EXAMPLE, ROOT, TEN


def test_a_right_intent_is_summed_up_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--intent", str(EXAMPLE)]) == 0
    out, err = capsys.readouterr()
    assert out.replace(" (1 over)", "") == (
        f"{EXAMPLE}: 3 sites, 1 service, 1 anycast address, 1 Flowspec policy, 3 protected, "
        "1 cutover, 1 maintenance window, 1 feed\n"
    )
    assert err == ""


def test_an_intent_that_is_silent_on_flowspec_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "intent.yaml"
    path.write_text("version: 1\n")
    assert main(["check", "--intent", str(path)]) == 0
    assert "Flowspec not judged" in capsys.readouterr().out


def test_windows_that_are_over_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Most likely the year is wrong: nothing is excused by a window that is over."""
    path = tmp_path / "intent.yaml"
    last, to_come = (f"[{y}-12-01T22:00:00Z, {y}-12-01T23:00:00Z]" for y in (2025, 2125))
    move = "service: web, from: a, to: [b], window:"
    path.write_text(
        "version: 1\nsites: {a: {match: [{peer: 10.0.0.1}]}, b: {match: [{peer: 10.0.0.2}]}}\n"
        "services: [{name: web, prefix: 192.0.2.1/32, home: [a]}]\n"
        f"cutovers: [{{name: c, {move} {last}}}, {{name: d, {move} {to_come}}}]\n"
        f"maintenance: [{{site: a, window: {last}, why: x}}]\n"
    )
    assert main(["check", "--intent", str(path)]) == 0
    told = "2 cutovers (1 over), 1 maintenance window (1 over), 0 feeds"
    assert told in capsys.readouterr().out


def test_every_mistake_is_told_in_one_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "intent.yaml"
    path.write_text(TEN)
    assert main(["check", "--intent", str(path)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert [int(line.removeprefix(f"{path}:").partition(":")[0]) for line in lines] == [
        *(4, 7, 11, 12, 17, 20, 21, 22, 25, 28),
    ]


def test_a_file_that_is_not_there_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--intent", "/nowhere/intent.yaml"]) == 1
    expected = "/nowhere/intent.yaml:1: cannot be read: no such file or directory\n"
    assert capsys.readouterr().err == expected


def test_nothing_to_check_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 2
    assert "--intent FILE" in capsys.readouterr().err


def test_other_commands_stop_at_a_wrong_intent(tmp_path: Path) -> None:
    path = tmp_path / "intent.yaml"
    path.write_text("version: 2\nsite: {}\n")
    with pytest.raises(UserError) as caught:
        load_intent_or_fail(path)
    assert str(caught.value) == (
        f"{path} has mistakes:\n"
        f"{path}:1: version: should be 1, not 2\n"
        f"{path}:2: site: unknown key (did you mean 'sites'?)"
    )


WRONG = "version: 1\nservices:\n  - {name: web, prefix: 192.0.2.1, home: [a]}\n"


def test_github_shows_each_mistake_beside_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("50%, a:b.yaml").write_text(WRONG)
    assert main(["check", "--intent", "50%, a:b.yaml", "--format", "github"]) == 1
    out, err = capsys.readouterr()
    place = "::error file=50%25%2C a%3Ab.yaml,line=3,title="
    assert out.splitlines() == [
        f"{place}services[0].home[0]::unknown site 'a'",
        f"{place}services[0].prefix::'192.0.2.1' has no prefix length: write 192.0.2.1/32",
    ]
    assert err == ""


def test_gitlab_gets_a_code_quality_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("intent.yaml").write_text(WRONG)
    assert main(["check", "--intent", "./intent.yaml", "--format", "gitlab"]) == 1
    home, prefix = json.loads(capsys.readouterr().out)
    assert home["description"] == "services[0].home[0]: unknown site 'a'"
    assert home["location"] == {"path": "intent.yaml", "lines": {"begin": 3}}
    assert home["severity"] == "critical"
    assert len({home["fingerprint"], prefix["fingerprint"]}) == 2
    Path("intent.yaml").write_text("\n\n" + WRONG)
    main(["check", "--intent", "intent.yaml", "--format", "gitlab"])
    moved = json.loads(capsys.readouterr().out)[0]
    assert moved["fingerprint"] == home["fingerprint"]
    assert moved["location"]["lines"] == {"begin": 5}


@pytest.mark.parametrize(("kind", "said"), [("github", ""), ("gitlab", "[]\n")])
def test_a_report_without_mistakes_is_one_too(
    kind: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "--intent", str(EXAMPLE), "--format", kind]) == 0
    out, err = capsys.readouterr()
    assert out == said
    assert err.startswith(f"{EXAMPLE}: 3 sites, 1 service")


def test_the_pipelines_of_the_guide_run_what_the_program_takes() -> None:
    text = (ROOT / "docs/how-to/pipeline.md").read_text()
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert all(isinstance(yaml.safe_load(each), dict) for each in blocks)
    commands = re.findall(r"- (?:run: )?anchorwatch (.+)$", "".join(blocks), re.MULTILINE)
    forms = [build_parser().parse_args(each.split(" >")[0].split()).format for each in commands]
    assert forms == ["github", "gitlab"]
