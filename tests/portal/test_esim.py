"""The pages of eSIMs: what to order, that it is ordered, and why not (TS.43 §6.5.9, §6.7)."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simgrant.compose import server as compose
from simgrant.config.load import DEFAULT_TENANT
from simgrant.domain.order import CompanionService, OrderState
from simgrant.domain.subscription import SubscriptionStatus
from simgrant.domain.words import LANGUAGES
from simgrant.errors import PeerTimeout, StartRefused
from simgrant.flows import subscriptions
from simgrant.flows.esim_pages import order_about
from simgrant.flows.handles import Handle, push_handle
from simgrant.identities import Eid, Iccid
from simgrant.ports.smdp import Cause, Refused
from simgrant.ports.store import Change
from simgrant.wire.activation_code import pull_activation_code
from tests.books import Books
from tests.device import signing_in as signing
from tests.device.esim import EID, SECOND, SETTINGS, WATCH, World, opened
from tests.device.harness import ALLOWED, JSON, START, Workbench
from tests.portal.browser import Browser, Link, Shown
from tests.portal.esim import (
    ASKED,
    BOTH,
    CHOICE,
    NEW_PHONE,
    PHONE,
    PLANS,
    orders,
    page_of,
    transfer,
)
from tests.portal.test_pages import looks_right

COMPANION = {"watch": ASKED + BOTH, "more": PLANS}
SCRIPT = "\"><script>alert('x')</script>"


def said(shown: Shown) -> dict[str, str]:
    """Return what the script is told."""
    found = shown.tree.find("body").attrib
    return {name.removeprefix("data-"): value for name, value in found.items()}


class Opens:
    """Opens worlds for one test."""

    def __init__(self, bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
        self._given = bench, monkeypatch

    def __call__(
        self, app: str = "ap2006", more: str = "", watch: str = ""
    ) -> AbstractAsyncContextManager[World]:
        return opened(*self._given, app, more, watch=watch)


@pytest.fixture
def opens(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> Opens:
    return Opens(bench, monkeypatch)


# --- companions ---------------------------------------------------------------------------


@pytest.mark.spec("TS.43 §7.1", "TS.43 §7.2", "TS.43 §6.5.9")
@pytest.mark.conforms(
    "companion.portal-first-steps",
    "companion.download-at-once",
    "subscription.page-with-1-only",
    "ap2006.SubscriptionResult=1",
    "ap2006.SubscriptionServiceURL",
    "ap2006.SubscriptionServiceUserData",
    "ap2006.SubscriptionServiceContentsType",
    "ap2006.SubscriptionServiceContentsType=json",
    "portal.json",
)
async def test_a_watch_with_the_portal(opens: Opens) -> None:
    async with opens(**COMPANION) as world:
        browser = Browser(world.server)
        assert (await world.ask("CheckEligibility", **WATCH))["CompanionAppEligibility"] == "1"
        assert (
            await world.configurations(companion_terminal_id=WATCH["companion_terminal_id"]) == []
        )
        told = await world.subscribe()
        assert told["SubscriptionResult"] == "1"
        assert "DownloadInfo" not in told
        assert await world.configurations() == [], "nobody knows yet what it will be"
        assert world.books.calls == [], "nothing is ordered before it is decided"
        assert (await orders(world))[0].iccid is None

        choose = await browser.open(page_of(told))
        assert (choose.title, choose.subject, choose.call) == ("Your new eSIM", "esim", "")
        assert choose.fields() | {"page": ""} == {
            "page": "",
            "plan": "small",
            "service": "SharedNumber",
            "name": WATCH["companion_terminal_friendly_name"],
        }
        looks_right(choose)
        confirm = await browser.press(
            choose, {"plan": "large", "service": "DiffNumber", "name": "  Ann\u2019s   watch "}
        )
        assert confirm.title == "Order the eSIM?"
        assert "Ann\u2019s watch" in confirm.text
        assert "50 GB, 20 EUR a month" in confirm.text
        assert "A number of its own" in confirm.text
        looks_right(confirm)
        assert (await orders(world))[0].state is OrderState.AT_PORTAL
        ready = await browser.press(confirm)
        looks_right(ready)

        (order,) = await orders(world)
        assert order.state is OrderState.RELEASED
        assert (order.plan, order.service) == ("large", CompanionService.DIFFERENT)
        assert order.device.name == "Ann\u2019s watch"
        assert order.source.profile_type == "phone", "as the plan says"
        assert order.iccid is not None
        assert set(world.books.ordered) == {order.iccid.digits}
        code = pull_activation_code(said(ready)["code"])
        assert said(ready)["call"] == "ready"
        assert (code.smdp_address, code.matching_id) == ("smdp.example.net", order.matching_id)
        # The phone, and whoever asks again, finds the same.
        (configuration,) = await world.configurations(**WATCH)
        assert configuration["ServiceStatus"] == "1"
        assert configuration["CompanionDeviceService"] == "DiffNumber"
        assert (await world.subscribe())["SubscriptionResult"] == "2"


async def test_it_may_be_chosen_otherwise_and_only_what_is_offered(opens: Opens) -> None:
    async with opens(**COMPANION) as world:
        browser = Browser(world.server)
        choose = await browser.open(page_of(await world.subscribe()))
        confirm = await browser.press(choose, {"plan": "large"})
        again = await browser.press(confirm, button="edit")
        assert again.title == "Your new eSIM"
        assert again.fields()["plan"] == "large"
        confirm = await browser.press(
            again, {"plan": "secret", "service": "FamilyNumber", "line": "x" * 99}
        )
        assert confirm.fields()["plan"] == "small"
        assert confirm.fields()["service"] == "SharedNumber"
        # A form that says by itself that it was confirmed is one that was: the choice is the same.
        ready = await browser.press(again, {"sure": "yes", "plan": "large"})
        assert ready.call == "ready"
        assert (await orders(world))[0].plan == "large"


@pytest.mark.parametrize("name", ["\u0000", "a\u202eb", "x" * 65, "a\x1bb"])
async def test_a_name_that_is_none(opens: Opens, name: str) -> None:
    async with opens(**COMPANION) as world:
        browser = Browser(world.server)
        choose = await browser.open(page_of(await world.subscribe()))
        again = await browser.press(choose, {"name": name})
        assert again.title == "Your new eSIM"
        assert again.tree.xpath("//input[@id='name']/@aria-invalid") == ["true"]
        looks_right(again)
        again = await browser.press(again, {"name": name, "sure": "yes"})
        assert again.title == "Your new eSIM"
        assert (await orders(world))[0].state is OrderState.AT_PORTAL


async def test_a_stranger_s_name_is_shown_as_text(opens: Opens) -> None:
    async with opens(**COMPANION) as world:
        browser = Browser(world.server)
        named = WATCH | {"companion_terminal_friendly_name": SCRIPT[:64]}
        choose = await browser.open(page_of(await world.subscribe(named)))
        confirm = await browser.press(choose, {"plan": "small"})
        for shown in (choose, confirm):
            assert b"<script>alert" not in shown.answer.body
            assert b"<b>5 GB" not in shown.answer.body
            looks_right(shown)
        ready = await browser.press(confirm)
        assert ready.call == "ready"
        assert (await orders(world))[0].device.name == SCRIPT[:64]


async def test_nothing_to_choose_is_nothing_to_ask(opens: Opens) -> None:
    async with opens(watch=CHOICE) as world:
        told = await world.subscribe(companion_terminal_service="SharedNumber")
        assert told["SubscriptionResult"] == "2"
        told = await world.subscribe(SECOND)
        assert told["SubscriptionResult"] == "1", "whose number is left open"


async def test_a_phone_that_leaves_nothing_open_is_asked_nothing(opens: Opens) -> None:
    async with opens("ap2009", CHOICE) as world:
        answer = await world.ask("ManageSubscription", operation_type="0", **PHONE)
        assert answer["SubscriptionResult"] == "2"
        answer = await transfer(world, NEW_PHONE, old_terminal_iccid="8944500000000000991")
        assert answer["SubscriptionResult"] == "2"


# --- phones -------------------------------------------------------------------------------


@pytest.mark.spec("TS.43 §8.2")
@pytest.mark.conforms(
    "primary.further-line",
    "portal.activation-code",
    "ap2009.SubscriptionResult=1",
    "ap2009.SubscriptionServiceURL",
    "ap2009.SubscriptionServiceUserData",
    "ap2009.SubscriptionServiceContentsType",
    "ap2009.SubscriptionServiceContentsType=json",
)
async def test_a_further_line_is_confirmed(opens: Opens) -> None:
    async with opens("ap2009", ASKED) as world:
        browser = Browser(world.server)
        told = await world.ask("ManageSubscription", operation_type="0", **PHONE)
        confirm = await browser.open(page_of(told))
        assert confirm.title == "Order the eSIM?"
        assert set(confirm.fields()) == {"page"}
        looks_right(confirm)
        ready = await browser.press(confirm)
        assert said(ready)["call"] == "ready"
        done = await world.ask("ManageSubscription", operation_type="4", **PHONE)
        assert done["SubscriptionResult"] == "3"
        found = await world.ask("AcquireConfiguration", **PHONE)
        assert found["PrimaryConfiguration"]["ServiceStatus"] == "1"
        shown = await browser.press(confirm)
        assert (shown.title, shown.call) == ("Your eSIM is installed", "finish")
        looks_right(shown)


@pytest.mark.spec("TS.43 §8.1")
@pytest.mark.conforms("primary.first-line", "identities.sim-missing", "request.terminal_eid")
@pytest.mark.parametrize("named", [PHONE, {"terminal_eid": EID}])
async def test_a_first_line_of_who_signs_in(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, named: dict[str, str]
) -> None:
    """There is no SIM yet: the device is known by its eSIM, the person by the provider."""
    books = Books(stock=9)
    monkeypatch.setattr(
        compose, "open_smdps", lambda loaded: {name: {"main": books} for name in loaded.tenants}
    )
    apps = signing.SETTINGS.replace('apps = ["ap2014", "ap2004"]', 'apps = ["ap2009"]')
    monkeypatch.setattr(signing, "SETTINGS", apps)
    async with signing.signing_in(bench, SETTINGS.replace("{more}", ASKED)) as ways:
        server = ways.server
        await server.store.real.orders.add_stock(
            "default", "main", "phone", [Iccid("8944500000000000017")]
        )
        phone = ways.phone(apps=("ap2009",), wanted=JSON, entitlement_version="12.0")
        begun = await ways.begin(phone)
        back = await ways.visit(begun.header("location"))
        token = (await ways.come_back(back, accept=JSON)).object["Token"]["token"]
        world = World(server, books, phone, token)
        assert (await world.ask("CheckEligibility"))["PrimaryAppEligibility"] == "1"
        told = await world.ask("ManageSubscription", operation_type="0", **named)
        browser = Browser(server)
        ready = await browser.press(await browser.open(page_of(told)))
        assert said(ready)["call"] == "ready"
        done = await world.ask("ManageSubscription", operation_type="4", **named)
        assert done["SubscriptionResult"] == "3"
        found = await world.ask("AcquireConfiguration", **named)
        assert found["PrimaryConfiguration"]["ServiceStatus"] == "1"
        (order,) = await orders(world)
        assert order.device.eid == Eid(EID)
        assert order.device.terminal_id == named.get("target_terminal_id", phone.terminal_id)


@pytest.mark.spec("TS.43 §6.7.2", "TS.43 §8.12.1")
@pytest.mark.conforms("portal.default-smdp")
async def test_where_devices_are_told_the_sm_dp(opens: Opens) -> None:
    async with opens("ap2009", ASKED + 'download = "smdp_address"\n') as world:
        told = await world.ask("ManageSubscription", operation_type="0", **PHONE)
        browser = Browser(world.server)
        ready = await browser.press(await browser.open(page_of(told)))
        (order,) = await orders(world)
        assert order.iccid is not None
        assert said(ready) == {
            "subject": "esim",
            "call": "ready-at",
            "address": "smdp.example.net",
            "iccid": order.iccid.digits,
        }


async def _used(world: World, device: dict[str, str]) -> str:
    """Get a profile to a device past the portal, and return its ICCID."""
    browser = Browser(world.server)
    told = await world.ask("ManageSubscription", operation_type="0", **device)
    if told["SubscriptionResult"] == "1":
        await browser.press(await browser.open(page_of(told)))
    await world.ask("ManageSubscription", operation_type="4", **device)
    (iccid,) = (
        order.iccid.digits
        for order in await orders(world)
        if order.iccid and order.device.terminal_id == device["target_terminal_id"]
    )
    return iccid


@pytest.mark.spec("TS.43 §8.6", "TS.43 §6.7.3")
@pytest.mark.conforms("primary.transfer-web-sheet", "portal.selection")
@pytest.mark.parametrize("setting", [ASKED, CHOICE])
async def test_the_line_that_moves_is_chosen(opens: Opens, setting: str) -> None:
    async with opens("ap2009", setting) as world:
        browser = Browser(world.server)
        old = await _used(world, PHONE)
        told = await transfer(world, NEW_PHONE)
        assert told["SubscriptionResult"] == "1"
        choose = await browser.open(page_of(told))
        assert choose.fields()["line"] == "sim"
        assert f"ending in {old[-4:]}" in choose.text
        looks_right(choose)
        choices = choose.tree.xpath("//input[@name='line']/@value")
        confirm = await browser.press(choose, {"line": choices[1]})
        assert f"ending in {old[-4:]}" in confirm.text
        shown = await browser.press(confirm)
        looks_right(shown)
        assert said(shown) == {
            "subject": "esim",
            "call": "selected",
            "iccid": old,
            "imei": PHONE["target_terminal_id"],
        }
        # The client repeats its request with what it was told, and finds the order at work.
        told = await transfer(
            world,
            NEW_PHONE,
            old_terminal_iccid=old,
            old_terminal_id=PHONE["target_terminal_id"],
        )
        assert told["SubscriptionResult"] == "2"
        new = told["DownloadInfo"]["ProfileIccid"]
        assert set(world.books.ordered) == {old, new}
        await world.ask("ManageSubscription", operation_type="4", **NEW_PHONE)
        states = {order.iccid.digits: order.state for order in await orders(world) if order.iccid}
        assert states == {old: OrderState.ENDED, new: OrderState.ACTIVE}


async def test_the_line_of_the_sim_itself_may_move(opens: Opens) -> None:
    """Nobody told us its ICCID, so there is none to call back with."""
    async with opens("ap2009", ASKED) as world:
        await _used(world, PHONE)
        browser = Browser(world.server)
        choose = await browser.open(page_of(await transfer(world, NEW_PHONE)))
        ready = await browser.press(await browser.press(choose, {"line": "sim"}))
        assert said(ready)["call"] == "ready"


# --- a companion that takes the place of another ------------------------------------------


async def _worn(world: World) -> str:
    """Get a profile to a watch past the portal, and return its ICCID."""
    browser = Browser(world.server)
    choose = await browser.open(page_of(await world.subscribe()))
    chosen = {"service": "DiffNumber"}
    await browser.press(await browser.press(choose, chosen))
    await world.ask("ManageSubscription", operation_type="4", **WATCH)
    (order,) = await orders(world)
    assert order.iccid is not None
    return order.iccid.digits


@pytest.mark.spec("TS.43 §7.6", "TS.43 §6.5.3")
async def test_which_companion_gives_its_line_is_chosen(opens: Opens) -> None:
    async with opens(**COMPANION) as world:
        old = await _worn(world)
        told = await transfer(world, SECOND)
        assert told["SubscriptionResult"] == "1"
        browser = Browser(world.server)
        choose = await browser.open(page_of(told))
        looks_right(choose)
        # Neither the SIM's line nor a plan is to be had by this.
        choices = choose.tree.xpath("//input[@name='line']/@value")
        assert len(choices) == 1
        assert not choose.tree.xpath("//input[@name='plan' or @name='service']")
        assert f"ending in {old[-4:]}" in choose.text
        confirm = await browser.press(choose, {"name": "Second"})
        looks_right(confirm)
        ready = await browser.press(confirm)
        assert ready.call == "ready"
        (new,) = (each for each in await orders(world) if each.device.name == "Second")
        assert (new.old_iccid, new.service) == (Iccid(old), CompanionService.DIFFERENT)
        # The phone asks again, and finds it; once it is installed, the old one is over.
        assert (await transfer(world, SECOND))["SubscriptionResult"] == "2"
        await world.ask("ManageSubscription", operation_type="4", **SECOND)
        states = {each.device.terminal_id: each.state for each in await orders(world)}
        assert states == {
            WATCH["companion_terminal_id"]: OrderState.ENDED,
            SECOND["companion_terminal_id"]: OrderState.ACTIVE,
        }
        assert len(world.books.ordered) == 2
        assert (await transfer(world, SECOND))["SubscriptionResult"] == "2"


@pytest.mark.spec("TS.43 §7.6")
async def test_whoever_opens_the_page_chooses_the_companion_that_gives_its_line(
    opens: Opens,
) -> None:
    """The order knows it: customer care's link, and one for the phone that asks otherwise."""
    async with opens(**COMPANION) as world:
        old = await _worn(world)
        await transfer(world, SECOND)
        (order,) = (each for each in await orders(world) if each.state is OrderState.AT_PORTAL)
        browser = Browser(world.server)
        line = await subscriptions.find(world.server.store.real, DEFAULT_TENANT, ALLOWED.digits)
        handle = Handle("ap2006", ALLOWED, "", START + 60, line.token_epoch, order_about(order))
        text = push_handle(handle, world.server.ring, "default", now=START)
        by_care = Link("/odsa-companion", f"flow={text}")
        for each in (by_care, page_of(await world.subscribe(SECOND))):
            choose = await browser.open(each)
            assert f"ending in {old[-4:]}" in choose.text
            assert not choose.tree.xpath("//input[@name='plan']")
        assert (await browser.press(await browser.press(choose))).call == "ready"
        (order,) = (each for each in await orders(world) if each.order_id == order.order_id)
        assert order.old_iccid == Iccid(old)


