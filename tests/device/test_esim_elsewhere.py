"""Profiles that the BSS orders, or another system, or that are not paid for yet."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from simgrant.domain.order import Order, OrderState
from simgrant.flows.order_desk import OrderDesk, device_of, make_up, profile_of
from simgrant.identities import Iccid
from simgrant.ports.orders import Shelf
from simgrant.wire.activation_code import pull_activation_code
from tests.books import Books
from tests.device.esim import EID, OTHER_EID, SECOND, SETTINGS, WATCH, World, code_of, opened
from tests.device.harness import ALLOWED, Workbench

ICCID = "8944600000000000099"
CODE = "LPA:1$bss.example.net$CODE-1$1.3.6.1$1"
PROFILE = profile_of(ICCID, activation_code=CODE)
Open = Callable[..., Any]


@pytest.fixture
def opened_with(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Open a world whose table of watches says something else."""

    @asynccontextmanager
    async def opens(*pairs: tuple[str, str], more: str = "") -> AsyncIterator[World]:
        settings = SETTINGS
        for before, after in pairs:
            assert before in settings
            settings = settings.replace(before, after, 1)
        monkeypatch.setattr("tests.device.esim.SETTINGS", settings)
        async with opened(bench, monkeypatch, more=more) as world:
            yield world

    return opens


BSS = ('smdp = "main"\nprofile_type = "watch"', 'order_mode = "bss"\nprofile_type = "watch"')
HOLD = ('profile_type = "watch"', 'profile_type = "watch"\nrelease = "on_word"')


async def order_of(world: World) -> Order:
    (order,) = await world.server.store.real.orders.of("default", ALLOWED)
    return order


def desk(world: World) -> OrderDesk:
    return OrderDesk(world.server.store.real.orders, "default", int(world.server.clock.now()))


@pytest.mark.spec("TS.43 §7.3", "TS.43 §6.5.5")
async def test_the_bss_orders_and_the_watch_is_told_once_it_has_delivered(
    opened_with: Open,
) -> None:
    async with opened_with(BSS) as world:
        for _ in range(2):
            assert (await world.subscribe())["SubscriptionResult"] == "4"
        (configuration,) = await world.configurations(**WATCH)
        assert configuration["ServiceStatus"] == "2"
        assert "PollingInterval" in configuration
        order = await order_of(world)
        await desk(world).deliver(await desk(world).find(order.order_id), PROFILE)
        (configuration,) = await world.configurations(**WATCH)
        assert (configuration["ServiceStatus"], configuration["ICCID"]) == ("1", ICCID)
        assert code_of(configuration["DownloadInfo"]) == pull_activation_code(CODE)
        told = await world.subscribe()
        assert (told["SubscriptionResult"], told["DownloadInfo"]["ProfileIccid"]) == ("2", ICCID)
        assert world.books.calls == []
        told = await world.ask("ManageSubscription", operation_type="4", **WATCH)
        assert told["SubscriptionResult"] == "3"
        assert (await order_of(world)).state is OrderState.ACTIVE


async def test_what_the_bss_declines_is_told(opened_with: Open) -> None:
    async with opened_with(BSS) as world:
        await world.subscribe()
        order = await order_of(world)
        await desk(world).fail(await desk(world).find(order.order_id), "no_credit")
        (configuration,) = await world.configurations(**WATCH)
        assert configuration["ServiceStatus"] == "4"
        # It may be asked for again.
        assert (await world.subscribe())["SubscriptionResult"] == "4"
        assert (await order_of(world)).order_id != order.order_id


async def test_the_bss_may_hand_in_an_address(opened_with: Open) -> None:
    async with opened_with(BSS) as world:
        await world.subscribe()
        order = await order_of(world)
        profile = profile_of(ICCID, smdp_address="bss.example.net")
        await desk(world).deliver(await desk(world).find(order.order_id), profile)
        assert (await world.subscribe())["DownloadInfo"] == {
            "ProfileIccid": ICCID,
            "ProfileSmdpAddress": "bss.example.net",
        }


