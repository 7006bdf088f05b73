"""A node that reads a topic, as a process of its own that may be told to die.

``python -m tests.e2e.kafka_process BROKERS TOPIC DATABASE [before|after N]``: what it takes over
are rows of an SQLite file, an id once; with ``before`` or ``after`` it is killed (SIGKILL) before
or after the transaction of its Nth batch, and in either case before the offset is committed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from simgrant.adapters.events.kafka import Config, open_topic
from simgrant.domain.bss_events import BssEvent
from simgrant.flows.event_batches import EventBatches
from simgrant.flows.event_reading import EventReader
from simgrant.ports.bss_events import Taken

TABLES = (
    "CREATE TABLE IF NOT EXISTS seen (source TEXT, id TEXT, PRIMARY KEY (source, id))",
    "CREATE TABLE IF NOT EXISTS done (place INTEGER PRIMARY KEY, imsi TEXT, at INTEGER)",
    "CREATE TABLE IF NOT EXISTS aside (raw BLOB, reason TEXT)",
)


class Clock:
    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)


class FileIntake:
    """Keeps events in a file (the ``EventIntake`` port)."""

    def __init__(self, path: Path, die: str = "", at: int = 0) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        for each in TABLES:
            self._db.execute(each)
        self._die, self._at, self._batches = die, at, 0

    async def take(self, tenant: str, source: str, events: Sequence[BssEvent]) -> Sequence[Taken]:
        self._batches += 1
        is_last = self._batches == self._at
        if is_last and self._die == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        self._db.execute("BEGIN IMMEDIATE")
        taken = [self._one(f"{tenant}/{source}", each) for each in events]
        self._db.execute("COMMIT")
        if is_last and self._die == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return taken

    def _one(self, source: str, event: BssEvent) -> Taken:
        row = (source, event.event_id)
        if not self._db.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", row).rowcount:
            return Taken.KNOWN
        imsi = event.imsi.digits if event.imsi else ""
        self._db.execute("INSERT INTO done (imsi, at) VALUES (?, ?)", (imsi, event.at))
        return Taken.KEPT

    async def set_aside(self, tenant: str, source: str, raw: bytes, *, reason: str) -> None:
        del tenant, source
        self._db.execute("INSERT INTO aside VALUES (?, ?)", (raw, reason))


async def main(brokers: str, topic: str, database: str, die: str = "", at: str = "0") -> None:
    """Read the topic until somebody ends it."""
    batches = EventBatches(
        FileIntake(Path(database), die, int(at)),
        EventReader(),
        tenant="default",
        source="topic",
        clock=Clock(),
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
    await open_topic(config, batches, show_lag=lambda _: None).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
