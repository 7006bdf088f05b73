"""The connection to an HLR: who waits for which answer, and what becomes of it when it is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from simgrant.errors import PeerTimeout, PeerUnavailable
from simgrant.links.gsup import HlrState
from simgrant.links.retry import RetryRules
from simgrant.sim.hlr.faults import Fault, Plan
from simgrant.sim.sims import demo_sims
from simgrant.wire.gsup import AuthInfoAnswer, Ccm, push_answer, push_ccm, push_gsup
from tests.loopback.links.hlr_world import World, world

PEOPLE = [sim.imsi.digits for sim in demo_sims()]


@pytest.fixture
async def made() -> AsyncIterator[World]:
    async with world() as found:
        yield found


async def test_hundreds_are_under_way_and_each_gets_its_own(made: World) -> None:
    asked = PEOPLE * 40
    told = await asyncio.gather(*(made.ask(imsi=imsi) for imsi in asked))
    assert [each.imsi for each in told] == asked
    rands = {vector.rand for each in told for vector in each.vectors}
    assert len(rands) == 5 * len(asked)
    assert made.diary.results == ["vectors"] * len(asked)


async def test_answers_may_come_in_any_order(made: World) -> None:
    made.server.plan = Plan(fault=Fault.SLOW, delay_s=0.05, times=1)
    first = asyncio.create_task(made.ask())
    await made.until(lambda: made.server.seen)
    second = await made.ask()
    assert not first.done()
    assert (await first).vectors != second.vectors


async def test_an_answer_without_a_session_is_that_of_the_first_who_asked(made: World) -> None:
    made.server.plan = Plan(fault=Fault.SILENT)
    waits = [asyncio.create_task(made.ask(imsi=imsi)) for imsi in (PEOPLE[1], PEOPLE[0], PEOPLE[0])]
    await made.until(lambda: len(made.server.seen) == 3)
    link = made.server.links[0]
    for cause in (2, 3):
        link.send(push_gsup(push_answer(AuthInfoAnswer(PEOPLE[0], None, cause=cause))))
    assert [(await wait).cause for wait in waits[1:]] == [2, 3]
    assert not waits[0].done()
    waits[0].cancel()


async def test_late_answers_and_those_that_nobody_asked_for_are_thrown_away(made: World) -> None:
    made.server.plan = Plan(fault=Fault.SLOW, delay_s=0.1, times=1)
    with pytest.raises(PeerTimeout):
        await made.ask(within=0.05)
    link = made.server.links[0]
    link.send(push_gsup(push_answer(AuthInfoAnswer(PEOPLE[1], None, cause=2))))
    link.send(push_gsup(b"\x10\x01\x01\xf1"))  # An Insert Subscriber Data request.
    link.send(push_ccm(Ccm.IDENTITY_ACK) + b"\0\0\xfe" + b"\0\x01\xdd\0")
    assert (await made.ask()).vectors


async def test_it_is_told_who_we_are_before_anything_is_asked(made: World) -> None:
    assert made.server.names == ["ecs-0"]
    assert made.server.pings == 1
    assert made.diary.states == [("home", HlrState.OKAY, "")]


async def test_requests_at_the_start_wait_for_the_connection() -> None:
    async with world(wait=False) as made:
        assert (await made.ask()).vectors


async def test_requests_at_the_start_hear_that_there_is_none() -> None:
    async with world(wait=False, up=False) as made:
        with pytest.raises(PeerUnavailable) as raised:
            await made.ask()
        assert raised.value.reason == "hlr_not_connected"


async def test_an_hlr_that_is_lost_is_connected_to_again(made: World) -> None:
    made.server.plan = Plan(fault=Fault.SILENT)
    waiting = asyncio.create_task(made.ask())
    await made.until(lambda: made.server.seen)
    await made.server.down()
    with pytest.raises(PeerUnavailable) as raised:
        await waiting
    assert raised.value.reason == "hlr_lost"
    await made.until_state(HlrState.CLOSED)
    with pytest.raises(PeerUnavailable) as raised:
        await made.ask()
    assert raised.value.reason == "hlr_not_connected"
    made.server.plan = None
    await made.server.up()
    await made.until_state(HlrState.OKAY)
    assert (await made.ask()).vectors


async def test_an_hlr_that_does_not_answer_pings_is_left() -> None:
    async with world(ping_s=0.05) as made:
        await made.until(lambda: made.server.pings >= 3)
        assert made.reasons == [""]
        made.server.plan = Plan(fault=Fault.DEAF)
        await made.until(lambda: "it does not answer pings" in made.reasons)


async def test_an_hlr_that_asks_for_no_identity_is_none() -> None:
    async with world(wait=False, connect_timeout_s=0.05) as made:
        made.server.plan = Plan(fault=Fault.DEAF)
        await made.until(lambda: "no identity asked for" in made.reasons)


async def test_a_name_that_another_connection_has_is_of_no_use() -> None:
    async with world() as first:
        port = first.server.port
        async with world(wait=False, port=port, connect_timeout_s=0.1) as second:
            await second.until(lambda: second.reasons)
            assert "is unit_name that of another" in second.reasons[0]
            await first.stop()
            await second.until_state(HlrState.OKAY)
            assert (await second.ask()).vectors


async def test_pings_of_the_hlr_are_answered(made: World) -> None:
    made.server.links[0].send(push_ccm(Ccm.PING))
    await made.until(lambda: made.server.pongs == 1)


@pytest.mark.parametrize("data", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff\xff\xee\x05"])
async def test_who_speaks_something_else_is_left(made: World, data: bytes) -> None:
    made.server.links[0].send(data)
    await made.until(lambda: "not GSUP: a frame is too long" in made.reasons)


async def test_no_more_are_under_way_than_the_window_allows() -> None:
    async with world(window=2) as made:
        made.server.plan = Plan(fault=Fault.SILENT)
        waits = [asyncio.create_task(made.ask()) for _ in range(2)]
        await made.until(lambda: len(made.server.seen) == 2)
        with pytest.raises(PeerUnavailable) as raised:
            await made.ask()
        assert raised.value.reason == "hlr_window_full"
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        made.server.plan = None
        assert (await made.ask()).vectors


async def test_an_hlr_that_only_ever_fails_is_left_alone_for_a_while(made: World) -> None:
    made.server.plan = Plan(fault=Fault.SILENT)
    for _ in range(5):
        with pytest.raises(PeerTimeout):
            await made.ask(within=0.03)
    with pytest.raises(PeerUnavailable) as raised:
        await made.ask()
    assert raised.value.reason == "circuit_open"
    assert raised.value.retry_after
    made.server.plan = None
    made.clock.ahead += 60
    assert (await made.ask()).vectors


async def test_pauses_between_connections_grow() -> None:
    slow = RetryRules(first_wait_s=3600, longest_wait_s=3600)
    async with world(wait=False, up=False, retry=slow) as made:
        await made.until(lambda: made.reasons)
        assert len(made.reasons) == 1
        await made.server.up()
        with pytest.raises(PeerUnavailable):
            await made.ask()


async def test_an_address_that_is_none_is_said() -> None:
    async with world(wait=False, address="x" * 64) as made:
        await made.until(lambda: made.reasons)
        assert made.reasons == ["its address is no name"]


async def test_stopping_closes_the_connection_and_is_no_news(made: World) -> None:
    await made.stop()
    await made.until(lambda: not made.server.links)
    assert made.reasons == [""]
    with pytest.raises(PeerUnavailable):
        await made.ask()
