"""The pages in a real browser: by keyboard, at 320 pixels, in the dark, with a phone's objects.

The server is a whole one on a socket of its own; the browser is the system's Chromium, which comes
with the same engine as the web views of phones.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from simgrant.identities import Imsi
from tests.device.harness import ALLOWED, NO_CONSENT, Server, Workbench, new_subscription
from tests.portal.browser import BERLIN, Link, consents, held, link
from tests.portal.chromium import WIDTH, fits
from tests.portal.gallery import asks, open_place, press
from tests.portal.test_listener import running

PREMIUM = Imsi("001010000000011")
METHODS = ("entitlementChanged", "dismissFlow", "notifyPurchaseSuccessful", "notifyPurchaseFailed")
OBJECT = """
window.NAME = Object.fromEntries(METHODS.map(method =>
    [method, (...values) => { window.called(method, values); }]));
"""


@dataclass
class Seen:
    """What a page did besides being shown."""

    calls: list[tuple[str, list[Any], Any]] = field(default_factory=list)
    """Method, its values, and what the store said at that moment."""
    hosts: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)


@asynccontextmanager
async def web_view(
    context: BrowserContext, name: str, look: Callable[[], Awaitable[Any]]
) -> AsyncIterator[tuple[Page, Seen]]:
    """Open a web view with a phone's object in it."""
    page, seen = await context.new_page(), Seen()

    async def called(method: str, values: list[Any]) -> None:
        seen.calls.append((method, values, await look()))

    await page.expose_function("called", called)
    script = OBJECT.replace("NAME", name).replace("METHODS", str(list(METHODS)))
    await page.add_init_script(script)
    page.on("request", lambda request: seen.hosts.add(urlsplit(request.url).netloc))
    page.on("console", lambda message: seen.complaints.append(message.text))
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.on("requestfailed", lambda request: seen.complaints.append(request.url))
    yield page, seen
    await page.close()


async def open_as_android_does(page: Page, opened: Link) -> None:
    """Post the user data from nowhere, as WebView.postUrl does."""
    name, _, value = opened.user_data.partition("=")
    if opened.user_data.startswith("{"):
        name, value = "flow", opened.handle
    await page.set_content(
        f'<form method="post" action="{opened.url}"><input name="{name}" value="{value}"></form>'
    )
    async with page.expect_navigation():
        await page.evaluate("document.forms[0].submit()")


@pytest.fixture
async def place(bench: Workbench) -> AsyncIterator[Server]:
    """A server on a socket, with a subscription whose plan has everything."""
    async with running(bench, 'listen = "127.0.0.1:0"') as (server, _):
        await server.add(new_subscription(PREMIUM, server.ring, plan="premium"))
        yield server


@pytest.mark.spec("TS.43 §3.4.1")
@pytest.mark.conforms("vowifi.page-calls-back-changed")
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_wi_fi_calling_by_keyboard_alone(
    place: Server, chromium: Browser, scheme: Any
) -> None:
    context = await chromium.new_context(
        viewport={"width": WIDTH, "height": 640}, color_scheme=scheme, locale="de-DE"
    )
    opened = await link(place)
    async with web_view(context, "VoWiFiWebServiceFlow", lambda: consents(place)) as (page, seen):
        await open_as_android_does(page, opened)
        await expect(page.get_by_role("heading", name="WLAN-Telefonie")).to_be_visible()
        await fits(page)
        dark = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert dark == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(19, 19, 22)")
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("button", name="Ich stimme zu")).to_be_focused()
        await page.keyboard.press("Enter")

        await expect(page.get_by_label("Straße")).to_be_visible()
        await fits(page)
        for text in (BERLIN["street"], "", "", BERLIN["postcode"], BERLIN["city"], "", "Deu"):
            await page.keyboard.press("Tab")
            await page.keyboard.type(text)
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")

        alert = page.get_by_role("alert")
        await expect(alert).to_contain_text("Hausnummer fehlt.")
        await fits(page)
        await alert.get_by_role("link").focus()
        await page.keyboard.press("Enter")
        await page.keyboard.press("Tab")
        await page.get_by_label("Hausnummer").focus()
        await page.keyboard.type(BERLIN["number"])
        await page.keyboard.press("Enter")

        await expect(page.get_by_role("heading", name="Fertig")).to_be_visible()
        assert [(method, values) for method, values, _ in seen.calls] == [
            ("entitlementChanged", [])
        ]
        # It is in the store by the time the phone hears of it.
        assert seen.calls[0][2] == {"terms": "given", "address": "given"}
        assert seen.complaints == []
        assert seen.hosts == {urlsplit(opened.url).netloc}
        assert await context.cookies() == []
    await context.close()


@pytest.mark.spec("TS.43 §9.6.1")
@pytest.mark.conforms("data-plan.page-calls-back-bought", "data-plan.bought-on-the-page")
async def test_a_boost_is_bought(place: Server, chromium: Browser) -> None:
    context = await chromium.new_context(viewport={"width": WIDTH, "height": 640})
    opened = await link(place, "ap2010", PREMIUM, boost_type="0")
    async with web_view(context, "DataBoostWebServiceFlow", lambda: held(place, PREMIUM)) as (
        page,
        seen,
    ):
        await open_as_android_does(page, opened)
        await expect(page.get_by_role("group", name="How long?")).to_be_visible()
        await fits(page)
        await page.get_by_role("radio", name="1 day").check()
        await page.get_by_role("button", name="Buy now").click()
        await expect(page.get_by_role("status")).to_have_text("The boost is yours.")
        ((method, values, then),) = seen.calls
        assert (method, values) == ("notifyPurchaseSuccessful", [86_400_000])
        assert len(then.boosts) == 1
        await page.reload()  # which sends the form again
        await expect(page.get_by_role("status")).to_have_text("The boost is yours.")
        assert len((await held(place, PREMIUM)).boosts) == 1
        assert seen.complaints == []
    await context.close()


