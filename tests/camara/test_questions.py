"""Questions out of band over real SMPP: who is asked, what is an answer, and what is billed."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import re
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from simgrant.domain.camara.access_token import Method
from simgrant.domain.camara.consumer import Application
from simgrant.domain.camara.tariff import Price, Tariff
from simgrant.domain.camara.usage import Outcome, Usage
from simgrant.errors import PeerUnavailable
from simgrant.flows.camara.questions import Questions
from simgrant.identities import Msisdn
from simgrant.ports.camara_usage import Place, Span
from simgrant.ports.questions import Heard
from simgrant.sim.push.smsc import MessageCentre
from simgrant.sim.push.switch import Fault
from simgrant.wire.ussd import Dialogue, UssdOp
from tests.camara.bank import (
    CIBA,
    FRAUD,
    NV,
    PERMISSIONS,
    Bank,
    consumer,
    enrol,
    error,
    members,
    opened,
)
from tests.camara.listener import CAMARA, send
from tests.camara.test_oauth import VERIFY_PATH
from tests.device.harness import ALLOWED, Answer, Request, Server, Workbench
from tests.device.partner import NUMBER
from tests.mortal import Mortal

DIGITS = NUMBER.lstrip("+")
MARK = "447700900998"
"""Whom nobody asks anything."""
ASK = {"login_hint": f"tel:{NUMBER}", "scope": f"openid {NV}"}
QUESTIONS = """
[questions.home]
by = "{by}"
gateway = "127.0.0.1:{port}"
system_id = "simgrant"
password_file = "gateway-password"
source = "8095"
source_ton = 3
service_type = "USSD"
purposes = {{ FraudPreventionAndDetection = "to prevent fraud" }}
"""


@dataclass
class Ears:
    """What listens in the server's place, and knows when it is done."""

    questions: Questions
    news: asyncio.Event = field(default_factory=asyncio.Event)
    under_way: int = 0
    marks: int = 0

    async def hear(self, heard: Heard) -> bool:
        self.under_way += 1
        try:
            return await self.questions.hear(("default",), heard)
        finally:
            self.under_way -= 1
            self.marks += heard.number.digits == MARK
            self.news.set()

    async def until(self, marked: Awaitable[int]) -> None:
        """Send what nobody was asked, and wait until it was heard, as all before it."""
        wanted = self.marks + 1
        assert await marked == 0
        async with asyncio.timeout(10):
            while self.marks < wanted or self.under_way:
                self.news.clear()
                await self.news.wait()


@dataclass
class World:
    """A gateway, a server that listens to it, and a bank that may ask."""

    centre: MessageCentre
    server: Server
    bank: Bank
    ears: Ears
    by: str

    async def ask(self, status: int = 200, **changes: str) -> dict[str, Any]:
        """Have the subscriber asked."""
        return members(await self.bank.proved("/oauth2/bc-authorize", ASK | changes), status)

    async def poll(self, asked: dict[str, Any]) -> Answer:
        form = {"grant_type": CIBA, "auth_req_id": asked["auth_req_id"]}
        return await self.bank.proved("/oauth2/token", form)

    @property
    def last(self) -> dict[str, str]:
        """What the gateway was given last."""
        return self.centre.switch.taken[-1].extra

    @property
    def code(self) -> str:
        """The code in the newest message."""
        found = re.search(r"\b[0-9]{4}\b", self.last["text"])
        assert found is not None
        return found[0]

    async def say(self, text: str, number: str = DIGITS, **dialogue: Any) -> str:
        """Have a phone answer; return what became of it, empty where it was no answer."""
        before = len(self.heard)
        session = dialogue.pop("session", None)
        made = None
        if session is not None:
            made = Dialogue(dialogue.pop("op", UssdOp.USSR_CONFIRM), session, **dialogue)
        assert await self.centre.say(number, text, dialogue=made) == 0
        await self.settled()
        return "".join(self.heard[before:])

    async def settled(self) -> None:
        """Return once all that was sent so far was heard, and is done with."""
        mark = Dialogue(UssdOp.USSR_CONFIRM, 0) if self.by == "ussd" else None
        await self.ears.until(self.centre.say(MARK, "NO", dialogue=mark))

    @property
    def heard(self) -> list[str]:
        return [
            each["outcome"] for each in self.server.events if each["event"] == "question_answered"
        ]

    @property
    def counted(self) -> dict[str, int]:
        """How often a question came to what, since the start."""
        found = {}
        for metric in self.server.parts.metrics.registry.collect():
            for sample in metric.samples:
                if sample.name == "simgrant_questions_total":
                    assert (sample.labels["tenant"], sample.labels["by"]) == ("default", self.by)
                    found[sample.labels["result"]] = int(sample.value)
        return found

    async def usage(self) -> list[Usage]:
        found: list[Usage] = []
        place: Place | None = Place()
        while place is not None:
            rows, place = await self.server.store.real.usage.page(
                "default", Span(0, 10**14), place, limit=50
            )
            found += rows
        return found


