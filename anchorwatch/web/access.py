"""Who may ask, and what a browser may do with the answer."""

from __future__ import annotations

import hmac
from base64 import b64decode
from binascii import Error as NotBase64Error

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from anchorwatch.web.clickhouse_request import is_loopback

CHALLENGES = ("Bearer", 'Basic realm="anchorwatch", charset="UTF-8"')
FOR_PROGRAMS = {"/metrics", "/healthz"}
"""What is asked under any name of this host."""
HEADERS = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
"""Of every answer that does not say otherwise."""


class Access:
    """Wraps an application: with a token, every request needs it.

    It is the bearer token, or, as browsers can, the password of any user (HTTP Basic).
    """

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app = app
        self._token = token.encode() if token is not None else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(Headers(scope=scope), scope["path"])
        await (refusal or self._app)(scope, receive, guarded)

    def _refusal(self, headers: Headers, path: str) -> PlainTextResponse | None:
        if self._token is None:
            # Only loopback is listened on, but a web page may have a name of its own for that.
            if path in FOR_PROGRAMS or is_loopback(headers.get("host", "")):
                return None
            return PlainTextResponse("the request is for another host\n", 403)
        if any(hmac.compare_digest(each, self._token) for each in _given(headers)):
            return None
        refusal = PlainTextResponse("a bearer token is needed\n", 401)
        for challenge in CHALLENGES:
            refusal.headers.append("WWW-Authenticate", challenge)
        return refusal


def _given(headers: Headers) -> list[bytes]:
    # Headers are read as Latin-1, so this gives the octets that came (a token may be UTF-8).
    scheme, _, rest = headers.get("authorization", "").encode("latin-1").partition(b" ")
    if scheme.lower() == b"bearer":
        return [rest]
    if scheme.lower() != b"basic":
        return []
    try:
        return [b64decode(rest, validate=True).partition(b":")[2]]
    except NotBase64Error:
        return []