@pytest.mark.spec("TS.43 §7.6")
async def test_who_has_as_many_companions_as_he_may_changes_one_on_the_page(opens: Opens) -> None:
    third = SECOND | {"companion_terminal_id": "x", "companion_terminal_eid": EID[:-2] + "99"}
    async with opens(**COMPANION) as world:
        await _worn(world)
        browser = Browser(world.server)
        page = await browser.open(page_of(await world.subscribe(SECOND)))
        await browser.press(await browser.press(page))
        await world.ask("ManageSubscription", operation_type="4", **SECOND)
        assert (await world.subscribe(third))["SubscriptionResult"] == "5", "two are the most"
        choose = await browser.open(page_of(await transfer(world, third)))
        assert len(choose.tree.xpath("//input[@name='line']/@value")) == 2
        assert (await browser.press(await browser.press(choose))).call == "ready"
        await world.ask("ManageSubscription", operation_type="4", **third)
        states = [each.state for each in await orders(world)]
        assert sorted(states) == [OrderState.ACTIVE, OrderState.ACTIVE, OrderState.ENDED]


@pytest.mark.spec("TS.43 §7.6")
async def test_a_companion_whose_line_was_given_up_meanwhile_gives_none(opens: Opens) -> None:
    async with opens(**COMPANION) as world:
        assert await transfer(world, SECOND) == {"OperationResult": "102"}, "there is none to move"
        await _worn(world)
        choose = await Browser(world.server).open(page_of(await transfer(world, SECOND)))
        await world.ask("ManageSubscription", operation_type="1", **WATCH)
        over = await Browser(world.server).press(choose)
        assert over.call == ""
        assert over.tree.xpath("//button/@data-bridge") == ["dismiss"]
        assert len(world.books.ordered) == 1


