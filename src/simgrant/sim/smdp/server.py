"""ES2+ as an SM-DP+ answers it, over mutual TLS, with its faults and a list of who asked what."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from simgrant.identities import Iccid
from simgrant.nouns import named_noun, replace
from simgrant.sim.smdp.faults import Fault, Plan
from simgrant.sim.smdp.pool import Pool, Refusal
from simgrant.sim.web import Answer as WebAnswer
from simgrant.sim.web import Break, WebServer
from simgrant.sim.web import Request as WebRequest
from simgrant.wire.es2plus import (
    ADMIN_PROTOCOL,
    CONTENT_TYPE,
    DONE,
    Answer,
    BadMessage,
    DownloadOrder,
    Function,
    Header,
    Outcome,
    Request,
    Status,
    is_admin_protocol,
    pull_request,
    push_answer,
)

_FUNCTIONS: Final = {
    each.path: each
    for each in (
        Function.DOWNLOAD_ORDER,
        Function.CONFIRM_ORDER,
        Function.CANCEL_ORDER,
        Function.RELEASE_PROFILE,
    )
}
_KEPT: Final = 10_000
_VERSION: Final = "gsma/rsp/v2.5.0"
_HTML: Final = b"<html><title>500 Internal Server Error</title></html>"


@named_noun
class Seen:
    """A call that came."""

    function: Function
    header: Header
    request: Request
    fault: Fault | None
    result: str
    """``done``, ``repeated``, or the subject and reason of a refusal."""


class SmdpServer:
    """One SM-DP+; it listens once it is `up`."""

    def __init__(
        self,
        pool: Pool,
        tls: ssl.SSLContext | None,
        *,
        remembers: bool = True,
        padded: bool = True,
        tell: Callable[[Seen], None] = lambda _: None,
    ) -> None:
        """``remembers``: a call identifier that comes again gets the answer of the first time.

        ``padded`` says how ICCIDs are written, and ``tell`` is called with every call.
        """
        self.pool = pool
        self.plan: Plan | None = None
        self.seen: deque[Seen] = deque(maxlen=_KEPT)
        self.web = WebServer(self._answer, tls)
        self._remembers = remembers
        self._padded = padded
        self._tell = tell
        self._news = asyncio.Event()
        self._count = 0
        self._owed = 0.0
        """Of the calls so far, how many more should have been done wrong."""

    async def up(self) -> None:
        """Listen."""
        await self.web.up()

    async def down(self) -> None:
        """Be unreachable; what was under way gets no answer."""
        await self.web.down()

    def play(self, plan: Plan | None) -> None:
        """Misbehave like this from now on; None = behave."""
        self.plan, self._owed = plan, 0.0

    async def until_seen(self, count: int) -> None:
        """Return once ``count`` calls have come in all."""
        while self._count < count:
            self._news.clear()
            await self._news.wait()

    def _answer(self, asked: WebRequest) -> WebAnswer | Awaitable[WebAnswer]:
        function = _FUNCTIONS.get(asked.target)
        if function is None:
            return WebAnswer(404)
        if asked.method != "POST":
            return WebAnswer(405)
        kind = asked.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != CONTENT_TYPE:
            return WebAnswer(415)
        if not is_admin_protocol(asked.headers.get(ADMIN_PROTOCOL, "")):
            return WebAnswer(400)
        try:
            header, request = pull_request(function, asked.body)
        except BadMessage:
            # As a peer is known to do that was made from the same specification.
            return WebAnswer(500, (("content-type", "text/html"),), _HTML)
        plan = self._next(function)
        answer, result = self._executed(function, header, request, plan)
        seen = Seen(
            function=function,
            header=header,
            request=request,
            fault=plan.fault if plan else None,
            result=result,
        )
        self.seen.append(seen)
        self._count += 1
        self._news.set()
        self._tell(seen)
        return self._sent(answer, plan)

    def _next(self, function: Function) -> Plan | None:
        """Return what to do wrong with a call of this function."""
        plan = self.plan
        if plan is None or plan.function not in (None, function) or not plan.times:
            return None
        self._owed += plan.share
        # What is left of a share that has no end in binary must not cost a turn.
        if self._owed < 1 - 1e-9:
            return None
        self._owed -= 1
        if plan.times > 0:
            self.plan = replace(plan, times=plan.times - 1) if plan.times > 1 else None
        return plan

    def _executed(
        self, function: Function, header: Header, request: Request, plan: Plan | None
    ) -> tuple[Answer, str]:
        """Return the answer and what became of the call, having done what was asked."""
        fault = plan.fault if plan else None
        again = None
        try:
            if fault in (Fault.UNREAD, Fault.BROKEN):
                return Answer(status=DONE), "not looked at"
            if plan is not None and fault is Fault.FAILING:
                raise Refusal(plan.subject, plan.reason, "as told")
            if isinstance(request, DownloadOrder):
                if fault is Fault.OUT_OF_STOCK:
                    raise Refusal("8.2.5", "3.7", "no profile of this type is left")
                if fault is Fault.DUPLICATE:
                    again = next(self.pool.taken(), None)
            if self._remembers:
                before = self.pool.remembered(function, header.call_id)
                if before is not None:
                    return before, "repeated"
            return self.pool.execute(function, header.call_id, request, again=again), "done"
        except Refusal as refusal:
            status = refusal.status
            return Answer(status=status), f"{status.subject} {status.reason}"

    def _sent(self, answer: Answer, plan: Plan | None) -> WebAnswer | Awaitable[WebAnswer]:
        """Return what is sent, or is not."""
        match plan.fault if plan else None:
            case Fault.SILENT:
                return WebAnswer(fault=Break.SILENT)
            case Fault.LOST | Fault.UNREAD:
                return WebAnswer(fault=Break.RESET)
            case Fault.BROKEN:
                return WebAnswer(500, (("content-type", "text/html"),), _HTML)
            case Fault.NONSENSE:
                return self._json(b'{"header":')
            case Fault.EXPIRED:
                answer = Answer(status=Status(Outcome.EXPIRED))
            case Fault.WARNING if answer.status.outcome.is_done:
                answer = replace(answer, status=Status(Outcome.WARNING, "8.9", "5.1"))
            case Fault.WRONG_ICCID if answer.status.outcome.is_done:
                answer = replace(answer, iccid=Iccid("8999901999999999999"))
        sent = self._json(push_answer(answer, padded=self._padded))
        if plan is not None and plan.fault is Fault.SLOW:
            return _later(sent, plan.delay_s)
        return sent

    def _json(self, body: bytes) -> WebAnswer:
        return WebAnswer(200, (("content-type", CONTENT_TYPE), (ADMIN_PROTOCOL, _VERSION)), body)


async def _later(answer: WebAnswer, delay_s: float) -> WebAnswer:
    await asyncio.sleep(delay_s)
    return answer
