"""What the server store is made of, checked against the embedded engine where it is about SQL."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from collector.store.address import ServerAddress, Tls
from collector.store.backend import StoreError
from collector.store.native_format import block_ends
from collector.store.parameters import fill
from collector.store.rendering import rendered
from tests.conftest import ROOT

COMMON = """
import sys
from pathlib import Path
from collector.store.embedded import EmbeddedStore
folder = Path(sys.argv[1])
"""


def child(folder: Path, code: str, seconds: float = 60) -> str:
    """Run code on a store folder in a process of its own; answer what it prints."""
    command = [sys.executable, "-c", COMMON + textwrap.dedent(code), str(folder / "store")]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# Parameters


def test_parameters_become_literals() -> None:
    sql = "SELECT {a:String}, { b : Int64}, {a:String}"
    assert fill(sql, {"a": "x' OR {c:String} \\"}) == (
        "SELECT CAST('x\\' OR {c:String} \\\\', 'String'), { b : Int64}, "
        "CAST('x\\' OR {c:String} \\\\', 'String')"
    )
    with pytest.raises(KeyError, match="none"):
        fill("SELECT {none:String}", {})


def test_the_engine_reads_parameters_the_same_whichever_way_they_come(tmp_path: Path) -> None:
    out = child(
        tmp_path,
        r"""
        import random
        from collector.store.parameters import fill
        store = EmbeddedStore(folder)
        random.seed(1)
        letters = "'\\{}\"\n\t\r\0 ab:;-#`ü漢%"
        sql = "SELECT {s:String} AS s, {n:Int64} AS n, {a:Array(String)} AS a, {x:IPv6} AS x"
        for length in range(300):
            texts = ["".join(random.choices(letters, k=length % 7)) for _ in range(3)]
            number = random.randint(-2**63, 2**63 - 1)
            given = {"s": texts[0], "n": number, "a": texts[1:], "x": "::ffff:192.0.2.1"}
            (row,) = store.query(fill(sql, given)).to_pylist()
            assert (row["s"], row["n"], row["a"]) == (texts[0], number, texts[1:]), given
            sent = {"s": texts[0], "n": number}
            (other,) = store.query("SELECT {s:String} AS s, {n:Int64} AS n", sent).to_pylist()
            assert other == {"s": row["s"], "n": row["n"]}
        print(row["x"].hex())
        """,
    )
    assert out.strip() == "00000000000000000000ffffc0000201"


# Blocks


def test_blocks_end_where_the_engine_says(tmp_path: Path) -> None:
    """Several blocks of many types, and each of their ends; nothing else is one."""
    out = child(
        tmp_path,
        r"""
        from collector.store.native_format import block_ends
        from collector.store.parameters import quoted
        store = EmbeddedStore(folder)
        types = ("UInt8", "Nullable(UInt32)", "LowCardinality(String)", "Array(String)",
                 "LowCardinality(Nullable(String))", "Array(LowCardinality(String))", "Bool",
                 "Array(Array(UInt16))", "Map(String, UInt8)", "FixedString(3)", "IPv6", "UUID",
                 "Enum8('a' = 1, 'b' = 2)", "Decimal(20, 3)", "Tuple(a UInt8, b String)",
                 "DateTime64(9, 'UTC')", "Nullable(DateTime64(9, 'UTC'))", "Float64", "Date32")
        columns = ", ".join(f"c{n} {kind}" for n, kind in enumerate(types))
        data, ends = b"", []
        for rows in (1, 0, 300, 2):
            made = f"generateRandom({quoted(columns)}, {rows + 1}, 200, 3)"
            sql = f"SELECT * FROM {made} LIMIT {rows}"
            data += store.answer(sql, "Native", {}).bytes()
            if rows:
                ends.append(len(data))
        assert list(block_ends(data)) == ends, (list(block_ends(data)), ends)
        cuts = [*range(0, len(data), 997), len(data)]
        for cut in cuts:
            try:
                found = list(block_ends(data[:cut]))
            except ValueError as error:
                assert cut not in ends and "is cut off" in str(error)
            else:
                assert cut in (0, *ends) and found == [end for end in ends if end <= cut]
        print(len(cuts) > 50)
        """,
    )
    assert out == "True\n"


def test_a_type_of_unknown_length_is_named() -> None:
    block = b"\x01\x01" + b"\x01v" + b"\x07Variant" + b"\0"
    with pytest.raises(ValueError, match="the length of a Variant is not known here"):
        list(block_ends(block))


# Clusters

FLEET = ServerAddress("db1", database="bgp", cluster="fleet-1")
TABLE = """CREATE TABLE IF NOT EXISTS flowspec
(
    received DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    rule String COMMENT 'ENGINE = MergeTree (not this one)'
)
ENGINE = MergeTree
ORDER BY (rule, received)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1"""


def test_a_table_on_a_cluster_is_two() -> None:
    local, spread = rendered(TABLE, FLEET)
    assert local.startswith("CREATE TABLE IF NOT EXISTS flowspec_local ON CLUSTER `fleet-1`\n(\n")
    assert local.endswith(
        ")\nENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/bgp/flowspec', '{replica}')\n"
        "ORDER BY (rule, received)\n"
        "SETTINGS replicated_deduplication_window = 1000, "
        "replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1"
    )
    assert spread == (
        "CREATE TABLE IF NOT EXISTS flowspec ON CLUSTER `fleet-1` AS flowspec_local "
        "ENGINE = Distributed(`fleet-1`, bgp, flowspec_local, cityHash64(rule))"
    )
    replacing = TABLE.replace("= MergeTree\n", "= ReplacingMergeTree(received)\n")
    (local, _) = rendered(replacing, FLEET)
    engine = "\nENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/bgp/flowspec', "
    assert f"{engine}'{{replica}}', received)\n" in local


def test_without_a_cluster_statements_stay_as_they_are() -> None:
    assert list(rendered(TABLE, ServerAddress("db1"))) == [TABLE]


def test_a_statement_that_no_cluster_takes_is_refused() -> None:
    for statement in ("DROP TABLE flowspec", TABLE.replace("flowspec", "unheard_of")):
        with pytest.raises(StoreError, match="this statement cannot be run on a cluster"):
            list(rendered(statement, FLEET))


CONFIG = """
<clickhouse>
  <zookeeper><implementation>testkeeper</implementation></zookeeper>
  <macros><shard>1</shard><replica>a</replica></macros>
  <remote_servers><fleet-1><shard><replica>
    <host>127.0.0.1</host><port>9</port>
  </replica></shard></fleet-1></remote_servers>
