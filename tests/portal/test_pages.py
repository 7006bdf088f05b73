"""Pages as bytes: what is escaped, what a browser may load, in which language, in whose colours."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from simgrant import errors
from simgrant.config import texts
from simgrant.domain.words import LANGUAGES
from simgrant.errors import StartRefused
from simgrant.flows.camara.apis import APIS
from simgrant.flows.consent_pages.screens import ConsentScreen
from simgrant.flows.web_views.web_view import Screen
from simgrant.fronts.portal.answers import ANSWERS, OVER_ASKED, answer_of
from simgrant.fronts.portal.pages import _TEMPLATES, read
from simgrant.identities import Imsi
from tests.device.harness import ALLOWED, Server, Workbench, new_subscription
from tests.portal.browser import BERLIN, Browser, Shown, link

TEXTS, TERMS = texts.portal()
PURPOSES = texts.purposes()
PREMIUM = Imsi("001010000000011")
SCRIPT = "\"><script>alert('x')</script>"


def _leaves(kind: type[errors.EcsError]) -> list[type[errors.EcsError]]:
    return [kind, *(leaf for each in kind.__subclasses__() for leaf in _leaves(each))]


def test_every_error_of_the_tree_has_an_answer() -> None:
    tree = {each for each in _leaves(errors.EcsError) if each.__module__ == errors.__name__}
    assert set(ANSWERS) == tree - {errors.EcsError}
    assert answer_of(errors.EcsError()) == (500, "error_busy")
    assert {OVER_ASKED, *(message for _, message in ANSWERS.values())} <= set(TEXTS)


def test_every_api_is_called_something() -> None:
    assert {f"api_{name.replace('-', '_')}" for name in APIS} <= set(TEXTS)


def test_every_screen_has_a_template() -> None:
    assert set(_TEMPLATES) == {*get_args(Screen), *get_args(ConsentScreen)}


@pytest.mark.parametrize(
    "text",
    [*TEXTS.values(), *TERMS.values(), *PURPOSES.values()],
    ids=[*TEXTS, *TERMS, *PURPOSES],
)
def test_every_text_is_there_in_every_shipped_language(text: dict[str, str]) -> None:
    assert tuple(text) == LANGUAGES
    places = {language: sorted(re.findall(r"\{\w+\}", said)) for language, said in text.items()}
    assert len({tuple(each) for each in places.values()}) == 1, places
    assert all(said.strip() for said in text.values())


def looks_right(shown: Shown) -> None:
    """Assert what holds for every page: what a screen reader needs, and what a browser must not."""
    tree = shown.tree
    assert re.fullmatch(r"[a-z]{2}(-[A-Z]{2})?", shown.language)
    assert tree.get("dir") in ("ltr", "rtl")
    assert len(tree.findall(".//h1")) == 1
    assert tree.findtext(".//title")
    assert tree.find(".//main") is not None
    assert tree.find(".//meta[@name='viewport']").get("content") == (
        "width=device-width, initial-scale=1"
    )
    for field in tree.xpath("//input[not(@type='hidden')]|//select"):
        named = tree.xpath(f"//label[@for='{field.get('id')}']") if field.get("id") else []
        assert named or field.xpath("ancestor::label"), field.attrib
        if described := field.get("aria-describedby"):
            assert tree.xpath(f"//*[@id='{described}']")
    for group in tree.xpath("//input[@type='radio']"):
        assert group.xpath("ancestor::fieldset/legend"), "what is chosen is named"
    for picture in tree.xpath("//img"):
        assert picture.get("alt") is not None
    for button in tree.xpath("//button"):
        assert button.text_content().strip()
    for anchor in tree.xpath("//a/@href"):
        assert tree.xpath(f"//*[@id='{anchor.removeprefix('#')}']"), "it leads to the field"
    assert len(set(tree.xpath("//@id"))) == len(tree.xpath("//@id"))
    # Nothing inline, nothing foreign.
    assert not tree.xpath("//style|//@style|//script[not(@src)]|//*[@*[starts-with(name(), 'on')]]")
    sources = tree.xpath("//script/@src|//link/@href|//img/@src|//form/@action")
    assert sources
    assert all(each.startswith("http://127.0.0.1:8082/") for each in sources)
    assert not tree.xpath("//iframe|//object|//embed|//base|//meta[@http-equiv]")


async def every_page(server: Server, browser: Browser) -> list[Shown]:
    """Return a page of each kind there is."""
    await server.add(new_subscription(PREMIUM, server.ring, plan="premium"))
    opened = await link(server)
    agree = await browser.open(opened)
    closed = await browser.press(agree, button="close")
    form = await browser.press(agree)
    again = await browser.press(form, {"country": "DE", "street": SCRIPT, "number": ""})
    done = await browser.press(form, BERLIN)
    replaces = await browser.open(await link(server, imsi=ALLOWED))
    offers = await browser.open(await link(server, "ap2010", PREMIUM, boost_type="0"))
    bought = await browser.press(offers)
    satellite = await browser.open(await link(server, "ap2016", PREMIUM))
    billing = await browser.open(
        await link(server, "ap2012", PREMIUM, store_vendor="S", store_user_id="u")
    )
    failed = await browser.page("GET", "/vowifi", query=b"flow=x", status=403)
    nothing = await browser.page("GET", "/", status=404)
    return [
        agree,
        closed,
        form,
        again,
        done,
        replaces,
        offers,
        bought,
        satellite,
        billing,
        failed,
        nothing,
    ]


async def test_every_page_can_be_read_by_everybody(server: Server, browser: Browser) -> None:
    for shown in await every_page(server, browser):
        looks_right(shown)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_page_is_in_the_language_that_was_asked_for(
    server: Server, language: str
) -> None:
    browser = Browser(server, language=f"{language}-XX, tlh;q=0.9")
    for shown in await every_page(server, browser):
        looks_right(shown)
        assert shown.language == language
        assert "{" not in shown.text, "everything is filled in"
    assert Browser(server, language="ja").language


async def test_a_language_that_there_is_not_is_the_tenant_s(bench: Workbench) -> None:
    async with bench.opened('[tenants.default]\nlanguage = "it"\n') as server:
        assert (await Browser(server, language="ja").open(await link(server))).language == "it"
        assert (await Browser(server, language="fr").open(await link(server))).language == "fr"


async def test_a_tenant_s_words_and_terms_in_a_language_of_its_own(bench: Workbench) -> None:
    (bench.directory / "words.toml").write_text(
        '[portal.language]\nar = "ar"\n[portal.direction]\nar = "rtl"\n'
        '[portal.agree]\nar = "أوافق"\nen = "Fine by me"\n'
    )
    terms = bench.directory / "terms"
    terms.mkdir()
    (terms / "vowifi.ar.txt").write_text("الشروط")
    settings = '[tenants.default]\ntexts = "words.toml"\nportal_terms = "terms"\n'
    async with bench.opened(settings) as server:
        shown = await Browser(server, language="ar-EG").open(await link(server))
        assert (shown.language, shown.tree.get("dir")) == ("ar", "rtl")
        assert "أوافق" in shown.text
        assert "الشروط" in shown.text
        assert "Not now" in shown.text, "what is not said is said in English"
        shown = await Browser(server, language="en").open(await link(server, imsi=ALLOWED))
        assert shown.language == "en"


@pytest.mark.parametrize(
    "files",
    [
        {"words.toml": '[portal.agreee]\nen = "x"\n'},
        {"terms/vowifi.txt": "x"},
        {"terms/wifi.en.txt": "x"},
        {"terms/boost.en.txt": "x"},
        {"terms/vowifi.en.txt": " \n"},
        {"terms/vowifi.en.txt": "x" * 65_537},
        {"terms/readme": "x"},
        {"logo.gif": "GIF89a"},
        {"logo.png": "x" * 262_145},
        {},
    ],
    ids=str,
)
async def test_a_file_that_is_no_use_stops_the_start(
    bench: Workbench, files: dict[str, str]
) -> None:
    for name, text in files.items():
        path = bench.directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    name = next(iter(files), "terms/none")
    key = {"words.toml": "texts", "terms": "portal_terms"}.get(name.split("/")[0], "portal_logo")
    value = name.split("/")[0]
    with pytest.raises(StartRefused, match=r"tenants.default|texts"):
        async with bench.opened(f'[tenants.default]\n{key} = "{value}"\n'):
            pass


@pytest.mark.parametrize(
    "setting",
    [
        '[tenants.default]\nportal_colour = "blue"\n',
        '[tenants.default]\nportal_colour = "#fff"\n',
        '[tenants.default]\naddress_countries = ["XX"]\n',
        '[tenants.default]\nportal_url = "ftp://x"\n',
        '[portal]\npublic_url = "javascript:alert(1)"\n',
        '[portal]\npublic_url = "https://user:secret@a.example"\n',
        '[portal]\nlisten = "0.0.0.0:8082"\n',
        '[portal]\nlisten = "[::]:8082"\n',
        '[portal]\npublic_url = "https://a.example; script-src *"\n',
        '[portal]\nlisten = "nowhere"\n',
        '[portal]\ntls_key = "key.pem"\n',
        "[portal]\nuser_data_life_s = 86400\n",
        "[portal]\nresume_s = -1\n",
    ],
)
async def test_a_setting_that_is_none_stops_the_start(bench: Workbench, setting: str) -> None:
    with pytest.raises(StartRefused, match=r"portal|countries"):
        async with bench.opened(setting):
            pass


# --- what comes in goes out as text --------------------------------------------------------------


async def test_what_a_person_writes_is_shown_as_text(server: Server, browser: Browser) -> None:
    form = await browser.press(await browser.open(await link(server)))
    fields = dict.fromkeys(("street", "number", "unit", "city", "region", "postcode"), SCRIPT)
    again = await browser.press(form, fields | {"country": "DE"})
    assert again.fields()["street"] == SCRIPT
    assert b"<script>alert" not in again.answer.body
    assert len(again.tree.xpath("//script")) == 1
    looks_right(again)


async def test_what_a_phone_says_is_shown_as_text(server: Server) -> None:
    hostile = Browser(server, language=f"<b>{SCRIPT}</b>,en", more=(("user-agent", SCRIPT),))
    shown = await hostile.open(await link(server))
    assert shown.language == "en"
    looks_right(shown)
    shown = await hostile.page("GET", "/%3Cscript%3Ealert(1)", status=404)
    looks_right(shown)
    assert "alert" not in shown.text


# --- headers -------------------------------------------------------------------------------------


async def test_what_a_browser_is_told_about_every_page(server: Server, browser: Browser) -> None:
    for shown in await every_page(server, browser):
        header = shown.answer.header
        policy = dict(
            part.strip().split(" ", 1) for part in header("content-security-policy").split(";")
        )
        here = "http://127.0.0.1:8082"
        assert policy == {
            "default-src": "'none'",
            "script-src": here,
            "style-src": here,
            "img-src": here,
            "form-action": here,
            "base-uri": "'none'",
            "frame-ancestors": "'none'",
        }
        assert header("content-type") == "text/html; charset=utf-8"
        assert header("cache-control") == "no-store"
        assert header("x-frame-options") == "DENY"
        assert header("x-content-type-options") == "nosniff"
        assert header("referrer-policy") == "no-referrer"
        assert header("set-cookie") == ""
        assert header("x-request-id")


async def test_the_policy_names_the_place_where_phones_find_it(bench: Workbench) -> None:
    settings = '[portal]\npublic_url = "https://pages.example.net:8443/portal/"\n'
    async with bench.opened(settings) as server:
        opened = await link(server)
        assert opened.url == "https://pages.example.net:8443/portal/vowifi"
        shown = await Browser(server).open(opened)
        policy = shown.answer.header("content-security-policy")
        assert "script-src https://pages.example.net:8443;" in policy
        assert shown.forms[0].action == "https://pages.example.net:8443/portal/page"
        assert shown.tree.xpath("//script/@src")[0].startswith(
            "https://pages.example.net:8443/portal/static/bridge.js?"
        )


async def test_no_portal_no_pages(bench: Workbench) -> None:
    async with bench.opened('[portal]\nlisten = ""\n') as server:
        assert server.parts.portal is None
    async with bench.opened(
        '[portal]\nlisten = ""\npublic_url = "https://own.example.net"\n'
    ) as server:
        assert server.parts.portal is None
        assert (await link(server)).url == "https://own.example.net/vowifi"


# --- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("portal.css", "text/css; charset=utf-8"),
        ("bridge.js", "text/javascript"),
        ("icon.svg", "image/svg+xml"),
    ],
)
async def test_static_files(browser: Browser, name: str, kind: str) -> None:
    answer = await browser.send("GET", f"/static/{name}", query=b"whatever")
    assert (answer.status, answer.header("content-type")) == (200, kind)
    assert answer.body == read(name)
    assert "max-age" in answer.header("cache-control")
    head = await browser.send("HEAD", f"/static/{name}")
    assert head.header("content-length") == str(len(read(name)))


async def test_a_tenant_s_brand(bench: Workbench) -> None:
    logo = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    (bench.directory / "logo.svg").write_bytes(logo)
    settings = (
        '[tenants.default]\nportal_name = "Grün <Funk>"\nportal_colour = "#ffe000"\n'
        'portal_logo = "logo.svg"\n'
    )
    async with bench.opened(settings) as server:
        browser = Browser(server)
        shown = await browser.open(await link(server))
        (picture,) = shown.tree.xpath("//header/img")
        assert picture.get("alt") == "Grün <Funk>"
        assert shown.tree.findtext(".//title").endswith("· Grün <Funk>")
        answer = await browser.send("GET", "/brand/default/logo")
        assert (answer.body, answer.header("content-type")) == (logo, "image/svg+xml")
        assert "sandbox" in answer.header("content-security-policy"), (
            "opened alone, it runs nothing"
        )
        sheet = (await browser.send("GET", "/brand/default/brand.css")).body.decode()
        assert "--accent:#ffe000" in sheet
        assert "--on-accent:#1b1b1f" in sheet, "dark text on a light button"
        failed = await browser.page("GET", "/", status=404)
        assert failed.tree.find(".//header") is None, "nobody knows whose page it would be"
