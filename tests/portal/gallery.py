"""Every page of every service, one after the other, in a browser that a test drives.

What looks at all pages walks here: whether everybody can read them, and what the documentation
shows of them. Whoever adds a page adds it to `PICTURES` and to `walk`; a test counts the templates.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote

import pytest
from playwright.async_api import Page

from simgrant import serving
from simgrant.adapters.address import embedded
from simgrant.adapters.texts import sms
from simgrant.compose import server as compose
from simgrant.domain.address import CivicAddress
from simgrant.domain.camara.consumer import Consumer, Permission
from simgrant.domain.order import OrderState
from simgrant.flows.answer import handle_of
from simgrant.flows.answer import page_of as address_of
from simgrant.flows.consent_pages.tokens import CaptureLinks
from simgrant.identities import Iccid, Imsi, Msisdn
from simgrant.ports.address_validator import AddressState, Checked
from simgrant.ports.camara_consents import Purposeful
from simgrant.ports.smdp import Cause, Refused
from tests.books import Books
from tests.camara.bank import CHECK, FRAUD, VERIFY, enrol
from tests.device.esim import EID, OTHER_EID, SETTINGS, WATCH, World
from tests.device.harness import ALLOWED, START, Phone, Server, Workbench, new_subscription
from tests.device.partner import number_phone
from tests.portal.browser import BERLIN, Link, link
from tests.portal.esim import PLANS, page_of, transfer
from tests.portal.test_listener import WITH_PORTAL

PREMIUM: Final = Imsi("001010000000011")
PICTURES: Final[dict[str, str]] = {
    "vowifi-terms": "Wi-Fi calling: the terms",
    "vowifi-address": "Wi-Fi calling: the address for emergency calls",
    "vowifi-address-lacking": "an address that lacks something",
    "vowifi-suggestions": "an address that probably was meant",
    "vowifi-done": "Wi-Fi calling is ready",
    "closed": "who does not want to, at present",
    "boost-offers": "a data boost: for how long",
    "boost-done": "the boost is bought",
    "billing-terms": "carrier billing: the terms of one store",
    "satellite": "satellite service is switched on",
    "esim-choose": "a companion's eSIM: plan, number and name",
    "esim-choose-unnamable": "a name that is none",
    "esim-choose-line": "a phone's eSIM: which line moves",
    "esim-confirm": "what is about to be ordered",
    "esim-ready": "an eSIM is ready",
    "esim-selected": "the line that moves was chosen",
    "esim-delete-first": "a profile in use has to be deleted first",
    "esim-later": "an eSIM takes longer",
    "esim-installed": "an eSIM is in use",
    "esim-not-enabled": "why there is no eSIM to be had",
    "esim-failed": "an eSIM could not be ordered",
    "esim-error": "something went wrong with an eSIM",
    "consent-prove": "a consumer of partner APIs asks for a consent",
    "consent-code": "the code from the message",
    "consent-code-wrong": "a code that was not sent",
    "consent-ask": "who asks, for what, and for how long",
    "consent-list": "what was said",
    "consent-number": "whoever comes by himself says his number",
    "error": "a page that is over",
}
"""What each page shows, by the name of its picture."""
_OPEN: Final = embedded.open_validator
_BRAND: Final = """
[tenants.default]
portal_name = "Example Mobile"
portal_colour = "#0b6e4f"
"""


_PARTNERS: Final = """
[camara]
listen = "127.0.0.1:0"
[text_messages]
smsc = "127.0.0.1:9"
system_id = "simgrant"
password_file = "nowhere"
source = "4711"
"""
CONSUMER: Final = Consumer(
    client_id="bank",
    name="Example Bank",
    permissions=(
        Permission(api="sim-swap", scopes=frozenset({CHECK}), purposes=frozenset({FRAUD})),
        Permission(
            api="number-verification", scopes=frozenset({VERIFY}), purposes=frozenset({FRAUD})
        ),
    ),
    redirect_uris=frozenset({"http://localhost/back"}),
)


@dataclass
class Place:
    """A server on a socket, and phones that ask it for pages."""

    server: Server
    books: Books
    watch: World
    phone: World
    inbox: Inbox


class Inbox:
    """The messages that people were sent."""

    def __init__(self) -> None:
        self.texts: asyncio.Queue[str] = asyncio.Queue()

    async def send(self, to: Msisdn, text: str, *, expires_at: int, deadline: float) -> None:
        """Take a message."""
        assert to.digits
        assert expires_at > 0
        assert deadline > 0
        await self.texts.put(text)

    async def code(self) -> str:
        """Return the one-time password in the next message."""
        return (await self.texts.get()).split(" ")[0]

    async def close(self) -> None:
        """There is nothing to close."""


class _Knows:
    """An address service that knows one street better than whoever lives there."""

    def __init__(self) -> None:
        self._other = _OPEN()
        self.countries = self._other.countries

    async def check(self, address: CivicAddress, *, deadline: float) -> Checked:
        if address.street.startswith("Str"):
            known = replace(address, street="Straße des 17. Juni")
            return Checked(state=AddressState.SUGGESTED, address=address, suggestions=[known])
        return await self._other.check(address, deadline=deadline)

    async def close(self) -> None:
        """There is nothing to close."""


@asynccontextmanager
async def open_place(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, more: str = ""
) -> AsyncIterator[Place]:
    """Open a server with everything that has a page; ``more`` goes to the end of its settings."""
    books = Books(stock=30)
    monkeypatch.setattr(
        compose, "open_smdps", lambda loaded: {name: {"main": books} for name in loaded.tenants}
    )
    monkeypatch.setattr(embedded, "open_validator", _Knows)
    inbox = Inbox()
    monkeypatch.setattr(sms, "open_texts", lambda _, **__: inbox)
    asked = 'portal = "always"\nplans = ["small", "large"]\n'
    esim = SETTINGS.replace("most = 2\n", f"most = 9\n{asked}").replace(
        "{more}", f'portal = "always"\n{PLANS}'
    )
    settings = f"{WITH_PORTAL}{_PARTNERS}{_BRAND}{esim}[orders]\nimmediate_s = 1\n{more}"
    loaded = bench.loaded(settings.replace("<b>5 GB</b>", "5 GB"))
    with bench.watched() as (stores, out):
        async with serving.running(loaded) as running:
            server = Server(running.parts, bench.clock, stores[0], loaded, out, [])
            await server.add(new_subscription(PREMIUM, server.ring, plan="premium"))
            iccids = [Iccid(f"89445{number:014d}") for number in range(20)]
            for kind, some in (("watch", iccids[:10]), ("phone", iccids[10:])):
                await server.store.real.orders.add_stock("default", "main", kind, some)
            watch, phone = [
                World(server, books, each, await each.token())
                for each in (_phone(server, "ap2006"), _phone(server, "ap2009"))
            ]
            await enrol(server, CONSUMER)
            yield Place(server, books, watch, phone, inbox)


def _phone(server: Server, app: str) -> Phone:
    return number_phone(server, apps=(app,), app_name="odsa")


async def go(page: Page, opened: Link) -> None:
    """Open a page by a link."""
    await page.goto(f"{opened.url}?flow={quote(opened.handle)}")


async def press(page: Page, button: str = "go") -> None:
    """Press a button of the page's first form that has it."""
    async with page.expect_navigation():
        await page.locator(f"button[name=do][value={button}]").first.click()


