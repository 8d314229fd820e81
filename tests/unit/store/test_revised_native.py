"""Native blocks of a later revision, made from the engine's and read by another's code."""

from __future__ import annotations

import random
from collections.abc import Iterator
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import pytest
from clickhouse_driver.bufferedreader import BufferedReader
from clickhouse_driver.context import Context
from clickhouse_driver.streams.native import BlockInputStream

from collector.store.native_format import UnknownTypeError
from collector.store.revised_native import RevisedNative
from tests.unit.store.children import child

CUSTOM = 54_454
COLUMNS = [
    "number", "toUInt8(number)", "toInt16(-number)", "toInt128(number)", "toUInt256(number)",
    "toFloat32(number)", "toFloat64(number)", "number % 2 = 0", "CAST(number % 2 AS Bool)",
    "toString(number)", "repeat('x', number)", "toFixedString('abc', 5)", "'é'",
    "toDate(number)", "toDate32(number)", "toDateTime(number, 'UTC')",
    "toDateTime64(number, 9, 'UTC')", "toUUID('00000000-0000-0000-0000-000000000001')",
    "toIPv4('1.2.3.4')", "toIPv6('2001:db8::1')", "toDecimal32(number, 2)",
    "toDecimal64(number, 2)", "toDecimal128(number, 2)",
    "CAST(number % 2, 'Enum8(\\'a,(b\\' = 0, \\'b LowCardinality(\\' = 1)')",
    "CAST(number % 2, 'Enum16(\\'a\\' = 0, \\'b\\' = 1, \\'c\\' = 1000)')", "toIntervalDay(number)",
    "nullIf(number, 3)", "nullIf(toString(number), '3')", "range(number % 5)",
    "arrayMap(x -> range(x), range(number % 4))",
    "arrayMap(x -> nullIf(toString(x), '1'), range(number % 4))",
    "toLowCardinality(toString(number % 7))", "toLowCardinality(nullIf(toString(number % 7), '3'))",
    "arrayMap(x -> toLowCardinality(toString(x)), range(number % 4))",
    "CAST((number, toString(number)), 'Tuple(a UInt64, `b c` String)')",
    "(number, (toString(number), [number]))", "map('a', number)",
    "map(toLowCardinality('k'), [toLowCardinality('v')])", "[]", "NULL", "emptyArrayString()",
]  # fmt: skip


def blocks(data: bytes, revision: int) -> Iterator[Any]:
    """What clickhouse-driver reads of them."""
    context = Context()
    context.settings = {}
    context.client_settings = {
        "strings_as_bytes": False,
        "strings_encoding": "utf-8",
        "use_numpy": False,
        "opentelemetry_traceparent": None,
        "input_format_null_as_default": False,
        "namedtuple_as_json": False,
        "server_side_params": False,
    }
    context.server_info = SimpleNamespace(
        used_revision=revision, timezone="UTC", get_timezone=lambda: "UTC"
    )
    buffer = _Buffer(BytesIO(data))
    stream = BlockInputStream(buffer, context)
    while not buffer.done():
        yield stream.read()


class _Buffer(BufferedReader):  # type: ignore[misc] # it ships no types
    def __init__(self, source: BytesIO) -> None:
        self.source = source
        super().__init__(65_536)

    def read_into_buffer(self) -> None:
        self.current_buffer_size = self.source.readinto(self.buffer)
        if not self.current_buffer_size:
            raise EOFError

    def done(self) -> bool:
        if self.position < self.current_buffer_size:
            return False
        return self.source.tell() == len(self.source.getbuffer())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, str]:
    """The engine's own block of every type, 3 blocks of it, and the values as text."""
    folder = tmp_path_factory.mktemp("native")
    child(
        folder,
        """
        from tests.unit.store.test_revised_native import COLUMNS
        store = EmbeddedStore(folder)
        names = [f"{text} AS c{place}" for place, text in enumerate(COLUMNS)]
        question = "SELECT " + ", ".join(names) + " FROM numbers(120) SETTINGS max_block_size = 50"
        (folder.parent / "native").write_bytes(store.answer(question, "Native", {}).bytes())
        (folder.parent / "tsv").write_bytes(store.answer(question, "TSVRaw", {}).bytes())
        """,
    )
    return (folder / "native").read_bytes(), (folder / "tsv").read_text()


@pytest.mark.parametrize("revision", [51_903, CUSTOM - 1, CUSTOM, 54_483])
def test_every_type_is_read_by_others(made: tuple[bytes, str], revision: int) -> None:
    native, text = made
    revised = RevisedNative(revision)
    got = revised.feed(native) + revised.end()
    read = list(blocks(got, revision))
    rows = [row for block in read for row in block.get_rows()]
    assert len(read) == 3
    assert len(rows) == 120
    assert len(rows[0]) == len(COLUMNS)
    lines = [line.split("\t") for line in text.splitlines()]
    for place in (0, 9, 10, 17, 18, 19):  # those that both write alike
        assert [str(row[place]) for row in rows] == [line[place] for line in lines]
    plain = [row for block in blocks(native, 0) for row in block.get_rows()]
    assert rows == plain


def test_blocks_come_in_any_pieces(made: tuple[bytes, str]) -> None:
    native, _ = made
    whole = RevisedNative(CUSTOM)
    expected = whole.feed(native) + whole.end()
    for seed in range(20):
        chance = random.Random(seed)
        revised, got, at = RevisedNative(CUSTOM), b"", 0
        while at < len(native):
            size = chance.randrange(1, len(native) // (1 + seed))
            got += revised.feed(native[at : at + size])
            at += size
        assert got + revised.end() == expected


def test_a_stream_that_breaks_off_ends_with_a_whole_block(made: tuple[bytes, str]) -> None:
    native, _ = made
    for cut in range(0, len(native), 997):
        revised = RevisedNative(CUSTOM)
        got = revised.feed(native[:cut]) + revised.end()
        assert sum(block.num_rows for block in blocks(got, CUSTOM)) in {0, 50, 100, 120}


def test_a_type_of_unknown_length_is_told() -> None:
    block = b"\x01\x01\x01a\x07Dynamic" + bytes(20)
    with pytest.raises(UnknownTypeError, match="the length of a Dynamic is not known"):
        RevisedNative(CUSTOM).feed(block)
