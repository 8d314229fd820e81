"""Questions of others to the embedded store, while this process has it open.

Each question gets a session of its own, so nothing is left behind for the next; the engine writes
the answer into a pipe, so that the answer of any size is in memory a piece at a time.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from collector.store.backend import StoreError
from collector.store.embedded import EmbeddedStore
from collector.store.guard import READONLY, RefusedError, examine, into

PIECE = 256 << 10
"""Octets of an answer that are read at a time."""
PIPE_OCTETS = 1 << 20
PATIENCE = 2.0
"""Seconds that a question waits for its turn."""
GRACE = 5.0
"""Seconds past its time that the engine gets to end a question by itself."""
TOO_MANY, UNKNOWN_SETTING = 202, 115
_CODE = re.compile(r"Code: (\d+)\. DB::Exception: ")
_NAME = re.compile(r"\w+")

PASSED = {
    *("date_time_input_format", "extremes", "final", "format_csv_delimiter"),
    *("format_csv_null_representation", "format_tsv_null_representation", "join_use_nulls"),
    *("limit", "max_block_size", "max_bytes_to_read", "max_rows_to_group_by", "max_rows_to_read"),
    *("offset", "prefer_column_name_to_alias", "read_overflow_mode", "result_overflow_mode"),
    *("session_timezone", "transform_null_in"),
}
"""Settings that a client may choose; also all `output_format_*` but one that writes a file."""

ALWAYS = {
    "allow_introspection_functions": "0",
    "allow_ddl": "0",
    # It takes 60 MiB more for an answer, and does not make it faster.
    "output_format_parallel_formatting": "0",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What one question may take, and how many are answered at once."""

    seconds: float = 30.0
    memory: int = 1 << 30
    """Octets."""
    rows: int = 0
    """Rows of an answer; 0 for any number."""
    at_once: int = 2

    @property
    def threads(self) -> int:
        """Half of the processors: the other half is for what comes in."""
        return max(1, (os.cpu_count() or 2) // 2)

    def settings(self) -> dict[str, float]:
        """The limits by the engine's names."""
        return {
            "max_execution_time": self.seconds,
            "max_memory_usage": self.memory,
            "max_threads": self.threads,
            "max_result_rows": self.rows,
        }


@dataclass(slots=True)
class Asked:
    """A question as a client sends it."""

    text: str
    default_format: str = "TabSeparated"
    database: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Values by name, escaped as the HTTP interface wants them."""
    settings: Mapping[str, str] = field(default_factory=dict)


class QuestionError(Exception):
    """A question that failed; the text begins with `Code: N. DB::Exception:`."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class Answer:
    """An answer under way."""

    end: int
    """What to read it from."""
    done: asyncio.Future[None] = field(init=False)
    format: str = ""
    """Known before the first octets."""
    rows_read: int = 0
    """Known after the last ones, as are the next two."""
    bytes_read: int = 0
    rows: int = 0
    elapsed: float = 0.0
    """Seconds."""

    async def pieces(self) -> AsyncIterator[bytes]:
        """The octets, as they come. Raises QuestionError, also after some of them."""
        while data := await _read(self.end):
            yield data
        await self.done


class Desk:
    """Answers questions, some at once, the others in turn."""

    def __init__(self, path: Path, limits: Limits) -> None:
        """Nothing is opened before the first question. `path` is spelt as for the writer."""
        self._path = path
        self._limits = limits
        self._turn = asyncio.Semaphore(limits.at_once)
        self._threads = ThreadPoolExecutor(limits.at_once, thread_name_prefix="store-question")
        self._version: tuple[str, str, str] | None = None

    async def identity(self) -> tuple[str, str, str]:
        """The engine's version, time zone and display name. Raises QuestionError."""
        if self._version is None:
            loop = asyncio.get_running_loop()
            self._version = await loop.run_in_executor(self._threads, self._identify)
        return self._version

    @asynccontextmanager
    async def ask(self, asked: Asked) -> AsyncIterator[Answer]:
        """The answer; leaving the context ends the question. Raises QuestionError."""
        try:
            await asyncio.wait_for(self._turn.acquire(), PATIENCE)
        except TimeoutError:
            raise _failed(
                TOO_MANY,
                f"Too many simultaneous queries. Maximum: {self._limits.at_once}. "
                "(TOO_MANY_SIMULTANEOUS_QUERIES)",
            ) from None
        name = f"guest {uuid.uuid4()}"
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(read_end, False)
        with suppress(OSError):  # the user's share of pipe memory may be used up
            fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, PIPE_OCTETS)
        answer = Answer(read_end)
        work = self._threads.submit(self._answer, asked, answer, name, write_end)
        answer.done = asyncio.wrap_future(work)
        answer.done.add_done_callback(_look)
        try:
            yield answer
        finally:
            try:
                await asyncio.shield(self._end(name, answer))
            finally:
                self._turn.release()

    async def close(self) -> None:
        """Wait for what is under way; nothing may be asked afterwards."""
        await asyncio.to_thread(self._threads.shutdown)

    async def _end(self, name: str, answer: Answer) -> None:
        os.close(answer.end)  # the engine does not wait any more for what was not read
        while not answer.done.done():
            await asyncio.to_thread(self._kill, name)
            await asyncio.wait([answer.done], timeout=0.2)

    # In threads

    def _identify(self) -> tuple[str, str, str]:
        with _session(self._path) as store:
            rows = store.query("SELECT version() AS v, timezone() AS t, displayName() AS d")
        (row,) = rows.to_pylist()
        return row["v"], row["t"], row["d"]

    def _kill(self, name: str) -> None:
        with _session(self._path) as store:
            store.execute(f"KILL QUERY WHERE Settings['log_comment'] = '{name}' ASYNC")

    def _answer(self, asked: Asked, answer: Answer, name: str, write_end: int) -> None:
        try:
            with _session(self._path) as store:
                self._ask(store, asked, answer, (name, write_end))
        except StoreError as error:
            text = str(error)
            code = _CODE.search(text)
            raise QuestionError(int(code[1]) if code else 1002, text) from error
        except RefusedError as error:
            raise QuestionError(error.code, str(error)) from error
        finally:
            os.close(write_end)

    def _allow(self, setting: str, value: str) -> None:
        """Raises RefusedError for what a SETTINGS clause may not ask for, wherever it stands."""
        limit = self._limits.settings().get(setting)
        allowed = setting in PASSED or _is_of_output(setting)
        if limit is not None:
            allowed = _within(value, limit) == value
        if not allowed:
            message = f"Cannot modify '{setting}' setting in readonly mode. (READONLY)"
            raise RefusedError(READONLY, message)

    def _ask(self, store: EmbeddedStore, asked: Asked, answer: Answer, to: tuple[str, int]) -> None:
        name, write_end = to
        if asked.database:
            store.execute(f"USE {_quoted(asked.database, '`')}")
        limits = {key: str(value) for key, value in self._limits.settings().items()}
        store.execute(_set({**limits, "log_comment": name, **ALWAYS}))
        question = examine(store, asked.text, asked.parameters)
        for setting, value in question.settings:
            self._allow(setting, value)
        _choose(store, self._limits, {**asked.settings, **dict(question.settings)})
        answer.format = question.format or asked.default_format
        if question.tree is None:
            result = store.answer(question.text, answer.format, asked.parameters)
            _write(write_end, result.bytes())
        else:
            text = into(store, question, f"/proc/self/fd/{write_end}", answer.format)
            result = store.answer(text, answer.format, asked.parameters)
        answer.rows, answer.elapsed = result.rows_read(), result.elapsed()
        answer.rows_read = result.storage_rows_read()
        answer.bytes_read = result.storage_bytes_read()


