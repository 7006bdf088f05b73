"""Lists of devices from the operator's files, and who takes a changed file over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from simgrant.domain.device_lists import MOST_LETTERS, BadList
from simgrant.errors import StartRefused
from simgrant.links.watched import Watched

L = TypeVar("L")


def read_list(where: str, path: Path, read: Callable[[str], L]) -> L:
    """Return what a file holds; raise StartRefused with what is wrong, line by line."""
    try:
        with path.open("rb") as file:
            return read(file.read(MOST_LETTERS + 1).decode())
    except OSError as error:
        raise StartRefused(f"{where}.file: {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise StartRefused(f"{where}.file: {path}: not UTF-8") from None
    except BadList as error:
        raise StartRefused(f"{where}.file: {path}: {error}") from None


def watched_list(
    where: str, path: Path, read: Callable[[str], L], take: Callable[[L], None]
) -> Watched:
    """Return who hands a list on when its file changes; a bad one leaves the old in use."""

    def again() -> bool:
        take(read_list(where, path, read))
        return True

    return Watched("device_list", (path,), again)
