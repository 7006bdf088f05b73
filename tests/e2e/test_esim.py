"""eSIM orders with processes: a server, an SM-DP+ over mutual TLS, and whichever of them is killed.

At the end of each test the books agree: what the SM-DP+ gave away is what orders have.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import apsw
import pytest

from simgrant.domain.order import Order, OrderState
from simgrant.identities import Iccid, Imsi, Msisdn
from simgrant.ports.profile_events import INSTALLATION
from simgrant.sim.companion import Companion, CompanionClient, parms
from simgrant.sim.exchange import Result
from simgrant.sim.handset import Handset
from simgrant.sim.http import Limits, Url
from simgrant.sim.profiles import PROFILES, ProfileName
from simgrant.sim.sims import DEMO_K, DEMO_OPC, Sim, following
from simgrant.sim.smdp.caller import Caller
from simgrant.sim.smdp.certificates import Certificates
from simgrant.sim.smdp.pool import Profile
from tests.e2e.nodes import PATIENT, Node, Site, until
from tests.e2e.test_sim_smdp import Played, played
from tests.servers.process import free_port

pytestmark = pytest.mark.e2e

T = "default"
ALLOCATIONS = pytest.mark.parametrize("allocation", ["pool", "peer"])
FUNCTIONS = pytest.mark.parametrize("function", ["downloadOrder", "confirmOrder"])
WATCH_PHONE = replace(PROFILES[ProfileName.ANDROID_NUMBER], apps=("ap2006",), app_name="odsa")
QUICK = {"orders.call_timeout_s": 1, "orders.longest_pause_s": 2, "orders.immediate_s": 0.3}
STOCK = 20


def sims_of_watches(count: int) -> tuple[Sim, ...]:
    first = Sim(imsi=Imsi("001010000001001"), k=DEMO_K, opc=DEMO_OPC, msisdn=Msisdn("447700901001"))
    return tuple(following(first, count))


@dataclass
class World:
    """A site whose orders go to a simulated SM-DP+, and what that needs to come back."""

    site: Site
    allocation: str
    options: tuple[str, ...]
    smdp: Played
    callback: int
    calls: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    _clients: list[Handset] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        return self.site.directory

    def client(self, sim: Sim, node: Node, number: int = 1) -> CompanionClient:
        """Return a phone with a watch of its own."""
        limits = Limits(connect_s=20, read_s=25)
        handset = Handset(sim, Url.parse(node.url), WATCH_PHONE, limits=limits)
        self._clients.append(handset)
        return CompanionClient(
            handset,
            Companion(terminal_id=f"watch {number}", eid=f"8904903212345123451234{number:010d}"),
        )

    async def orders(self, sims: Sequence[Sim]) -> list[Order]:
        async with self.site.store() as store:
            return [order for sim in sims for order in await store.orders.of(T, sim.imsi)]

    async def settled(self, sims: Sequence[Sim], *, within: float = 90) -> list[Order]:
        """Return the orders once nothing is to be done for any of them."""
        async with asyncio.timeout(within):
            while True:
                found = await self.orders(sims)
                if found and all(order.todo is None for order in found):
                    return found
                await self.called_or_a_moment()

    async def called(self, function: str = "") -> dict[str, Any]:
        """Return the next call that the SM-DP+ executes, of this function."""
        async with asyncio.timeout(60):
            while True:
                call = await self.calls.get()
                if function in ("", call["function"]):
                    return call

    async def called_or_a_moment(self) -> None:
        """Wait until the SM-DP+ was called, or half a second: an order changes by its calls."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await self.calls.get()

    @asynccontextmanager
    async def heard(self, smdp: Played) -> AsyncIterator[None]:
        """Take down the calls that an SM-DP+ prints."""

        async def hear() -> None:
            assert smdp.process.stdout is not None
            async for line in smdp.process.stdout:
                self.calls.put_nowait(json.loads(line))

        self.smdp, hearing = smdp, asyncio.create_task(hear())
        try:
            yield
        finally:
            hearing.cancel()

    async def agree(self, sims: Sequence[Sim]) -> list[Order]:
        """Check the SM-DP+'s books against the orders, once these are settled."""
        orders = await self.settled(sims)
        profiles = await self.smdp.ask("GET", "/profiles")
        given = Counter(each["iccid"] for each in profiles if each["state"] != "Available")
        held = Counter(
            order.iccid.digits
            for order in orders
            if order.iccid is not None and order.state is not OrderState.ENDED
        )
        assert given == held
        assert set(held.values()) <= {1}
        if self.allocation == "pool":
            async with self.site.store() as store:
                (shelf,) = await store.orders.stock(T)
            assert shelf.taken == len(held)
        return orders

    async def close(self) -> None:
        for handset in self._clients:
            await handset.aclose()


