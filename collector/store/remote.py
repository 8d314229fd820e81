"""A store that another process has: the embedded one of a running anchorwatch, or a server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import pyarrow as pa

from collector.store.backend import StoreError, escaped

FORMAT = "ArrowStream"
TIMEOUT = httpx.Timeout(10.0, read=600.0)
"""Seconds. How long an answer may take is for the other side to say."""


class RemoteStore:
    """Asks over ClickHouse's HTTP interface. Opens nothing before the first question."""

    def __init__(
        self, url: str, *, user: str = "default", password: str = "", database: str = ""
    ) -> None:
        """`url` is such as `http://127.0.0.1:8481`; an endpoint's token is the password."""
        headers = {b"X-ClickHouse-User": user.encode()}
        if password:
            headers[b"X-ClickHouse-Key"] = password.encode()
        self._url = url
        self._settings = {"default_format": FORMAT} | ({"database": database} if database else {})
        self._client = httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT, trust_env=False)

    @property
    def name(self) -> str:
        """The address."""
        return self._url

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """The answer of one statement as columns. Raises StoreError."""
        given = {f"param_{name}": escaped(value) for name, value in (parameters or {}).items()}
        try:
            answer = self._client.post("/", params=self._settings | given, content=sql.encode())
        except httpx.HTTPError as error:
            raise StoreError(f"{self._url} does not answer: {error}") from error
        if not answer.is_success:
            raise StoreError(_sentence(answer))
        kind = answer.headers.get("x-clickhouse-format", FORMAT)
        if kind.lower() != FORMAT.lower():
            raise StoreError(f"{self._url} was asked for {kind}: leave FORMAT out of the statement")
        if not answer.content:
            return pa.table({})
        try:
            return pa.ipc.open_stream(answer.content).read_all()
        except pa.ArrowInvalid as error:
            raise StoreError(f"{self._url} answered no {FORMAT}: {error}") from error

    def close(self) -> None:
        """Give the connection back."""
        self._client.close()


def _sentence(answer: httpx.Response) -> str:
    lines = answer.text.strip().splitlines()
    return lines[0] if lines else f"{answer.url.host} answered {answer.status_code}"