@asynccontextmanager
async def asking(bench: Workbench, by: str = "sms", more: str = "") -> AsyncIterator[World]:
    centre = MessageCentre()
    await centre.up()
    (bench.directory / "gateway-password").write_text(centre.password)
    settings = CAMARA + QUESTIONS.format(by=by, port=centre.port) + more
    try:
        async with bench.opened(settings) as server:
            assert server.parts.partners is not None
            asks = server.parts.partners.asking
            assert asks.questions is not None
            ((people, tenants),) = asks.people
            assert tenants == ("default",)
            ears = Ears(asks.questions)
            listening = asyncio.create_task(people.run(ears.hear))
            await centre.until_receivers(1)
            bank = Bank(server)
            await enrol(
                server,
                consumer(bank.signer, name="Example Bank", asks=True, subjects=frozenset()),
            )
            yield World(centre, server, bank, ears, by)
            listening.cancel()
            await asyncio.wait({listening})
    finally:
        await centre.down()


@pytest.fixture
async def sms(bench: Workbench) -> AsyncIterator[World]:
    async with asking(bench) as world:
        yield world


@pytest.fixture
async def ussd(bench: Workbench) -> AsyncIterator[World]:
    async with asking(bench, "ussd") as world:
        yield world


async def test_who_agrees_by_sms(sms: World) -> None:
    asked = await sms.ask()
    assert (asked["expires_in"], asked["interval"]) == (120, 2)
    (taken,) = sms.centre.switch.taken
    assert taken.token == DIGITS
    assert taken.extra["source"] == "8095"
    assert taken.extra["text"] == (
        f"Example Bank wants to know that it is you (to prevent fraud). Reply YES {sms.code} to "
        "agree or NO to refuse. Not you? Reply NO."
    )
    # It is polled, too fast, and then as it should be.
    assert error(await sms.poll(asked)) == "authorization_pending"
    assert error(await sms.poll(asked)) == "slow_down"
    sms.server.clock.advance(7)
    assert error(await sms.poll(asked)) == "authorization_pending"
    sms.server.clock.advance(3)
    assert await sms.say(f"Yes {sms.code}") == "agreed"
    answer = await sms.poll(asked)
    token = opened(sms.server, answer)
    assert token.method is Method.CHALLENGE
    assert token.subject is not None
    assert token.subject.imsi == ALLOWED
    part = members(answer)["id_token"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(part + "=="))
    assert (claims["amr"], claims["auth_time"]) == (["oob"], sms.bank.now)
    assert error(await sms.poll(asked)) == "invalid_grant"
    # Nothing of it is told anywhere but to the phone.
    assert await sms.say(f"Yes {sms.code}") == ""
    told = json.dumps([sms.server.events, await sms.server.records()], default=str)
    assert DIGITS not in told
    assert sms.code not in [each.get("code") for each in sms.server.events]


async def test_who_agrees_by_ussd(ussd: World) -> None:
    asked = await ussd.ask()
    first = ussd.last
    assert (first["service_op"], first["sequence"], first["ended"]) == ("2", "0", "0")
    assert first["text"] == (
        "Example Bank wants to know that it is you (to prevent fraud). "
        "Reply 1 to agree, 2 to refuse."
    )
    session = int(first["session"])
    # Another session's answer, a notice's confirmation, and an SMS are none.
    assert await ussd.say("1", session=(session + 1) % 256) == "wrong_code"
    assert await ussd.say("1", session=session, op=UssdOp.USSN_CONFIRM) == ""
    assert await ussd.say("1") == ""
    assert error(await ussd.poll(asked)) == "authorization_pending"
    assert await ussd.say("1", session=session, sequence=1) == "agreed"
    assert opened(ussd.server, await ussd.poll(asked)).method is Method.CHALLENGE
    await ussd.centre.switch.until_taken(2)
    assert {key: ussd.last[key] for key in ("service_op", "session", "sequence", "ended")} == {
        "service_op": "3",
        "session": str(session),
        "sequence": "2",
        "ended": "1",
    }
    assert ussd.last["text"] == "Thank you."


