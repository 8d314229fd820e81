"""`anchorwatch.yaml`: how this installation runs. What should be true is in the intent instead."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ByteSize,
    ConfigDict,
    Field,
    PlainValidator,
    model_validator,
)

from anchorwatch.errors import UserError
from anchorwatch.gobgp_settings import GobgpSettings
from anchorwatch.heartbeat import HeartbeatSettings
from anchorwatch.server_settings import ServerSettings, TtlSettings
from anchorwatch.web_settings import Listen, Served, WebSettings, split_listen
from collector.inputs.bgpstream import Request
from collector.inputs.bmp import Allowed
from collector.quirks import Profile
from collector.store.address import ServerAddress
from collector.store.spool import MAX_OCTETS
from detectors.documents import AtKey, Mistakes, load_document
from detectors.intent.values import Name, parse_time
from detectors.pagers.factory import PagerSettings, told_apart


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RouterSettings(_Section):
    """A router, or a network of routers, that may send BMP."""

    address: Annotated[str, AfterValidator(lambda text: str(Allowed.of(text).network))]
    """Address (`192.0.2.1`) or network (`192.0.2.0/24`) that sessions come from."""
    name: str | None = None
    """What to call it; otherwise its sysName, or its address until it has said that."""
    sender: Profile | None = None
    """Whose software it runs, where it does not say so itself: its quirks are known then."""


class BmpSettings(_Section):
    """Where routers connect, and which may."""

    listen: Listen = "127.0.0.1:11019"
    """Address and port; the default serves routers on this machine alone."""
    routers: tuple[RouterSettings, ...] = Field(min_length=1)
    """Sessions from any other address are refused and counted."""

    @model_validator(mode="after")
    def _may_connect(self) -> Self:
        version = ip_address(split_listen(self.listen)[0]).version
        for router in self.routers:
            if ip_network(router.address).version != version:
                why = f"{self.listen} takes IPv{version} alone"
                raise AtKey("routers", f"{router.address} can never connect: {why}")
        return self


Time = Annotated[int, PlainValidator(parse_time)]
"""Nanoseconds since 1970 UTC, from RFC 3339 text."""


class BgpStreamSettings(_Section):
    """Public vantage points, read with BGPStream."""

    projects: tuple[Name, ...] = Field(default=("ris-live",), min_length=1)
    """Live: `ris-live`, `routeviews-stream`. Archives: `ris`, `routeviews`."""
    collectors: tuple[Name, ...] = ()
    """Such as `rrc00`; none given means all of the projects."""
    from_: Time | None = Field(default=None, alias="from")
    """Where to begin in an archive; absent means now."""
    until: Time | None = None
    """Where to end; absent means never."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.until is not None and (self.from_ is None or self.until <= self.from_):
            raise ValueError("until needs a from that is before it")
        return self

    def request(self, prefixes: Iterable[str]) -> Request:
        """What to read of these prefixes."""
        begin, until = (t and t // 1_000_000_000 for t in (self.from_, self.until))
        return Request(
            prefixes=tuple(prefixes),
            projects=self.projects,
            collectors=self.collectors,
            begin=begin,
            until=until,
        )


class SpoolSettings(_Section):
    """What was received and is not yet in the store, on disk."""

    folder: Path | None = None
    """Where it lies; otherwise `spool` in the state folder."""
    max_size: ByteSize = Field(default=ByteSize(MAX_OCTETS), ge=1 << 20)
    """From this size on (`4GiB`) nothing more is read, until the store takes rows again."""

    def beside(self, here: Path) -> SpoolSettings:
        """The same, with a path that starts at the folder `here`."""
        return self.model_copy(update={"folder": self.folder and here / self.folder})


class QuerySettings(_Section):
    """What a question of others to the embedded store may take."""

    max_seconds: float = Field(default=30.0, gt=0)
    """Then it is ended."""
    max_memory: ByteSize = Field(default=ByteSize(1 << 30), ge=1 << 20)
    """What the engine may use for one question (`1GiB`); it goes to the disk before that."""
    max_rows: int = Field(default=0, ge=0)
    """Rows of one answer; 0 for any number."""
    at_once: int = Field(default=2, ge=1, le=64)
    """Questions that are answered at once; a further one waits, for two seconds at most."""


class StoreSettings(Served):
    """Where the rows are kept and how long; how an embedded store is served to others."""

    section: ClassVar[str] = "store"

    server: ServerSettings | None = None
    """Without it the store is embedded, in the folder `state`."""
    ttl: TtlSettings = TtlSettings()

    listen: Listen = "127.0.0.1:8481"
    """ClickHouse's HTTP interface, read-only. Anything but loopback needs `token_file`."""
    queries: QuerySettings = QuerySettings()

    @property
    def is_served(self) -> bool:
        """A server answers for itself."""
        return self.server is None

    def beside(self, folder: Path) -> Self:
        """The same with paths that start there, where they are relative."""
        server = self.server.beside(folder) if self.server is not None else None
        return super().beside(folder).model_copy(update={"server": server})


def _of_different_names(controllers: tuple[GobgpSettings, ...]) -> tuple[GobgpSettings, ...]:
    names = [each.name for each in controllers]
    if len(set(names)) < len(names):
        raise ValueError("two controllers have the same name")
    return controllers


class Settings(_Section):
    """The whole file. Relative paths start at the file's own folder."""

    intent: Path
    """What should be true: see the intent reference."""
    state: Path = Path("anchorwatch-data")
    """Folder for the embedded store, the open incidents, the pages still to be sent, what feeds
    showed last, how far cutovers have come, and what detectors are still waiting to see."""
    bmp: BmpSettings
    bgpstream: BgpStreamSettings | None = None
    """What the world sees of the watched prefixes; absent means nobody is asked."""
    gobgp: Annotated[tuple[GobgpSettings, ...], AfterValidator(_of_different_names)] = ()
    """Controllers that are watched over gRPC."""
    prober: Name | None = None
    """What this watch is called in `probe` of the intent, a site's name or a prober's: those probes
    run here."""
    web: WebSettings = WebSettings()
    spool: SpoolSettings = SpoolSettings()
    store: StoreSettings = StoreSettings()
    pagers: Annotated[tuple[PagerSettings, ...], AfterValidator(told_apart)] = ()
    """Who is told. Without any, incidents are logged and stored only."""
    heartbeat: HeartbeatSettings | None = None
    """Who is told again and again that all is well with the watch, and alarms when that ends."""

    @property
    def spool_folder(self) -> Path:
        """The folder of what is not yet in the store."""
        return self.spool.folder or self.state / "spool"

    @property
    def store_folder(self) -> Path:
        """The folder of the embedded ClickHouse store."""
        return self.state / "store"

    def store_place(self) -> Path | ServerAddress:
        """The folder of the embedded store, or the server; its password is read now.

        Raises UserError.
        """
        server = self.store.server
        return self.store_folder if server is None else server.server()

    @property
    def held(self) -> Path:
        """The file of what feeds showed last."""
        return self.state / "held.sqlite"

    @property
    def cutovers(self) -> Path:
        """The file of how far cutovers have come."""
        return self.state / "cutovers.json"

    @property
    def unfinished(self) -> Path:
        """The file of what rules have begun to judge and not told yet."""
        return self.state / "unfinished.json"

    @property
    def tracks(self) -> Path:
        """The file of what was seen of cutovers."""
        return self.state / "cutover-tracks.json"

    @property
    def outbox(self) -> Path:
        """The file of open incidents and pages still to be sent."""
        return self.state / "outbox.sqlite"


def load_settings(path: Path) -> Settings:
    """The settings, for a command that needs them right; UserError tells every mistake."""
    try:
        return read_settings(path)
    except Mistakes as mistakes:
        raise UserError(f"{path} cannot be used:\n{mistakes}") from mistakes


def read_settings(path: Path) -> Settings:
    """Read and check the file. Raises Mistakes, with all of them."""
    settings = load_document(path, Settings)
    here = path.parent
    return settings.model_copy(
        update={
            "intent": here / settings.intent,
            "state": here / settings.state,
            "gobgp": tuple(each.beside(here) for each in settings.gobgp),
            "web": settings.web.beside(here),
            "store": settings.store.beside(here),
            "spool": settings.spool.beside(here),
            "pagers": tuple(each.beside(here) for each in settings.pagers),
            "heartbeat": settings.heartbeat and settings.heartbeat.beside(here),
        }
    )
