"""eSIMs from the phone's first question to its last, with the page in a real browser between.

What the phone does with a call-back is played here: it downloads, asks for its configuration, or
repeats its request. Pictures of each step stay in ``build/pages``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from simgrant.domain.order import OrderState
from simgrant.sim.push.services import Services, as_toml
from simgrant.sim.push.switch import Taken, Turned
from simgrant.wire.activation_code import pull_activation_code
from simgrant.wire.push_token import Channel
from tests.device.esim import EID, OTHER_EID, WATCH, World
from tests.device.harness import Workbench
from tests.portal.chromium import WIDTH, fits
from tests.portal.esim import orders, page_of, transfer
from tests.portal.gallery import Place, open_place
from tests.portal.test_gallery import KEPT
from tests.portal.test_in_chromium import open_as_android_does

METHODS: Final = {
    "profileReadyWithActivationCode": 1,
    "profileReadyWithDefaultSmdp": 2,
    "SelectionCompleted": 2,
    "finishFlow": 1,
    "dismissFlow": 0,
    "deleteProfileInUse": 2,
}
"""What the phone's object has, and how many values each takes, as Android's do."""
OBJECT: Final = """
window.ODSAServiceFlow = Object.fromEntries(Object.entries(METHODS).map(([method, takes]) =>
    [method, (...values) => {
        if (values.length !== takes) throw new Error("Method not found");
        window.called(method, values);
    }]));
"""
OLD: Final = {"target_terminal_id": "350000000000033", "target_terminal_eid": EID}
NEW: Final = {"target_terminal_id": "350000000000041", "target_terminal_eid": OTHER_EID}


@dataclass
class View:
    """A phone's web view, what its page called back with, and how the order was then."""

    page: Page
    name: str
    calls: list[tuple[str, list[str], OrderState]] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)
    pictures: int = 0

    async def called(self) -> tuple[str, list[str], OrderState]:
        """Return the next call-back."""
        async with asyncio.timeout(20):
            await self.came.wait()
        self.came.clear()
        return self.calls[-1]

    async def look(self) -> None:
        """Keep a picture of what is there."""
        await fits(self.page)
        self.pictures += 1
        path: Path = KEPT / "flows" / f"{self.name}-{self.pictures}.png"
        await self.page.screenshot(path=path, full_page=True)

    async def press(self, button: str) -> None:
        await self.look()
        async with self.page.expect_navigation():
            await self.page.get_by_role("button", name=button).click()


@asynccontextmanager
async def web_view(
    chromium: Browser, name: str, state: Callable[[], Awaitable[OrderState]]
) -> AsyncIterator[View]:
    """Open a phone's web view with the object of eSIMs in it."""
    context: BrowserContext = await chromium.new_context(
        viewport={"width": WIDTH, "height": 640}, locale="en-GB"
    )
    view = View(await context.new_page(), name)

    async def called(method: str, values: list[str]) -> None:
        view.calls.append((method, values, await state()))
        view.came.set()

    await view.page.expose_function("called", called)
    await view.page.add_init_script(OBJECT.replace("METHODS", str(METHODS)))
    complaints: list[str] = []
    view.page.on("console", lambda message: complaints.append(message.text))
    view.page.on("pageerror", lambda error: complaints.append(str(error)))
    yield view
    await view.look()
    assert complaints == []
    await context.close()


