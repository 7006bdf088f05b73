"""Telling devices that something changed: who empties the outbox of notices (TS.43 §2.6, ADR 0021).

A notice is claimed for a while, handed to its channel, and settled: done, to be repeated later, or
its registration is dead. What is claimed and never settled, since a process ended, comes again by
itself. So every notice is delivered at least once, and once only unless something broke.
"""

from __future__ import annotations

import asyncio
import math
import os
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice

from simgrant.errors import EcsError, PeerMisbehaved
from simgrant.flows.for_ever import KeepsTaking
from simgrant.flows.tokens import encode
from simgrant.nouns import Word, noun
from simgrant.ports.clock import Clock
from simgrant.ports.keys import Keys
from simgrant.ports.notifier import (
    MOST_APPS,
    Dead,
    Delivered,
    Later,
    Notice,
    Notifier,
    Receipt,
    Refused,
    Target,
)
from simgrant.ports.store import DueNotice, RequestRecord, Settled, Store
from simgrant.telemetry.log import Sparing, say_fault
from simgrant.telemetry.metrics import Metrics
from simgrant.telemetry.record import NoticeRecord, instant, push_notice
from simgrant.wire.push_token import CHANNELS, Channel, is_token

_CHANNELS = {int(action): channel for action, channel in CHANNELS.items()}
_COLLAPSE_BYTES = 16
_SETTLED_AT_ONCE = 500
_MOST_LETTERS = 128
"""Of what a channel says, as far as it is kept."""


@noun
class Rules:
    """How much is done at a time, and how long it may take."""

    life_s: int
    """Seconds after a change for which devices are told of it."""
    lease_s: int
    """Seconds that a claimed notice is nobody else's: longer than any delivery takes."""
    timeout_s: float
    """Seconds for one call to a channel."""
    first_pause_s: float
    """Seconds before a notice is tried again for the first time; then twice as long each time."""
    longest_pause_s: float
    batch: int
    """Notices claimed at a time."""
    in_flight: int
    """Notices under way at a time, those that are still to be settled among them."""
    poll_s: float
    """Seconds between two looks for notices when there were none."""


class End(Word):
    """What became of a notice, for metrics and logs."""

    DELIVERED = "delivered"
    LATER = "later"
    """The channel asked for time."""
    FAILED = "failed"
    """The channel was not reached, or did not do as it should: tried again later."""
    DEAD = "dead"
    REFUSED = "refused"
    EXPIRED = "expired"
    UNREGISTERED = "unregistered"
    """There is no registration any more, or no number for an SMS."""
    NO_CHANNEL = "no_channel"
    """The operator has not set up the channel that the device registered for."""


@noun
class _Letter:
    """The notices that go to one client on one device in one call."""

    notices: tuple[DueNotice, ...]

    @property
    def first(self) -> DueNotice:
        """Any of them, for what they have in common."""
        return self.notices[0]

    @property
    def at(self) -> int:
        """The time of the newest change."""
        return max(notice.at for notice in self.notices)


