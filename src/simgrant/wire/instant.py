"""Times as TS.43 tells them, ISO 8601 with the zone that Android insists on; and as others do."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

_TIME: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2})(?:[.,][0-9]{1,12})?"
    r"([Zz]|[+-][0-9]{2}:?[0-9]{2})?"
)


@lru_cache(maxsize=4096)
def utc(seconds: int) -> str:
    """Return a time (Unix seconds) in UTC; many devices are told the same few."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def pull_utc(text: str) -> int:
    """Return Unix seconds of such a time, UTC where it names no zone; ValueError for none.

    Fractions of a second are passed over.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError("no time")
    try:
        at = int(datetime.fromisoformat(found[1] + (found[2] or "Z").upper()).timestamp())
    except OverflowError:
        raise ValueError("no time that there is") from None
    if at < 0:
        raise ValueError("a time before 1970")
    return at


def pull_instant(text: str) -> int:
    """Return Unix seconds of a date or time that others write; ValueError for none.

    It may have any form of ISO 8601 and be before 1970. Without a zone it is of UTC.
    """
    try:
        found = datetime.fromisoformat(text)
        return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())
    except OverflowError:
        raise ValueError("no time that there is") from None