@pytest.mark.spec("TS.43 §7.5")
@pytest.mark.conforms("companion.activated-before")
@pytest.mark.parametrize(
    "known",
    [
        {"eid": EID},
        {"eid": EID, "terminal_id": WATCH["companion_terminal_id"]},
        {"terminal_id": "350000000000090"},
    ],
)
async def test_a_watch_that_was_activated_elsewhere_has_its_profile_at_once(
    opened_with: Open, known: dict[str, str]
) -> None:
    """Somebody bought the watch with its plan, in a shop; another system has ordered."""
    asking = dict(WATCH)
    if "eid" not in known:
        del asking["companion_terminal_eid"]
        asking["companion_terminal_id"] = known["terminal_id"]
    async with opened_with() as world:
        line = await world.server.store.real.find("default", imsi=ALLOWED)
        assert line is not None
        await make_up(
            desk(world), line, app="companion", device=device_of(**known), profile=PROFILE
        )
        (configuration,) = await world.configurations(**asking)
        assert (configuration["ServiceStatus"], configuration["ICCID"]) == ("1", ICCID)
        assert configuration["CompanionDeviceService"] == "SharedNumber"
        assert code_of(configuration["DownloadInfo"]) == pull_activation_code(CODE)
        # Another watch finds nothing of it, and a request for this one orders nothing.
        assert await world.configurations(**SECOND) == []
        told = await world.subscribe(asking)
        assert (told["SubscriptionResult"], told["DownloadInfo"]["ProfileIccid"]) == ("2", ICCID)
        told = await world.ask("ManageSubscription", operation_type="4", **asking)
        assert told["SubscriptionResult"] == "3"
        (configuration,) = await world.configurations(**asking)
        assert configuration["ServiceStatus"] == "1"
        assert "DownloadInfo" not in configuration
        assert world.books.calls == []


@pytest.mark.spec("TS.43 §7.3")
async def test_a_watch_waits_until_its_profile_is_paid_for(opened_with: Open) -> None:
    async with opened_with(HOLD) as world:
        assert (await world.subscribe())["SubscriptionResult"] == "4"
        assert list(world.books.ordered.values()) == ["confirmed"]
        (configuration,) = await world.configurations(**WATCH)
        assert configuration["ServiceStatus"] == "2"
        assert "DownloadInfo" not in configuration
        order = await order_of(world)
        await desk(world).release(await desk(world).find(order.order_id))
        ordering = world.server.parts.ordering
        await ordering.wait(await desk(world).find(order.order_id))
        (configuration,) = await world.configurations(**WATCH)
        assert configuration["ServiceStatus"] == "1"
        assert code_of(configuration["DownloadInfo"]).smdp_address == "smdp.example.net"
        assert list(world.books.ordered.values()) == ["released"]


async def test_each_device_is_led_to_the_smdp_that_its_rules_name(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    south = Books(stock=9)
    table = SETTINGS[SETTINGS.index("[smdp.main]") : SETTINGS.index("[esim.watch]")]
    settings = SETTINGS.replace('services = ["SharedNumber", "DiffNumber"]', "sources = ['other']")
    monkeypatch.setattr("tests.device.esim.SETTINGS", settings)
    more = (
        table.replace("[smdp.main]", "[smdp.south]")
        + f"[profile_sources.other]\nsmdp = 'south'\neid_ranges = ['{OTHER_EID}-{OTHER_EID}']\n"
        + "profile_type = 'W-2'\n"
    )
    async with opened(bench, monkeypatch, more=more) as world:
        smdps = world.server.parts.smdps["default"]
        smdps["south"] = south
        orders = world.server.store.real.orders
        await orders.add_stock("default", "south", "W-2", [Iccid("8944700000000000011")])
        first, second = await world.subscribe(), await world.subscribe(SECOND)
        assert first["DownloadInfo"]["ProfileIccid"] in world.books.ordered
        assert second["DownloadInfo"]["ProfileIccid"] == "8944700000000000011"
        assert list(south.ordered) == ["8944700000000000011"]
        assert Shelf("south", "W-2", 0, 1) in await orders.stock("default")
        # Its order stays there; for the next the shelf is empty, so it comes from the table's own.
        assert await world.subscribe(SECOND) == second
        third = SECOND | {"companion_terminal_id": "350000000000033"}
        told = await world.ask("ManageSubscription", operation_type="1", **SECOND)
        assert told["SubscriptionResult"] == "3"
        iccid = (await world.subscribe(third))["DownloadInfo"]["ProfileIccid"]
        assert iccid in world.books.ordered
        assert Shelf("south", "W-2", 0, 1) in await orders.stock("default")
        assert Shelf("main", "watch", 2, 2) in await orders.stock("default")
