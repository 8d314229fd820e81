"""Who has the embedded store open: a small file in its folder, so that others find the way in."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

import msgspec

FILE = "anchorwatch.json"


class Owner(msgspec.Struct, frozen=True, omit_defaults=True):
    """The process that opened the store for writing, and where it answers others."""

    pid: int
    endpoint: str | None = None
    """URL of its ClickHouse-HTTP endpoint; None where it serves nobody (an import)."""
    token_file: str | None = None
    """The file with the token that the endpoint asks for, as an absolute path."""


def write_owner(path: Path, owner: Owner) -> None:
    """Leave the file in the store's folder, whole or not at all. Raises OSError."""
    draft = path / f"{FILE}.{os.getpid()}"
    try:
        draft.write_bytes(msgspec.json.encode(owner))
        draft.replace(path / FILE)
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def is_store(path: Path) -> bool:
    """Whether a store was ever opened for writing there."""
    return (path / FILE).exists()


def in_use(path: Path) -> bool:
    """Whether a process has the store open; in a process that has it, that is this one."""
    try:
        with (path / "status").open("rb") as file:  # which the engine locks
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def other_owner(path: Path) -> Owner | None:
    """Who has the store, as far as the file tells; None where that process has ended or is ours."""
    try:
        owner = msgspec.json.decode((path / FILE).read_bytes(), type=Owner)
        os.kill(owner.pid, 0)
    except PermissionError:  # it runs, as somebody else
        return owner
    except (OSError, msgspec.MsgspecError):
        return None
    return owner if owner.pid != os.getpid() else None
