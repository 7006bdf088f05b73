"""How a page is entered: by every form of user data, by no other, and once (ADR 0025)."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable
from urllib.parse import quote

import pytest

from simgrant.config.load import DEFAULT_TENANT
from simgrant.domain.subscription import SubscriptionStatus
from simgrant.flows.tokens import decode, encode
from simgrant.ports.store import Change
from tests.device.harness import (
    ALLOWED,
    NO_CONSENT,
    START,
    Phone,
    Server,
    Workbench,
    new_subscription,
)
from tests.portal.browser import BERLIN, FORM, Browser, Link, consents, link

AGAIN = "Please open it again from the settings of your phone."

Way = tuple[str, bytes, bytes, str]
"""Method, query, body and content type."""
WAYS: dict[str, Callable[[str], Way]] = {
    "a query": lambda handle: ("GET", f"flow={handle}".encode(), b"", ""),
    "a query among others": lambda handle: ("GET", f"a=1&flow={handle}&b".encode(), b"", ""),
    "a form": lambda handle: ("POST", b"", f"flow={handle}".encode(), FORM[1]),
    "JSON": lambda handle: ("POST", b"", f'{{"flow":"{handle}"}}'.encode(), "application/json"),
    "JSON with more in it": lambda handle: (
        "POST",
        b"",
        f' {{"a": [1, {{}}], "flow": "{handle}"}}\n'.encode(),
        "application/json; charset=utf-8",
    ),
    "JSON that is called a form": lambda handle: (
        "POST",
        b"",
        f'{{"flow":"{handle}"}}'.encode(),
        FORM[1],
    ),
    "XML": lambda handle: (
        "POST",
        b"",
        f'<?xml version="1.0"?><a><flow>{handle}</flow></a>'.encode(),
        "text/xml,application/xml",
    ),
    "XML as documents are": lambda handle: (
        "POST",
        b"",
        f'<characteristic><parm name="flow" value="{handle}"/></characteristic>'.encode(),
        "application/xml",
    ),
    "base64 that nobody decoded": lambda handle: (
        "POST",
        b"",
        b"encodedValue=" + b64encode(f'{{"flow":"{handle}"}}'.encode()),
        "application/json",
    ),
    "the same in a form": lambda handle: (
        "POST",
        b"",
        b"encodedValue%3D" + quote(b64encode(f"flow={handle}".encode())).encode(),
        FORM[1],
    ),
    "a form that was encoded as a whole": lambda handle: (
        "POST",
        b"",
        quote(f"flow={handle}", safe="").encode(),
        FORM[1],
    ),
}


@pytest.mark.spec("TS.43 §3.1.2")
@pytest.mark.conforms("vowifi.page-posted", "divergence.user-data-by-its-look")
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_every_maker_s_way_to_hand_over_user_data(
    server: Server, browser: Browser, way: Callable[[str], Way]
) -> None:
    opened = await link(server)
    method, query, body, kind = way(opened.handle)
    headers = (("content-type", kind),) if kind else ()
    shown = await browser.page(method, "/vowifi", query=query, body=body, headers=headers)
    assert shown.title == "Wi-Fi calling"


async def test_a_proxy_may_put_the_portal_elsewhere(server: Server, browser: Browser) -> None:
    opened = await link(server)
    await browser.open(Link(opened.url + "", opened.user_data))
    shown = await browser.page(
        "POST", "/some/where/vowifi", body=opened.user_data.encode(), headers=(FORM,)
    )
    assert shown.title == "Wi-Fi calling"
    assert (await browser.send("GET", "/some/where/static/portal.css")).status == 200


# --- what does not open it ----------------------------------------------------------------------


def changed(handle: str) -> str:
    sealed = bytearray(decode(handle))
    sealed[20] ^= 1
    return encode(bytes(sealed))


BAD: dict[str, Callable[[Server, str], str]] = {
    "a changed one": lambda _, handle: changed(handle),
    "half of one": lambda _, handle: handle[: len(handle) // 2],
    "one with something behind it": lambda _, handle: handle + "AAAA",
    "rubbish": lambda _, __: "x" * 200,
    "one of a key that nobody has": lambda _, handle: "AAAA" + handle[4:],
}


@pytest.mark.parametrize("make", BAD.values(), ids=BAD)
async def test_what_is_no_handle(
    server: Server, browser: Browser, make: Callable[[Server, str], str]
) -> None:
    opened = await link(server)
    bad = Link(opened.url, f"flow={make(server, opened.handle)}")
    before = list(server.store.writes)
    shown = await browser.open(bad, status=403)
    assert AGAIN in shown.text
    assert server.store.writes == before
    records = await server.records()
    assert (records[-1]["leg"], records[-1]["tenant"]) == ("web_view", "")


async def test_a_token_or_a_page_s_token_is_no_handle(server: Server, browser: Browser) -> None:
    token = await Phone(server, imsi=NO_CONSENT).token()
    opened = await link(server)
    page = await browser.open(opened)
    for other in (token, page.token):
        await browser.open(Link(opened.url, f"flow={other}"), status=403)
    for other in (token, opened.handle):
        await browser.post({"page": other, "do": "go"}, status=403)
    assert await consents(server) == {}


@pytest.mark.parametrize(
    "body",
    [b"", b"flow=", b"a=b", b"{}", b'{"flow":7}', b"<a/>", b"[]", b"flow", b"encodedValue=e30="],
)
async def test_user_data_without_a_handle(browser: Browser, body: bytes) -> None:
    shown = await browser.page("POST", "/vowifi", body=body, headers=(FORM,), status=400)
    assert shown.title == "This did not work"


@pytest.mark.parametrize("body", [b"{", b'{"flow"', b"\xff\xfe", b"encodedValue=%%%", b"{" * 9999])
async def test_user_data_that_are_none(browser: Browser, body: bytes) -> None:
    await browser.page("POST", "/vowifi", body=body, headers=(FORM,), status=400)


async def test_too_much(server: Server, browser: Browser) -> None:
    opened = await link(server)
    huge = b"flow=" + opened.handle.encode() + b"&a=" + b"x" * 20_000
    shown = await browser.page("POST", "/vowifi", body=huge, headers=(FORM,), status=413)
    assert shown.title == "This did not work"
    long = await browser.send("GET", "/vowifi", query=b"flow=" + b"x" * 20_000)
    assert long.status == 431
    page = await browser.open(opened)
    await browser.press(page, {"more": "x" * 20_000}, status=413)
    many = {f"field{number}": "" for number in range(100)}
    await browser.press(page, many, status=400)


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"])
async def test_other_methods_use_nothing_up(server: Server, browser: Browser, method: str) -> None:
    opened = await link(server)
    writes = list(server.store.writes)
    answer = await browser.send(method, "/vowifi", query=f"flow={opened.handle}".encode())
    assert (answer.status, answer.header("allow")) == (405, "GET, POST")
    assert server.store.writes == writes
    answer = await browser.send("GET", "/page")
    assert (answer.status, answer.header("allow")) == (405, "POST")


async def test_no_page(browser: Browser) -> None:
    for path in ("/", "/nothing", "/static/nothing", "/brand/nobody/logo", "/vowifi/"):
        assert (await browser.send("GET", path)).status == 404


# --- once, and for a while ----------------------------------------------------------------------


async def test_to_make_a_handle_writes_nothing_and_to_open_it_writes_one_row(
    server: Server, browser: Browser
) -> None:
    token = await Phone(server, imsi=NO_CONSENT).token()
    before = list(server.store.writes)
    await Phone(server, imsi=NO_CONSENT).fast(token)
    assert server.store.writes == before
    opened = await link(server)
    before = list(server.store.writes)
    await browser.open(opened)
    assert server.store.writes == [*before, "begin_visit"]


async def test_a_handle_that_nobody_used_in_time(server: Server, browser: Browser) -> None:
    opened = await link(server)
    server.clock.advance(600)
    shown = await browser.open(opened, status=403)
    assert AGAIN in shown.text
    records = await server.records()
    assert records[-1]["outcome"] == "web_view_expired"
    assert (await browser.open(await link(server))).title == "Wi-Fi calling"


async def test_who_comes_again_within_five_minutes_goes_on(
    server: Server, browser: Browser
) -> None:
    opened = await link(server)
    server.clock.advance(599)
    await browser.press(await browser.open(opened))
    server.clock.advance(299)
    resumed = await browser.open(opened)
    assert resumed.title == "Your address for emergency calls", "at the step that was reached"
    server.clock.advance(1)
    shown = await browser.open(opened, status=403)
    assert AGAIN in shown.text
    assert (await server.records())[-1]["outcome"] == "web_view_used"
    done = await browser.press(resumed, BERLIN)
    assert done.call == "changed", "a page that is open may be finished"


async def test_what_is_done_is_shown_as_done(server: Server, browser: Browser) -> None:
    opened = await link(server)
    form = await browser.press(await browser.open(opened))
    await browser.press(form, BERLIN)
    assert (await browser.open(opened)).call == "changed", "the call-back may have been lost"


async def test_a_page_is_good_for_half_an_hour(server: Server, browser: Browser) -> None:
    page = await browser.open(await link(server))
    server.clock.advance(1799)
    form = await browser.press(page)
    assert form.title == "Your address for emergency calls"
    server.clock.advance(1800)
    late = await browser.press(form, BERLIN, status=403)
    assert AGAIN in late.text
    assert (await server.records())[-1]["outcome"] == "page_expired"
    assert await consents(server) == {"terms": "given"}


async def test_a_visit_is_over_after_an_hour(server: Server, browser: Browser) -> None:
    page = await browser.open(await link(server))
    for _ in range(3):
        server.clock.advance(1100)
        page = (
            await browser.press(page, {"do": "edit"})
            if page.title.startswith("Your")
            else (await browser.press(page))
        )
    server.clock.advance(400)
    await browser.press(page, BERLIN, status=403)
    assert (await server.records())[-1]["outcome"] == "web_view_expired"


async def test_a_page_of_a_step_does_nothing_at_another(server: Server, browser: Browser) -> None:
    terms = await browser.open(await link(server))
    address = await browser.press(terms)
    # The terms' token with the address's fields: the terms are over, nothing else is settled.
    again = await browser.press(terms, BERLIN)
    assert again.title == "Your address for emergency calls"
    assert await consents(server) == {"terms": "given"}
    await browser.press(address, BERLIN)
    before = server.store.writes
    after = await browser.press(address, BERLIN | {"street": "Elsewhere"})
    assert after.call == "changed"
    assert server.store.writes == before, "it is done, and stays as it was"


@pytest.mark.parametrize("field", [{}, {"page": ""}, {"page": "x" * 5000}, {"page": "\x00"}])
async def test_a_form_without_its_token(
    server: Server, browser: Browser, field: dict[str, str]
) -> None:
    await browser.open(await link(server))
    await browser.post({"do": "go", **field}, status=403)
    assert await consents(server) == {}


async def test_a_changed_page_token(server: Server, browser: Browser) -> None:
    page = await browser.open(await link(server))
    await browser.press(page, {"page": changed(page.token)}, status=403)
    assert await consents(server) == {}


# --- whose it is --------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [SubscriptionStatus.BARRED])
async def test_who_may_not_be_served_may_not_come_in(
    server: Server, browser: Browser, status: SubscriptionStatus
) -> None:
    opened = await link(server)
    page = await browser.open(opened)
    await server.store.real.change(DEFAULT_TENANT, NO_CONSENT, Change(status=status), now=START)
    for shown in (await browser.open(opened, status=403), await browser.press(page, status=403)):
        assert "Please contact customer care." in shown.text
    assert await consents(server) == {}


async def test_revoking_the_tokens_ends_handles_and_pages(server: Server, browser: Browser) -> None:
    opened = await link(server)
    page = await browser.open(opened)
    await server.store.real.revoke_tokens(DEFAULT_TENANT, NO_CONSENT, None)
    await browser.open(opened, status=403)
    await browser.press(page, status=403)
    assert (await server.records())[-1]["outcome"] == "web_view_revoked"
    assert await consents(server) == {}


async def test_who_was_removed_is_gone(server: Server, browser: Browser) -> None:
    opened = await link(server)
    page = await browser.open(opened)
    await server.store.real.remove(DEFAULT_TENANT, NO_CONSENT, now=START)
    await browser.open(opened, status=403)
    await browser.press(page, status=403)


async def test_a_tenant_s_handle_opens_nothing_at_another_s_address(bench: Workbench) -> None:
    settings = (
        '[tenants.red]\nhosts = ["red.example"]\nplmns = ["001-01"]\n'
        'portal_url = "https://pages.red.example"\n'
        '[tenants.blue]\nhosts = ["blue.example"]\nplmns = ["001-01"]\n'
        'portal_url = "https://pages.blue.example/portal"\nportal_name = "Blue & Sons"\n'
    )
    async with bench.opened(settings) as server:
        for tenant in ("red", "blue"):
            await server.add(new_subscription(ALLOWED, server.ring, tenant=tenant, consents=()))
        opened = await link(server, imsi=ALLOWED, host="blue.example")
        assert opened.url == "https://pages.blue.example/portal/vowifi"
        browser, body = Browser(server), opened.user_data.encode()
        shown = await browser.page(
            "POST", "/vowifi", body=body, headers=(FORM,), host="Pages.Red.Example", status=403
        )
        assert AGAIN in shown.text
        assert (await server.records())[-1]["outcome"] == "web_view_of_another_tenant"
        page = await browser.page(
            "POST", "/vowifi", body=body, headers=(FORM,), host="pages.blue.example:443"
        )
        assert page.forms[0].action == "https://pages.blue.example/portal/page"
        assert page.tree.findtext(".//header/p") == "Blue & Sons"
        fields = {**page.fields(), "do": "go"}
        form = b"&".join(f"{name}={value}".encode() for name, value in fields.items())
        await browser.page("POST", "/page", body=form, host="pages.red.example", status=403)
        assert await server.store.real.consents("blue", ALLOWED) == {}
        await browser.page("POST", "/page", body=form, host="pages.blue.example")
        assert await server.store.real.consents("blue", ALLOWED)
        assert await server.store.real.consents("red", ALLOWED) == {}


# --- how often ----------------------------------------------------------------------------------


async def test_one_who_tries_around_is_held_back(bench: Workbench) -> None:
    settings = "[portal]\nsource_burst = 5\nsource_per_minute = 60\n"
    async with bench.opened(settings) as server:
        browser = Browser(server)
        bad = Link("http://127.0.0.1:8082/vowifi", "flow=" + "x" * 100)
        for _ in range(5):
            await browser.open(bad, status=403)
        shown = await browser.open(bad, status=429)
        assert int(shown.answer.header("retry-after")) >= 1
        assert "Please wait a little" in shown.text
        opened = await link(server)
        await Browser(server, source="192.0.2.45").open(opened)
        await browser.open(opened, status=429)
        server.clock.advance(1)
        await browser.open(opened)


async def test_one_handle_opens_so_many_pages(bench: Workbench) -> None:
    settings = "[portal]\nvisit_burst = 3\nvisit_per_minute = 60\n"
    async with bench.opened(settings) as server:
        opened, other = await link(server), await link(server, imsi=ALLOWED)
        browsers = [Browser(server, source=f"192.0.2.{number}") for number in range(3)]
        for browser in browsers:
            page = await browser.open(opened)
        await browser.open(opened, status=429)
        await browser.press(page, status=429)
        await browser.open(other)


async def test_more_at_once_than_can_be_done(bench: Workbench) -> None:
    async with bench.opened("[portal]\nmax_in_flight = 1\n") as server:
        opened = await link(server)
        calls = server.store.calls.count("profile")
        server.store.hold()
        first = asyncio.create_task(Browser(server).open(opened))
        await server.store.called("profile", calls + 1)
        shown = await Browser(server).open(opened, status=429)
        assert "Please wait a little" in shown.text
        server.store.release()
        assert (await first).title == "Wi-Fi calling"


async def test_the_store_is_away(server: Server, browser: Browser) -> None:
    opened = await link(server)
    page = await browser.open(opened)
    server.store.down = True
    for shown in (await browser.open(opened, status=503), await browser.press(page, status=503)):
        assert "Please wait a little and try again." in shown.text
    server.store.down = False
    assert (await browser.press(page)).title == "Your address for emergency calls"


async def test_no_record_and_no_log_line_tells_who_it_was(server: Server, browser: Browser) -> None:
    opened = await link(server)
    form = await browser.press(await browser.open(opened))
    await browser.press(form, BERLIN)
    await browser.open(Link(opened.url, "flow=" + changed(opened.handle)), status=403)
    records = [each for each in await server.records() if each["leg"] == "web_view"]
    assert [each["outcome"] for each in records] == [
        "agree",
        "address",
        "done",
        "web_view_broken",
    ]
    assert len({each["subscriber_ref"] for each in records[:3]}) == 1
    text = repr(records) + repr(server.log_lines) + repr(server.events)
    for secret in (
        NO_CONSENT.digits,
        opened.handle,
        form.token,
        "Unter den Linden",
        "192.0.2.44",
        "490154203237518",
    ):
        assert secret not in text


async def test_an_old_handle_does_not_even_say_that_there_is_nothing(
    server: Server, browser: Browser
) -> None:
    opened = await link(server)
    await server.store.real.change(DEFAULT_TENANT, NO_CONSENT, Change(plan="basic"), now=START)
    server.clock.advance(599)
    assert (await browser.open(opened)).title == "Not available"
    server.clock.advance(1)
    await browser.open(opened, status=403)