async def walk(place: Place, page: Page) -> AsyncIterator[str]:
    """Go from page to page, and yield the name of each when it is there."""
    async for name in _plain(place, page):
        yield name
    async for name in _companions(place, page):
        yield name
    async for name in _phones(place, page):
        yield name
    async for name in _consents(place, page):
        yield name
    await page.goto(f"{(await link(place.server)).url}?flow=over")
    yield "error"


async def _plain(place: Place, page: Page) -> AsyncIterator[str]:
    """Walk through the services that are answered from facts alone."""
    server = place.server
    await go(page, await link(server))
    yield "vowifi-terms"
    await press(page, "close")
    yield "closed"
    server.clock.advance(1)
    await go(page, await link(server))
    await press(page)
    yield "vowifi-address"
    await page.fill("#street", BERLIN["street"])
    await press(page)
    yield "vowifi-address-lacking"
    await page.fill("#street", "Str. d. 17. Juni")
    for part in ("number", "postcode", "city"):
        await page.fill(f"#{part}", BERLIN[part])
    await page.select_option("#country", BERLIN["country"])
    await press(page)
    yield "vowifi-suggestions"
    await press(page, "edit")
    await page.fill("#street", BERLIN["street"])
    await press(page)
    yield "vowifi-done"
    await go(page, await link(server, "ap2010", PREMIUM, boost_type="0"))
    yield "boost-offers"
    await press(page)
    yield "boost-done"
    await go(page, await link(server, "ap2012", PREMIUM, store_vendor="S", store_user_id="u"))
    yield "billing-terms"
    await go(page, await link(server, "ap2016", PREMIUM))
    yield "satellite"


