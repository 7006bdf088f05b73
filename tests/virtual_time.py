"""An event loop whose time passes while everybody waits, and only then: an hour takes no time."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    """Does not wait for events, which only come from within; it lets the time pass instead."""

    passed = 0.0
    """Seconds."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if not found:
            assert timeout is not None, "everybody waits, and for nothing that will come"
            self.passed += timeout
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its time begins at 1024 seconds: sums with whole 128ths of a second are exact."""

    def __init__(self) -> None:
        self._waiting = _Selector()
        super().__init__(self._waiting)

    def time(self) -> float:
        return 1024.0 + self._waiting.passed


class LoopClock:
    """The port of the clock, with the time of the loop that runs."""

    def now(self) -> float:
        return self.monotonic()

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in a loop of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