@asynccontextmanager
async def opened(
    site: Site,
    sims: Sequence[Sim],
    allocation: str,
    *,
    stock: int = STOCK,
    habits: Sequence[str] = (),
    more: Mapping[str, object] | None = None,
) -> AsyncIterator[World]:
    """Fill a site with SIMs that may have watches, and an SM-DP+ with their profiles."""
    callback = free_port()
    options = (
        *("--port", str(free_port()), "--control-port", str(free_port())),
        *("--stock", f"watch={stock}", "--state", "books", "--callback-url"),
        *(f"https://127.0.0.1:{callback}", "--callback-ca", "tls/ca.pem"),
        *habits,
    )
    await site.provision(tuple(sims), tenant=T, plan="premium")
    async with played(site.directory, *options) as smdp:
        up = smdp.up
        site.settings = {
            **site.settings,
            **{f"smdp.sim.{key}": value for key, value in up["settings"].items()},
            "smdp.sim.tells_sha256": [up["fingerprint"]],
            "esim.watch.smdp": "sim",
            "esim.watch.profile_type": "watch",
            "esim.watch.allocation": allocation,
            "es2plus.tls_certificate": up["settings"]["certificate"],
            "es2plus.tls_key": up["settings"]["key"],
            "es2plus.client_ca": up["settings"]["ca_file"],
            **QUICK,
            **(more or {}),
        }
        if allocation == "pool":
            profiles = await smdp.ask("GET", "/profiles")
            async with site.store() as store:
                iccids = [Iccid(each["iccid"]) for each in profiles]
                await store.orders.add_stock(T, "sim", "watch", iccids)
        world = World(site, allocation, options, smdp, callback)
        try:
            async with world.heard(smdp):
                yield world
        finally:
            await world.close()


def listening(world: World) -> dict[str, object]:
    return {"es2plus.listen": f"127.0.0.1:{world.callback}"}


