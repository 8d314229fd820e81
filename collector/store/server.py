"""The store on a ClickHouse server, over its native protocol with clickhouse-driver."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from ipaddress import IPv6Address
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
from clickhouse_driver import Client, defines, errors
from clickhouse_driver.block import RowOrientedBlock
from clickhouse_driver.protocol import ClientPacketTypes

from collector.store.address import ServerAddress
from collector.store.backend import StoreError, StoreUnreachableError
from collector.store.migrations import migrate, pending
from collector.store.native_format import block_ends
from collector.store.parameters import fill
from collector.store.rendering import rendered
from collector.store.revised_native import BLOCK_INFORMATION

log = logging.getLogger(__name__)
# Its warnings are tracebacks of what is raised here as one sentence.
logging.getLogger("clickhouse_driver").setLevel(logging.ERROR)

REVISION = defines.DBMS_MIN_REVISION_WITH_CUSTOM_SERIALIZATION - 1
"""The revision of the protocol that is spoken: from CUSTOM_SERIALIZATION (54454) on, every column
of a block has one octet more than in files, which is what the decoder's blocks are made for."""
MINIMUM = (23, 8)
"""The oldest server that the schema is made for. Before 23.3 what came of an insert that was broken
off could stay, and the whole was taken for known when it was repeated (ClickHouse's PR 46681)."""
PING_TIMEOUT = 5.0
"""Seconds within which a server answers whether it is still there, before each call."""
MAX_BLOCK_ROWS = 1 << 20
"""Blocks of one insert become one block of up to so many rows, whatever their octets."""
BLOCK_HEAD = bytes((ClientPacketTypes.DATA, 0)) + BLOCK_INFORMATION
"""Before each block of an insert: it is data, of no temporary table."""
REQUIRED_PASSWORD, AUTHENTICATION_FAILED = 194, 516
_REFUSED = {
    *(errors.ErrorCodes.UNKNOWN_USER, errors.ErrorCodes.WRONG_PASSWORD),
    *(REQUIRED_PASSWORD, AUTHENTICATION_FAILED),
}


class ServerStore:
    """One connection to the server; each thread opens its own. A lost one is made again by itself.

    A call raises StoreUnreachableError where the server cannot be reached or does not answer. An
    insert may be in then, so the caller repeats it with the same token.
    """

    def __init__(self, address: ServerAddress, *, create: bool = True) -> None:
        """Connect, and make or update the tables unless `create` is False. Raises StoreError."""
        self.address = address
        self._client = _client(address)
        try:
            with self._failures():
                self._client.execute("SELECT 1")
                self.version: tuple[int, ...] = self._client.connection.server_info.version_tuple()
            self._prepare(create)
        except StoreError:
            self.close()
            raise
        if self.is_old:
            log.warning(
                "the ClickHouse server at %s has version %s: older than %s, it cannot tell a "
                "batch that is repeated from a new one",
                *(address.server, _dotted(self.version), _dotted(MINIMUM)),
            )

    @property
    def name(self) -> str:
        """Host, port and database."""
        return str(self.address)

    @property
    def may_forget(self) -> bool:
        """Whether it may know the token of rows that it lost when it was killed.

        Replicated tables note both at once, in Keeper; an old server knows no tokens.
        """
        return self.address.cluster is None and not self.is_old

    @property
    def is_old(self) -> bool:
        """Whether the server is older than what the schema needs."""
        return self.version < MINIMUM

    def _prepare(self, create: bool) -> None:
        known = self.query("EXISTS TABLE schema_version")["result"][0].as_py()
        if not create:
            if not known:
                raise StoreError(f"there is no store at {self.name}")
            return
        if self.is_old and (not known or pending(self)):
            raise StoreError(
                f"the ClickHouse server at {self.address.server} has version "
                f"{_dotted(self.version)}; the store needs {_dotted(MINIMUM)} or newer"
            )
        if self.is_old:
            return
        migrate(self, lambda statement: rendered(statement, self.address))

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """The answer of one statement as columns. Raises StoreError.

        Parameters are written into the statement: at this revision they cannot be sent apart.
        """
        text = fill(sql, parameters) if parameters else sql
        with self._failures():
            try:
                return _as_embedded(self._client.query_arrow(text))
            except (pa.ArrowException, TypeError, ValueError) as error:
                raise StoreError(
                    f"{self.name}: the answer has no Arrow columns: {error}"
                ) from error

    def execute(self, sql: str) -> None:
        """Run a statement that answers nothing. Raises StoreError."""
        with self._failures():
            self._client.execute(sql)

    def insert(self, table: str, rows: pa.Table, token: str) -> None:
        """Add rows as one block, durably: see `Store`."""
        names = ", ".join(rows.column_names)
        columns = [_values(column) for column in rows.columns]
        # With numpy the driver cannot write arrays.
        settings = {"use_numpy": False, "input_format_null_as_default": True}
        with self._failures():
            self._client.execute(
                f"INSERT INTO {table} ({names}) VALUES",
                columns,
                columnar=True,
                settings=self._inserting(token) | settings,
            )

    def insert_native(self, table: str, columns: Sequence[str], path: Path, token: str) -> None:
        """Add the rows of a file of Native blocks: see `Store`. Their octets go as they are."""
        try:
            data = path.read_bytes()
            # Before the first octet goes: an insert that is broken off is not always undone.
            ends = [0, *block_ends(data)]
        except OSError as error:
            raise StoreError(f"cannot read {path}: {error.strerror}") from error
        except ValueError as error:
            raise StoreError(f"{path}: {error}") from error
        sql = f"INSERT INTO {table} ({', '.join(columns)}) FORMAT Native"
        client = self._client
        with self._failures(), client.disconnect_on_error(sql, self._inserting(token)):
            client.connection.send_query(sql)
            client.connection.send_external_tables(None)
            client.receive_sample_block()
            try:
                for start, end in pairwise(ends):
                    client.connection.socket.sendall(BLOCK_HEAD)
                    client.connection.socket.sendall(memoryview(data)[start:end])
                client.connection.send_data(RowOrientedBlock())  # an empty one: that was all
            except OSError:
                # The server says why it hung up, if that still came through.
                with suppress(OSError, EOFError):
                    client.receive_end_of_insert_query()
                raise
            client.receive_end_of_insert_query()

    def close(self) -> None:
        """Hang up."""
        self._client.disconnect()

    def _inserting(self, token: str) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "min_insert_block_size_rows": MAX_BLOCK_ROWS,
            "min_insert_block_size_bytes": 0,
        }
        if not self.is_old:
            # Servers may gather inserts by default; here one insert is one acknowledged block.
            settings |= {"async_insert": 0, "insert_deduplication_token": token}
        return settings

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """What the driver raises, as sentences that name the server and never the password."""
        where = f"the ClickHouse server at {self.address.server}"
        try:
            yield
        except errors.ServerException as error:
            if error.code in _REFUSED:
                said = f"refuses user {self.address.user!r}: wrong user or password"
            elif error.code == errors.ErrorCodes.UNKNOWN_DATABASE:
                said = f"has no database {self.address.database!r}: create it there first"
            else:
                said = f"says: {_first_line(error.message)} (code {error.code})"
            raise StoreError(f"{where} {said}") from error
        except (TimeoutError, errors.SocketTimeoutError) as error:
            raise StoreUnreachableError(f"{where} does not answer in time") from error
        except EOFError as error:
            raise StoreUnreachableError(f"{where} closed the connection") from error
        except errors.NetworkError as error:
            # The driver puts the address behind, and OpenSSL the line of its source.
            cause = str(error.message).removesuffix(f"({self.address.host}:{self.address.port})")
            cause = re.sub(r"\s*\(_ssl\.c:\d+\)", "", cause).strip()
            raise StoreUnreachableError(f"cannot reach {where}: {cause}") from error
        except OSError as error:
            raise StoreUnreachableError(f"{where}: {error.strerror or error}") from error
        except errors.Error as error:
            raise StoreError(f"{where}: {error.message or error}") from error


