"""SCTP: a transport that keeps messages apart, and what is done where the kernel has none.

Sockets of SOCK_SEQPACKET keep messages as SCTP's do, and are there everywhere.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from simgrant.links.diameter import sctp
from simgrant.links.diameter.connection import Connection, Hooks
from simgrant.links.diameter.peer import Over
from simgrant.spec.diameter import IETF
from simgrant.wire.diameter.base import Result, pull_result
from simgrant.wire.diameter.message import pull_message
from tests.loopback.links.diameter.world import NEVER_AGAIN, US, hss_server, world

HAS_SCTP = sctp.is_there()
MOST = 300_000


class Told(asyncio.Protocol):
    """What a protocol is told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.came: list[bytes] = []
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        del transport
        self.said.append("made")

    def data_received(self, data: bytes) -> None:
        self.came.append(data)

    def pause_writing(self) -> None:
        self.said.append("pause")

    def resume_writing(self) -> None:
        self.said.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.said.append("lost")
        self.lost.set_result(exc)


class Ends:
    """A transport, what it tells, and the other end of its socket."""

    def __init__(self) -> None:
        ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for sock in (ours, self.theirs):
            sock.setblocking(False)
        self.told = Told()
        self.transport = sctp.MessageTransport(ours, self.told)

    async def take(self) -> bytes:
        return await asyncio.get_running_loop().sock_recv(self.theirs, MOST)


@asynccontextmanager
async def ends() -> AsyncIterator[Ends]:
    made = Ends()
    try:
        async with asyncio.timeout(10):
            yield made
    finally:
        made.transport.abort()
        made.theirs.close()
        await made.told.lost


async def test_what_is_written_by_itself_comes_by_itself() -> None:
    async with ends() as both:
        both.transport.write(b"one")
        both.transport.write(b"two")
        assert [await both.take(), await both.take()] == [b"one", b"two"]
        both.theirs.send(b"three")
        both.theirs.send(b"four")
        both.theirs.close()
        await both.told.lost
        assert both.told.came == [b"three", b"four"]


async def test_who_does_not_read_makes_it_pause_and_each_message_comes_whole() -> None:
    async with ends() as both:
        messages = [bytes([number % 251]) * 5_000 for number in range(200)]
        for each in messages:
            both.transport.write(each)
        assert both.told.said == ["made", "pause"]
        assert [await both.take() for _ in messages] == messages
        assert both.told.said == ["made", "pause", "resume"]


async def test_a_close_sends_what_waits_and_an_abort_does_not() -> None:
    messages = [bytes([number % 251]) * 5_000 for number in range(200)]
    async with ends() as both:
        for each in messages:
            both.transport.write(each)
        both.transport.close()
        both.transport.write(b"too late")
        assert both.transport.is_closing()
        assert [await both.take() for _ in messages] == messages
        assert await both.take() == b""
        assert await both.told.lost is None
    async with ends() as both:
        for each in messages:
            both.transport.write(each)
        both.transport.abort()
        assert await both.told.lost is None
        came = 0
        while await both.take():
            came += 1
        assert came < len(messages)


async def test_the_end_of_the_other_side_is_told_once() -> None:
    async with ends() as both:
        both.theirs.close()
        await both.told.lost
        both.transport.write(b"to nobody")
        both.transport.close()
        both.transport.abort()
        await asyncio.sleep(0)
        assert both.told.said == ["made", "lost"]


async def test_a_write_to_who_is_gone_is_the_end() -> None:
    async with ends() as both:
        both.theirs.close()
        both.transport.write(b"to nobody")
        error = await both.told.lost
        assert isinstance(error, BrokenPipeError)


async def test_a_peer_is_talked_to_over_it() -> None:
    """Over TCP, for a peer that has nothing else; the messages are the same."""
    hss = hss_server(0)
    await hss.up()
    ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    hooks = Hooks(lambda: None, lambda: None, ended.set_result)
    made: list[Connection] = []

    def make() -> Connection:
        made.append(Connection(US, {}, hooks))
        return made[-1]

    try:
        await sctp.connect(make, "127.0.0.1", hss.port, protocol=socket.IPPROTO_TCP)
        told = await made[0].exchange_capabilities(end_to_end=1, within=10)
        assert isinstance(told, bytes)
        assert pull_result(pull_message(told).avps) == (IETF, Result.SUCCESS)
        await made[0].say_good_bye(end_to_end=2, within=10)
        assert hss.left == [US.host]
    finally:
        await hss.down()
    async with asyncio.timeout(10):
        assert await ended == "closed by us"


async def test_nobody_listens_where_it_connects_to() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionRefusedError):
            await sctp.connect(
                Told, "127.0.0.1", held.getsockname()[1], protocol=socket.IPPROTO_TCP
            )


async def test_an_hss_is_asked_over_sctp_or_it_is_said_that_the_kernel_has_none() -> None:
    if HAS_SCTP and isinstance(asyncio.get_running_loop(), asyncio.SelectorEventLoop):
        # The simulated one serves with what the loop has, and uvloop has TCP alone.
        async with world(hss_server(0, over_sctp=True), over=Over.SCTP) as made:
            assert (await made.ask()).result == (IETF, 2001)
            await asyncio.gather(*(made.ask() for _ in range(200)))
        return
    if not HAS_SCTP:
        with pytest.raises(OSError, match="not supported") as raised:
            await hss_server(0, over_sctp=True).up()
        assert raised.value.errno == errno.EPROTONOSUPPORT
    async with world(over=Over.SCTP, wait=False, retry=NEVER_AGAIN) as made:
        # Who listens over TCP alone is nobody to SCTP.
        await made.until(lambda: made.diary.states)
        refused = {"Protocol not supported", "Connection refused"}
        assert set(made.reasons()) <= refused