@pytest.mark.spec("TS.43 §7.6")
async def test_without_a_page_the_old_companion_has_to_be_named(opens: Opens) -> None:
    async with opens() as world:
        await world.subscribe()
        await world.ask("ManageSubscription", operation_type="4", **WATCH)
        assert await transfer(world, SECOND) == {"OperationResult": "102"}
        told = await transfer(world, SECOND, old_companion_terminal_id="350000000000099")
        assert told == {"OperationResult": "102"}


@pytest.mark.spec("TS.43 §7.6", "TS.43 §6.2")
@pytest.mark.conforms("request.old_companion_terminal_id")
async def test_the_old_companion_is_named_by_its_id(opens: Opens) -> None:
    async with opens() as world:
        await world.subscribe()
        await world.ask("ManageSubscription", operation_type="4", **WATCH)
        named = {"old_companion_terminal_id": WATCH["companion_terminal_id"]}
        told = await transfer(world, SECOND, **named)
        assert told["SubscriptionResult"] == "2"
        await world.ask("ManageSubscription", operation_type="4", **SECOND)
        assert [each.state for each in await orders(world)].count(OrderState.ACTIVE) == 1


# --- another plan -------------------------------------------------------------------------

SAME = """
[plan_offers.small]
name = "Small"
[plan_offers.large]
name = "Large <i>"
[plan_offers.other]
name = "Other"
profile_type = "other"
"""
OFFERED = 'plans = ["small", "large", "other"]\n'