def _choose(store: EmbeddedStore, limits: Limits, wanted: Mapping[str, str]) -> None:
    """Set what a client may, within the limits; the engine refuses the rest. Raises StoreError."""
    chosen: dict[str, str] = {}
    others: dict[str, str] = {}
    for name, value in wanted.items():
        if not _NAME.fullmatch(name):
            raise RefusedError(UNKNOWN_SETTING, f"Unknown setting {name!r}. (UNKNOWN_SETTING)")
        if name in PASSED or _is_of_output(name):
            chosen[name] = value
        elif name in limits.settings():
            chosen[name] = _within(value, limits.settings()[name])
        elif name != "readonly" or value not in {"1", "2"}:
            others[name] = value
    if chosen:
        store.execute(_set(chosen))
    store.execute("SET readonly = 1")
    for name, value in others.items():
        store.execute(_set({name: value}))


def _is_of_output(setting: str) -> bool:
    return setting.startswith("output_format_") and setting != "output_format_schema"


def _within(value: str, limit: float) -> str:
    """What the client asks for, where that is less; the engine says what is no number."""
    try:
        number = float(value)
    except ValueError:
        return value
    return value if number > 0 and (number <= limit or not limit) else str(limit)


def _set(settings: Mapping[str, str]) -> str:
    return "SET " + ", ".join(f"{name} = {_quoted(value)}" for name, value in settings.items())


def _quoted(text: str, quote: str = "'") -> str:
    return quote + text.replace("\\", "\\\\").replace(quote, f"\\{quote}") + quote


def _failed(code: int, message: str) -> QuestionError:
    return QuestionError(code, f"Code: {code}. DB::Exception: {message}")


def _write(file: int, data: bytes) -> None:
    view = memoryview(data)
    with suppress(BrokenPipeError):  # the client has gone
        while view:
            view = view[os.write(file, view) :]


async def _read(file: int) -> bytes:
    """Some octets of a pipe that does not block; none at its end."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            return os.read(file, PIECE)
        except BlockingIOError:
            ready = loop.create_future()
            loop.add_reader(file, _wake, ready)
            try:
                await ready
            finally:
                loop.remove_reader(file)


def _look(done: asyncio.Future[None]) -> None:
    """A failure is no news where nobody waits for the answer any more."""
    if not done.cancelled():
        done.exception()


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


@contextmanager
def _session(path: Path) -> Iterator[EmbeddedStore]:
    store = EmbeddedStore(path, create=False)
    try:
        yield store
    finally:
        store.close()
