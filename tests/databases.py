"""Migrated SQLite files without rows, since migrating takes longer than most tests."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from simgrant.adapters.store import migrate
from tests.folders import in_memory


@cache
def _migrated() -> bytes:
    with in_memory() as folder:
        path = folder / "store.sqlite3"
        migrate.upgrade(f"sqlite:///{path}")
        return path.read_bytes()


def make_database(path: Path) -> Path:
    """Make a new file as `migrate.upgrade` does, its owner's alone, and return its path."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(_migrated())
    return path
