"""What core networks know of a subscriber, asked as seldom as may be and never waited for long.

What a network said is kept with its source and age. It is asked anew once that is no longer fresh,
or an event of the network made it doubtful; where nothing new comes, what is known stays good until
it is too old. So a network that is away, late or tells nothing changes no decision.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import structlog

from simgrant.domain.network_facts import (
    NO_KINDS,
    NOTHING_HEARD,
    Age,
    Heard,
    Kind,
    Kinds,
    Learned,
    Registration,
)
from simgrant.domain.subscription import SERVED, Subscription
from simgrant.errors import EcsError
from simgrant.flows.derived import Derived
from simgrant.identities import Imsi, Msisdn
from simgrant.ports.clock import Clock
from simgrant.ports.network_data import Known, NetworkData, Subscriber
from simgrant.ports.store import Store
from simgrant.telemetry.log import say_fault
from simgrant.telemetry.metrics import Metrics

_NUMBER = Kinds({Kind.NUMBER})
_MOST_AHEAD = 1_000
"""Of those who are asked about before they need it."""


class Tellers:
    """Who tells what, and how long it is good; asks nobody."""

    def __init__(
        self,
        tells: Mapping[str, Kinds],
        *,
        sources_of: Callable[[str, Imsi], Sequence[str]],
        ages: Mapping[Kind, Age],
    ) -> None:
        """Take what each source is asked for, and who knows a tenant's SIM, the first one first."""
        self._tells = tells
        self._sources_of = sources_of
        self.ages = ages
        self.all = NO_KINDS.union(*tells.values())
        """What anybody tells; empty = nobody is asked."""

    def of(self, subscription: Subscription, wants: Kinds) -> dict[Kind, str]:
        """Return who tells what of a subscription."""
        wants &= self.all
        if not wants:
            return {}
        names = self._sources_of(subscription.tenant, subscription.imsi)
        return {
            kind: name
            for name in reversed(names)
            for kind in sorted(self._tells.get(name, NO_KINDS) & wants)
        }

    def good(self, known: Mapping[Kind, Learned], *, now: float) -> dict[Kind, Learned]:
        """Return what may be used of what is known."""
        return {
            kind: each
            for kind, each in known.items()
            if each.value and self.ages[kind].is_good(each, now=now)
        }


