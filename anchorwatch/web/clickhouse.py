"""ClickHouse's HTTP interface to the embedded store, read-only, for curl, Grafana and clients.

What it takes and answers is what a ClickHouse server takes and answers to a question; the reference
says what it leaves out.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import secrets
import time
import uuid
import zlib
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from anchorwatch.web.clickhouse_request import (
    AUTHENTICATION,
    NOT_IMPLEMENTED,
    PASSWORD_NEEDED,
    TOO_LARGE,
    UNKNOWN_COMPRESSION,
    RequestError,
    credentials,
    is_loopback,
    read_request,
)
from collector.store.asking import GRACE, TOO_MANY, Answer, Asked, Desk, QuestionError
from collector.store.guard import READONLY
from collector.store.native_format import UnknownTypeError
from collector.store.revised_native import RevisedNative

log = logging.getLogger(__name__)

HELD_BACK = 1 << 20
"""Octets of an answer that are gathered before its status is told, as ClickHouse does it."""
TIMEOUT, UNKNOWN_TABLE = 159, 60
STATUS = {
    **dict.fromkeys((6, 8, 15, 25, 26, 27, 36, 37, 38, 41, 44, 53, 62, 72, 117, 123), 400),
    **dict.fromkeys((167, 168, 223, 271, 321, 376, 427, 441, 456, 457, 675, 676), 400),
    **dict.fromkeys((46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 152, 336, 511), 404),
    NOT_IMPLEMENTED: 501,
    TIMEOUT: 408,
    TOO_LARGE: 413,
    TOO_MANY: 503,
    PASSWORD_NEEDED: 401,
    AUTHENTICATION: 403,
    READONLY: 403,
    UNKNOWN_COMPRESSION: 415,
}
"""HTTP status for ClickHouse's error codes; 500 for the others."""
CONTENT_TYPES = {
    "tabseparated": "text/tab-separated-values; charset=UTF-8",
    "tsv": "text/tab-separated-values; charset=UTF-8",
    "csv": "text/csv; charset=UTF-8",
    "json": "application/json; charset=UTF-8",
    "xml": "application/xml; charset=UTF-8",
    "pretty": "text/plain; charset=UTF-8",
    "vertical": "text/plain; charset=UTF-8",
    "markdown": "text/markdown; charset=UTF-8",
    "values": "text/plain; charset=UTF-8",
}


@dataclass(slots=True)
class Counts:
    """What became of requests."""

    queries: Counter[str] = field(default_factory=Counter)
    """By result: answered, failed, refused (it was no question), cancelled."""
    rejected: Counter[str] = field(default_factory=Counter)
    """By reason: token, host, busy, request."""


class Endpoint:
    """The ASGI application."""

    def __init__(
        self,
        desk: Desk,
        *,
        seconds: float,
        token: str | None = None,
        on_seconds: Callable[[float], None] = lambda _: None,
    ) -> None:
        """`seconds` is what a question may take; `on_seconds` is told what each did take."""
        self.counts = Counts()
        self._desk = desk
        self._seconds = seconds
        self._token = token
        self._on_seconds = on_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        if request.url.path in {"/ping", "/replicas_status"}:
            await PlainTextResponse("Ok.\n")(scope, receive, send)
            return
        try:
            self._admit(request)
            asked = await read_request(request)
        except RequestError as error:
            self.counts.rejected[error.reason] += 1
            await _fail(error.code, str(error), request)(scope, receive, send)
            return
        if asked is None:
            await PlainTextResponse("Ok.\n")(scope, receive, send)
            return
        await self._question(request, asked, send)

    def _admit(self, request: Request) -> None:
        """Raises RequestError for whom nothing is answered."""
        if request.url.path != "/":
            raise RequestError(
                UNKNOWN_TABLE, f"There is no handle {request.url.path}. Use / or /ping"
            )
        if self._token is None:
            # Only loopback is listened on, but a web page may have a name of its own for that.
            if not is_loopback(request.headers.get("host", "")):
                raise RequestError(AUTHENTICATION, "the request is for another host", "host")
            return
        given = credentials(request)
        if not given:
            raise RequestError(PASSWORD_NEEDED, "a token is needed (REQUIRED_PASSWORD)", "token")
        if not any(hmac.compare_digest(each, self._token.encode()) for each in given):
            message = "this is not the token (AUTHENTICATION_FAILED)"
            raise RequestError(AUTHENTICATION, message, "token")

    async def _question(self, request: Request, asked: Asked, send: Send) -> None:
        begun = time.monotonic()
        reply = _Reply(request, send)
        work = asyncio.create_task(self._reply(asked, reply))
        gone = asyncio.create_task(_gone(request))
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            if not reply.ended:
                work.cancel()
            with suppress(asyncio.CancelledError):
                await work
        result = "cancelled" if work.cancelled() else work.result()
        if result == "busy":
            self.counts.rejected[result] += 1
            return
        self.counts.queries[result] += 1
        self._on_seconds(time.monotonic() - begun)

    async def _reply(self, asked: Asked, reply: _Reply) -> str:
        """Answer a question; say what became of it."""
        try:
            async with asyncio.timeout(self._seconds + GRACE):
                reply.identity = await self._desk.identity()
                async with self._desk.ask(asked) as answer:
                    async for piece in answer.pieces():
                        await reply.write(answer, piece)
                    await reply.end(answer)
        except QuestionError as error:
            await reply.fail(error.code, str(error))
            if error.code == TOO_MANY:
                return "busy"
            return "refused" if error.code == READONLY else "failed"
        except UnknownTypeError as error:
            await reply.fail(NOT_IMPLEMENTED, f"Code: {NOT_IMPLEMENTED}. DB::Exception: {error}")
            return "failed"
        except TimeoutError:
            message = f"the answer took more than {self._seconds} s (TIMEOUT_EXCEEDED)"
            with suppress(TimeoutError):
                async with asyncio.timeout(GRACE):
                    await reply.fail(TIMEOUT, f"Code: {TIMEOUT}. DB::Exception: {message}")
            return "failed"
        return "answered"


