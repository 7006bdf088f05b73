"""Asking whose a connection is: the answers there are, and those that are none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from simgrant.adapters.connection_owner import web
from simgrant.compose.clock import CLOCK
from simgrant.errors import EcsError, PeerMisbehaved, PeerTimeout, PeerUnavailable
from simgrant.identities import Imsi
from simgrant.links.http import HttpConfig
from simgrant.links.secret_file import SecretFile


class Peer:
    """Answers every request with the same, and keeps what was asked."""

    def __init__(self) -> None:
        self.answer: tuple[int, bytes] | None = (200, b"{}")
        self.asked: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.asked.append(head.decode())
            if self.answer is not None:
                status, body = self.answer
                writer.write(
                    b"HTTP/1.1 %d x\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
                    % (status, len(body), body)
                )
                await writer.drain()
            else:
                await reader.read()
        finally:
            writer.close()


@pytest.fixture
async def peer() -> Peer:
    return Peer()


@pytest.fixture
async def owner(peer: Peer, tmp_path: Path) -> AsyncIterator[web.WebOwner]:
    (tmp_path / "token").write_text("secret\n")
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    config = web.Config(
        url=f"http://127.0.0.1:{port}/owner",
        http=HttpConfig(peer="connection_owner", plain=True),
        token=SecretFile(tmp_path / "token", lambda data: data.decode().strip()),
        timeout_s=0.3,
    )
    found = web.open_owner(config, clock=CLOCK)
    yield found
    await found.close()
    server.close()


async def ask(owner: web.WebOwner) -> Imsi | None:
    return await owner.of("red", "2001:db8::1", 80, deadline=CLOCK.monotonic() + 5)


async def test_who_has_an_address(peer: Peer, owner: web.WebOwner) -> None:
    peer.answer = (200, b'{"imsi": "001010000000001", "more": 1}')
    assert await ask(owner) == Imsi("001010000000001")
    (asked,) = peer.asked
    assert asked.startswith("GET /owner?tenant=red&address=2001%3Adb8%3A%3A1&port=80 HTTP/1.1\r\n")
    assert "authorization: Bearer secret\r\n" in asked.lower().replace("bearer", "Bearer")
    peer.answer = (404, b"")
    assert await ask(owner) is None


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((200, b"{}"), PeerMisbehaved),
        ((200, b'{"imsi": "x"}'), PeerMisbehaved),
        ((200, b'{"imsi": 1}'), PeerMisbehaved),
        ((200, b"x" * 5000), PeerMisbehaved),
        ((500, b""), PeerUnavailable),
        ((401, b""), PeerUnavailable),
        (None, PeerTimeout),
    ],
)
async def test_what_is_no_answer(
    peer: Peer, owner: web.WebOwner, answer: tuple[int, bytes] | None, kind: type[EcsError]
) -> None:
    peer.answer = answer
    with pytest.raises(kind) as caught:
        await ask(owner)
    assert "001010" not in caught.value.for_operator