class Notices:
    """Empties the outbox; ``run`` goes on until it is cancelled."""

    def __init__(
        self,
        store: Store,
        *,
        notifiers: Mapping[str, Mapping[Channel, Notifier]],
        keys: Keys,
        clock: Clock,
        metrics: Metrics,
        keep: Callable[[RequestRecord], None],
        rules: Rules,
    ) -> None:
        """Take the channels of each tenant; ``keep`` takes the record of each notice that ended."""
        self._store = store
        self._notifiers = notifiers
        self._keys = keys
        self._clock = clock
        self._metrics = metrics
        self._keep = keep
        self._rules = rules
        self._places = asyncio.Semaphore(rules.in_flight)
        self._taking = KeepsTaking[None](
            self._take_some, poll_s=rules.poll_s, last_s=rules.timeout_s
        )
        self._settled: list[Settled] = []
        self._something_settled = asyncio.Event()
        self._say = Sparing(clock.monotonic).warn

    async def run(self) -> None:
        """Claim, deliver and settle for ever; at the end, finish what is under way."""
        settling = asyncio.create_task(self._settle_for_ever())
        try:
            await self._taking.run()
        finally:
            settling.cancel()
            while self._settled and await self._settle():
                pass

    async def _take_some(self) -> bool:
        """Claim some notices and set them going; say whether there were any."""
        now = int(self._clock.now())
        try:
            claimed = await self._store.claim_notices(
                now=now, again_at=now + self._rules.lease_s, limit=self._rules.batch
            )
        except EcsError as error:
            self._say("", "outbox", error.reason)
            return False
        for letter in _letters(claimed):
            for _ in letter.notices:
                await self._places.acquire()
            self._taking.go(self._deliver(letter))
        return bool(claimed)

    # --- one letter ------------------------------------------------------------------

    async def _deliver(self, letter: _Letter) -> None:
        first, now = letter.first, self._clock.now()
        channel, token = _address(first)
        notifier = self._notifiers.get(first.tenant, {}).get(channel) if channel else None
        again_at, dead, since, reason, reference = None, False, None, "", ""
        if now >= letter.at + self._rules.life_s:
            end, reason = End.EXPIRED, first.reason
        elif channel is None or not is_token(channel, token):
            end = End.UNREGISTERED
        elif notifier is None:
            end = End.NO_CHANNEL
        else:
            receipt = await self._hand_over(notifier, token, letter)
            end, pause = self._judged(receipt, first)
            if pause is not None:
                again_at = int(self._clock.now()) + max(1, math.ceil(pause))
            if isinstance(receipt, Dead):
                dead, since = True, receipt.since
            if isinstance(receipt, Delivered):
                reference = receipt.reference
            else:
                reason = receipt.reason[:_MOST_LETTERS]
        behind = self._clock.now() - letter.at if end is End.DELIVERED else None
        self._metrics.count_notices(first.tenant, channel or "", end, len(letter.notices), behind)
        if again_at is None:
            self._keep(self._record(letter, channel, end, reason, reference))
        self._settled.extend(
            Settled(notice, again_at, dead, since, reason) for notice in letter.notices
        )
        self._something_settled.set()

    def _record(
        self, letter: _Letter, channel: Channel | None, end: End, reason: str, reference: str
    ) -> RequestRecord:
        """Return what is kept of notices that ended, under the subscription they were about."""
        first, ring, now = letter.first, self._keys.ring, self._clock.now()
        tenant, terminal = first.tenant, first.terminal_id
        record = NoticeRecord(
            at=instant(now),
            request_id=os.urandom(8).hex(),
            tenant=tenant,
            event="notice",
            outcome=end,
            channel=channel or "",
            subscriber_ref=ring.reference(tenant, "imsi", first.imsi.digits, now=now),
            terminal_ref=ring.reference(tenant, "terminal", terminal, now=now) if terminal else "",
            apps=tuple(notice.app_id for notice in letter.notices),
            changed_at=instant(letter.at),
            attempts=max(notice.attempts for notice in letter.notices),
            app_name=first.app_name,
            reason=reason,
            reference=reference[:_MOST_LETTERS],
            cause=next((notice.cause for notice in letter.notices if notice.cause), ""),
        )
        return RequestRecord(
            tenant, record.subscriber_ref, int(now * 1e6), record.request_id, push_notice(record)
        )

    async def _hand_over(
        self, notifier: Notifier, token: str, letter: _Letter
    ) -> Receipt | EcsError:
        first = letter.first
        target = Target(
            notifier.channel,
            token,
            first.app_name,
            first.imsi if notifier.channel is Channel.SMS else None,
        )
        notice = Notice(
            tuple(notice.app_id for notice in letter.notices),
            letter.at,
            letter.at + self._rules.life_s,
            self._collapse_id(letter),
        )
        deadline = self._clock.monotonic() + self._rules.timeout_s
        try:
            return await notifier.notify(target, notice, deadline=deadline)
        except EcsError as error:
            return error
        except Exception as error:
            # A fault of ours must not end the worker, nor keep its place for ever.
            say_fault(error)
            return PeerMisbehaved("notifier_fault")

    def _judged(self, receipt: Receipt | EcsError, notice: DueNotice) -> tuple[End, float | None]:
        """Return what became of it, and the seconds before it is tried again, if it is."""
        match receipt:
            case Delivered():
                return End.DELIVERED, None
            case Dead():
                return End.DEAD, None
            case Refused(reason):
                self._say(notice.tenant, "notice_refused", reason)
                return End.REFUSED, None
            case Later(_, after):
                return End.LATER, self._pause(notice.attempts, after)
            case error:
                self._say(notice.tenant, "channel_failed", error.reason)
                return End.FAILED, self._pause(notice.attempts, error.retry_after)

    def _pause(self, attempts: int, asked: float | None) -> float:
        """Return how long to wait; never together with all the others."""
        rules = self._rules
        doubled = rules.first_pause_s * 2.0 ** min(attempts - 1, 30)
        pause = min(rules.longest_pause_s, doubled)
        return max(asked or 0.0, pause) * random.uniform(1, 1.3)  # noqa: S311 - jitter

    def _collapse_id(self, letter: _Letter) -> str:
        """Return the same for all notices of the same applications to one client on one device.

        A later one may take the place of an earlier one, so it has to name no application less.
        To whom it goes can be read from it by nobody.
        """
        first, ring = letter.first, self._keys.ring
        apps = ",".join(sorted(notice.app_id for notice in letter.notices))
        client = f"{first.imsi.digits}|{first.terminal_id}|{first.app_name}|{apps}"
        return encode(ring.derive(first.tenant, "notice", client, _COLLAPSE_BYTES))

    # --- settling --------------------------------------------------------------------

    async def _settle_for_ever(self) -> None:
        while True:
            await self._something_settled.wait()
            self._something_settled.clear()
            while self._settled:
                if not await self._settle():
                    await asyncio.sleep(self._rules.first_pause_s)

    async def _settle(self) -> bool:
        """Write what became of some notices; what cannot be written is kept for another try."""
        some = self._settled[:_SETTLED_AT_ONCE]
        try:
            await self._store.settle_notices(some)
        except EcsError as error:
            self._say("", "outbox", error.reason)
            return False
        del self._settled[: len(some)]
        for _ in some:
            self._places.release()
        return True


def _letters(claimed: Iterable[DueNotice]) -> Iterator[_Letter]:
    """Put together what goes to the same client on the same device."""
    together: dict[tuple[str, ...], list[DueNotice]] = {}
    for notice in claimed:
        client = (notice.tenant, notice.imsi.digits, notice.terminal_id, notice.app_name)
        together.setdefault((*client, *map(str, _address(notice))), []).append(notice)
    for notices in together.values():
        yield from map(_Letter, _chunks(notices, MOST_APPS))


def _chunks(notices: Sequence[DueNotice], size: int) -> Iterator[tuple[DueNotice, ...]]:
    rest = iter(notices)
    while chunk := tuple(islice(rest, size)):
        yield chunk


def _address(notice: DueNotice) -> tuple[Channel | None, str]:
    """Return by which channel and to which token a notice goes; None where it cannot."""
    if notice.registration is not None:
        return _CHANNELS.get(notice.registration.action), notice.registration.token
    if not notice.terminal_id and notice.msisdn is not None:
        return Channel.SMS, notice.msisdn.digits
    return None, ""