@pytest.mark.spec("TS.43 §6.2", "TS.43 §6.5.3", "TS.43 §6.7.5")
@pytest.mark.parametrize(("app", "device"), [("ap2006", WATCH), ("ap2009", PHONE)])
async def test_another_plan_is_chosen(opens: Opens, app: str, device: dict[str, str]) -> None:
    asked = CHOICE + OFFERED
    async with opens(app, f"{asked}{SAME}", watch=asked) as world:
        service = {"companion_terminal_service": "SharedNumber"}

        async def manage(kind: str, **more: str) -> dict[str, Any]:
            return await world.ask("ManageSubscription", operation_type=kind, **device, **more)

        assert await manage("2") == {"OperationResult": "102"}, "there is nothing to change yet"
        assert (await manage("0", plan_id="small", **service))["SubscriptionResult"] == "2"
        told = await manage("2")
        assert told["SubscriptionResult"] == "1"
        browser = Browser(world.server)
        choose = await browser.open(page_of(told))
        assert choose.title == "Your plan"
        assert choose.fields()["plan"] == "small"
        assert "Other" not in choose.text, "that needs another profile"
        looks_right(choose)
        # Who leaves has changed nothing, and ended nothing.
        assert (await browser.press(choose, button="close")).call == "dismiss"
        confirm = await browser.press(choose, {"plan": "large"})
        looks_right(confirm)
        assert "Large <i>" in confirm.text
        (order,) = await orders(world)
        assert (order.plan, order.state) == ("small", OrderState.RELEASED)
        done = await browser.press(confirm)
        looks_right(done)
        assert done.call == "finish"
        assert "Large <i>" in done.text
        (after,) = await orders(world)
        assert (after.plan, after.state, after.iccid) == ("large", order.state, order.iccid)
        assert after.version == order.version + 1
        # Whoever sends it again changes nothing more, nor does the plan that it has.
        assert (await browser.press(confirm)).call == "finish"
        choose = await browser.open(page_of(await manage("2")))
        done = await browser.press(await browser.press(choose))
        assert done.call == "finish"
        assert (await orders(world))[0] == after
        history = await world.server.store.real.orders.history(DEFAULT_TENANT, ALLOWED)
        assert [each.event for each in history].count("PlanChanged: large") == 1
        assert len(world.books.ordered) == 1
        await manage("1")
        assert await manage("2") == {"OperationResult": "101"}


