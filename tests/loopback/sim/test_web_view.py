"""The web view opens a page as each family does, and sees which call-backs the page names."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.sim.forms import form_of
from simgrant.sim.http import BadAnswer, Limits, Url
from simgrant.sim.profiles import PROFILES, ProfileName, WebRule
from simgrant.sim.web_view import Opening, Page, Visit, WebView, opening, pages_of
from simgrant.wire.document import Application, Document, Parm, Vers
from tests.loopback.sim.scripted import CLOSE, Says, ScriptedServer, Seen, answer

IMS = PROFILES[ProfileName.ANDROID_IMS]
SPEC = replace(IMS, web=WebRule.SPEC)
HUAWEI = replace(IMS, web=WebRule.HUAWEI)
LIMITS = Limits(connect_s=5, read_s=5)
URL = "https://portal.example.net/flow"
HTML = "text/html; charset=utf-8"
FORM = "application/x-www-form-urlencoded"
FLOW = Page("ap2004", URL, "flow=a%2Bb", "")


def says(profile: object, page: Page) -> tuple[str, str, str, bytes | None]:
    found = opening(page, profile)  # type: ignore[arg-type]
    kind = dict(found.headers).get("Content-Type", "")
    return found.method, found.url, kind, found.body


@pytest.mark.parametrize(
    ("profile", "page", "wanted"),
    [
        (IMS, FLOW, ("POST", URL, FORM, b"flow=a%2Bb")),
        (IMS, replace(FLOW, user_data=""), ("GET", URL, "", None)),
        (SPEC, FLOW, ("GET", f"{URL}?flow=a%2Bb", "", None)),
        (SPEC, replace(FLOW, url=f"{URL}?x=1"), ("GET", f"{URL}?x=1&flow=a%2Bb", "", None)),
        (SPEC, replace(FLOW, user_data=""), ("GET", URL, "", None)),
        (
            SPEC,
            Page("ap2012", URL, "encodedValue=eyJhIjoxfQ==", "json"),
            ("POST", URL, "application/json", b'{"a":1}'),
        ),
        (
            SPEC,
            Page("ap2016", URL, "<a/>", "XML"),
            ("POST", URL, "text/xml,application/xml", b"<a/>"),
        ),
        (IMS, Page("ap2010", URL, "flow=a", ""), ("GET", f"{URL}?flow=a", "", None)),
        (
            IMS,
            Page("ap2010", URL, "encodedValue=eyJhIjoxfQ==", "json"),
            ("POST", URL, FORM, b'{"a":1}'),
        ),
        (
            HUAWEI,
            Page("ap2012", URL, "encodedValue=eyJhIjoxfQ==", "json"),
            ("POST", URL, "application/json; charset=utf-8", b'{"a":1}'),
        ),
        (HUAWEI, FLOW, ("GET", f"{URL}?flow=a%2Bb", "", None)),
    ],
)
def test_a_family_opens_a_page_in_its_way(
    profile: object, page: Page, wanted: tuple[str, str, str, bytes | None]
) -> None:
    assert says(profile, page) == wanted


def test_huawei_says_its_method_twice() -> None:
    found = opening(Page("ap2012", URL, "{}", "json"), HUAWEI)
    assert ("METHOD", "POST") in found.headers


@pytest.mark.parametrize("user_data", ["", "encodedValue=", "encodedValue=%%%"])
def test_what_no_phone_would_post_is_said(user_data: str) -> None:
    with pytest.raises(ValueError, match="user data"):
        opening(Page("ap2010", URL, user_data, "json"), IMS)


def test_pages_are_those_with_an_address() -> None:
    def app(name: str, **parms: str) -> Application:
        return Application(name, tuple(Parm(f"ServiceFlow_{key}", v) for key, v in parms.items()))

    document = Document(
        Vers(1, 60),
        None,
        (
            app("ap2004", URL="", UserData=""),
            app("ap2012", URL=URL, UserData="d", ContentsType="json"),
            app("ap2005"),
            app("ap2016", URL=URL),
        ),
    )
    assert pages_of(document) == (Page("ap2012", URL, "d", "json"), Page("ap2016", URL, "", ""))


def test_pages_of_esims_go_by_names_of_their_own() -> None:
    def told(app: str, name: str, *kind: str) -> Application:
        parms = [Parm(f"{name}URL", URL), Parm(f"{name}UserData", "d")]
        return Application(app, (*parms, *(Parm(f"{name}ContentsType", each) for each in kind)))

    document = Document(
        Vers(1, 60),
        None,
        (
            told("ap2006", "SubscriptionService", "json"),
            told("ap2009", "NotEnabled", "xml"),
            told("ap2009", "GeneralError"),
        ),
    )
    found = pages_of(document)
    assert found == (
        Page("ap2006", URL, "d", "json"),
        Page("ap2009", URL, "d", "xml", only_says_why=True),
        Page("ap2009", URL, "d", "", only_says_why=True),
    )
    assert {page.bridge for page in found} == {"ODSAServiceFlow"}
    assert (found[0].call_backs[0], found[0].call_backs[-1]) == ("finishFlow", "dismissFlow")
    assert found[1].call_backs == found[2].call_backs == ("dismissFlow",)


async def visit(*script: Says, always: Says | None = None) -> tuple[Visit, list[Seen]]:
    async with ScriptedServer(*script, always=always) as server:
        first = opening(replace(FLOW, url=str(server.url("/flow"))), IMS)
        return await WebView(IMS, limits=LIMITS).go(first), server.seen


def page(body: str, *headers: tuple[str, str], status: str = "200 OK") -> bytes:
    return answer(status, body.encode(), HTML, *headers)


async def test_a_page_names_its_title_and_its_call_backs() -> None:
    found, (seen,) = await visit(
        page(
            "<!doctype html><title>Wi-Fi\n calling</title><svg><title>no</title></svg>"
            "<button onclick='VoWiFiWebServiceFlow.entitlementChanged()'>"
        )
    )
    assert (seen.method, seen.body) == ("POST", b"flow=a%2Bb")
    assert "wv)" in seen.first("User-Agent")
    assert (found.status, found.title, found.is_html) == (200, "Wi-Fi calling", True)
    assert found.calls(FLOW) == ("entitlementChanged",)
    # Another application's page has another bridge.
    assert found.calls(replace(FLOW, app="ap2016")) == ()


async def test_scripts_of_its_own_site_count_and_others_are_not_fetched() -> None:
    html = (
        "<script src='/bridge.js'></script><script src='https://cdn.example.net/x.js'></script>"
        "<script src='broken.js'></script>"
    )
    script = b"for (const o of ['VoWiFiWebServiceFlow']) window[o]?.dismissFlow()"
    found, seen = await visit(page(html), answer("200 OK", script, "text/javascript"), CLOSE)
    assert [each.target for each in seen] == ["/flow", "/bridge.js", "/broken.js"]
    assert found.calls(FLOW) == ("dismissFlow",)


async def test_redirects_are_followed_with_cookies_and_without_the_user_data() -> None:
    found, (_, second, third) = await visit(
        page("", ("Location", "/terms"), ("Set-Cookie", "P=1; Path=/"), status="303 See Other"),
        page("", ("Location", "step2?a=b#top"), status="302 Found"),
        page("<title>Here</title>"),
    )
    assert (second.method, second.target, second.body) == ("GET", "/terms", b"")
    assert second.first("Cookie") == "P=1"
    assert third.target == "/step2?a=b"
    assert [hop.status for hop in found.hops] == [303, 302, 200]
    assert found.title == "Here"
    assert "a=b" in found.url
    assert "a=b" not in found.hops[-1].url


async def test_a_308_is_posted_again() -> None:
    moved = page("", ("Location", "/there"), status="308 Permanent Redirect")
    _, (_, second) = await visit(moved, page("x"))
    assert (second.method, second.body) == ("POST", b"flow=a%2Bb")


async def test_pages_that_lead_in_circles_end() -> None:
    with pytest.raises(BadAnswer, match="page to page"):
        await visit(always=page("", ("Location", "/again"), status="302 Found"))


async def test_what_is_no_page_is_not_searched() -> None:
    found, seen = await visit(answer("200 OK", b"<script src='/x.js'></script>", "text/plain"))
    assert not found.is_html
    assert len(seen) == 1


async def test_an_address_that_is_none_is_said() -> None:
    with pytest.raises(ValueError, match="no http"):
        await WebView(IMS).go(Opening("GET", "intent://x"))


# --- forms ---------------------------------------------------------------------------------


def test_a_form_is_filled_in_as_by_who_agrees_to_everything() -> None:
    html = """<form action='/lang'><input name=l value=de></form>
    <form method=POST action='save?step=1'>
      <input type=hidden name=csrf value=c1><input type=checkbox name=terms value=yes required>
      <input name=street required><input type=text name=city value=Bonn><input name=off disabled>
      <input type=radio name=kind value=a><input type=radio name=kind value=b>
      <select name=country><option value=''>-<option value=DE>D<option value=FR selected>F</select>
      <select name=zone><option value=''>-<option value=1>1<option value=2>2</select>
      <textarea name=note></textarea><input type=file name=scan>
      <button type=button name=no value=1>x</button><button name=go value=ok>y</button>
      <input type=submit name=stop value=1>
    </form>"""
    form = form_of(html, "https://p.example/a/b", {"street": "Hauptstr. 1", "kind": "b"})
    assert form is not None
    assert form.url == "https://p.example/a/save?step=1"
    assert form.fields == (
        ("csrf", "c1"),
        ("terms", "yes"),
        ("street", "Hauptstr. 1"),
        ("city", "Bonn"),
        ("kind", "b"),
        ("country", "FR"),
        ("zone", "1"),
        ("go", "ok"),
    )
    assert form.lacking == ()
    assert form.typed == ("street", "city", "note")
    assert form.encoded.startswith("csrf=c1&terms=yes&street=Hauptstr.+1&")


def test_what_nobody_said_what_to_write_into_is_lacking() -> None:
    html = "<form method=post><input name=street required><textarea name=note required></textarea>"
    form = form_of(html, "https://p.example/a", {})
    assert form is not None
    assert form.lacking == ("street", "note")
    assert form.url == "https://p.example/a"
    assert form_of(html, "https://p.example/a", {"street": "x", "note": "y"}).lacking == ()  # type: ignore[union-attr]


def test_a_page_without_a_form_to_post_has_none() -> None:
    assert (
        form_of("<form><input name=q></form><input name=loose>", "https://p.example/", {}) is None
    )


_PIECES = st.sampled_from(
    (
        *("<form method=post>", "</form>", "<form", "<input name=a required>", "<input type=radio"),
        *("<select name=b>", "<option value=1 selected>", "</select>", "<textarea name=c>", "<!["),
        *(
            "</textarea>",
            "<button name=d>",
            "<title>",
            "</title>",
            "<script src=x>",
            "<!",
            "'",
            '"',
        ),
        *("]]>", "<![foo[", "<!doctype", "--", ">", "<", "&#xfffffff;", "\0", "name=", " "),
    )
)


@given(st.lists(_PIECES | st.text(max_size=5), max_size=30).map("".join), st.booleans())
def test_no_page_is_too_strange_for_a_form(html: str, filled: bool) -> None:
    form = form_of(html, "https://p.example/a", {"a": "1", "c": "2"} if filled else {})
    assert form is None or form.encoded is not None


@pytest.mark.parametrize(
    "strange", ["<![foo[", "<![", "<!-", "<title>", "<title><script src='::'>"]
)
async def test_no_page_is_too_strange_to_be_seen(strange: str) -> None:
    found, _ = await visit(page(strange + "x"))
    assert found.status == 200


def test_the_url_of_a_page_keeps_its_query() -> None:
    assert str(Url.parse("http://127.0.0.1/a?b=c").target()) == "/a?b=c"
