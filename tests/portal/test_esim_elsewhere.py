"""A profile that lies ready, and whose owner is asked on a page before he may have it (§8.12.1)."""

from __future__ import annotations

from typing import Any

import pytest

from simgrant.domain.order import Awaited, Order, OrderState, Todo
from simgrant.flows.order_desk import NotPossible, OrderDesk, device_of, make_up, profile_of
from tests.device.esim import EID, World, opened
from tests.device.harness import ALLOWED, Workbench
from tests.portal.browser import Browser
from tests.portal.esim import ASKED, BOTH, PHONE, PLANS, orders, page_of
from tests.portal.test_pages import looks_right

ICCID = "8944600000000000099"
LYING = profile_of(ICCID, activation_code="", smdp_address="rsp.example.org")
DEVICE = device_of(terminal_id=PHONE["target_terminal_id"], eid=EID, name="", vendor="", model="")
MEANT = {"operation_type": "0", "terminal_iccid": ICCID}


async def laid_ready(world: World, ask: str = "page", app: str = "primary") -> Order:
    """Hand a profile in that the default SM-DP+ has."""
    store = world.server.store.real
    desk = OrderDesk(store.orders, "default", int(world.server.clock.now()))
    line = await store.find("default", imsi=ALLOWED)
    assert line is not None
    return await make_up(desk, line, app=app, device=DEVICE, profile=LYING, ask=ask)


async def configured(world: World) -> dict[str, Any]:
    told = await world.ask("AcquireConfiguration", **PHONE)
    return dict(told["PrimaryConfiguration"])


@pytest.mark.spec("TS.43 §8.12.1", "TS.43 §6.7.1")
@pytest.mark.conforms("primary.asked-first-portal")
async def test_the_owner_says_yes_on_the_page(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(bench, monkeypatch, "ap2009", PLANS, watch=ASKED + BOTH) as world:
        await laid_ready(world)
        assert await configured(world) == {"ICCID": ICCID, "ServiceStatus": "3"}
        told = await world.ask("ManageSubscription", **MEANT)
        assert told["SubscriptionResult"] == "1"
        browser = Browser(world.server)
        confirm = await browser.open(page_of(told))
        looks_right(confirm)
        assert "plan" not in confirm.fields(), "what it is was settled elsewhere"
        assert (await configured(world))["ServiceStatus"] == "3"
        ready = await browser.press(confirm)
        looks_right(ready)
        body = ready.tree.find("body").attrib
        assert (body["data-call"], body["data-address"], body["data-iccid"]) == (
            "ready-at",
            "rsp.example.org",
            ICCID,
        )
        there = {"ProfileIccid": ICCID, "ProfileSmdpAddress": "rsp.example.org"}
        assert await configured(world) == {
            "ICCID": ICCID,
            "ServiceStatus": "1",
            "DownloadInfo": there,
        }
        again = await world.ask("ManageSubscription", **MEANT)
        assert (again["SubscriptionResult"], again["DownloadInfo"]) == ("2", there)
        assert world.books.calls == [], "nothing is ordered here"


@pytest.mark.spec("TS.43 §8.12")
async def test_who_does_not_want_it_leaves_it_to_be_taken_back(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(bench, monkeypatch, "ap2009", watch=ASKED) as world:
        await laid_ready(world)
        browser = Browser(world.server)
        confirm = await browser.open(page_of(await world.ask("ManageSubscription", **MEANT)))
        assert (await browser.press(confirm, button="close")).call == "dismiss"
        (order,) = await orders(world)
        assert order.state is OrderState.ENDED
        assert order.todo is Todo.TAKE_BACK or order.awaits is Awaited.RETURN
        told = await world.ask("ManageSubscription", **MEANT)
        assert told["SubscriptionResult"] == "5"


@pytest.mark.spec("TS.43 §8.12.2")
@pytest.mark.parametrize(("button", "result"), [("1", "2"), ("0", "5")])
async def test_or_is_asked_by_message(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, button: str, result: str
) -> None:
    async with opened(bench, monkeypatch, "ap2009") as world:
        await laid_ready(world, "confirmation")
        found = await configured(world)
        assert (found["ServiceStatus"], set(found["MSG"])) > ("3", {"Title"})
        told = await world.ask("ManageSubscription", **MEANT)
        assert told["SubscriptionResult"] == "8"
        told = await world.ask("ManageSubscription", **MEANT, MSG_btn=button)
        assert told["SubscriptionResult"] == result
        assert world.books.calls == []


async def test_companions_have_no_message_and_nobody_has_a_page_without_a_portal(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    none = '[portal]\nlisten = ""\n'
    async with opened(bench, monkeypatch, "ap2009", none) as world:
        for ask in ("confirmation", "pin"):
            with pytest.raises(NotPossible):
                await laid_ready(world, ask, app="companion")
        await laid_ready(world)
        told = await world.ask("ManageSubscription", **MEANT)
        assert told["OperationResult"] == "100"
        assert (await world.server.records())[-1]["detail"] == "no_portal"
