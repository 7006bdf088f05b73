"""What SM-DP+s tell of profiles, brought to the orders that have them (`ports.profile_events`).

An SM-DP+ tells what it likes, as often as it likes, in any order. What does not fit where an order
is changes nothing; what became of each call stands in the log, and what an order went through in
its history.
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from simgrant.domain.order import Deleted, Order, OrderState, OutOfOrder
from simgrant.flows.ordering import Ordering
from simgrant.identities import Eid, Iccid, Imsi
from simgrant.nouns import Word, noun
from simgrant.ports.orders import Kept, Orders
from simgrant.ports.profile_events import INSTALLATION
from simgrant.wire.es2plus import Status


class Outcome(Word):
    """What was done about one call."""

    INSTALLED = "installed"
    DELETED = "deleted"
    """An order waited for the old device to delete this profile; it goes on now."""
    ENDED = "ended"
    """It was in use, and nobody waited for that: its order is over."""
    REPEATED = "repeated"
    """It is known to be installed."""
    NOTED = "noted"
    """A step before that, or one that failed: nothing follows from it."""
    OUT_OF_ORDER = "out_of_order"
    """It does not fit where the order is: given up meanwhile, or not yet released."""
    OTHERS = "others"
    """The order is with another SM-DP+ than the one that told."""
    UNKNOWN = "unknown"
    """No order of ours has this profile."""


@noun
class Teller:
    """An SM-DP+ that tells."""

    tenants: tuple[str, ...]
    """Whose profiles it has."""
    deletion_point: int | None = None
    """The notification point by which it tells that a profile was deleted; peers have their own."""


class Events:
    """Takes over what SM-DP+s tell; the port's promises are its own."""

    def __init__(
        self, orders: Orders, *, ordering: Ordering, tellers: Mapping[str, Teller]
    ) -> None:
        """``tellers`` are the SM-DP+s by their names in the settings."""
        self._orders = orders
        self._ordering = ordering
        self._tellers = tellers

    async def progress(
        self,
        smdp: str,
        iccid: Iccid,
        *,
        point: int,
        status: Status,
        at: int,
        eid: Eid | None = None,
    ) -> None:
        """Take over that a step of a download ended; what the store raises is raised."""
        del at  # SM-DP+s' clocks differ: what counts is when it came.
        kept = await self._find(smdp, iccid)
        outcome = await self._happens(smdp, kept, point, status, eid)
        suspect = outcome in (Outcome.OTHERS, Outcome.UNKNOWN, Outcome.OUT_OF_ORDER)
        log = structlog.get_logger()
        (log.warning if suspect else log.info)(
            "smdp_told",
            smdp=smdp,
            tenant=kept.tenant if kept else "",
            order=kept.order.order_id if kept else "",
            point=point,
            status=status.outcome.value,
            outcome=outcome.value,
        )

    async def _find(self, smdp: str, iccid: Iccid) -> Kept | None:
        for tenant in self._tellers[smdp].tenants:
            if (kept := await self._orders.by_iccid(tenant, iccid)) is not None:
                return kept
        return None

    async def _happens(
        self, smdp: str, kept: Kept | None, point: int, status: Status, eid: Eid | None
    ) -> Outcome:
        if kept is None:
            return Outcome.UNKNOWN
        if kept.order.source.smdp != smdp:
            return Outcome.OTHERS
        if not status.outcome.is_done:
            return Outcome.NOTED
        if point == self._tellers[smdp].deletion_point:
            if _is_of_before(kept.order, eid):
                return Outcome.NOTED
            return await self._deleted(kept)
        if point != INSTALLATION:
            return Outcome.NOTED
        known = kept.order.state in (OrderState.ACTIVE, OrderState.INACTIVE)
        if known and not kept.order.gone:
            await self._ordering.replaces(kept)
            return Outcome.REPEATED
        try:
            await self._ordering.installed(kept)
        except OutOfOrder:
            return Outcome.OUT_OF_ORDER
        return Outcome.INSTALLED

    async def _deleted(self, gone: Kept) -> Outcome:
        """Let the order go on that waits for this profile to be gone; else its own is over."""
        # Enterprises move no lines, and have very many orders.
        lines = isinstance(gone.owner, Imsi)
        there = await self._ordering.of(gone.tenant, gone.owner) if lines else {}
        for order in there.values():
            waits = order.state is OrderState.DELETING
            if waits and order.old_order_id == gone.order.order_id:
                await self._ordering.old_is_gone(Kept(gone.tenant, gone.owner, order))
                return Outcome.DELETED
        try:
            after = await self._ordering.happens(gone, Deleted())
        except OutOfOrder:
            return Outcome.NOTED
        return Outcome.ENDED if after.state is OrderState.ENDED else Outcome.NOTED


def _is_of_before(order: Order, eid: Eid | None) -> bool:
    """Say whether a profile was deleted from where it was before, and is another device's by now.

    Where nobody says which eUICC it was, that may be so of one that is used again.
    """
    return order.reuses if eid is None else order.device.eid not in (None, eid)
