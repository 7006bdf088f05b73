"""Wi-Fi calling switched on in the network by processes, one of which is killed on the way."""

from __future__ import annotations

import asyncio
from itertools import islice

import pytest

from simgrant.wire.tmf.inventory import ServiceState
from tests.e2e.nodes import Site
from tests.e2e.phones import Phone, vowifi_of
from tests.e2e.test_bss import Played, played
from tests.e2e.test_esim import sims_of_watches

pytestmark = pytest.mark.e2e

PROVISIONING, ENABLED = "3", "1"
_WITHIN_S = 60


async def asked_of(bss: Played) -> list[str]:
    """Return what the BSS was asked."""
    seen = await bss.pull("GET", "/requests")
    return [f"{each['method']} {each['resource']}" for each in seen]


async def test_a_node_that_is_killed_loses_no_wish(sqlite_site: Site) -> None:
    site, (sim,) = sqlite_site, (*islice(sims_of_watches(1), 1),)
    await site.provision((sim,), tenant="default", plan="basic")
    imsi = sim.imsi.digits
    async with played(site.directory, (sim,)) as bss:
        await bss.pull("PUT", f"/lines/{imsi}", {"vowifi": "inactive", "silent": True})
        await bss.pull("PUT", "/network", {"after": 12})
        site.settings = {
            **site.settings,
            "bss.sim.url": bss.up["url"],
            "bss.sim.activation.on": True,
            "bss.sim.activation.look_every_s": 1.0,
        }
        node = await asyncio.to_thread(site.node)
        sent = site.command("event", "send", imsi, "plan_changed", "--plan", "standard")
        assert sent.returncode == 0, sent.stderr

        async with asyncio.timeout(_WITHIN_S):
            seen: list[str] = []
            while "GET monitor" not in seen:
                await asyncio.sleep(0.2)
                seen = await asked_of(bss)
        async with Phone(sim) as phone:
            assert vowifi_of(await phone.full(node)) == PROVISIONING
        node.kill()
        node = await asyncio.to_thread(site.node)
        async with asyncio.timeout(_WITHIN_S):
            async with Phone(sim, ahead=True) as phone:
                while (status := vowifi_of(await phone.full(node))) != ENABLED:
                    assert status == PROVISIONING
                    await asyncio.sleep(0.5)
        line = await bss.pull("GET", f"/lines/{imsi}")
        assert line["vowifi"] == ServiceState.ACTIVE
        switched = [each for each in await asked_of(bss) if each == "PATCH service"]
        assert len(switched) == 1, "who comes next watches what was begun"
