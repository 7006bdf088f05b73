"""The listener of the simulated push services, in the loop that a server runs in."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import uvloop

from simgrant.sim.push.web import Answer, WebServer
from simgrant.sim.smdp.certificates import Certificates

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
