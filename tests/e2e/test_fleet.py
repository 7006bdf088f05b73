"""A fleet of a thousand devices, with processes all round (TS.43 §10.2).

`serve`, `sim smdp` with faults, `sim issuer`, and `sim mdm`, which is interrupted and starts anew.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from simgrant.domain.order import Order, OrderState
from simgrant.domain.owner import Enterprise
from tests.e2e.nodes import PATIENT, Node, Site, environment
from tests.e2e.test_esim import World, opened
from tests.e2e.test_partner import AUDIENCE, issuer

pytestmark = [pytest.mark.e2e, pytest.mark.spec("TS.43 §10.2")]

T, ACME = "default", Enterprise("acme")
FLEET = 1_000
FAULTS = ("lost", "unread", "slow", "silent")
"""Those after which an order goes on: no device is to be turned away."""


@dataclass
class Managed:
    """A server, its SM-DP+, and what a device management needs to be believed."""

    world: World
    node: Node
    issuer: str
    lines: list[dict[str, Any]] = field(default_factory=list)
    """What it said of each device."""

    def command(self, *arguments: str) -> list[str]:
        proof = ("--token-url", f"{self.issuer}/token", "--client-id", "bank", "--client-key")
        who = ("--enterprise-id", "ACME", "--requestor-id", "bank-1")
        key = str(self.world.folder / "partner.pem")
        pace = ("--longest-wait", "1", "--parallel", "32", "--json", "--reveal")
        command = ("sim", "mdm", self.node.url, *proof, key, *who, *pace, *arguments)
        return [sys.executable, "-m", "simgrant", *command]

    async def manage(self, *arguments: str, until: int | None = None) -> int:
        """Let it manage; with ``until``, press Ctrl-C once so many devices are done."""
        self.lines.clear()
        process = await asyncio.create_subprocess_exec(
            *self.command(*arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,  # it says nothing there, whatever happens
            cwd=self.world.folder,
            env=environment(),
        )
        assert process.stdout is not None
        async with asyncio.timeout(300):
            async for line in process.stdout:
                self.lines.append(json.loads(line))
                if len(self.lines) == until:
                    process.send_signal(signal.SIGINT)
            return await process.wait()

    async def orders(self) -> Sequence[Order]:
        async with self.world.site.store() as store:
            return await store.orders.of(T, ACME)

    async def live(self) -> int:
        async with self.world.site.store() as store:
            return await store.orders.live_of(T, ACME)


@asynccontextmanager
async def managed(site: Site, *, most: int) -> AsyncIterator[Managed]:
    with issuer(site.directory) as url:
        more = {
            **PATIENT,
            "orders.most_polls": 600,  # it asks more often than it is told to
            "issuers.login.issuer": url,
            "issuers.login.audience": AUDIENCE,
            "issuers.login.jwks": f"{url}/jwks",
            "partners.bank.requestor_ids": ["bank-1"],
            "partners.bank.client_ids": ["bank"],
            "partners.bank.operations": [
                *("CheckEligibility", "AcquireConfiguration", "ManageSubscription")
            ],
            "partners.bank.enterprises": ["acme"],
            "plan_offers.office.name": "Office",
            "plan_offers.travel.name": "Travel",
            "esim.watch.app": "enterprise",
            "esim.watch.most": most,
            "esim.watch.plans": ["office", "travel"],
        }
        async with opened(site, (), "pool", stock=most + 1, more=more) as world:
            yield Managed(world, site.node(), url)


async def test_a_thousand_devices_have_a_profile_each(sqlite_site: Site) -> None:
    async with managed(sqlite_site, most=FLEET + 1) as fleet:
        world = fleet.world
        options = ("--count", str(FLEET), "--plan", "office")
        failing = asyncio.create_task(_fail(world))
        try:
            assert await fleet.manage(*options, until=100) == 130
            begun = {each["iccid"] for each in fleet.lines}
            assert await fleet.manage(*options) == 0
        finally:
            failing.cancel()
        assert Counter(each["end"] for each in fleet.lines) == {"done": FLEET}
        iccids = {each["iccid"] for each in fleet.lines}
        assert len(iccids) == FLEET, "no profile is two devices'"
        assert begun <= iccids, "who starts anew finds what was ordered"
        orders = await fleet.orders()
        assert Counter(order.state for order in orders) == {OrderState.ACTIVE: FLEET}
        assert {order.plan for order in orders} == {"office"}
        assert {order.iccid.digits for order in orders if order.iccid} == iccids
        assert await fleet.live() == FLEET
        profiles = await world.smdp.ask("GET", "/profiles")
        assert {each["iccid"] for each in profiles if each["state"] != "Available"} == iccids
        async with world.site.store() as store:
            (shelf,) = await store.orders.stock(T)
        assert (shelf.taken, shelf.free) == (FLEET, 2)
        calls = await world.smdp.ask("GET", "/calls")
        assert any(call["fault"] for call in calls)
        text = fleet.node.out.read_text()
        for each in fleet.lines[:20]:
            for secret in ("device", "eid", "iccid", "activation_code"):
                assert each[secret] not in text


async def test_a_fleet_is_changed_and_given_up_and_its_orders_are_forgotten(
    sqlite_site: Site,
) -> None:
    async with managed(sqlite_site, most=3) as fleet:
        site = fleet.world.site
        await fleet.world.smdp.ask("DELETE", "/fault")
        assert await fleet.manage("--count", "4", "--plan", "office") == 1
        assert Counter(each["end"] for each in fleet.lines) == {"done": 3, "dismissed": 1}
        number = next(n for n, each in enumerate(_by_device(fleet.lines)) if each["end"] == "done")
        one = ("--count", "1", "--first", str(number + 1))
        steps = ("off", "on", "change", "unsubscribe")
        assert await fleet.manage(*steps, *one, "--plan", "travel") == 0
        done = site.command("order", "show", "enterprise:ACME", "--json")
        shown = json.loads(done.stdout)
        assert Counter(each["plan"] for each in shown["orders"]) == {"office": 2, "travel": 1}
        assert [each["event"] for each in shown["history"]].count("PlanChanged: travel") == 1
        (other,) = [each for each in shown["orders"] if each["state"] == "active"][:1]
        site.command("order", "end", other["order"])
        assert await fleet.live() == 1
        assert "would delete 3 orders, 1 of them live" in _said(site, "order", "forget", "acme")
        assert len(await fleet.orders()) == 3
        assert "3 orders deleted" in _said(site, "order", "forget", "acme", "--yes")
        assert await fleet.orders() == []
        # Whom it may not act for it is told nothing of.
        assert await fleet.manage("--enterprise-id", "globex") == 1


def _by_device(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(lines, key=lambda each: str(each["device"]))


def _said(site: Site, *arguments: str) -> str:
    done = site.command(*arguments)
    return done.stdout + done.stderr


async def _fail(world: World) -> None:
    """Let the SM-DP+ fail every twentieth call, each hundred of calls in another way."""
    for fault in itertools.cycle(FAULTS):
        await world.smdp.ask("PUT", "/fault", fault=fault, share=0.05, delay_s=0.5)
        for _ in range(100):
            await world.calls.get()
