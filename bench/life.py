"""How fast events are acted upon: `python -m bench.life --postgres`; without, on SQLite.

Two figures. A backlog: so many events of as many subscriptions wait, and one worker empties the
inbox. And the time from an event to the commit that makes it effective on every worker, since each
of them reads what is committed: events are brought at a steady rate while workers act upon them.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Set
from contextlib import ExitStack
from pathlib import Path

import uvloop
from prometheus_client import CollectorRegistry
from rich.console import Console
from rich.table import Table

from bench.profile import quiet
from bench.results import percentile
from bench.rig import pinned
from simgrant.adapters.keyring.file import initial_keys, write_keys
from simgrant.adapters.store import migrate
from simgrant.compose.life import open_life
from simgrant.compose.policies import policy_of
from simgrant.compose.push import sms_apps
from simgrant.compose.store import open_keys, open_store, tenancy
from simgrant.config.load import DEFAULT_TENANT, Loaded, load
from simgrant.domain.bss_events import BssEvent, Change
from simgrant.domain.eligibility import Eligibility
from simgrant.domain.subscription import PushRegistration, Subscription, SubscriptionStatus
from simgrant.flows.answer import Portal
from simgrant.flows.bss_inbox import BssInbox
from simgrant.flows.lifecycle import Lifecycle
from simgrant.identities import Imsi
from simgrant.nouns import noun
from simgrant.ports.store import NewSubscription, RequestRecord, Store
from simgrant.spec.ids import NotifAction
from simgrant.telemetry.metrics import Metrics
from tests.servers.postgres import Postgres

T = DEFAULT_TENANT


@noun
class Size:
    """How much is done."""

    backlog: int = 10_000
    """Events, each of another subscription."""
    rate: int = 500
    """Events a second, when they come one by one."""
    seconds: int = 10
    workers: int = 2


@noun
class Took:
    """What it took."""

    drained_s: float
    drained_cpu_s: float
    p50_ms: float
    p99_ms: float
    """From an event to its effect on every worker."""


def main() -> int:
    """Read the arguments and run; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.life", description=__doc__)
    parser.add_argument("--postgres", action="store_true", help="on a PostgreSQL of its own")
    parser.add_argument("-n", type=int, default=Size().backlog, help="events of the backlog")
    parser.add_argument("--rate", type=int, default=Size().rate, help="events a second")
    parser.add_argument("--seconds", type=int, default=Size().seconds)
    parser.add_argument("--workers", type=int, default=Size().workers)
    given = parser.parse_args()
    size = Size(given.n, given.rate, given.seconds, given.workers)
    took = measure(size, postgres=given.postgres)
    table = Table("figure", "is")
    table.add_row(f"{size.backlog:,} events drained", f"{took.drained_s:.1f} s")
    table.add_row("processor time of that", f"{took.drained_cpu_s:.1f} s")
    table.add_row("event to effect, p50", f"{took.p50_ms:.0f} ms")
    table.add_row("event to effect, p99", f"{took.p99_ms:.0f} ms")
    Console().print(table)
    return 0


def measure(size: Size, *, postgres: bool, on: Set[int] = frozenset()) -> Took:
    """Measure in a place of its own; ``on`` are the cores of the workers, not of the database."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="simgrant-bench-")))
        url = f"sqlite:///{folder / 'store.sqlite3'}"
        if postgres:
            url = stack.enter_context(Postgres.start(durable=True)).create_database()
        stack.enter_context(quiet())
        stack.enter_context(pinned(on))
        return uvloop.run(_run(folder, url, size))


async def _run(folder: Path, url: str, size: Size) -> Took:
    migrate.upgrade(url)
    settings = folder / "simgrant.toml"
    settings.write_text(f'[store]\nurl = "{url}"\n[keys]\nfile = "keys.json"\n')
    write_keys(folder / "keys.json", initial_keys(now=int(time.time()) - 3600), create=True)
    loaded = load(settings, {})
    store = await open_store(loaded)
    try:
        await _fill(store, size.backlog)
        inbox, worker = _parts(loaded, store, _Done(size.backlog))
        now = int(time.time())
        for start in range(0, size.backlog, 100):
            numbers = range(start, min(start + 100, size.backlog))
            await inbox.take(T, "bench", [_event(n, f"b{now}-{n}", "basic", now) for n in numbers])
        began, used = time.perf_counter(), time.process_time()
        while await worker.act():
            pass
        drained_s, cpu_s = time.perf_counter() - began, time.process_time() - used
        late = sorted(await _steady(loaded, store, size))
        return Took(drained_s, cpu_s, percentile(late, 0.5) * 1000, percentile(late, 0.99) * 1000)
    finally:
        await store.close()


async def _steady(loaded: Loaded, store: Store, size: Size) -> list[float]:
    """Bring events at a rate; return how long each took to be effective."""
    await asyncio.sleep(2)
    total = size.rate * size.seconds
    done = _Done(total)
    workers = [_parts(loaded, store, done) for _ in range(size.workers)]
    running = [asyncio.create_task(worker.run()) for _, worker in workers]
    brought: dict[str, float] = {}
    tasks: set[asyncio.Task[object]] = set()
    began = time.perf_counter()
    for number in range(total):
        pause = began + number / size.rate - time.perf_counter()
        if pause > 0:
            await asyncio.sleep(pause)
        inbox = workers[number % len(workers)][0]
        event = _event(number % size.backlog, f"s{began}-{number}", "standard", int(time.time()))
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
        tenants={T: tenancy(loaded).resolve("", None, "")},
        policies={T: policy_of(loaded, T)},
        portals={T: Portal("", 600)},
        sms_apps=sms_apps,
        keys=open_keys(loaded),
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
