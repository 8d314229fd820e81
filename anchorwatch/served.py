"""The embedded store, served to others while `anchorwatch run` has it open."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

from anchorwatch.errors import UserError
from anchorwatch.settings import StoreSettings
from anchorwatch.web.app import WebServer
from anchorwatch.web.clickhouse import Counts, Endpoint
from anchorwatch.web_settings import split_listen
from collector.store.asking import Desk, Limits
from collector.store.owner import Owner, write_owner

log = logging.getLogger(__name__)


class ServedStore:
    """The endpoint, its server, and the note in the store's folder that says where it is."""

    def __init__(
        self, folder: Path, settings: StoreSettings, on_seconds: Callable[[float], None]
    ) -> None:
        """Bind to the address; UserError where it cannot be had, or needs a token."""
        host, port = split_listen(settings.listen)
        token = settings.token()
        asked = settings.queries
        limits = Limits(
            seconds=asked.max_seconds,
            memory=asked.max_memory,
            rows=asked.max_rows,
            at_once=asked.at_once,
        )
        self._folder = folder
        self._desk = Desk(folder, limits)
        self._endpoint = Endpoint(
            self._desk, seconds=asked.max_seconds, token=token, on_seconds=on_seconds
        )
        self._server = WebServer(
            self._endpoint,
            host,
            port,
            has_token=token is not None,
            section="store",
        )
        if ip_address(host).is_unspecified:
            host = "::1" if ":" in host else "127.0.0.1"
        self.url = f"http://[{host}]" if ":" in host else f"http://{host}"
        self.url += f":{self._server.port}"
        self._token_file = str(settings.token_file.resolve()) if settings.token_file else None

    @property
    def counts(self) -> Counts:
        """What became of requests."""
        return self._endpoint.counts

    def start(self) -> None:
        """Serve from now on, and say where; UserError where that cannot be written."""
        self._server.start()
        try:
            write_owner(self._folder, Owner(os.getpid(), self.url, self._token_file))
        except OSError as error:
            raise UserError(f"cannot write in {self._folder}: {error.strerror}") from error
        log.info("the store answers questions at %s", self.url)

    async def close(self) -> None:
        """End what is asked, and serve no more."""
        with suppress(OSError):  # a full disk: who comes now finds nobody there
            write_owner(self._folder, Owner(os.getpid()))
        await self._server.close()
        await self._desk.close()
