"""Telling sinks what consumers subscribed to: who empties the outbox of events (ADR 0058).

A row is claimed for a while, judged and counted in one transaction, delivered, and settled. What is
claimed and never settled, since a process ended, comes again with the same id: every event is
delivered at least once, and consumers tell a second time by its id (CloudEvents §3.1.1).
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Collection, Mapping
from typing import Any, Final, Protocol

import msgspec

from simgrant.domain.camara.consumer import Consumer
from simgrant.domain.camara.event_subscription import (
    EventSubscription,
    EventType,
    Happening,
    Step,
    judged,
)
from simgrant.errors import EcsError
from simgrant.flows.camara.subscribing import label_of, may_be_told, scope_of
from simgrant.flows.for_ever import KeepsTaking
from simgrant.keyring.ring import SealBroken
from simgrant.nouns import Word, named_noun
from simgrant.ports.camara_consents import Permits, Purposeful
from simgrant.ports.camara_events import CamaraEvents, Claim, Due
from simgrant.ports.camara_lines import CamaraLines
from simgrant.ports.camara_sinks import CamaraSinks, Letter
from simgrant.ports.clock import Clock
from simgrant.ports.keys import Keys
from simgrant.spec.countries import countries_of
from simgrant.telemetry.log import Sparing, say_fault
from simgrant.telemetry.metrics import Metrics
from simgrant.wire.instant import utc

_GONE: Final = 410
_REFUSED: Final = frozenset({400, 404, 405, 406, 413, 415, 422, 501})
"""What a sink answers that will say the same next time."""


class End(Word):
    """What became of an event, for metrics and logs."""

    DELIVERED = "delivered"
    LATER = "later"
    """The sink asked for time, or lets nobody in for now."""
    FAILED = "failed"
    """The sink was not reached, or did not do as it should: tried again later."""
    REFUSED = "refused"
    GONE = "gone"
    """The sink is no more, and its subscription neither."""
    EXPIRED = "expired"
    """It, or the sink's access token, is too old by now."""


@named_noun
class NotificationRules:
    """How much is done at a time, and how long it may take."""

    life_s: int
    """Seconds after something happened for which a sink is told."""
    lease_s: int
    """Seconds that a claimed row is nobody else's: longer than any delivery takes."""
    timeout_s: float
    """Seconds for one call to a sink."""
    first_pause_s: float
    """Seconds before an event is tried again for the first time; then twice as long each time."""
    longest_pause_s: float
    in_flight: int
    """Events under way at a time."""
    poll_s: float
    """Seconds between two looks for events when there were none."""


@named_noun
class Source:
    """What of a tenant is in its events."""

    url: str
    """Its address (CloudEvents ``source``)."""
    home_plmns: Collection[str]
    """Digits of MCC and MNC of its own networks."""


class Consumers(Protocol):
    """Knows the consumers."""

    def of(self, tenant: str, client_id: str) -> Consumer | None:
        """Return a consumer as it is now; None where there is none, or it is not active."""