def _client(address: ServerAddress) -> Client:
    options: dict[str, Any] = {}
    if address.tls is not None:
        files = {
            "ca_certs": address.tls.ca_file,
            "certfile": address.tls.certificate_file,
            "keyfile": address.tls.key_file,
        }
        options = {name: str(path) for name, path in files.items() if path is not None}
        options |= {"secure": True, "server_hostname": address.tls.server_name}
    settings: dict[str, Any] = {"use_numpy": True}  # without it, nanoseconds are lost
    if address.cluster is not None:
        # Inserts are acknowledged by the shards, not by a queue in front of them.
        settings |= {"insert_distributed_sync": 1, "distributed_product_mode": "global"}
    return Client(
        address.host,
        port=address.port,
        database=address.database,
        user=address.user,
        password=address.password,
        client_name="anchorwatch",
        client_revision=REVISION,
        connect_timeout=address.connect_timeout,
        send_receive_timeout=address.timeout,
        sync_request_timeout=min(PING_TIMEOUT, address.timeout),
        settings=settings,
        **options,
    )


def _values(column: pa.ChunkedArray) -> list[Any]:
    """What the driver writes: times as numbers, as it would round them to microseconds."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    values: list[Any] = column.to_pylist()
    return values


def _as_embedded(answer: pa.Table) -> pa.Table:
    """The same types as the embedded store answers with: addresses are octets."""
    for index, field in enumerate(answer.schema):
        kind = (field.metadata or {}).get(b"clickhouse_type", b"")
        column = answer.column(index)
        if kind == b"IPv6":
            octets = [IPv6Address(text).packed for text in column.to_pylist()]
            column = pa.chunked_array([pa.array(octets, pa.binary(16))])
        answer = answer.set_column(index, pa.field(field.name, column.type), column)
    return answer


def _first_line(message: str) -> str:
    text = message.partition("Stack trace:")[0].removeprefix("DB::Exception: ").strip()
    return text.splitlines()[0].rstrip(".") if text else message


def _dotted(version: Sequence[int]) -> str:
    return ".".join(map(str, version))
