"""`/metrics` and `/healthz`, on loopback unless a token is asked for."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import socket
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector, CollectorRegistry
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from anchorwatch.errors import UserError

BACKLOG = 128
GRACE = 2
"""Seconds for answers that are under way when the server stops."""


@dataclass(frozen=True, slots=True)
class Health:
    """How the watch itself is."""

    problems: list[str] = field(default_factory=list)
    """One sentence for each thing that is wrong; empty when all is well."""
    feeds: dict[str, str] = field(default_factory=dict)
    """Router -> `complete`, `dumping` or `down`."""
    open_incidents: int = 0


def create_app(
    collector: Collector, health: Callable[[], Health], token: str | None = None
) -> Starlette:
    """The web application; with `token`, every request needs it as a bearer token."""
    registry = CollectorRegistry()
    registry.register(collector)

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    async def healthz(_: Request) -> Response:
        now = health()
        body = {
            "status": "failing" if now.problems else "ok",
            "problems": now.problems,
            "feeds": now.feeds,
            "open_incidents": now.open_incidents,
        }
        return JSONResponse(body, status_code=503 if now.problems else 200)

    async def authorise(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        # Headers are read as Latin-1, so this gives the octets that came (a token may be UTF-8).
        given = request.headers.get("authorization", "").encode("latin-1")
        if token is not None and not hmac.compare_digest(given, f"Bearer {token}".encode()):
            return PlainTextResponse(
                "a bearer token is needed\n", 401, headers={"WWW-Authenticate": "Bearer"}
            )
        return await call_next(request)

    return Starlette(
        routes=[Route("/metrics", metrics), Route("/healthz", healthz)],
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=authorise)],
    )


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the program that it runs in has its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


class WebServer:
    """Serves an application from inside a running event loop."""

    def __init__(self, app: Starlette, host: str, port: int, *, has_token: bool) -> None:
        """Bind to the address; UserError where it cannot be had, or needs a token."""
        if not ip_address(host).is_loopback and not has_token:
            raise UserError(
                f"web.listen {host} is not loopback: set web.token_file, or listen on 127.0.0.1"
            )
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((host, port))
            # Bound twice is no error, listened on twice is: find out here, not when serving.
            self._socket.listen(BACKLOG)
        except OSError as error:
            self._socket.close()
            raise UserError(
                f"cannot serve the web pages on {host} port {port}: {error.strerror}"
            ) from error
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=GRACE,  # a client that does not read must not hold a stop up
        )
        self._server = _Server(config)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Serve from now on."""
        self._task = asyncio.create_task(self._server.serve([self._socket]), name="web")

    async def close(self) -> None:
        """Stop serving."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
        self._socket.close()
