"""Whether a data boost is to be on in the network: for as long as somebody has it (TS.43 §9)."""

from __future__ import annotations

import contextlib

from simgrant.domain.holdings import HeldBoost, Purchase
from simgrant.domain.plans import boost_feature
from simgrant.domain.subscription import Profile, SubscriptionStatus
from simgrant.errors import Conflict
from simgrant.flows.switch_wishes import Wish
from simgrant.nouns import replace
from simgrant.ports.clock import Clock
from simgrant.ports.network_data import Subscriber
from simgrant.ports.store import Store
from simgrant.ports.switching import DueSwitch
from simgrant.spec.ids import ProvStatus


class BoostWishes:
    """What is wanted of boosts (``Wishes``)."""

    def __init__(self, store: Store, *, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def of(self, due: DueSwitch, *, deadline: float) -> Wish | None:
        """Return what is wanted of a line's boost; None where it is to be left alone."""
        del deadline
        before = await self._read(due)
        if before is None:
            return Wish(on=False, who=Subscriber(due.imsi, None), before=None)
        on, line = self._is_held(due, before), before.subscription
        if on and line.status is not SubscriptionStatus.ACTIVE:
            # Who is suspended is the BSS's to switch; what is over goes off all the same.
            return None
        # The number of one that is gone may be another's by now.
        gone = line.status is SubscriptionStatus.REMOVED
        return Wish(on=on, who=Subscriber(due.imsi, None if gone else line.msisdn), before=before)

    async def tell(self, due: DueSwitch, wish: Wish, status: ProvStatus) -> None:
        """Write that a boost is on that waited for the network; its devices are told by that."""
        boost = None if wish.before is None else _boost(due, wish.before)
        waits = boost is not None and boost.purchase is Purchase.IN_PROGRESS
        if boost is None or not (wish.on and waits and status is ProvStatus.PROVISIONED):
            return
        on = replace(boost, purchase=Purchase.ACTIVE, at=int(self._clock.now()))
        # What it came to be meanwhile is looked at by itself.
        with contextlib.suppress(Conflict):
            await self._store.set_holding(due.tenant, due.imsi, on, instead_of=boost)

    async def changed(self, due: DueSwitch, wish: Wish) -> bool:
        """Say whether it is held no more, or held again."""
        now = await self._read(due)
        return (now is not None and self._is_held(due, now)) is not wish.on

    async def _read(self, due: DueSwitch) -> Profile | None:
        before = await self._store.profile(due.tenant, due.imsi, "", "")
        if before is None:
            return None
        held = await self._store.holdings(due.tenant, due.imsi, (HeldBoost,))
        return replace(before, held=held)

    def _is_held(self, due: DueSwitch, profile: Profile) -> bool:
        """Say whether there is such a boost, and it is not over; one that is gone has none."""
        boost = _boost(due, profile)
        return (
            profile.subscription.status is not SubscriptionStatus.REMOVED
            and boost is not None
            and boost.state(self._clock.now()) is not Purchase.EXPIRED
        )


def _boost(due: DueSwitch, profile: Profile) -> HeldBoost | None:
    boosts = profile.held.boosts
    return next((each for each in boosts if boost_feature(each.boost_type) == due.service), None)
