"""Wi-Fi calling switched on and off in the network, as its subscribers and their plans have it.

A row says which line is to be looked at, and stays until all is as it should be: whatever dies or
is away meanwhile, it is tried again. What is wanted is found out each time. What came of it is told
as an event, so that devices learn of it as they do of everything else (ADR 0049).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from typing import Final

import structlog

from simgrant.domain.bss_events import BssEvent, Change
from simgrant.domain.companions import count
from simgrant.domain.eligibility import Eligibility
from simgrant.domain.facts import Device
from simgrant.domain.policy import Policy, Result
from simgrant.domain.subscription import ConsentStatus, Profile, SubscriptionStatus
from simgrant.domain.tenant import Tenant
from simgrant.domain.trail import Trail
from simgrant.errors import EcsError, PeerMisbehaved, UnknownIdentity
from simgrant.flows.bss_inbox import BssInbox
from simgrant.flows.eligibility import Eligibilities
from simgrant.flows.for_ever import KeepsActing
from simgrant.flows.gather import counting, gather, look
from simgrant.flows.verdicts import NO_DEVICE
from simgrant.identities import Imei
from simgrant.nouns import named_noun
from simgrant.ports.activation import Activation, Switched
from simgrant.ports.clock import Clock
from simgrant.ports.keys import Keys
from simgrant.ports.life import SWITCH
from simgrant.ports.network_data import Subscriber
from simgrant.ports.store import Store
from simgrant.ports.switching import DueSwitch, UnderWay
from simgrant.services import SERVICES
from simgrant.spec.ids import AppId, ProvStatus
from simgrant.spec.version import NEWEST
from simgrant.telemetry.log import say_fault

APP: Final = AppId.VOWIFI
_POLL_S: Final = 1.0
_AT_ONCE: Final = 8
_CALL_S: Final = 8.0
_LEASE_S: Final = 30
"""Seconds after which a line that somebody looks at is another's; longer than looking takes."""
_FIRST_WAIT_S: Final = 5.0
_LONGEST_WAIT_S: Final = 900.0
_OWED: Final = frozenset({ConsentStatus.MISSING, ConsentStatus.IN_PROGRESS})


@named_noun
class Desk:
    """Who switches a tenant's lines, and how."""

    name: str
    """As the settings name it: ``bss.main``."""
    activation: Activation = field(repr=False, hash=False)
    look_every_s: float
    """Seconds between two looks at what is under way."""
    off: bool
    """Whether it is switched off where nothing is left that wants it on."""


@named_noun
class _Wish:
    """What is wanted of a line now."""

    on: bool | None
    """None = it is to stay as it is."""
    before: Profile = field(repr=False)
    """As it was read: whether anything changed meanwhile is seen by it."""
    who: Subscriber
    told: ProvStatus
    """How far devices are told that it is: by the BSS's word, where it has one."""


