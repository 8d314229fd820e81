"""Nothing but questions: what else is sent to a store that runs does nothing."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.integration.endpoint.conftest import code
from tests.integration.installation import Installation

CANARY = "the canary sings"
ATTACKS = [
    "INSERT INTO schema_version VALUES (999, now())",
    "INSERT INTO schema_version SELECT 999, now()",
    "INSERT INTO FUNCTION file('{folder}/out.csv') SELECT 1",
    "CREATE TABLE x (a Int8) ENGINE = Memory",
    "CREATE TEMPORARY TABLE x (a Int8)",
    "CREATE FUNCTION f AS x -> x",
    "CREATE VIEW v AS SELECT 1",
    "CREATE DICTIONARY d (a UInt64) PRIMARY KEY a SOURCE(FILE(path '{file}' format 'CSV'))",
    "ATTACH TABLE x FROM '{folder}' (a Int8) ENGINE = File(CSV)",
    "DROP TABLE sessions",
    "DETACH TABLE sessions",
    "TRUNCATE TABLE sessions",
    "RENAME TABLE sessions TO s",
    "EXCHANGE TABLES sessions AND routes",
    "ALTER TABLE sessions DELETE WHERE 1",
    "ALTER TABLE sessions FREEZE",
    "DELETE FROM sessions WHERE 1",
    "UPDATE sessions SET kind = 'x' WHERE 1",
    "OPTIMIZE TABLE sessions FINAL",
    "CHECK TABLE sessions",
    "KILL QUERY WHERE 1",
    "KILL MUTATION WHERE 1",
    "SYSTEM FLUSH LOGS",
    "SYSTEM STOP MERGES",
    "SYSTEM SHUTDOWN",
    "SET readonly = 0",
    "SET max_execution_time = 0",
    "USE system",
    "GRANT ALL ON *.* TO default",
    "CREATE USER u",
    "BACKUP TABLE sessions TO File('{folder}/backup')",
    "BEGIN TRANSACTION",
    "SELECT 1 SETTINGS readonly = 0",
    "SELECT 1 SETTINGS max_execution_time = 0",
    "SELECT * FROM (SELECT 1 SETTINGS max_memory_usage = 0)",
    "SELECT * FROM (SELECT 1 SETTINGS max_result_rows = 'x')",
    "SELECT 1 SETTINGS output_format_schema = '{folder}/schema', format_schema = 'x:X'",
    "SELECT 1 SETTINGS allow_introspection_functions = 1",
    "SELECT 1 INTO OUTFILE '{folder}/out.csv'",
    "SELECT 1 INTO OUTFILE '{folder}/out.csv' APPEND FORMAT CSV",
    "(SELECT 1) UNION ALL (SELECT 2) INTO/**/OUTFILE '{folder}/out.csv' TRUNCATE",
    "EXPLAIN AST SELECT 1 INTO OUTFILE '{folder}/out.csv'",
    "SHOW TABLES INTO OUTFILE '{folder}/out.csv'",
    "DESCRIBE sessions INTO OUTFILE '{folder}/out.csv'",
    "SHOW CREATE TABLE sessions INTO outfile '{folder}/out.csv'",
    "SELECT file('{file}')",
    "SELECT `file`('{file}')",
    "SELECT FILE('{file}')",
    "SELECT /* f */ file /* ( */ ('{file}')",
    "WITH x AS (SELECT file('{file}') AS y) SELECT y FROM x",
    "SELECT * APPLY(file) FROM (SELECT '{file}' AS f)",
    "SELECT * APPLY(x -> file(x)) FROM (SELECT '{file}' AS f)",
    "SELECT * REPLACE(file(f) AS f) FROM (SELECT '{file}' AS f)",
    "SELECT arrayMap(file, ['{file}'])",
    "SELECT arrayMap({p:Identifier}, ['{file}'])",
    "SELECT 1 IN file('{file}')",
    "SELECT 1 ORDER BY file('{file}')",
    "SELECT sum(1) OVER (PARTITION BY file('{file}'))",
    "SELECT 1 LIMIT length(file('{file}'))",
    "EXPLAIN SELECT file('{file}')",
    "EXPLAIN SYNTAX SELECT * FROM file('{file}', 'LineAsString')",
    "EXPLAIN INSERT INTO schema_version SELECT 999, now()",
    "SELECT * FROM file('{file}', 'LineAsString')",
    "SELECT * FROM view(SELECT * FROM file('{file}', 'LineAsString'))",
    "SELECT * FROM viewIfPermitted(SELECT 1 AS a ELSE null('a UInt8'))",
    "WITH x AS (SELECT * FROM file('{file}', 'LineAsString')) SELECT * FROM x",
    "SELECT (SELECT * FROM file('{file}', 'LineAsString') LIMIT 1)",
    "SELECT * FROM routes JOIN file('{file}', 'LineAsString') ON 1",
    "SELECT * FROM `{file}`",
    "SELECT * FROM '{file}'",
    "DESCRIBE file('{file}', 'LineAsString')",
    "DESCRIBE TABLE url('{url}', 'LineAsString')",
    "DESCRIBE (SELECT file('{file}'))",
    "SELECT * FROM url('{url}', 'LineAsString')",
    "SELECT * FROM urlCluster('default', '{url}', 'LineAsString')",
    "SELECT * FROM s3('{url}', 'LineAsString')",
    "SELECT * FROM iceberg('{url}')",
    "SELECT * FROM deltaLake('{url}')",
    "SELECT * FROM hdfs('hdfs://127.0.0.1:1/x', 'CSV')",
    "SELECT * FROM remote('127.0.0.1', system.one)",
    "SELECT * FROM cluster('default', system.one)",
    "SELECT * FROM clusterAllReplicas('default', system.one)",
    "SELECT hasColumnInTable('127.0.0.1:1', 'default', '', 'system', 'one', 'dummy')",
    "SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
    "SELECT * FROM postgresql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
    "SELECT * FROM sqlite('{folder}/x.db', 't')",
    "SELECT * FROM jdbc('a', 'b')",
    "SELECT * FROM executable('cat', 'LineAsString', 'a String', (SELECT 1))",
    "SELECT * FROM Python(rows)",
    "SELECT * FROM python('rows')",
    "SELECT * FROM dictionary('d')",
    "SELECT * FROM input('a Int8')",
    "SELECT * FROM eval('SELECT 1')",
    "SELECT * FROM loop(routes)",
    "SELECT 1; DROP TABLE sessions",
    "SELECT 1;\n-- a remark\nINSERT INTO schema_version SELECT 999, now()",
    "SELECT 1 PARALLEL WITH DROP TABLE sessions",
    "/* SELECT 1 */ DROP TABLE sessions",
    "SELECT 1 \0; DROP TABLE sessions",
    "SELECT " + "(" * 5000 + "1" + ")" * 5000,
    "SELECT sleep(3)",
    "SELECT aiGenerate('x', 'y')",
]


@pytest.fixture
def listener() -> Iterator[tuple[str, Callable[[], bool]]]:
    """An address, and whether somebody came there."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)

        def visited() -> bool:
            try:
                server.accept()[0].close()
            except BlockingIOError:
                return False
            return True

        yield f"http://127.0.0.1:{server.getsockname()[1]}/x", visited


