"""python-diameter, which is not ours, between our node and the simulated HSS: relay, and SLF."""

from __future__ import annotations

import asyncio
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from simgrant.adapters.authn import swx
from simgrant.eap.packet import Variant
from simgrant.errors import PeerUnavailable
from simgrant.identities import Imsi
from simgrant.links.diameter.hss import HssVectors
from simgrant.links.diameter.node import DiameterNode, RouteConfig
from simgrant.links.diameter.peer import PeerConfig, State
from simgrant.ports.vectors import VectorRequest
from simgrant.sim.hss.faults import Fault, Plan
from simgrant.sim.hss.server import HssServer
from tests.clocks import MovableClock
from tests.interop.foreign_diameter import connecting, python_diameter
from tests.interop.test_diameter_dictionary import PYTHON
from tests.loopback.links.diameter.world import IMSI, REALM, US, Diary, hss_server
from tests.servers.process import free_port, json_line

DRA, HSS = f"dra.{REALM}", f"hss0.{REALM}"

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not PYTHON.exists(), reason="python-diameter is not there (make tools)"),
]


@dataclass
class Between:
    """The running agent, and what is on either side of it."""

    process: Process
    hss: HssServer
    vectors: HssVectors

    async def line(self) -> dict[str, Any]:
        """Return the next thing that the agent says."""
        return await json_line(self.process)

    async def fetch(self) -> None:
        """Take a vector, by however many stations."""
        request = VectorRequest("default", Imsi(IMSI), Variant.AKA)
        await self.vectors.fetch(request, deadline=time.monotonic() + 10)


@asynccontextmanager
async def _between(log: Path, role: str, *, host: str = "") -> AsyncIterator[Between]:
    hss = hss_server(0)
    await hss.up()
    port = free_port()
    where = (HSS, str(hss.port)) if role == "relay" else (f"aaa://{HSS}:{hss.port}",)
    diary = Diary(asyncio.Event())
    peers = [PeerConfig(name="dra", host=DRA, address="127.0.0.1", port=port)]
    if role == "redirect":
        peers.append(PeerConfig(name="hss", host=HSS, address="127.0.0.1", port=hss.port))
    node = DiameterNode(US, peers, watcher=diary, clock=MovableClock(), handlers=swx.HANDLERS)
    route = RouteConfig(
        name="home",
        peers=("dra",),
        redirects_to=tuple(each.name for each in peers[1:]),
        message_priority=3,
    )
    vectors = swx.open_vectors(swx.Config(route=route, realm=REALM, host=host), node=node)
    try:
        async with (
            python_diameter("foreign_dra.py", str(port), role, *where, log=log) as process,
            connecting(node),
        ):
            async with asyncio.timeout(30):
                while set(node.states().values()) != {State.OKAY}:
                    diary.news.clear()
                    await diary.news.wait()
            yield Between(process, hss, vectors)
    finally:
        await hss.down()


async def test_a_relay_passes_requests_on_and_reads_what_they_say_of_themselves(
    tmp_path: Path,
) -> None:
    async with _between(tmp_path / "log", "relay") as made:
        await made.fetch()
        assert await made.line() == {"priority": 3, "features": 1}
        (seen,) = made.hss.seen
        assert (seen.peer, seen.priority, seen.shown) == (DRA, 3, "2001 SUCCESS")


async def test_a_report_of_overload_comes_through_a_relay(tmp_path: Path) -> None:
    async with _between(tmp_path / "log", "relay", host=HSS) as made:
        made.hss.plan = Plan(fault=Fault.OVERLOAD, percent=100)
        await made.fetch()
        with pytest.raises(PeerUnavailable) as raised:
            await made.fetch()
        assert raised.value.reason == "diameter_overloaded"
        assert len(made.hss.seen) == 1


async def test_a_redirect_of_an_agent_that_is_not_ours_is_followed_and_kept(
    tmp_path: Path,
) -> None:
    async with _between(tmp_path / "log", "redirect") as made:
        await made.fetch()
        assert (await made.line())["priority"] == 3
        await made.fetch()
        assert [seen.peer for seen in made.hss.seen] == [US.host] * 2
        assert made.process.stdin is not None
        made.process.stdin.close()
        # It was asked about a user once.
        assert await made.line() == {"event": "down"}