class Notifications:
    """Empties the outbox; ``run`` goes on until it is cancelled."""

    def __init__(
        self,
        rows: CamaraEvents,
        sinks: CamaraSinks,
        consumers: Consumers,
        *,
        lines: CamaraLines,
        permits: Permits | None,
        sources: Mapping[str, Source],
        keys: Keys,
        clock: Clock,
        metrics: Metrics,
        rules: NotificationRules,
    ) -> None:
        self._rows = rows
        self._sinks = sinks
        self._consumers = consumers
        self._lines = lines
        self._permits = permits
        self._sources = sources
        self._keys = keys
        self._clock = clock
        self._metrics = metrics
        self._rules = rules
        self._places = asyncio.Semaphore(rules.in_flight)
        self._taking = KeepsTaking[None](
            self.take_some, poll_s=rules.poll_s, last_s=rules.timeout_s
        )
        self._say = Sparing(clock.monotonic).warn

    async def run(self) -> None:
        """Claim, judge, deliver and settle for ever; at the end, finish what is under way."""
        await self._taking.run()

    async def take_some(self) -> bool:
        """Claim some rows and set them going; say whether there were any."""
        # No more than there are places for: what waits here is nobody's elsewhere.
        await self._places.acquire()
        self._places.release()
        free = max(1, self._rules.in_flight - len(self._taking.under_way))
        now = int(self._clock.now())
        try:
            claims = await self._rows.claim(now=now, again_at=now + self._rules.lease_s, limit=free)
        except EcsError as error:
            self._say("", "camara_outbox", error.reason)
            return False
        for claim in claims:
            await self._places.acquire()
            task = self._taking.go(self._handled(claim))
            task.add_done_callback(lambda _: self._places.release())
        return bool(claims)

    async def _handled(self, claim: Claim) -> None:
        """See one row through; whatever goes wrong, it comes again when its lease is over."""
        try:
            due = await self._rows.take(claim, self._judge, now=int(self._clock.now()))
            if due is not None:
                await self._told(claim, due)
        except EcsError as error:
            self._say(claim.tenant, "camara_outbox", error.reason)
        except Exception as error:
            # A fault of ours must not end the worker.
            say_fault(error)

    def _judge(self, tenant: str, subscription: EventSubscription, happened: Happening) -> Step:
        source = self._sources.get(tenant)
        return judged(subscription, happened, source.home_plmns if source is not None else ())

    async def _told(self, claim: Claim, due: Due) -> None:
        end, again_at = await self._delivered(claim, due)
        behind = self._clock.now() - due.event.at if end is End.DELIVERED else None
        self._metrics.count_event(claim.tenant, due.subscription.api, end, behind)
        if end is End.GONE:
            await self._rows.drop(claim)
        elif again_at is None:
            await self._rows.done(claim)
        else:
            await self._rows.later(claim, again_at=again_at)

    async def _delivered(self, claim: Claim, due: Due) -> tuple[End, int | None]:
        """Return what became of an event, and when it is tried again, if it is."""
        now, one, tenant = self._clock.now(), due.subscription, claim.tenant
        source = self._sources.get(tenant)
        if source is None or now >= due.event.at + self._rules.life_s:
            return End.EXPIRED, None
        if one.token_expires_at and now >= one.token_expires_at:
            return End.EXPIRED, None
        consumer = self._consumers.of(tenant, one.client_id)
        if consumer is None or not may_be_told(consumer, one):
            self._say(tenant, "event_not_told", "consumer_may_not")
            return End.REFUSED, None
        if due.event.ended is None and not await self._is_permitted(tenant, one):
            self._say(tenant, "event_not_told", "consent_missing")
            return End.REFUSED, None
        token = ""
        if one.access_token:
            try:
                label = label_of(one.subscription_id)
                token = self._keys.ring.unwrap(tenant, label, one.access_token).decode()
            except SealBroken:
                self._say(tenant, "sink_failed", "key_not_known")
                return End.FAILED, self._again(claim, None)
        event_id = f"{claim.event_id}-{one.subscription_id}"
        letter = Letter(
            url=one.sink,
            access_token=token,
            correlator=event_id,
            body=cloud_event(event_id, source.url, due),
        )
        deadline = self._clock.monotonic() + self._rules.timeout_s
        try:
            answer = await self._sinks.deliver(letter, deadline=deadline)
        except EcsError as error:
            self._say(tenant, "sink_failed", error.reason)
            return End.FAILED, self._again(claim, error.retry_after)
        status = answer.status
        if 200 <= status < 300:
            return End.DELIVERED, None
        if status == _GONE:
            return End.GONE, None
        self._say(tenant, "sink_refused", f"status_{status}")
        if status in _REFUSED:
            return End.REFUSED, None
        later = End.LATER if 400 <= status < 500 else End.FAILED
        return later, self._again(claim, answer.retry_after_s)

    async def _is_permitted(self, tenant: str, one: EventSubscription) -> bool:
        """Say whether the subscriber, or the law, still permits that a consumer is told."""
        if self._permits is None or not one.purpose or one.sandbox:
            return True
        found = await self._lines.by_msisdn(tenant, one.msisdn, token_id=b"")
        if found.line is None:
            return False
        wanted = Purposeful(
            client_id=one.client_id,
            application=one.application,
            purpose=one.purpose,
            scopes=(scope_of(one),),
        )
        line, now = found.line, int(self._clock.now())
        return await self._permits.permits(
            tenant, line.subscription.imsi, wanted, now=now, silent=line.silent
        )

    def _again(self, claim: Claim, asked: float | None) -> int:
        """Return when to try again (Unix seconds); never together with all the others."""
        rules = self._rules
        doubled = rules.first_pause_s * 2.0 ** min(max(claim.tries - 1, 0), 30)
        pause = max(asked or 0.0, min(rules.longest_pause_s, doubled))
        return int(self._clock.now()) + max(1, math.ceil(pause * random.uniform(1, 1.3)))  # noqa: S311


def cloud_event(event_id: str, source: str, due: Due) -> bytes:
    """Return an event as a sink gets it (CloudEvents 1.0 JSON; CAMARA Commonalities 0.6).

    The number is in it only where the consumer named it; nothing else of the line ever is.
    """
    one, event = due.subscription, due.event
    data: dict[str, Any] = {"subscriptionId": one.subscription_id}
    if one.type is not EventType.SWAPPED:
        if one.two_legs:
            data["device"] = {"phoneNumber": one.msisdn.e164}
    elif one.two_legs and event.ended is None:
        data["phoneNumber"] = one.msisdn.e164
    if event.roaming is not None:
        data["roaming"] = event.roaming
    if event.mcc:
        data["countryCode"] = int(event.mcc)
        data["countryName"] = list(countries_of(event.mcc))
    if event.ended is not None:
        data["terminationReason"] = event.ended.value
    return msgspec.json.encode(
        {
            "id": event_id,
            "source": source,
            "type": event.type,
            "specversion": "1.0",
            "datacontenttype": "application/json",
            "time": utc(event.at),
            "data": data,
        }
    )
