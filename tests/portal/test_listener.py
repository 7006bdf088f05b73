"""The portal's own listener: its socket, its bounds, its certificate."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from simgrant import serving
from simgrant.errors import StartRefused
from tests.device.harness import Server, Workbench
from tests.device.test_listener import client_context, write_certificate
from tests.portal.browser import link

DEADLINE = 20.0
HERE = "".join(f'[{each}]\nlisten = "127.0.0.1:0"\n' for each in ("device", "management"))
WITH_PORTAL = HERE + '[portal]\nlisten = "127.0.0.1:0"\n'


@asynccontextmanager
async def running(bench: Workbench, portal: str) -> AsyncIterator[tuple[Server, serving.Running]]:
    loaded = bench.loaded(HERE + f"[portal]\n{portal}\n")
    with bench.watched() as (stores, out):
        async with serving.running(loaded) as server:
            yield Server(server.parts, bench.clock, stores[0], loaded, out, []), server


async def exchange(url: str, request: bytes, tls: ssl.SSLContext | None = None) -> bytes:
    """Send bytes to where a URL points and return all that comes until the end."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=tls)
    try:
        writer.write(request)
        async with asyncio.timeout(DEADLINE):
            return await reader.read()
    finally:
        writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            await writer.wait_closed()


async def test_phones_are_told_the_place_that_it_got(bench: Workbench) -> None:
    async with running(bench, 'listen = "127.0.0.1:0"') as (server, found):
        opened = await link(server)
        assert opened.url == f"{found.portal_url}/vowifi"
        body = opened.user_data.encode()
        said = await exchange(
            opened.url,
            b"POST /vowifi HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
            b"content-length: %d\r\n\r\n%b" % (len(body), body),
        )
        assert said.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"<h1>Wi-Fi calling</h1>" in said


async def test_its_bounds_are_those_of_the_device_listener(bench: Workbench) -> None:
    async with running(bench, 'listen = "127.0.0.1:0"') as (_, found):
        url = found.portal_url
        for request, status in (
            (b"GET / HTTP/1.1\r\nhost: x\r\na: %b\r\n\r\n" % (b"x" * 20_000), b"431"),
            (b"POST /page HTTP/1.1\r\nhost: x\r\ncontent-length: 20000\r\n\r\n", b"413"),
            (b"rubbish\r\n\r\n", b"400"),
            (b"GET /page HTTP/1.0\r\n\r\n", b"405"),
        ):
            said = await exchange(url, request)
            assert said.startswith(b"HTTP/1.1 " + status), said[:80]
            assert b"<h1>" in said


async def test_tls_with_a_certificate_of_its_own(bench: Workbench) -> None:
    write_certificate(bench.directory, 7)
    own = 'listen = "127.0.0.1:0"\ntls_certificate = "cert.pem"\ntls_key = "key.pem"'
    async with running(bench, own) as (_, found):
        assert found.portal_url.startswith("https://")
        assert found.device_url.startswith("http://")
        said = await exchange(
            found.portal_url,
            b"GET /static/portal.css HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
            client_context(),
        )
        assert said.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_a_place_that_is_taken_and_a_certificate_that_is_none(bench: Workbench) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(StartRefused, match=f"portal.listen {place}"):
            async with running(bench, f'listen = "{place}"'):
                pass
    own = 'listen = "127.0.0.1:0"\ntls_certificate = "none.pem"\ntls_key = "none.pem"'
    with pytest.raises(StartRefused, match="certificate"):
        async with running(bench, own):
            pass


async def test_no_listener_where_none_is_wanted(bench: Workbench) -> None:
    async with running(bench, 'listen = ""') as (_, found):
        assert found.portal_url == ""
