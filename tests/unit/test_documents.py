from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from detectors.documents import MAX_BYTES, Mistakes, load_document, parse_document


class Anything(BaseModel):
    """A model that takes what it gets."""

    a: object = None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f:1: is empty"),
        ("# nothing\n", "f:1: is empty"),
        ("\n- a\n", "f:2: must be a mapping (key: value) at the top"),
        ("a: [1\nb: 2", "f:2: expected ',' or ']', but got ':'"),
        ("a: 1\nb: \x07", "f:2: special characters are not allowed"),
        ("a: &x [*x]", "f:1: is nested deeper than 32 levels"),
        ("a: " + "[" * 5000, "f:1: is nested deeper than 32 levels"),
        (
            "a: !!python/object:os.system x",
            "f:1: a: the tag tag:yaml.org,2002:python/object:os.system is not allowed",
        ),
        ("a: 1\na: 2", "f:2: a: is given twice (first on line 1)"),
        ("? [a]\n: 1", "f:1: ?: a key must be one word"),
        ("a: 1\n---\na: 2", "f:2: but found another document"),
        ("a: *x", "f:1: found undefined alias 'x'"),
        ("x" * (MAX_BYTES + 1), f"f:1: is larger than {MAX_BYTES} bytes"),
    ],
)
def test_what_is_no_document_is_a_mistake(text: str, message: str) -> None:
    with pytest.raises(Mistakes) as caught:
        parse_document(text, "f", Anything)
    assert str(caught.value) == message


def test_an_alias_bomb_is_defused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    with pytest.raises(Mistakes, match="has more than 100000 values"):
        parse_document("\n".join(lines), "f", Anything)


def test_values_are_those_of_yaml_1_2() -> None:
    class Values(BaseModel):
        values: list[object]

    text = "values: [65000:50, no, on, 22:00, 0777, 0x10, 1.5, true, ~, 2026-12-01, '7', 1_000]"
    assert parse_document(text, "f", Values).values == [
        *("65000:50", "no", "on", "22:00", 777, 16, 1.5, True, None, "2026-12-01", "7", "1_000"),
    ]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"a: 1\nb: \xe4\n")
    for path, message in (
        ("absent", ":1: cannot be read: no such file or directory"),
        (".", ":1: cannot be read: is a directory"),
        ("latin", ":2: is not UTF-8 text"),
    ):
        with pytest.raises(Mistakes) as caught:
            load_document(tmp_path / path, Anything)
        assert str(caught.value) == f"{tmp_path / path}{message}"