class NetworkFacts:
    """Finds out what networks know of subscribers."""

    def __init__(
        self,
        store: Store,
        tellers: Tellers,
        data: Mapping[str, NetworkData],
        *,
        rules: Mapping[str, Kinds],
        clock: Clock,
        metrics: Metrics,
        timeout_s: float,
    ) -> None:
        """Take everybody who tells anything by name, as ``tellers`` names them.

        ``rules`` is what those of each tenant look at.
        """
        self._store = store
        self._rows = store.learned
        self._tellers = tellers
        self._data = data
        self._clock = clock
        self._metrics = metrics
        self._timeout_s = timeout_s
        self._failing: set[str] = set()
        self.wanted = Derived(rules, lambda _, kinds: kinds & tellers.all)
        """By tenant what facts are asked for; empty = nobody is asked."""
        self._ahead: dict[tuple[str, Imsi], asyncio.Task[Mapping[Kind, Learned] | None]] = {}

    @property
    def asks(self) -> bool:
        """Say whether there is anybody to ask, whatever rules look at."""
        return bool(self._tellers.all)

    def look_ahead(self, tenant: str, imsi: Imsi) -> None:
        """Begin to ask about somebody who is about to prove his SIM, beside that.

        He asks for facts in his next request, and then waits for less. Too many at a time are left
        to that request.
        """
        key = tenant, imsi
        if self.wanted[tenant] and key not in self._ahead and len(self._ahead) < _MOST_AHEAD:
            task = asyncio.create_task(self._look(tenant, imsi))
            self._ahead[key] = task
            task.add_done_callback(lambda done: self._looked(key, done))

    async def close(self) -> None:
        """Look for nobody any more."""
        tasks = list(self._ahead.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def number(self, subscription: Subscription) -> Msisdn | None:
        """Return the number of a subscription: the store's, else a network's, else None."""
        if subscription.msisdn is not None:
            return subscription.msisdn
        found = (await self._known(subscription, _NUMBER)).get(Kind.NUMBER)
        return None if found is None else Msisdn(found.value)

    async def heard(self, subscription: Subscription, wants: Kinds | None = None) -> Heard:
        """Return what is known of a subscription that the tenant's rules look at.

        ``wants`` is that, where it was looked up in ``wanted`` before something was awaited.
        """
        if wants is None:
            wants = self.wanted[subscription.tenant]
        if not wants:
            return NOTHING_HEARD
        known = None
        if (ahead := self._ahead.get((subscription.tenant, subscription.imsi))) is not None:
            # Whoever goes away meanwhile takes nothing from others who wait for the same.
            known = await asyncio.shield(ahead)
        return heard(await self._known(subscription, wants) if known is None else known)

    def as_learned(self, subscription: Subscription, learned: Mapping[Kind, Learned]) -> Heard:
        """Return what of this the tenant's rules look at and is still good; ask nobody."""
        telling = self._tellers.of(subscription, self.wanted[subscription.tenant])
        known = told_by(learned, telling)
        return heard(self._tellers.good(known, now=int(self._clock.now())))

    async def _look(self, tenant: str, imsi: Imsi) -> Mapping[Kind, Learned] | None:
        try:
            subscription = await self._store.find(tenant, imsi=imsi)
        except EcsError:
            return None
        if subscription is None or subscription.status not in SERVED:
            return None
        return await self._known(subscription, self.wanted[tenant])

    def _looked(
        self, key: tuple[str, Imsi], done: asyncio.Task[Mapping[Kind, Learned] | None]
    ) -> None:
        del self._ahead[key]
        if not done.cancelled() and (error := done.exception()) is not None:
            say_fault(error)

    async def _known(self, subscription: Subscription, wants: Kinds) -> Mapping[Kind, Learned]:
        """Return what is good of these kinds, after asking for what is not fresh."""
        telling = self._tellers.of(subscription, wants)
        if not telling:
            return {}
        now = int(self._clock.now())
        try:
            rows = await self._rows.learned(subscription.tenant, subscription.imsi)
        except EcsError:
            # Whoever asks has just read the store, and says what becomes of him without it.
            return {}
        known = told_by(rows, telling)
        asking: dict[str, set[Kind]] = {}
        for kind, name in telling.items():
            if kind not in known or not self._tellers.ages[kind].is_fresh(known[kind], now=now):
                asking.setdefault(name, set()).add(kind)
        if asking:
            who = Subscriber(subscription.imsi, subscription.msisdn)
            answers = await asyncio.gather(
                *(self._ask(name, who, Kinds(kinds)) for name, kinds in asking.items())
            )
            news = {
                kind: _learned(kind, answer, name, known.get(kind), now=now)
                for (name, kinds), answer in zip(asking.items(), answers, strict=True)
                if answer is not None
                for kind in kinds
            }
            known |= news
            await self._keep(subscription, news)
        return self._tellers.good(known, now=now)

    async def _ask(self, name: str, who: Subscriber, wants: Kinds) -> Known | None:
        """Return what somebody tells; None where he does not answer."""
        deadline = self._clock.monotonic() + self._timeout_s
        log = structlog.get_logger()
        try:
            known = await self._data[name].ask(who, wants, deadline=deadline)
        except EcsError as error:
            self._metrics.count_network_data(name, error.reason)
            if name not in self._failing:
                self._failing.add(name)
                log.warning("network_data", source=name, reason=error.reason)
            return None
        self._metrics.count_network_data(name, "told")
        if name in self._failing:
            self._failing.discard(name)
            log.info("network_data", source=name, reason="it answers again")
        return known

    async def _keep(self, subscription: Subscription, news: Mapping[Kind, Learned]) -> None:
        try:
            if news:
                await self._rows.learn(subscription.tenant, subscription.imsi, news)
        except EcsError as error:
            # It is good for this request, and asked for again by the next.
            structlog.get_logger().warning("network_data_not_kept", reason=error.reason)


def told_by(rows: Mapping[Kind, Learned], telling: Mapping[Kind, str]) -> dict[Kind, Learned]:
    """Return what was learned of whoever tells it now; by earlier settings it was somebody else."""
    return {
        kind: rows[kind]
        for kind, name in telling.items()
        if kind in rows and rows[kind].source == name
    }


def heard(known: Mapping[Kind, Learned]) -> Heard:
    """Return what facts are made of."""
    return Heard(known.get(Kind.LOCATION), known.get(Kind.REGISTRATION))


def _learned(kind: Kind, told: Known, source: str, before: Learned | None, *, now: int) -> Learned:
    """Return what is known now: what was known before, where nothing was told."""
    value, at = "", now
    match kind:
        case Kind.NUMBER:
            value = told.number.digits if told.number is not None else ""
        case Kind.LOCATION:
            value, at = told.visited_plmn, now - told.located_s
        case Kind.REGISTRATION:
            known = told.registration is not Registration.UNKNOWN
            value = told.registration.value if known else ""
    if not value and before is not None:
        value, at = before.value, before.at
    return Learned(value, source, at, now)
