"""The device endpoint as an ASGI application: any path, GET and POST (TS.43 §2).

No router and no framework: there is one resource, and every microsecond between
the socket and the answer is paid by every phone.
"""

from __future__ import annotations

import asyncio
import gzip
import random
import secrets
import traceback
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

import structlog

from simgrant.domain.trail import Trail
from simgrant.errors import BadRequest, EcsError, Overloaded, PeerTimeout, TooLarge
from simgrant.flows.entitle import Call, Challenge, Entitle, Granted
from simgrant.flows.journal import Journal
from simgrant.fronts.device.answers import status_of
from simgrant.fronts.device.deadlines import Deadlines
from simgrant.fronts.device.source import Proxies
from simgrant.nouns import noun
from simgrant.ports.clock import Clock
from simgrant.telemetry.metrics import Metrics
from simgrant.wire import content_types, json, relay, xml
from simgrant.wire.cookies import cookie_values, set_cookie
from simgrant.wire.negotiate import Format, accepts_gzip
from simgrant.wire.request import Parameters, RelayPacket, ask, pull_body, pull_query

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]

COOKIE = "ECSSID"
_COOKIE_START = COOKIE.encode() + b"="
_LAST_LEG_SHARE = 1.5
_MOST_DIGITS = 12
_TEXT = (b"content-type", b"text/plain; charset=utf-8")
_XML = content_types.XML.encode()
_JSON = content_types.JSON.encode()
_RELAY = content_types.EAP_RELAY.encode()
_NO_STORE = (b"cache-control", b"no-store")


@noun
class Limits:
    """How much work is taken on at a time, and for how long."""

    max_in_flight: int
    max_body: int
    request_timeout_s: float
    retry_after_s: int
    gzip_from: int


@noun
class Reply:
    """Status, headers and body, ready to be sent."""

    status: int
    headers: tuple[Header, ...]
    body: bytes


@dataclass(slots=True)
class _Heads:
    """The headers that matter, as text."""

    host: str = ""
    accept: str = ""
    accept_encoding: str = ""
    accept_language: str = ""
    user_agent: str = ""
    forwarded: str = ""
    x_forwarded_for: str = ""
    content_length: str = ""
    cookies: tuple[bytes, ...] = ()


_NAMES = {
    b"host": "host",
    b"accept": "accept",
    b"accept-encoding": "accept_encoding",
    b"accept-language": "accept_language",
    b"user-agent": "user_agent",
    b"content-length": "content_length",
}
_CHAINED = {b"forwarded": "forwarded", b"x-forwarded-for": "x_forwarded_for"}