class _Reply:
    """One response: what is held back until its status is known, and how it is encoded."""

    def __init__(self, request: Request, send: Send) -> None:
        self.identity = ("", "UTC", "")
        self.ended = False
        """Whether the client has been sent all there is, or will be at once."""
        self._request = request
        self._send = send
        self._held: list[bytes] = []
        self._size = 0
        self._begun = False
        self._revision = int(request.query_params.get("client_protocol_version") or 0)
        self._revised: RevisedNative | None = None
        self._encoding, self._encoder = _encoder(request)
        self._tag = secrets.token_hex(8)

    async def write(self, answer: Answer, piece: bytes) -> None:
        """Some octets of the answer, in the engine's format."""
        if self._revision and self._revised is None and answer.format.lower() == "native":
            self._revised = RevisedNative(self._revision)
        if self._revised is not None or self._encoder is not None:
            piece = await asyncio.to_thread(self._encode, piece)
        await self._pass_on(answer, piece)

    async def end(self, answer: Answer) -> None:
        """There is nothing more."""
        self.ended = True
        rest = self._revised.end() if self._revised is not None else b""
        if self._encoder is not None:
            rest = self._encoder.compress(rest) + self._encoder.flush()
        if self._begun:
            await self._body(rest, more=False)
            return
        summary = {
            "read_rows": str(answer.rows_read),
            "read_bytes": str(answer.bytes_read),
            "written_rows": "0",
            "written_bytes": "0",
            "total_rows_to_read": str(answer.rows_read),
            "result_rows": str(answer.rows),
            "elapsed_ns": str(int(answer.elapsed * 1e9)),
        }
        self._held.append(rest)
        body = b"".join(self._held)
        told = json.dumps(summary, separators=(",", ":"))
        more = {"x-clickhouse-summary": told, "content-length": str(len(body))}
        await self._begin(answer, more)
        await self._body(body, more=False)

    async def fail(self, code: int, message: str) -> None:
        """It cannot be answered, or not to its end."""
        text = f"{message} (version {self.identity[0]})\n"
        if not self._begun:
            self.ended = True
            response = _fail(code, text.rstrip("\n"), self._request)
            await response(self._request.scope, self._request.receive, self._send)
            return
        # The status was told before: ClickHouse ends such an answer with a marked message, and
        # without the last chunk, so that nobody takes it for whole.
        log.info("a question failed amid its answer: %s", message)
        length = len(text.encode())
        note = (
            f"\r\n__exception__\r\n{self._tag}\r\n{text}{length} {self._tag}\r\n__exception__\r\n"
        )
        data = note.encode()
        if self._encoder is not None:
            data = self._encoder.compress(data) + self._encoder.flush()
        await self._body(data, more=True)

    def _encode(self, piece: bytes) -> bytes:
        if self._revised is not None:
            piece = self._revised.feed(piece)
        return self._encoder.compress(piece) if self._encoder is not None else piece

    async def _pass_on(self, answer: Answer, piece: bytes) -> None:
        if self._begun:
            await self._body(piece, more=True)
            return
        self._held.append(piece)
        self._size += len(piece)
        if self._size >= HELD_BACK:
            await self._begin(answer, {})
            await self._body(b"".join(self._held), more=True)
            self._held.clear()

    async def _begin(self, answer: Answer, more: dict[str, str]) -> None:
        self._begun = True
        _, zone, name = self.identity
        parameters = self._request.query_params
        headers = {
            "content-type": _content_type(answer.format),
            "x-clickhouse-server-display-name": name,
            "x-clickhouse-query-id": parameters.get("query_id") or str(uuid.uuid4()),
            "x-clickhouse-format": answer.format,
            "x-clickhouse-timezone": parameters.get("session_timezone") or zone,
            "x-clickhouse-exception-tag": self._tag,
            **more,
        }
        if self._encoding:
            headers["content-encoding"] = self._encoding
        raw = [(key.encode(), value.encode("latin-1", "replace")) for key, value in headers.items()]
        await self._send({"type": "http.response.start", "status": 200, "headers": raw})

    async def _body(self, data: bytes, *, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": more})


def _encoder(request: Request) -> tuple[str, zlib._Compress | None]:
    if request.query_params.get("enable_http_compression", "0") not in {"1", "true"}:
        return "", None
    accepted = request.headers.get("accept-encoding", "")
    level = request.query_params.get("http_zlib_compression_level", "3")
    number = min(9, max(1, int(level))) if level.isdecimal() else 3
    for name, bits in (("gzip", 16 + zlib.MAX_WBITS), ("deflate", zlib.MAX_WBITS)):
        if name in accepted:
            return name, zlib.compressobj(number, zlib.DEFLATED, bits)
    return "", None


def _content_type(kind: str) -> str:
    for begin, value in CONTENT_TYPES.items():
        if kind.lower().startswith(begin):
            return value
    return "application/octet-stream"


def _fail(code: int, message: str, request: Request) -> PlainTextResponse:
    headers = {
        "X-ClickHouse-Exception-Code": str(code),
        "X-ClickHouse-Query-Id": request.query_params.get("query_id", ""),
    }
    if code == PASSWORD_NEEDED:
        headers["WWW-Authenticate"] = 'Basic realm="ClickHouse server HTTP API"'
    return PlainTextResponse(f"{message}\n", STATUS.get(code, 500), headers)


async def _gone(request: Request) -> None:
    """Return once the client has gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
