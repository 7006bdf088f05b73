"""What a notice costs, outbox included: `python -m bench.push`.

Notices wait in the outbox of a SQLite file; the worker of a server empties it into a simulated
Apple that another process plays, by HTTP/2 over TLS on the loopback. Counted is the processor time
of the worker's process, from the first claim to the last settlement and record: the player is
Python too, so that the rate on the clock says more of it than of us.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import uvloop
from rich.console import Console
from rich.table import Table

from bench import rig, world
from bench.profile import quiet
from simgrant.adapters.store import migrate
from simgrant.compose import server as compose
from simgrant.config.load import DEFAULT_TENANT, load
from simgrant.domain.subscription import PushRegistration, Subscription, SubscriptionStatus
from simgrant.identities import Imsi
from simgrant.ports.store import NewSubscription, Store
from simgrant.sim.push.apple import Apple
from simgrant.sim.push.certificates import Authority
from simgrant.spec.ids import NotifAction

TARGET = 2_000
"""Notices a second and core."""
_AT_ONCE = 500
_LONGEST_S = 120.0


def main() -> int:
    """Read the arguments and run; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.push", description=__doc__)
    parser.add_argument("-n", type=int, default=5_000, help="notices in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--play", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.play:
        asyncio.run(_play(arguments.play))
        return 0
    with (
        tempfile.TemporaryDirectory(prefix="simgrant-bench-") as directory,
        _apple(Path(directory)) as config,
        quiet(),
    ):
        rounds = uvloop.run(_run(config, arguments.n, arguments.rounds))
    cost = median(rounds)
    table = Table("CPU us a notice", "a second and core", "target", "spread")
    table.add_row(
        f"{cost:.0f}",
        f"{1e6 / cost:,.0f}",
        f"{TARGET:,}",
        f"{1e6 / max(rounds):,.0f} to {1e6 / min(rounds):,.0f}",
    )
    Console().print(table)
    return 0


async def _play(folder: Path) -> None:
    """Be Apple until the process is ended."""
    authority = Authority(now=time.time())
    apple = Apple(authority)
    await apple.up()
    (folder / "ca.pem").write_bytes(authority.pem)
    (folder / "key.p8").write_bytes(apple.signing_key())
    print(json.dumps([apple.key_id, apple.team_id, apple.topic, apple.web.url]), flush=True)
    await asyncio.Event().wait()


async def _run(config: Path, count: int, rounds: int) -> list[float]:
    """Return microseconds of processor time for a notice, of each round after a first one."""
    loaded = load(config, {})
    migrate.upgrade(loaded.store_url)
    async with compose.opened(loaded) as parts:
        await _register(parts.store, count)
        tasks = [asyncio.create_task(each.run()) for each in (parts.notices, parts.journal)]
        try:
            return [await _round(parts, count) for _ in range(rounds + 1)][1:]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _round(parts: compose.Parts, count: int) -> float:
    """Tell everybody, and return what a notice cost."""
    labels = {"tenant": DEFAULT_TENANT, "channel": "apns", "result": "delivered"}

    def delivered() -> float:
        return parts.metrics.registry.get_sample_value("simgrant_notices_total", labels) or 0

    wanted = delivered() + count
    now = int(time.time())
    # Due in a moment, so that telling is over before the counting begins.
    due = now + 2 + count // 2_500
    for at in range(0, count, _AT_ONCE):
        some = range(at, min(at + _AT_ONCE, count))
        await asyncio.gather(*(parts.store.tell(DEFAULT_TENANT, _imsi(n), at=due) for n in some))
    await asyncio.sleep(max(0.0, due - time.time() - 0.5))
    begun = time.process_time()
    async with asyncio.timeout(_LONGEST_S):
        while delivered() < wanted:  # noqa: ASYNC110 - nobody tells, and a look costs nothing
            await asyncio.sleep(0.1)
    await asyncio.sleep(0.3)
    return (time.process_time() - begun) / count * 1e6


async def _register(store: Store, count: int) -> None:
    subscriptions = (
        Subscription(DEFAULT_TENANT, _imsi(n), None, SubscriptionStatus.ACTIVE, "standard")
        for n in range(count)
    )
    await store.add_many(map(NewSubscription, subscriptions))
    action = int(NotifAction.APNS)
    for n in range(count):
        push = PushRegistration(world.TERMINAL, world.APP, "ims", action, f"{n:064x}", 1)
        await store.register_push(DEFAULT_TENANT, _imsi(n), [push])


def _imsi(number: int) -> Imsi:
    return Imsi(world.imsi_of(number))


@contextmanager
def _apple(folder: Path) -> Iterator[Path]:
    """Start Apple on the other core, and write the configuration that leads to it."""
    place = world.Place(folder, int(time.time()))
    place.make_keys()
    cores = rig.divide()
    command = (sys.executable, "-m", "bench.push", f"--play={folder}")
    with subprocess.Popen(command, stdout=subprocess.PIPE) as player:
        try:
            os.sched_setaffinity(player.pid, cores.rest)
            os.sched_setaffinity(0, {cores.server})
            assert player.stdout is not None
            key_id, team_id, topic, url = json.loads(player.stdout.readline())
            config = place.configure("push", f"sqlite:///{folder / 'push.db'}")
            with config.open("a") as file:
                file.write(
                    f'[push]\npoll_s = 0.1\n[apns.bench]\nkey_file = "{folder / "key.p8"}"\n'
                    f'key_id = "{key_id}"\nteam_id = "{team_id}"\ntopic = "{topic}"\n'
                    f'url = "{url}"\nca_file = "{folder / "ca.pem"}"\n'
                )
            yield config
        finally:
            player.kill()


if __name__ == "__main__":
    sys.exit(main())
