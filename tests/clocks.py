"""Clocks of tests, in the place of the one that a whole process goes by."""

from __future__ import annotations

import pytest

from simgrant.compose.clock import CLOCK
from simgrant.ports.clock import Clock


def set_clock(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """Have all that is opened go by this clock, whatever it reads later on."""
    monkeypatch.setattr(CLOCK, "now", lambda: clock.now())
    monkeypatch.setattr(CLOCK, "monotonic", lambda: clock.monotonic())
