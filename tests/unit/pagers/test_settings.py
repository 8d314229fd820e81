"""What a webhook and Alertmanager are sent because of their settings."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from pathlib import Path

import httpx
import pytest

from detectors.pagers.base import Pager
from detectors.pagers.factory import PagerSettings, build_pagers
from tests.unit.pagers.test_outbox import incident


def sent_by(setting: dict[str, object]) -> httpx.Request:
    """What the pager of this setting sends."""
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(204)

    async def run(pager: Pager) -> None:
        client: httpx.AsyncClient = pager._client  # type: ignore[attr-defined]
        client._transport = httpx.MockTransport(answer)
        await pager.send(incident("a"))
        await pager.close()

    (pager,) = build_pagers([PagerSettings.model_validate(setting)])
    asyncio.run(run(pager))
    (request,) = requests
    return request


def test_a_signature_is_of_the_very_octets(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("k3y\nnot this\n")
    setting = {"url": "http://h/page", "signing_key_file": str(key)}
    request = sent_by({"webhook": setting})
    expected = hmac.new(b"k3y", request.content, hashlib.sha256).hexdigest()
    assert request.headers["X-Anchorwatch-Signature"] == f"sha256={expected}"
    assert json.loads(request.content) == incident("a").to_dict()


def test_without_a_key_nothing_is_signed() -> None:
    request = sent_by({"webhook": {"url": "http://h/page"}})
    assert "X-Anchorwatch-Signature" not in request.headers
    assert "Authorization" not in request.headers


def test_a_signature_and_a_token_go_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("k3y")
    monkeypatch.setenv("AW_TEST_TOKEN", "secret")
    setting = {
        "url": "http://h/page",
        "signing_key_file": str(tmp_path / "key"),
        "token_env": "AW_TEST_TOKEN",
    }
    request = sent_by({"webhook": setting})
    assert request.headers["Authorization"] == "Bearer secret"
    assert "X-Anchorwatch-Signature" in request.headers


def test_a_key_that_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text(" \n")
    setting = {"url": "http://h", "signing_key_file": str(tmp_path / "empty")}
    with pytest.raises(ValueError, match="empty holds no key"):
        build_pagers([PagerSettings.model_validate({"webhook": setting})])
    setting["signing_key_file"] = str(tmp_path / "none")
    with pytest.raises(FileNotFoundError):
        build_pagers([PagerSettings.model_validate({"webhook": setting})])


@pytest.mark.parametrize("link", ["http://board.example.net/", None])
def test_alerts_lead_to_where_the_settings_say(link: str | None) -> None:
    setting = {"url": "http://h:9093", "generator_url": link}
    (alert,) = json.loads(sent_by({"alertmanager": setting}).content)
    assert alert.get("generatorURL") == link
