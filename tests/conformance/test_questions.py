"""The port ``AsksPeople`` over real SMPP: what is asked and heard, and a session that is lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from simgrant.adapters.questions.smpp import Config, SmppQuestions, open_questions
from simgrant.errors import PeerMisbehaved, PeerTimeout, PeerUnavailable, StartRefused
from simgrant.identities import Msisdn
from simgrant.links.retry import RetryRules
from simgrant.links.smpp import SmppConfig
from simgrant.ports.questions import Asked, AskedBy, Heard
from simgrant.sim.push.smsc import MessageCentre
from simgrant.sim.push.switch import Fault
from simgrant.wire.ussd import Dialogue, UssdOp
from tests.clocks import MachineClock

TO = Msisdn("+447700900001")
EXPIRES = 1_795_000_120


class Ears:
    """Notes what is heard, and says that it settled a question."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[Heard] = asyncio.Queue()
        self.wait: Callable[[], Awaitable[object]] | None = None

    async def __call__(self, heard: Heard) -> bool:
        self.heard.put_nowait(heard)
        if self.wait is not None:
            await self.wait()
        return True

    async def next(self) -> Heard:
        async with asyncio.timeout(10):
            return await self.heard.get()


def config(centre: MessageCentre, place: Path, by: AskedBy) -> Config:
    password = place / "password"
    password.write_text(centre.password)
    smpp = SmppConfig(
        host="127.0.0.1",
        port=centre.port,
        system_id="simgrant",
        password_file=password,
        listens=True,
        retry=RetryRules(first_wait_s=0.01, longest_wait_s=0.05),
    )
    return Config(smpp=smpp, by=by, source="8095", source_ton=3, end_text="Thank you.")


@pytest.fixture
async def centre() -> AsyncIterator[MessageCentre]:
    made = MessageCentre()
    await made.up()
    yield made
    await made.down()


@asynccontextmanager
async def listening(
    centre: MessageCentre, place: Path, by: AskedBy
) -> AsyncIterator[tuple[SmppQuestions, Ears]]:
    people, ears = open_questions(config(centre, place, by), clock=MachineClock()), Ears()
    task = asyncio.create_task(people.run(ears))
    await centre.until_receivers(1)
    yield people, ears
    task.cancel()
    await asyncio.wait({task})
    await people.close()


def asked(code: str = "77") -> Asked:
    return Asked(to=TO, text="Is it you?", code=code, expires_at=EXPIRES)


@pytest.mark.parametrize("by", AskedBy)
async def test_a_question_and_its_answer(
    centre: MessageCentre, tmp_path: Path, by: AskedBy
) -> None:
    async with listening(centre, tmp_path, by) as (people, ears):
        await people.ask(asked(), deadline=time.monotonic() + 10)
        (taken,) = centre.switch.taken
        assert (taken.token, taken.extra["text"]) == (TO.digits, "Is it you?")
        assert taken.extra["validity"] == time.strftime("%y%m%d%H%M%S000+", time.gmtime(EXPIRES))
        assert taken.extra.get("session") == ("77" if by is AskedBy.USSD else None)
        dialogue = Dialogue(UssdOp.USSR_CONFIRM, 77, 1) if by is AskedBy.USSD else None
        assert await centre.say(TO.digits, "1 88", dialogue=dialogue) == 0
        code = "77" if by is AskedBy.USSD else "88"
        assert await ears.next() == Heard(number=TO, agrees=True, code=code)
        if dialogue is not None:
            await centre.switch.until_taken(2)
            # A dialogue that its other side has ended needs no end.
            over = Dialogue(UssdOp.USSR_CONFIRM, 77, 1, True)
            await centre.say(TO.digits, "2", dialogue=over)
            assert not (await ears.next()).agrees
        assert len(centre.switch.taken) == (2 if dialogue is not None else 1)


async def test_a_text_may_stand_in_a_parameter(centre: MessageCentre, tmp_path: Path) -> None:
    async with listening(centre, tmp_path, AskedBy.SMS) as (_, ears):
        await centre.deliver(TO.digits, b"", tlvs=[(0x0424, b"YES 1234")])
        assert await ears.next() == Heard(number=TO, agrees=True, code="1234")


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.THROTTLED, PeerUnavailable),
        (Fault.BROKEN, PeerUnavailable),
        (Fault.NONSENSE, PeerMisbehaved),
        (Fault.SLOW, PeerTimeout),
    ],
)
async def test_a_question_that_was_not_taken_is_an_error(
    centre: MessageCentre, tmp_path: Path, fault: Fault, error: type[Exception]
) -> None:
    async with listening(centre, tmp_path, AskedBy.SMS) as (people, _):
        centre.switch.play(fault)
        with pytest.raises(error) as raised:
            await people.ask(asked(), deadline=time.monotonic() + 0.3)
        said = f"{raised.value!r} {raised.value}"
        assert TO.digits not in said
        assert "Is it" not in said


async def test_listening_outlives_a_session(centre: MessageCentre, tmp_path: Path) -> None:
    async with listening(centre, tmp_path, AskedBy.SMS) as (people, ears):
        for nth in range(2):
            await centre.down()
            assert not centre.receivers
            await centre.up()
            async with asyncio.timeout(10):
                await centre.until_receivers(1)
            await centre.say(TO.digits, f"YES 000{nth}")
            assert (await ears.next()).code == f"000{nth}"
        await people.ask(asked(), deadline=time.monotonic() + 10)


async def test_a_flood_waits_at_the_centre(centre: MessageCentre, tmp_path: Path) -> None:
    async with listening(centre, tmp_path, AskedBy.SMS) as (_, ears):
        gate = asyncio.Event()
        ears.wait = gate.wait
        sent = [asyncio.create_task(centre.say(TO.digits, f"YES {n:04}")) for n in range(60)]
        first = [await ears.next() for _ in range(16)]
        await asyncio.sleep(0)
        assert ears.heard.empty()
        gate.set()
        found = {each.code for each in [*first, *[await ears.next() for _ in range(44)]]}
        assert found == {f"{n:04}" for n in range(60)}
        assert set(await asyncio.gather(*sent)) == {0}


async def test_without_its_password_nothing_starts(centre: MessageCentre, tmp_path: Path) -> None:
    wanted = config(centre, tmp_path, AskedBy.SMS)
    (tmp_path / "password").unlink()
    with pytest.raises(StartRefused):
        open_questions(wanted, clock=MachineClock())
