"""The device endpoint: any path, GET and POST (TS.43 §2).

No router and no framework: there is one resource, and every microsecond between
the socket and the answer is paid by every phone.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import zlib
from collections.abc import Mapping
from functools import lru_cache

from simgrant.domain.trail import Trail
from simgrant.errors import EcsError, Overloaded, PeerTimeout
from simgrant.flows.entitle import Call, Challenge, CodeSent, Entitle, Granted, Redirect
from simgrant.flows.journal import Journal
from simgrant.flows.sessions import COOKIE
from simgrant.flows.signing import Signer
from simgrant.fronts.device.answers import status_of
from simgrant.fronts.device.deadlines import Deadlines
from simgrant.fronts.device.dialect import Dialect
from simgrant.fronts.device.message import Reply, Request, Send
from simgrant.fronts.device.source import Proxies
from simgrant.nouns import noun
from simgrant.ports.clock import Clock
from simgrant.telemetry.log import say_fault
from simgrant.telemetry.metrics import Metrics
from simgrant.wire import content_types, relay
from simgrant.wire.cookies import cookie_values, set_cookie
from simgrant.wire.negotiate import accepts_gzip, document_format
from simgrant.wire.request import Parameters, RelayPacket, ask, pull_body, pull_query
from simgrant.wire.signature import Signed

_COOKIE_START = COOKIE.encode() + b"="
LAST_LEG_SHARE = 1.5
"""How much more than new requests may be in flight before a challenged one is refused."""
_TEXT = b"content-type: text/plain; charset=utf-8\r\n"
_RELAY = f"content-type: {content_types.EAP_RELAY}\r\n".encode()
_GZIP = b"content-encoding: gzip\r\n"
_GZIP_WINDOW = 16 + 12
"""16 says gzip; 4 KiB to look back in, more than nearly all documents have."""
_GZIP_MEMORY = 4
_ENDING = b"content-length: %d\r\nx-request-id: %b\r\ncache-control: no-store\r\n"


@noun
class Limits:
    """How much work is taken on at a time, and for how long."""

    max_in_flight: int
    request_timeout_s: float
    retry_after_s: int
    gzip_from: int


class DeviceFront:
    """Answers the requests of the device listener."""

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
        signer: Signer | None = None,
        dialects: Mapping[bytes, Dialect] | None = None,
    ) -> None:
        """Take the flow and what surrounds it; ``dialects`` have paths of their own."""
        self._entitle = entitle
        self._journal = journal
        self._clock = clock
        self._proxies = proxies
        self._limits = limits
        self._secure_cookie = secure_cookie
        self._signer = signer
        self._dialects = dialects or {}
        self._deadlines = Deadlines(limits.request_timeout_s, clock.monotonic)
        self._name = secrets.token_hex(4)
        """Tells the requests of this process from those of any other."""
        self._number = 0
        metrics.watch_in_flight(lambda: len(self._deadlines))

    async def __call__(self, request: Request, send: Send) -> None:
        """Answer one request, whatever it is, and leave one record of it."""
        started = self._clock.monotonic()
        self._number += 1
        trail = Trail(request_id=f"{self._name}{self._number:08x}", leg="none")
        task = asyncio.current_task()
        deadline = self._deadlines.enter(task, started) if task else started
        try:
            if request.fault is not None:
                raise request.fault
            self._admit(request)
            reply = await self._handle(request, trail, deadline)
        except EcsError as error:
            reply = self._refusal(error, trail)
        except asyncio.CancelledError:
            if task is None:
                raise
            if self._deadlines.was_late(task):
                reply = self._refusal(PeerTimeout("request_timeout"), trail)
            else:
                # The end of the server did not wait any longer: a phone comes back for this.
                task.uncancel()
                reply = self._refusal(Overloaded("stopping"), trail)
        except Exception as error:
            trail.outcome = "internal_error"
            say_fault(error, request_id=trail.request_id)
            reply = _plain(500, "internal error")
        finally:
            if task:
                self._deadlines.leave(task)
        trail.status = reply.status
        ending = _ENDING % (len(reply.body), trail.request_id.encode())
        try:
            send(reply, ending)
        finally:
            self._journal.finish(trail, self._clock.monotonic() - started)

    def _admit(self, request: Request) -> None:
        """Refuse new work before old: whoever was challenged already is let in last of all."""
        most, now = self._limits.max_in_flight, len(self._deadlines)
        if now > most:
            challenged = any(_COOKIE_START in line for line in request.cookies)
            if not challenged or now > most * LAST_LEG_SHARE:
                raise Overloaded("in_flight")

    async def _handle(self, request: Request, trail: Trail, deadline: float) -> Reply:
        trail.user_agent = request.user_agent[:160]
        source = self._proxies.source(
            request.peer, forwarded=request.forwarded, x_forwarded_for=request.x_forwarded_for
        )
        # By place: names would cost more than all the rest of it.
        call = Call(
            request.host,
            source,
            request.accept,
            request.accept_language,
            request.user_agent,
            deadline,
            request.cookies,
        )
        if self._dialects and (dialect := self._dialects.get(request.path)) is not None:
            return await dialect(request, call, trail)
        pulled: Parameters | RelayPacket
        result: Challenge | CodeSent | Granted | Redirect
        if request.method == b"GET" or (request.method == b"POST" and not request.body):
            pulled = pull_query(request.query)
        elif request.method == b"POST":
            pulled = pull_body(request.body)
        else:
            trail.outcome = "method"
            return _plain(405, "method not allowed", b"allow: GET, POST\r\n")
        if isinstance(pulled, RelayPacket):
            trail.leg = "answer"
            cookies = cookie_values(request.cookies, COOKIE)
            result = await self._entitle.answer(pulled.packet, cookies, call, trail)
        else:
            result = await self._entitle.ask(ask(pulled), call, trail)
        return self._render(result, request, trail)

    def _render(
        self, result: Challenge | CodeSent | Granted | Redirect, request: Request, trail: Trail
    ) -> Reply:
        if isinstance(result, Challenge):
            trail.outcome = "challenge"
            lines = _RELAY + self._cookie(result.cookie)
            return Reply(200, lines, relay.push_relay(result.packet))
        if not isinstance(result, Granted):
            # Android reads no answer that does not say it is a document, not even one without.
            lines = _content_type(document_format(request.accept))
            if isinstance(result, CodeSent):
                trail.outcome = "code_sent"
                return Reply(200, lines + self._cookie(result.cookie), b"")
            trail.outcome = "redirect"
            return Reply(302, lines + b"location: %b\r\n" % result.url.encode("ascii"), b"")
        trail.outcome = "document"
        lines, body = _content_type(result.content_type), result.body
        least = self._limits.gzip_from if result.gzip else 0
        if least and len(body) >= least and accepts_gzip(request.accept_encoding):
            body = _zipped(body)
            lines += _GZIP
        if self._signer is not None:
            encoding = "" if body is result.body else "gzip"
            lines += self._signer.lines(
                result.tenant,
                Signed(200, result.content_type, encoding, body, request.method, request.query),
            )
        return Reply(200, lines, body)

    def _cookie(self, value: str) -> bytes:
        line = set_cookie(COOKIE, value, secure=self._secure_cookie)
        return b"set-cookie: %b\r\n" % line

    def _refusal(self, error: EcsError, trail: Trail) -> Reply:
        trail.outcome, trail.detail = error.reason, error.for_operator
        status = status_of(error)
        if status == 503:
            line = b"retry-after: %d\r\n" % self._retry_after(error)
            return _plain(503, error.for_device, line)
        return _plain(status, error.for_device)

    def _retry_after(self, error: EcsError) -> int:
        """Return seconds, spread so that phones do not come back together."""
        spread = random.random()  # noqa: S311 - jitter
        if error.retry_after is not None:
            return error.retry_after + round((1 + error.retry_after / 4) * spread)
        return max(1, round(self._limits.retry_after_s * (0.5 + spread)))


def _zipped(body: bytes) -> bytes:
    """Return it as gzip, which takes half the time without the memory that big files want."""
    packer = zlib.compressobj(1, zlib.DEFLATED, _GZIP_WINDOW, _GZIP_MEMORY)
    return packer.compress(body) + packer.flush()


@lru_cache(maxsize=64)
def _content_type(kind: str) -> bytes:
    """Return the header line; there are as many kinds as profiles of clients name."""
    return f"content-type: {kind}\r\n".encode()


def _plain(status: int, text: str, lines: bytes = b"") -> Reply:
    return Reply(status, (_TEXT if text else b"") + lines, text.encode())
