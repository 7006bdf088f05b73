"""Instances that speak no HTTP/2, or speak it to do harm: an error by the deadline, and no more."""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from simgrant.errors import EcsError
from simgrant.links.sbi.producers import SbiRequest
from simgrant.wire.sbi.nrf import Instance
from tests.loopback.links.sbi.core import Core

REQUEST = SbiRequest(method="GET", path="/a", headers={})
HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, CONTINUATION, DATA = 1, 3, 4, 6, 7, 9, 0
END_HEADERS, END_STREAM = 4, 1

Speaks = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    head = struct.pack(">I", len(payload))[1:] + bytes((kind, flags))
    return head + struct.pack(">I", stream) + payload


async def nothing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    while await reader.read(4096):
        pass


async def a_byte_at_a_time(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    reading = asyncio.create_task(nothing(reader, writer))
    for byte in frame(SETTINGS) + frame(HEADERS, END_HEADERS, 1, b"\x88") * 1_000:
        writer.write(bytes((byte,)))
        await writer.drain()
        await asyncio.sleep(0.01)
    await reading


async def noise(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(10)
    writer.write(random.Random(1).randbytes(50_000))
    await nothing(reader, writer)


async def an_older_version(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(10)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    await nothing(reader, writer)


async def answers_that_nobody_asked_for(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    writer.write(frame(SETTINGS))
    for stream in (2, 3, 99):
        writer.write(frame(HEADERS, END_HEADERS | END_STREAM, stream, b"\x88"))
    await nothing(reader, writer)


async def headers_without_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(200)
    # A literal header that is not indexed, again and again, in frames that never end the block.
    line = b"\x00\x01a" + b"\x7f\x80\x06" + b"x" * 895
    writer.write(frame(SETTINGS) + frame(HEADERS, 0, 1, b"\x88"))
    for _ in range(20_000):
        writer.write(frame(CONTINUATION, 0, 1, line))
        try:
            await writer.drain()
        except ConnectionError:
            return


async def pings_without_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    reading = asyncio.create_task(nothing(reader, writer))
    writer.write(frame(SETTINGS))
    while not reading.done():
        writer.write(frame(PING, 0, 0, bytes(8)) * 100)
        try:
            await writer.drain()
        except ConnectionError:
            return
        await asyncio.sleep(0.005)


async def a_body_without_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(200)
    writer.write(frame(SETTINGS) + frame(HEADERS, END_HEADERS, 1, b"\x88"))
    for _ in range(20_000):
        writer.write(frame(DATA, 0, 1, b"x" * 1_000))
        try:
            await writer.drain()
        except ConnectionError:
            return
        await asyncio.sleep(0)


@asynccontextmanager
async def listening(speaks: Speaks) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await speaks(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@pytest.mark.parametrize(
    "speaks",
    [
        nothing,
        a_byte_at_a_time,
        noise,
        an_older_version,
        answers_that_nobody_asked_for,
        headers_without_end,
        pings_without_end,
        a_body_without_end,
    ],
)
async def test_whatever_an_instance_says_ends_in_an_error(speaks: Speaks) -> None:
    core = Core()
    async with listening(speaks) as root:
        producers = core.producers([Instance(id="", root=root)])
        async with asyncio.timeout(10):
            with pytest.raises(EcsError) as raised:
                await producers.send(REQUEST, deadline=core.deadline(0.5))
        await producers.close()
    assert raised.value.reason in (
        "sbi_timeout",
        "sbi_lost",
        "sbi_unreachable",
        "answer_too_long",
    )
