"""ManageService where the network has to switch: what the device is told before, and after."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from simgrant.compose.explaining import explain
from simgrant.domain.order import Installed, Order, Todo, step
from simgrant.errors import StartRefused
from simgrant.flows.explain import Inquiry
from simgrant.flows.explain_data import on_its_way
from simgrant.sim.bss.server import Bss
from simgrant.wire.tmf.inventory import ServiceState
from tests.device.esim import WATCH, World
from tests.device.harness import ALLOWED, Workbench
from tests.device.test_esim_rules import PHONE, ruled
from tests.tmf import running

SETTINGS = """
[bss.sim]
url = "{url}"
[bss.sim.activation]
devices = "companion"
look_every_s = 5
{more}
"""


class Switched:
    """A watch whose service a simulated BSS switches."""

    def __init__(self, world: World, bss: Bss) -> None:
        self.world, self.bss = world, bss

    async def order(self) -> Order:
        (order,) = await self.world.server.store.real.orders.of("default", ALLOWED)
        return order

    async def manage(self, *, on: bool, device: dict[str, str] = WATCH) -> str:
        order = await self.order()
        assert order.iccid is not None
        told = await self.world.ask(
            "ManageService",
            **device,
            terminal_iccid=order.iccid.digits,
            operation_type="10" if on else "11",
        )
        return str(told["ServiceStatus"])

    async def status(self) -> tuple[str, bool]:
        """Return what AcquireConfiguration says, and whether to ask again soon."""
        (told,) = await self.world.configurations(**WATCH)
        return str(told["ServiceStatus"]), "PollingInterval" in told

    async def passes(self, seconds: int) -> None:
        """Let time pass, and a worker do what is due."""
        self.world.server.clock.advance(seconds)
        ordering = self.world.server.parts.ordering
        if await ordering._take_some():
            await asyncio.wait(ordering._taking.under_way)

    async def in_network(self) -> ServiceState:
        order = await self.order()
        assert order.iccid is not None
        return self.bss.network.devices[order.iccid.digits].state


@asynccontextmanager
async def switched(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, more: str = "", app: str = "ap2006"
) -> AsyncIterator[Switched]:
    async with running() as bss:
        table = SETTINGS.format(url=bss.web.url, more=more)
        async with ruled(bench, monkeypatch, app=app, more=table) as world:
            if app == "ap2006":
                made = await world.subscribe()
            else:
                made = await world.ask("ManageSubscription", operation_type="3", **PHONE)
            assert made["SubscriptionResult"] == "2"
            yield Switched(world, bss)


@pytest.mark.conforms("ap2006.ServiceStatus=2")
async def test_it_is_activating_until_the_network_has_it(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with switched(bench, monkeypatch) as watch:
        # At once, and without a monitor: nobody has to come again.
        assert await watch.manage(on=False) == "3"
        watch.bss.network.left = 3
        assert await watch.manage(on=True) == "2"
        assert await watch.status() == ("2", True)
        assert await watch.in_network() is ServiceState.INACTIVE
        await watch.passes(6)
        assert await watch.manage(on=True) == "2", "the same wish again changes nothing"
        await watch.passes(6)
        assert await watch.in_network() is ServiceState.ACTIVE
        assert await watch.status() == ("1", False)
        posted = [each.method for each in watch.bss.seen if each.method in ("POST", "PATCH")]
        assert posted == ["POST"], "what there was not needed no switching off"


@pytest.mark.conforms("ap2009.ServiceStatus=2")
async def test_so_it_is_with_a_phone_s_own_esim(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with switched(bench, monkeypatch, app="ap2009") as phone:
        assert await phone.manage(on=False, device=PHONE) == "3"
        phone.bss.network.left = 2
        assert await phone.manage(on=True, device=PHONE) == "2"
        await phone.passes(6)
        assert await phone.manage(on=True, device=PHONE) == "1"


@pytest.mark.conforms("divergence.off-once-it-is-off")
async def test_what_goes_off_is_on_until_it_is_off(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with switched(bench, monkeypatch) as watch:
        assert await watch.manage(on=True) == "1"
        watch.bss.network.left = 2
        assert await watch.manage(on=False) == "1"
        subscription = await watch.world.server.store.real.find("default", imsi=ALLOWED)
        assert subscription is not None
        found = await explain(
            watch.world.server.loaded,
            Inquiry("ap2006"),
            subscription,
            policy=watch.world.server.parts.policies["default"],
            store=watch.world.server.store.real,
            ring=watch.world.server.ring,
            now=watch.world.server.clock.now(),
        )
        (device,) = found.devices
        assert on_its_way(device) == "off in the network"
        await watch.passes(6)
        assert await watch.status() == ("3", False)


async def test_what_the_network_gives_up_is_as_it_was(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with switched(bench, monkeypatch) as watch:
        assert await watch.manage(on=False) == "3"
        watch.bss.network.left, watch.bss.network.fails = 2, True
        assert await watch.manage(on=True) == "2"
        await watch.passes(6)
        assert await watch.status() == ("3", False)
        assert (await watch.order()).reason == "switch_failed"


async def test_what_takes_too_long_is_put_back(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with switched(bench, monkeypatch, "devices_within_s = 60") as watch:
        assert await watch.manage(on=False) == "3"
        watch.bss.network.left = 1000
        assert await watch.manage(on=True) == "2"
        watch.bss.network.left = 0
        await watch.passes(61)
        assert await watch.status() == ("3", False)
        assert await watch.in_network() is ServiceState.INACTIVE


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ('iccid = ""', "bss.sim.activation.iccid: must have a name of its own"),
        ('iccid = "imsi"', "bss.sim.activation.iccid: must have a name of its own"),
        ("devices_within_s = 5", "bss.sim.activation.devices_within_s: 5 is not within"),
    ],
)
async def test_settings_that_cannot_be(bench: Workbench, more: str, problem: str) -> None:
    with pytest.raises(StartRefused, match=problem):
        async with bench.opened(SETTINGS.format(url="http://127.0.0.1:1", more=more)):
            pass


@pytest.mark.parametrize("fails", [False, True])
async def test_what_is_unsubscribed_goes_off_though_the_network_has_troubles(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    async with switched(bench, monkeypatch) as watch:
        assert await watch.manage(on=False) == "3"
        assert await watch.manage(on=True) == "1"
        assert await watch.in_network() is ServiceState.ACTIVE
        watch.bss.network.left, watch.bss.network.fails = 2, fails
        told = await watch.world.ask("ManageSubscription", operation_type="1", **WATCH)
        assert told["SubscriptionResult"] == "3"
        await watch.passes(1)
        assert (await watch.order()).watch
        await watch.passes(6)
        if fails:
            # It gave up, and is asked anew.
            assert await watch.in_network() is ServiceState.ACTIVE
            watch.bss.network.left, watch.bss.network.fails = 0, False
            await watch.passes(600)
        assert await watch.in_network() is ServiceState.INACTIVE
        assert (await watch.order()).todo is None


async def test_what_is_unsubscribed_while_the_network_is_away_goes_off_later(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with switched(bench, monkeypatch) as watch:
        assert await watch.manage(on=False) == "3"
        assert await watch.manage(on=True) == "1"
        await watch.bss.down()
        await watch.world.ask("ManageSubscription", operation_type="1", **WATCH)
        await watch.passes(1)
        assert await watch.in_network() is ServiceState.ACTIVE
        await watch.bss.up()
        await watch.passes(600)
        assert await watch.in_network() is ServiceState.INACTIVE
        assert (await watch.order()).todo is None


async def test_what_was_installed_before_devices_were_switched_goes_off_at_its_end(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with switched(bench, monkeypatch) as watch:
        order, orders = await watch.order(), watch.world.server.store.real.orders
        assert order.iccid is not None
        # As a server wrote it whose settings switched no devices.
        before = step(order, Installed(), at=order.changed_at, call_id="")
        assert not before.switched
        assert await orders.change(
            "default", ALLOWED, before, before=order, event="installed", due_at=None
        )
        await watch.world.ask("ManageSubscription", operation_type="1", **WATCH)
        assert (await watch.order()).todo is Todo.SWITCH
        await watch.passes(1)
        assert (await watch.order()).todo is None
