"""One-time passwords by short message (TS.43 §8.3), and who tries around with them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from simgrant.sim.push.smsc import MessageCentre
from simgrant.sim.push.switch import Fault
from tests.device.harness import (
    ALLOWED,
    BARRED,
    JSON,
    STRANGER,
    XML,
    Answer,
    Headers,
    Phone,
    Request,
    Server,
    Workbench,
)
from tests.device.signing_in import SignIns, signing_in, values

TERMINAL = "8f2a6a3e-5a0e-4d0c-9d55-0a3a1a9d7a10"

TEXTS = """
[text_messages]
smsc = "127.0.0.1:{port}"
system_id = "simgrant"
password_file = "smsc-password"
source = "ENTITLE"
source_ton = 5
"""


def number(digits: str) -> str:
    return f"+4477009{digits[-5:]}"


@dataclass
class Passwords:
    """A message centre, the server, and a phone that has no SIM of its own yet."""

    centre: MessageCentre
    server: Server

    def phone(self, **changes: object) -> Phone:
        return Phone(self.server, terminal_id=TERMINAL, apps=("ap2014",)).but(**changes)

    async def begin(self, msisdn: str = number(ALLOWED.digits), **changes: object) -> Answer:
        """Name a number."""
        phone = self.phone(**changes)
        query = phone.query(("msisdn", msisdn.replace("+", "%2B")))
        return await self.server.send(
            Request("GET", query.replace(b"%252B", b"%2B"), phone.headers(XML), source=phone.source)
        )

    async def code(self, nth: int = 1) -> str:
        """Return the password in the message that was received as the nth."""
        await self.centre.switch.until_taken(nth)
        return self.centre.switch.taken[nth - 1].extra["text"].split(" ")[0]

    async def answer(self, begun: Answer, code: str, *more: tuple[str, str]) -> Answer:
        """Give a password: nothing else is repeated."""
        headers: Headers = [("accept", XML), ("cookie", begun.cookie), *more]
        return await self.server.get(f"OTP={code}", *headers)

    async def outcome(self) -> object:
        return (await self.server.records())[-1]["outcome"]


def wrong(code: str) -> str:
    """Return another password of the same length."""
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}}"


@asynccontextmanager
async def passwords(bench: Workbench, more: str) -> AsyncIterator[Passwords]:
    centre = MessageCentre()
    await centre.up()
    (bench.directory / "smsc-password").write_text(centre.password)
    settings = TEXTS.format(port=centre.port) + more
    try:
        async with bench.opened(settings) as server:
            yield Passwords(centre, server)
    finally:
        await centre.down()


ENABLED = '\n[tenants.default]\notp_apps = ["ap2014"]\n'


@pytest.fixture
async def otp(bench: Workbench) -> AsyncIterator[Passwords]:
    async with passwords(bench, ENABLED) as opened:
        yield opened


@pytest.mark.conforms("otp.sent")
@pytest.mark.spec("TS.43 §8.3")
async def test_a_number_gets_a_password_and_the_phone_a_cookie(otp: Passwords) -> None:
    begun = await otp.begin()
    assert (begun.status, begun.body) == (200, b"")
    assert begun.cookie.startswith("ECSSID=")
    code = await otp.code()
    assert len(code) == 6
    assert code.isdigit()
    (sent,) = otp.centre.switch.taken
    assert "+" + sent.token == number(ALLOWED.digits)
    assert sent.extra["text"] == f"{code} is your code. Never tell it to anybody."
    assert sent.extra["source"] == "ENTITLE"


@pytest.mark.conforms("otp.answered", "request.OTP")
@pytest.mark.spec("TS.43 §8.3")
async def test_the_password_gets_the_document_of_the_first_request(otp: Passwords) -> None:
    begun = await otp.begin()
    answer = await otp.answer(begun, await otp.code())
    assert answer.token
    assert answer.phone.get("ap2014", "OperationResult") == "1"
    phone = otp.phone()
    again = await otp.server.get(phone.query(("token", answer.token)), *phone.headers(XML))
    assert again.status == 200
    record = (await otp.server.records())[-2]
    assert (record["leg"], record["outcome"]) == ("otp", "document")


async def test_a_post_works_alike(otp: Passwords) -> None:
    body = (
        f'{{"app":"ap2014","terminal_id":"{TERMINAL}","msisdn":"{number(ALLOWED.digits)}",'
        '"entitlement_version":"12.0"}'
    )
    begun = await otp.server.post(body, ("accept", JSON))
    assert (begun.status, begun.body) == (200, b"")
    code = await otp.code()
    answer = await otp.server.post(
        f'{{"otp":"{code}"}}', ("accept", JSON), ("cookie", begun.cookie)
    )
    assert answer.object["ap2014"] == {"OperationResult": "1"}


async def test_the_message_is_in_the_persons_language(otp: Passwords) -> None:
    await otp.begin(language="fr-CH")
    await otp.code()
    assert otp.centre.switch.taken[0].extra["text"].endswith("Ne le donnez à personne.")


@pytest.mark.parametrize("said", ["", "nl"])
async def test_who_names_no_language_there_is_gets_the_tenants(bench: Workbench, said: str) -> None:
    async with passwords(bench, f'{ENABLED}language = "de"\n') as otp:
        await otp.begin(language=said)
        await otp.code()
        assert otp.centre.switch.taken[0].extra["text"].endswith("Geben Sie ihn niemandem weiter.")


# --- whoever does not know the password --------------------------------------------------------


@pytest.mark.conforms("answers.otp-wrong-511", "otp.wrong-511")
@pytest.mark.parametrize("how", ["another", "empty-looking", "long", "letters", "unicode digits"])
async def test_a_wrong_password_is_refused(otp: Passwords, how: str) -> None:
    begun = await otp.begin()
    code = await otp.code()
    wrongs = {
        "another": wrong(code),
        "empty-looking": "0",
        "long": code * 100,
        "letters": "abcdef",
        "unicode digits": "%D9%A1" * 6,
    }
    answer = await otp.answer(begun, wrongs[how])
    assert (answer.status, answer.body) == (511, b"authentication required")
    assert await otp.outcome() == "otp_wrong"
    assert (await otp.answer(begun, code)).token, "he may mistype it"


async def test_five_wrong_passwords_lock(otp: Passwords) -> None:
    begun = await otp.begin()
    code = await otp.code()
    for _ in range(5):
        assert (await otp.answer(begun, wrong(code))).status == 511
    assert (await otp.answer(begun, code)).status == 511
    assert await otp.outcome() == "otp_locked"


async def test_many_guesses_at_once_are_no_more_than_five(otp: Passwords) -> None:
    begun = await otp.begin()
    code = await otp.code()
    answers = await asyncio.gather(*(otp.answer(begun, wrong(code)) for _ in range(20)))
    assert {answer.status for answer in answers} == {511}
    outcomes = [record["outcome"] for record in (await otp.server.records())[1:]]
    assert outcomes.count("otp_wrong") == 5
    assert outcomes.count("otp_locked") == 15


async def test_a_password_is_good_once(otp: Passwords) -> None:
    begun = await otp.begin()
    code = await otp.code()
    answers = await asyncio.gather(*(otp.answer(begun, code) for _ in range(3)))
    assert sorted(answer.status for answer in answers) == [200, 511, 511]
    assert (await otp.answer(begun, code)).status == 511
    assert await otp.outcome() == "otp_used"


async def test_a_password_is_good_for_five_minutes(otp: Passwords, bench: Workbench) -> None:
    begun = await otp.begin()
    code = await otp.code()
    bench.clock.advance(300)
    assert (await otp.answer(begun, code)).status == 511
    assert await otp.outcome() == "sign_in_expired"


async def test_a_password_is_of_one_sign_in(otp: Passwords) -> None:
    one, two = await otp.begin(), await otp.begin()
    codes = {await otp.code(1), await otp.code(2)}
    answers = [(await otp.answer(two, code)).status for code in sorted(codes)]
    assert sorted(answers) == sorted([200, 511][: len(codes)])
    assert one.cookie != two.cookie


async def test_a_password_without_its_cookie_is_refused(otp: Passwords) -> None:
    await otp.begin()
    code = await otp.code()
    assert (await otp.server.get(f"OTP={code}")).status == 511
    assert await otp.outcome() == "no_session"


async def test_the_cookie_of_a_sim_is_no_cookie_for_a_password(otp: Passwords) -> None:
    challenge = await Phone(otp.server).begin()
    answer = await otp.server.get("OTP=123456", ("cookie", challenge.cookie))
    assert answer.status == 511
    assert await otp.outcome() == "otp_broken"


# --- whoever tries numbers ---------------------------------------------------------------------


@pytest.mark.conforms("otp.unknown-alike", "divergence.unknown-number-alike")
@pytest.mark.parametrize("who", [STRANGER, BARRED])
async def test_an_unknown_number_is_answered_alike(otp: Passwords, who: object) -> None:
    """With the same statements, a cookie of the same length, and no other header."""
    known = await otp.begin()
    calls = list(otp.server.store.asked)
    otp.server.store.calls.clear()
    unknown = await otp.begin(number(getattr(who, "digits", "")))
    assert otp.server.store.asked == calls
    assert (unknown.status, unknown.body) == (known.status, known.body)
    assert len(unknown.cookie) == len(known.cookie)
    assert [name for name, _ in unknown.headers] == [name for name, _ in known.headers]
    for code in ("000000", "999999"):
        assert (await otp.answer(unknown, code)).status == 511
        assert await otp.outcome() == "otp_wrong"
    await otp.code(1)
    assert len(otp.centre.switch.taken) == 1


async def test_how_long_a_message_takes_tells_nothing(otp: Passwords) -> None:
    """The answer leaves before the message centre says anything."""
    otp.centre.switch.play(Fault.SLOW)
    assert (await otp.begin()).status == 200
    otp.centre.switch.play(None)


async def test_a_message_that_was_not_sent_is_the_operators_business(bench: Workbench) -> None:
    async with passwords(bench, ENABLED) as otp:
        otp.centre.switch.play(Fault.NONSENSE)
        assert (await otp.begin()).status == 200
    (event,) = (each for each in otp.server.events if each["event"] == "text_not_sent")
    assert event["reason"] == "text_refused"
    assert number(ALLOWED.digits)[1:] not in str(event)


async def test_a_flood_to_one_number_is_bounded(otp: Passwords) -> None:
    answers = [await otp.begin(source=f"192.0.2.{nth}") for nth in range(5)]
    assert [answer.status for answer in answers] == [200, 200, 200, 503, 503]
    assert answers[-1].header("retry-after")
    assert await otp.outcome() == "too_many_codes"


async def test_a_flood_to_an_unknown_number_is_bounded_alike(otp: Passwords) -> None:
    answers = [await otp.begin(number(STRANGER.digits)) for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 503]


async def test_a_number_gets_few_messages_a_day_whatever_node_is_asked(bench: Workbench) -> None:
    more = f"{ENABLED}\n[otp]\nper_day = 2\nnumber_burst = 0\n"
    async with passwords(bench, more) as one:
        for _ in range(2):
            assert (await one.begin()).status == 200
        async with passwords(bench, more) as two:
            assert (await two.begin()).status == 503
            bench.clock.advance(86_400)
            assert (await two.begin()).status == 200


async def test_a_flood_from_one_source_is_bounded(bench: Workbench) -> None:
    more = f"{ENABLED}\n[otp]\nsource_burst = 2\nsource_per_minute = 1\n"
    async with passwords(bench, more) as otp:
        answers = [await otp.begin(f"+155501{nth:02}") for nth in range(3)]
        assert [answer.status for answer in answers] == [200, 200, 503]


async def test_passwords_from_one_source_are_bounded(bench: Workbench) -> None:
    more = f"{ENABLED}\n[limits]\ncall_back_source_burst = 2\ncall_back_source_per_minute = 1\n"
    async with passwords(bench, more) as otp:
        begun = await otp.begin()
        code = await otp.code()
        answers = [(await otp.answer(begun, wrong(code))).status for _ in range(3)]
        assert answers == [511, 511, 503]


# --- what is no request for a password ---------------------------------------------------------


@pytest.mark.parametrize("text", ["%2B", "12", "1234567890123456", "sip:x", "%2B15550%20100"])
async def test_a_number_that_is_none_is_a_bad_request(otp: Passwords, text: str) -> None:
    query = otp.phone().query() + f"&msisdn={text}".encode()
    assert (await otp.server.get(query)).status == 400
    assert await otp.outcome() == "msisdn_malformed"


@pytest.mark.parametrize("apps", [("ap2004",), ("ap2014", "ap2004"), ("ap9999",)])
async def test_other_applications_are_not_had_by_password(
    otp: Passwords, apps: tuple[str, ...]
) -> None:
    assert (await otp.begin(apps=apps)).status == 511
    assert await otp.outcome() == "no_credentials"


async def test_without_otp_apps_there_are_no_passwords(server: Server) -> None:
    phone = Phone(server)
    assert (await server.get(phone.query(("msisdn", number(ALLOWED.digits))))).status == 511
    assert (await server.get("OTP=123456", ("cookie", "ECSSID=abc"))).status == 511


async def test_nothing_of_a_password_is_logged(otp: Passwords) -> None:
    begun = await otp.begin()
    code = await otp.code()
    await otp.answer(begun, wrong(code))
    answer = await otp.answer(begun, code)
    said = str(await otp.server.records()) + str(otp.server.log_lines) + str(otp.server.events)
    for secret in (number(ALLOWED.digits)[1:], begun.cookie_value, answer.token, f'"{code}"'):
        assert secret not in said


# --- as a second factor ------------------------------------------------------------------------


@pytest.fixture
async def both(bench: Workbench) -> AsyncIterator[tuple[SignIns, MessageCentre]]:
    centre = MessageCentre()
    await centre.up()
    (bench.directory / "smsc-password").write_text(centre.password)
    more = 'second_factor_url = "https://portal.example.net/otp"\n' + TEXTS.format(port=centre.port)
    try:
        async with signing_in(bench, more) as ins:
            yield ins, centre
    finally:
        await centre.down()


@pytest.mark.conforms("oidc.second-factor")
@pytest.mark.spec("TS.43 §2.8.2")
async def test_a_second_factor_holds_the_document_back(
    both: tuple[SignIns, MessageCentre],
) -> None:
    ins, centre = both
    held = await ins.sign_in()
    assert held.status == 302
    page = held.header("location")
    assert page.startswith("https://portal.example.net/otp?state=")
    await centre.switch.until_taken(1)
    code = centre.switch.taken[0].extra["text"].split(" ")[0]
    state = values(page)["state"]
    assert (await ins.come_back(f"state={state}&OTP={wrong(code)}")).status == 511
    # What the first factor gave is no second one, nor the other way round.
    assert (await ins.come_back(f"state={state}&code=abc")).status == 511
    answer = await ins.come_back(f"state={state}&OTP={code}")
    assert answer.token
    assert (await ins.come_back(f"state={state}&OTP={code}")).status == 511


async def test_a_first_factor_is_no_second_one(both: tuple[SignIns, MessageCentre]) -> None:
    ins, centre = both
    state = values((await ins.begin()).header("location"))["state"]
    assert (await ins.come_back(f"state={state}&OTP=000000")).status == 511
    assert not centre.switch.taken
