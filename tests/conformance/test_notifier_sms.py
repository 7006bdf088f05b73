"""Short messages on the wire: SMPP by our client, and by one that is not ours."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiosmpplib import (  # type: ignore[import-untyped]
    ESME,
    AbstractHook,
    OptionalParam,
    PhoneNumber,
    SubmitSm,
)

from simgrant.errors import PeerTimeout, PeerUnavailable
from simgrant.ports.notifier import Dead, Delivered, Notice, Refused, Target
from simgrant.sim.push.certificates import Authority
from simgrant.sim.push.smsc import MessageCentre
from simgrant.sim.push.switch import Fault
from simgrant.wire.push_sms import DESTINATION_PORT, push_header, push_text
from simgrant.wire.push_token import Channel
from tests.conformance.push_worlds import IMSI, World, sms_world

NOTICE = Notice(("ap2003", "ap2004"), 1_795_424_400, 1_795_428_000, "c-1")
TEXT = b"001010000000001-aescfg,ap2003,ap2004"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with sms_world(tmp_path) as made:
        yield made


async def send(world: World, within: float = 10) -> Any:
    deadline = world.clock.monotonic() + within
    return await world.notifier.notify(world.target(), NOTICE, deadline=deadline)


@pytest.mark.spec("TS.43 §2.6.1")
@pytest.mark.conforms("sms.port", "sms.text")
async def test_the_port_stands_in_a_user_data_header(world: World) -> None:
    assert isinstance(await send(world), Delivered)
    assert world.switch.taken[0].extra == {
        "source": "8095",
        "user_id": IMSI.digits,
        "port": "8095",
        "data_coding": "4",
        "esm_class": "64",
        "validity": "261123100000000+",
        "short_message": (bytes.fromhex("0605041f9f0000") + TEXT).hex(),
    }


@pytest.mark.spec("TS.43 §2.6.1")
@pytest.mark.conforms("sms.port", "sms.text")
async def test_or_in_optional_parameters(tmp_path: Path) -> None:
    async with sms_world(tmp_path, addressing="tlv", port=9000) as world:
        assert isinstance(await send(world), Delivered)
        extra = world.switch.taken[0].extra
        assert (extra["port"], extra["esm_class"]) == ("9000", "0")
        assert bytes.fromhex(extra["short_message"]) == TEXT


async def test_a_message_needs_a_number_and_a_user(world: World) -> None:
    deadline = world.clock.monotonic() + 10
    nobody = Target(Channel.SMS, world.token)
    assert await world.notifier.notify(nobody, NOTICE, deadline=deadline) == Refused("imsi_missing")
    nowhere = Target(Channel.SMS, "+12025550123", "", IMSI)
    assert await world.notifier.notify(nowhere, NOTICE, deadline=deadline) == Dead("invalid_token")
    assert world.service.binds == 0


async def test_no_more_messages_are_out_than_the_window_has(tmp_path: Path) -> None:
    async with sms_world(tmp_path, smpp={"window": 4}) as world:
        await send(world)
        world.switch.play(Fault.SLOW)
        outcomes = await asyncio.gather(
            *(send(world, within=0.2) for _ in range(20)), return_exceptions=True
        )
        assert {type(outcome) for outcome in outcomes} == {PeerTimeout}
        await world.switch.until_asked(1 + 4)
        # Who stopped waiting did not make room for another one.
        assert world.switch.asked == 1 + 4


async def test_one_session_is_bound_for_all_who_wait(world: World) -> None:
    await asyncio.gather(*(send(world) for _ in range(50)))
    assert world.service.binds == 1


async def test_a_session_that_ends_while_idle_is_bound_anew(world: World) -> None:
    await send(world)
    await world.service.down()
    await world.service.up()
    assert isinstance(await send(world), Delivered)
    assert world.service.binds == 2
    assert len(world.switch.taken) == 2


async def test_a_session_that_answers_nothing_is_given_up(world: World) -> None:
    await send(world)
    world.switch.play(Fault.SLOW)
    call = asyncio.create_task(send(world, within=0.3))
    await world.switch.until_asked(2)
    world.clock.ahead += world.config.smpp.silence_s
    with pytest.raises(PeerTimeout):
        await call
    world.switch.play(None)
    assert isinstance(await send(world), Delivered)
    assert world.service.binds == 2


async def test_a_session_that_is_merely_slow_is_kept(world: World) -> None:
    await send(world)
    world.switch.play(Fault.SLOW, times=8)
    for _ in range(8):
        with pytest.raises(PeerTimeout):
            await send(world, within=0.02)
    # Years without a message are no silence either.
    assert isinstance(await send(world), Delivered)
    assert world.service.binds == 1


async def test_a_password_that_was_changed_is_read_again(world: World) -> None:
    world.service.password = "changed"
    with pytest.raises(PeerUnavailable, match="password"):
        await send(world)
    world.config.smpp.password_file.write_text("changed")
    world.clock.ahead += 60
    assert isinstance(await send(world), Delivered)


@pytest.mark.parametrize("is_trusted", [True, False])
async def test_tls_goes_by_what_the_system_trusts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_trusted: bool
) -> None:
    ours, strangers = (Authority(now=time.time()) for _ in range(2))
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes((ours if is_trusted else strangers).pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    tls = ours.server(["127.0.0.1"])
    async with sms_world(tmp_path, tls, smpp={"tls": True}) as world:
        if is_trusted:
            assert isinstance(await send(world), Delivered)
        else:
            with pytest.raises(PeerUnavailable):
                await send(world)
            assert world.service.binds == 0


# --- the played message centre, asked by others ----------------------------------------------


class Answers(AbstractHook):  # type: ignore[misc]
    """Keeps what the foreign client was answered."""

    def __init__(self) -> None:
        self.submitted: asyncio.Queue[Any] = asyncio.Queue()

    async def sending(self, smpp_message: Any, _pdu: bytes, _client_id: str) -> None:
        """Nothing is of interest on the way out."""

    async def received(self, smpp_message: Any, _pdu: bytes, _client_id: str) -> None:
        if type(smpp_message).__name__ == "SubmitSmResp":
            self.submitted.put_nowait(smpp_message)

    async def send_error(self, _message: Any, error: Exception, _client_id: str) -> None:
        self.submitted.put_nowait(error)


@contextlib.asynccontextmanager
async def foreign_client(centre: MessageCentre) -> AsyncIterator[tuple[ESME, Answers]]:
    answers = Answers()
    esme = ESME(
        smsc_host="127.0.0.1",
        smsc_port=centre.port,
        system_id=centre.system_id,
        password=centre.password,
        hook=answers,
    )
    running = asyncio.create_task(esme.start())
    try:
        yield esme, answers
    finally:
        writer = esme._writer  # It forgets what it opened, and does not close it.
        await esme.stop()
        await asyncio.wait({running}, timeout=5)
        writer.close()
        await writer.wait_closed()


@pytest.mark.interop
async def test_a_foreign_client_is_answered_as_ours_is() -> None:
    centre = MessageCentre()
    centre.switch.dead.add("12025550199")
    await centre.up()
    port = [OptionalParam(DESTINATION_PORT, 8095)]
    sent: list[tuple[str, str, list[Any]]] = [
        ("12025550123", "001010000000001-aescfg,ap2004", port),
        ("12025550199", "001010000000001-aescfg,ap2004", port),
        # To no port, and no notice: neither is what a phone waits for.
        ("12025550124", "001010000000001-aescfg,ap2004", []),
        ("12025550125", "hello", port),
    ]
    try:
        async with foreign_client(centre) as (esme, answers):
            for number, text, params in sent:
                message = SubmitSm(
                    short_message=text,
                    source=PhoneNumber("8095"),
                    destination=PhoneNumber(number),
                    optional_params=params,
                    log_id=number,
                )
                await esme.broker.enqueue(message)
            answered = [await answers.submitted.get() for _ in sent]
    finally:
        await centre.down()
    statuses = {answer.log_id: int(answer.command_status) for answer in answered}
    assert list(statuses.values()) == [0x00, 0x0B, 0x45, 0x45]
    (taken,) = centre.switch.taken
    assert (taken.token, taken.apps, taken.extra["port"]) == ("12025550123", ("ap2004",), "8095")


async def test_what_comes_before_a_bind_is_refused() -> None:
    centre = MessageCentre()
    await centre.up()
    reader, writer = await asyncio.open_connection("127.0.0.1", centre.port)
    body = push_header(8095) + push_text("00101", ("ap2004",))
    writer.write((16 + len(body)).to_bytes(4, "big") + bytes.fromhex("000000040000000000000007"))
    writer.write(body)
    answer = await reader.readexactly(16)
    assert answer.hex() == "00000010" + "80000004" + "00000004" + "00000007"
    writer.close()
    await centre.down()