@pytest.mark.spec("TS.43 §3.4.2")
@pytest.mark.conforms("vowifi.page-calls-back-dismiss")
async def test_not_now_and_nothing_here(place: Server, chromium: Browser) -> None:
    context = await chromium.new_context(viewport={"width": WIDTH, "height": 640})
    opened = await link(place)
    async with web_view(context, "VoWiFiWebServiceFlow", lambda: consents(place)) as (page, seen):
        await open_as_android_does(page, opened)
        await page.get_by_role("button", name="Not now").click()
        await expect(page.get_by_role("heading", name="Nothing was changed")).to_be_visible()
        assert seen.calls == [("dismissFlow", [], {})]
        await page.goto(f"{opened.url}?flow=nonsense")
        await expect(page.get_by_role("alert")).to_be_visible()
        await fits(page)
        assert len(seen.calls) == 1, "nobody is called back about nothing"
        await page.get_by_role("button", name="Close the page").click()
        assert [method for method, *_ in seen.calls] == ["dismissFlow", "dismissFlow"]
    await context.close()


async def test_a_browser_without_a_phone_and_without_script(
    place: Server, chromium: Browser
) -> None:
    for script in (True, False):
        context = await chromium.new_context(java_script_enabled=script)
        page = await context.new_page()
        place.clock.advance(1)
        opened = await link(place, "ap2016", PREMIUM) if script else await link(place)
        await page.goto(f"{opened.url}?flow={opened.handle}")
        await page.get_by_role("button", name="Switch on" if script else "I agree").click()
        if not script:
            for name in ("Street", "House number", "Postcode", "Town or city"):
                await page.get_by_label(name).fill("10117" if name != "Street" else "Ufer")
            await page.get_by_label("Country").select_option("DE")
            await page.get_by_role("button", name="Save the address").click()
        await expect(page.get_by_role("heading", name="Done")).to_be_visible()
        await expect(page.get_by_text("You can close this page.")).to_be_visible()
        await context.close()
    assert await consents(place, NO_CONSENT) == {"terms": "given", "address": "given"}


async def test_a_page_that_is_loaded_from_a_text(place: Server, chromium: Browser) -> None:
    """Some makers post the user data themselves and hand the web view what came."""
    context = await chromium.new_context(viewport={"width": WIDTH, "height": 640})
    opened = await link(place)
    async with web_view(context, "VoWiFiWebServiceFlow", lambda: consents(place)) as (page, seen):
        answer = await context.request.post(opened.url, data=opened.user_data)
        await page.set_content(await answer.text())
        color = await page.get_by_role("button", name="I agree").evaluate(
            "each => getComputedStyle(each).backgroundColor"
        )
        assert color == "rgb(26, 86, 196)", "the style sheet is there"
        await page.get_by_role("button", name="I agree").click()
        await expect(page.get_by_label("Street")).to_be_visible()
        assert seen.complaints == []
    await context.close()


async def test_script_that_somebody_put_into_a_page_does_not_run(
    place: Server, chromium: Browser
) -> None:
    """Behind the escaping there is the Content-Security-Policy."""
    context = await chromium.new_context()
    opened = await link(place)
    async with web_view(context, "VoWiFiWebServiceFlow", lambda: consents(place)) as (page, seen):
        await page.route(f"{opened.url}*", _with_a_hole)
        await page.goto(f"{opened.url}?flow={opened.handle}")
        assert await page.evaluate("window.hacked") is None
        assert any("Content Security Policy" in each for each in seen.complaints)
    await context.close()


async def _with_a_hole(route: Any) -> None:
    answer = await route.fetch()
    text = (await answer.text()).replace(
        "<main>",
        '<main><script>window.hacked = 1</script><img src="x" onerror="window.hacked = 2">'
        '<script src="https://evil.example/x.js"></script>',
    )
    await route.fulfill(response=answer, body=text)


async def test_whoever_answers_a_consumer_is_sent_back(
    bench: Workbench, chromium: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Browsers look at redirections too, where a policy says whereto forms may lead."""
    async with open_place(bench, monkeypatch) as place:
        page = await chromium.new_page()
        portal = urlsplit(place.server.parts.portals["default"].url)
        back = f"http://localhost:{portal.port}/static/portal.css"
        for state, button, told in (("1", "give", "granted"), ("", "refuse", "denied")):
            if not state:
                await place.server.store.real.erase("default", ALLOWED, [], now=90)
                await place.server.add(new_subscription(ALLOWED, place.server.ring))
            await page.goto(f"{await asks(place, back)}&state={state}")
            await press(page)
            await page.fill("#code", await place.inbox.code())
            await press(page)
            await press(page, button)
            more = f"&state={state}" if state else ""
            assert page.url == f"{back}?capture_result={told}{more}"
        await page.close()
