"""A consent from the consumer's question to the API's answer, over a page of the portal."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest

from simgrant.adapters.store.sql.camara_consents import SqlConsents
from simgrant.domain.camara.consent import Basis, ConsentEntry, Purposes, Said
from simgrant.domain.camara.consumer import Application, Permission
from simgrant.domain.subscription import SubscriptionStatus
from simgrant.domain.words import LANGUAGES
from simgrant.errors import PeerUnavailable
from simgrant.flows.camara.consents import is_genuine, signed
from simgrant.flows.consent_pages.asking import Asking
from simgrant.flows.consent_pages.tokens import LINK
from simgrant.flows.tokens import decode, encode
from simgrant.identities import Imsi
from simgrant.ports.store import Change
from simgrant.sim.push.smsc import MessageCentre
from tests.camara.bank import CHECK, FRAUD, PERMISSIONS, VERIFY, Bank, consumer, enrol, members
from tests.camara.listener import send
from tests.device.harness import (
    ALLOWED,
    STRANGER,
    Answer,
    Request,
    Workbench,
    new_subscription,
)
from tests.device.partner import NUMBER
from tests.device.test_otp import TEXTS, number, wrong
from tests.portal.browser import Browser, Shown
from tests.portal.test_pages import looks_right

INFO = "consent-info:retrieve"
HINT = f"tel:{NUMBER}"
SETTINGS = """
[camara_purposes.FraudPreventionAndDetection]
apis = { "number-verification" = "legitimate_interest" }
[camara]
listen = "127.0.0.1:8083"
"""
BACK = "https://bank.example/app/consented?step=2#end"
ALL = (
    *PERMISSIONS,
    Permission(api="consent-info", scopes=frozenset({INFO}), purposes=frozenset({FRAUD})),
    Permission(
        api="kyc-tenure", scopes=frozenset({"kyc-tenure:check-tenure"}), purposes=frozenset({FRAUD})
    ),
)


@dataclass
class Capture:
    """A bank, its customer's browser, and the customer's phone."""

    bank: Bank
    browser: Browser
    centre: MessageCentre
    read: int = field(default=0)

    @property
    def server(self) -> Any:
        return self.bank.server

    async def enrol(self, **changes: Any) -> None:
        """Have the consumer be as it is by contract, but for some changes."""
        made = consumer(
            self.bank.signer,
            subjects=frozenset({"tel"}),
            permissions=ALL,
            redirect_uris=frozenset({"https://bank.example/login"}),
        )
        row = await self.server.store.real.consumers.find("default", "bank")
        revision = 0 if row is None else row.revision
        await enrol(self.server, replace(made, revision=revision, **changes))

    async def call(self, scope: str, path: str, body: dict[str, Any]) -> Answer:
        """Call an API with a token that was granted for it."""
        granted = await self.bank.bearer(HINT, f"dpv:{FRAUD} {scope}")
        return await self.with_token(granted, path, body)

    async def with_token(self, granted: Answer, path: str, body: dict[str, Any]) -> Answer:
        token = members(granted)["access_token"]
        head = (("authorization", f"Bearer {token}"), ("content-type", "application/json"))
        return await send(self.server, Request("POST", b"", head, json.dumps(body).encode(), path))

    async def info(self, *scopes: str, **more: Any) -> dict[str, Any]:
        """Ask how it stands, and for a page."""
        body = {
            "scopes": list(scopes or (CHECK,)),
            "purpose": f"dpv:{FRAUD}",
            "requestCaptureUrl": True,
            **more,
        }
        return members(await self.call(INFO, "/consent-info/v0.2/retrieve", body))

    async def url(self, *scopes: str, **more: Any) -> str:
        found = await self.info(*scopes, **more)
        return str(found["captureUrl"])

    async def open(self, url: str, *, status: int = 200, **more: str) -> Shown:
        """Open an address of the portal."""
        parts = urlsplit(url)
        query = "&".join(filter(None, (parts.query, urlencode(more)))).encode()
        return await self.browser.page("GET", parts.path, query=query, status=status)

    async def code(self) -> str:
        """Return the password in the next message."""
        return (await self.text()).split(" ")[0]

    async def text(self) -> str:
        self.read += 1
        await self.centre.switch.until_taken(self.read)
        return str(self.centre.switch.taken[self.read - 1].extra["text"])

    async def question(self, url: str) -> Shown:
        """Prove who one is, and return the question."""
        asked = await self.browser.press(await self.open(url))
        return await self.browser.press(asked, {"code": await self.code()})

    async def answer(self, shown: Shown, button: str) -> Answer:
        """Press a button that leads away, and return where."""
        fields = {**shown.fields(), "do": button}
        answer = await self.browser.send("POST", "/consents", body=urlencode(fields).encode())
        assert answer.status == 303, answer.body.decode()
        return answer

    async def mine(self, told: str = NUMBER) -> Shown:
        """See what one said, by oneself."""
        shown = await self.browser.press(await self.open("/consents"), {"number": told})
        return await self.browser.press(shown, {"code": await self.code()})

    async def entries(self) -> list[ConsentEntry]:
        return list(await self.server.store.real.api_consents.of("default", ALLOWED))

    async def outcome(self) -> object:
        return (await self.server.records())[-1]["outcome"]

    def result(self, answer: Answer) -> str:
        """Return what the consumer is told came of it."""
        (found,) = parse_qs(urlsplit(answer.header("location")).query)["capture_result"]
        return found

    def forms_to(self, shown: Shown) -> list[str]:
        """Return where a browser lets the forms of a page lead."""
        policy = shown.answer.header("content-security-policy")
        (found,) = (each for each in policy.split("; ") if each.startswith("form-action"))
        return found.split(" ")[1:]


@pytest.fixture
async def capture(bench: Workbench) -> AsyncIterator[Capture]:
    """A server where sim-swap needs consent, and subscribers can be sent messages."""
    centre = MessageCentre()
    await centre.up()
    (bench.directory / "smsc-password").write_text(centre.password)
    try:
        async with bench.opened(SETTINGS + TEXTS.format(port=centre.port)) as server:
            found = Capture(Bank(server), Browser(server), centre)
            await found.enrol()
            yield found
    finally:
        await centre.down()


async def test_given_answered_withdrawn_refused(capture: Capture) -> None:
    assert (await capture.bank.bearer(HINT, f"dpv:{FRAUD} {CHECK}")).status == 400
    url = await capture.url(CHECK, VERIFY, callbackUrl=BACK)
    shown = await capture.open(url, state="x&y=1 ü")
    assert shown.title == "Bank asks for your consent"
    assert NUMBER[-6:] not in shown.text, "whoever has the link learns nothing"
    shown = await capture.browser.press(shown)
    message = await capture.text()
    assert "what Bank may know" in message
    shown = await capture.browser.press(shown, {"code": message.split(" ")[0]})
    assert shown.title == "Bank asks for your consent"
    for said in ("your SIM was changed", "to prevent and to detect fraud", "Until 20", "/consents"):
        assert said in shown.text
    assert "has your number" not in shown.text, "what needs no consent is not asked"
    give, refuse = shown.tree.xpath("//button")
    assert (give.get("class"), refuse.get("class")) == (None, None), "of equal weight"
    assert "https://bank.example" in capture.forms_to(shown)

    back = (await capture.answer(shown, "give")).header("location")
    assert urlsplit(back)[:3] == ("https", "bank.example", "/app/consented")
    assert dict(parse_qsl(urlsplit(back).query)) == {
        "step": "2",
        "capture_result": "granted",
        "state": "x&y=1 ü",
    }
    (entry,) = await capture.entries()
    assert (entry.said, entry.api, entry.source) == (Said.GIVEN, "sim-swap", "portal")
    assert entry.evidence.endswith(" en")
    assert entry.subject == NUMBER
    assert is_genuine(entry, "default", capture.server.parts.keys)

    granted = await capture.bank.bearer(HINT, f"dpv:{FRAUD} {CHECK}")
    assert (await capture.with_token(granted, "/sim-swap/v2/check", {})).status == 200
    told = await capture.info()
    assert "captureUrl" not in told
    assert told["statusInfo"][0]["statusValidForProcessing"] is True
    assert "expirationDate" in told["statusInfo"][0]

    mine = await capture.mine()
    assert "Bank" in mine.text
    assert "You consented on" in mine.text
    mine = await capture.browser.press(mine, button="withdraw")
    assert mine.tree.xpath("//*[@role='status']")
    assert "You withdrew" in mine.text
    assert not mine.forms
    assert (await capture.with_token(granted, "/sim-swap/v2/check", {})).status == 403
    first, last = await capture.entries()
    assert (first.said, last.said, last.number) == (Said.GIVEN, Said.WITHDRAWN, 2)
    assert is_genuine(last, "default", capture.server.parts.keys)
    outcomes = [each["outcome"] for each in await capture.server.records()]
    for outcome in ("consent_prove", "consent_code", "consent_ask", "sent_back", "consent_list"):
        assert outcome in outcomes
    assert NUMBER[-6:] not in json.dumps(await capture.server.records())


async def test_who_refuses_is_believed(capture: Capture) -> None:
    shown = await capture.question(await capture.url(callbackUrl=BACK))
    back = (await capture.answer(shown, "refuse")).header("location")
    assert parse_qs(urlsplit(back).query)["capture_result"] == ["denied"]
    assert [each.said for each in await capture.entries()] == [Said.DENIED]
    told = await capture.info()
    assert told["statusInfo"][0]["statusReason"] == "DENIED"
    assert "captureUrl" not in told, "he is not asked again and again"


async def test_without_a_callback_he_sees_what_he_said(capture: Capture) -> None:
    shown = await capture.question(await capture.url(CHECK, "kyc-tenure:check-tenure"))
    assert "Since when you are our customer" in shown.text
    assert capture.forms_to(shown) == ["http://127.0.0.1:8082"]
    shown = await capture.browser.press(shown, button="give")
    assert shown.title == "What others may know about you"
    assert {each.api for each in await capture.entries()} == {"sim-swap", "kyc-tenure"}
    shown = await capture.browser.press(shown, button="withdraw")
    assert [each.said for each in await capture.entries()].count(Said.WITHDRAWN) == 2


async def test_an_answer_counts_once(capture: Capture) -> None:
    url = await capture.url(callbackUrl=BACK)
    shown = await capture.question(url)
    answers = await asyncio.gather(
        *(capture.answer(shown, button) for button in ("give", "refuse", "give", "refuse"))
    )
    told = {
        parse_qs(urlsplit(each.header("location")).query)["capture_result"][0] for each in answers
    }
    (entry,) = await capture.entries()
    assert told == {"granted" if entry.said is Said.GIVEN else "denied"}
    await capture.open(url, status=403)
    assert await capture.outcome() == "consent_link_used"


async def test_whoever_is_overtaken_is_told_what_counts(
    capture: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = await capture.question(await capture.url(callbackUrl=BACK))
    is_open = Asking._is_open

    async def overtaken(self: Asking, *asked: Any) -> bool:
        monkeypatch.setattr(Asking, "_is_open", is_open)
        await capture.answer(shown, "refuse")
        return await is_open(self, *asked)

    monkeypatch.setattr(Asking, "_is_open", overtaken)
    told = await capture.answer(shown, "give")
    assert "capture_result=denied" in told.header("location")
    assert [each.said for each in await capture.entries()] == [Said.DENIED]


async def test_a_link_is_nobody_s_proof(capture: Capture) -> None:
    """The consumer has the link, and may try whatever it likes with it."""
    url = await capture.url(callbackUrl=BACK)
    shown = await capture.open(url)
    text = dict(shown.fields())[LINK]
    for more in ({"do": "give"}, {"do": "give", "page": text}, {"do": "give", "page": "x" * 200}):
        answer = await capture.browser.send(
            "POST", "/consents", body=urlencode({LINK: text, **more}).encode()
        )
        assert answer.status != 303
    shown = await capture.browser.press(shown)
    code = await capture.code()
    for _ in range(5):
        shown = await capture.browser.press(shown, {"code": wrong(code)})
        assert "not the code" in shown.text
    await capture.browser.press(shown, {"code": code}, status=403)
    assert await capture.outcome() == "otp_locked"
    assert await capture.entries() == []


async def test_a_code_is_good_for_its_link_alone(capture: Capture) -> None:
    one, other = await capture.url(), await capture.url("kyc-tenure:check-tenure")
    shown = await capture.browser.press(await capture.open(one))
    theirs = dict(parse_qsl(urlsplit(other).query))[LINK]
    changes = {"code": await capture.code(), LINK: theirs}
    await capture.browser.press(shown, changes, status=403)
    assert await capture.outcome() == "consent_page_of_another_link"
    question = await capture.question(one)
    await capture.browser.press(question, {LINK: theirs}, button="give", status=403)
    assert await capture.entries() == []


async def _inactive(capture: Capture) -> None:
    await capture.enrol(active=False)


async def _not_permitted(capture: Capture) -> None:
    await capture.enrol(permissions=ALL[:1] + ALL[2:])


async def _moved_away(capture: Capture) -> None:
    await capture.enrol(redirect_uris=frozenset({"https://other.example/"}))


async def _revoked(capture: Capture) -> None:
    await capture.server.store.real.revoke_tokens("default", ALLOWED, None)


async def _over(capture: Capture) -> None:
    capture.server.clock.advance(600)


async def say(capture: Capture, said: Said, imsi: Imsi = ALLOWED) -> None:
    """Write down what somebody said in a shop."""
    store, now = capture.server.store.real, int(capture.server.clock.now())
    subscription = await store.find("default", imsi=imsi)
    entry = ConsentEntry(
        client_id="bank", purpose=FRAUD, api="sim-swap", said=said, at=now, source="care"
    )
    whole = signed(entry, subscription, capture.server.ring, now=now)
    await store.api_consents.add("default", imsi, [whole])


async def _said_elsewhere(capture: Capture) -> None:
    await say(capture, Said.DENIED)


async def _barred(capture: Capture) -> None:
    await capture.server.store.real.change(
        "default",
        ALLOWED,
        Change(status=SubscriptionStatus.BARRED),
        now=int(capture.server.clock.now()),
    )


@pytest.mark.parametrize(
    ("meanwhile", "why"),
    [
        (_inactive, "consent_not_asked"),
        (_not_permitted, "consent_not_asked"),
        (_moved_away, "consent_not_asked"),
        (_said_elsewhere, "consent_link_used"),
    ],
)
async def test_what_changed_meanwhile_ends_it(
    capture: Capture, meanwhile: Callable[[Capture], Any], why: str
) -> None:
    url = await capture.url(callbackUrl=BACK)
    shown = await capture.question(url)
    before = len(await capture.entries())
    await meanwhile(capture)
    for page in (
        await capture.browser.press(shown, button="give", status=403),
        await capture.open(url, status=403),
    ):
        assert await capture.outcome() == why
        assert "Bank" not in page.text
        assert "begin anew where you came from" in page.text
        assert "bank.example" not in page.answer.header("content-security-policy")
    assert all(each.source == "care" for each in (await capture.entries())[before:])


@pytest.mark.parametrize(
    ("meanwhile", "result", "why"),
    [
        (_revoked, "error", "consent_link_revoked"),
        (_barred, "error", "subscription_not_served"),
        (_over, "timeout", "consent_link_expired"),
    ],
)
async def test_who_cannot_answer_any_more_goes_back(
    capture: Capture, meanwhile: Callable[[Capture], Any], result: str, why: str
) -> None:
    url = await capture.url(callbackUrl=BACK) + "&state=s1"
    unanswered = await capture.url()
    asked, shown = await capture.open(url), await capture.question(url)
    assert "https://bank.example" in capture.forms_to(asked)
    await meanwhile(capture)
    await capture.open(unanswered, status=403)
    assert await capture.outcome() == why
    parts = urlsplit(url)
    for answer in (
        await capture.browser.send("GET", parts.path, query=parts.query.encode()),
        await capture.answer(asked, "go"),
        await capture.answer(shown, "give"),
    ):
        assert capture.result(answer) == result
        assert "state=s1" in answer.header("location")
        last = (await capture.server.records())[-1]
        assert (last["outcome"], last["detail"]) == ("sent_back", f"{result}: {why}")
    # Nobody is sent to where the consumer is no more.
    await _moved_away(capture)
    await capture.open(url, status=403)
    assert await capture.entries() == []


async def test_a_page_that_is_over_is_a_timeout_unless_it_was_answered(capture: Capture) -> None:
    url = await capture.url(callbackUrl=BACK)
    coded = await capture.browser.press(await capture.open(url))
    assert "https://bank.example" in capture.forms_to(coded)
    await capture.code()
    question = await capture.question(url)
    capture.server.clock.advance(599)
    assert capture.result(await capture.answer(coded, "go")) == "timeout"
    assert "consent_page_expired" in (await capture.server.records())[-1]["detail"]
    assert capture.result(await capture.answer(question, "give")) == "granted"
    capture.server.clock.advance(1)
    await capture.open(url, status=403)
    assert await capture.outcome() == "consent_link_used"


async def test_a_store_that_is_away_is_an_error(
    capture: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any) -> Sequence[int]:
        raise PeerUnavailable("store_unavailable")

    lonely = await capture.question(await capture.url())
    shown = await capture.question(await capture.url(callbackUrl=BACK))
    with monkeypatch.context() as broken:
        broken.setattr(SqlConsents, "add", away)
        assert capture.result(await capture.answer(shown, "give")) == "error"
        await capture.browser.press(lonely, button="give", status=503)
    # It is not over for who tries again.
    assert capture.result(await capture.answer(shown, "give")) == "granted"


async def test_what_is_given_of_less_than_was_wanted_is_partly_given(capture: Capture) -> None:
    await say(capture, Said.DENIED)
    url = await capture.url(CHECK, "kyc-tenure:check-tenure", callbackUrl=BACK)
    shown = await capture.question(url)
    assert "your SIM was changed" not in shown.text
    assert capture.result(await capture.answer(shown, "give")) == "partial_grant"


async def test_what_needs_no_consent_any_more_is_not_asked(
    capture: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = await capture.url()
    shown = await capture.question(url)
    monkeypatch.setattr(Purposes, "basis", lambda *_: Basis.CONTRACT)
    await capture.browser.press(shown, button="give", status=403)
    await capture.open(url, status=403)
    assert await capture.outcome() == "consent_link_used"
    assert await capture.entries() == []


async def test_what_is_said_elsewhere_at_the_same_moment_counts(
    capture: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = await capture.question(await capture.url(callbackUrl=BACK))
    add = SqlConsents.add

    async def late(*arguments: Any) -> Sequence[int]:
        monkeypatch.undo()
        await say(capture, Said.DENIED)
        return await add(*arguments)

    monkeypatch.setattr(SqlConsents, "add", late)
    await capture.browser.press(shown, button="give", status=403)
    assert await capture.outcome() == "consent_link_used"
    assert [each.said for each in await capture.entries()] == [Said.DENIED]


async def test_an_altered_link_is_none(capture: Capture) -> None:
    url = await capture.url()
    text = dict(parse_qsl(urlsplit(url).query))[LINK]
    sealed = bytearray(decode(text))
    sealed[30] ^= 1
    for bad in (encode(bytes(sealed)), text[:-8], "x" * 200, "", "ü"):
        shown = await capture.open("/consents?" + urlencode({LINK: bad}), status=403)
        assert "Bank" not in shown.text
    await capture.open(url, status=400, state="x" * 513)
    assert await capture.outcome() == "state_too_long"


async def test_every_page_is_in_everybody_s_language(capture: Capture) -> None:
    for language in LANGUAGES:
        capture.browser.language = f"{language}-XX, tlh;q=0.9"
        begin = await capture.open(await capture.url())
        code = await capture.browser.press(begin)
        wrong_code = await capture.browser.press(code, {"code": "none"})
        ask = await capture.browser.press(wrong_code, {"code": await capture.code()})
        mine = await capture.browser.press(ask, button="give")
        assert (await capture.entries())[-1].evidence.endswith(f" {language}")
        gone = await capture.browser.press(mine, button="withdraw")
        number_page = await capture.open("/consents")
        malformed = await capture.browser.press(number_page, {"number": "12"})
        for shown in (begin, code, wrong_code, ask, mine, gone, number_page, malformed):
            looks_right(shown)
            assert shown.language == language
            assert "{" not in shown.text, "everything is filled in"
        await capture.server.store.real.erase("default", ALLOWED, [], now=90)
        await capture.server.add(new_subscription(ALLOWED, capture.server.ring))
        capture.server.clock.advance(3_600)


async def test_a_link_opens_nothing_at_another_tenant_s_address(bench: Workbench) -> None:
    centre = MessageCentre()  # Nothing is sent.
    (bench.directory / "smsc-password").write_text(centre.password)
    more = '[tenants.red]\nhosts = ["red.example"]\nportal_url = "https://pages.red.example"\n'
    async with bench.opened(f"{SETTINGS}{TEXTS.format(port=9)}{more}") as server:
        found = Capture(Bank(server), Browser(server), centre)
        await found.enrol()
        parts = urlsplit(await found.url())
        for host, status in (("127.0.0.1:8082", 200), ("pages.red.example", 403)):
            await found.browser.page(
                "GET", parts.path, query=parts.query.encode(), host=host, status=status
            )
        assert await found.outcome() == "consent_of_another_tenant"
        shown = await found.browser.page("GET", "/consents", host="pages.red.example")
        assert shown.fields()["tenant"] == "red"
        await found.open("/consents", tenant="none", status=403)


async def test_an_application_is_named_with_whose_it_is(capture: Capture) -> None:
    await capture.enrol(applications=(Application(id="app", name="Loans"),))
    assert (await capture.open(await capture.url())).title == "Loans (Bank) asks for your consent"


async def test_numbers_that_nobody_has_are_answered_alike(capture: Capture) -> None:
    pages = [
        await capture.browser.press(await capture.open("/consents"), {"number": each})
        for each in (NUMBER, number(STRANGER.digits))
    ]
    one, other = ((each.text, len(each.answer.body)) for each in pages)
    assert one == other
    shown = await capture.browser.press(pages[1], {"code": "000000"})
    assert "not the code" in shown.text
    shown = await capture.browser.press(await capture.open("/consents"), {"number": "12"})
    assert "country code" in shown.text


async def test_nobody_withdraws_what_another_gave(capture: Capture) -> None:
    other = Imsi("001010000000002")
    await say(capture, Said.GIVEN)
    capture.server.clock.advance(1)
    await say(capture, Said.GIVEN, other)
    (which,) = (await capture.mine()).tree.xpath("//input[@name='which']/@value")
    subscription = await capture.server.store.real.find("default", imsi=other)
    theirs = await capture.mine(subscription.msisdn.e164)
    await capture.browser.press(theirs, {"which": which}, button="withdraw")
    assert [each.said for each in await capture.entries()] == [Said.GIVEN]
    await capture.browser.press(theirs, button="withdraw")
    assert [each.said for each in await capture.entries()] == [Said.GIVEN]
    entries = await capture.server.store.real.api_consents.of("default", other)
    assert [each.said for each in entries] == [Said.GIVEN, Said.WITHDRAWN]


async def test_without_messages_there_is_no_page(bench: Workbench) -> None:
    async with bench.opened(SETTINGS) as server:
        found = Capture(Bank(server), Browser(server), MessageCentre())
        await found.enrol()
        assert "captureUrl" not in await found.info()
        await found.open("/consents", status=404)
