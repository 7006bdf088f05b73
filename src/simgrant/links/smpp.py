"""A bound SMPP 3.4 session with one message centre, made anew whenever it is lost.

The library keeps the session alive (``enquire_link`` every half minute), numbers requests and
matches answers. What is ours: a window that is kept (a message whose caller stopped waiting still
counts until it is answered or its session is over), one bind at a time with a back-off between
binds, and giving up a session that no longer answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, TypeAlias

import smpp34

from simgrant.errors import PeerTimeout, PeerUnavailable
from simgrant.links.retry import RetryRules, backoff
from simgrant.links.secret_file import SecretFile, read_text
from simgrant.nouns import named_noun, noun
from simgrant.ports.clock import Clock

_WORTH_WAITING_S: Final = 1.0
"""A bind that may be tried again within this time is waited for."""
_MESSAGE_PAYLOAD: Final = 0x0424
"""Tag of a text that does not stand in the message itself (SMPP 3.4 §5.3.2.32)."""
_HEARD_AT_A_TIME: Final = 16
"""Messages to us that are looked at; more wait in the library, and then at the centre."""


@named_noun
class SmppConfig:
    """Which message centre, and as whom."""

    host: str
    port: int = 2775
    system_id: str
    password_file: Path
    system_type: str = ""
    tls: bool = False
    """Certificates are checked against the system's trust store."""
    listens: bool = False
    """Whether the centre may send us messages (a transceiver), for `SmppLink.listen`."""
    window: int = 10
    """Messages sent and not yet answered, at most."""
    connect_timeout_s: float = 10.0
    """Seconds for TCP, TLS and the bind together. A bind that is refused takes as long."""
    silence_s: float = 10.0
    """Seconds without any answer, while messages wait for one, after which a session whose messages
    miss their deadlines is given up."""
    retry: RetryRules = RetryRules(first_wait_s=0.5, longest_wait_s=30.0)


@noun
class Submit:
    """One ``submit_sm``; its text may hold an identity, so its repr has nothing."""

    source: str
    source_ton: int
    source_npi: int
    destination: str
    """Digits of an international number."""
    message: bytes
    esm_class: int
    data_coding: int
    validity: str
    tlvs: tuple[tuple[int, bytes], ...] = ()
    service_type: str = ""

    def __repr__(self) -> str:
        return "Submit(…)"


@noun
class SubmitReply:
    """What the message centre answered."""

    status: int
    """``command_status``; 0 = taken over."""
    message_id: str


@noun
class Delivered:
    """One ``deliver_sm``; its repr has nothing, for the same reason."""

    source: str
    message: bytes
    """The text, wherever it stood."""
    esm_class: int
    data_coding: int
    tlvs: tuple[tuple[int, bytes], ...] = ()

    def __repr__(self) -> str:
        return "Delivered(…)"


Hears: TypeAlias = Callable[[Delivered], Awaitable[None]]
"""Is told of each message, and raises nothing. The centre was told that we have it, before."""


