"""What may be asked of a store that belongs to somebody else: questions, and nothing but.

The engine itself reads a statement (`parseQueryToJSON`), so there is one grammar and no guessing.
Its setting `readonly` refuses all writes and most ways out of the store; here is what it leaves
open: files written by INTO OUTFILE, functions that read files or call services, DESCRIBE of what
lies outside, KILL QUERY.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from collector.store.backend import Reader, StoreError

QUESTIONS = {
    "SelectWithUnionQuery",
    "SelectIntersectExceptQuery",
    "SelectQuery",
    "ExplainQuery",
    "ShowTablesQuery",
    "ShowColumnsQuery",
    "ShowIndexesQuery",
}
EXPLAINED = {"SelectWithUnionQuery", "SelectIntersectExceptQuery", "SelectQuery"}
NAMED = re.compile(r"(DescribeQuery|Exists\w+|ShowCreate\w+|ShowSetting|ShowFunctions|ShowEngine)")
"""Questions about something by its name, which the engine does not show as JSON."""
NAMED_BEGIN = {"DESCRIBE", "DESC", "EXISTS", "SHOW"}
TABLE_FUNCTIONS = {
    *("generate_series", "generaterandom", "generateseries", "merge", "mergetreeindex"),
    *("mergetreeprojection", "null", "numbers", "numbers_mt", "primes", "values", "view"),
    *("zeros", "zeros_mt"),
}
"""What computes rows from the store itself, or from nothing."""
OUTSIDE = {
    *("file", "hascolumnintable", "reversednsquery", "generateserialid", "catboostevaluate"),
    *(
        "naivebayesngrams",
        "naivebayesclassifier",
        "naivebayesclassifierwithprob",
        "naivebayesclassifierwithallprobs",
    ),
    *("addresstoline", "addresstolinewithinlines", "addresstosymbol", "getclienthttpheader"),
    *("showcertificate", "joinget", "joingetornull", "naivebayesngrams", "sleep", "sleepeachrow"),
    *("aiclassify", "aiembed", "aiextract", "aifilter", "aigenerate", "airedact"),
    *("aisimilarity", "aitranslate"),
}
"""Functions that read files, call services, look into the process, or only pass the time."""
READONLY, SYNTAX_ERROR = 164, 62
NO_JSON = re.compile(r"AST node of type '(\w+)' does not support JSON serialization")
INLINE_DATA = "INSERT with inline data"
IN_SCOPE = re.compile(r"\s*: In scope SELECT parseQueryToJSON\(.*?( \([A-Z_0-9]+\))?\Z", re.DOTALL)


class RefusedError(Exception):
    """A statement that is not taken, with ClickHouse's code for the reason."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"Code: {code}. DB::Exception: {message}")
        self.code = code


@dataclass(slots=True)
class Question:
    """A statement that may be asked."""

    text: str
    tree: dict[str, Any] | None
    """The engine's own reading of it; None for a question about a name."""
    format: str | None = None
    """The statement's own FORMAT."""
    settings: list[tuple[str, str]] = field(default_factory=list)
    """What its SETTINGS clauses ask for, in any order."""


def examine(store: Reader, text: str, parameters: Mapping[str, str] | None = None) -> Question:
    """Read one statement. Raises RefusedError where it is no question, StoreError where no SQL."""
    try:
        rows = store.query("SELECT parseQueryToJSON({text:String}) AS tree", {"text": text})
    except StoreError as error:
        kind = NO_JSON.search(str(error))
        if kind is not None:
            return _named(store, text, kind[1])
        if INLINE_DATA in str(error):
            raise _refused("INSERT is no question") from error
        raise StoreError(IN_SCOPE.sub(r"\1", str(error))) from error
    try:
        tree: dict[str, Any] = json.loads(rows["tree"][0].as_py())
    except (RecursionError, ValueError) as error:
        raise RefusedError(
            SYNTAX_ERROR, "the statement cannot be read: too deep, or not UTF-8"
        ) from (error)
    question = Question(text, tree)
    if tree["type"] not in QUESTIONS:
        raise _refused(f"{tree['type']} is no question")
    if tree["type"] == "ExplainQuery" and tree.get("query", {}).get("type") not in EXPLAINED:
        raise _refused("EXPLAIN is for SELECT here")
    for node in _nodes(tree):
        _check(node, parameters or {})
        for change in node.get("changes", ()) if node.get("type") == "SetQuery" else ():
            question.settings.append((change["name"], _value(change["value"])))
    if tree.get("format_ast"):
        question.format = tree["format_ast"]["name"]
    return question


def into(store: Reader, question: Question, file: str, kind: str) -> str:
    """The question's text with its answer going to a file, in a format. Raises StoreError."""
    tree = dict(question.tree or {})
    tree["out_file"] = {"type": "Literal", "value": {"field_type": "String", "value": file}}
    tree["is_outfile_truncate"] = True
    tree["format_ast"] = {"type": "Identifier", "name": kind}
    text = json.dumps(tree, ensure_ascii=False)
    rows = store.query("SELECT formatQueryFromJSON({tree:String}) AS text", {"tree": text})
    answer: str = rows["text"][0].as_py()
    return answer


def _refused(why: str) -> RefusedError:
    return RefusedError(READONLY, f"{why}: this store is read-only. (READONLY)")


def _check(node: dict[str, Any], parameters: Mapping[str, str]) -> None:
    if node.get("out_file"):
        raise _refused("INTO OUTFILE is not for guests")
    names = [node.get("name"), node.get("func_name")]
    if node.get("type") == "QueryParameter" and node.get("param_type") == "Identifier":
        names.append(parameters.get(str(node["name"])))  # a name that the client fills in
    for name in names:
        if isinstance(name, str) and name.lower() in OUTSIDE:
            raise _refused(f"{name} is not for guests")
    function = node.get("table_function")
    if function and function["name"].lower() not in TABLE_FUNCTIONS:
        raise _refused(f"table function {function['name']} is not for guests")


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every object in it, whatever the field that holds it."""
    waiting = [tree]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            yield each
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each


def _value(value: dict[str, Any]) -> str:
    plain = value["value"]
    return str(int(plain)) if isinstance(plain, bool) else str(plain)


def _named(store: Reader, text: str, kind: str) -> Question:
    """DESCRIBE, EXISTS and SHOW of a name: no parenthesis, so nothing is called."""
    if not NAMED.match(kind):
        raise _refused(f"{kind} is no question")
    rows = store.query(
        "SELECT arrayJoin(tokenizeQuery({text:String})) AS token, token.1 AS begin, token.2 AS end,"
        " token.3::String AS kind",
        {"text": text},
    ).to_pylist()
    octets = text.encode()
    words = [
        (row["kind"], octets[row["begin"] : row["end"]].decode().upper())
        for row in rows
        if row["kind"] not in {"Whitespace", "Comment"}
    ]
    outside = ("BareWord", "OUTFILE") in words
    if words[0][1] not in NAMED_BEGIN or outside or ("OpeningRoundBracket", "(") in words:
        raise _refused(f"{words[0][1]} is for names here")
    question = Question(text, None)
    if ("BareWord", "FORMAT") in words[:-1]:
        place = len(words) - 1 - words[::-1].index(("BareWord", "FORMAT"))
        question.format = words[place + 1][1]
    return question