async def test_of_two_who_change_a_plan_one_does(opens: Opens) -> None:
    async with opens(more=SAME, watch=CHOICE + OFFERED) as world:
        await world.subscribe(plan_id="small", companion_terminal_service="SharedNumber")
        told = await world.ask("ManageSubscription", operation_type="2", **WATCH)
        browser = Browser(world.server)
        confirm = await browser.press(await browser.open(page_of(told)), {"plan": "large"})
        named = {"plan_id": "large", **WATCH}
        both = browser.press(confirm), world.ask("ManageSubscription", operation_type="2", **named)
        shown, said_to_phone = await asyncio.gather(*both)
        assert shown.call == "finish"
        assert said_to_phone["OperationResult"] in ("1", "101")
        (order,) = await orders(world)
        assert order.plan == "large"
        # An eSIM that is over has no plan.
        told = await world.ask("ManageSubscription", operation_type="2", **WATCH)
        await world.ask("ManageSubscription", operation_type="1", **WATCH)
        over = await browser.open(page_of(told))
        assert over.tree.xpath("//button/@data-bridge") == ["dismiss"]


async def test_a_plan_changes_while_the_profile_is_being_ordered(opens: Opens) -> None:
    """Whoever asks the SM-DP+ goes on as if nothing had happened."""
    async with opens(more=f"{SAME}[orders]\nimmediate_s = 0.01\n", watch=CHOICE + OFFERED) as world:
        world.books.gate = asyncio.Event()
        asked = WATCH | {"plan_id": "small", "companion_terminal_service": "SharedNumber"}
        assert (await world.subscribe(asked))["SubscriptionResult"] == "4"
        told = await world.ask("ManageSubscription", operation_type="2", **WATCH)
        browser = Browser(world.server)
        confirm = await browser.press(await browser.open(page_of(told)), {"plan": "large"})
        assert (await browser.press(confirm)).call == "finish"
        (order,) = await orders(world)
        assert (order.plan, order.state) == ("large", OrderState.ORDERED)
        world.books.gate.set()
        await asyncio.wait(world.server.parts.ordering._taking.under_way)
        (order,) = await orders(world)
        assert (order.plan, order.state) == ("large", OrderState.RELEASED)
        assert len(world.books.calls) == 2
        assert len(world.books.ordered) == 1


async def test_where_there_is_no_other_plan_there_is_no_page(opens: Opens) -> None:
    async with opens(more=SAME, watch=ASKED + 'plans = ["other", "small"]\n') as world:
        browser = Browser(world.server)
        choose = await browser.open(page_of(await world.subscribe()))
        await browser.press(await browser.press(choose, {"plan": "small"}))
        told = await world.ask("ManageSubscription", operation_type="2", **WATCH)
        assert told == {"OperationResult": "103"}


# --- later, or not at all -----------------------------------------------------------------


@pytest.mark.spec("TS.43 §7.3.1", "TS.43 §6.7.5")
@pytest.mark.conforms("portal.finish")
async def test_what_takes_longer_is_polled_for(opens: Opens) -> None:
    async with opens(watch=ASKED, more="[orders]\nimmediate_s = 0.01\n") as world:
        world.books.gate = asyncio.Event()
        browser = Browser(world.server)
        choose = await browser.open(page_of(await world.subscribe()))
        later = await browser.press(await browser.press(choose))
        assert (later.title, later.call) == ("Your eSIM is ordered", "finish")
        looks_right(later)
        (configuration,) = await world.configurations(**WATCH)
        assert configuration["ServiceStatus"] == "2"
        (order,) = await orders(world)
        assert order.waiting, "it is told when there is something new"
        world.books.gate.set()
        await asyncio.wait(world.server.parts.ordering._taking.under_way)
        (configuration,) = await world.configurations(**WATCH)
        assert "DownloadInfo" in configuration
        assert (await browser.press(choose)).call == "ready", "whoever looks again"


