"""Clocks of tests, and how one takes the place of that which a whole process goes by."""

from __future__ import annotations

import time

import pytest

from simgrant.compose.clock import CLOCK
from simgrant.ports.clock import Clock


def set_clock(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """Have all that is opened go by this clock, whatever it reads later on."""
    monkeypatch.setattr(CLOCK, "now", lambda: clock.now())
    monkeypatch.setattr(CLOCK, "monotonic", lambda: clock.monotonic())


class MachineClock:
    """The time of the machine."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)


class MovableClock:
    """The time of the machine, and as much more as a test says."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> float:
        return time.time() + self.ahead

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


class StillClock:
    """A time that stands still until it is moved."""

    def __init__(self, time: float = 1_000.0) -> None:
        self.time = time

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time