</clickhouse>
"""


def test_the_engine_makes_the_tables_of_a_cluster(tmp_path: Path) -> None:
    """All of the schema, with a stand-in for Keeper; `ON CLUSTER` itself is parsed, not run."""
    (tmp_path / "config.xml").write_text(CONFIG)
    out = child(
        tmp_path,
        """
        import os
        from chdb.session import Session
        from collector.store.address import ServerAddress
        from collector.store.migrations import VERSIONS, schema_files, statements
        from collector.store.rendering import SHARDED_BY, rendered
        session = Session(f"{folder}?config-file={folder.parent / 'config.xml'}")
        address = ServerAddress("db1", cluster="fleet-1")
        texts = [each for text in schema_files().values() for each in statements(text)]
        for statement in (VERSIONS, *texts):
            for each in rendered(statement, address):
                session.query(f"EXPLAIN AST {each}")
                assert " ON CLUSTER `fleet-1`" in each
                session.query(each.replace(" ON CLUSTER `fleet-1`", ""))
        sql = "SELECT name, engine FROM system.tables WHERE database = 'default' ORDER BY name"
        found = dict(line.split("\\t") for line in session.query(sql, "TSV").data().splitlines())
        made = {name.removesuffix("_local") for name in found}
        assert found == {f"{name}_local": "ReplicatedMergeTree" for name in made} | dict.fromkeys(
            made, "Distributed")
        print(sorted(set(SHARDED_BY) - made), flush=True)
        os._exit(0)  # the replicas would wait for their Keeper
        """,
    )
    assert out == "[]\n"


# How long rows are kept


def test_old_rows_go_and_the_setting_can_be_taken_back(tmp_path: Path) -> None:
    out = child(
        tmp_path,
        """
        from collector.store.ttl import apply_ttl
        store = EmbeddedStore(folder)
        def add(days, name):
            store.execute("INSERT INTO incidents (time, id) SETTINGS async_insert = 0 "
                          f"SELECT now64(9) - INTERVAL {days} DAY, '{name}'")
        def left():
            store.execute("OPTIMIZE TABLE incidents FINAL")
            return store.query("SELECT id FROM incidents ORDER BY id")["id"].to_pylist()
        def kept():
            sql = ("SELECT name FROM system.tables WHERE database = currentDatabase() "
                   "AND engine_full LIKE '% TTL %' ORDER BY name")
            return store.query(sql)["name"].to_pylist()
        add(40, "old"), add(20, "middle"), add(1, "new")
        month = 30 * 86400
        print(apply_ttl(store, {"incidents": month, "routes": 9 * month}), kept(), left())
        print(apply_ttl(store, {"incidents": month, "routes": 9 * month}), left())
        print(apply_ttl(store, {"incidents": month // 3, "routes": 9 * month}), left())
        print(apply_ttl(store, {"incidents": month // 3}), kept())
        print(apply_ttl(store, {}), kept())
        add(40, "older")
        print(left())
        """,
    )
    assert out.splitlines() == [
        "['routes', 'incidents'] ['incidents', 'routes'] ['middle', 'new']",
        "[] ['middle', 'new']",
        "['incidents'] ['new']",
        "['routes'] ['incidents']",
        "['incidents'] []",
        "['new', 'older']",
    ]


def test_addresses() -> None:
    assert str(ServerAddress("db1", database="bgp")) == "db1:9000/bgp"
    assert str(ServerAddress("2001:db8::1", 9440, tls=Tls())) == "[2001:db8::1]:9440/default"
    assert "secret" not in repr(ServerAddress("db1", password="secret"))  # noqa: S106
