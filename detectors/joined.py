"""Several YAML files as one document: a file names others, and their parts are joined to its own.

Lists of the same section follow one another in the order in which files are read, mappings are
merged. Each file is held against the model on its own; what its parts say of each other is
checked once, on the whole. A mistake is told at the place where a person wrote it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel

from detectors.documents import (
    UNREADABLE,
    Document,
    Loc,
    Mistake,
    Mistakes,
    read_document,
    read_text,
    text_of,
)

INCLUDE = "include"
"""The key by which a file names others."""
MAX_INCLUDED = 100
"""How many files may be joined."""
MAX_LEVELS = 8
"""How deep files may name files."""

ModelT = TypeVar("ModelT", bound=BaseModel)


class Wrong(NamedTuple):
    """What a check finds wrong with a whole document of plain values."""

    loc: Loc
    message: str
    other: Loc | None = None
    """Another value that has to do with it; its place is told after the message."""


Check = Callable[[Any], Iterable[Wrong]]


@dataclass(slots=True)
class Joined:
    """Files that belong together, in the order in which they were read."""

    documents: list[Document] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    """All that was looked at, also what could not be read."""
    mistakes: list[Mistake] = field(default_factory=list)
    _homes: dict[Loc, tuple[Document, Loc]] = field(default_factory=dict)

    def load(self, path: Path) -> None:
        """Read a file and all that it names."""
        self.files.append(path)
        try:
            text = read_text(path)
        except Mistakes as wrong:
            self.mistakes += wrong.mistakes
        else:
            self.parse(text, str(path), path)

    def parse(self, text: str, name: str, path: Path, above: tuple[Path, ...] = ()) -> None:
        """Read text that came from `path`, by way of the files `above`."""
        try:
            document = read_document(text, name)
        except Mistakes as wrong:
            self.mistakes += wrong.mistakes
            return
        self.documents.append(document)
        named = document.data.get(INCLUDE)
        chain = (*above, path)
        for index, each in enumerate(named if isinstance(named, list) else ()):
            if isinstance(each, str) and each:
                self._include(document, (INCLUDE, index), path.parent / each, chain)

    def _include(self, by: Document, loc: Loc, path: Path, chain: tuple[Path, ...]) -> None:
        real = path.resolve()
        names = [each.resolve() for each in chain]
        if real in names:
            circle = " → ".join(str(each) for each in (*chain[names.index(real) :], path))
            self.mistakes.append(by.mistake(loc, f"files include each other: {circle}"))
        elif real in (each.resolve() for each in self.files):
            self.mistakes.append(by.mistake(loc, f"{path} is included already"))
        elif len(chain) >= MAX_LEVELS or len(self.files) >= MAX_INCLUDED:
            bound = f"{MAX_LEVELS} levels or {MAX_INCLUDED} files"
            self.mistakes.append(by.mistake(loc, f"includes go beyond {bound}"))
        else:
            self.files.append(path)
            try:
                text = read_text(path)
            except Mistakes as wrong:  # told where it is named: there it is mended
                reasons = (f"{path}:{each.line}: {each.message}" for each in wrong.mistakes)
                self.mistakes += (by.mistake(loc, reason) for reason in reasons)
            else:
                self.parse(text, str(path), path, chain)

    def read_as(self, model: type[ModelT], check: Check) -> ModelT:
        """The whole as `model`. Raises Mistakes.

        `check` sees the plain values even where the model refuses some of them, so that a bad
        duration here does not hide an unknown name there.
        """
        alone = [document.read_as(model) for document in self.documents]
        for document in self.documents:
            self.mistakes += document.mistakes
        data = self._join()
        self.mistakes += (self._mistake(wrong) for wrong in check(data))
        if self.mistakes or not alone:
            raise Mistakes(self.mistakes)
        first = alone[0]
        return first if len(alone) == 1 and first is not None else model.model_validate(data)

    def where_named(self, loc: Loc, wrong: Mistakes) -> Mistakes:
        """What is wrong with a file that `loc` names: there, where nothing of it can be read."""
        document, there = self._home(loc)
        return Mistakes(
            document.mistake(there, f"{each.file} {each.message}")
            if each.message.startswith(UNREADABLE)
            else each
            for each in wrong.mistakes
        )

    def _join(self) -> dict[str, Any]:
        whole: dict[str, Any] = {}
        for document in self.documents:
            for key, value in document.data.items():
                known = whole.get(key)
                if isinstance(value, list) and isinstance(known, list | None):
                    whole[key] = [*(known or ()), *value]
                    for index in range(len(value)):
                        place = (key, len(whole[key]) - len(value) + index)
                        self._homes[place] = (document, (key, index))
                elif isinstance(value, dict) and isinstance(known, dict | None):
                    whole[key] = {
                        **(known or {}),
                        **{n: v for n, v in value.items() if n not in (known or {})},
                    }
                    self._merge(document, key, value)
                elif known is None:
                    whole[key] = value
                    self._homes[key,] = (document, (key,))
        return whole

    def _merge(self, document: Document, section: str, value: dict[str, Any]) -> None:
        for name in value:
            home = self._homes.setdefault((section, name), (document, (section, name)))
            if home[0] is not document:
                told = f"is given twice (first at {_place(*home)})"
                self.mistakes.append(document.mistake((section, name), told))

    def _mistake(self, wrong: Wrong) -> Mistake:
        document, loc = self._home(wrong.loc)
        message = wrong.message
        if wrong.other is not None:
            other, there = self._home(wrong.other)
            message += f" {text_of(there[:2])} ({_place(other, there)})"
        return document.mistake(loc, message)

    def _home(self, loc: Loc) -> tuple[Document, Loc]:
        """The file of a value of the whole, and where it is in that file."""
        for end in (2, 1):
            if loc[:end] in self._homes:
                document, there = self._homes[loc[:end]]
                return document, (*there, *loc[end:])
        return self.documents[0], loc


def _place(document: Document, loc: Loc) -> str:
    return f"{document.name}:{document.line(loc)}"
