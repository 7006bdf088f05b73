"""One connection of the device listener: bytes to requests, replies to bytes.

uvicorn listens, counts connections and ends them in order; httptools parses. What is ours is
the road between: one object a request, one write a reply, no timer of its own, and the
bounds on what a client may do before there is a request. A head that is too long or comes too
slowly ends the connection; behind a load balancer the PROXY v2 header is taken from trusted
peers. ADR 0013 says why this is no ASGI application.
"""

from __future__ import annotations

import asyncio
import math
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from hashlib import sha256
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.server import ServerState

from simgrant.errors import (
    BadRequest,
    EcsError,
    HeadTooLarge,
    Overloaded,
    PeerTimeout,
    TooLarge,
)
from simgrant.fronts.device.message import FIELDS, PartnerRequest, Reply, Request, Send
from simgrant.fronts.device.source import BadProxyHeader, Proxies, pull_proxy_header
from simgrant.nouns import noun

_PHRASES = {status.value: status.phrase for status in HTTPStatus}
# TS.43 §2.5 asks for a phrase of its own.
_PHRASES[406] = "protocol not supported"
_STATUS = {code: f"HTTP/1.1 {code} {phrase}\r\n".encode() for code, phrase in _PHRASES.items()}
_CLOSE = b"connection: close\r\n"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

Answer = Callable[[Request, Send], Awaitable[None]]
"""Answers one request through the function that it is given."""
Requests = Callable[[asyncio.Transport], Callable[[str], Request]]
"""Says of a connection what makes a request of it, given the other end's address."""


def devices(_: asyncio.Transport) -> Callable[[str], Request]:
    """Return what makes the requests of a device's connection."""
    return Request


def partners(transport: asyncio.Transport) -> Callable[[str], Request]:
    """Return what makes the requests of a partner's connection, each with its certificate."""
    tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    shown = tls.getpeercert(binary_form=True) if tls is not None else None
    if not shown:
        return PartnerRequest
    return partial(PartnerRequest, certificate=sha256(shown).digest())


@noun
class Bounds:
    """What one connection may do."""

    max_head: int
    max_body: int
    max_coming: int
    """Requests whose head was taken in, and whose body is still to come, on all connections."""
    head_timeout_s: float
    body_timeout_s: float
    keep_alive_s: float
    proxies: Proxies
    proxy_protocol: bool


class Listener:
    """What the connections of one listener share."""

    _LOOK_S = 1.0

    def __init__(
        self, answer: Answer, bounds: Bounds, state: ServerState, requests: Requests = devices
    ) -> None:
        self.answer = answer
        self.bounds = bounds
        self.requests = requests
        self.state: Any = state
        self.loop = asyncio.get_running_loop()
        self.coming: set[Connection] = set()
        """Those that wait for a body."""
        shortest = min(bounds.head_timeout_s, bounds.body_timeout_s, bounds.keep_alive_s)
        self._every = min(self._LOOK_S, shortest / 4)
        self._timer: asyncio.TimerHandle | None = None
        self._headers: object = None
        self._lines = b""

    def watch(self) -> None:
        """End connections that are past their time, as long as there are any.

        One look at all of them now and then: a timer for each head and for each pause would
        cost as much as opening a token.
        """
        if self._timer is None:
            self._timer = self.loop.call_later(self._every, self._look)

    def lines(self) -> bytes:
        """Return the header lines of every reply, which uvicorn makes anew each second."""
        headers = self.state.default_headers
        if headers is not self._headers:
            self._headers = headers
            self._lines = b"".join(b"%b: %b\r\n" % pair for pair in headers)
        return self._lines

    def _look(self) -> None:
        self._timer = None
        now = self.loop.time()
        for connection in tuple(self.state.connections):
            if now >= connection.until:
                connection.expire()
        if self.state.connections:
            self.watch()


def protocol_class(
    answer: Answer, bounds: Bounds, requests: Requests = devices
) -> type[asyncio.Protocol]:
    """Return the protocol that uvicorn makes one of for each connection.

    ``requests`` says once for a connection what its requests are made by.
    """
    listeners: dict[ServerState, Listener] = {}

    class DeviceProtocol(Connection):
        def __init__(self, server_state: ServerState, **_: Any) -> None:
            listener = listeners.get(server_state)
            if listener is None:
                listener = listeners[server_state] = Listener(
                    answer, bounds, server_state, requests
                )
            super().__init__(listener)

    return DeviceProtocol


