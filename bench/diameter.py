"""The server's half of Diameter without the server: vectors over SWx, and the codec alone.

It is a process that does jobs, as the load generator is, and the one that is measured: the node of
a server fetches vectors for the job's SIMs from an HSS, or one message is built or read again and
again. What an HSS would do before it has answered is not in it.
"""

from __future__ import annotations

import asyncio
import os
import time
from array import array
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from time import perf_counter
from typing import BinaryIO

import uvloop
from prometheus_client import CollectorRegistry

from bench import world
from bench.load import Job, Result, read_requests, work
from bench.profile import quiet
from simgrant.adapters.authn import swx as adapter
from simgrant.compose import core_network
from simgrant.compose.clock import CLOCK
from simgrant.config.load import DEFAULT_TENANT
from simgrant.eap.packet import Variant
from simgrant.errors import EcsError
from simgrant.identities import Imsi
from simgrant.links.diameter.node import DiameterNode, RouteConfig
from simgrant.links.diameter.peer import PeerConfig
from simgrant.ports.vectors import VectorRequest, Vectors
from simgrant.telemetry.metrics import Metrics
from simgrant.wire.diameter import base, swx
from simgrant.wire.diameter.avps import SESSION_ID
from simgrant.wire.diameter.message import pull_message, request
from simgrant.wire.diameter.vectors import Brought, Scheme, Wanted

BATCH = 100
"""Messages of the codec that are timed together."""
_PATIENCE_S = 10.0
_IMSI = world.imsi_of(1)


def _node() -> base.Node:
    realm, started = world.HSS_REALM, int(time.time())
    return base.Node(f"ecs-0.{realm}", realm, "simgrant", (swx.APPLICATION,), started)


@asynccontextmanager
async def opened(port: int) -> AsyncIterator[Vectors]:
    """Yield what asks the HSS on a port."""
    peer = PeerConfig(name="hss", host=world.HSS, address="127.0.0.1", port=port)
    watch = core_network.DiameterWatch(Metrics(CollectorRegistry()))
    node = DiameterNode(_node(), [peer], watcher=watch, clock=CLOCK, handlers=adapter.HANDLERS)
    route = RouteConfig(name="hss", peers=("hss",))
    running = asyncio.create_task(node.run())
    try:
        yield adapter.open_vectors(adapter.Config(route=route, realm=world.HSS_REALM), node=node)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def fetched(job: Job, vectors: Vectors) -> Result:
    """Fetch vectors, as many at a time as the job has connections, each for a SIM of its own."""
    took_ms, fault = array("d"), ""
    sims = read_requests(Path(job.requests))[: job.connections]

    begun = perf_counter()

    async def keep_asking(imsi: Imsi) -> None:
        wanted = VectorRequest(DEFAULT_TENANT, imsi, Variant.AKA)
        while (began := perf_counter()) < begun + job.seconds:
            await vectors.fetch(wanted, deadline=CLOCK.monotonic() + _PATIENCE_S)
            took_ms.append((perf_counter() - began) * 1000)

    try:
        async with asyncio.TaskGroup() as group:
            for sim in sims:
                group.create_task(keep_asking(Imsi(sim.nai[1:16])))
    except* EcsError as errors:
        fault = "; ".join(repr(error) for error in errors.exceptions)
    return Result(seconds=perf_counter() - begun, took_ms=took_ms.tolist(), fault=fault)


def builder() -> Callable[[], bytes]:
    """Return what builds a MAR."""
    node = _node()
    fixed = swx.push_fixed(node.realm, "") + node.push_origin()
    wanted = Wanted(_IMSI, Scheme.AKA)

    def build() -> bytes:
        avps = SESSION_ID.push(f"{node.host};1;2") + fixed + swx.push_request(wanted)
        command = swx.Command.MULTIMEDIA_AUTH
        return request(command, swx.APPLICATION, avps, hop_by_hop=1, end_to_end=2)

    return build


def reader() -> Callable[[], Brought]:
    """Return what reads an MAA."""
    item = Brought(_IMSI, Scheme.AKA, bytes(16), bytes(16), bytes(8), bytes(16), bytes(16))
    asked = pull_message(builder()())
    told = base.answer_with(_node(), asked, 0, base.Result.SUCCESS, swx.push_item(item))

    def read() -> Brought:
        avps = pull_message(told).avps
        base.pull_result(avps)
        return swx.pull_item(avps)

    return read


_CODEC: Mapping[str, Callable[[], Callable[[], object]]] = {"build": builder, "read": reader}


def repeated(each: Callable[[], object], seconds: float) -> Result:
    """Do one thing again and again."""
    took_ms = array("d")
    now = begun = perf_counter()
    while now < begun + seconds:
        began = now
        for _ in range(BATCH):
            each()
        now = perf_counter()
        took_ms.append((now - began) * 1000 / BATCH)
    return Result(seconds=now - begun, took_ms=took_ms.tolist(), times=BATCH)


async def _serve(results: BinaryIO) -> None:
    """Do jobs until standard input ends."""
    async with AsyncExitStack() as stack:
        kept: dict[int, Vectors] = {}

        async def do(job: Job) -> Result:
            if job.kind in _CODEC:
                return repeated(_CODEC[job.kind](), job.seconds)
            if job.port not in kept:
                kept[job.port] = await stack.enter_async_context(opened(job.port))
            return await fetched(job, kept[job.port])

        await work(do, results)


def main() -> None:
    """Do jobs, and let what is logged be written to nowhere."""
    with os.fdopen(os.dup(1), "wb") as results, quiet():
        uvloop.run(_serve(results))


if __name__ == "__main__":
    main()
