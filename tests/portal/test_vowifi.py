"""The page of Wi-Fi calling: terms, then the address for emergency calls (TS.43 §3.4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256

import pytest

from simgrant.adapters.address import embedded
from simgrant.config import texts
from simgrant.config.load import DEFAULT_TENANT
from simgrant.domain.address import AddressField, CivicAddress
from simgrant.domain.subscription import ConsentKind
from simgrant.errors import PeerTimeout
from simgrant.ports.address_validator import AddressProblem, AddressState, Checked
from simgrant.ports.store import Change
from tests.device.harness import ALLOWED, NO_CONSENT, NO_VOWIFI, START, Server, Workbench
from tests.portal.browser import BERLIN, Browser, consents, held, link, told

TERMS = texts.portal()[1]["vowifi"]


@pytest.mark.spec("TS.43 §3.4.1")
@pytest.mark.conforms("vowifi.page-posted", "vowifi.page-calls-back-changed")
async def test_terms_and_address_then_the_phone_is_called(server: Server, browser: Browser) -> None:
    assert (await told(server))["EntitlementStatus"] == "0"
    shown = await browser.open(await link(server))
    assert (shown.title, shown.subject, shown.call) == ("Wi-Fi calling", "vowifi", "")
    assert " ".join(TERMS["en"].split()) in shown.text
    assert await consents(server) == {}

    shown = await browser.press(shown)
    assert shown.title == "Your address for emergency calls"
    assert await consents(server) == {"terms": "given"}

    shown = await browser.press(shown, BERLIN)
    assert (shown.title, shown.call, shown.forms) == ("Done", "changed", [])
    # What the page calls back about is there for every node.
    assert await consents(server) == {"terms": "given", "address": "given"}
    now = await told(server)
    assert (now["EntitlementStatus"], now["TC_Status"], now["AddrStatus"]) == ("1", "1", "1")


async def test_what_was_agreed_to_can_be_found_again(server: Server, browser: Browser) -> None:
    browser.language = "fr-CA"
    shown = await browser.open(await link(server))
    assert shown.language == "fr"
    assert shown.answer.header("content-language") == "fr"
    await browser.press(shown)
    terms = (await server.store.real.consents(DEFAULT_TENANT, NO_CONSENT))[ConsentKind.TERMS]
    assert terms.version == sha256(TERMS["fr"].encode()).hexdigest()[:16]
    assert terms.at == START


async def test_the_address_is_kept_as_its_country_writes_it(
    server: Server, browser: Browser
) -> None:
    shown = await browser.press(await browser.open(await link(server)))
    await browser.press(
        shown,
        {
            "street": "  Downing   Street ",
            "number": "10",
            "city": "London",
            "postcode": "sw1a 2aa",
            "country": "GB",
        },
    )
    address = (await held(server)).address
    assert address is not None
    assert address.address == CivicAddress(
        country="GB", street="Downing Street", number="10", city="London", postcode="SW1A 2AA"
    )
    exported = await server.store.real.export(DEFAULT_TENANT, NO_CONSENT)
    assert exported is not None
    assert exported.held.address == address, "it is there for who asks what is known of him"


async def test_an_address_that_lacks_something_is_asked_for_again(
    server: Server, browser: Browser
) -> None:
    form = await browser.press(await browser.open(await link(server)))
    again = await browser.press(form, BERLIN | {"postcode": "1011", "number": ""})
    assert again.title == form.title
    summary = again.tree.find_class("problems")[0].text_content()
    assert "House number is missing." in summary
    assert "Postcode is not written as it should be." in summary
    assert "Street" not in summary
    kept = again.fields()
    assert (kept["street"], kept["postcode"], kept["country"]) == (
        "Unter den Linden",
        "1011",
        "DE",
    )
    for name in ("number", "postcode"):
        (field,) = again.tree.xpath(f"//input[@id='{name}']")
        assert field.get("aria-invalid") == "true"
        (said,) = again.tree.xpath(f"//*[@id='{field.get('aria-describedby')}']")
        assert said.text_content()
    assert (await consents(server)).get("address") is None
    assert (await held(server)).address is None
    done = await browser.press(again, {"postcode": "10117", "number": "77"})
    assert done.call == "changed"


@pytest.mark.parametrize(
    "changes",
    [
        {"country": ""},
        {"country": "XX"},
        {"country": "DE\x00"},
        {"street": "a" * 101},
        {"city": "Ber\u202elin"},
        {"number": "1\n2\x07"},
        {"country": "US", "region": "ZZ"},
    ],
)
async def test_what_is_no_address_is_not_kept(
    server: Server, browser: Browser, changes: dict[str, str]
) -> None:
    form = await browser.press(await browser.open(await link(server)))
    again = await browser.press(form, BERLIN | changes)
    assert again.tree.find_class("problems")
    assert (await held(server)).address is None


@pytest.mark.spec("TS.43 §3.4.2")
@pytest.mark.conforms("vowifi.page-calls-back-dismiss")
async def test_not_now_changes_nothing_and_dismisses(server: Server, browser: Browser) -> None:
    opened = await link(server)
    shown = await browser.press(await browser.open(opened), button="close")
    assert (shown.call, shown.forms) == ("dismiss", [])
    assert await consents(server) == {}
    assert (await browser.open(opened)).title == "Wi-Fi calling", "and may be thought over"


async def test_who_has_it_all_may_change_the_address(server: Server, browser: Browser) -> None:
    form = await browser.open(await link(server, imsi=ALLOWED))
    assert form.title == "Your address for emergency calls"
    done = await browser.press(form, BERLIN)
    assert done.call == "changed"
    server.clock.advance(10)
    form = await browser.open(await link(server, imsi=ALLOWED))
    assert "This is the address that we have." in form.text
    assert form.fields()["street"] == "Unter den Linden"
    await browser.press(form, {"street": "Bebelplatz", "number": "1"})
    address = (await held(server, ALLOWED)).address
    assert address is not None
    assert (address.address.street, address.at) == ("Bebelplatz", START + 10)


async def test_the_terms_that_were_shown_are_those_agreed_to(
    bench: Workbench,
) -> None:
    """A form of a text that was replaced meanwhile shows the new one."""
    terms = bench.directory / "terms"
    terms.mkdir()
    (terms / "vowifi.en.txt").write_text("Old terms.\n\nOf two paragraphs.")
    settings = '[tenants.default]\nportal_terms = "terms"\n'
    async with bench.opened(settings) as server:
        browser = Browser(server)
        shown = await browser.open(await link(server))
        assert [each.text for each in shown.tree.xpath("//main/p")] == [
            "Old terms.",
            "Of two paragraphs.",
        ]
    (terms / "vowifi.en.txt").write_text("New terms.")
    async with bench.opened(settings) as server:
        browser = Browser(server)
        again = await browser.press(shown)
        assert "New terms." in again.text
        assert await consents(server) == {}
        await browser.press(again)
        assert await consents(server) == {"terms": "given"}


async def test_what_the_plan_has_not_is_said_in_the_phones_words(
    server: Server, browser: Browser
) -> None:
    opened = await link(server)
    change = server.store.real.change
    await change(DEFAULT_TENANT, NO_CONSENT, Change(plan="basic"), now=START)
    shown = await browser.open(opened)
    assert (shown.title, shown.forms) == ("Not available", [])
    message = (await told(server, imsi=NO_VOWIFI))["MessageForIncompatible"]
    assert message
    assert message in shown.text
    (button,) = shown.tree.xpath("//button")
    assert button.get("data-bridge") == "dismiss"
    await change(DEFAULT_TENANT, NO_CONSENT, Change(plan="standard"), now=START)
    assert (await browser.open(opened)).title == "Wi-Fi calling", "nothing was used up"


# --- what a validator may say -------------------------------------------------------------------


class Oracle:
    """A validator that says what it was told to say."""

    countries: Mapping[str, str] = {"DE": "Deutschland", "AT": "Österreich"}

    def __init__(self, said: Callable[[CivicAddress], Checked]) -> None:
        self.said = said
        self.asked: list[CivicAddress] = []

    async def check(self, address: CivicAddress, *, deadline: float) -> Checked:
        assert deadline > 0
        self.asked.append(address)
        return self.said(address)

    async def close(self) -> None:
        """There is nothing to close."""


def consult(monkeypatch: pytest.MonkeyPatch, said: Callable[[CivicAddress], Checked]) -> Oracle:
    oracle = Oracle(said)
    monkeypatch.setattr(embedded, "open_validator", lambda: oracle)
    return oracle


async def test_a_suggestion_is_taken_by_a_press_and_checked_again(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(address: CivicAddress) -> Checked:
        meant = replace(address, street="Straße des 17. Juni")
        if address == meant:
            return Checked(state=AddressState.VALID, address=meant, identifier="place-17")
        better = [meant, replace(meant, number="100"), *[meant] * 20]
        return Checked(state=AddressState.SUGGESTED, address=address, suggestions=better)

    oracle = consult(monkeypatch, said)
    async with bench.opened() as server:
        browser = Browser(server)
        form = await browser.press(await browser.open(await link(server)))
        asked = await browser.press(form, BERLIN | {"street": "Str. d. 17. Juni <i>"})
        assert asked.title == "Did you mean this address?"
        assert len(asked.forms) == 5 + 1, "so many, and the way back"
        assert (await consents(server)).get("address") is None
        # Back, with what was written still there.
        edited = await browser.press(asked, button="edit", form=-1)
        assert edited.fields()["street"] == "Str. d. 17. Juni <i>"
        assert not edited.tree.find_class("problems")
        done = await browser.press(asked)
        assert done.call == "changed"
        address = (await held(server)).address
        assert address is not None
        assert (address.address.street, address.identifier) == ("Straße des 17. Juni", "place-17")
        assert len(oracle.asked) == 2


async def test_an_address_that_is_being_looked_at(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    consult(
        monkeypatch,
        lambda address: Checked(state=AddressState.PENDING, address=address, identifier="x" * 500),
    )
    async with bench.opened() as server:
        browser = Browser(server)
        form = await browser.press(await browser.open(await link(server)))
        shown = await browser.press(form, BERLIN)
        assert shown.call == "changed"
        assert "We are checking your address." in shown.text
        now = await told(server)
        assert (now["AddrStatus"], now["EntitlementStatus"]) == ("3", "0")
        address = (await held(server)).address
        assert address is not None
        assert len(address.identifier) == 128


async def test_an_address_that_runs_out(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    consult(
        monkeypatch,
        lambda address: Checked(state=AddressState.VALID, address=address, expires_at=START + 1000),
    )
    async with bench.opened() as server:
        browser = Browser(server)
        form = await browser.press(await browser.open(await link(server)))
        await browser.press(form, BERLIN)
        assert (await told(server))["AddrStatus"] == "1"
        server.clock.advance(1000)
        assert (await told(server))["AddrStatus"] == "0"
        again = await browser.open(await link(server))
        assert again.fields()["street"] == "Unter den Linden", "to be confirmed"


async def test_places_that_there_are_not(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = {AddressField.STREET: AddressProblem.UNKNOWN}
    consult(
        monkeypatch,
        lambda address: Checked(state=AddressState.INVALID, address=address, problems=unknown),
    )
    async with bench.opened() as server:
        browser = Browser(server)
        form = await browser.press(await browser.open(await link(server)))
        again = await browser.press(form, BERLIN)
        assert "Street is not known to us." in again.text


async def test_a_validator_that_cannot_be_asked(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(_: CivicAddress) -> Checked:
        raise PeerTimeout("validator_silent")

    consult(monkeypatch, silent)
    async with bench.opened() as server:
        browser = Browser(server)
        form = await browser.press(await browser.open(await link(server)))
        failed = await browser.press(form, BERLIN, status=503)
        assert int(failed.answer.header("retry-after")) > 0
        assert "Please wait a little and try again." in failed.text
        assert await consents(server) == {"terms": "given"}


async def test_the_countries_of_a_tenant(bench: Workbench) -> None:
    async with bench.opened('[tenants.default]\naddress_countries = ["CH", "AT"]\n') as server:
        browser = Browser(server)
        form = await browser.press(await browser.open(await link(server)))
        offered = form.tree.xpath("//select/option/@value")
        assert offered == ["", "CH", "AT"]
        again = await browser.press(form, BERLIN)
        assert again.tree.find_class("problems"), "no other country than those"
    async with bench.opened('[tenants.default]\naddress_countries = ["DE"]\n') as server:
        form = await Browser(server).press(await Browser(server).open(await link(server)))
        assert form.fields()["country"] == "DE"
