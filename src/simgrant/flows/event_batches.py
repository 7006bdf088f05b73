"""Messages of a log that is read in order: each batch is taken over, however long that takes.

Nothing is skipped: while the store is away a batch waits, and with it whoever reads the log. A
message that a fault of ours keeps from being taken over is set aside, so that it holds up no other.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from simgrant.domain.bss_events import BssEvent
from simgrant.errors import EcsError
from simgrant.flows.event_reading import EventReader, Hurry, nobody_waits
from simgrant.nouns import named_noun
from simgrant.ports.bss_events import EventIntake
from simgrant.ports.clock import Clock
from simgrant.telemetry.log import say_fault

FAULT: Final = "internal_error"
"""Why a message was set aside that could be read and that we failed to take over."""


@named_noun
class Pauses:
    """Seconds between two tries while the store is away, each longer than the one before."""

    first_s: float = 0.2
    longest_s: float = 15.0


class EventBatches:
    """Takes over what comes from one log."""

    def __init__(
        self,
        intake: EventIntake,
        reader: EventReader,
        *,
        tenant: str,
        source: str,
        clock: Clock,
        pauses: Pauses | None = None,
        hurry: Hurry = nobody_waits,
    ) -> None:
        """``source`` is what the settings call the log: its event ids are its own.

        ``hurry`` is told of which eSIM orders there is news.
        """
        self._hurry = hurry
        self._intake = intake
        self._reader = reader
        self._tenant = tenant
        self._source = source
        self._clock = clock
        self._pauses = pauses or Pauses()

    async def take(self, messages: Sequence[bytes]) -> list[str]:
        """Take messages over; return of each why it was set aside, empty if it was not.

        Returns when none of them can be lost any more, and not before.
        """
        now = int(self._clock.now())
        readings = [self._reader.read(self._source, each, now=now) for each in messages]
        reasons = [reading.unread[0].reason.value if reading.unread else "" for reading in readings]
        if not await self._takes([event for reading in readings for event in reading.events]):
            # One by one it shows which it is; the others are kept.
            for place, reading in enumerate(readings):
                if not await self._takes(reading.events):
                    reasons[place] = FAULT
                    await self._aside(messages[place], FAULT)
        for reading in readings:
            for each in reading.unread:
                await self._aside(each.raw, each.reason.value)
            self._hurry(self._tenant, reading.orders)
        return reasons

    async def _takes(self, events: Sequence[BssEvent]) -> bool:
        """Take events over; False where a fault of ours is in the way."""
        if not events:
            return True
        try:
            await self._insist(lambda: self._intake.take(self._tenant, self._source, events))
        except Exception as error:
            say_fault(error, source=self._source)
            return False
        return True

    async def _aside(self, raw: bytes, reason: str) -> None:
        await self._insist(
            lambda: self._intake.set_aside(self._tenant, self._source, raw, reason=reason)
        )

    async def _insist(self, call: Callable[[], Awaitable[object]]) -> None:
        """Do it, however long the store is away."""
        pause_s, waits = self._pauses.first_s, False
        while True:
            try:
                await call()
            except EcsError as error:
                if not waits:
                    structlog.get_logger().warning(
                        "events_wait", source=self._source, reason=error.reason
                    )
                waits = True
                await asyncio.sleep(pause_s * random.uniform(0.5, 1))  # noqa: S311 - jitter
                pause_s = min(pause_s * 2, self._pauses.longest_s)
            else:
                if waits:
                    structlog.get_logger().info("events_go_on", source=self._source)
                return
