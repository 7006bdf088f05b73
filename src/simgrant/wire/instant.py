"""Times as TS.43 tells them: ISO 8601 with their zone, which Android insists on."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache


@lru_cache(maxsize=4096)
def utc(seconds: int) -> str:
    """Return a time (Unix seconds) in UTC; many devices are told the same few."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