def test_nothing_but_questions(
    here: Installation,
    client: httpx.Client,
    tmp_path: Path,
    listener: tuple[str, Callable[[], bool]],
) -> None:
    url, visited = listener
    file = tmp_path / "canary"
    file.write_text(f"{CANARY}\n")
    before = state(client)
    for attack in ATTACKS:
        text = attack.replace("{folder}", str(tmp_path)).replace("{file}", str(file))
        answer = client.post("/?param_p=file", content=text.replace("{url}", url).encode())
        assert answer.status_code in {400, 403, 404, 500, 501}, (attack, answer.text)
        assert CANARY not in answer.text, attack
        assert code(answer) > 0, attack
        assert not visited(), attack
    assert [path.name for path in tmp_path.iterdir()] == ["canary"]
    assert state(client) == before


def state(client: httpx.Client) -> str:
    question = (
        "SELECT (SELECT groupArray((name, metadata_modification_time)) FROM system.tables"
        " WHERE database = 'default'), (SELECT count() FROM system.functions),"
        " (SELECT count() FROM schema_version), (SELECT count() FROM sessions),"
        " (SELECT count() FROM system.mutations), getSetting('readonly'), currentDatabase(),"
        " getSetting('max_execution_time'), getSetting('max_memory_usage')"
    )
    answer = client.post("/", content=question.encode())
    assert answer.status_code == 200, answer.text
    return answer.text
