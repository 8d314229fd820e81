"""What the engine's reading of a statement is good for: it comes back as it was, and is judged."""

from __future__ import annotations

import re
from pathlib import Path

from collector.store.guard import OUTSIDE, TABLE_FUNCTIONS
from tests.unit.store.children import child

QUESTIONS = [
    "SELECT 1+1, 'a\\'b\\n\\t', [1,2], (1,'x'), map('a',1), INTERVAL 1 DAY, 1::UInt8, -1, NOT 1",
    "SELECT NULL, true, 1e10, 0.1, 0x1F, 18446744073709551615, 'é', 'multi\nline' -- c\n/* x */",
    "SELECT CASE WHEN 1 THEN 2 ELSE 3 END, 1 ? 2 : 3, 1 BETWEEN 1 AND 2, 'a' LIKE 'x%'",
    "SELECT a.1, m['x'] FROM (SELECT (1,2) a, map('x',1) m)",
    "SELECT a, sum(a) OVER (ORDER BY a ROWS 1 PRECEDING) AS s FROM t ORDER BY a LIMIT 3",
    "SELECT a%3 AS k, count() FROM t GROUP BY k WITH TOTALS ORDER BY k LIMIT 1 BY k",
    "SELECT * EXCEPT (s), COLUMNS('a') APPLY(toString) FROM t PREWHERE a<3 WHERE a>=0 LIMIT 1,2",
    "WITH RECURSIVE x AS (SELECT 1 AS n UNION ALL SELECT n+1 FROM x WHERE n<3) SELECT * FROM x",
    "SELECT t1.a FROM t t1 ANY LEFT JOIN (SELECT a FROM t) t2 USING (a) ORDER BY a LIMIT 1",
    "SELECT t.a FROM t ASOF JOIN t AS tt ON t.s=tt.s AND t.a>=tt.a ORDER BY a LIMIT 1",
    "SELECT number AS n FROM numbers(3) ORDER BY n WITH FILL FROM 0 TO 5 STEP 1 INTERPOLATE",
    "SELECT grouping(a), count() FROM t GROUP BY GROUPING SETS ((a),()) ORDER BY 2 DESC LIMIT 1",
    "SELECT 1 INTERSECT SELECT 1 EXCEPT SELECT 2",
    "SELECT 1 UNION ALL (SELECT 1 UNION DISTINCT SELECT 1)",
    "SELECT arrayMap((x,y)->x+y, [1],[2]), arrayFilter(x->x>1,[1,2])",
    "SELECT {number:UInt8} + 1, {column:Identifier} FROM t ORDER BY a LIMIT 1",
    "SELECT toStartOfInterval(toDateTime(a, 'UTC'), INTERVAL 60 second) AS time FROM t GROUP BY 1",
    'SELECT "a" AS `weird name`, s "q`x" FROM t ORDER BY a LIMIT 1',
    "SELECT * FROM view(SELECT 1 AS x) WHERE x IN (SELECT 1) AND EXISTS (SELECT 1)",
    "SELECT argMax(a, (a, s)), countIf(a>1), quantile(0.9)(a), any(a) RESPECT NULLS FROM t",
    "SELECT DISTINCT ON (s) s FROM t ORDER BY s NULLS LAST LIMIT 3",
    "SELECT s FROM t ORDER BY s LIMIT 3 WITH TIES",
    "EXPLAIN indexes = 1 SELECT * FROM t WHERE a=1",
    "SHOW TABLES LIKE 't%'",
    "SHOW COLUMNS FROM t",
]
"""One of each construct that questions are made of."""
HARMLESS = {
    *("aes_decrypt_mysql", "aes_encrypt_mysql", "blockserializedsize", "currentprofiles"),
    *("defaultprofiles", "enabledprofiles", "filesystemavailable", "filesystemcapacity"),
    *("filesystemunreserved", "gettypeserializationstreams"),
}
"""Functions that sound like a way out, and are none."""
WAYS_OUT = r"file|dns|python|exec|catboost|naivebayes|addressto|^ai[a-z]|serial|sleep"


def test_a_question_comes_back_as_it_was(tmp_path: Path) -> None:
    """The engine makes a text of its own reading; that text has the same answer and names."""
    out = child(
        tmp_path,
        """
        from collector.store.guard import examine, into
        from tests.unit.store.test_guard import QUESTIONS
        store = EmbeddedStore(folder)
        store.execute("CREATE TABLE t (a UInt64, s String) ENGINE = MergeTree ORDER BY a")
        store.execute("INSERT INTO t SELECT number, toString(number % 2) FROM numbers(100)")
        file = folder.parent / "answer"
        given = {"number": "1", "column": "a"}
        for text in QUESTIONS:
            question = examine(store, text, given)
            store.answer(into(store, question, str(file), "TSVWithNamesAndTypes"), "CSV", given)
            direct = store.answer(text, "TSVWithNamesAndTypes", given).bytes()
            assert file.read_bytes() == direct, (text, direct)
            assert direct.count(b"\\n") > 2, (text, direct)
        for text, kind in (("SELECT 1 FORMAT JSON", "JSON"), ("EXPLAIN SELECT 1 FORMAT CSV", "CSV"),
                           ("DESCRIBE t FORMAT csv", "CSV"), ("SHOW TABLES", None),
                           ("EXISTS t", None), ("SHOW CREATE t", None)):
            assert examine(store, text).format == kind, text
        text = "SELECT 1 FROM (SELECT 1 SETTINGS limit = 2) SETTINGS extremes = true, offset = 1.5"
        print(sorted(examine(store, text).settings))
        """,
    )
    assert out == "[('extremes', '1'), ('limit', '2'), ('offset', '1.5')]"


def test_the_engines_ways_out_are_all_known(tmp_path: Path) -> None:
    """A newer engine may bring functions that read files or call services: look at each."""
    out = child(
        tmp_path,
        """
        store = EmbeddedStore(folder)
        names = store.query("SELECT DISTINCT lower(name) AS name FROM system.functions")
        tables = store.query(
            "SELECT lower(name) AS name FROM system.table_functions WHERE allow_readonly")
        print(*names["name"].to_pylist())
        print(*tables["name"].to_pylist())
        """,
    )
    functions, tables = (set(line.split()) for line in out.splitlines())
    assert {name for name in functions if re.search(WAYS_OUT, name)} <= OUTSIDE | HARMLESS
    assert {"file", "aigenerate", "sleep", "hascolumnintable"} <= functions & OUTSIDE
    assert TABLE_FUNCTIONS - tables <= {"zeros", "zeros_mt"}
    assert tables - TABLE_FUNCTIONS == {
        *("cluster", "clusterallreplicas", "eval", "fuzzjson", "fuzzquery", "input"),
        *("mergetreeanalyzeindexes", "mergetreeanalyzeindexesuuid", "mergetreecodecblockcounts"),
        *("mergetreetextindex", "sqlstandardvalues", "viewifpermitted"),
    }
