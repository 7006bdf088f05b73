"""The listener that SM-DP+s call, as an ASGI application: two functions, 204 and no body."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from simgrant.errors import EcsError
from simgrant.identities import Iccid
from simgrant.links.asgi import (
    Disconnected,
    Message,
    Receive,
    Scope,
    Send,
    TooLong,
    header,
    read_body,
)
from simgrant.links.certified import CERTIFICATE
from simgrant.links.client_certificates import Callers
from simgrant.nouns import named_noun
from simgrant.ports.clock import Clock
from simgrant.ports.profile_events import ProfileEvents
from simgrant.telemetry.log import say_fault
from simgrant.wire.es2plus import (
    ADMIN_PROTOCOL,
    CONTENT_TYPE,
    MAX_BODY,
    BadMessage,
    Function,
    Progress,
    is_admin_protocol,
    pull_request,
)

_FUNCTIONS: Final = {
    each.path: each for each in (Function.HANDLE_PROGRESS, Function.HANDLE_NOTIFICATION)
}
_FALLBACK_VERSION: Final = "gsma/rsp/v2.5.0"
_RETRY_AFTER_S: Final = 5


@named_noun
class Limits:
    """How much is taken on."""

    in_flight: int = 64
    """Calls under way at a time; more get 503."""
    timeout_s: float = 10.0
    """Seconds from the head of a call to its answer."""
    most_bytes: int = MAX_BODY


@named_noun
class Call:
    """What is recorded of each call; its ICCID is masked wherever it is shown."""

    smdp: str
    """Empty where the certificate is nobody's."""
    function: str
    call_id: str
    iccid: Iccid | None
    point: int | None
    status: str
    """functionExecutionStatus of the step."""
    answer: int
    """The HTTP status."""
    reason: str
    """Why it was not 204."""
    seconds: float


class _Refused(Exception):
    def __init__(self, answer: int, reason: str) -> None:
        super().__init__(reason)
        self.answer = answer
        self.reason = reason


class Es2plusFront:
    """Takes in what SM-DP+s tell."""

    def __init__(
        self,
        events: ProfileEvents,
        callers: Callers,
        *,
        clock: Clock,
        record: Callable[[Call], None],
        limits: Limits | None = None,
    ) -> None:
        """``record`` is called once for each call, after it was answered."""
        self._events = events
        self._callers = callers
        self._clock = clock
        self._record = record
        self._limits = limits or Limits()
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call."""
        began = self._clock.monotonic()
        name, told, call_id = "", None, ""
        answer, reason = 204, ""
        self._under_way += 1
        try:
            async with asyncio.timeout(self._limits.timeout_s):
                name = self._caller(scope)
                function = self._function(scope)
                body = await self._body(scope, receive)
                try:
                    header, request = pull_request(function, body)
                except BadMessage as bad:
                    raise _Refused(400, f"malformed: {bad}") from None
                assert isinstance(request, Progress)  # noqa: S101 - of these functions it is
                told, call_id = request, header.call_id
                at = int(self._clock.now()) if told.at is None else told.at
                await self._events.progress(
                    name,
                    told.iccid,
                    point=told.point,
                    status=told.status,
                    at=at,
                    eid=told.eid,
                )
        except _Refused as refused:
            answer, reason = refused.answer, refused.reason
        except EcsError as error:
            answer, reason = 503, error.reason
        except TimeoutError:
            answer, reason = 503, "timeout"
        except Exception as error:
            answer, reason = 500, "internal_error"
            say_fault(error)
        finally:
            self._under_way -= 1
        await send(_start(scope, answer))
        await send({"type": "http.response.body", "body": b""})
        self._record(
            Call(
                smdp=name,
                function=scope["path"].rpartition("/")[2] if scope["path"] in _FUNCTIONS else "",
                call_id=call_id,
                iccid=told.iccid if told else None,
                point=told.point if told else None,
                status=told.status.outcome.value if told else "",
                answer=answer,
                reason=reason,
                seconds=self._clock.monotonic() - began,
            )
        )

    def _caller(self, scope: Scope) -> str:
        """Return whose certificate it is; nobody else is told anything."""
        name = self._callers.of(scope["state"].get(CERTIFICATE, b""))
        if name is None:
            raise _Refused(403, "unknown_certificate")
        return name

    def _function(self, scope: Scope) -> Function:
        """Return what is called, if it may be."""
        function = _FUNCTIONS.get(scope["path"])
        if function is None:
            raise _Refused(404, "no_such_function")
        if scope["method"] != "POST":
            raise _Refused(405, "method")
        if self._under_way > self._limits.in_flight:
            raise _Refused(503, "in_flight")
        kind = header(scope, b"content-type").partition(";")[0].strip().lower()
        if kind not in ("", CONTENT_TYPE):
            raise _Refused(415, "content_type")
        return function

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        try:
            return await read_body(scope, receive, most=self._limits.most_bytes)
        except TooLong:
            raise _Refused(413, "too_large") from None
        except Disconnected:
            raise _Refused(400, "disconnected") from None


def _start(scope: Scope, status: int) -> Message:
    version = header(scope, ADMIN_PROTOCOL.encode())
    if not is_admin_protocol(version):
        version = _FALLBACK_VERSION
    headers = [(ADMIN_PROTOCOL.encode(), version.encode("latin-1"))]
    if status != 204:
        headers.append((b"content-length", b"0"))
    if status == 503:
        headers.append((b"retry-after", b"%d" % _RETRY_AFTER_S))
    if status in (400, 413):
        # What is left of the body is not read.
        headers.append((b"connection", b"close"))
    return {"type": "http.response.start", "status": status, "headers": headers}
