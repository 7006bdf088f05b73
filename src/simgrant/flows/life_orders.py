"""What becomes of eSIM orders when the line they are of changes: by rule, said as often as need be.

Orders are driven by a machine of their own, over rows that whoever acts upon events does not write.
So this is done before an event is acted upon, and again if that has to be repeated: an order that
has ended stays so.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

import structlog

from simgrant.domain.bss_events import BssEvent, Change
from simgrant.domain.order import ON_DEVICE, Order, OrderState
from simgrant.flows.order_desk import NotPossible, OrderDesk
from simgrant.identities import Imsi
from simgrant.nouns import Word
from simgrant.ports.clock import Clock
from simgrant.ports.orders import Kept, Orders

_INSTALLED = ON_DEVICE - {OrderState.RELEASED}


class OnSwap(Word):
    """What becomes of a line's orders when its SIM is swapped."""

    KEEP = "keep"
    END_PENDING = "end_pending"
    """Those whose profile is not installed end: whoever had the old SIM may have begun them."""
    END = "end"
    """All end, companions in use among them."""


ORDERS_FOLLOW = frozenset(
    {Change.SIM_SWAPPED, Change.PORTED_OUT, Change.DEVICE_LOST, Change.PROFILE_READY}
)
"""The changes from which something follows for orders."""


class LifeOrders:
    """Ends and releases orders when events say so."""

    def __init__(self, orders: Orders, rules: Mapping[str, OnSwap], *, clock: Clock) -> None:
        """``rules`` are the tenants' own."""
        self._orders = orders
        self._rules = rules
        self._clock = clock

    async def follow(self, tenant: str, imsi: Imsi, event: BssEvent) -> None:
        """Do what follows from an event; raise what the store raises."""
        desk = OrderDesk(self._orders, tenant, int(self._clock.now()))
        if event.change is Change.PROFILE_READY:
            await self._release(desk, imsi, event)
            return
        for order in await self._orders.of(tenant, imsi):
            # Those that were begun since then are of whoever has the line now.
            if order.created_at <= event.at and self._ends(tenant, order, event):
                with contextlib.suppress(NotPossible):
                    await desk.end(Kept(tenant, imsi, order))
                    structlog.get_logger().info(
                        "order_ended_by_event",
                        tenant=tenant,
                        order=order.order_id,
                        change=event.change.value,
                    )

    def _ends(self, tenant: str, order: Order, event: BssEvent) -> bool:
        if order.state is OrderState.ENDED:
            return False
        match event.change:
            case Change.PORTED_OUT:
                return True
            case Change.DEVICE_LOST:
                lost = event.terminal_id
                return order.state not in _INSTALLED and order.device.terminal_id == lost
        rule = self._rules.get(tenant, OnSwap.END_PENDING)
        if rule is OnSwap.KEEP or (event.iccid is not None and order.iccid == event.iccid):
            # The new SIM may be the very profile that was ordered.
            return False
        return rule is OnSwap.END or order.state not in _INSTALLED

    async def _release(self, desk: OrderDesk, imsi: Imsi, event: BssEvent) -> None:
        if event.iccid is None:
            return
        kept = await self._orders.by_iccid(desk.tenant, event.iccid)
        if kept is not None and kept.owner == imsi and kept.order.source.hold:
            with contextlib.suppress(NotPossible):
                await desk.release(kept)
