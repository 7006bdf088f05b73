"""The pages on which satellite access and purchases on the bill are agreed to (TS.43 §11, §15)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from simgrant.config.load import DEFAULT_TENANT
from simgrant.domain.holdings import HeldBilling, HeldSatellite
from simgrant.domain.subscription import ConsentStatus
from simgrant.identities import Imsi
from simgrant.spec.ids import ProvStatus
from tests.device.harness import START, Server, Workbench, new_subscription
from tests.portal.browser import Browser, held, link, told

PREMIUM = Imsi("001010000000011")
STORE = {"store_vendor": "Shop<b>", "store_user_id": "user <script>alert(1)</script>"}


@pytest.fixture
async def server(bench: Workbench) -> AsyncIterator[Server]:
    """A server with a subscription whose plan has all of it."""
    async with bench.opened() as opened:
        await opened.add(new_subscription(PREMIUM, opened.ring, plan="premium"))
        yield opened


@pytest.mark.spec("TS.43 §15.4.1")
@pytest.mark.conforms("satmode.page-calls-back-changed", "annex.satmode")
async def test_satellite_is_switched_on(server: Server, browser: Browser) -> None:
    assert (await told(server, "ap2016", PREMIUM))["EntitlementStatus"] == "0"
    shown = await browser.open(await link(server, "ap2016", PREMIUM))
    assert (shown.title, shown.subject) == ("Satellite service", "satellite")
    done = await browser.press(shown)
    assert (done.call, done.forms) == ("changed", [])
    assert (await held(server, PREMIUM)).satellite == HeldSatellite(ConsentStatus.GIVEN, START)
    now = await told(server, "ap2016", PREMIUM)
    assert now["EntitlementStatus"] == "1"


@pytest.mark.spec("TS.43 §15.4.2")
@pytest.mark.conforms("satmode.page-calls-back-dismiss")
async def test_satellite_is_not_wanted(server: Server, browser: Browser) -> None:
    shown = await browser.open(await link(server, "ap2016", PREMIUM))
    closed = await browser.press(shown, button="close")
    assert (closed.call, closed.subject) == ("dismiss", "satellite")
    assert (await held(server, PREMIUM)).satellite is None


@pytest.mark.spec("TS.43 §11.6.1")
@pytest.mark.conforms("billing.page-calls-back-changed")
async def test_terms_of_a_store_are_agreed_to_for_one_user(
    server: Server, browser: Browser
) -> None:
    shown = await browser.open(await link(server, "ap2012", PREMIUM, **STORE))
    assert (shown.title, shown.subject) == ("Pay with your phone bill", "billing")
    assert "up to 50.00 EUR per month" in shown.text
    done = await browser.press(shown)
    assert done.call == "changed"
    (settled,) = (await held(server, PREMIUM)).billing
    assert settled == HeldBilling("shop<b>", STORE["store_user_id"], ConsentStatus.GIVEN, at=START)
    assert (await told(server, "ap2012", PREMIUM, **STORE))["EntitlementStatus"] == "1"
    other = await told(server, "ap2012", PREMIUM, **STORE | {"store_user_id": "somebody else"})
    assert other["TC_Status"] == "0"


@pytest.mark.spec("TS.43 §11.6.2")
@pytest.mark.conforms("billing.page-calls-back-dismiss")
async def test_terms_of_a_store_are_not_wanted(server: Server, browser: Browser) -> None:
    shown = await browser.open(await link(server, "ap2012", PREMIUM, **STORE))
    closed = await browser.press(shown, button="close")
    assert (closed.call, closed.subject) == ("dismiss", "billing")
    assert (await held(server, PREMIUM)).billing == ()


async def test_purchases_that_have_to_be_switched_on_too(server: Server, browser: Browser) -> None:
    vendor, user = STORE["store_vendor"].lower(), STORE["store_user_id"]
    known = HeldBilling(
        vendor, user, ConsentStatus.MISSING, ProvStatus.NOT_PROVISIONED, at=START - 5
    )
    await server.store.real.set_holding(DEFAULT_TENANT, PREMIUM, known)
    shown = await browser.open(await link(server, "ap2012", PREMIUM, **STORE))
    shown = await browser.press(shown)
    assert shown.tree.xpath("//button[@class='main']")[0].text == "Switch on"
    done = await browser.press(shown)
    assert done.call == "changed"
    (settled,) = (await held(server, PREMIUM)).billing
    assert settled == replace(
        known, terms=ConsentStatus.GIVEN, provisioning=ProvStatus.IN_PROGRESS, at=START
    )
    assert (await told(server, "ap2012", PREMIUM, **STORE))["EntitlementStatus"] == "3"


async def test_what_the_operator_reported_meanwhile_is_not_overwritten(
    server: Server, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = await browser.open(await link(server, "ap2012", PREMIUM, **STORE))
    vendor, user = STORE["store_vendor"].lower(), STORE["store_user_id"]
    reported = HeldBilling(vendor, user, ConsentStatus.MISSING, at=START)
    settle = server.store.real.settle_visit

    async def late(*arguments: Any) -> bool:
        await server.store.real.set_holding(DEFAULT_TENANT, PREMIUM, reported)
        return await settle(*arguments)

    monkeypatch.setattr(server.store.real, "settle_visit", late)
    again = await browser.press(shown)
    assert again.title == "Pay with your phone bill", "asked anew, on what is known by now"
    assert (await held(server, PREMIUM)).billing == (reported,)
    monkeypatch.setattr(server.store.real, "settle_visit", settle)
    assert (await browser.press(again)).call == "changed"


async def test_one_subscription_has_not_any_number_of_store_users(
    server: Server, browser: Browser
) -> None:
    shown = await browser.open(await link(server, "ap2012", PREMIUM, **STORE))
    for number in range(32):
        each = HeldBilling("shop", str(number), ConsentStatus.GIVEN, at=START)
        await server.store.real.set_holding(DEFAULT_TENANT, PREMIUM, each)
    await browser.press(shown, status=400)
    assert len((await held(server, PREMIUM)).billing) == 32
