"""Times as operators are shown them."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(seconds: int) -> str | None:
    """Return Unix seconds as ISO 8601 in UTC; None for 0, which means never."""
    if not seconds:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
