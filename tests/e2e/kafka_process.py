"""A node that reads a topic, as a process of its own that may be told to die.

``python -m tests.e2e.kafka_process BROKERS TOPIC SETTINGS [before|after N]``: what it takes over
goes into the real inbox; with ``before`` or ``after`` it is killed (SIGKILL) before or after the
transaction of its Nth batch, and in either case before the offset is committed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from simgrant.adapters.events.kafka import Config, KafkaTopic, client_settings
from simgrant.compose.clock import CLOCK
from simgrant.compose.store import open_keys, open_store
from simgrant.config.load import load
from simgrant.domain.bss_events import BssEvent
from simgrant.flows.bss_inbox import BssInbox
from simgrant.flows.event_batches import EventBatches
from simgrant.flows.event_reading import EventReader
from simgrant.ports.bss_events import EventIntake, Taken


class Mortal:
    """Takes events over, and dies (an ``EventIntake``)."""

    def __init__(self, inbox: EventIntake, die: str, at: int) -> None:
        self._inbox = inbox
        self._die, self._at, self._batches = die, at, 0

    async def take(self, tenant: str, source: str, events: Sequence[BssEvent]) -> Sequence[Taken]:
        self._batches += 1
        is_last = self._batches == self._at
        if is_last and self._die == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        taken = await self._inbox.take(tenant, source, events)
        if is_last and self._die == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return taken

    async def set_aside(self, tenant: str, source: str, raw: bytes, *, reason: str) -> None:
        await self._inbox.set_aside(tenant, source, raw, reason=reason)


async def main(brokers: str, topic: str, settings: str, die: str = "", at: str = "0") -> None:
    """Read the topic until somebody ends it."""
    loaded = load(Path(settings), {})
    store = await open_store(loaded)
    inbox = BssInbox(store.life, clock=CLOCK, keys=open_keys(loaded))
    batches = EventBatches(
        Mortal(inbox, die, int(at)),
        EventReader(),
        tenant="default",
        source="topic",
        clock=CLOCK,
    )
    config = Config(
        name="topic",
        brokers=(brokers,),
        topic=topic,
        group="simgrant",
        batch=20,
        session_timeout_s=6,
        tls=False,
    )
    await KafkaTopic(config, client_settings(config), batches, lambda _: None).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
