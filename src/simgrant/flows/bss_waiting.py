"""Orders that a BSS has taken over, looked at now and then until something came of them.

For a BSS that can be asked (`TellsLater`): it need not hand profiles in itself. Who looks orders
nothing and changes nothing at the BSS, so that several nodes may look at the same order: of two
that find a profile one is the first to write it down.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import structlog

from simgrant.domain import order as domain
from simgrant.domain.order import Awaited, Cancelled, Event, OrderMode, OutOfOrder
from simgrant.domain.owner import push_owner
from simgrant.errors import Conflict, EcsError
from simgrant.flows.for_ever import Pace, keep_looking
from simgrant.flows.ordering import Ordering
from simgrant.ports.bss_orders import Declined, NotReached, TellsLater, Wanted
from simgrant.ports.clock import Clock
from simgrant.ports.orders import Kept, Orders
from simgrant.telemetry.log import say_fault

_PAGE: Final = 100
_MOST_A_ROUND: Final = 500
"""Orders that are looked at in one round; the next one goes on behind them."""
_CALL_S: Final = 5.0
_START: Final = ("", "")
_MOST_HURRIED: Final = 64
"""Orders that are looked at out of turn at a time; of more, each has its turn soon enough."""


class WaitingOrders:
    """The orders of each tenant whose BSS can be asked about them. To be run by one worker."""

    def __init__(
        self,
        orders: Orders,
        ordering: Ordering,
        *,
        bss: Mapping[str, TellsLater],
        every_s: Mapping[str, float],
        clock: Clock,
    ) -> None:
        """``bss`` and ``every_s`` are by tenant."""
        self._orders = orders
        self._ordering = ordering
        self._bss = bss
        self._every_s = every_s
        self._clock = clock
        self._after = dict.fromkeys(bss, _START)
        self._hurried: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Look until cancelled."""
        async with asyncio.TaskGroup() as group:
            for tenant in self._bss:
                every_s = self._every_s[tenant]
                group.create_task(
                    keep_looking(
                        partial(self.look, tenant),
                        Pace(every_s=every_s, away_s=every_s),
                        failed="waiting_orders",
                        again="waiting_orders_again",
                        tenant=tenant,
                    )
                )

    def hurry(self, tenant: str, order_ids: Sequence[str]) -> None:
        """Look at orders at once, behind the caller's back: in any worker, whoever runs the rest.

        Nothing has to come of it. What is not looked at, or not found done, has its turn.
        """
        for order_id in order_ids:
            full = len(self._hurried) >= _MOST_HURRIED
            if tenant in self._bss and order_id not in self._hurried and not full:
                task = asyncio.create_task(self._look_now(tenant, order_id))
                self._hurried[order_id] = task
                task.add_done_callback(partial(self._looked, order_id))

    def _looked(self, order_id: str, _task: asyncio.Task[None]) -> None:
        del self._hurried[order_id]

    async def close(self) -> None:
        """Let go of what is being looked at out of turn."""
        tasks = [*self._hurried.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def look(self, tenant: str) -> int:
        """Look at the orders of a tenant that wait, once; return for how many there was news.

        Raise NotReached where the BSS is away, PeerUnavailable where the store is.
        """
        news = seen = 0
        while seen < _MOST_A_ROUND:
            page = await self._orders.page(
                tenant, after=self._after[tenant], limit=_PAGE, waiting=True
            )
            for kept in page:
                news += await self._look_at(tenant, kept)
            seen += len(page)
            if len(page) < _PAGE:
                self._after[tenant] = _START
                break
            self._after[tenant] = (push_owner(page[-1].owner), page[-1].order.place)
        return news

    async def _look_now(self, tenant: str, order_id: str) -> None:
        try:
            for kept in await self._orders.by_id(tenant, order_id):
                if kept.order.awaits is not None:
                    await self._look_at(tenant, kept)
        except EcsError as error:
            structlog.get_logger().warning(
                "waiting_orders", tenant=tenant, reason=error.reason, detail=error.for_operator
            )
        except Exception as error:
            say_fault(error)

    async def _look_at(self, tenant: str, kept: Kept) -> bool:
        """Look at one order; say whether there was news."""
        event = await self._news(self._bss[tenant], kept)
        if event is None:
            return False
        try:
            await self._ordering.happens(kept, event)
        except (OutOfOrder, Conflict):
            # Somebody else was there first.
            return False
        return True

    async def _news(self, bss: TellsLater, kept: Kept) -> Event | None:
        """Return what came of an order; None = nothing so far, or nobody can say."""
        order, deadline = kept.order, self._clock.monotonic() + _CALL_S
        if order.source.mode is not OrderMode.BSS:
            return None
        wanted = Wanted(tenant=kept.tenant, owner=kept.owner, order=order)
        try:
            match order.awaits:
                case Awaited.PROFILE:
                    return await bss.outcome(wanted, deadline=deadline)
                case Awaited.RETURN:
                    back = await bss.is_taken_back(wanted, deadline=deadline)
                    return Cancelled() if back else None
        except Declined as error:
            # That something is not taken back is for people to settle.
            return domain.Declined(error.reason) if order.awaits is Awaited.PROFILE else None
        except NotReached:
            raise
        except EcsError:
            return None
        return None
