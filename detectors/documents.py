"""Files that people write: YAML into a typed model, with every mistake told at once.

A mistake names its line, because the file is what a person has in front of them. The YAML is the
core schema of YAML 1.2 without tags: `65000:50` stays text (YAML 1.1 reads a number in base 60),
`no` stays a word, and a time keeps its nanoseconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

MAX_BYTES = 1 << 20
"""The largest file that is read."""
MAX_DEPTH = 32
"""How deep lists and mappings may nest, aliases followed."""
MAX_NODES = 100_000
"""How many values a file may have, each alias counted as often as it is used."""

UNREADABLE = "cannot be read"
"""How a mistake begins that is told of a file of which nothing could be read."""

ModelT = TypeVar("ModelT", bound=BaseModel)
Loc = tuple[str | int, ...]
"""Where a value is: keys and list indices, from the top."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing wrong in one file."""

    file: str
    line: int
    where: str
    """Path of the value, `services[0].prefix`; empty for the file as a whole."""
    message: str

    def __str__(self) -> str:
        return ": ".join(filter(None, (f"{self.file}:{self.line}", self.where, self.message)))


class Mistakes(Exception):  # noqa: N818 - it is several mistakes, not one error
    """Everything wrong in one file, or in several that belong together, in the order of lines."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = sorted(set(mistakes), key=lambda m: (m.file, m.line, m.where, m.message))
        super().__init__("\n".join(map(str, self.mistakes)))


class AtKey(ValueError):  # noqa: N818 - it is where the error is
    """What a model's own validator finds wrong with one of its keys."""

    def __init__(self, key: str, message: str) -> None:
        self.key = key
        super().__init__(message)


def load_document(path: str | Path, model: type[ModelT]) -> ModelT:
    """Read a YAML file as `model`. Raises Mistakes."""
    return parse_document(read_text(path), str(path), model)


def parse_document(text: str, name: str, model: type[ModelT]) -> ModelT:
    """Read YAML text as `model`; `name` is the file that mistakes name. Raises Mistakes."""
    document = read_document(text, name)
    value = document.read_as(model)
    if value is None or document.mistakes:
        raise Mistakes(document.mistakes)
    return value


def read_text(path: str | Path) -> str:
    """The text of a file. Raises Mistakes."""
    name = str(path)
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        return content.decode("utf-8-sig")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Mistakes([Mistake(name, 1, "", f"{UNREADABLE}: {reason}")]) from error
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Mistakes([Mistake(name, line, "", "is not UTF-8 text")]) from error


def did_you_mean(name: str, known: Iterable[str], likeness: float = 0.6) -> str:
    """A hint at the known name that looks like `name`, or nothing."""
    close = get_close_matches(name, list(known), n=1, cutoff=likeness)
    return f" (did you mean {close[0]!r}?)" if close else ""


