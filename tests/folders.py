"""Folders for what is written very often, and gone after the test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

_MEMORY = Path("/dev/shm")


@contextmanager
def in_memory() -> Iterator[Path]:
    """A folder in main memory where the machine has that: what is flushed waits for no disk."""
    there = _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK)
    with TemporaryDirectory(prefix="simgrant-", dir=_MEMORY if there else None) as folder:
        yield Path(folder)