@pytest.mark.parametrize("by", ["sms", "ussd"])
async def test_who_refuses_is_left_alone(bench: Workbench, by: str) -> None:
    async with asking(bench, by) as world:
        asked = await world.ask()
        session = int(world.last["session"]) if by == "ussd" else None
        # Refusing needs no code.
        assert await world.say("no" if by == "sms" else "2", session=session) == "refused"
        assert error(await world.poll(asked)) == "access_denied"
        assert world.counted == {"asked": 1, "refused": 1}
        assert (await world.ask(429))["error"] == "temporarily_unavailable"
        assert (await world.server.records())[-1]["outcome"] == "number_asked_lately"
        world.server.clock.advance(3_599)
        await world.ask(429)
        world.server.clock.advance(1)
        assert await world.ask()


async def test_who_does_not_answer_in_time(sms: World) -> None:
    asked = await sms.ask()
    code = sms.code
    sms.server.clock.advance(119)
    assert error(await sms.poll(asked)) == "authorization_pending"
    sms.server.clock.advance(1)
    assert error(await sms.poll(asked)) == "expired_token"
    assert await sms.say(f"YES {code}") == ""
    assert error(await sms.poll(asked)) == "expired_token"
    # The late answer is none to the next question, either.
    again = await sms.ask()
    assert sms.code != code
    assert await sms.say(f"YES {code}") == "wrong_code"
    assert error(await sms.poll(again)) == "authorization_pending"
    assert await sms.say(f"YES {sms.code}") == "agreed"
    # Only that of the first was an end without an answer, and it is counted once.
    sms.server.clock.advance(130)
    for _ in range(2):
        await sms.ears.questions.count_silent()
        assert sms.counted == {"asked": 2, "timed_out": 1, "wrong_code": 1, "agreed": 1}


async def away_store(*_: object, **__: object) -> None:
    raise PeerUnavailable("store_unavailable")


