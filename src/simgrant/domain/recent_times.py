"""How long the newest requests took, for the time after which one is slow."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque


class RecentTimes:
    """The newest times, a bounded number of them; percentiles are exact among these."""

    __slots__ = ("_least", "_newest", "_ordered")

    def __init__(self, *, most: int = 500, least: int = 50) -> None:
        """Keep ``most``, and say nothing of fewer than ``least``."""
        self._newest: deque[float] = deque(maxlen=most)
        self._ordered: list[float] = []
        self._least = least

    def add(self, seconds: float) -> None:
        """Take one more; the oldest is forgotten for it."""
        if len(self._newest) == self._newest.maxlen:
            del self._ordered[bisect_left(self._ordered, self._newest[0])]
        self._newest.append(seconds)
        insort(self._ordered, seconds)

    def percentile(self, share: float) -> float | None:
        """Return the least time within which that share of the requests was answered, in seconds.

        None while too few are known.
        """
        count = len(self._ordered)
        if count < self._least:
            return None
        return self._ordered[max(0, math.ceil(share * count) - 1)]
