"""An eSIM with a page between, all of it processes: phone, server, portal and SM-DP+."""

from __future__ import annotations

import asyncio
import json
import re
import urllib.request

import pytest

from simgrant.domain.order import OrderState
from tests.e2e.nodes import Site
from tests.e2e.test_esim import opened, sims_of_watches
from tests.servers.process import free_port

pytestmark = pytest.mark.e2e


async def test_a_companion_s_page_is_played_on_the_command_line(sqlite_site: Site) -> None:
    (sim,) = sims = sims_of_watches(1)
    place = f"127.0.0.1:{free_port()}"
    portal: dict[str, object] = {"portal.listen": place, "portal.public_url": f"http://{place}"}
    more = {"orders.immediate_s": 8, "esim.watch.portal": "always", **portal}
    async with opened(sqlite_site, sims, "pool", more=more) as world:
        node = world.site.node("--workers", "2", settings=portal)
        keys = ("--k", sim.k.hex(), "--opc", sim.opc.hex(), "--imsi", sim.imsi.digits)
        steps = ("check", "subscribe", "installed")
        choice = ("--web-view", "finish", "--fill", "name=Running")
        done = await asyncio.to_thread(
            world.site.command, "sim", "companion", node.url, *steps, *keys, *choice, "--json"
        )
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        events = [line["event"] for line in lines if "event" in line]
        assert events == ["page", "form", "form", "call_back"], lines
        assert sim.imsi.digits not in done.stdout
        (order,) = await world.settled(sims)
        assert (order.state, order.device.name) == (OrderState.ACTIVE, "Running")
        # Whoever helps the subscriber may look at the page.
        made = (sim.imsi.digits, "ap2006", "--order", order.order_id[:6])
        link = await asyncio.to_thread(world.site.command, "page", *made)
        url = link.stdout.strip()
        with await asyncio.to_thread(urllib.request.urlopen, url, timeout=20) as answer:
            assert "Your eSIM is installed" in answer.read().decode()
        # Neither the handle nor the code is in what the server writes down.
        text = node.out.read_text()
        assert order.matching_id not in text
        assert not re.search(r"[A-Za-z0-9_-]{90,}", text)
