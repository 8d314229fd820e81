"""Parameters of a query written into it, for connections that cannot send them apart."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_PARAMETER = re.compile(r"\{(\w+):([^{}]+)\}")


def fill(sql: str, parameters: Mapping[str, Any]) -> str:
    """The query with each `{name:Type}` replaced by a literal of that type.

    Every value is written as a quoted text that the server reads as the type, so nothing in it can
    become SQL. Raises KeyError for a parameter that is not given.
    """
    return _PARAMETER.sub(lambda found: _literal(parameters[found[1]], found[2].strip()), sql)


def quoted(text: str) -> str:
    """A string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _literal(value: Any, kind: str) -> str:
    if isinstance(value, bool):
        value = int(value)
    elif isinstance(value, list | tuple):
        value = (
            f"[{', '.join(quoted(each) if isinstance(each, str) else str(each) for each in value)}]"
        )
    return f"CAST({quoted(str(value))}, {quoted(kind)})"
