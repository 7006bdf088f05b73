"""HTTP/1.1 in the clear, spoken in the event loop (ADR 0061).

For peers in one's own network that are asked while a device waits. What this writes and reads is
the plain case; of all else `ClearHttp.written` says that it is another's to send. An answer is the
one to the request that was sent on its connection last: a connection is used again only where the
answer before ended where it said it would, nothing came behind it, and nothing came since.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping
from dataclasses import field
from functools import lru_cache
from typing import Final, TypeAlias

import httptools

from simgrant.nouns import noun

Host: TypeAlias = tuple[str, int]
"""A name or an address, and a port."""

_URL: Final = re.compile(
    r"http://([A-Za-z0-9.-]+)(?::([0-9]{1,5}))?(/[A-Za-z0-9._~:/?@!$&'()*+,;=%-]*)", re.ASCII
)
_NAME: Final = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_BODILESS: Final = frozenset({"GET", "DELETE"})
_OURS: Final = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
    }
)
"""Headers that nobody else writes, those among them by which a message is told from the next."""
_PORT: Final = 80
_MOST_HEAD: Final = 64 * 1024
"""Bytes of an answer before its body, and of what frames its parts."""
_FRAMING: Final = 8
"""How many times its body an answer in small parts may be, with what frames them."""
_MOST_INTERIM: Final = 8
"""Answers of 1xx before the answer."""
_EMPTY: Final = frozenset({204, 304})


class NoAnswer(Exception):
    """None came, or nothing that is one. The text says why and holds no address."""

    def __init__(self, why: str, *, never_sent: bool = False) -> None:
        super().__init__(why)
        self.never_sent: Final = never_sent
        """No connection was made."""


class TooLong(Exception):
    """The answer is longer than it may be."""


@noun
class Heard:
    """An answer."""

    status: int
    version: str
    headers: Mapping[str, str] = field(repr=False)
    """By their names in small letters; of several of a name the first."""
    body: bytes = field(repr=False)


class ClearHttp:
    """Kept connections to the hosts of one peer. To be made and used within one event loop."""

    def __init__(
        self,
        *,
        hosts: Mapping[str, Host],
        connect_timeout_s: float,
        idle_s: float,
        most_bytes: int,
    ) -> None:
        """``hosts`` says where to connect for a name; port 0 is the one of the address."""
        self._hosts = hosts
        self._connect_timeout_s = connect_timeout_s
        self._idle_s = idle_s
        self._most_bytes = most_bytes
        self._free: dict[Host, list[tuple[float, _Connection]]] = {}
        self._open: set[_Connection] = set()
        self._pruning: asyncio.TimerHandle | None = None

    def written(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[Host, bytes] | None:
        """Return where a request goes and its bytes; None where it is no plain one.

        That is one with another scheme or method, or with what has more than one spelling.
        """
        found = _URL.fullmatch(url)
        if found is None or method not in _METHODS:
            return None
        host, port, target = found[1].lower(), int(found[2] or _PORT), found[3]
        if "/." in target or not 0 < port < 65_536:
            return None
        shown = host if port == _PORT else f"{host}:{port}"
        lines = [f"{method} {target} HTTP/1.1\r\nhost: {shown}\r\nuser-agent: simgrant\r\n"]
        for name, value in headers.items():
            small = _small(name)
            if not (small and value.isascii() and value.isprintable()):
                return None
            lines.append(f"{small}: {value}\r\n")
        if body or method not in _BODILESS:
            lines.append(f"content-length: {len(body)}\r\n")
        lines.append("\r\n")
        return (host, port), "".join(lines).encode() + body

    async def exchange(self, host: Host, request: bytes) -> Heard:
        """Return the answer to what `written` returned; NoAnswer, TooLong.

        Who is cancelled meanwhile takes his connection along, and the answer with it.
        """
        connection = self._kept(host) or await self._connected(host)
        try:
            heard = await connection.ask(request)
        except BaseException:
            connection.end()
            raise
        if connection.is_clean:
            self._keep(host, connection)
        else:
            connection.end()
        return heard

    def close(self) -> None:
        """End every connection; of requests under way there is no answer."""
        if self._pruning is not None:
            self._pruning.cancel()
        for connection in tuple(self._open):
            connection.end()

    def _kept(self, host: Host) -> _Connection | None:
        free = self._free.get(host)
        while free:
            since, connection = free.pop()
            if connection.is_clean and self._now() - since < self._idle_s:
                return connection
            connection.end()
        return None

    async def _connected(self, host: Host) -> _Connection:
        address, port = self._hosts.get(host[0], host)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                _, connection = await loop.create_connection(
                    lambda: _Connection(self._open, self._most_bytes), address, port or host[1]
                )
        except TimeoutError:
            raise NoAnswer("no connection was made in time", never_sent=True) from None
        except OSError as error:
            # Its own text names the address.
            code = error.errno or 0
            why = os.strerror(code) if code > 0 else "no connection was made"
            raise NoAnswer(why, never_sent=True) from None
        return connection

    def _keep(self, host: Host, connection: _Connection) -> None:
        self._free.setdefault(host, []).append((self._now(), connection))
        if self._pruning is None:
            self._prune_later()

    def _prune_later(self) -> None:
        self._pruning = asyncio.get_running_loop().call_later(self._idle_s, self._prune)

    def _prune(self) -> None:
        """End what was not used for long; those used last are at the end."""
        self._pruning = None
        until = self._now() - self._idle_s
        for free in self._free.values():
            while free and (free[0][0] <= until or not free[0][1].is_clean):
                free.pop(0)[1].end()
        if any(self._free.values()):
            self._prune_later()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


@lru_cache(maxsize=256)
def _small(name: str) -> str:
    """Return a header's name in small letters; empty where it is none for others to write."""
    small = name.lower()
    return small if _NAME.fullmatch(small) and small not in _OURS else ""


