"""Mistakes as the machines that build and review files show them beside their lines."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence

from detectors.documents import Mistake


def github(mistakes: Sequence[Mistake]) -> str:
    """Workflow commands, one a line: GitHub shows each as an annotation."""
    return "\n".join(map(_command, mistakes))


def _command(mistake: Mistake) -> str:
    place = f"file={_property(mistake.file)},line={mistake.line}"
    title = f",title={_property(mistake.where)}" if mistake.where else ""
    return f"::error {place}{title}::{_data(mistake.message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def gitlab(mistakes: Sequence[Mistake]) -> str:
    """A code quality report, also where there is nothing to tell."""
    return json.dumps([_issue(mistake) for mistake in mistakes], indent=2)


def _issue(mistake: Mistake) -> dict[str, object]:
    told = ": ".join(filter(None, (mistake.where, mistake.message)))
    return {
        "description": told,
        "check_name": "anchorwatch check",
        # The line may move: what is wrong stays the same.
        "fingerprint": hashlib.sha256(f"{mistake.file}: {told}".encode()).hexdigest(),
        "severity": "critical",
        "location": {"path": mistake.file.removeprefix("./"), "lines": {"begin": mistake.line}},
    }


FORMATS: dict[str, Callable[[Sequence[Mistake]], str]] = {"github": github, "gitlab": gitlab}
"""What is printed on standard output in place of sentences on standard error."""
