"""What `anchorwatch.yaml` means, and what is told of it before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from anchorwatch.cli import main
from anchorwatch.settings import Settings, read_settings
from detectors.documents import Mistakes

NEEDED = "intent: intent.yaml\nbmp:\n  routers: [{address: 192.0.2.1}]\n"


def read(folder: Path, text: str) -> Settings:
    path = folder / "anchorwatch.yaml"
    path.write_text(NEEDED + text)
    return read_settings(path)


def mistakes(folder: Path, text: str) -> list[str]:
    with pytest.raises(Mistakes) as caught:
        read(folder, text)
    return [f"{each.line}: {each.where}: {each.message}" for each in caught.value.mistakes]


def test_secrets_of_pagers_start_at_the_folder_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("one\n")
    (tmp_path / "key").write_text("two\n")
    hook = "{url: 'http://192.0.2.9/', token_file: token, signing_key_file: key}"
    (pager,) = read(tmp_path, f"pagers:\n  - webhook: {hook}\n").pagers
    assert pager.webhook is not None
    assert (pager.webhook.token(), pager.webhook.signing_key()) == ("one", "two")


def test_a_secret_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"\xff\xfe")
    (pager,) = read(
        tmp_path, "pagers:\n  - webhook: {url: 'http://192.0.2.9/', token_file: token}\n"
    ).pagers
    with pytest.raises(ValueError, match="token is not UTF-8 text"):
        pager.build()


@pytest.mark.parametrize("section", ["web", "store"])
@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "192.0.2.7"])  # noqa: S104 - all are refused
def test_what_others_may_reach_needs_a_token(tmp_path: Path, section: str, host: str) -> None:
    text = f"{section}:\n  listen: '{host}:8080'\n"
    (told,) = mistakes(tmp_path, text)
    assert told == (
        f"5: {section}.listen: {host.strip('[]')} is not loopback: "
        f"set {section}.token_file, or listen on 127.0.0.1"
    )
    read(tmp_path, text + "  token_file: token\n")


def test_a_store_that_a_server_keeps_is_not_served_by_us(tmp_path: Path) -> None:
    read(tmp_path, "store: {listen: '0.0.0.0:8481', server: {address: 'db1:9000'}}\n")


def test_two_pagers_of_one_name_are_told(tmp_path: Path) -> None:
    hooks = "pagers:\n" + "  - webhook: {url: 'http://192.0.2.9/'}\n" * 2
    assert mistakes(tmp_path, hooks) == [
        "4: pagers: two pagers are named 'webhook': give one of them another name"
    ]


def test_check_tells_of_a_prober_that_the_intent_does_not_know(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "intent.yaml").write_text("version: 1\n")
    path = tmp_path / "anchorwatch.yaml"
    path.write_text(NEEDED + "prober: fra1\n")
    assert main(["check", "-c", str(path)]) == 1
    assert capsys.readouterr().err == (
        f"{path}:4: prober: the intent has no probe from 'fra1': it has no probe at all\n"
    )


@pytest.mark.parametrize(
    ("listen", "router", "version"),
    [("[::]:11019", "192.0.2.0/24", 6), ("192.0.2.9:11019", "2001:db8::1", 4)],
)
def test_a_router_that_can_never_connect_is_told(
    tmp_path: Path, listen: str, router: str, version: int
) -> None:
    path = tmp_path / "anchorwatch.yaml"
    path.write_text(
        f"intent: i.yaml\nbmp:\n  listen: '{listen}'\n  routers:\n    - {{address: '{router}'}}\n"
    )
    with pytest.raises(Mistakes) as caught:
        read_settings(path)
    (mistake,) = caught.value.mistakes
    assert (mistake.line, mistake.where) == (4, "bmp.routers")
    assert mistake.message.startswith(router)
    assert mistake.message.endswith(f"can never connect: {listen} takes IPv{version} alone")