@ALLOCATIONS
async def test_a_watch_gets_its_profile_and_gives_it_back(
    sqlite_site: Site, allocation: str
) -> None:
    (sim,) = sims = sims_of_watches(1)
    async with opened(sqlite_site, sims, allocation) as world:
        workers = ("--workers", "2") if allocation == "peer" else ()
        node = world.site.node(*workers, settings=listening(world))
        watch = world.client(sim, node)
        assert parms(await watch.check())["CompanionAppEligibility"] == "1"
        told = parms(await watch.subscribe())
        while told["SubscriptionResult"] == "4":
            await world.called_or_a_moment()
            told = parms(await watch.subscribe())
        assert told["SubscriptionResult"] == "2"
        assert watch.code is not None
        profile = await world.smdp.ask("GET", f"/profiles/{watch.iccid}")
        assert (profile["state"], profile["eid"]) == ("Released", watch.companion.eid)
        assert watch.code.matching_id == profile["matching_id"]
        # The eUICC downloads and installs; the SM-DP+ tells us, over mutual TLS.
        assert await world.smdp.ask("POST", "/install", iccid=watch.iccid) == [204, 204]
        (order,) = await world.orders(sims)
        assert order.state is OrderState.ACTIVE
        # A renewed certificate of ours asks the SM-DP+ for its own as the old one did.
        certificates = Certificates(world.folder / "tls", now=time.time())
        certificates.issue("operator", certificates.operator, certificates.operator_key)
        renewed = '"event":"certificate_renewed"'
        await until(
            lambda: node.out.read_text().count(renewed) >= (2 if workers else 1), what=renewed
        )
        # By a connection of its own, since the simulator keeps the one it has.
        caller = Caller(f"https://127.0.0.1:{world.callback}", tls=certificates.caller_context())
        assert await caller.tell(Profile(watch.iccid, "watch"), INSTALLATION) == 204
        await caller.close()
        assert parms(await watch.installed())["SubscriptionResult"] == "3"
        assert parms(await watch.service(on=False))["ServiceStatus"] == "3"
        assert parms(await watch.service(on=True))["ServiceStatus"] == "1"
        assert parms(await watch.give_up())["SubscriptionResult"] == "3"
        outcomes = [line["outcome"] for line in node.lines() if line["event"] == "smdp_told"]
        assert outcomes == ["noted", "installed", "repeated"]
        assert node.metric("simgrant_smdp_told_total", smdp="sim", status="204") == 3
        shown = json.loads(world.site.command("order", "show", sim.imsi.digits, "--json").stdout)
        assert [each["event"] for each in shown["history"]][-1] == "Unsubscribed"
        text = node.out.read_text()
        for secret in (watch.iccid, watch.companion.eid, watch.code.matching_id, sim.imsi.digits):
            assert secret not in text


@pytest.mark.parametrize(
    ("allocation", "habits"), [("pool", ()), ("pool", ("--forgets-calls",)), ("peer", ())]
)
@FUNCTIONS
async def test_a_server_killed_in_a_call_has_no_second_profile(
    sqlite_site: Site, allocation: str, habits: tuple[str, ...], function: str
) -> None:
    """The SM-DP+ did what it was asked, and the server ends before it hears of it."""
    (sim,) = sims = sims_of_watches(1)
    async with opened(sqlite_site, sims, allocation, habits=habits) as world:
        node = world.site.node(settings={"orders.call_timeout_s": 10})
        await world.smdp.ask("PUT", "/fault", fault="silent", function=function)
        watch = world.client(sim, node)
        assert parms(await watch.subscribe())["SubscriptionResult"] == "4"
        assert (await world.called(function))["result"] == "done"
        node.kill()
        await world.smdp.ask("DELETE", "/fault")
        _let_leases_end(world.site)
        node.start()
        (order,) = await world.agree(sims)
        assert order.state is OrderState.RELEASED
        # The same watch, asking again, gets the same profile.
        again = world.client(sim, node)
        assert parms(await again.subscribe())["SubscriptionResult"] == "2"
        assert order.iccid == Iccid(again.iccid)
        assert len(await world.agree(sims)) == 1


async def test_an_smdp_that_is_killed_comes_back_with_its_books(sqlite_site: Site) -> None:
    (sim,) = sims = sims_of_watches(1)
    async with opened(sqlite_site, sims, "pool") as world:
        node = world.site.node()
        await world.smdp.ask("PUT", "/fault", fault="silent", function="downloadOrder")
        watch = world.client(sim, node)
        assert parms(await watch.subscribe())["SubscriptionResult"] == "4"
        assert (await world.called())["result"] == "done"
        world.smdp.process.kill()
        await world.smdp.process.wait()
        configured = parms(await watch.configuration())
        assert configured["CompanionConfigurations/CompanionConfiguration/ServiceStatus"] == "2"
        async with played(world.folder, *world.options) as smdp, world.heard(smdp):
            (order,) = await world.agree(sims)
            assert order.state is OrderState.RELEASED
            assert parms(await watch.subscribe())["SubscriptionResult"] == "2"


