"""The port ``Texts``: a person's message reaches a message centre over real SMPP, or an error."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from simgrant.adapters.texts.sms import Config, SmsTexts, open_texts
from simgrant.errors import PeerMisbehaved, PeerTimeout, PeerUnavailable, StartRefused
from simgrant.identities import Msisdn
from simgrant.links.smpp import SmppConfig
from simgrant.sim.push.smsc import MessageCentre
from simgrant.sim.push.switch import Fault
from tests.clocks import MachineClock

TO = Msisdn("+447700900001")
EXPIRES = 1_795_000_300


def config(centre: MessageCentre, place: Path) -> Config:
    password = place / "password"
    password.write_text(centre.password)
    smpp = SmppConfig(
        host="127.0.0.1", port=centre.port, system_id="simgrant", password_file=password
    )
    return Config(smpp=smpp, source="12345", source_ton=3)


@pytest.fixture
async def centre() -> AsyncIterator[MessageCentre]:
    made = MessageCentre()
    await made.up()
    yield made
    await made.down()


@pytest.fixture
async def texts(centre: MessageCentre, tmp_path: Path) -> AsyncIterator[SmsTexts]:
    opened = open_texts(config(centre, tmp_path), clock=MachineClock())
    yield opened
    await opened.close()


async def send(texts: SmsTexts, text: str = "123456 is your code.", *, wait: float = 10) -> None:
    await texts.send(TO, text, expires_at=EXPIRES, deadline=time.monotonic() + wait)


@pytest.mark.parametrize("text", ["123456 is your code.", "123456 è il suo codice.", "код 123456"])
async def test_a_message_is_read_as_it_was_written(
    texts: SmsTexts, centre: MessageCentre, text: str
) -> None:
    await send(texts, text)
    (taken,) = centre.switch.taken
    assert (taken.token, taken.extra["text"]) == (TO.digits, text)
    assert taken.extra["source"] == "12345"
    assert taken.extra["validity"] == time.strftime("%y%m%d%H%M%S000+", time.gmtime(EXPIRES))


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.THROTTLED, PeerUnavailable),
        (Fault.BROKEN, PeerUnavailable),
        (Fault.NONSENSE, PeerMisbehaved),
    ],
)
async def test_a_message_that_was_not_taken_is_an_error(
    texts: SmsTexts, centre: MessageCentre, fault: Fault, error: type[Exception]
) -> None:
    centre.switch.play(fault)
    with pytest.raises(error) as raised:
        await send(texts)
    said = f"{raised.value!r} {raised.value}"
    assert TO.digits not in said
    assert "123456" not in said


async def test_a_centre_that_keeps_silent_has_a_deadline(
    texts: SmsTexts, centre: MessageCentre
) -> None:
    centre.switch.play(Fault.SLOW)
    with pytest.raises(PeerTimeout):
        await send(texts, wait=0.3)


async def test_a_text_of_two_messages_is_refused(texts: SmsTexts, centre: MessageCentre) -> None:
    with pytest.raises(ValueError, match="one short message"):
        await send(texts, "x" * 161)
    assert not centre.switch.taken


async def test_without_its_password_nothing_starts(centre: MessageCentre, tmp_path: Path) -> None:
    wanted = config(centre, tmp_path)
    (tmp_path / "password").unlink()
    with pytest.raises(StartRefused):
        open_texts(wanted, clock=MachineClock())