async def test_what_nobody_answers_is_counted_once_the_store_is_back(
    sms: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sms.ask()
    await sms.ears.questions.count_silent()
    assert sms.counted == {"asked": 1}
    # An answer that came in time may take a moment to its row.
    sms.server.clock.advance(129)
    await sms.ears.questions.count_silent()
    assert sms.counted == {"asked": 1}
    sms.server.clock.advance(1)
    with monkeypatch.context() as away:
        rows = type(sms.server.store.real.camara_tokens)
        away.setattr(rows, "close_all_unanswered", away_store)
        with pytest.raises(PeerUnavailable):
            await sms.ears.questions.count_silent()
    await sms.ears.questions.count_silent()
    assert sms.counted == {"asked": 1, "timed_out": 1}
    # The next is found by the look after that.
    sms.server.clock.advance(3_600)
    await sms.ask()
    sms.server.clock.advance(3_600)
    await sms.ears.questions.count_silent()
    assert sms.counted == {"asked": 2, "timed_out": 2}


class Killed(BaseException):
    """The end of a worker: nothing of it runs any more."""


@dataclass
class Fuse:
    """Ends a worker at one of the points it comes by."""

    left: int

    def point(self) -> None:
        self.left -= 1
        if self.left <= 0:
            raise Killed


async def test_what_a_worker_asked_that_was_killed_is_counted_once(
    sms: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is killed before and after each of its calls, until none is left; two others go on."""
    flow, clock, partners = sms.ears.questions, sms.server.clock, sms.server.parts.partners
    assert partners is not None
    ((tenant, way),) = flow._ways.items()
    other, kept = copy(flow), 0
    for points in itertools.count(1):
        clock.advance(86_400)
        fuse, timed_out = Fuse(points), sms.counted.get("timed_out", 0)
        with monkeypatch.context() as mortal:
            people: Any = Mortal(way.people, fuse)
            mortal.setattr(flow, "_ways", {tenant: replace(way, people=people)})
            for each in (flow, partners.server):
                mortal.setattr(each, "_rows", Mortal(sms.server.store.real.camara_tokens, fuse))
            # Who is killed answers nothing, which the bank cannot read.
            with suppress(IndexError):
                await sms.ask()
        row = await sms.server.store.real.camara_tokens.question(tenant, Msisdn(DIGITS))
        was_kept = row is not None and row.asked[-1] == int(clock.now())
        kept += was_kept
        # The next question, or a look at all, finds it.
        clock.advance(3_600)
        if points % 2:
            await sms.ask()
            clock.advance(3_600)
            timed_out += 1
        await asyncio.gather(*(each.count_silent() for each in (flow, other, other)))
        assert sms.counted.get("timed_out", 0) == timed_out + was_kept, points
        if fuse.left > 0:
            break
    # The calls are: what was asked, what is written, the gateway.
    assert (points, kept) == (7, 4)


async def test_what_is_no_answer(sms: World) -> None:
    asked = await sms.ask()
    for text in ("hello", sms.code, f"maybe {sms.code}", f"yes no {sms.code}", ""):
        assert await sms.say(text) == "", text
    assert await sms.say(f"YES {sms.code}", "447700900999") == ""
    assert await sms.say("NO", "447700900999") == ""
    # A receipt of delivery, and a part of a longer message.
    for esm_class in (0x04, 0x40):
        await sms.centre.deliver(DIGITS, f"YES {sms.code}".encode(), esm_class=esm_class)
    await sms.centre.deliver("EXAMPLE", f"YES {sms.code}".encode())
    assert await sms.say("YES") == "wrong_code"
    assert await sms.say(f"YES {(int(sms.code) + 1) % 10_000:04}") == "wrong_code"
    assert error(await sms.poll(asked)) == "authorization_pending"
    # The third try is the last, and right.
    assert await sms.say(f"YES {sms.code}") == "agreed"
    assert members(await sms.poll(asked))


async def test_who_guesses_is_refused(sms: World) -> None:
    asked = await sms.ask()
    for _ in range(3):
        assert await sms.say("YES") == "wrong_code"
    assert await sms.say(f"YES {sms.code}") == "tried_too_often"
    assert error(await sms.poll(asked)) == "access_denied"
    assert sms.counted == {"asked": 1, "wrong_code": 3, "tried_too_often": 1}


async def test_of_answers_at_once_one_decides(sms: World) -> None:
    asked = await sms.ask()
    answers = ["NO", f"YES {sms.code}"] * 2
    await asyncio.gather(*(sms.centre.say(DIGITS, each) for each in answers))
    await sms.settled()
    decided = sms.heard[0]
    polled = await sms.poll(asked)
    assert polled.status == (200 if decided == "agreed" else 400)
    assert sum(each in ("agreed", "refused") for each in sms.heard) == 1


async def test_a_person_is_not_bombed(bench: Workbench) -> None:
    async with asking(bench) as world:
        other = Bank(world.server, client_id="shop")
        shop = consumer(other.signer, client_id="shop", asks=True, name="Shop")
        await enrol(world.server, shop)
        for nth in range(3):
            await world.ask()
            # While one is open, nobody asks another, and so does no other consumer.
            answer = await other.proved("/oauth2/bc-authorize", ASK)
            assert (answer.status, bool(answer.header("retry-after"))) == (429, True)
            assert len(world.centre.switch.taken) == nth + 1
            world.server.clock.advance(120)
        await world.ask(429)
        world.server.clock.advance(3_600 - 360)
        await world.ask()
        assert len(world.centre.switch.taken) == 4


async def test_consumers_have_a_pace(bench: Workbench) -> None:
    async with asking(bench, more="per_consumer_and_minute = 1\n") as world:
        await world.ask()
        world.server.clock.advance(30)
        await world.ask(429)
        assert (await world.server.records())[-1]["outcome"] == "consumer_asks_too_often"


@pytest.mark.parametrize(
    ("fault", "reasons"),
    [
        (Fault.THROTTLED, {"peer_unavailable"}),
        (Fault.NONSENSE, {"question_refused"}),
        (Fault.SLOW, {"peer_timeout"}),
        # Whether it waits for the next bind depends on who noticed first.
        (None, {"peer_unavailable", "peer_timeout"}),
    ],
    ids=["throttled", "refuses", "silent", "down"],
)
async def test_a_gateway_that_does_not_take_it(
    bench: Workbench, fault: Fault | None, reasons: set[str]
) -> None:
    async with asking(bench, more="timeout_s = 0.5\n") as world:
        if fault is None:
            await world.centre.down()
        else:
            world.centre.switch.play(fault)
        assert (await world.ask(503))["error"] == "temporarily_unavailable"
        assert (await world.server.records())[-1]["outcome"] in reasons
        assert await world.usage() == []
        assert world.counted == {"not_asked": 1}
        # Whoever saw it nevertheless and answers says so to nobody, and can be asked again.
        row = await world.server.store.real.camara_tokens.question("default", Msisdn(DIGITS))
        assert row is not None
        assert row.open_until == 0


async def test_what_the_contract_and_the_settings_do_not_have(sms: World) -> None:
    bank, server = sms.bank, sms.server
    trusted = await bank.bearer(f"tel:{NUMBER}")
    assert error(trusted) == "unauthorized_client"
    assert (await sms.ask(400, login_hint="tel:+4915700000000"))["error"] == "unknown_user_id"
    assert (await sms.ask(400, login_hint="tel:x"))["error"] == "invalid_request"
    await enrol(server, consumer(bank.signer, subjects=frozenset()))
    assert (await sms.ask(400))["error"] == "unauthorized_client"
    await enrol(server, consumer(bank.signer, asks=True, sandbox=True))
    assert (await sms.ask(400))["error"] == "unauthorized_client"
    assert (await server.records())[-1]["outcome"] == "questions_not_offered"
    assert not sms.centre.switch.taken


async def test_without_a_gateway_nobody_is_asked(bench: Workbench) -> None:
    async with bench.opened(CAMARA) as server:
        bank = Bank(server)
        await enrol(server, consumer(bank.signer, asks=True, subjects=frozenset({"tel"})))
        refused = await bank.proved("/oauth2/bc-authorize", ASK)
        assert error(refused) == "unauthorized_client"
        # Where it is trusted besides, by the other way it still is.
        assert members(await bank.bearer(f"tel:{NUMBER}"))


async def test_another_sim_ends_it(sms: World) -> None:
    asked = await sms.ask()
    await sms.server.store.real.revoke_tokens("default", ALLOWED, None)
    assert await sms.say(f"YES {sms.code}") == "agreed"
    assert error(await sms.poll(asked)) == "invalid_grant"


async def verify(world: World, asked: dict[str, Any]) -> Answer:
    token = members(await world.poll(asked))["access_token"]
    headers = (("content-type", "application/json"), ("authorization", f"Bearer {token}"))
    body = json.dumps({"phoneNumber": NUMBER}).encode()
    return await send(world.server, Request("POST", b"", headers, body, VERIFY_PATH))


@pytest.mark.parametrize("believed", [False, True])
async def test_what_number_verification_makes_of_it(bench: Workbench, believed: bool) -> None:
    async with asking(bench, more=f"proves_numbers = {json.dumps(believed)}\n") as world:
        asked = await world.ask()
        await world.say(f"YES {world.code}")
        answer = await verify(world, asked)
        if believed:
            assert members(answer) == {"devicePhoneNumberVerified": True}
        else:
            code = members(answer, 403)["code"]
            assert code == "NUMBER_VERIFICATION.USER_NOT_AUTHENTICATED_BY_MOBILE_NETWORK"


async def test_it_is_priced_and_reported_apart(bench: Workbench) -> None:
    async with asking(bench, more="proves_numbers = true\n") as world:
        rows = world.server.store.real.consumers
        await rows.put_tariff(
            "default",
            Tariff(
                name="gold",
                valid_from=0,
                currency="EUR",
                prices=(
                    Price(outcome=Outcome.MATCH, micros=30_000),
                    Price(outcome=Outcome.MATCH, micros=50_000, method=Method.CHALLENGE),
                    Price(outcome=Outcome.ASKED, micros=70_000, operation="sms"),
                ),
            ),
        )
        paying = tuple(replace(each, tariff="gold") for each in PERMISSIONS)
        application = Application(id="app", name="Savings")
        made = consumer(
            world.bank.signer, asks=True, permissions=paying, applications=(application,)
        )
        await enrol(world.server, made)
        asked = await world.ask()
        assert world.last["text"].startswith("Savings wants to know")
        await world.say(f"YES {world.code}")
        assert members(await verify(world, asked))
        first, second = sorted(await world.usage(), key=lambda each: each.outcome)
        assert (first.api, first.operation, first.outcome) == ("out-of-band", "sms", Outcome.ASKED)
        assert (first.price_micros, first.method) == (70_000, Method.CHALLENGE)
        assert (first.client_id, first.application, first.purpose) == ("bank", "app", FRAUD)
        assert (second.price_micros, second.method) == (50_000, Method.CHALLENGE)
        assert first.subject_ref == second.subject_ref != ""


async def test_counting_goes_on_whatever_goes_wrong(
    sms: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = asyncio.Event()
    troubles: list[Exception] = [PeerUnavailable("store_unavailable"), RuntimeError("a bug")]

    async def count() -> None:
        if troubles:
            raise troubles.pop(0)
        counted.set()

    monkeypatch.setattr("simgrant.flows.camara.questions._LOOKS_EVERY_S", 0.0)
    monkeypatch.setattr(sms.ears.questions, "count_silent", count)
    assert sms.server.parts.partners is not None
    counting, *listening = sms.server.parts.partners.asking.work()
    for each in listening:
        each.close()
    running = asyncio.create_task(counting)
    try:
        async with asyncio.timeout(10):
            await counted.wait()
    finally:
        running.cancel()
    assert not troubles
