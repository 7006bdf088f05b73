"""Calendar months in UTC: what quotas count in, and statements are of."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from simgrant.nouns import noun

_TEXT: Final = re.compile(r"(2[0-9]{3})-(0[1-9]|1[0-2])")


@noun
class Month:
    """One."""

    year: int
    number: int
    """From 1."""

    @property
    def since(self) -> int:
        """Unix seconds at which it begins."""
        return int(datetime(self.year, self.number, 1, tzinfo=UTC).timestamp())

    @property
    def until(self) -> int:
        """Unix seconds at which the next one begins."""
        return self.next.since

    @property
    def next(self) -> Month:
        """The one after it."""
        return Month(self.year + self.number // 12, self.number % 12 + 1)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.number:02}"


def month_of(at: float) -> Month:
    """Return the month that a moment (Unix seconds) is in."""
    moment = datetime.fromtimestamp(at, UTC)
    return Month(moment.year, moment.month)


def pull_month(text: str) -> Month:
    """Return a month that is written as 2026-11; raise ValueError."""
    found = _TEXT.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no month such as 2026-11")
    return Month(int(found[1]), int(found[2]))
