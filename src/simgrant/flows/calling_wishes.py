"""Whether Wi-Fi calling is to be on in the network, as its subscribers and their plans have it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from simgrant.domain.bss_events import BssEvent, Change
from simgrant.domain.companions import count
from simgrant.domain.eligibility import Eligibility
from simgrant.domain.facts import Device
from simgrant.domain.policy import Policy, Result
from simgrant.domain.subscription import ConsentStatus, Profile, SubscriptionStatus
from simgrant.domain.tenant import Tenant
from simgrant.domain.trail import Trail
from simgrant.errors import UnknownIdentity
from simgrant.flows.bss_inbox import BssInbox
from simgrant.flows.eligibility import Eligibilities
from simgrant.flows.gather import counting, gather, look
from simgrant.flows.switch_wishes import Wish
from simgrant.flows.verdicts import NO_DEVICE
from simgrant.identities import Imei
from simgrant.nouns import noun, replace
from simgrant.ports.clock import Clock
from simgrant.ports.keys import Keys
from simgrant.ports.life import SWITCH
from simgrant.ports.network_data import Subscriber
from simgrant.ports.store import Store
from simgrant.ports.switching import DueSwitch
from simgrant.services import SERVICES
from simgrant.spec.ids import AppId, ProvStatus
from simgrant.spec.version import NEWEST

APP: Final = AppId.VOWIFI
_OWED: Final = frozenset({ConsentStatus.MISSING, ConsentStatus.IN_PROGRESS})


@noun
class Rules:
    """What a tenant has switched."""

    off: bool
    """Whether it is switched off where nothing is left that wants it on."""
    by_imsi: bool
    """Whether the service is found by its IMSI: by a number alone, that of a line that is gone is
    not told from its next owner's."""


class CallingWishes:
    """What is wanted of Wi-Fi calling (``Wishes``)."""

    def __init__(
        self,
        store: Store,
        rules: Mapping[str, Rules],
        *,
        inbox: BssInbox,
        bss: Eligibilities,
        tenants: Mapping[str, Tenant],
        policies: Mapping[str, Policy],
        keys: Keys,
        clock: Clock,
    ) -> None:
        """``rules`` are the tenants'."""
        self._store = store
        self._rules = rules
        self._inbox = inbox
        self._bss = bss
        self._tenants = tenants
        self._policies = policies
        self._keys = keys
        self._clock = clock

    async def of(self, due: DueSwitch, *, deadline: float) -> Wish | None:
        """Return what is wanted of it; None where it is to be left alone."""
        rules = self._rules[due.tenant]
        before = await self._store.profile(due.tenant, due.imsi, "", "")
        off = Wish(on=False, who=Subscriber(due.imsi, None), before=before)
        if before is None:
            return off if rules.off and rules.by_imsi else None
        # What never was on is nobody's to switch off; what is under way all the same, of a line of
        # which it never was on, was so for whoever had its IMSI before.
        never_on = before.subscription.provisioning is ProvStatus.NOT_REQUIRED
        another_s = never_on and due.under_way is not None and rules.off and rules.by_imsi
        may_go_off = another_s or (rules.off and not never_on)
        if before.subscription.status is SubscriptionStatus.REMOVED:
            # Its number may be another's by now.
            return off if may_go_off and rules.by_imsi else None
        left_alone = off if another_s else None
        if before.subscription.status is not SubscriptionStatus.ACTIVE:
            # Who is suspended is the BSS's to switch, and is looked at when that is over.
            return left_alone
        try:
            profile = await self._bss.of(before, (APP,), deadline=deadline, trail=Trail(""))
        except UnknownIdentity:
            return left_alone
        if profile.subscription.status is not SubscriptionStatus.ACTIVE:
            return left_alone
        who = Subscriber(due.imsi, profile.subscription.msisdn)
        if APP in counting(self._policies[due.tenant]):
            orders = await self._store.orders.of(due.tenant, due.imsi)
            profile = replace(profile, counted=count(orders))
        on = self._is_wanted(profile, await self._devices(due))
        if on is None or not (on or may_go_off):
            return left_alone
        return Wish(on=on, who=who, before=before, told=profile.subscription.provisioning)

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

    async def changed(self, due: DueSwitch, wish: Wish) -> bool:
        """Say whether what was wanted rests on something that is not so any more."""
        now = await self._store.profile(due.tenant, due.imsi, "", "")
        return _basis(now) != _basis(wish.before)

    async def tell(self, due: DueSwitch, wish: Wish, status: ProvStatus) -> None:
        """Have everybody learn how far it is, unless it is known.

        It is told as an event, so that devices learn of it as they do of everything else.
        """
        line = None if wish.before is None else wish.before.subscription
        if line is None or line.status is SubscriptionStatus.REMOVED:
            return
        if not wish.on and line.provisioning is ProvStatus.NOT_REQUIRED:
            # It was another's, and is none of its devices' business.
            return
        known = status is line.provisioning
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


def _basis(profile: Profile | None) -> tuple[object, ...]:
    if profile is None:
        return ()
    subscription = profile.subscription
    return subscription.status, subscription.plan, profile.terms, profile.address
