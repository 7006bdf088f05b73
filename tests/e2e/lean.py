"""Phones for load: full authentications with few instructions of ours around them.

SIM and EAP are those of `Phone`, sequence numbers and resynchronisation included. HTTP is as lean
as the bench's, so that the server is what is busy, and not we.
"""

from __future__ import annotations

import asyncio
from binascii import a2b_base64
from dataclasses import dataclass, field
from typing import Self

from bench.load import Head, pull_head
from simgrant.wire import relay
from tests.e2e.nodes import Node
from tests.e2e.phones import RELAY, XML, Phone

_PACKET = b'{"eap-relay-packet":"'
_COOKIE = b"\r\nset-cookie: "
_ENABLED = b'name="EntitlementStatus" value="1"'
GONE = 0
"""The status of an answer that never came."""


class Line(asyncio.Protocol):
    """A connection to one node, on which one thing is asked at a time."""

    _transport: asyncio.Transport

    def __init__(self) -> None:
        self._got = b""
        self._waiting: asyncio.Future[tuple[Head, bytes]] | None = None

    @classmethod
    async def to(cls, port: int) -> Self:
        """Connect; raise OSError where nobody listens."""
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(cls, "127.0.0.1", port)
        return made

    @property
    def usable(self) -> bool:
        """Whether it is open, as far as anybody knows."""
        return not self._transport.is_closing()

    def close(self) -> None:
        """Hang up."""
        self._transport.abort()

    async def exchange(self, data: bytes) -> tuple[Head, bytes]:
        """Send one request; return head and all of its answer, of status `GONE` if none came."""
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        return await self._waiting

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._got += data
        head = pull_head(self._got)
        if head is not None and len(self._got) >= head.end:
            assert self._waiting is not None
            self._waiting.set_result((head, self._got))
            self._got = b""

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result((Head(GONE, 0, 0), b""))


@dataclass(eq=False)
class LeanPhone:
    """A phone with one connection to one node, which asks one thing at a time."""

    phone: Phone
    node: Node
    _line: Line = field(init=False)

    def __post_init__(self) -> None:
        query = self.phone.query(("EAP_ID", self.phone.sim.nai()))
        host = f"Host: 127.0.0.1:{self.node.port}\r\n"
        agent = "User-Agent: PRD-TS43 term-Goog/Pixel 9 Pr OS-Android/15\r\n"
        self._first = f"GET /?{query} HTTP/1.1\r\n{host}{agent}Accept: {RELAY}\r\n\r\n".encode()
        self._next = (
            f"POST / HTTP/1.1\r\n{host}{agent}Accept: {RELAY}, {XML}\r\nContent-Type: {RELAY}\r\n"
        ).encode()

    async def __aenter__(self) -> Self:
        self._line = await Line.to(self.node.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._line.close()

    async def full(self) -> tuple[int, bool]:
        """Authenticate; return the last status, and whether the document says what it should."""
        head, data = await self._line.exchange(self._first)
        at = data.find(_COOKIE) + len(_COOKIE)
        cookie = data[at : data.find(b";", at)]
        while head.status == 200 and data.startswith(_PACKET, head.start):
            start = head.start + len(_PACKET)
            packet = a2b_base64(data[start : data.index(b'"', start)])
            body = relay.push_relay(self.phone.reply_to(packet))
            own = b"Cookie: %b\r\nContent-Length: %d\r\n\r\n%b" % (cookie, len(body), body)
            head, data = await self._line.exchange(self._next + own)
        return head.status, _ENABLED in data[head.start :]
