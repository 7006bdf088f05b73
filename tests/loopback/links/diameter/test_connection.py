"""A connection and whatever bytes come over it, from a peer that means no good."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simgrant.adapters.authn import swx as adapter
from simgrant.links.diameter import connection
from simgrant.links.diameter.connection import Connection, Ended, Handlers, Hooks
from simgrant.links.diameter.events import Nobody, answering
from simgrant.spec.diameter import IETF
from simgrant.wire.diameter import swx
from simgrant.wire.diameter.avps import USER_NAME
from simgrant.wire.diameter.base import pull_result
from simgrant.wire.diameter.message import (
    MOST_BYTES,
    Header,
    Message,
    pull_header,
    pull_message,
    push_message,
    request,
)
from simgrant.wire.diameter.stream import Splitter
from tests.examples import examples
from tests.loopback.links.diameter.world import US
from tests.vectors import load

HANDLERS = answering(adapter.HANDLERS, Nobody(), "hss")
MESSAGES = [bytes.fromhex(case["message"]) for case in load("diameter")]


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__({"sockname": ("127.0.0.1", 1)})
        self.sent = b""
        self.aborted = False

    def write(self, data: Any) -> None:
        self.sent += data

    def close(self) -> None:
        self.aborted = True

    def abort(self) -> None:
        self.aborted = True


class Open:
    """An open connection, and what its owner was told."""

    def __init__(self, handlers: Handlers | None = None) -> None:
        self.told: list[str] = []
        self.wire = Wire()
        hooks = Hooks(
            lambda: self.told.append("heard"),
            lambda: self.told.append("answered"),
            self.told.append,
        )
        self.connection = Connection(US, handlers or HANDLERS, hooks)
        self.connection.connection_made(self.wire)


def play(*chunks: bytes) -> Open:
    """Let these bytes come in, within a loop of their own."""

    async def played() -> Open:
        made = Open()
        for chunk in chunks:
            if not made.wire.aborted:
                made.connection.data_received(chunk)
        # What is told is answered by tasks.
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})
        return made

    return asyncio.run(played())


MUTATED = st.builds(
    lambda message, at, byte: (
        message[: at % len(message)] + bytes([byte]) + message[at % len(message) + 1 :]
    ),
    st.sampled_from(MESSAGES),
    st.integers(0, 1000),
    st.integers(0, 255),
)
COMMANDS = st.sampled_from([257, 280, 282, 303, 304, 305, 999])
REQUESTS = st.builds(
    lambda command, application, avps: request(
        command, application, avps + bytes(-len(avps) % 4), hop_by_hop=7, end_to_end=8
    ),
    COMMANDS,
    st.sampled_from([0, swx.APPLICATION, 5]),
    st.binary(max_size=60) | st.just(USER_NAME.push("001010000000001")),
)


@settings(max_examples=examples(60))
@given(st.lists(st.binary(max_size=80) | MUTATED | REQUESTS, max_size=6))
def test_whatever_comes_is_answered_or_ends_the_connection(chunks: list[bytes]) -> None:
    made = play(*chunks)
    answers = [pull_message(each) for each in Splitter().feed(made.wire.sent)]
    assert not any(each.header.is_request for each in answers)
    assert len(answers) <= made.told.count("heard")
    for each in answers:
        pull_result(each.avps)


@settings(max_examples=examples(30))
@given(REQUESTS)
def test_every_request_gets_one_answer(asked: bytes) -> None:
    made = play(asked)
    (told,) = Splitter().feed(made.wire.sent)
    header = pull_message(told).header
    assert (header.hop_by_hop, header.end_to_end) == (7, 8)
    assert not made.wire.aborted


def test_a_request_with_a_broken_avp_is_told_what_is_wrong() -> None:
    made = play(push_message(Header(0, 0x80, 305, swx.APPLICATION, 1, 2), b"\0\0\0\1\0\0\0\xff"))
    (told,) = Splitter().feed(made.wire.sent)
    assert pull_result(pull_message(told).avps) == (IETF, 5014)


def test_answers_that_nobody_waits_for_are_counted_and_dropped() -> None:
    answers = [each for each in MESSAGES if not pull_header(each).is_request]
    made = play(*answers * 100)
    assert made.connection.strays == 100 * len(answers) > 0
    assert made.wire.sent == b""


def test_a_length_bomb_ends_it_before_its_bytes_are_there() -> None:
    made = play(b"\x01\xff\xff\xfc")
    assert made.wire.aborted
    almost = play(b"\x01" + (MOST_BYTES).to_bytes(3, "big"))
    assert not almost.wire.aborted


def test_nothing_is_sent_over_a_connection_that_is_over() -> None:
    async def asked() -> object:
        made = Open()
        made.connection.connection_lost(None)
        return await made.connection.ask(303, swx.APPLICATION, b"", end_to_end=1, within=5)

    assert asyncio.run(asked()) is Ended.LOST


PUSHED = request(
    305, swx.APPLICATION, USER_NAME.push("001010000000001"), hop_by_hop=7, end_to_end=8
)


async def results(made: Open) -> list[tuple[int, int]]:
    """Return what was answered once all is that can be."""
    await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})
    return sent(made)


def sent(made: Open) -> list[tuple[int, int]]:
    return [pull_result(pull_message(each).avps) for each in Splitter().feed(made.wire.sent)]


async def test_whose_handler_takes_too_long_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_ANSWER_S", 0.0)

    async def forever(_: Message) -> tuple[int, int]:
        await asyncio.Event().wait()
        raise AssertionError

    made = Open({(swx.APPLICATION, 305): forever})
    made.connection.data_received(PUSHED)
    assert await results(made) == [(IETF, 5012)]


async def test_a_fault_of_ours_is_answered_and_not_repeated_to_the_peer() -> None:
    async def broken(_: Message) -> tuple[int, int]:
        raise RuntimeError("of ours")

    made = Open({(swx.APPLICATION, 305): broken})
    made.connection.data_received(PUSHED)
    assert await results(made) == [(IETF, 5012)]
    assert b"of ours" not in made.wire.sent


async def test_who_tells_more_than_we_can_keep_hears_that_we_are_busy() -> None:
    kept = asyncio.Event()

    async def slow(_: Message) -> tuple[int, int]:
        await kept.wait()
        return IETF, 2001

    made = Open({(swx.APPLICATION, 305): slow})
    made.connection.data_received(PUSHED * 130)
    assert sent(made) == [(IETF, 3004)] * 30
    kept.set()
    assert (await results(made))[30:] == [(IETF, 2001)] * 100


async def test_what_is_under_way_ends_with_the_connection() -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def forever(_: Message) -> tuple[int, int]:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError

    made = Open({(swx.APPLICATION, 305): forever})
    made.connection.data_received(PUSHED)
    async with asyncio.timeout(20):
        await began.wait()
        made.connection.connection_lost(None)
        await ended.wait()
    assert made.wire.sent == b""