class DeviceFront:
    """The ASGI application of the device listener."""

    def __init__(
        self,
        entitle: Entitle,
        *,
        journal: Journal,
        metrics: Metrics,
        clock: Clock,
        proxies: Proxies,
        limits: Limits,
        secure_cookie: bool,
    ) -> None:
        self._entitle = entitle
        self._journal = journal
        self._clock = clock
        self._proxies = proxies
        self._limits = limits
        self._secure_cookie = secure_cookie
        self._deadlines = Deadlines(limits.request_timeout_s, clock.monotonic)
        self._name = secrets.token_hex(4)
        """Tells the requests of this process from those of any other."""
        self._number = 0
        metrics.watch_in_flight(lambda: len(self._deadlines))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever it is, and leave one record of it."""
        started = self._clock.monotonic()
        self._number += 1
        trail = Trail(request_id=f"{self._name}{self._number:08x}", leg="none")
        task = asyncio.current_task()
        deadline = self._deadlines.enter(task, started) if task else started
        try:
            reply = await self._reply(scope, receive, trail, deadline)
        except asyncio.CancelledError:
            if task is None:
                raise
            if self._deadlines.was_late(task):
                reply = self._refusal(PeerTimeout("request_timeout"), trail)
            else:
                # The end of the server did not wait any longer: a phone comes back for this.
                task.uncancel()
                reply = self._refusal(Overloaded("stopping"), trail)
        finally:
            if task:
                self._deadlines.leave(task)
        trail.status = reply.status
        try:
            await send(
                {
                    "type": "http.response.start",
                    "status": reply.status,
                    "headers": (
                        *reply.headers,
                        (b"content-length", b"%d" % len(reply.body)),
                        (b"x-request-id", trail.request_id.encode()),
                        _NO_STORE,
                    ),
                }
            )
            await send({"type": "http.response.body", "body": reply.body})
        finally:
            self._journal.finish(trail, self._clock.monotonic() - started)

    async def _reply(self, scope: Scope, receive: Receive, trail: Trail, deadline: float) -> Reply:
        try:
            heads = _heads(scope["headers"])
            self._admit(heads)
            return await self._handle(scope, receive, heads, trail, deadline)
        except EcsError as error:
            return self._refusal(error, trail)
        except Exception as error:
            trail.outcome = "internal_error"
            # Neither the message nor the locals of an unknown error: they may hold secrets.
            structlog.get_logger().error(
                "internal_error",
                request_id=trail.request_id,
                error=type(error).__name__,
                where=traceback.format_tb(error.__traceback__),
            )
            return _plain(500, "internal error")

    def _admit(self, heads: _Heads) -> None:
        """Refuse new work before old: whoever was challenged already is let in last of all."""
        most, now = self._limits.max_in_flight, len(self._deadlines)
        if now > most:
            challenged = any(_COOKIE_START in line for line in heads.cookies)
            if not challenged or now > most * _LAST_LEG_SHARE:
                raise Overloaded("in_flight")

    async def _handle(
        self, scope: Scope, receive: Receive, heads: _Heads, trail: Trail, deadline: float
    ) -> Reply:
        trail.user_agent = heads.user_agent[:160]
        call = Call(
            host=heads.host,
            source=self._source(scope, heads),
            accept=heads.accept,
            accept_language=heads.accept_language,
            user_agent=heads.user_agent,
            deadline=deadline,
        )
        method = scope["method"]
        pulled: Parameters | RelayPacket
        if method == "GET":
            pulled = pull_query(scope["query_string"])
        elif method == "POST":
            body = await self._body(receive, heads)
            pulled = pull_body(body) if body else pull_query(scope["query_string"])
        else:
            trail.outcome = "method"
            return _plain(405, "method not allowed", (b"allow", b"GET, POST"))
        if isinstance(pulled, RelayPacket):
            trail.leg = "answer"
            cookies = cookie_values(heads.cookies, COOKIE)
            result = await self._entitle.answer(pulled.packet, cookies, call, trail)
        else:
            result = await self._entitle.ask(ask(pulled), call, trail)
        return self._render(result, heads, trail)

    def _source(self, scope: Scope, heads: _Heads) -> str:
        client = scope["client"]
        peer = client[0] if client else "local"
        if not self._proxies:
            return peer
        return self._proxies.source(
            peer, forwarded=heads.forwarded, x_forwarded_for=heads.x_forwarded_for
        )

    async def _body(self, receive: Receive, heads: _Heads) -> bytes:
        """Return the body; raise TooLarge as soon as it is known to be, not after reading it."""
        most = self._limits.max_body
        announced = heads.content_length
        if announced:
            if not (announced.isascii() and announced.isdigit()):
                raise BadRequest("content_length")
            if len(announced) > _MOST_DIGITS or int(announced) > most:
                raise TooLarge
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise BadRequest("disconnected")
            part = message["body"]
            size += len(part)
            if size > most:
                raise TooLarge
            if not message["more_body"]:
                return part if not parts else b"".join((*parts, part))
            parts.append(part)

    def _render(self, result: Challenge | Granted, heads: _Heads, trail: Trail) -> Reply:
        if isinstance(result, Challenge):
            trail.outcome = "challenge"
            headers: tuple[Header, ...] = ((b"content-type", _RELAY),)
            if result.cookie:
                line = set_cookie(COOKIE, result.cookie, secure=self._secure_cookie)
                headers += ((b"set-cookie", line),)
            return Reply(200, headers, relay.push_relay(result.packet))
        trail.outcome = "document"
        if result.format is Format.XML:
            kind, body = _XML, xml.push_document(result.document)
        else:
            kind, body = _JSON, json.push_document(result.document)
        headers = ((b"content-type", kind),)
        most = self._limits.gzip_from
        if most and len(body) >= most and accepts_gzip(heads.accept_encoding):
            body = gzip.compress(body, compresslevel=1, mtime=0)
            headers += ((b"content-encoding", b"gzip"),)
        return Reply(200, headers, body)

    def _refusal(self, error: EcsError, trail: Trail) -> Reply:
        trail.outcome, trail.detail = error.reason, error.for_operator
        status = status_of(error)
        if status == 503:
            return _plain(503, error.for_device, (b"retry-after", self._retry_after(error)))
        if status == 413:
            return _plain(413, error.for_device, (b"connection", b"close"))
        return _plain(status, error.for_device)

    def _retry_after(self, error: EcsError) -> bytes:
        """Return seconds, spread so that phones do not come back together."""
        spread = random.random()  # noqa: S311 - jitter
        if error.retry_after is not None:
            return b"%d" % (error.retry_after + round((1 + error.retry_after / 4) * spread))
        return b"%d" % max(1, round(self._limits.retry_after_s * (0.5 + spread)))


def _heads(pairs: Iterable[Header]) -> _Heads:
    heads = _Heads()
    cookies: list[bytes] = []
    for name, value in pairs:
        field = _NAMES.get(name)
        if field is not None:
            setattr(heads, field, value.decode("latin-1"))
        elif name == b"cookie":
            cookies.append(value)
        elif name in _CHAINED:
            field = _CHAINED[name]
            before = getattr(heads, field)
            text = value.decode("latin-1")
            setattr(heads, field, f"{before},{text}" if before else text)
    if cookies:
        heads.cookies = tuple(cookies)
    return heads


def _plain(status: int, text: str, *headers: Header) -> Reply:
    body = text.encode()
    return Reply(status, (*((_TEXT,) if body else ()), *headers), body)
