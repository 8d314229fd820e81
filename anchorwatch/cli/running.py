"""Asks the watch that runs with these settings, over its web interface on this machine."""

from __future__ import annotations

from http.client import HTTPConnection, HTTPException, HTTPResponse
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import msgspec

from anchorwatch.errors import UserError
from anchorwatch.web_settings import load_web_settings, split_listen

SECONDS = 10.0
"""How long the watch may take to answer."""


class UnreachableError(UserError):
    """Nobody answers there just now."""


def ask(path: Path, what: str, *, method: str = "GET", seconds: float = SECONDS) -> dict[str, Any]:
    """What the watch of the settings at `path` answers to `what`, such as `/api/v1/status`.

    Raises UserError where it refuses, and UnreachableError where nobody answers in `seconds`.
    """
    settings = load_web_settings(path)
    host, port = split_listen(settings.listen)
    if ip_address(host).is_unspecified:
        host = "::1" if ":" in host else "127.0.0.1"
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    token = settings.token()
    headers = {"Authorization": f"Bearer {token}".encode()} if token is not None else {}
    if method == "POST":
        headers["Content-Type"] = b"application/json"
    # The watch is on this machine: no proxy is between.
    connection = HTTPConnection(host, port, timeout=seconds)
    try:
        connection.request(method, what, headers=headers)
        answer = connection.getresponse()
        content = answer.read()
    except (OSError, HTTPException) as error:
        raise UnreachableError(
            f"no watch runs with {path}: nobody answers at {url} "
            f"({str(error) or type(error).__name__}); start one with `anchorwatch run`"
        ) from error
    finally:
        connection.close()
    return _read(answer, content, f"what answers at {url} (web.listen of {path})")


def _read(answer: HTTPResponse, content: bytes, place: str) -> dict[str, Any]:
    told = None
    if answer.headers.get_content_type() == "application/json":
        try:
            told = msgspec.json.decode(content)
        except msgspec.DecodeError as error:
            raise UserError(f"{place} is no watch") from error
    if answer.status != 200:
        why = told.get("error") if isinstance(told, dict) else None
        raise UserError(str(why or f"{place} does not tell: HTTP status {answer.status}"))
    if not isinstance(told, dict):
        raise UserError(f"{place} is no watch")
    return told