async def _companions(place: Place, page: Page) -> AsyncIterator[str]:
    """Walk through the pages of a watch."""
    world = place.watch
    named = WATCH | {"companion_terminal_friendly_name": "Ann\u2019s watch"}
    await go(page, page_of(await world.subscribe(named)))
    yield "esim-choose"
    await page.evaluate("document.getElementById('name').maxLength = 100")
    await page.fill("#name", "Ann\u2019s watch " * 8)
    await press(page)
    yield "esim-choose-unnamable"
    await page.fill("#name", "Ann\u2019s watch")
    await page.get_by_role("radio", name="Large").check()
    await press(page)
    yield "esim-confirm"
    await press(page)
    yield "esim-ready"
    await world.ask("ManageSubscription", operation_type="4", **named)
    await page.reload()
    yield "esim-installed"
    place.books.gate = asyncio.Event()
    await go(page, page_of(await world.subscribe(_another(1))))
    await press(page)
    await press(page)
    yield "esim-later"
    place.books.gate.set()
    await asyncio.wait(place.server.parts.ordering._taking.under_way)
    place.books.gate = None
    place.books.fates = [
        Refused(Cause.CONFIGURATION, subject="8.9", reason_code="5.1", for_operator="")
    ]
    await go(page, page_of(await world.subscribe(_another(2))))
    await press(page)
    await press(page)
    yield "esim-failed"


async def _phones(place: Place, page: Page) -> AsyncIterator[str]:
    """Walk through the pages of a phone."""
    world, server = place.phone, place.server
    old, new = (
        {"target_terminal_id": f"3500000000000{end}", "target_terminal_eid": OTHER_EID[:-2] + end}
        for end in ("33", "58")
    )
    await go(page, page_of(await world.ask("ManageSubscription", operation_type="0", **old)))
    await press(page)
    await world.ask("ManageSubscription", operation_type="4", **old)
    await go(page, page_of(await transfer(world, new)))
    yield "esim-choose-line"
    await page.get_by_role("radio").nth(1).check()
    await press(page)
    await press(page)
    yield "esim-selected"
    await _deleting(server)
    await page.reload()
    yield "esim-delete-first"
    for reason, name in (("not_enabled", "esim-not-enabled"), ("error", "esim-error")):
        told = await _told(world, reason)
        await go(page, told)
        yield name


async def asks(place: Place, callback: str = "") -> str:
    """Return the address at which the bank asks its customer for a consent."""
    server = place.server
    subscription = await server.store.real.find("default", imsi=ALLOWED)
    assert subscription is not None
    base = server.parts.portals["default"].url
    links = CaptureLinks(keys=server.parts.keys, pages={"default": base}, life_s=600)
    wanted = Purposeful(client_id="bank", purpose=FRAUD, scopes=())
    apis, now = ("number-verification", "sim-swap"), int(server.clock.now())
    return links.made(subscription, wanted, apis, callback, partly=False, now=now)


async def _consents(place: Place, page: Page) -> AsyncIterator[str]:
    """Walk through the pages about consents."""
    await page.goto(await asks(place))
    yield "consent-prove"
    await press(page)
    yield "consent-code"
    await page.fill("#code", "none")
    await press(page)
    yield "consent-code-wrong"
    await page.fill("#code", await place.inbox.code())
    await press(page)
    yield "consent-ask"
    await press(page, "give")
    yield "consent-list"
    await page.goto(f"{place.server.parts.portals['default'].url}/consents")
    yield "consent-number"


def _another(number: int) -> dict[str, str]:
    return WATCH | {
        "companion_terminal_id": f"watch {number}",
        "companion_terminal_eid": EID[:-2] + f"{number:02d}",
    }


async def _deleting(server: Server) -> None:
    """Let the line's order wait for a deletion, as an SM-DP+ may want."""
    store = server.store.real.orders
    (order,) = (each for each in await store.of("default", ALLOWED) if each.old_iccid)
    after = replace(order, state=OrderState.DELETING, version=order.version + 1)
    assert await store.change("default", ALLOWED, after, before=order, event="test", due_at=None)


async def _told(world: World, about: str) -> Link:
    """Return the page that says why not."""
    server = world.server
    subscription = await server.store.real.find("default", imsi=ALLOWED)
    assert subscription is not None
    portal = server.parts.portals["default"]
    handle = handle_of(
        portal, "ap2009", subscription, "", ring=server.ring, now=START, about=(about, "")
    )
    return Link(address_of(portal, "ap2009"), f"flow={handle}")
