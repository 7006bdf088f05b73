"""The metrics of all workers, read from their files while they live and die."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

T = TypeVar("T")
_TRIES: Final = 5
_CHANGING: Final = (OSError, ValueError, struct.error)
"""What a file is read with that a worker makes, or that is taken away, right now."""


def collected(directory: str, read: Callable[[CollectorRegistry], T]) -> T | None:
    """Return what ``read`` makes of the metrics; None where they change too much to be read."""
    for _ in range(_TRIES):
        registry = CollectorRegistry()
        try:
            MultiProcessCollector(registry, path=directory)  # type: ignore[no-untyped-call]
            return read(registry)
        except _CHANGING:
            continue
    return None
