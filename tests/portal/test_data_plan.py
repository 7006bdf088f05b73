"""The page of a data boost: offers, a purchase, and what the phone is told of it (TS.43 §9.6)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from simgrant.config.load import DEFAULT_TENANT
from simgrant.domain.holdings import HeldBoost, Purchase
from simgrant.domain.policy import default_policy_text
from simgrant.identities import Imsi
from simgrant.ports.store import Change
from tests.device.harness import START, Server, Workbench, new_subscription
from tests.portal.browser import Browser, held, link, told

PREMIUM = Imsi("001010000000011")


@pytest.fixture
async def server(bench: Workbench) -> AsyncIterator[Server]:
    """A server with a subscription whose plan has boosts to buy."""
    async with bench.opened() as opened:
        await opened.add(new_subscription(PREMIUM, opened.ring, plan="premium"))
        yield opened


async def status(server: Server) -> tuple[str, str]:
    found = await told(server, "ap2010", PREMIUM, boost_type="0")
    return found["EntitlementStatus"], found["ProvStatus"]


@pytest.mark.spec("TS.43 §9.6.1")
@pytest.mark.conforms("data-plan.bought-on-the-page", "data-plan.page-calls-back-bought")
async def test_bought_for_an_hour_and_over_by_itself(server: Server, browser: Browser) -> None:
    assert await status(server) == ("1", "0"), "for sale"
    shown = await browser.open(await link(server, "ap2010", PREMIUM, boost_type="0"))
    assert (shown.title, shown.subject, shown.call) == ("Gaming boost", "boost", "")
    said = [" ".join(each.text_content().split()) for each in shown.tree.find_class("choice")]
    assert said == ["1 hour 0.99 EUR", "1 day 2.99 EUR"]
    assert (await held(server, PREMIUM)).boosts == ()

    done = await browser.press(shown, {"offer": "0"})
    assert (done.call, done.duration, done.forms) == ("bought", 3_600_000, [])
    assert (await held(server, PREMIUM)).boosts == (
        HeldBoost(166, Purchase.UNTRACKED, START + 3600, START),
    )
    assert await status(server) == ("1", "2"), "bought, and nobody tracks it"
    server.clock.advance(3600)
    assert await status(server) == ("1", "0"), "for sale again"
    again = await browser.open(await link(server, "ap2010", PREMIUM, boost_type="0"))
    done = await browser.press(again, {"offer": "1"})
    assert done.duration == 86_400_000
    bought = [each async for each in server.store.real.purchases(DEFAULT_TENANT)]
    assert sorted((str(imsi), str(receipt)) for imsi, receipt in bought) == [
        (str(PREMIUM), "boost 166 for 0.99 EUR, 3600 s"),
        (str(PREMIUM), "boost 166 for 2.99 EUR, 86400 s"),
    ]
    records = [each for each in await server.records() if each["leg"] == "web_view"]
    assert records[1]["detail"] == "offer to done: boost 166 for 0.99 EUR, 3600 s"


@pytest.mark.spec("TS.43 §9.6.3")
@pytest.mark.conforms("data-plan.page-calls-back-dismiss")
async def test_not_now_buys_nothing(server: Server, browser: Browser) -> None:
    shown = await browser.open(await link(server, "ap2010", PREMIUM, boost_type="166"))
    closed = await browser.press(shown, button="close")
    assert (closed.call, closed.subject) == ("dismiss", "boost")
    assert (await held(server, PREMIUM)).boosts == ()


@pytest.mark.spec("TS.43 §9.6.2")
@pytest.mark.conforms("data-plan.page-calls-back-failed")
async def test_what_is_not_for_sale_any_more(server: Server, browser: Browser) -> None:
    shown = await browser.open(await link(server, "ap2010", PREMIUM, boost_type="0"))
    gone = Change(plan="standard")
    await server.store.real.change(DEFAULT_TENANT, PREMIUM, gone, now=START)
    refused = await browser.press(shown)
    assert (refused.title, refused.forms) == ("Not available", [])
    (button,) = refused.tree.xpath("//button")
    assert button.get("data-bridge") == "failed"
    assert (await held(server, PREMIUM)).boosts == ()


@pytest.mark.parametrize("offer", ["2", "-1", "", "x", "9" * 1000, "\u0661"])
async def test_an_offer_that_there_is_not(server: Server, browser: Browser, offer: str) -> None:
    shown = await browser.open(await link(server, "ap2010", PREMIUM, boost_type="0"))
    again = await browser.press(shown, {"offer": offer})
    assert again.title == "Gaming boost"
    assert (await held(server, PREMIUM)).boosts == ()


async def test_a_form_sent_twice_buys_once(server: Server, browser: Browser) -> None:
    shown = await browser.open(await link(server, "ap2010", PREMIUM, boost_type="0"))
    await browser.press(shown, {"offer": "0"})
    server.clock.advance(60)
    again = await browser.press(shown, {"offer": "1"})
    assert (again.call, again.duration) == ("bought", 3_540_000), "what it was, less a minute"
    assert server.store.writes.count("settle_visit") == 1


async def test_two_pages_of_one_boost_buy_once(server: Server, browser: Browser) -> None:
    first = await browser.open(await link(server, "ap2010", PREMIUM, boost_type="0"))
    server.clock.advance(1)
    second = await browser.open(await link(server, "ap2010", PREMIUM, boost_type="0"))
    assert first.token != second.token
    await browser.press(first, {"offer": "0"})
    done = await browser.press(second, {"offer": "1"})
    assert (done.call, done.duration) == ("bought", 3_600_000)
    (boost,) = (await held(server, PREMIUM)).boosts
    assert boost.until == START + 1 + 3600


async def test_offers_that_changed_are_shown_anew(bench: Workbench, server: Server) -> None:
    """The second line of the form must not be another offer than the one that was read."""
    shown = await Browser(server).open(await link(server, "ap2010", PREMIUM, boost_type="0"))
    dearer = default_policy_text().replace('"2.99 EUR"', '"29.90 EUR"')
    (bench.directory / "policy.toml").write_text(dearer)
    async with bench.opened('[tenants.default]\npolicy = "policy.toml"\n') as other:
        again = await Browser(other).press(shown, {"offer": "1"})
        assert "29.90 EUR" in again.text
        assert (await held(other, PREMIUM)).boosts == ()
        done = await Browser(other).press(again, {"offer": "1"})
        assert done.call == "bought"


@pytest.mark.usefixtures("server")
async def test_a_boost_without_end_or_price(bench: Workbench) -> None:
    bare = default_policy_text()
    start, end = bare.index('title = "boost_gaming"'), bare.index("[boosts.meetings]")
    (bench.directory / "policy.toml").write_text(bare[:start] + bare[end:])
    async with bench.opened('[tenants.default]\npolicy = "policy.toml"\n') as other:
        browser = Browser(other, language="de")
        shown = await browser.open(await link(other, "ap2010", PREMIUM, boost_type="0"))
        assert shown.title == "Datenbeschleuniger"
        assert "bis auf Weiteres ohne Aufpreis" in shown.text
        assert shown.tree.xpath("//button[@class='main']")[0].text == "Einschalten"
        done = await browser.press(shown)
        assert (done.call, done.duration) == ("bought", None)
        assert (await held(other, PREMIUM)).boosts[0].until is None


async def test_what_the_network_sets_up_is_done_for_the_page(
    server: Server, browser: Browser
) -> None:
    opened = await link(server, "ap2010", PREMIUM, boost_type="0")
    boost = HeldBoost(166, Purchase.IN_PROGRESS, at=START)
    await server.store.real.set_holding(DEFAULT_TENANT, PREMIUM, boost)
    assert (await browser.open(opened)).call == "bought"
    await server.store.real.set_holding(
        DEFAULT_TENANT, PREMIUM, replace(boost, purchase=Purchase.ACTIVE)
    )
    assert (await browser.open(opened)).call == "bought"