async def test_a_companion_is_played_on_the_command_line(sqlite_site: Site) -> None:
    (sim,) = sims = sims_of_watches(1)
    async with opened(sqlite_site, sims, "pool", more={"orders.immediate_s": 10}) as world:
        node = world.site.node()
        steps = ("check", "subscribe", "configuration", "installed", "off", "on", "unsubscribe")
        keys = ("--k", sim.k.hex(), "--opc", sim.opc.hex(), "--imsi", sim.imsi.digits)
        done = await asyncio.to_thread(
            world.site.command, "sim", "companion", node.url, *steps, *keys, "--json"
        )
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        # Two for the SIM's proof, one for each step.
        assert len(lines) == 2 + len(steps), lines
        assert sim.imsi.digits not in done.stdout
        (order,) = await world.settled(sims)
        assert (order.state, order.reason) == (OrderState.ENDED, "unsubscribed")


@pytest.mark.spec("TS.43 §7.6")
async def test_a_line_moves_to_another_watch_on_the_command_line(sqlite_site: Site) -> None:
    (sim,) = sims = sims_of_watches(1)
    async with opened(sqlite_site, sims, "pool", more={"orders.immediate_s": 10}) as world:
        node = world.site.node()
        keys = ("--k", sim.k.hex(), "--opc", sim.opc.hex(), "--imsi", sim.imsi.digits)

        async def play(*steps: str) -> None:
            await asyncio.to_thread(
                world.site.command, "sim", "companion", node.url, *steps, *keys, "--json"
            )

        await play("subscribe", "installed")
        (old,) = await world.settled(sims)
        assert old.iccid is not None
        second = ("--terminal-id", "350000000000025", "--eid", "89049032123451234512345678901243")
        await play("transfer", "installed", *second, "--old-iccid", old.iccid.digits)
        states = {each.device.terminal_id: each.state for each in await world.settled(sims)}
        assert states == {
            old.device.terminal_id: OrderState.ENDED,
            "350000000000025": OrderState.ACTIVE,
        }


async def test_two_hundred_at_once_through_an_smdp_that_fails_every_fifth_call(
    site: Site,
) -> None:
    sims = sims_of_watches(200)
    faults = ("lost", "broken", "unread", "expired", "slow", "nonsense", "silent", "warning")
    async with opened(site, sims, "pool", stock=200, more=PATIENT) as world:
        nodes = world.site.started(2)
        turns = itertools.cycle(faults)
        asked: Counter[str] = Counter()

        async def activate(number: int, sim: Sim) -> None:
            watch = world.client(sim, nodes[number % 2], number)
            outcome = await watch.subscribe()
            assert outcome.result is Result.DOCUMENT, outcome.why
            asked[parms(outcome)["SubscriptionResult"]] += 1

        async with asyncio.TaskGroup() as group:
            changing = group.create_task(_take_turns(world, turns))
            activations = [
                group.create_task(activate(number, sim)) for number, sim in enumerate(sims)
            ]
            await asyncio.wait(activations)
            changing.cancel()
        assert asked.total() == 200
        assert set(asked) <= {"2", "4", "5"}
        await world.smdp.ask("DELETE", "/fault")
        orders = await world.agree(sims)
        assert len(orders) == 200
        states = Counter(order.state for order in orders)
        assert set(states) <= {OrderState.RELEASED, OrderState.ENDED}
        assert states[OrderState.RELEASED] > 150
        calls = await world.smdp.ask("GET", "/calls")
        assert any(call["fault"] for call in calls)


async def _take_turns(world: World, faults: Iterator[str]) -> None:
    """Let the SM-DP+ fail every fifth call, each dozen of calls in another way."""
    for fault in faults:
        await world.smdp.ask("PUT", "/fault", fault=fault, share=0.2, delay_s=0.5)
        for _ in range(12):
            await world.calls.get()


def _let_leases_end(site: Site) -> None:
    """Let what the killed server had in hand be anybody's at once, as it is a minute later."""
    loaded = site.loaded()
    path = loaded.path(loaded.store_url.removeprefix("sqlite:///"))
    with contextlib.closing(apsw.Connection(str(path))) as database, database:
        database.execute("UPDATE esim_order SET due_at = 0 WHERE due_at IS NOT NULL")
        assert database.changes() == 1
