"""What is decided about an order on a page: written with the page's step, once, or not at all."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from simgrant.adapters.store.sql.store import SqlStore
from simgrant.domain import order as domain
from simgrant.domain.order import Chosen, Event, GivenUp, Order, OrderState, Source, Todo
from simgrant.domain.visit import OrderChange, Settlement, Step, Visit
from simgrant.errors import Conflict
from simgrant.ports.orders import NoStock, Shelf
from tests.conformance.test_store import IMSI, T, new
from tests.conformance.test_store_orders import an_order, iccids, made, stocked

VISITS = [bytes([number]) * 16 for number in range(4)]


async def waiting(store: SqlStore, *, pooled: bool = True) -> Order:
    """Return an order at the portal, with pages of it open."""
    await store.add(new(changed_at=2))
    for visit_id in VISITS:
        assert await store.begin_visit(T, IMSI, visit_id, Visit(Step.CHOICE, 10, 999))
    return await made(
        store, replace(an_order(pooled=pooled), state=OrderState.AT_PORTAL, todo=None)
    )


def settled(order: Order, event: Event) -> Settlement:
    after = domain.step(order, event, at=70, call_id="call-1")
    due_at = 90 if after.todo else None
    change = OrderChange(order, after, type(event).__name__, due_at)
    return Settlement(Step.CHOICE, Step.DONE, 70, order=change)


async def test_at_the_portal_no_profile_is_reserved_yet(store: SqlStore) -> None:
    await stocked(store, 3)
    order = await waiting(store)
    assert order.iccid is None
    assert await store.orders.stock(T) == [Shelf("main", "watch", 3, 0)]


async def test_the_decision_reserves_one_of_its_own_kind(store: SqlStore) -> None:
    await stocked(store, 3)
    assert await store.orders.add_stock(T, "main", "large", iccids(1, 50)) == 1
    order = await waiting(store)
    chosen = Chosen(plan="big", name="Mine", source=Source("main", "large"))
    assert await store.settle_visit(T, IMSI, VISITS[0], settled(order, chosen))
    (found,) = await store.orders.of(T, IMSI)
    assert (found.state, found.todo) == (OrderState.ORDERED, Todo.DOWNLOAD)
    assert (found.iccid, found.plan, found.device.name) == (iccids(1, 50)[0], "big", "Mine")
    assert await store.visit(T, IMSI, VISITS[0]) == Visit(Step.DONE, 10, 999)
    assert [kept.order for kept in await store.orders.claim(now=90, again_at=99, limit=9)] == [
        found
    ]
    assert [each.event for each in await store.orders.history(T, IMSI)] == ["made", "Chosen"]


async def test_of_all_decisions_one_holds(store: SqlStore) -> None:
    await stocked(store, 4)
    order = await waiting(store)
    events: tuple[Event, ...] = (
        Chosen(plan="a"),
        Chosen(plan="b"),
        GivenUp("dismissed"),
        Chosen(plan="a"),
    )
    outcomes = await asyncio.gather(
        *(
            store.settle_visit(T, IMSI, visit_id, settled(order, event))
            for visit_id, event in zip(VISITS, events, strict=True)
        ),
        return_exceptions=True,
    )
    assert outcomes.count(True) == 1
    lost = [each for each in outcomes if isinstance(each, Conflict)]
    assert [each.reason for each in lost] == ["order_meanwhile"] * 3
    steps = [await store.visit(T, IMSI, visit_id) for visit_id in VISITS]
    assert [each.step for each in steps if each].count(Step.DONE) == 1, "the losers stay"
    (found,) = await store.orders.of(T, IMSI)
    assert found.version == order.version + 1
    taken = 0 if found.state is OrderState.ENDED else 1
    assert await store.orders.stock(T) == [Shelf("main", "watch", 4 - taken, taken)]


async def test_without_a_profile_nothing_is_decided(store: SqlStore) -> None:
    order = await waiting(store)
    with pytest.raises(NoStock):
        await store.settle_visit(T, IMSI, VISITS[0], settled(order, Chosen()))
    assert await store.orders.of(T, IMSI) == [order]
    assert await store.visit(T, IMSI, VISITS[0]) == Visit(Step.CHOICE, 10, 999)


async def test_an_empty_shelf_lets_the_next_decide(store: SqlStore) -> None:
    await store.orders.add_stock(T, "south", "W-2", iccids(1))
    order = await waiting(store)
    change = settled(order, Chosen())
    assert change.order is not None
    others = (Source("north", "none"), Source("south", "W-2"), Source("west", "", pooled=False))
    change = replace(change, order=replace(change.order, otherwise=others))
    assert await store.settle_visit(T, IMSI, VISITS[0], change)
    (found,) = await store.orders.of(T, IMSI)
    assert (found.source, found.iccid) == (others[1], iccids(1)[0])
    assert await store.orders.stock(T) == [Shelf("south", "W-2", 0, 1)]


async def test_where_the_peer_chooses_there_is_nothing_to_reserve(store: SqlStore) -> None:
    order = await waiting(store, pooled=False)
    assert await store.settle_visit(T, IMSI, VISITS[0], settled(order, Chosen()))
    (found,) = await store.orders.of(T, IMSI)
    assert (found.state, found.iccid) == (OrderState.ORDERED, None)
