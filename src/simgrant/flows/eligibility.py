"""What an operator's BSS says of a subscription, asked while a device waits (ADR 0043).

How old it may be is a matter of the services that are asked for: some want it asked every time, for
others it is kept until an event makes it doubtful. Where the BSS does not answer, what is known is
decided upon as long as those services allow, and else the device is told to come back: to tell it
anything else would switch off what somebody pays for, or leave on what somebody has lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import field
from functools import lru_cache
from typing import Final, TypeAlias

import structlog

from simgrant.domain.eligibility import Aspects, Eligibility
from simgrant.domain.subscription import SERVED, Profile, Subscription
from simgrant.domain.told import (
    REALTIME,
    Freshness,
    Told,
    effective,
    only,
    strictest,
)
from simgrant.domain.trail import Trail
from simgrant.errors import EcsError, PeerMisbehaved, PeerUnavailable, UnknownIdentity
from simgrant.flows.derived import Derived
from simgrant.identities import Imsi
from simgrant.nouns import named_noun, replace
from simgrant.ports.clock import Clock
from simgrant.ports.eligibility import EligibilitySource
from simgrant.ports.network_data import Subscriber
from simgrant.ports.told import ToldRows
from simgrant.telemetry.log import say_fault
from simgrant.telemetry.metrics import Metrics

NO_ASPECTS: Final[Aspects] = frozenset()
_JOINED_S: Final = 1.0
"""Seconds for which others may wait for what one has asked: after that it may be old."""
_LAST_WORDS_S: Final = 0.1
"""Of a request's time, what is left to make the answer after the BSS was waited for."""
_LONGEST_RETRY_S: Final = 900
_HEALS_S: Final = 3600


@named_noun
class Desk:
    """A tenant's BSS, and how it is asked."""

    name: str
    """As the settings name it: ``bss.main``."""
    source: EligibilitySource = field(repr=False, hash=False)
    timeout_s: float
    freshness: Mapping[str, Freshness] = field(hash=False)
    """By AppID; what is not here is asked every time."""
    heals_s: int = _HEALS_S
    """The most seconds that a document holds which is made of what was known, while the BSS does
    not answer."""

    def wanted(self, apps: Sequence[str]) -> Freshness:
        """Return how fresh it has to be for all of these applications."""
        return strictest(self.freshness.get(app, REALTIME) for app in apps)

    @property
    def keeps_s(self) -> int:
        """Seconds after which an answer is written down again again that says what was known."""
        bounds = [s for each in self.freshness.values() for s in (each.fresh_s, each.known_s) if s]
        return min(bounds, default=_HEALS_S) // 4


_Who: TypeAlias = tuple[str, str]
"""Tenant and digits of the IMSI."""


@named_noun
class _Flight:
    """A question that is under way."""

    task: asyncio.Task[Eligibility | None]
    wants: Aspects
    began: float