class Switching:
    """The lines of all tenants whose BSS switches them; every worker runs it."""

    def __init__(
        self,
        store: Store,
        desks: Mapping[str, Desk],
        *,
        inbox: BssInbox,
        bss: Eligibilities,
        tenants: Mapping[str, Tenant],
        policies: Mapping[str, Policy],
        keys: Keys,
        clock: Clock,
        chance: Callable[[], float],
    ) -> None:
        self._store = store
        self._desks = desks
        self._inbox = inbox
        self._bss = bss
        self._tenants = tenants
        self._policies = policies
        self._keys = keys
        self._clock = clock
        self._chance = chance

    async def run(self) -> None:
        """Look until cancelled."""
        await KeepsActing(self._look, poll_s=_POLL_S, failed="switching").run()

    async def close(self) -> None:
        """Let go of every connection."""
        for each in {id(desk): desk.activation for desk in self._desks.values()}.values():
            await each.close()

    async def look(self) -> int:
        """Look at lines that are due; return at how many. PeerUnavailable: the store is away."""
        now = int(self._clock.now())
        found = await self._store.switches.claim(now=now, again_at=now + _LEASE_S, limit=_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for due in found:
                group.create_task(self._look_at(due))
        return len(found)

    async def _look(self) -> bool:
        return await self.look() == _AT_ONCE

    async def _look_at(self, due: DueSwitch) -> None:
        """Bring one line further, and note how far it is."""
        desk, then, wait_s = self._desks.get(due.tenant), None, 0.0
        try:
            if desk is not None:
                then, wait_s = await self._further(due, desk)
            now = int(self._clock.now())
            await self._store.switches.settle(due, then, due_at=now + round(wait_s), now=now)
        except EcsError as error:
            # Its lease runs out, and somebody looks again.
            structlog.get_logger().warning("switching", reason=error.reason)
        except Exception as error:
            say_fault(error)

    async def _further(self, due: DueSwitch, desk: Desk) -> tuple[UnderWay | None, float]:
        """Return how far a line is, and after how many seconds to look again."""
        was, wish = due.under_way, None
        try:
            wish = await self._wish(due)
            if wish is None or wish.on is None:
                return None, 0
            if not wish.on and not self._may_go_off(desk, wish):
                return None, 0
            told = await self._ask(desk, was, wish)
        except EcsError as error:
            on = wish.on if wish is not None else was.on if was is not None else True
            return self._later(desk, was, on=bool(on), error=error)
        on = bool(wish.on)
        if told.status is ProvStatus.IN_PROGRESS:
            if on:
                await self._tell(due, wish, ProvStatus.IN_PROGRESS)
            return UnderWay(on, 0, told.watch), self._spread(desk.look_every_s)
        await self._tell(due, wish, told.status)
        if told.failed:
            structlog.get_logger().warning(
                "switching", bss=desk.name, tenant=due.tenant, reason="given_up"
            )
            return self._again(was, on=on, watch="")
        if await self._changed(due, wish):
            # What was done may have come after what somebody else did for that change.
            return UnderWay(on), 0
        return None, 0

    async def _ask(self, desk: Desk, was: UnderWay | None, wish: _Wish) -> Switched:
        deadline, on = self._clock.monotonic() + _CALL_S, bool(wish.on)
        if was is not None and was.watch and was.on == on:
            return await desk.activation.progress(was.watch, on=on, deadline=deadline)
        return await desk.activation.switch(wish.who, on=on, deadline=deadline)

    def _may_go_off(self, desk: Desk, wish: _Wish) -> bool:
        """Say whether it is ours to switch it off."""
        provisioning = wish.before.subscription.provisioning
        return desk.off and provisioning is not ProvStatus.NOT_REQUIRED

    async def _wish(self, due: DueSwitch) -> _Wish | None:
        """Return what is wanted of a line; None where there is none, or it is not to be judged."""
        before = await self._store.profile(due.tenant, due.imsi, "", "")
        if before is None or before.subscription.status is not SubscriptionStatus.ACTIVE:
            # Who is suspended is the BSS's to switch, and is looked at when that is over.
            return None
        deadline = self._clock.monotonic() + _CALL_S
        try:
            profile = await self._bss.of(before, (APP,), deadline=deadline, trail=Trail(""))
        except UnknownIdentity:
            return None
        if profile.subscription.status is not SubscriptionStatus.ACTIVE:
            return None
        who = Subscriber(due.imsi, profile.subscription.msisdn)
        if APP in counting(self._policies[due.tenant]):
            orders = await self._store.orders.of(due.tenant, due.imsi)
            profile = replace(profile, counted=count(orders))
        told, devices = profile.subscription.provisioning, await self._devices(due)
        return _Wish(on=self._is_wanted(profile, devices), before=before, who=who, told=told)

    async def _devices(self, due: DueSwitch) -> list[Device]:
        """Return the devices for which it may be wanted."""
        if not self._policies[due.tenant].looks_at_device:
            return [NO_DEVICE]
        held = await self._store.export(due.tenant, due.imsi)
        found = [] if held is None else held.terminals
        return [
            Device(Imei.tac_of(each.terminal_id), each.vendor, each.model, each.sw_version)
            for each in found
        ] or [NO_DEVICE]

    def _is_wanted(self, profile: Profile, devices: list[Device]) -> bool | None:
        """Say whether it is to be on at home, for one of these devices; None = not to be said."""
        tenant, policy = profile.subscription.tenant, self._policies[profile.subscription.tenant]
        # Where somebody is for a while takes nothing from the line.
        at_home = replace(profile, subscription=replace(profile.subscription, visited_plmn=""))
        view = look(
            at_home,
            tenant=self._tenants[tenant],
            now=self._clock.now(),
            roaming_max_age=0,
            policy=policy,
            ring=self._keys.ring,
        )
        for device in devices:
            facts = gather(view, device, policy=policy)
            (question,) = SERVICES[APP].questions(NEWEST, facts)
            if policy.decide(question, facts).result is Result.DENIED:
                continue
            agreed = {facts.terms.value, facts.address.value}
            if ConsentStatus.MISSING in agreed:
                return False
            return None if agreed & _OWED else True
        return False

    async def _changed(self, due: DueSwitch, wish: _Wish) -> bool:
        """Say whether what was wanted rests on something that is not so any more."""
        now = await self._store.profile(due.tenant, due.imsi, "", "")
        return now is None or _basis(now) != _basis(wish.before)

    async def _tell(self, due: DueSwitch, wish: _Wish, status: ProvStatus) -> None:
        """Have everybody learn how far it is, unless it is known."""
        known = status is wish.before.subscription.provisioning
        if known and status in (wish.told, ProvStatus.IN_PROGRESS):
            return
        event = BssEvent(
            event_id=os.urandom(12).hex(),
            change=Change.CHANGED,
            at=int(self._clock.now()),
            imsi=due.imsi,
            told=Eligibility(provisioning=status),
        )
        await self._inbox.take(due.tenant, SWITCH, [event])

    def _later(
        self, desk: Desk, was: UnderWay | None, *, on: bool, error: EcsError
    ) -> tuple[UnderWay, float]:
        """Return what is left to be done where nobody knows whether anything was."""
        structlog.get_logger().warning(
            "switching", bss=desk.name, reason=error.reason, detail=error.for_operator
        )
        # What makes no sense is not asked about again: it is switched anew.
        lost = was is None or was.on != on or isinstance(error, PeerMisbehaved)
        return self._again(was, on=on, watch="" if lost or was is None else was.watch)

    def _again(self, was: UnderWay | None, *, on: bool, watch: str) -> tuple[UnderWay, float]:
        tries = was.tries + 1 if was is not None and was.on == on else 1
        wait_s = min(_FIRST_WAIT_S * 2 ** min(tries - 1, 10), _LONGEST_WAIT_S)
        return UnderWay(on, tries, watch), self._spread(wait_s)

    def _spread(self, seconds: float) -> float:
        return max(1.0, seconds * (0.8 + 0.4 * self._chance()))


def _basis(profile: Profile) -> tuple[object, ...]:
    subscription = profile.subscription
    return subscription.status, subscription.plan, profile.terms, profile.address
