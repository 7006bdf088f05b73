"""The listener for events, as an ASGI application.

| call | is | taken over |
| --- | --- | --- |
| POST …/listener/EVENT_TYPE | a hub of a TMF API tells | 204 |
| POST …/event | TMF688: an event is created | 201, and which |
| POST …/events | one event or a list of them, of any kind | 204 |

| answer | says | and the sender |
| --- | --- | --- |
| 2xx | all is kept, or was before, or was set aside | is done |
| 400 | something in it cannot be read and was set aside; the rest is kept | must not repeat it |
| 401, 404, 405, 413 | nothing of it was taken | must come otherwise |
| 429, 503 | nothing of it was taken, or not all of it | comes again after Retry-After |
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote

import msgspec

from simgrant.flows.event_reading import EventReader, Hurry, Reading, nobody_waits
from simgrant.fronts.bss.senders import Sender, Senders
from simgrant.links.asgi import Message, Receive, Refused, Scope, Send, header, read_body, refusal
from simgrant.links.certified import CERTIFICATE
from simgrant.nouns import named_noun
from simgrant.ports.bss_events import EventIntake, Taken
from simgrant.ports.clock import Clock
from simgrant.wire.tmf_events import CLOUD_TYPES, MOST_BYTES, bound

_LISTENER, _EVENT, _EVENTS = "listener", "event", "events"
_RETRY_AFTER_S: Final = 5
_MOST_SEGMENT: Final = 128
_CLOUD: Final = b"ce-"
_MOST_NAMED: Final = 20
"""Events that cannot be read and are named by themselves, each with its reason."""


@named_noun
class Limits:
    """How much is taken on by one worker."""

    in_flight: int = 64
    """Calls under way at a time; more get 503."""
    of_sender: int = 16
    """Those of one sender; more get 429."""
    timeout_s: float = 10.0
    """Seconds from the head of a call to its answer."""
    most_bytes: int = MOST_BYTES


@named_noun
class Call:
    """What is recorded of each call."""

    sender: str
    """Empty where it is nobody we know."""
    answer: int
    """The HTTP status."""
    reason: str
    """Why it is not 2xx."""
    taken: int
    """Events that are kept, or were before."""
    aside: int
    """Events that were set aside, for whatever reason."""
    seconds: float


class EventsFront:
    """Takes in what an operator's systems tell."""

    def __init__(
        self,
        intake: EventIntake,
        senders: Senders,
        reader: EventReader,
        *,
        clock: Clock,
        record: Callable[[Call], None],
        limits: Limits | None = None,
        hurry: Hurry = nobody_waits,
    ) -> None:
        """``record`` is called once for each call, after it was answered; ``hurry`` is told of
        which eSIM orders there is news."""
        self._hurry = hurry
        self._intake = intake
        self._senders = senders
        self._reader = reader
        self._clock = clock
        self._record = record
        self._limits = limits or Limits()
        self._under_way = 0
        self._of_sender: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call."""
        began = self._clock.monotonic()
        name, body = "", b""
        answer, reason = 204, ""
        taken = aside = 0
        self._under_way += 1
        try:
            async with asyncio.timeout(self._limits.timeout_s):
                sender = await self._sender(scope, began + self._limits.timeout_s)
                name = sender.name
                self._of_sender[name] += 1
                if self._of_sender[name] > self._limits.of_sender:
                    raise Refused(429, "too_many_at_once")
                way, event_type = _place(scope)
                data = _bound(scope, await read_body(scope, receive, most=self._limits.most_bytes))
                reading = self._reader.read(
                    name, data, now=int(self._clock.now()), event_type=event_type
                )
                taken, aside = await self._take(sender, reading)
                self._hurry(sender.tenant, reading.orders)
                if reading.unread:
                    answer, reason = 400, reading.unread[0].reason.value
                    body = _unread(reading)
                elif way == _EVENT:
                    answer, body = 201, _created(reading)
        except Exception as error:
            answer, reason = refusal(error)
        finally:
            self._under_way -= 1
            if name:
                self._of_sender[name] -= 1
        await send(_start(answer, body))
        await send({"type": "http.response.body", "body": body})
        seconds = self._clock.monotonic() - began
        self._record(
            Call(
                sender=name, answer=answer, reason=reason, taken=taken, aside=aside, seconds=seconds
            )
        )

    async def _sender(self, scope: Scope, deadline: float) -> Sender:
        """Return who calls; nobody else is told anything."""
        if self._under_way > self._limits.in_flight:
            raise Refused(503, "in_flight")
        found = await self._senders.of(
            certificate=scope["state"].get(CERTIFICATE, b""),
            authorization=header(scope, b"authorization"),
            deadline=deadline,
        )
        if found is None:
            raise Refused(401, "unknown_sender")
        return found

    async def _take(self, sender: Sender, reading: Reading) -> tuple[int, int]:
        """Keep what was read, and then set aside what could not be; return how many of each.

        In this order: a call that ends in between is repeated, and its events are known by then.
        """
        events = reading.events
        became = await self._intake.take(sender.tenant, sender.name, events) if events else ()
        for each in reading.unread:
            await self._intake.set_aside(
                sender.tenant, sender.name, each.raw, reason=each.reason.value
            )
        aside = sum(each is Taken.SET_ASIDE for each in became)
        return len(events) - aside, aside + len(reading.unread)


def _place(scope: Scope) -> tuple[str, str]:
    """Return which of the calls it is, and the event type that its place names; empty if none.

    What is before that in the path is the sender's: each API of his may have a path of its own.
    """
    *before, last = scope["path"].rstrip("/").split("/")
    if before and before[-1] == _LISTENER and 0 < len(last) <= _MOST_SEGMENT:
        found = _LISTENER, last
    elif last in (_EVENT, _EVENTS):
        found = last, ""
    else:
        raise Refused(404, "no_such_place")
    if scope["method"] != "POST":
        raise Refused(405, "method")
    return found


def _bound(scope: Scope, body: bytes) -> bytes:
    """Return what came with the attributes of CloudEvents that its headers have (binary mode)."""
    if header(scope, b"content-type").startswith(CLOUD_TYPES):
        # In structured mode the body has them.
        return body
    attributes = {
        name.removeprefix(_CLOUD).decode("latin-1"): unquote(value.decode("latin-1"))
        for name, value in scope["headers"]
        if name.startswith(_CLOUD)
    }
    return bound(attributes, body)


def _created(reading: Reading) -> bytes:
    """Return the event that TMF688 has created by this."""
    event_id, event_type = reading.named[0] if reading.named else ("", "")
    return msgspec.json.encode({"id": event_id, "eventId": event_id, "eventType": event_type})


def _unread(reading: Reading) -> bytes:
    """Return what was wrong, as TMF630 has errors, and with which; never what came."""
    unread = reading.unread
    first, more = unread[0].reason.value, len(unread) - _MOST_NAMED
    text = f"{len(unread)} cannot be read and must not be sent again; all others are kept"
    if more > 0:
        text = f"{text}; {more} more than are named here"
    errors = [{"line": each.place, "reason": each.reason.value} for each in unread[:_MOST_NAMED]]
    return msgspec.json.encode({"code": first, "reason": first, "message": text, "errors": errors})


def _start(status: int, body: bytes) -> Message:
    headers = []
    if status != 204:
        headers.append((b"content-length", b"%d" % len(body)))
    if body:
        headers.append((b"content-type", b"application/json"))
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if status in (429, 503):
        headers.append((b"retry-after", b"%d" % _RETRY_AFTER_S))
    if status in (401, 404, 405, 413, 429, 503):
        # What is left of the body is not read.
        headers.append((b"connection", b"close"))
    return {"type": "http.response.start", "status": status, "headers": headers}
