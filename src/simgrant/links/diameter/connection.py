"""One Diameter connection from its first byte to its last: who waits for which answer.

A request costs a future, a timer and a place in a dictionary. Everything else of a connection is
done where bytes arrive, without tasks.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, cast

from simgrant.nouns import Word, noun
from simgrant.spec.diameter import IETF
from simgrant.telemetry.log import say_fault
from simgrant.wire.diameter.avps import DISCONNECT_CAUSE
from simgrant.wire.diameter.base import (
    COMMON,
    Cause,
    Command,
    Node,
    Result,
    answer_fault,
    answer_with,
    push_capabilities,
    push_disconnect,
    push_watchdog,
)
from simgrant.wire.diameter.message import (
    PROXIABLE,
    Avps,
    BadDiameter,
    Header,
    Message,
    pull_header,
    pull_message,
    request,
)
from simgrant.wire.diameter.stream import Splitter

Handler = Callable[[Message], Awaitable[tuple[int, int]]]
"""Answers a request of the peer with vendor and code of a result; BadDiameter."""
Handlers = Mapping[tuple[int, int], Handler]
"""By application and command."""

_ANSWER_S: Final = 2.0
"""Seconds that a handler has: to an HSS, an answer that says no is better than none."""
_MOST_ASKED: Final = 100
"""Requests of one peer that are under way at a time; to more it is said that we are busy."""
_LEAVE_S: Final = 2.0
"""Seconds that a peer which said good-bye has to close, before we do."""


class Ended(Word):
    """Why there is no answer."""

    LATE = "late"
    LOST = "lost"
    """The connection was, after the request had been sent."""


@noun
class Hooks:
    """What the owner of a connection is told."""

    heard: Callable[[], None]
    """A message came."""
    answered: Callable[[], None]
    """The answer to our watchdog came."""
    ended: Callable[[str], None]
    """The connection is over; why. Once."""


class Connection(asyncio.Protocol):
    """A connection. It is good for requests once its owner has exchanged capabilities."""

    def __init__(self, node: Node, handlers: Handlers, hooks: Hooks) -> None:
        self._node = node
        self._handlers = handlers
        self._hooks = hooks
        self._loop = asyncio.get_running_loop()
        self._splitter = Splitter()
        self._waiting: dict[int, asyncio.Future[bytes | Ended]] = {}
        # Any start will do, and a new one each time keeps late answers of old connections apart.
        self._hop_by_hop = random.getrandbits(32)
        self._transport: asyncio.Transport | None = None
        self._reason = ""
        self._is_full = False
        self._answering: set[asyncio.Task[None]] = set()
        self.strays = 0
        """Answers that nobody waits for: too late, or never asked for."""
        self.cause: int | None = None
        """What the peer said when it said good-bye."""
        self.is_over = False

    @property
    def in_flight(self) -> int:
        """Return how many requests wait for their answers."""
        return len(self._waiting)

    @property
    def takes_requests(self) -> bool:
        """Whether a request may be sent: the peer reads, and has not said good-bye."""
        return not (self._is_full or self.is_over or self.cause is not None or self._reason)

    # --- requests --------------------------------------------------------------------

    async def ask(
        self,
        command: int,
        application: int,
        avps: bytes,
        *,
        end_to_end: int,
        flags: int = PROXIABLE,
        within: float,
    ) -> bytes | Ended:
        """Return the answer as it came, or why there is none after so many seconds at most."""
        if self._transport is None or self.is_over:
            return Ended.LOST
        hop_by_hop = self._next()
        future: asyncio.Future[bytes | Ended] = self._loop.create_future()
        self._waiting[hop_by_hop] = future
        timer = self._loop.call_later(max(0.0, within), _late, future)
        data = request(
            command, application, avps, hop_by_hop=hop_by_hop, end_to_end=end_to_end, flags=flags
        )
        try:
            self._transport.write(data)
            return await future
        finally:
            timer.cancel()
            self._waiting.pop(hop_by_hop, None)

    async def exchange_capabilities(self, *, end_to_end: int, within: float) -> bytes | Ended:
        """Return the CEA as it came (RFC 6733 §5.3)."""
        assert self._transport is not None  # noqa: S101 - it is made by then
        address = self._transport.get_extra_info("sockname")[0].partition("%")[0]
        return await self.ask(
            Command.CAPABILITIES_EXCHANGE,
            COMMON,
            push_capabilities(self._node, address),
            end_to_end=end_to_end,
            flags=0,
            within=within,
        )

    def ask_watchdog(self, *, end_to_end: int) -> None:
        """Send a DWR; its answer is told to the owner (RFC 6733 §5.5)."""
        avps = push_watchdog(self._node)
        self._send_own(Command.DEVICE_WATCHDOG, avps, end_to_end)

    async def say_good_bye(self, *, end_to_end: int, within: float) -> None:
        """Send a DPR, wait for its answer for so many seconds at most, and close (§5.4)."""
        avps = push_disconnect(self._node, Cause.REBOOTING)
        await self.ask(
            Command.DISCONNECT_PEER, COMMON, avps, end_to_end=end_to_end, flags=0, within=within
        )
        self._reason = self._reason or "closed by us"
        if self._transport is not None:
            self._transport.close()

    def close(self, reason: str) -> None:
        """End the connection at once."""
        self._reason = self._reason or reason
        if self._transport is not None:
            self._transport.abort()

    # --- what asyncio calls ----------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # uvloop's is one in all but name.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        try:
            for message in self._splitter.feed(data):
                self._hooks.heard()
                self._received(message)
                if self.is_over:
                    return
        except BadDiameter as error:
            # Nothing after it can be told apart.
            self.close(f"not Diameter: {error}")

    def pause_writing(self) -> None:
        """Send no more requests: the peer does not read."""
        self._is_full = True

    def resume_writing(self) -> None:
        """Go on."""
        self._is_full = False

    def connection_lost(self, exc: Exception | None) -> None:
        """End, and tell everybody."""
        self.is_over = True
        for task in self._answering:
            task.cancel()
        for future in self._waiting.values():
            if not future.done():
                future.set_result(Ended.LOST)
        if not self._reason:
            said = getattr(exc, "strerror", None) or (type(exc).__name__ if exc else "")
            self._reason = f"lost: {said}" if said else "closed by the peer"
        self._hooks.ended(self._reason)

    # --- what comes ------------------------------------------------------------------

    def _received(self, data: bytes) -> None:
        header = pull_header(data)
        if header.is_request:
            self._asked(header, data)
        elif header.command == Command.DEVICE_WATCHDOG:
            self._hooks.answered()
        else:
            future = self._waiting.get(header.hop_by_hop)
            if future is None or future.done():
                self.strays += 1
            else:
                future.set_result(data)

    def _asked(self, header: Header, data: bytes) -> None:
        try:
            asked = pull_message(data)
            handler = self._handlers.get((header.application, header.command))
            if handler is None:
                self._tell(self._answer(asked))
            elif len(self._answering) >= _MOST_ASKED:
                self._tell(answer_with(self._node, asked, IETF, Result.TOO_BUSY))
            else:
                task = self._loop.create_task(self._handle(handler, asked))
                self._answering.add(task)
                task.add_done_callback(self._answering.discard)
        except BadDiameter as error:
            self._tell(answer_fault(self._node, Message(header, Avps([])), error.fault, str(error)))

    async def _handle(self, handler: Handler, asked: Message) -> None:
        """Let a handler answer, and answer in its place where it does not."""
        try:
            async with asyncio.timeout(_ANSWER_S):
                told = answer_with(self._node, asked, *await handler(asked))
        except BadDiameter as error:
            told = answer_fault(self._node, asked, error.fault, str(error))
        except TimeoutError:
            told = answer_with(self._node, asked, IETF, Result.UNABLE_TO_COMPLY)
        except Exception as error:
            # A fault of ours must not leave the peer waiting.
            say_fault(error)
            told = answer_with(self._node, asked, IETF, Result.UNABLE_TO_COMPLY)
        self._tell(told)

    def _tell(self, told: bytes) -> None:
        """Send an answer."""
        if self._is_full:
            # It asks and does not read what it is told: answers would pile up.
            self.close("it does not read")
        elif self._transport is not None:
            self._transport.write(told)

    def _answer(self, asked: Message) -> bytes:
        """Return the answer to a request of the peer (RFC 6733 §6.2); BadDiameter."""
        header = asked.header
        match header.command:
            case Command.DEVICE_WATCHDOG:
                state = push_watchdog(self._node)[len(self._node.push_origin()) :]
                return answer_with(self._node, asked, IETF, Result.SUCCESS, state)
            case Command.DISCONNECT_PEER:
                self.cause = asked.avps.get(DISCONNECT_CAUSE) or Cause.REBOOTING
                self._loop.call_later(_LEAVE_S, self.close, "it said good-bye")
                return answer_with(self._node, asked, IETF, Result.SUCCESS)
            case Command.CAPABILITIES_EXCHANGE:
                return answer_with(self._node, asked, IETF, Result.UNABLE_TO_COMPLY)
        known = header.application in self._node.applications
        refusal = Result.COMMAND_UNSUPPORTED if known else Result.APPLICATION_UNSUPPORTED
        return answer_with(self._node, asked, IETF, refusal)

    def _send_own(self, command: int, avps: bytes, end_to_end: int) -> None:
        if self._transport is not None and not self._is_full:
            own = self._next()
            self._transport.write(
                request(command, COMMON, avps, hop_by_hop=own, end_to_end=end_to_end, flags=0)
            )

    def _next(self) -> int:
        self._hop_by_hop = (self._hop_by_hop + 1) & 0xFFFFFFFF
        return self._hop_by_hop


def _late(future: asyncio.Future[bytes | Ended]) -> None:
    if not future.done():
        future.set_result(Ended.LATE)