@pytest.mark.spec("TS.43 §6.7.4")
@pytest.mark.conforms("portal.dismiss")
async def test_who_does_not_want_it_ends_the_order(opens: Opens) -> None:
    async with opens(**COMPANION) as world:
        browser = Browser(world.server)
        link = page_of(await world.subscribe())
        choose = await browser.open(link)
        closed = await browser.press(choose, button="close")
        assert (closed.title, closed.call) == ("Nothing was changed", "dismiss")
        (order,) = await orders(world)
        assert (order.state, order.reason) == (OrderState.ENDED, "dismissed")
        assert world.books.calls == []
        for again in (await browser.open(link), await browser.press(choose)):
            assert again.call == "dismiss"
        assert len(await orders(world)) == 1
        (configuration,) = await world.configurations(**WATCH)
        assert configuration["ServiceStatus"] == "4"
        assert (await world.subscribe())["SubscriptionResult"] == "1", "and may begin anew"
        assert (await browser.open(link)).title == "Not available", "not with the old page"


async def test_what_nobody_decides_about_ends(opens: Opens) -> None:
    async with opens(**COMPANION) as world:
        browser, ordering = Browser(world.server), world.server.parts.ordering
        await world.subscribe()
        world.server.clock.advance(7199)
        assert not await ordering._take_some()
        link = page_of(await world.subscribe())
        world.server.clock.advance(1)
        assert await ordering._take_some()
        await asyncio.wait(ordering._taking.under_way)
        (order,) = await orders(world)
        assert (order.state, order.reason) == (OrderState.ENDED, "undecided")
        assert "could not be ordered" in (await browser.open(link)).text
        assert (await world.subscribe())["SubscriptionResult"] == "1"


async def test_no_profile_is_left(opens: Opens) -> None:
    more = PLANS + '[plan_offers.rare]\nname = "Rare"\nprofile_type = "rare"\n'
    async with opens(watch=ASKED + 'plans = ["small", "rare"]\n', more=more) as world:
        browser = Browser(world.server)
        choose = await browser.open(page_of(await world.subscribe()))
        shown = await browser.press(await browser.press(choose, {"plan": "rare"}))
        assert "could not be ordered" in shown.text
        assert shown.call == ""
        looks_right(shown)
        (order,) = await orders(world)
        assert (order.state, order.reason) == (OrderState.ENDED, "no_stock")
        details = [each.get("detail", "") for each in await world.server.records()]
        assert details.count("choice: no_stock") == 1


async def test_where_a_shelf_is_empty_the_next_has_it(opens: Opens) -> None:
    more = PLANS + "[profile_sources.rare]\nsmdp = 'main'\nprofile_type = 'rare'\n"
    async with opens(watch=ASKED + BOTH + 'sources = ["rare"]\n', more=more) as world:
        browser = Browser(world.server)
        choose = await browser.open(page_of(await world.subscribe()))
        with structlog.testing.capture_logs() as logged:
            shown = await browser.press(await browser.press(choose))
        assert shown.call == "ready"
        (order,) = await orders(world)
        assert (order.source.profile_type, order.state) == ("watch", OrderState.RELEASED)
        (said_of,) = (each for each in logged if each["event"] == "order_from_next_source")
        assert (said_of["empty"], said_of["source"]) == ("main/rare", "main/watch")


async def test_the_sm_dp_will_not(opens: Opens) -> None:
    async with opens("ap2009", ASKED) as world:
        world.books.fates = [
            Refused(Cause.CONFIGURATION, subject="8.9", reason_code="5.1", for_operator="")
        ]
        browser = Browser(world.server)
        told = await world.ask("ManageSubscription", operation_type="0", **PHONE)
        shown = await browser.press(await browser.open(page_of(told)))
        assert "could not be ordered" in shown.text


async def test_who_may_not_any_more_is_told_so(opens: Opens) -> None:
    async with opens(**COMPANION) as world:
        browser = Browser(world.server)
        link = page_of(await world.subscribe())
        confirm = await browser.press(await browser.open(link))
        store = world.server.store.real
        for change in (
            Change(plan="no-such-plan"),
            Change(plan="premium", status=SubscriptionStatus.SUSPENDED),
        ):
            await store.change(DEFAULT_TENANT, ALLOWED, change, now=START)
            for shown in (await browser.press(confirm), await browser.open(link)):
                assert shown.title == "Not available"
                looks_right(shown)
        assert (await orders(world))[0].state is OrderState.AT_PORTAL
        assert world.books.calls == []


# --- races and replays --------------------------------------------------------------------


async def test_two_pages_of_one_order_order_once(opens: Opens) -> None:
    async with opens(**COMPANION) as world:
        browser = Browser(world.server)
        first = page_of(await world.subscribe())
        world.server.clock.advance(1)
        second = page_of(await world.subscribe())
        assert first.handle != second.handle
        confirms = [
            await browser.press(await browser.open(link), {"plan": plan})
            for link, plan in ((first, "small"), (second, "large"))
        ]
        ready = await asyncio.gather(*(browser.press(page) for page in confirms * 3))
        assert {page.call for page in ready} <= {"ready", "finish"}
        (order,) = await orders(world)
        assert len(world.books.ordered) == 1
        assert order.plan in ("small", "large")
        records = [each.get("detail", "") for each in await world.server.records()]
        assert records.count("choice to done") == 1
        # Whoever says no now is too late.
        late = await browser.press(confirms[1], button="close")
        assert late.call == "ready"
        assert (await orders(world))[0].state is OrderState.RELEASED


