"""python-diameter, which is not ours, as the HSS that our node takes vectors from."""

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
from simgrant.adapters.network_data import sh
from simgrant.domain.network_facts import Kind, Kinds, Registration
from simgrant.eap.packet import Variant
from simgrant.eap.vector import Resync
from simgrant.errors import UnknownIdentity
from simgrant.identities import Imsi, Msisdn
from simgrant.links.diameter.hss import HssVectors
from simgrant.links.diameter.node import DiameterNode, RouteConfig
from simgrant.links.diameter.peer import PeerConfig, State
from simgrant.links.diameter.watchdog import WatchdogRules
from simgrant.ports.network_data import Known, Subscriber
from simgrant.ports.vectors import VectorRequest
from tests.clocks import MovableClock
from tests.interop.foreign_diameter import connecting, python_diameter
from tests.interop.test_diameter_dictionary import PYTHON
from tests.loopback.links.diameter.world import REALM, US, Diary
from tests.servers.process import free_port, json_line

IMSI = Imsi("001010000000001")
PARTS = tuple(
    bytes([number]) * size for number, size in ((1, 16), (0x81, 16), (3, 8), (4, 16), (5, 16))
)

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not PYTHON.exists(), reason="python-diameter is not there (make tools)"),
]


@dataclass
class Foreign:
    """The running one, and our node."""

    process: Process
    node: DiameterNode
    diary: Diary
    vectors: HssVectors

    async def line(self) -> dict[str, Any]:
        """Return the next thing that it says."""
        return await json_line(self.process)

    async def until(self, state: State) -> None:
        async with asyncio.timeout(30):
            while self.node.states()["hss"] is not state:
                self.diary.news.clear()
                await self.diary.news.wait()


@asynccontextmanager
async def _running(log: Path) -> AsyncIterator[Foreign]:
    port = free_port()
    vector = ".".join(part.hex() for part in PARTS)
    diary = Diary(asyncio.Event())
    config = PeerConfig(
        name="hss",
        host=f"hss.{REALM}",
        address="127.0.0.1",
        port=port,
        watchdog=WatchdogRules(tw_s=0.5),
    )
    node = DiameterNode(US, [config], watcher=diary, clock=MovableClock(), handlers=swx.HANDLERS)
    route = RouteConfig(name="home", peers=("hss",))
    vectors = swx.open_vectors(swx.Config(route=route, realm=REALM, host=config.host), node=node)
    async with (
        python_diameter("foreign_hss.py", str(port), f"{IMSI.digits}={vector}", log=log) as process,
        connecting(node),
    ):
        made = Foreign(process, node, diary, vectors)
        await made.until(State.OKAY)
        yield made


@pytest.fixture
async def foreign(tmp_path: Path) -> AsyncIterator[Foreign]:
    async with _running(tmp_path / "log") as made:
        yield made


def _wanted(imsi: Imsi, **more: Any) -> VectorRequest:
    return VectorRequest("default", imsi, Variant.AKA, **more)


async def test_its_vector_is_the_one_that_it_has(foreign: Foreign) -> None:
    vector = await foreign.vectors.fetch(_wanted(IMSI), deadline=time.monotonic() + 10)
    assert (vector.rand, vector.autn, vector.xres, vector.ck, vector.ik) == PARTS
    assert await foreign.line() == {"imsi": IMSI.digits, "scheme": "EAP-AKA", "resync": ""}
    resync = Resync(b"\6" * 16, b"\7" * 14)
    await foreign.vectors.fetch(_wanted(IMSI, resync=resync), deadline=time.monotonic() + 10)
    assert (await foreign.line())["resync"] == (b"\6" * 16 + b"\7" * 14).hex()


async def test_its_no_is_understood(foreign: Foreign) -> None:
    with pytest.raises(UnknownIdentity) as raised:
        await foreign.vectors.fetch(
            _wanted(Imsi("001010099999999")), deadline=time.monotonic() + 10
        )
    assert raised.value.reason == "hss_user_unknown"


async def test_what_it_tells_of_a_subscriber_is_read(foreign: Foreign) -> None:
    config = sh.Config(
        route=RouteConfig(name="home", peers=("hss",)), realm=REALM, domain="ims.example.com"
    )
    data = sh.open_data(config, node=foreign.node)
    known = Known(
        number=Msisdn("447700900001"),
        visited_plmn="26201",
        located_s=60,
        registration=Registration.REGISTERED,
    )
    asked = {"references": [14, 15, 17], "domain": 1, "current": 0}
    deadline = time.monotonic() + 10
    assert await data.ask(Subscriber(IMSI, known.number), Kinds(Kind), deadline=deadline) == known
    assert await foreign.line() == {
        "number": "447700090010",
        "public": "",
        "private": IMSI.digits,
        **asked,
    }
    assert await data.ask(Subscriber(IMSI), Kinds(Kind), deadline=deadline) == known
    private = f"{IMSI.digits}@ims.example.com"
    assert await foreign.line() == {
        "number": "",
        "public": f"sip:{private}",
        "private": private,
        **asked,
    }


async def test_it_answers_our_watchdog_and_we_its_good_bye(foreign: Foreign) -> None:
    await asyncio.sleep(2)  # An answer that did not come would have made it suspect within one.
    assert foreign.diary.states == [("hss", State.OKAY, "")]
    assert foreign.process.stdin is not None
    foreign.process.stdin.close()
    await foreign.until(State.CLOSED)
    assert foreign.diary.states[1] == ("hss", State.CLOSED, "it said good-bye")
