"""What a vector from an HSS costs: `python -m bench.diameter`.

The node of a server fetches vectors over SWx from a simulated HSS in another process, on the
loopback, 64 at a time. Counted is the processor time of our process, and of the codec alone. The
HSS is Python too and makes real vectors: the rate on the clock says more of it than of us.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from timeit import repeat

import uvloop
from prometheus_client import CollectorRegistry
from rich.console import Console
from rich.table import Table

from bench import rig
from simgrant import compose
from simgrant.adapters.authn import swx as adapter
from simgrant.eap.packet import Variant
from simgrant.identities import Imsi
from simgrant.links.diameter.node import DiameterNode, RouteConfig
from simgrant.links.diameter.peer import PeerConfig
from simgrant.ports.vectors import VectorRequest, Vectors
from simgrant.sim.hss.auc import Auc
from simgrant.sim.hss.server import HssServer
from simgrant.sim.sims import demo_sims
from simgrant.telemetry.metrics import Metrics
from simgrant.wire.diameter import base, swx
from simgrant.wire.diameter.avps import SESSION_ID
from simgrant.wire.diameter.message import pull_message, request
from simgrant.wire.diameter.vectors import Brought, Scheme, Wanted

CPU_US, BUILD_US, READ_US = 110, 15, 10
"""To stay below: of a fetch, of building a MAR, of reading an MAA."""
_REALM = "epc.mnc001.mcc001.3gppnetwork.org"
_IMSI = "001010000000001"
_AT_ONCE = 64


def main() -> int:
    """Read the arguments and run; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.diameter", description=__doc__)
    parser.add_argument("-n", type=int, default=6_400, help="vectors in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--play", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.play:
        uvloop.run(_play())
        return 0
    with _hss() as port:
        rounds = uvloop.run(_run(port, arguments.n, arguments.rounds))
    build, read = _codec()
    table = Table("", "CPU us", "to stay below", "a second")
    rate = median(rate for _, rate in rounds)
    table.add_row(
        "a vector", f"{median(cpu for cpu, _ in rounds):.0f}", f"{CPU_US}", f"{rate:,.0f}"
    )
    table.add_row("building a MAR", f"{build:.1f}", f"{BUILD_US}", "")
    table.add_row("reading an MAA", f"{read:.1f}", f"{READ_US}", "")
    Console().print(table)
    return 0


async def _play() -> None:
    """Be the HSS until the process is ended."""
    hss = HssServer(Auc(demo_sims()), host=f"hss.{_REALM}", realm=_REALM)
    await hss.up()
    print(hss.port, flush=True)
    await asyncio.Event().wait()


async def _run(port: int, count: int, rounds: int) -> list[tuple[float, float]]:
    """Return processor time of a vector and vectors a second, of each round after a first one."""
    peer = PeerConfig(name="hss", host=f"hss.{_REALM}", address="127.0.0.1", port=port)
    us = base.Node(f"ecs-0.{_REALM}", _REALM, "simgrant", (swx.APPLICATION,), int(time.time()))
    watch = compose.DiameterWatch(Metrics(CollectorRegistry()))
    node = DiameterNode(us, [peer], watcher=watch, clock=compose.CLOCK, handlers=adapter.HANDLERS)
    running = asyncio.create_task(node.run())
    config = adapter.Config(route=RouteConfig(name="hss", peers=("hss",)), realm=_REALM)
    vectors = adapter.open_vectors(config, node=node)
    try:
        return [await _round(vectors, count) for _ in range(rounds + 1)][1:]
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _round(vectors: Vectors, count: int) -> tuple[float, float]:
    wanted = VectorRequest("default", Imsi(_IMSI), Variant.AKA)

    async def some() -> None:
        for _ in range(count // _AT_ONCE):
            await vectors.fetch(wanted, deadline=compose.CLOCK.monotonic() + 30)

    begun, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(some() for _ in range(_AT_ONCE)))
    done = count // _AT_ONCE * _AT_ONCE
    used, took = time.process_time() - cpu, time.perf_counter() - begun
    return used / done * 1e6, done / took


def _codec() -> tuple[float, float]:
    """Return microseconds to build a MAR and to read an MAA."""
    node = base.Node(f"ecs-0.{_REALM}", _REALM, "simgrant", (swx.APPLICATION,))
    fixed = swx.push_fixed(_REALM, "") + node.push_origin()
    wanted = Wanted(_IMSI, Scheme.AKA)

    def build() -> bytes:
        avps = SESSION_ID.push(f"{node.host};1;2") + fixed + swx.push_request(wanted)
        command = swx.Command.MULTIMEDIA_AUTH
        return request(command, swx.APPLICATION, avps, hop_by_hop=1, end_to_end=2)

    item = Brought(_IMSI, Scheme.AKA, bytes(16), bytes(16), bytes(8), bytes(16), bytes(16))
    asked = pull_message(build())
    told = base.answer_with(node, asked, 0, base.Result.SUCCESS, swx.push_item(item))

    def read() -> Brought:
        avps = pull_message(told).avps
        base.pull_result(avps)
        return swx.pull_item(avps)

    return _each(build), _each(read)


def _each(work: Callable[[], object]) -> float:
    times = 5_000
    return min(repeat(work, timer=time.process_time, number=times, repeat=7)) / times * 1e6


@contextmanager
def _hss() -> Iterator[int]:
    """Start an HSS on the other core, and return its port."""
    cores = rig.divide()
    command = (sys.executable, "-m", "bench.diameter", "--play")
    with subprocess.Popen(command, stdout=subprocess.PIPE) as player:
        try:
            os.sched_setaffinity(player.pid, cores.rest)
            os.sched_setaffinity(0, {cores.server})
            assert player.stdout is not None
            yield int(player.stdout.readline())
        finally:
            player.kill()


if __name__ == "__main__":
    sys.exit(main())