async def test_yes_and_no_at_once(opens: Opens) -> None:
    async with opens(**COMPANION) as world:
        browser = Browser(world.server)
        confirm = await browser.press(await browser.open(page_of(await world.subscribe())))
        shown = await asyncio.gather(
            browser.press(confirm), browser.press(confirm, button="close"), browser.press(confirm)
        )
        (order,) = await orders(world)
        if order.state is OrderState.ENDED:
            assert {page.call for page in shown} == {"dismiss"}
            assert world.books.calls == []
        else:
            assert {page.call for page in shown} <= {"ready", "finish"}
            assert len(world.books.ordered) == 1


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_node_that_dies_while_it_settles(
    opens: Opens, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    async with opens(**COMPANION) as world:
        browser = Browser(world.server)
        confirm = await browser.press(await browser.open(page_of(await world.subscribe())))
        store = world.server.store.real
        real = store.settle_visit

        async def dies(*arguments: Any) -> Any:
            if after:
                await real(*arguments)
            raise PeerTimeout("store_timeout")

        with monkeypatch.context() as patched:
            patched.setattr(store, "settle_visit", dies)
            await browser.press(confirm, status=503)
        (order,) = await orders(world)
        if not after:
            assert order.state is OrderState.AT_PORTAL
            assert (await browser.press(confirm)).call == "ready"
            return
        # Its lease ends, and a worker goes on with it.
        assert order.state is OrderState.ORDERED
        assert (await browser.press(confirm)).call == "finish"
        world.server.clock.advance(120)
        await world.server.parts.ordering._take_some()
        await asyncio.wait(world.server.parts.ordering._taking.under_way)
        assert (await browser.press(confirm)).call == "ready"
        assert len(world.books.ordered) == 1


async def test_an_order_that_somebody_else_ended(opens: Opens) -> None:
    async with opens(**COMPANION) as world:
        browser = Browser(world.server)
        link = page_of(await world.subscribe())
        confirm = await browser.press(await browser.open(link))
        await world.ask("ManageSubscription", operation_type="1", **WATCH)
        shown = await browser.press(confirm)
        assert "could not be ordered" in shown.text
        assert (await world.subscribe())["SubscriptionResult"] == "1"
        for shown in (await browser.press(confirm), await browser.open(link)):
            assert "begin again on your device" in shown.text
        assert world.books.calls == []


async def test_a_page_of_an_offer_that_changed_is_shown_anew(opens: Opens) -> None:
    async with opens(**COMPANION) as world:
        browser = Browser(world.server)
        confirm = await browser.press(await browser.open(page_of(await world.subscribe())))
    async with opens(watch=ASKED + 'plans = ["large", "small"]\n', more=PLANS) as world:
        shown = await Browser(world.server).press(confirm)
        assert shown.title == "Your new eSIM"


# --- why not ------------------------------------------------------------------------------


@pytest.mark.spec("TS.43 §6.5.2")
@pytest.mark.conforms(
    "ap2006.NotEnabledURL",
    "ap2006.NotEnabledUserData",
    "ap2006.NotEnabledContentsType",
    "ap2006.NotEnabledContentsType=json",
)
async def test_why_it_is_not_enabled(opens: Opens) -> None:
    async with opens(watch=ASKED) as world:
        browser = Browser(world.server)
        for device in (WATCH, SECOND):
            told = await world.subscribe(device)
            await browser.press(await browser.press(await browser.open(page_of(told))))
        third = WATCH | {"companion_terminal_eid": EID[:-2] + "99", "companion_terminal_id": "x"}
        told = await world.ask("CheckEligibility", **third)
        assert told["CompanionAppEligibility"] == "0"
        assert "PollingInterval" not in told, "that is for phones"
        link = page_of(told, "NotEnabled")
        before = list(world.server.store.writes)
        for _ in range(2):
            shown = await browser.open(link)
            assert "Please give one up first." in shown.text
            assert "customer care" in shown.text
            assert shown.call == ""
            assert shown.forms == []
            assert shown.tree.xpath("//button/@data-bridge") == ["dismiss"]
            looks_right(shown)
        assert world.server.store.writes == before, "nothing can be settled there"


@pytest.mark.spec("TS.43 §6.5.2")
@pytest.mark.conforms(
    "ap2009.PollingInterval",
    "ap2009.PollingIntervalUnit",
    "ap2009.PollingIntervalUnit=1",
    "ap2009.NotEnabledURL",
    "ap2009.NotEnabledUserData",
    "ap2009.NotEnabledContentsType",
    "ap2009.NotEnabledContentsType=json",
    "eligibility.polling-ends",
)
async def test_a_phone_asks_again_until_it_has_asked_too_often(opens: Opens) -> None:
    more = ASKED + "most = 1\n[orders]\nmost_polls = 2\nlongest_polling_s = 77\n"
    async with opens("ap2009", more) as world:
        await _used(world, PHONE)
        for _ in range(2):
            told = await world.ask("CheckEligibility", **NEW_PHONE)
            assert told["PrimaryAppEligibility"] == "0"
            assert (told["PollingInterval"], told["PollingIntervalUnit"]) == ("77", "1")
        told = await world.ask("CheckEligibility", **NEW_PHONE)
        assert told["PrimaryAppEligibility"] == "0"
        assert "PollingInterval" not in told
        assert page_of(told, "NotEnabled").path == "/odsa-primary"


@pytest.mark.spec("TS.43 §6.5.1")
@pytest.mark.conforms("portal.get")
@pytest.mark.parametrize(
    "app",
    [
        pytest.param(
            "ap2006",
            marks=pytest.mark.conforms("ap2006.GeneralErrorURL", "ap2006.GeneralErrorUserData"),
        ),
        pytest.param(
            "ap2009",
            marks=pytest.mark.conforms("ap2009.GeneralErrorURL", "ap2009.GeneralErrorUserData"),
        ),
    ],
)
async def test_what_went_wrong_has_a_page(opens: Opens, app: str) -> None:
    async with opens(app, ASKED, watch=ASKED) as world:
        for change in (
            Change(status=SubscriptionStatus.SUSPENDED),
            Change(status=SubscriptionStatus.ACTIVE, plan="no-such-plan"),
        ):
            await world.server.store.real.change(DEFAULT_TENANT, ALLOWED, change, now=START)
            told = await world.ask("ManageSubscription", operation_type="0", **WATCH, **PHONE)
            assert told["OperationResult"] == "100"
            link = page_of(told, "GeneralError")
            browser = Browser(world.server)
            shown = await browser.page("GET", link.path, query=link.user_data.encode())
            assert "did not work with your eSIM" in shown.text
            assert shown.tree.xpath("//button/@data-bridge") == ["dismiss"]
            looks_right(shown)


async def test_without_a_page_nothing_names_one(opens: Opens) -> None:
    async with opens(more="most = 1\n") as world:
        change = Change(plan="no-such-plan")
        await world.server.store.real.change(DEFAULT_TENANT, ALLOWED, change, now=START)
        answer = await world.subscribe()
        assert set(answer) == {"OperationResult", "GeneralErrorText"}
    with pytest.raises(StartRefused, match=r"esim.watch.portal: tenant default has no pages"):
        async with opens(watch=ASKED, more='[portal]\nlisten = ""\n'):
            pass


async def test_a_handle_about_nothing_we_know(opens: Opens) -> None:
    async with opens(**COMPANION) as world:
        subscription = await subscriptions.find(
            world.server.store.real, DEFAULT_TENANT, ALLOWED.digits
        )
        for about in ((), ("order",), ("order", "0" * 32), ("what",), ("not_enabled",)):
            handle = Handle("ap2006", ALLOWED, "", START + 60, subscription.token_epoch, about)
            text = push_handle(handle, world.server.ring, "default", now=START)
            shown = await Browser(world.server).open(Link("/odsa-companion", f"flow={text}"))
            assert shown.title == "Not available", about


# --- in every language, and whatever is sent ----------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_page_is_in_the_language_that_was_asked_for(
    opens: Opens, language: str
) -> None:
    async with opens(**COMPANION) as world:
        browser = Browser(world.server, language=f"{language}-XX")
        choose = await browser.open(page_of(await world.subscribe()))
        confirm = await browser.press(choose)
        unnamable = await browser.press(choose, {"name": "x" * 65})
        ready = await browser.press(confirm)
        await world.ask("ManageSubscription", operation_type="4", **WATCH)
        installed = await browser.press(confirm)
        await world.ask("ManageSubscription", operation_type="1", **WATCH)
        ended = await browser.press(confirm)
        for shown in (choose, confirm, unnamable, ready, installed, ended):
            looks_right(shown)
            assert shown.language == language
            assert "{" not in shown.text, "everything is filled in"