class Eligibilities:
    """Finds out what a BSS says of subscriptions."""

    def __init__(
        self,
        rows: ToldRows,
        desks: Mapping[str, Desk],
        *,
        looks_at: Mapping[str, Aspects],
        clock: Clock,
        metrics: Metrics,
        first_retry_s: int = 15,
    ) -> None:
        """Take the BSS of each tenant that has one; ``looks_at`` is what its policy looks at."""
        self._rows = rows
        self._desks = desks
        self._clock = clock
        self._metrics = metrics
        self._first_retry_s = first_retry_s
        self.wants = Derived(looks_at, lambda tenant, aspects: self._asked(tenant, aspects))
        """By tenant what is asked for; empty = nobody is asked."""
        self._wanted = lru_cache(maxsize=1024)(
            lambda tenant, apps: self._desks[tenant].wanted(apps)
        )
        self._flights: dict[_Who, _Flight] = {}
        self._begun: dict[_Who, _Flight] = {}
        """Those that `begin` began, for as long as somebody may join them."""
        self._away_since: dict[str, float] = {}
        for desk in desks.values():
            metrics.show_bss(desk.name, away=False)

    def asks(self, tenant: str) -> bool:
        """Say whether a tenant's BSS is asked at all."""
        return tenant in self._desks

    async def of(
        self,
        profile: Profile,
        apps: tuple[str, ...],
        *,
        deadline: float,
        trail: Trail,
        tells: bool = True,
    ) -> Profile:
        """Return a profile as it is by what the BSS says, for requests for these applications.

        What it says otherwise than before is told to other devices, unless ``tells`` is false.
        Raise UnknownIdentity where the BSS has no such subscription, or says that it is not to be
        served; PeerUnavailable, PeerTimeout or PeerMisbehaved where it is not known well enough.
        """
        subscription = profile.subscription
        tenant = subscription.tenant
        if tenant not in self._desks:
            return profile
        wants, wanted = self.wants[tenant], self._wanted(tenant, apps)
        told = await self._timed(
            subscription,
            wants,
            wanted,
            kept=profile.kept,
            deadline=deadline,
            trail=trail,
            tells=tells,
        )
        if told is None:
            return profile
        if told.eligibility is None:
            raise UnknownIdentity("bss_no_subscription")
        found = effective(profile, told)
        status = found.subscription.status
        if status not in SERVED:
            raise UnknownIdentity(f"subscription_{status}")
        return found

    async def told(
        self,
        subscription: Subscription,
        aspects: Aspects,
        wanted: Freshness,
        *,
        deadline: float,
        trail: Trail,
    ) -> Told | None:
        """Return what the BSS tells of some aspects, for who is no device; None = nothing.

        Raise PeerUnavailable, PeerTimeout or PeerMisbehaved where it is not known well enough.
        """
        tenant = subscription.tenant
        if tenant not in self._desks or not (wants := self._asked(tenant, aspects)):
            return None
        # One row is kept of all: what devices are told of is asked for along with it.
        both = wants | self.wants[tenant]
        told = await self._timed(subscription, both, wanted, deadline=deadline, trail=trail)
        if told is None or told.eligibility is None:
            return told
        return replace(told, eligibility=only(told.eligibility, wants))

    def begin(self, profile: Profile, apps: tuple[str, ...], *, deadline: float) -> None:
        """Begin to ask the BSS for what `of` will wait for, where it would ask it.

        For who has proved himself, and for whom something is still to be written: the BSS is asked
        meanwhile. Nothing comes of it but that `of` waits less.
        """
        subscription = profile.subscription
        tenant = subscription.tenant
        if tenant not in self._desks or not (wants := self.wants[tenant]):
            return
        known = of_now(profile.kept, self._desks[tenant].name, wants)
        now = self._clock.now()
        if known is None or not known.is_fresh(self._wanted(tenant, apps), wants, now=now):
            flight = self._flight(self._desks[tenant], subscription, wants, deadline)
            # Its answer may come before `of` does, and is to wait for it.
            key = tenant, subscription.imsi.digits
            self._begun[key] = flight
            asyncio.get_running_loop().call_later(_JOINED_S, self._forget_begun, key, flight)

    def _forget_begun(self, key: _Who, flight: _Flight) -> None:
        if self._begun.get(key) is flight:
            del self._begun[key]

    def validity_s(self, profile: Profile, usual_s: int) -> int:
        """Return how long a document holds: less where it is made of what was known."""
        told = profile.told
        if told is None or told.good_s is None:
            return usual_s
        return max(1, min(usual_s, told.good_s, self._desks[profile.subscription.tenant].heals_s))

    async def forget(self, tenant: str, imsi: Imsi) -> None:
        """Have what is known of a subscription asked for anew: something changed."""
        if tenant in self._desks:
            self._flights.pop((tenant, imsi.digits), None)
            self._begun.pop((tenant, imsi.digits), None)
            await self._rows.doubt(tenant, imsi, at=int(self._clock.now()))

    async def close(self) -> None:
        """Ask for nothing any more, and let go of every connection."""
        tasks = [each.task for each in self._flights.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for source in {id(desk.source): desk.source for desk in self._desks.values()}.values():
            await source.close()

    def _asked(self, tenant: str, aspects: Aspects) -> Aspects:
        desk = self._desks.get(tenant)
        return NO_ASPECTS if desk is None else aspects & desk.source.tells

    async def _timed(
        self,
        subscription: Subscription,
        wants: Aspects,
        wanted: Freshness,
        *,
        kept: Told | None = None,
        deadline: float,
        trail: Trail,
        tells: bool = True,
    ) -> Told | None:
        began = self._clock.monotonic()
        try:
            return await self._told(
                subscription,
                wants,
                wanted,
                kept=kept,
                deadline=deadline,
                trail=trail,
                tells=tells,
            )
        finally:
            trail.peers_us["bss"] = int((self._clock.monotonic() - began) * 1e6)

    async def _told(
        self,
        subscription: Subscription,
        wants: Aspects,
        wanted: Freshness,
        *,
        kept: Told | None,
        deadline: float,
        trail: Trail,
        tells: bool,
    ) -> Told | None:
        tenant = subscription.tenant
        desk = self._desks[tenant]
        if not wants:
            return None
        now, source = self._clock.now(), desk.name
        # The store has it: another worker may have been told of an event.
        before = kept or await self._rows.told(tenant, subscription.imsi)
        before = of_now(before, source, wants)
        if before is not None and before.is_fresh(wanted, wants, now=now):
            self._metrics.count_bss(source, "kept")
            return before
        try:
            # Whoever goes away meanwhile takes nothing from others who wait for the same.
            answer = await asyncio.shield(self._flight(desk, subscription, wants, deadline).task)
        except (PeerUnavailable, PeerMisbehaved) as error:
            self._fails(desk, error)
            left = 0 if before is None else int(before.asked_at + wanted.known_s - now)
            if (
                before is None
                or left <= 0
                or not wants <= before.asked
                # A refusal holds for no time, so nobody would be told that it is over.
                or (before.is_doubtful and not before.serves)
            ):
                if error.retry_after is None:
                    error.retry_after = self._retry_s(desk)
                raise
            trail.detail = f"{desk.name}: {error.reason}, what was known is told"
            self._metrics.count_bss(desk.name, "last_known")
            return replace(before, good_s=left)
        self._answers(desk, answer)
        told = Told(
            eligibility=None if answer is None else only(answer, wants),
            asked=wants,
            source=desk.name,
            changed_at=int(now),
            asked_at=int(now),
        )
        return await self._keep(desk, subscription, told, before, tells=tells)

    def _flight(
        self, desk: Desk, subscription: Subscription, wants: Aspects, deadline: float
    ) -> _Flight:
        """Return the question to the BSS; those who ask the same at once ask once."""
        key, now = (subscription.tenant, subscription.imsi.digits), self._clock.monotonic()
        begun = self._begun.pop(key, None)
        flight = self._flights.get(key) or begun
        if flight is None or flight.wants != wants or now - flight.began > _JOINED_S:
            who = Subscriber(subscription.imsi, subscription.msisdn)
            until = min(now + desk.timeout_s, deadline - _LAST_WORDS_S)
            task = asyncio.ensure_future(desk.source.look_up(who, wants, deadline=until))
            flight = self._flights[key] = _Flight(task=task, wants=wants, began=now)
            task.add_done_callback(lambda _: self._landed(desk, key, flight))
        return flight

    def _landed(self, desk: Desk, key: _Who, flight: _Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
        task = flight.task
        if task.cancelled() or isinstance(error := task.exception(), EcsError):
            return
        if error is not None:
            say_fault(error)
            return
        self._metrics.time_bss(desk.name, self._clock.monotonic() - flight.began)

    async def _keep(
        self,
        desk: Desk,
        subscription: Subscription,
        told: Told,
        before: Told | None,
        *,
        tells: bool,
    ) -> Told:
        """Write what was told, unless it is known to stand there already; return it."""
        if (
            before is not None
            and before.says_the_same(told)
            and not before.is_doubtful
            and told.asked_at - before.asked_at < desk.keeps_s
        ):
            return replace(told, changed_at=before.changed_at)
        try:
            tells = tells and before is not None and before.says_otherwise(told)
            return await self._rows.keep(subscription.tenant, subscription.imsi, told, tells=tells)
        except EcsError as error:
            # It is good for this request, and the next one asks again.
            structlog.get_logger().warning("bss_not_kept", bss=desk.name, reason=error.reason)
            return told

    def _fails(self, desk: Desk, error: EcsError) -> None:
        self._metrics.count_bss(desk.name, error.reason)
        if desk.name not in self._away_since:
            self._away_since[desk.name] = self._clock.monotonic()
            self._metrics.show_bss(desk.name, away=True)
            structlog.get_logger().warning(
                "bss", bss=desk.name, reason=error.reason, detail=error.for_operator
            )

    def _answers(self, desk: Desk, answer: Eligibility | None) -> None:
        self._metrics.count_bss(desk.name, "unknown" if answer is None else "told")
        if self._away_since.pop(desk.name, None) is not None:
            self._metrics.show_bss(desk.name, away=False)
            structlog.get_logger().info("bss", bss=desk.name, reason="it answers again")

    def _retry_s(self, desk: Desk) -> int:
        """Return when devices are to come back: the later the longer the BSS has been away."""
        away_s = self._clock.monotonic() - self._away_since.get(desk.name, 0)
        return int(min(max(self._first_retry_s, away_s / 2), _LONGEST_RETRY_S))


def of_now(told: Told | None, source: str, wants: Aspects) -> Told | None:
    """Return what was told by who is asked now, as far as it is looked at now.

    By earlier settings it was another BSS, or something else was looked at.
    """
    if told is None or told.source != source:
        return None
    if told.eligibility is None:
        return told
    return replace(told, eligibility=only(told.eligibility, wants))
