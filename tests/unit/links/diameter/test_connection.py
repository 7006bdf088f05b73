"""A connection and whatever bytes come over it, from a peer that means no good."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from simgrant.adapters.authn.swx import HANDLERS
from simgrant.links.diameter.connection import Connection, Ended, Hooks
from simgrant.spec.diameter import IETF
from simgrant.wire.diameter import swx
from simgrant.wire.diameter.avps import USER_NAME
from simgrant.wire.diameter.base import pull_result
from simgrant.wire.diameter.message import (
    MOST_BYTES,
    Header,
    pull_header,
    pull_message,
    push_message,
    request,
)
from simgrant.wire.diameter.stream import Splitter
from tests.unit.links.diameter.world import US
from tests.vectors import load

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

    def __init__(self) -> None:
        self.told: list[str] = []
        self.wire = Wire()
        hooks = Hooks(
            lambda: self.told.append("heard"),
            lambda: self.told.append("answered"),
            self.told.append,
        )
        self.connection = Connection(US, HANDLERS, hooks)
        self.connection.connection_made(self.wire)


def play(*chunks: bytes) -> Open:
    """Let these bytes come in, within a loop of their own."""

    async def played() -> Open:
        made = Open()
        for chunk in chunks:
            if not made.wire.aborted:
                made.connection.data_received(chunk)
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


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=80) | MUTATED | REQUESTS, max_size=6))
def test_whatever_comes_is_answered_or_ends_the_connection(chunks: list[bytes]) -> None:
    made = play(*chunks)
    answers = [pull_message(each) for each in Splitter().feed(made.wire.sent)]
    assert not any(each.header.is_request for each in answers)
    assert len(answers) <= made.told.count("heard")
    for each in answers:
        pull_result(each.avps)


@settings(max_examples=30)
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
