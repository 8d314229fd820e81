"""The web application and its server, on loopback unless a token is asked for."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector, CollectorRegistry
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from anchorwatch.errors import UserError
from anchorwatch.web.access import Access

BACKLOG = 128
SERVES = {"web": "the web pages", "store": "the store"}
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
    collector: Collector,
    health: Callable[[], Health],
    token: str | None = None,
    *,
    more: Sequence[BaseRoute] = (),
) -> Starlette:
    """The web application; with `token`, every request needs it: see `Access`.

    `more` is served too.
    """
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

    return Starlette(
        routes=[
            Route("/metrics", metrics),
            Route("/healthz", healthz),
            *more,
        ],
        middleware=[Middleware(Access, token=token)],
        exception_handlers={HTTPException: _refused},
    )


async def _refused(request: Request, error: Exception) -> Response:
    """What nothing serves: the API says so as it says everything."""
    assert isinstance(error, HTTPException)  # noqa: S101 - it is called for nothing else
    if request.url.path.startswith("/api/"):
        body = {"error": f"{request.url.path}: {error.detail}"}
        return JSONResponse(body, error.status_code, error.headers)
    return PlainTextResponse(f"{error.detail}\n", error.status_code, error.headers)


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the program that it runs in has its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


class WebServer:
    """Serves an application from inside a running event loop."""

    def __init__(
        self,
        app: ASGIApp,
        host: str,
        port: int,
        *,
        has_token: bool,
        section: str = "web",
    ) -> None:
        """Bind to the address; UserError where it cannot be had, or needs a token.

        `section` is the one of the settings that has the address.
        """
        if not ip_address(host).is_loopback and not has_token:
            raise UserError(
                f"{section}.listen {host} is not loopback: "
                f"set {section}.token_file, or listen on 127.0.0.1"
            )
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # With its protocol named, asyncio turns Nagle's algorithm off: a response is two writes.
        self._socket = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((host, port))
            # Bound twice is no error, listened on twice is: find out here, not when serving.
            self._socket.listen(BACKLOG)
        except OSError as error:
            self._socket.close()
            raise UserError(
                f"cannot serve {SERVES[section]} on {host} port {port}: {error.strerror}"
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
        self._task = asyncio.create_task(self._server.serve([self._socket]), name="web server")

    async def close(self) -> None:
        """Stop serving."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
        self._socket.close()