class SmppLink:
    """One message centre. To be made and used within one event loop."""

    def __init__(self, config: SmppConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        # Jitter has no need of a good source of chance.
        self._chance = random.Random().random  # noqa: S311
        self._password = SecretFile(config.password_file, read_text)
        self._session: _Session | None = None
        self._bind: asyncio.Task[_Session] | None = None
        self._failures = 0
        self._not_before = float("-inf")
        self._endings: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def peer(self) -> str:
        """Return the message centre's name, for errors."""
        return f"{self._config.host}:{self._config.port}"

    async def submit(self, message: Submit, *, deadline: float) -> SubmitReply:
        """Return the answer by ``deadline`` (seconds of the monotonic clock).

        Errors: PeerTimeout, PeerUnavailable. A message whose session was lost before its answer
        is sent once more, over the next one.
        """
        try:
            async with asyncio.timeout(max(0.0, deadline - self._clock.monotonic())):
                try:
                    return await self._submit(message)
                except _Lost:
                    return await self._submit(message)
        except _Lost:
            raise PeerUnavailable(
                for_operator=f"{self.peer}: the session was lost before the answer"
            ) from None
        except TimeoutError:
            raise PeerTimeout(for_operator=f"{self.peer}: no answer in time") from None

    async def listen(self, hears: Hears) -> None:
        """Stay bound, and pass on what the centre sends, until cancelled or closed."""
        while not self._closed:
            try:
                session = await self._ready()
            except PeerUnavailable:
                wait = self._not_before - self._clock.monotonic()
                await asyncio.sleep(max(wait, self._config.retry.first_wait_s))
                continue
            began = self._clock.monotonic()
            await session.listen(hears)
            if self._clock.monotonic() - began >= self._config.retry.longest_wait_s:
                self._failures = 0
            self._lose(session)

    async def close(self) -> None:
        """Unbind; messages that wait for their answer fail with PeerUnavailable."""
        self._closed = True
        if self._bind is not None:
            self._bind.cancel()
            await asyncio.wait({self._bind})
        session, self._session = self._session, None
        if session is not None:
            await session.end()
        if self._endings:
            await asyncio.wait(self._endings)

    async def _submit(self, message: Submit) -> SubmitReply:
        session = await self._ready()
        try:
            reply = await session.submit(message)
        except _Lost:
            self._lose(session)
            raise
        except asyncio.CancelledError:
            # The deadline, as a rule. A centre that is merely slow keeps its session.
            if session.silence_s() >= self._config.silence_s:
                self._lose(session)
            raise
        self._failures = 0
        return reply

    async def _ready(self) -> _Session:
        """Return the session, bound anew if need be."""
        while self._session is None:
            if self._closed:
                raise PeerUnavailable(for_operator=f"{self.peer}: closed")
            wait = self._not_before - self._clock.monotonic()
            if self._bind is None and wait > _WORTH_WAITING_S:
                raise PeerUnavailable(
                    for_operator=f"{self.peer}: no session, and too early for the next bind",
                    retry_after=math.ceil(wait),
                )
            if self._bind is None and wait > 0:
                await asyncio.sleep(wait)
                continue
            if self._bind is None:
                self._bind = asyncio.create_task(self._bound())
                self._bind.add_done_callback(_seen)
            bind = self._bind
            # It goes on for the others if this caller's time is over.
            await asyncio.wait({bind})
            if bind.cancelled():
                raise PeerUnavailable(for_operator=f"{self.peer}: closed")
            return bind.result()
        return self._session

    async def _bound(self) -> _Session:
        config = self._config
        try:
            client = smpp34.Client(
                config.host,
                config.port,
                config.system_id,
                self._password.value(),
                bind_type="TRX" if config.listens else "TX",
                system_type=config.system_type,
                tls=config.tls,
                window_size=config.window,
                connect_timeout_ms=round(config.connect_timeout_s * 1000),
            )
            smsc = await client.connect()
        except (smpp34.SmppError, OSError):
            self._fail()
            # The library does not tell a wrong password from a centre that keeps silent.
            raise PeerUnavailable(
                for_operator=f"{self.peer}: no session; check address, system id and password",
                retry_after=math.ceil(max(0.0, self._not_before - self._clock.monotonic())),
            ) from None
        finally:
            self._bind = None
        self._session = _Session(client, smsc, config.window, self._clock)
        return self._session

    def _lose(self, session: _Session) -> None:
        if self._session is session:
            self._session = None
            self._fail()
            ending = asyncio.create_task(session.end())
            self._endings.add(ending)
            ending.add_done_callback(self._endings.discard)

    def _fail(self) -> None:
        self._failures += 1
        wait = backoff(self._failures, self._config.retry, chance=self._chance())
        self._not_before = self._clock.monotonic() + wait


class _Lost(Exception):
    """The session ended before the answer came."""


class _Session:
    """What was bound once, with its window."""

    def __init__(self, client: smpp34.Client, smsc: smpp34.Smsc, window: int, clock: Clock) -> None:
        self._client = client
        self._smsc = smsc
        self._window = asyncio.Semaphore(window)
        self._clock = clock
        self._waiting = 0
        self._heard_at = clock.monotonic()

    def silence_s(self) -> float:
        """Return for how many seconds messages have waited without any of them being answered."""
        return self._clock.monotonic() - self._heard_at if self._waiting else 0.0

    async def submit(self, message: Submit) -> SubmitReply:
        """Return the answer; _Lost if the session ends before it."""
        await self._window.acquire()
        if not self._waiting:
            self._heard_at = self._clock.monotonic()
        self._waiting += 1
        sent = asyncio.ensure_future(self._send(message))
        sent.add_done_callback(self._answered)
        return await asyncio.shield(sent)

    async def listen(self, hears: Hears) -> None:
        """Pass on what comes until the session has ended."""
        room = asyncio.Semaphore(_HEARD_AT_A_TIME)
        async with asyncio.TaskGroup() as group:
            while True:
                await room.acquire()
                try:
                    event = await self._smsc.next()
                except smpp34.SmppError:
                    return
                if isinstance(event, smpp34.Disconnected):
                    return
                heard = group.create_task(_pass_on(hears, _delivered(event)))
                heard.add_done_callback(lambda _: room.release())

    async def end(self) -> None:
        """Unbind, if the other side still listens, and close the connection."""
        with contextlib.suppress(smpp34.SmppError, TimeoutError):
            async with asyncio.timeout(1.0):
                await self._smsc.unbind()
        await self._client.stop()

    async def _send(self, message: Submit) -> SubmitReply:
        try:
            reply = await self._smsc.submit_sm(
                message.destination,
                message.message,
                source_addr=message.source,
                service_type=message.service_type,
                source_addr_ton=message.source_ton,
                source_addr_npi=message.source_npi,
                dest_addr_ton=1,
                dest_addr_npi=1,
                esm_class=message.esm_class,
                data_coding=message.data_coding,
                validity_period=message.validity,
                tlvs=[smpp34.Tlv(tag, value) for tag, value in message.tlvs],
            )
        except smpp34.SmppError:
            # Lost, or not answered within the library's own half minute.
            raise _Lost from None
        return SubmitReply(reply.command_status, reply.message_id or "")

    def _answered(self, sent: asyncio.Future[SubmitReply]) -> None:
        self._waiting -= 1
        self._heard_at = self._clock.monotonic()
        self._window.release()
        _seen(sent)


async def _pass_on(hears: Hears, delivered: Delivered) -> None:
    await hears(delivered)


def _delivered(event: smpp34.DeliverSmEvent) -> Delivered:
    tlvs = tuple((each.tag, bytes(each.value)) for each in event.tlvs)
    message = bytes(event.short_message)
    if not message:
        message = next((value for tag, value in tlvs if tag == _MESSAGE_PAYLOAD), b"")
    return Delivered(event.source_addr, message, event.esm_class, event.data_coding, tlvs)


def _seen(done: asyncio.Future[Any]) -> None:
    """Take note of how something ended; whoever waited for it may be gone."""
    if not done.cancelled():
        done.exception()
