"""Reports as files: a page to read, and the same for programs beside it."""

from __future__ import annotations

import re
from pathlib import Path

from anchorwatch.cli.answers import complaining
from anchorwatch.errors import UserError

_PAGES = (".html", ".htm")


def report_file(output: Path, name: str) -> Path:
    """The page's file: `output` itself where that ends with .html, else one of `name` in it.

    Raises UserError where it is neither a page nor a folder.
    """
    if output.suffix.lower() in _PAGES and not output.is_dir():
        return output
    if output.suffix and not output.is_dir():
        raise UserError(f"{output}: name a folder, or a file whose name ends with .html")
    plain = re.sub(r"[^\w.-]+", "_", name)
    return output / f"{plain}.html"


def write_report(path: Path, page: bytes, facts: bytes) -> list[Path]:
    """Write the page, and what it tells as JSON beside it; UserError where that cannot be."""
    if path.suffix.lower() not in _PAGES:
        raise UserError(f"{path}: a report is HTML, so its name ends with .html")
    files = [path, path.with_suffix(".json")]
    for file, octets in zip(files, (page, facts), strict=True):
        with complaining(file):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(octets)
    return files