class _Connection(asyncio.Protocol):
    """One connection: a request, its answer, and then perhaps the next."""

    def __init__(self, connections: set[_Connection], most_bytes: int) -> None:
        self._all = connections
        self._most = most_bytes
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Heard] | None = None
        self._fault: Exception | None = None
        self.is_clean = True
        """Whether it is open, and nothing is on it that belongs to no request."""

    async def ask(self, request: bytes) -> Heard:
        """Return the answer to a request."""
        if self._transport is None or not self.is_clean:
            raise NoAnswer("the connection ended")
        self._answer = asyncio.get_running_loop().create_future()
        self._came, self._interim = 0, 0
        self._is_whole = self._has_head = False
        self._begin()
        self._parser = httptools.HttpResponseParser(self)
        self._transport.write(request)
        return await self._answer

    def end(self) -> None:
        """Cut it."""
        self.is_clean = False
        self._all.discard(self)
        if self._transport is not None:
            self._transport.abort()

    # --- what asyncio calls ------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # uvloop's is none of asyncio's classes.
        self._transport = transport  # type: ignore[assignment]
        self._all.add(self)

    def data_received(self, data: bytes) -> None:
        """Read some of an answer."""
        if self._answer is None or self._answer.done():
            # Nobody asked, or nobody waits any more.
            self.end()
            return
        self._came += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.is_clean = False
            if not self._is_whole:
                self._fails(self._fault or NoAnswer("it answers what is no HTTP/1.1"))
                return
        most = _MOST_HEAD + (_FRAMING * self._most if self._has_head else 0)
        if self._is_whole:
            self._answers()
        elif self._came > most:
            self._fails(TooLong())

    def connection_lost(self, exc: Exception | None) -> None:
        """Take what is there for the answer where only its end says how long it is."""
        self.is_clean = False
        self._all.discard(self)
        if self._answer is None or self._answer.done():
            return
        if exc is None and self._has_head and self._until_end:
            self._answers()
        else:
            self._fails(NoAnswer("the connection ended"))

    # --- what the parser calls -----------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Read nothing that comes behind an answer."""
        if self._is_whole:
            raise NoAnswer("something came behind its answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        small = name.lower().decode("latin-1")
        if small in ("content-length", "transfer-encoding"):
            self._lengths += 1
            if small == "transfer-encoding" and value.strip().lower() != b"chunked":
                self._lengths += 1
        self._headers.setdefault(small, value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        """Know how long the answer is."""
        status = self._status = self._parser.get_status_code()
        if self._lengths > 1 or status == 101:
            # It can be understood in two ways.
            self._fault = NoAnswer("how long its answer is cannot be told")
            raise self._fault
        self._has_head, self._version = status >= 200, self._parser.get_http_version()
        self._until_end = self._has_head and not self._lengths and status not in _EMPTY

    def on_body(self, body: bytes) -> None:
        """Take some of the body."""
        self._body += body
        if len(self._body) > self._most:
            self._fault = TooLong()
            raise self._fault

    def on_message_complete(self) -> None:
        """See whether that was the answer."""
        if self._has_head:
            self._is_whole = True
            self.is_clean = self._parser.should_keep_alive() and self._version == "1.1"
            return
        self._interim += 1
        if self._interim > _MOST_INTERIM:
            self._fault = TooLong()
            raise self._fault
        self._begin()

    # --- and what comes of it ------------------------------------------------------------------

    def _begin(self) -> None:
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._lengths = 0
        self._until_end = False

    def _answers(self) -> None:
        if self._answer is not None:
            self._answer.set_result(
                Heard(self._status, self._version, self._headers, bytes(self._body))
            )

    def _fails(self, error: Exception) -> None:
        self.is_clean = False
        if self._answer is not None:
            self._answer.set_exception(error)