class Connection(asyncio.Protocol):
    """A client's connection; its requests are answered one after the other.

    The callbacks `on_…` are httptools'. A request is `_coming` until its body is whole; then it
    is handed on, and what follows waits, unread if there is more of it.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._bounds = listener.bounds
        self._loop = listener.loop
        self._parser = httptools.HttpRequestParser(self)
        # What follows a request that ends the connection is no error, and is not looked at.
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._peer = "local"
        self._coming: Request | None = None
        self._in_head = True
        self._head_bytes = 0
        """Of a head that is not whole yet, and of what came in one piece with its end."""
        self._last_piece = b""
        self._body = bytearray()
        self._serving: Request | None = None
        self._task: asyncio.Task[None] | None = None
        self._waiting: deque[Request] = deque()
        self._ending = False
        """Whether nothing that comes from now on is read."""
        self._proxy_header: bytes | None = None
        self._writable: asyncio.Event | None = None
        """Set once the client has taken what was sent; None while it keeps up."""
        self.until = math.inf
        """When the client has to have done something (seconds of the event loop's clock)."""

    # --- the transport's calls ---------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        self._transport = transport
        self._listener.state.connections.add(self)
        self._request = self._listener.requests(transport)
        peer = transport.get_extra_info("peername")
        if peer:
            self._peer = peer[0]
        self.until = self._loop.time() + self._bounds.head_timeout_s
        self._listener.watch()
        if self._bounds.proxy_protocol:
            if peer and self._bounds.proxies.trusts(self._peer):
                self._proxy_header = b""
            else:
                transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """End; a request that was under way leaves its record all the same."""
        del exc
        self._listener.state.connections.discard(self)
        self._listener.coming.discard(self)
        self._waiting.clear()
        if self._writable is not None:
            self._writable.set()
        if self._coming is not None and not self._in_head:
            self._fail(BadRequest("disconnected"))
        self._ending = True
        # It knows our methods: without this, only the collector would end them both.
        del self._parser

    def data_received(self, data: bytes) -> None:
        """Take bytes in."""
        if self._ending:
            return
        if self._proxy_header is not None:
            data = self._take_proxy_header(data)
            if not data:
                return
        if self._in_head:
            self._head_bytes += len(data)
            self._last_piece = data
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # What would follow is of another protocol, and we speak none.
            self._ending = True
            if self._task is None:
                self._transport.close()
        except httptools.HttpParserError:
            self._fail(BadRequest("no_http"))
        if self._in_head and self._head_bytes and not self._ending:
            if self._head_bytes > self._bounds.max_head:
                self._fail(HeadTooLarge())
            elif self._head_bytes == len(data) and self._task is None:
                self._be_patient()

    def pause_writing(self) -> None:
        """Answer nothing more until the client has taken what there is."""
        self._writable = asyncio.Event()

    def resume_writing(self) -> None:
        """Go on."""
        if self._writable is not None:
            self._writable.set()
            self._writable = None

    # --- httptools' calls ----------------------------------------------------------

    def on_url(self, url: bytes) -> None:
        """Begin a request, or take more of a long target."""
        if self._coming is None:
            self._coming = self._request(self._peer)
        self._coming.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header line."""
        request = self._coming
        if request is None or not self._in_head:
            return  # a trailer, behind the body: no proxy has looked at it
        at = FIELDS.get(name)
        if at is not None:
            setattr(request, at, value.decode("latin-1"))
        else:
            request.put(name, value)

    def on_headers_complete(self) -> None:
        """Look at the whole head."""
        request, parser = self._coming, self._parser
        if request is None or self._ending:
            return
        if self._head_bytes > self._bounds.max_head and self._head_is_too_long():
            self._fail(HeadTooLarge())
            return
        self._in_head = False
        self._head_bytes = 0
        request.method = parser.get_method()
        request.keep_alive = parser.should_keep_alive() and parser.get_http_version() == "1.1"
        if request.content_length and int(request.content_length) > self._bounds.max_body:
            self._fail(TooLarge())
            return
        if request.method != b"GET":
            if len(self._listener.coming) >= self._bounds.max_coming:
                self._fail(Overloaded("in_flight"))
                return
            self._listener.coming.add(self)
            self._be_patient()
        if request.expect.lower() == "100-continue":
            self._transport.write(_CONTINUE)

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        if self._coming is None or self._ending:
            return
        self._body += body
        if len(self._body) > self._bounds.max_body:
            self._fail(TooLarge())

    def on_message_complete(self) -> None:
        """Hand the request on."""
        request, self._coming = self._coming, None
        self._in_head = True
        self._listener.coming.discard(self)
        if request is None or self._ending:
            return
        if self._body:
            request.body = bytes(self._body)
            self._body.clear()
        if not request.keep_alive:
            self._ending = True
        self._hand_on(request)

    # --- answering -----------------------------------------------------------------

    def _hand_on(self, request: Request) -> None:
        if self._task is not None:
            if not self._waiting:
                self._transport.pause_reading()
            self._waiting.append(request)
            return
        self.until = math.inf
        self._task = self._loop.create_task(self._serve(request))
        self._listener.state.tasks.add(self._task)

    async def _serve(self, request: Request) -> None:
        """Answer a request and those that came behind it."""
        try:
            while True:
                self._serving = request
                await self._listener.answer(request, self._send)
                if self._writable is not None:
                    self.until = self._loop.time() + self._bounds.keep_alive_s
                    await self._writable.wait()
                    self.until = math.inf
                if not self._waiting:
                    break
                request = self._waiting.popleft()
                if not self._waiting and not self._ending:
                    self._transport.resume_reading()
        except BaseException:
            self._transport.abort()
            raise
        finally:
            self._listener.state.tasks.discard(self._task)
            self._task = self._serving = None
        if self._ending:
            self._transport.close()
        else:
            self._be_patient()

    def _be_patient(self) -> None:
        """Give the client its time for what it has to do next."""
        bounds = self._bounds
        if not self._in_head:
            patience = bounds.body_timeout_s
        else:
            patience = bounds.head_timeout_s if self._head_bytes else bounds.keep_alive_s
        self.until = self._loop.time() + patience

    def _send(self, reply: Reply, lines: bytes) -> None:
        request = self._serving
        if request is None or self._transport.is_closing():
            return
        self._transport.write(
            b"".join(
                (
                    _STATUS[reply.status],
                    self._listener.lines(),
                    reply.lines,
                    lines,
                    _CLOSE if self._ending and not self._waiting else b"",
                    b"\r\n",
                    b"" if request.method == b"HEAD" else reply.body,
                )
            )
        )

    # --- what ends a connection before its time ----------------------------------------

    def shutdown(self) -> None:
        """End once the request under way is answered (uvicorn asks for it)."""
        if self._coming is not None and not self._in_head:
            # Its head was taken in, so it may finish its body.
            self._coming.keep_alive = False
            return
        self._ending = True
        if self._task is None:
            self._transport.close()

    def expire(self) -> None:
        """End, since the client took too long; who sends a body slowly is told so."""
        if self._coming is not None and not self._in_head:
            self._fail(PeerTimeout("request_timeout"))
        elif self._writable is not None:
            self._transport.abort()
        else:
            self.until = math.inf
            self._transport.close()

    def _fail(self, fault: EcsError) -> None:
        """Hand on a request that never became whole; it is the last one."""
        if self._ending:
            return
        request, self._coming = self._coming or self._request(self._peer), None
        request.fault = fault
        self._ending = True
        self._listener.coming.discard(self)
        self._hand_on(request)

    def _head_is_too_long(self) -> bool:
        """Say whether it is, though it may have come in one piece with its body."""
        before = self._head_bytes - len(self._last_piece)
        return before + self._last_piece.find(b"\r\n\r\n") > self._bounds.max_head

    def _take_proxy_header(self, data: bytes) -> bytes:
        """Return what follows the header; nothing while it is not complete."""
        self._proxy_header = (self._proxy_header or b"") + data
        try:
            found = pull_proxy_header(self._proxy_header)
        except BadProxyHeader:
            self._transport.abort()
            return b""
        if found is None:
            return b""
        source, used = found
        rest, self._proxy_header = self._proxy_header[used:], None
        if source is not None:
            self._peer = source[0]
        return rest
