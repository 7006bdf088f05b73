"""What a simulated push service does wrong on purpose, one thing at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import field
from enum import StrEnum
from typing import Final

from simgrant.nouns import noun
from simgrant.sim.web import Break

_KEPT = 100_000


class Fault(StrEnum):
    """A way to misbehave; the text under it says what is done."""

    SLOW = "slow"
    """A message is read and never answered."""
    THROTTLED = "throttled"
    """Messages are turned away for now, as the channel does it."""
    BROKEN = "broken"
    """An error on the service's side."""
    BAD_AUTH = "bad-auth"
    """Credentials are refused, however good they are."""
    RESET = "reset"
    """The connection breaks when a message has arrived."""
    GOAWAY = "goaway"
    """The connection is ended in order, before the message is looked at (HTTP/2)."""
    NONSENSE = "nonsense"
    """An answer that the channel does not have."""

    @property
    def breaks(self) -> Break | None:
        """What it does to the connection, if anything."""
        return _BREAKS.get(self)


_BREAKS: Final = {
    Fault.SLOW: Break.SILENT,
    Fault.RESET: Break.RESET,
    Fault.GOAWAY: Break.GOAWAY,
}


DOWN: Final = "down"
NONE: Final = "none"
FAULTS: Final = (NONE, DOWN, *(fault.value for fault in Fault))
"""What a service can be told to do: nothing wrong, be unreachable, or misbehave."""


@noun
class Taken:
    """A notice that the service took over."""

    token: str = field(repr=False)
    apps: tuple[str, ...]
    timestamp: str
    """Empty on a channel that carries none."""
    collapse_id: str
    """Empty on a channel that has none."""
    extra: dict[str, str] = field(default_factory=dict, compare=False, repr=False)
    """The channel's own fields, by their names on the wire."""


@noun
class Turned:
    """A message that the service turned away, or kept waiting."""

    why: str
    """The fault that is on, or ``dead``."""
    token: str = field(default="", repr=False)
    """Where the service looked so far."""


class Switch:
    """The fault that is on, which tokens are dead, and what was taken over."""

    def __init__(self) -> None:
        self.fault: Fault | None = None
        self.retry_after: str = "7"
        """What Retry-After says while throttled; empty = nothing."""
        self.dead: set[str] = set()
        self.taken: deque[Taken] = deque(maxlen=_KEPT)
        self.tell: Callable[[Taken | Turned], None] = lambda _: None
        """Is called with every message, whether it was taken over or turned away."""
        self.asked = 0
        """Messages that came, whatever became of them."""
        self._left = 0
        self._news = asyncio.Event()

    def play(self, fault: Fault | None, times: int = -1) -> None:
        """Misbehave for the next ``times`` messages; -1 = until told otherwise, None = behave."""
        self.fault, self._left = fault, times

    def next(self) -> Fault | None:
        """Count a message that came, and return what to do wrong with it."""
        self.asked += 1
        self._wake()
        fault = self.fault
        if fault is not None and self._left > 0:
            self._left -= 1
            if not self._left:
                self.fault = None
        if fault is not None:
            self.tell(Turned(fault.value))
        return fault

    def buried(self, token: str) -> bool:
        """Say whether a token is dead."""
        if token not in self.dead:
            return False
        self.tell(Turned("dead", token))
        return True

    def take(self, taken: Taken) -> None:
        """Keep a notice."""
        self.taken.append(taken)
        self._wake()
        self.tell(taken)

    async def until_asked(self, count: int) -> None:
        """Return once ``count`` messages have come in all."""
        while self.asked < count:
            self._news.clear()
            await self._news.wait()

    async def until_taken(self, count: int) -> None:
        """Return once ``count`` notices were taken over in all."""
        while len(self.taken) < count:
            self._news.clear()
            await self._news.wait()

    def _wake(self) -> None:
        self._news.set()
