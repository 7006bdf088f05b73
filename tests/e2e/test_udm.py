"""Vectors from a 5G core, with processes: a server, UDMs with their NRF, and phones.

The subscriptions' own keys are in the database too, and are not the core's: what a SIM accepts came
from there.
"""

from __future__ import annotations

import asyncio
import json
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from simgrant.sim.http import HttpClient, Url
from tests.e2e.nodes import SIMS, Node, Site
from tests.e2e.phones import ENABLED, Phone, vowifi_of
from tests.servers.process import SIMGRANT, child, json_line

pytestmark = pytest.mark.e2e

KEY = bytes(range(16))
US = "5b0f6a35-6a4f-4c4e-8a57-0d3f8a1d9c11"
NETWORK = "5G:mnc001.mcc001.3gppnetwork.org"
_READY_S = 60
THEIRS = tuple(replace(sim, k=KEY) for sim in SIMS)
"""The SIMs as they really are: the database has other keys."""


@dataclass
class Played:
    """A running `simgrant sim udm`."""

    process: Process
    up: dict[str, Any]

    async def vector(self) -> dict[str, Any]:
        """Return the next question for a vector that it tells of."""
        while (seen := await json_line(self.process))["instance"] is None:
            pass
        return seen

    async def pull(self, path: str, content: object) -> None:
        """Pull one of its levers."""
        client = HttpClient(Url.parse(self.up["control"]))
        headers = (("Content-Type", "application/json"),)
        told = await client.exchange("PUT", path, headers, body=json.dumps(content).encode())
        await client.aclose()
        assert told.status == 200, told.body


@asynccontextmanager
async def played(folder: Path, *options: str) -> AsyncIterator[Played]:
    file = folder / "sims.json"
    rows = [{"imsi": sim.imsi.digits, "k": sim.k.hex(), "opc": sim.opc.hex()} for sim in THEIRS]
    file.write_text(json.dumps(rows))
    own = ("--port", "0", "--control-port", "0", "--sim", str(file), "--json", *options)
    async with child(*SIMGRANT, "sim", "udm", *own, cwd=folder) as process:
        up = await json_line(process)
        assert up["event"] == "up"
        yield Played(process, up)


@pytest.fixture
def site(sqlite_site: Site) -> Site:
    """What holds of one store holds of the other here."""
    return sqlite_site


async def start(site: Site, core: Played, **more: object) -> Node:
    settings = {
        "sbi.nf_instance_id": US,
        "nrf.sim.addresses": [core.up["nrf"]],
        "auth.vector_timeout_s": 2.0,
        **more,
    }
    return await asyncio.to_thread(site.node, settings=settings)


def phone(number: int = 0, *, ahead: bool = False) -> Phone:
    return Phone(THEIRS[number], ahead=ahead)


ASKED = {
    "udm": ({"udm.sim.nrf": "sim", "udm.sim.oauth2": True}, "nudm-ueau"),
    "gba": ({"hss_sbi.sim.nrf": "sim", "hss_sbi.sim.oauth2": True}, "nhss-gba-ueau"),
    "ims": (
        {
            "hss_sbi.sim.nrf": "sim",
            "hss_sbi.sim.oauth2": True,
            "hss_sbi.sim.ims_domain": "ims.mnc001.mcc001.3gppnetwork.org",
            "hss_sbi.sim.server_name": "sip:ecs.ims.mnc001.mcc001.3gppnetwork.org",
        },
        "nhss-ims-ueau",
    ),
}


@pytest.mark.parametrize("how", ASKED)
async def test_a_phone_gets_its_document_with_a_vector_of_the_core(site: Site, how: str) -> None:
    own, service = ASKED[how]
    async with (
        played(site.directory, "--oauth2") as core,
        phone() as ours,
        phone(1, ahead=True) as late,
    ):
        node = await start(site, core, **own)
        assert vowifi_of(await ours.full(node)) == ENABLED
        seen = await core.vector()
        assert (seen["service"], seen["status"], seen["authorized"]) == (service, 200, True)
        assert seen["max_rsp_time_ms"] > 0
        assert vowifi_of(await late.full(node)) == ENABLED
        assert [(await core.vector())["resync"] for _ in range(2)] == [False, True]
        assert node.stop() == 0
        # No identity and no key is in the log.
        text = node.out.read_text()
        for sim in (ours.sim, late.sim):
            assert sim.imsi.digits not in text
        assert KEY.hex() not in text


async def test_who_is_away_is_passed_over(site: Site) -> None:
    async with played(site.directory) as core:
        node = await start(site, core, **{"udm.sim.nrf": "sim"})
        for number, away in enumerate([0, 1]):
            await core.pull(f"/instances/{away}", {"up": False})
            async with phone(number) as ours:
                assert vowifi_of(await ours.full(node)) == ENABLED
            assert (await core.vector())["instance"] == 1 - away
            await core.pull(f"/instances/{away}", {"up": True})
        assert node.stop() == 0


async def test_ctrl_c_ends_it(tmp_path: Path) -> None:
    async with played(tmp_path) as core:
        core.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(_READY_S):
            assert await core.process.wait() == 0
