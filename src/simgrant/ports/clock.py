"""Time as an argument: the one place from which flows learn what time it is."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Wall time for what is written down, monotonic time for deadlines."""

    def now(self) -> float:
        """Return Unix seconds."""

    def monotonic(self) -> float:
        """Return seconds that never go back."""