class _Loader(yaml.SafeLoader):
    """Composes nodes, with a bound on depth; no Python object is ever made from a tag."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - the name and kind that PyYAML wants
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            mark = self.get_mark()
            raise yaml.MarkedYAMLError(problem=_TOO_DEEP, problem_mark=mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _integer(text: str) -> int:
    return int(text, 0) if text[:2] in ("0x", "0o") else int(text)


_TOO_DEEP = f"is nested deeper than {MAX_DEPTH} levels"
_TAG = "tag:yaml.org,2002:"
_PLAIN: dict[str, tuple[str, Callable[[str], Any]]] = {
    # tag: (what YAML 1.2 writes for it, how it is read); chapter 10.3.2 of its specification
    "null": (r"~|null|Null|NULL|", lambda _: None),
    "bool": (r"true|True|TRUE|false|False|FALSE", lambda text: text.lower() == "true"),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", _integer),
    "float": (
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        lambda text: float(text.replace(".inf", "inf").replace(".nan", "nan")),
    ),
}
for _name, (_pattern, _) in _PLAIN.items():
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(rf"^(?:{_pattern})$"), None)


class Document:
    """A node tree as plain values, and the line of each."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.data: Any = None
        self.lines: dict[Loc, int] = {}
        self.mistakes: list[Mistake] = []
        self._nodes = 0

    def add(self, node: yaml.Node, loc: Loc = (), line: int | None = None) -> Any:
        """The plain value of a node; notes its line, and its mistakes."""
        line = line or node.start_mark.line + 1
        self.lines[loc] = line
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise Mistakes([Mistake(self.name, line, "", f"has more than {MAX_NODES} values")])
        if len(loc) > MAX_DEPTH:  # only an alias can still do this: the loader has its own bound
            raise Mistakes([Mistake(self.name, line, "", _TOO_DEEP)])
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, loc)
        if isinstance(node, yaml.SequenceNode):
            return [self.add(item, (*loc, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, loc)

    def _mapping(self, node: yaml.MappingNode, loc: Loc) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                self.lines[(*loc, "?")] = line
                self.mistakes.append(self.mistake((*loc, "?"), "a key must be one word"))
                continue
            at = (*loc, key.value)
            if key.value in out:
                first = self.lines[at]
                self.mistakes.append(
                    Mistake(self.name, line, text_of(at), f"is given twice (first on line {first})")
                )
                continue
            out[key.value] = self.add(value, at, line)
        return out

    def _scalar(self, node: yaml.Node, loc: Loc) -> Any:
        kind = node.tag.removeprefix(_TAG)
        if kind == "str":
            return node.value
        try:
            return _PLAIN[kind][1](node.value)
        except KeyError:
            self.mistakes.append(self.mistake(loc, f"the tag {node.tag} is not allowed"))
        except ValueError:  # a tag was forced on it, or the number has thousands of digits
            self.mistakes.append(self.mistake(loc, f"{_short(node.value)} is no {kind}"))
        return None

    def read_as(self, model: type[ModelT]) -> ModelT | None:
        """The values as `model`; None, and what is wrong among the mistakes, where they are not."""
        try:
            return model.model_validate(self.data)
        except ValidationError as error:
            self.mistakes += self._explain_all(error.errors(), model)
            return None

    def mistake(self, loc: Sequence[str | int], message: str) -> Mistake:
        """A mistake at `loc`, on the line of the nearest value that is in the file."""
        return Mistake(self.name, self.line(loc), text_of(loc), message)

    def line(self, loc: Sequence[str | int]) -> int:
        """The line of the value at `loc`, or of the nearest one around it."""
        ends = range(len(loc), -1, -1)
        return next((self.lines[at] for end in ends if (at := tuple(loc[:end])) in self.lines), 1)

    def _explain_all(
        self, found: Sequence[ErrorDetails], model: type[BaseModel]
    ) -> Iterator[Mistake]:
        """What pydantic found, but for lists that are short because their items are wrong."""
        places = [details["loc"] for details in found]
        for details in found:
            loc = details["loc"]
            inside = any(place[: len(loc)] == loc and len(place) > len(loc) for place in places)
            if not (details["type"] == "too_short" and inside):
                yield self._explain(details, model)

    def _explain(self, details: ErrorDetails, model: type[BaseModel]) -> Mistake:
        """What pydantic found, in the words and at the place of the file."""
        absent = details["type"] == "missing"
        loc: Loc = ()
        for index, part in enumerate(details["loc"]):
            # pydantic adds parts that the file does not have: `[key]`, the arms of a union
            if (*loc, part) in self.lines or (absent and index == len(details["loc"]) - 1):
                loc = (*loc, part)
        if details["type"] == "extra_forbidden":
            hint = did_you_mean(str(loc[-1]), _keys_at(model, loc[:-1]))
            return self.mistake(loc, f"unknown key{hint}")
        error = details.get("ctx", {}).get("error")
        if isinstance(error, AtKey):
            loc = (*loc, error.key)
        return self.mistake(loc, _words(details))


def read_document(text: str, name: str) -> Document:
    """YAML text as plain values with their lines. Raises Mistakes where it is no mapping."""
    document = Document(name)
    if len(text) > MAX_BYTES:
        raise Mistakes([Mistake(name, 1, "", f"is larger than {MAX_BYTES} bytes")])
    try:
        node = _Loader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = error.problem or error.context or "is not YAML"
        line = mark.line + 1 if mark else 1
        raise Mistakes([Mistake(name, line, "", problem)]) from error
    except yaml.YAMLError as error:
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        reason = getattr(error, "reason", "is not YAML")
        raise Mistakes([Mistake(name, line, "", reason)]) from error
    if node is None:
        raise Mistakes([Mistake(name, 1, "", "is empty")])
    document.data = document.add(node)
    if not isinstance(document.data, dict):
        line = node.start_mark.line + 1
        raise Mistakes([Mistake(name, line, "", "must be a mapping (key: value) at the top")])
    return document


def text_of(loc: Sequence[str | int]) -> str:
    """A place as people write it: `services[0].prefix`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    return "".join(parts).removeprefix(".")


_WORDS = {
    "missing": "is missing",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "too_short": "must not be empty",
}


def _words(details: ErrorDetails) -> str:
    kind = details["type"]
    if kind in _WORDS:
        return _WORDS[kind]
    if kind in ("value_error", "assertion_error"):
        return str(details["ctx"]["error"])
    message = details["msg"].removeprefix("Input ")
    message = message[:1].lower() + message[1:]
    value = details["input"]
    if isinstance(value, str | int | float):
        message += f", not {_short(value)}"
        if kind == "string_type":
            message += " (put it in quotes)"
    return message


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _keys_at(model: type[BaseModel], loc: Loc) -> list[str]:
    """The keys that the model knows at `loc`."""
    found: type[BaseModel] | None = model
    for part in loc:
        if found is None or isinstance(part, int):
            continue  # a list of models is the same model for each of its items
        fields = {info.alias or name: info for name, info in found.model_fields.items()}
        if part in fields:
            found = next(_models(fields[part].annotation), None)
    if found is None:
        return []
    return [info.alias or name for name, info in found.model_fields.items()]


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    """The models inside an annotation such as `dict[str, tuple[Service, ...]] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