@given(
    st.lists(
        st.tuples(
            st.integers(0, 9),
            st.sampled_from(["go", "close", "edit", "what"]),
            st.dictionaries(
                st.sampled_from(["plan", "service", "line", "name", "sure", "more"]),
                st.sampled_from(["large", "small", "DiffNumber", "sim", "yes", "", "\u0000"])
                | st.text(max_size=80),
                max_size=4,
            ),
        ),
        max_size=8,
    )
)
@settings(
    max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
def test_whatever_is_sent_in_whatever_order_one_decision_holds(
    template: Any,
    tmp_path_factory: pytest.TempPathFactory,
    presses: list[tuple[int, str, dict[str, str]]],
) -> None:
    async def walk(world: World) -> None:
        browser = Browser(world.server)
        pages = [await browser.open(page_of(await world.subscribe()))]
        decided: tuple[OrderState, str, str] | None = None
        for number, button, changes in presses:
            page = pages[number % len(pages)]
            if not page.forms:
                continue
            shown = await browser.press(page, changes, button=button)
            (order,) = await orders(world)
            if decided is not None:
                assert (order.state, order.plan, order.device.name) == decided
            elif order.state is not OrderState.AT_PORTAL:
                assert button == "close" or (button == "go" and "sure" in page.fields() | changes)
                decided = (order.state, order.plan, order.device.name)
            assert order.plan in ("small", "large", "standard")
            assert (shown.call == "") == (decided is None)
            pages.append(shown)
        assert len(world.books.ordered) <= 1

    with pytest.MonkeyPatch.context() as patched:
        bench = Workbench.copy_of(template, tmp_path_factory.mktemp("walk"), patched)

        async def run() -> None:
            async with opened(bench, patched, more=PLANS, watch=COMPANION["watch"]) as world:
                await walk(world)

        asyncio.run(run())
