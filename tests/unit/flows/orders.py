"""Orders over a real store and an SM-DP+ without a wire, for tests of what is done with them."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from simgrant.adapters.bss.embedded import open_bss
from simgrant.adapters.store.sql.store import SqlStore
from simgrant.adapters.store.sqlite import SqliteConfig, open_store
from simgrant.domain.order import Device, Kind, Order, OrderState, Source, begin
from simgrant.domain.subscription import Subscription, SubscriptionStatus
from simgrant.flows.ordering import Ordering, Rules
from simgrant.identities import Eid, Iccid, Imsi, Msisdn
from simgrant.ports.bss_orders import BssOrders
from simgrant.ports.orders import Orders
from simgrant.ports.smdp import Smdp
from simgrant.ports.store import NewSubscription
from simgrant.telemetry.metrics import Metrics
from tests.books import Books
from tests.clocks import StillClock
from tests.folders import in_memory

T = "blue"
IMSI = Imsi("001010000000001")
EID = Eid("89049032123451234512345678901235")
RULES = Rules(
    immediate_s=30,
    life_s=3_600,
    call_timeout_s=5,
    lease_s=60,
    first_pause_s=2,
    longest_pause_s=60,
    batch=20,
    in_flight=8,
    poll_s=0.005,
)


@dataclass
class World:
    store: SqlStore
    books: Books
    clock: StillClock
    rules: Rules = RULES
    bss: BssOrders = field(default_factory=open_bss)
    metrics: Metrics = field(default_factory=lambda: Metrics(CollectorRegistry()))

    def ordering(
        self, orders: Orders | None = None, smdp: Smdp | None = None, **rules: Any
    ) -> Ordering:
        return Ordering(
            orders or self.store.orders,
            smdps={T: {"main": smdp or self.books}},
            clock=self.clock,
            metrics=self.metrics,
            bss={T: self.bss},
            rules=replace(self.rules, **rules),
        )

    async def order(self) -> Order:
        (order,) = await self.store.orders.of(T, IMSI)
        return order

    async def until_nothing_is_due(self) -> None:
        """Let a worker take over, again and again, as if hours went by."""
        for _ in range(40):
            if all(order.todo is None for order in await self.store.orders.of(T, IMSI)):
                return
            worker = self.ordering()
            self.clock.time += 120
            for kept in await self.store.orders.claim(
                now=int(self.clock.time), again_at=int(self.clock.time) + 60, limit=20
            ):
                await worker.wait(kept)
        raise AssertionError("something is due for ever")

    async def agree(self) -> None:
        """Check that every profile that the SM-DP+ gave is of an order, and the stock is right."""
        orders = await self.store.orders.of(T, IMSI)
        held = {
            order.iccid.digits
            for order in orders
            if order.iccid is not None and order.state is not OrderState.ENDED
        }
        assert set(self.books.ordered) == held
        for shelf in await self.store.orders.stock(T):
            assert shelf.taken == len(held)


@asynccontextmanager
async def opened(template: Path) -> AsyncIterator[World]:
    """Open a copy of a migrated store, and put a subscription and some profiles into it."""
    with in_memory() as folder:
        path = Path(shutil.copy(template, folder / "store.sqlite3"))
        store = await open_store(SqliteConfig(path, timeout_s=60))
        try:
            await store.add(
                NewSubscription(
                    Subscription(T, IMSI, Msisdn("447700900001"), SubscriptionStatus.ACTIVE, "gold")
                )
            )
            await store.orders.add_stock(
                T, "main", "watch", [Iccid(f"89445{number:014d}") for number in range(5)]
            )
            yield World(store, Books(), StillClock())
        finally:
            await store.close()


def an_order(
    *, pooled: bool = True, state: OrderState = OrderState.ORDERED, number: int = 1
) -> Order:
    return begin(
        Order(
            order_id=f"{number:032x}",
            app_id="ap2006",
            kind=Kind.SUBSCRIBE,
            place="eid 1",
            state=state,
            device=Device("350000000000017", EID),
            source=Source("main", "watch", pooled),
            matching_id="AB-12",
            created_at=1_000,
            changed_at=1_000,
        ),
        call_id=f"call-{number}",
    )
