"""The listener of what is simulated over HTTP: in a server's loop, without TLS, and broken."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import time
import warnings
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
import uvloop
from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import RequestError, RequestTimeoutError

from simgrant.sim.smdp.certificates import Certificates
from simgrant.sim.web import Answer, Break, Request, WebServer

CONNECTIONS = 200


def test_a_handshake_that_comes_at_once_is_heard(tmp_path: Path) -> None:
    """Of clients that do not wait, some have spoken before the listener looks (uvloop)."""
    certificates = Certificates(tmp_path, now=time.time())
    server_side = certificates.server_context()
    server_side.verify_mode = ssl.CERT_NONE
    client_side = ssl.create_default_context(cafile=str(certificates.ca))
    client_side.check_hostname = False

    def ask(port: int) -> bytes:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=20) as raw,
            client_side.wrap_socket(raw) as connection,
        ):
            connection.sendall(b"GET / HTTP/1.1\r\nHost: push\r\nConnection: close\r\n\r\n")
            return connection.recv(100)

    async def run() -> list[bytes]:
        server = WebServer(lambda _: Answer(body=b"heard"), server_side)
        await server.up()
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(20) as threads:
            asking = [loop.run_in_executor(threads, ask, server.port) for _ in range(CONNECTIONS)]
            answers = await asyncio.gather(*asking)
        await server.down()
        return answers

    assert {answer[:12] for answer in uvloop.run(run())} == {b"HTTP/1.1 200"}


class Peer:
    """A server without TLS that answers what it was given, and a client of another library."""

    def __init__(self) -> None:
        self.answer = Answer(body=b"heard")
        self.seen: list[Request] = []
        self.asked = asyncio.Event()
        self.let_go = asyncio.Event()
        self.let_go.set()
        self.forgotten = asyncio.Event()
        self.web = WebServer(self._answer, None)

    async def _answer(self, request: Request) -> Answer:
        self.seen.append(request)
        self.asked.set()
        answer = self.answer
        try:
            if answer.fault is not Break.DRAIN:
                await self.let_go.wait()
        except asyncio.CancelledError:
            self.forgotten.set()
            raise
        return answer


async def body_of(client: Client, peer: Peer, path: str = "/") -> bytes:
    answer = await client.post(f"{peer.web.url}{path}").body_bytes(path.encode()).build().send()
    return bytes(await answer.bytes())


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    made = Peer()
    await made.web.up()
    yield made
    await made.web.down()


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with ClientBuilder().http2_prior_knowledge().timeout(timedelta(seconds=20)).build() as it:
        yield it


async def test_http2_is_known_by_how_it_begins(peer: Peer, client: Client) -> None:
    assert await body_of(client, peer) == b"heard"
    async with ClientBuilder().build() as older:
        assert await body_of(older, peer) == b"heard"
    assert [each.version for each in peer.seen] == ["h2", "http/1.1"]


async def test_http2_is_known_however_slowly_it_begins(peer: Peer) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", peer.web.port)
    for piece in (b"P", b"RI * HTTP/2", b".0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\4" + bytes(5)):
        writer.write(piece)
        for _ in range(5):
            await asyncio.sleep(0)  # It is read before the next is there.
    # The answer is settings, and in HTTP/1.1 it were a text.
    assert (await reader.readexactly(9))[3] == 4
    writer.close()


async def test_long_answers_wait_until_the_client_takes_more(peer: Peer, client: Client) -> None:
    """Ten at once are more than the windows of a connection, of which there is one."""
    peer.answer = Answer(body=bytes(1_000_000))
    bodies = await asyncio.gather(*(body_of(client, peer, f"/{n}") for n in range(10)))
    assert {len(body) for body in bodies} == {1_000_000}
    assert peer.web.connections == 1
    assert sorted(each.body for each in peer.seen) == [f"/{n}".encode() for n in range(10)]


@pytest.mark.parametrize("fault", sorted(set(Break) - {Break.SILENT, Break.DRAIN}))
async def test_what_is_broken_is_broken(peer: Peer, client: Client, fault: Break) -> None:
    peer.answer = Answer(body=b"heard" * 9, fault=fault)
    with pytest.raises(RequestError):
        await body_of(client, peer)
    peer.answer = Answer(body=b"well again")
    assert await body_of(client, peer) == b"well again"
    stays = fault in (Break.RESET_STREAM, Break.REFUSE_STREAM)
    assert peer.web.connections == 1 if stays else peer.web.connections > 1


async def test_who_waits_no_more_is_forgotten(peer: Peer, client: Client) -> None:
    peer.let_go.clear()
    with pytest.raises(RequestTimeoutError):
        await client.get(peer.web.url).timeout(timedelta(seconds=0.2)).build().send()
    await peer.forgotten.wait()
    peer.let_go.set()
    assert await body_of(client, peer) == b"heard"
    assert peer.web.connections == 1


async def test_where_a_port_is_taken_nobody_is_up(peer: Peer) -> None:
    second = WebServer(lambda _: Answer(), None)
    second.port = peer.web.port
    with pytest.raises(OSError, match="in use"):
        await second.up()
    assert not peer.web.is_down
    assert second.is_down


async def test_a_connection_is_drained_and_nothing_is_lost(peer: Peer, client: Client) -> None:
    assert await body_of(client, peer) == b"heard"  # There is a connection.
    peer.let_go.clear()
    under_way = [asyncio.create_task(body_of(client, peer, f"/{n}")) for n in range(10)]
    while len(peer.seen) < 11:
        peer.asked.clear()
        await peer.asked.wait()
    peer.answer = Answer(body=b"good-bye", fault=Break.DRAIN)
    assert await body_of(client, peer, "/last") == b"good-bye"
    peer.answer = Answer(body=b"heard")
    peer.let_go.set()
    assert await asyncio.gather(*under_way) == [b"heard"] * 10
    assert peer.web.connections == 1
    assert await body_of(client, peer) == b"heard"
    assert peer.web.connections == 2


@pytest.mark.parametrize("turns", range(6))
def test_who_comes_at_the_very_end_is_let_go(turns: int) -> None:
    """Whoever was accepted and is not here yet would keep his socket after everything ended."""

    async def run() -> None:
        server = WebServer(lambda _: Answer(), None)
        await server.up()
        late = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(10)]
        for _ in range(turns):
            await asyncio.sleep(0)
        await server.down()
        for each in late:
            each.close()

    asyncio.run(run())
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        gc.collect()
    assert not said
