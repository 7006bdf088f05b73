"""How fast events are acted upon: `python -m bench.life --postgres URL`, of a migrated database.

Two figures. A backlog: so many events of as many subscriptions wait, and one worker empties the
inbox. And the time from an event to the commit that makes it effective on every worker, since each
of them reads what is committed: events are brought at a steady rate while workers act upon them.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

import uvloop
from prometheus_client import CollectorRegistry
from rich.console import Console
from rich.table import Table

from bench.profile import quiet
from simgrant import compose
from simgrant.adapters.keyring.file import initial_keys, write_keys
from simgrant.adapters.store import migrate
from simgrant.compose.life import open_life
from simgrant.config.load import DEFAULT_TENANT, Loaded, load
from simgrant.domain.bss_events import BssEvent, Change
from simgrant.domain.eligibility import Eligibility
from simgrant.domain.subscription import PushRegistration, Subscription, SubscriptionStatus
from simgrant.flows.answer import Portal
from simgrant.flows.bss_inbox import BssInbox
from simgrant.flows.lifecycle import Lifecycle
from simgrant.identities import Imsi
from simgrant.ports.store import NewSubscription, RequestRecord, Store
from simgrant.spec.ids import NotifAction
from simgrant.telemetry.metrics import Metrics

T = DEFAULT_TENANT
MOST_BACKLOG_S, MOST_P99_S = 10.0, 1.0
"""What is to be reached."""


def main() -> int:
    """Read the arguments and run; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.life", description=__doc__)
    parser.add_argument("--postgres", default="", help="URL of a database; SQLite without")
    parser.add_argument("-n", type=int, default=10_000, help="events of the backlog")
    parser.add_argument("--rate", type=int, default=500, help="events a second")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="simgrant-bench-") as directory, quiet():
        drained, late = uvloop.run(_run(Path(directory), arguments))
    table = Table("figure", "is", "target")
    table.add_row(f"{arguments.n:,} events drained", f"{drained:.1f} s", f"{MOST_BACKLOG_S:.0f} s")
    late.sort()
    for name, share, target in (("p50", 0.5, ""), ("p99", 0.99, f"{MOST_P99_S:.0f} s")):
        value = late[min(len(late) - 1, int(len(late) * share))]
        table.add_row(f"event to effect, {name}", f"{value * 1000:.0f} ms", target)
    Console().print(table)
    return 0


async def _run(folder: Path, arguments: argparse.Namespace) -> tuple[float, list[float]]:
    url = arguments.postgres or f"sqlite:///{folder / 'store.sqlite3'}"
    migrate.upgrade(url)
    settings = folder / "simgrant.toml"
    settings.write_text(f'[store]\nurl = "{url}"\n[keys]\nfile = "keys.json"\n')
    write_keys(folder / "keys.json", initial_keys(now=int(time.time()) - 3600), create=True)
    loaded = load(settings, {})
    store = await compose.open_store(loaded)
    try:
        await _fill(store, arguments.n)
        inbox, worker = _parts(loaded, store, _Done(arguments.n))
        now = int(time.time())
        for start in range(0, arguments.n, 100):
            numbers = range(start, min(start + 100, arguments.n))
            await inbox.take(T, "bench", [_event(n, f"b{now}-{n}", "basic", now) for n in numbers])
        began = time.perf_counter()
        while await worker.act():
            pass
        drained = time.perf_counter() - began
        return drained, await _steady(loaded, store, arguments)
    finally:
        await store.close()


async def _steady(loaded: Loaded, store: Store, arguments: argparse.Namespace) -> list[float]:
    """Bring events at a rate; return how long each took to be effective."""
    await asyncio.sleep(2)
    total = arguments.rate * arguments.seconds
    done = _Done(total)
    workers = [_parts(loaded, store, done) for _ in range(arguments.workers)]
    running = [asyncio.create_task(worker.run()) for _, worker in workers]
    brought: dict[str, float] = {}
    tasks: set[asyncio.Task[object]] = set()
    began = time.perf_counter()
    for number in range(total):
        pause = began + number / arguments.rate - time.perf_counter()
        if pause > 0:
            await asyncio.sleep(pause)
        inbox = workers[number % len(workers)][0]
        event = _event(number % arguments.n, f"s{began}-{number}", "standard", int(time.time()))
        brought[event.event_id] = time.perf_counter()
        task: asyncio.Task[object] = asyncio.create_task(inbox.take(T, "bench", [event]))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    async with asyncio.timeout(60):
        await done.all.wait()
    for each in running:
        each.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    return [at - brought[event] for event, at in done.at.items()]


class _Done:
    """When each event was done."""

    def __init__(self, total: int) -> None:
        self.at: dict[str, float] = {}
        self.all = asyncio.Event()
        self._total = total

    def keep(self, record: RequestRecord) -> None:
        _, _, rest = record.body.partition(b'"event_id":"')
        self.at[rest.partition(b'"')[0].decode()] = time.perf_counter()
        if len(self.at) == self._total:
            self.all.set()


def _parts(loaded: Loaded, store: Store, done: _Done) -> tuple[BssInbox, Lifecycle]:
    """Return one worker's parts."""
    return open_life(
        loaded,
        store,
        tenants={T: compose.tenancy(loaded).resolve("", None, "")},
        policies={T: compose.policy_of(loaded, T)},
        portals={T: Portal("", 600)},
        sms_apps=compose.sms_apps,
        keys=compose.open_keys(loaded),
        metrics=Metrics(CollectorRegistry()),
        keep=done.keep,
    )


def _event(number: int, event_id: str, plan: str, at: int) -> BssEvent:
    return BssEvent(
        event_id=event_id,
        change=Change.PLAN_CHANGED,
        at=at,
        imsi=_imsi(number),
        told=Eligibility(plan=plan),
    )


def _imsi(number: int) -> Imsi:
    return Imsi(f"00101{number:010d}")


async def _fill(store: Store, count: int) -> None:
    now = int(time.time()) - 1000
    await store.add_many(
        (
            NewSubscription(
                Subscription(
                    T,
                    _imsi(number),
                    None,
                    SubscriptionStatus.ACTIVE,
                    "standard",
                    created_at=now,
                    changed_at=now,
                )
            )
            for number in range(count)
        ),
        replace=True,
    )
    for number in range(count):
        push = PushRegistration(
            "490154203237518", "ap2004", "bench", int(NotifAction.FCM), "token", now
        )
        await store.register_push(T, _imsi(number), [push])


if __name__ == "__main__":
    raise SystemExit(main())
