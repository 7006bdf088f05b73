"""The clock of a process."""

from __future__ import annotations

import time


class SystemClock:
    """The time of this machine."""

    now = staticmethod(time.time)
    """Unix seconds."""
    monotonic = staticmethod(time.monotonic)
    """Seconds that never go back."""


CLOCK = SystemClock()
