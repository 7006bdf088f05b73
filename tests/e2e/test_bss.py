"""A BSS with processes: a watch's profile ordered of it, its answers lost, and what it tells."""

from __future__ import annotations

import asyncio
import json
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from simgrant.sim.bss.command import settings_for
from simgrant.sim.companion import parms
from simgrant.sim.http import HttpClient, Url
from simgrant.sim.sims import Sim
from simgrant.sim.web import Answer, Request, WebServer
from tests.e2e.nodes import Node, Site
from tests.e2e.test_esim import sims_of_watches
from tests.e2e.test_order_work import LIST, phone
from tests.servers.process import SIMGRANT, child, json_line

pytestmark = pytest.mark.e2e

EID = "89049032123451234512345678901235"
SECRET = "s3cret-of-the-client"
_READY_S = 60


@dataclass
class Played:
    """A running `simgrant sim bss`."""

    process: Process
    up: dict[str, Any]

    async def pull(self, method: str, path: str, content: object = None) -> Any:
        """Pull one of its levers."""
        client = HttpClient(Url.parse(self.up["control"]))
        body = None if content is None else json.dumps(content).encode()
        headers = (("Content-Type", "application/json"),)
        told = await client.exchange(method, path, headers, body=body)
        await client.aclose()
        assert told.status == 200, told.body
        return json.loads(told.body)


@asynccontextmanager
async def played(folder: Path, sims: tuple[Sim, ...], *options: str) -> AsyncIterator[Played]:
    file = folder / "sims.json"
    rows = [
        {"imsi": sim.imsi.digits, "k": sim.k.hex(), "opc": sim.opc.hex(), "msisdn": sim.msisdn.e164}
        for sim in sims
        if sim.msisdn
    ]
    file.write_text(json.dumps(rows))
    own = ("--port", "0", "--control-port", "0", "--sim", str(file), "--json", *options)
    async with child(*SIMGRANT, "sim", "bss", *own, cwd=folder) as process:
        up = await json_line(process)
        assert up["event"] == "up"
        yield Played(process, up)


async def node_of(site: Site, bss: Played) -> Node:
    """Start a server whose watches' profiles are ordered of a BSS."""
    (site.directory / "bss.secret").write_text(SECRET)
    told = settings_for(bss.up["url"], client_id="ecs")
    assert 'secret_file = "bss.secret"' in told
    site.settings = {
        **site.settings,
        "bss.sim.url": bss.up["url"],
        "bss.sim.token_url": f"{bss.up['url']}/token",
        "bss.sim.client_id": "ecs",
        "bss.sim.secret_file": "bss.secret",
        "bss.sim.orders.on": True,
        "bss.sim.orders.patience_s": 0.5,
        "esim.watch.order_mode": "bss",
        "orders.immediate_s": 8.0,
    }
    return await asyncio.to_thread(site.node)


@pytest.mark.parametrize("fault", ["", "lost", "busy"])
async def test_a_watch_gets_a_profile_that_the_bss_ordered(sqlite_site: Site, fault: str) -> None:
    site, (sim,) = sqlite_site, sims_of_watches(1)
    await site.provision((sim,), tenant="default", plan="premium")
    async with played(site.directory, (sim,), "--client", f"ecs:{SECRET}") as bss:
        node = await node_of(site, bss)
        if fault:
            wrong = {"fault": fault, "method": "POST", "resource": "productOrder", "times": 1}
            await bss.pull("PUT", "/fault", wrong)
        async with phone(sim, node, EID) as watch:
            result = parms(await watch.subscribe())["SubscriptionResult"]
            assert result == ("4" if fault else "2"), "it is ready, or comes later"
            async with asyncio.timeout(_READY_S):
                while result != "2":
                    await asyncio.sleep(0.2)
                    result = parms(await watch.subscribe())["SubscriptionResult"]
            assert watch.code is not None
            assert watch.code.matching_id == "BSS-00000001"
            assert parms(await watch.installed())["SubscriptionResult"] == "3"
            told = parms(await watch.configuration())
            assert told[f"{LIST}/ServiceStatus"] == "1"
        orders = await bss.pull("GET", "/orders")
        added = [each for each in orders if each["productOrderItem"][0]["action"] == "add"]
        assert len(added) == 1, "it was ordered once, whatever became of the answer"
        assert node.stop() == 0
    text = node.out.read_text()
    for secret in (EID, SECRET, "BSS-00000001", sim.imsi.digits):
        assert secret not in text


async def test_who_registers_is_told_of_a_change(tmp_path: Path) -> None:
    came: asyncio.Queue[Request] = asyncio.Queue()

    def answer(request: Request) -> Answer:
        came.put_nowait(request)
        return Answer(204)

    listener, sims = WebServer(answer, None), sims_of_watches(1)
    await listener.up()
    async with played(tmp_path, sims, "--callback-token", "t0ken") as bss:
        await bss.pull("POST", "/hubs", {"callback": f"{listener.url}/tmf", "api": "product"})
        imsi = sims[0].imsi.digits
        assert (await bss.pull("PUT", f"/lines/{imsi}", {"plan": "premium"}))["plan"] == "premium"
        async with asyncio.timeout(_READY_S):
            seen = await came.get()
        assert seen.target == "/tmf/listener/productAttributeValueChangeEvent"
        assert seen.headers["authorization"] == "Bearer t0ken"
        product = json.loads(seen.body)["event"]["product"]
        assert product["productOffering"]["id"] == "premium"
        bss.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(_READY_S):
            assert await bss.process.wait() == 0
    await listener.down()


async def test_a_profile_that_comes_later_is_found(sqlite_site: Site) -> None:
    site, (sim,) = sqlite_site, sims_of_watches(1)
    await site.provision((sim,), tenant="default", plan="premium")
    site.settings = {**site.settings, "bss.sim.orders.look_every_s": 1.0}
    async with played(site.directory, (sim,), "--client", f"ecs:{SECRET}") as bss:
        node = await node_of(site, bss)
        await bss.pull("PUT", "/orders", {"after": -1})
        async with phone(sim, node, EID) as watch:
            assert parms(await watch.subscribe())["SubscriptionResult"] == "4"
            (order,) = await bss.pull("GET", "/orders")
            await bss.pull("PUT", f"/orders/{order['id']}", {"state": "completed"})
            async with asyncio.timeout(_READY_S):
                while watch.code is None:
                    await asyncio.sleep(0.2)
                    await watch.configuration()
            assert watch.code.matching_id == "BSS-00000001"
        assert node.stop() == 0