@pytest.fixture
async def place(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    async with open_place(bench, monkeypatch) as opened:
        yield opened


def last(world: World) -> Callable[[], Awaitable[OrderState]]:
    """Return the question how the latest order is, past the watch."""

    async def state() -> OrderState:
        return max(await orders(world), key=lambda order: order.changed_at).state

    return state


@pytest.mark.spec("TS.43 §7.1", "TS.43 §7.2", "TS.43 §6.7.1")
@pytest.mark.conforms(
    "companion.portal-first-steps", "companion.download-at-once", "portal.activation-code"
)
async def test_a_companion_with_the_portal(place: Place, chromium: Browser) -> None:
    world = place.watch
    assert (await world.ask("CheckEligibility", **WATCH))["CompanionAppEligibility"] == "1"
    assert await world.configurations(companion_terminal_id=WATCH["companion_terminal_id"]) == []
    opened = page_of(await world.subscribe())
    async with web_view(chromium, "companion", last(world)) as view:
        await open_as_android_does(view.page, opened)
        await view.page.get_by_role("radio", name="Large").check()
        await view.page.get_by_role("radio", name="A number of its own").check()
        await view.page.get_by_label("Name of the device").fill("Running")
        await view.press("Continue")
        await expect(view.page.get_by_role("definition").first).to_contain_text("Large")
        await view.press("Order it")
        method, (text,), state = await view.called()
        assert (method, state) == ("profileReadyWithActivationCode", OrderState.RELEASED)
        (order,) = await orders(world)
        assert pull_activation_code(text).matching_id == order.matching_id
        # The watch downloads; the page stays, until somebody closes it.
        await world.ask("ManageSubscription", operation_type="4", **WATCH)
        await view.page.get_by_role("button", name="Close the page").click()
        assert await view.called() == (
            "finishFlow",
            ["AcquireConfiguration"],
            OrderState.ACTIVE,
        )
    (configuration,) = await world.configurations(**WATCH)
    assert configuration["ServiceStatus"] == "1"
    assert configuration["CompanionDeviceService"] == "DiffNumber"
    assert configuration["CompanionDeviceInfo"]["CompanionTerminalFriendlyName"] == "Running"


@pytest.mark.spec("TS.43 §8.2")
@pytest.mark.conforms("primary.further-line")
async def test_a_further_line_of_a_phone(place: Place, chromium: Browser) -> None:
    world = place.phone
    told = await world.ask("CheckEligibility", **OLD)
    assert told["PrimaryAppEligibility"] == "1"
    opened = page_of(await world.ask("ManageSubscription", operation_type="0", **OLD))
    async with web_view(chromium, "further-line", last(world)) as view:
        await open_as_android_does(view.page, opened)
        await view.press("Order it")
        assert (await view.called())[0] == "profileReadyWithActivationCode"
    told = await world.ask("ManageSubscription", operation_type="4", **OLD)
    assert told["SubscriptionResult"] == "3"
    found = await world.ask("AcquireConfiguration", **OLD)
    assert found["PrimaryConfiguration"]["ServiceStatus"] == "1"


@pytest.mark.spec("TS.43 §8.6", "TS.43 §6.7.3")
@pytest.mark.conforms("primary.transfer-web-sheet", "portal.selection")
async def test_the_line_that_moves_is_selected(place: Place, chromium: Browser) -> None:
    world = place.phone
    opened = page_of(await world.ask("ManageSubscription", operation_type="0", **OLD))
    async with web_view(chromium, "old-phone", last(world)) as view:
        await open_as_android_does(view.page, opened)
        await view.press("Order it")
        await view.called()
    await world.ask("ManageSubscription", operation_type="4", **OLD)
    old = (await orders(world))[0].iccid
    assert old is not None
    world.server.clock.advance(1)
    opened = page_of(await transfer(world, NEW))
    async with web_view(chromium, "transfer", last(world)) as view:
        await open_as_android_does(view.page, opened)
        await view.page.get_by_role("radio", name=f"ending in {old.digits[-4:]}").check()
        await view.press("Continue")
        await view.press("Order it")
        method, values, _ = await view.called()
        assert (method, values) == (
            "SelectionCompleted",
            [old.digits, OLD["target_terminal_id"]],
        )
    told = await transfer(world, NEW, old_terminal_iccid=values[0], old_terminal_id=values[1])
    assert told["SubscriptionResult"] == "2"
    await world.ask("ManageSubscription", operation_type="4", **NEW)
    ended, active = sorted(await orders(world), key=lambda order: order.iccid != old)
    assert (ended.state, active.state) == (OrderState.ENDED, OrderState.ACTIVE)


@pytest.mark.spec("TS.43 §7.3.1", "TS.43 §6.7.5")
@pytest.mark.conforms("companion.later-by-push", "portal.finish", "annex.companion")
async def test_what_takes_longer_is_told_by_push(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, chromium: Browser, tmp_path: Path
) -> None:
    bench.clock.at = int(time.time())  # what the certificates of the push service go by
    services = Services(tmp_path / "push", clock=bench.clock.now)
    await services.up()
    heard = asyncio.Queue[Taken | Turned]()
    services.fcm.switch.tell = heard.put_nowait
    try:
        async with open_place(bench, monkeypatch, _settings(services)) as place:
            world = place.watch
            place.books.gate = asyncio.Event()
            opened = page_of(await world.subscribe())
            async with web_view(chromium, "later", last(world)) as view:
                await open_as_android_does(view.page, opened)
                await view.press("Continue")
                await view.press("Order it")
                assert (await view.called())[0] == "finishFlow"
            found = await world.ask(
                "AcquireConfiguration", **WATCH, notif_action="2", notif_token="the-phone"
            )
            assert found["RegisterNotifStatus"] == "0"
            (entry,) = found["CompanionConfigurations"]
            assert entry["CompanionConfiguration"]["ServiceStatus"] == "2"
            place.books.gate.set()
            async with asyncio.timeout(30):
                notice = await heard.get()
            assert isinstance(notice, Taken)
            assert (notice.token, notice.apps) == ("the-phone", ("ap2006",))
            (configuration,) = await world.configurations(**WATCH)
            assert configuration["ServiceStatus"] == "1"
            assert "DownloadInfo" in configuration
    finally:
        await services.down()


def _settings(services: Services) -> str:
    """Return the settings that point a server at Google's."""
    name = f"{Channel.FCM}.all"
    lines = as_toml({name: services.tables("all")[name]})
    return "\n".join((*lines, "[push]", "poll_s = 0.05", ""))
