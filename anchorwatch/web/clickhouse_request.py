"""A request as ClickHouse's clients send it, read as a question and the one who asks it."""

from __future__ import annotations

import base64
import binascii
import zlib
from contextlib import suppress
from ipaddress import ip_address

from starlette.requests import Request

from collector.store.asking import Asked

MAX_BODY = 1 << 20
"""Octets of a statement, compressed or not."""
BAD_ARGUMENTS, NOT_IMPLEMENTED, SYNTAX_ERROR, UNKNOWN_COMPRESSION = 36, 48, 62, 89
PASSWORD_NEEDED, TOO_LARGE, CANNOT_DECOMPRESS, AUTHENTICATION = 194, 229, 271, 516
TRANSPORT = {
    *("add_http_cors_header", "buffer_size", "cancel_http_readonly_queries_on_client_close"),
    *("client_protocol_version", "close_session", "compress", "database", "decompress"),
    *("default_format", "enable_http_compression", "http_headers_progress_interval_ms"),
    *("http_zlib_compression_level", "network_compression_method", "password", "query"),
    *("query_id", "quota_key", "role", "send_progress_in_http_headers", "session_check"),
    *("session_id", "session_timeout", "stacktrace", "user", "wait_end_of_query"),
}
"""Parameters of a request that are no settings of the question. Sessions hold nothing here."""


class RequestError(Exception):
    """A request that is turned away before it is a question: code, and why."""

    def __init__(self, code: int, message: str, reason: str = "request") -> None:
        super().__init__(f"Code: {code}. DB::Exception: {message}")
        self.code = code
        self.reason = reason


async def read_request(request: Request) -> Asked | None:
    """What a request asks; None where nothing. Raises RequestError."""
    if request.method not in {"GET", "POST"}:
        raise RequestError(NOT_IMPLEMENTED, f"method {request.method} is not served")
    given = request.query_params
    for name in ("compress", "decompress"):
        if given.get(name, "0") not in {"0", "false", ""}:
            message = f"{name}=1 is not served: use enable_http_compression=1, or Content-Encoding"
            raise RequestError(NOT_IMPLEMENTED, message)
    if not (given.get("client_protocol_version") or "0").isdecimal():
        raise RequestError(BAD_ARGUMENTS, "client_protocol_version is no number")
    if request.headers.get("content-type", "").startswith("multipart/"):
        raise RequestError(NOT_IMPLEMENTED, "forms and external tables are not served")
    body = await _body(request)
    text = "\n".join(filter(None, (given.get("query", ""), body)))
    if not text.strip():
        if request.method == "GET" and "query" not in given:
            return None
        raise RequestError(SYNTAX_ERROR, "Empty query. (SYNTAX_ERROR)")
    headers = request.headers
    return Asked(
        text,
        default_format=given.get("default_format")
        or headers.get("x-clickhouse-format")
        or "TabSeparated",
        database=given.get("database") or headers.get("x-clickhouse-database") or "",
        parameters={n[6:]: v for n, v in given.items() if n.startswith("param_")},
        settings={
            n: v for n, v in given.items() if n not in TRANSPORT and not n.startswith("param_")
        },
    )


async def _body(request: Request) -> str:
    data = b""
    async for piece in request.stream():
        data += piece
        if len(data) > MAX_BODY:
            raise RequestError(TOO_LARGE, f"a statement has at most {MAX_BODY} octets")
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding in {"gzip", "deflate"}:
        decoder = zlib.decompressobj(zlib.MAX_WBITS | 32)  # either, by its first octets
        try:
            data = decoder.decompress(data, MAX_BODY)
        except zlib.error as error:
            raise RequestError(CANNOT_DECOMPRESS, f"the body is no {encoding}: {error}") from error
        if decoder.unconsumed_tail:
            raise RequestError(TOO_LARGE, f"a statement has at most {MAX_BODY} octets")
    elif encoding not in {"identity", ""}:
        raise RequestError(UNKNOWN_COMPRESSION, f"Content-Encoding {encoding} is not served")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise RequestError(SYNTAX_ERROR, f"the statement is not UTF-8: {error}") from error


def credentials(request: Request) -> list[bytes]:
    """Everything in a request that may be the token. Headers are read as Latin-1."""
    headers = request.headers
    given = [headers.get("x-clickhouse-key", "").encode("latin-1")]
    given.append(request.query_params.get("password", "").encode())
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        given.append(value.encode("latin-1"))
    elif scheme.lower() == "basic":
        with suppress(binascii.Error, UnicodeEncodeError):
            given.append(base64.b64decode(value.encode("latin-1")).partition(b":")[2])
    return [each for each in given if each]


def is_loopback(host: str) -> bool:
    """Whether a Host header names this machine to itself."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
    with suppress(ValueError):
        return ip_address(name.strip("[]")).is_loopback
    return name.lower() == "localhost"
