"""An HTTP server that says what it is told to say and remembers every line it was sent."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, repeat

from simgrant.sim.http import Url

RELAY = "application/vnd.gsma.eap-relay.v1.0+json"
XML = "text/vnd.wap.connectivity-xml"


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it came."""

    method: str
    target: str
    lines: tuple[str, ...]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Return the values of a header, a line each."""
        pairs = (line.split(": ", 1) for line in self.lines)
        return [value for key, value in pairs if key.lower() == name.lower()]

    def first(self, name: str) -> str:
        return self.all(name)[0]


Says = bytes | Callable[[Seen], bytes]


def answer(
    status: str = "200 OK",
    body: bytes = b"",
    content_type: str = "",
    *headers: tuple[str, str],
) -> bytes:
    """Return a plain answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    if content_type:
        lines.append(f"Content-Type: {content_type}")
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join((*lines, "", "")).encode() + body


CLOSE = b""
"""Say nothing and close the connection."""


class ScriptedServer:
    """Gives its answers in turn, whatever the requests are; after that `always`, or it hangs."""

    def __init__(
        self, *script: Says, always: Says | None = None, close_after: bool = False
    ) -> None:
        after = () if always is None else repeat(always)
        self._script: Iterator[Says] = chain(script, after)
        self._close_after = close_after
        self.seen: list[Seen] = []
        self.connections = 0
        self.asked = threading.Event()
        """Somebody has sent a request; a thread may wait for it."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "ScriptedServer":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def url(self, rest: str = "/ts43") -> Url:
        return Url.parse(f"http://127.0.0.1:{self.port}{rest}")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        self.connections += 1
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while await self._one(reader, writer):
                    pass
        except asyncio.CancelledError:
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            self._tasks.discard(task)

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.rstrip("\r\n").split("\r\n")
        method, target, _ = first.split(" ")
        length = next(
            (
                int(line.split(":")[1])
                for line in lines
                if line.lower().startswith("content-length:")
            ),
            0,
        )
        seen = Seen(method, target, tuple(lines), await reader.readexactly(length))
        self.seen.append(seen)
        self.asked.set()
        says = next(self._script, None)
        if says is None:
            await asyncio.get_running_loop().create_future()
            raise AssertionError
        data = says if isinstance(says, bytes) else says(seen)
        writer.write(data)
        await writer.drain()
        return bool(data) and not self._close_after


@contextmanager
def serving(*script: Says, always: Says | None = None) -> Iterator[ScriptedServer]:
    """Run a server in a thread of its own: the command has an event loop of its own."""
    server = ScriptedServer(*script, always=always)
    started, stop = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def main() -> None:
        async with server:
            started.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(main(),))
    thread.start()
    try:
        assert started.wait(10)
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
