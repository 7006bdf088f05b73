"""Orders as people and the BSS look at them: by id, by what they wait for, and set aside."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simgrant.adapters.store.sql.store import SqlStore
from simgrant.domain.order import (
    Begun,
    Cancelled,
    Cleared,
    Confirmed,
    Delivered,
    Downloaded,
    Event,
    Found,
    Installed,
    Later,
    Order,
    OrderMode,
    OrderState,
    Source,
    Todo,
    Told,
    Unsubscribed,
    begin,
    step,
)
from simgrant.domain.owner import push_owner
from simgrant.ports.orders import IccidTaken, Shelf
from tests.conformance.test_store import IMSI, OTHER, PUSH, T, new
from tests.conformance.test_store_orders import an_order, iccids, made, passed, stocked

BSS = Source("", "watch", pooled=False, mode=OrderMode.BSS)
FIRST, SECOND = iccids(2)


def by_the_bss(place: str = "eid 1", *, number: int = 0) -> Order:
    return begin(replace(an_order(place, number=number), source=BSS), call_id="call-0")


async def test_an_order_is_found_by_the_first_letters_of_its_id(store: SqlStore) -> None:
    ids = ["00ab" + "0" * 28, "00ac" + "0" * 28, "00acff" + "0" * 26]
    for number, order_id in enumerate(ids):
        order = replace(an_order(f"eid {number}", pooled=False), order_id=order_id)
        await made(store, order, imsi=(IMSI, OTHER)[number % 2])
    found = await store.orders.by_id(T, "00ab")
    assert [(kept.owner, kept.order.order_id) for kept in found] == [(IMSI, ids[0])]
    assert len(await store.orders.by_id(T, "00")) == 2
    assert [kept.order.order_id for kept in await store.orders.by_id(T, ids[2])] == [ids[2]]
    assert await store.orders.by_id(T, "00ad") == []
    assert await store.orders.by_id("blue", "00ab") == []


async def test_what_waits_is_listed_until_it_waits_no_more(store: SqlStore) -> None:
    await stocked(store, 1)
    by_bss = await made(store, by_the_bss("eid 1", number=1))
    hold = replace(an_order("eid 2", number=2), source=Source("main", "watch", hold=True))
    held = await made(store, hold)
    await made(store, an_order("eid 3", pooled=False, number=3), imsi=OTHER)

    async def listed(*, waiting: bool) -> list[str]:
        after, places = ("", ""), []
        while page := await store.orders.page(T, after=after, limit=1, waiting=waiting):
            ((kept),) = page
            after = (push_owner(kept.owner), kept.order.place)
            places.append(kept.order.place)
        return places

    assert await listed(waiting=True) == []
    by_bss = await passed(store, by_bss, [Begun(), Later()])
    assert held.iccid is not None
    held = await passed(
        store, held, [Begun(), Downloaded(held.iccid), Begun(), Confirmed("smdp.example.net")]
    )
    assert await listed(waiting=True) == ["eid 1", "eid 2"]
    assert await listed(waiting=False) == ["eid 1", "eid 2", "eid 3"]
    await passed(store, by_bss, [Delivered(SECOND, "smdp.example.net")])
    await passed(store, held, [Cleared()])
    assert await listed(waiting=True) == []
    assert await store.orders.page("blue", after=("", ""), limit=9, waiting=False) == []


async def test_a_profile_is_of_one_order_whoever_hands_it_out(store: SqlStore) -> None:
    first = await made(store, an_order("eid 1", pooled=False, number=1))
    first = await passed(store, first, [Begun(), Downloaded(FIRST)])
    for asked, handed in (
        (an_order("eid 2", pooled=False, number=2), Downloaded(FIRST)),
        (by_the_bss("eid 2", number=2), Delivered(FIRST, "smdp.example.net")),
    ):
        second = await made(store, asked, imsi=OTHER)
        begun = replace(second, begun=True, version=1)
        assert await store.orders.change(T, OTHER, begun, before=second, event="Begun", due_at=None)
        after = step(begun, handed, at=30, call_id="c")
        with pytest.raises(IccidTaken):
            await store.orders.change(T, OTHER, after, before=begun, event="x", due_at=None)
        found = await store.orders.by_iccid(T, FIRST)
        assert found is not None
        assert (found.owner, found.order) == (IMSI, first)
        assert await store.orders.of(T, OTHER) == [begun]
        await store.erase(T, OTHER, [], now=90)
    taken = replace(an_order("eid 2", number=3), source=BSS, iccid=FIRST)
    with pytest.raises(IccidTaken):
        await store.orders.make(T, OTHER, taken, instead_of=None, due_at=None)
    assert await store.orders.of(T, OTHER) == []


async def test_a_profile_of_our_stock_may_be_handed_in(store: SqlStore) -> None:
    await stocked(store, 2)
    order = replace(an_order(), source=BSS, iccid=FIRST, state=OrderState.RELEASED, todo=None)
    order = await made(store, order)
    assert await store.orders.stock(T) == [Shelf("main", "watch", 1, 1)]
    found = await store.orders.by_iccid(T, FIRST)
    assert found is not None
    assert found.order == order


async def test_what_the_smdp_has_again_it_may_give_to_another(store: SqlStore) -> None:
    order = await made(store, an_order("eid 1", pooled=False, number=1))
    order = await passed(
        store, order, [Begun(), Downloaded(FIRST), Unsubscribed(), Begun(), Cancelled()]
    )
    assert order.spared
    assert await store.orders.by_iccid(T, FIRST) is None
    second = await made(store, an_order("eid 2", pooled=False, number=2))
    second = await passed(store, second, [Begun(), Downloaded(FIRST)])
    found = await store.orders.by_iccid(T, FIRST)
    assert found is not None
    assert found.order == second


async def test_an_order_that_comes_with_its_profile_is_told(store: SqlStore) -> None:
    await store.add(new())
    await store.register_push(T, IMSI, [PUSH])
    order = replace(an_order(), source=BSS, iccid=FIRST, state=OrderState.RELEASED, todo=None)
    written = await store.orders.make(T, IMSI, order, instead_of=None, due_at=None, tell=True)
    assert written == order
    (notice,) = await store.claim_notices(now=100, again_at=200, limit=9)
    assert notice.app_id == order.app_id


async def test_of_what_has_ended_nothing_is_forgotten_that_is_to_be_done(store: SqlStore) -> None:
    """A new order takes the place; the old one goes on aside, until it is done with."""
    await stocked(store, 2)
    order = await made(store, an_order(number=1))
    ended = await passed(store, order, [Begun(), Unsubscribed()], due_at=50)
    assert ended.todo is Todo.CANCEL
    stale = replace(ended, version=1)
    second = an_order(number=2)
    assert await store.orders.make(T, IMSI, second, instead_of=stale, due_at=20) is None
    again = await store.orders.make(T, IMSI, second, instead_of=ended, due_at=20)
    assert again is not None
    assert again.iccid != ended.iccid
    aside, there = await store.orders.of(T, IMSI)
    assert there == again
    assert aside.is_aside
    assert replace(aside, place=ended.place) == ended
    assert ended.iccid is not None
    found = await store.orders.by_iccid(T, ended.iccid)
    assert found is not None
    assert found.order == aside
    claimed = await store.orders.claim(now=60, again_at=99, limit=9)
    assert {kept.order.order_id for kept in claimed} == {aside.order_id, again.order_id}
    await passed(store, aside, [Begun(), Cancelled()])
    assert await store.orders.of(T, IMSI) == [again]
    assert await store.orders.stock(T) == [Shelf("main", "watch", 1, 1)]
    assert len(await store.orders.history(T, IMSI)) == 6


async def test_a_suspicion_outlives_its_order(store: SqlStore) -> None:
    order = await made(store, an_order(pooled=False, number=1))
    ended = await passed(store, order, [Begun(), Unsubscribed()])
    assert ended.orphan
    second = an_order(pooled=False, number=2)
    again = await store.orders.make(T, IMSI, second, instead_of=ended, due_at=20)
    (kept,) = await store.orders.orphans(T)
    assert (kept.order.order_id, kept.order.is_aside) == (order.order_id, True)
    await passed(store, kept.order, [Found()])
    assert await store.orders.orphans(T) == []
    assert await store.orders.of(T, IMSI) == [again]


async def test_a_profile_that_was_used_is_nobodys_once_its_order_is_done_with(
    store: SqlStore,
) -> None:
    order = await made(store, by_the_bss(number=1))
    events: list[Event] = [
        Delivered(FIRST, "a.example.net"),
        Installed(),
        Begun(),
        Told(),
        Unsubscribed(),
    ]
    ended = await passed(store, order, events, due_at=50)
    assert ended.todo is Todo.TELL_BSS
    second = by_the_bss(number=2)
    again = await store.orders.make(T, IMSI, second, instead_of=ended, due_at=20)
    aside = next(each for each in await store.orders.of(T, IMSI) if each.is_aside)
    await passed(store, aside, [Begun(), Told()])
    assert await store.orders.of(T, IMSI) == [again]
    assert await store.orders.by_iccid(T, FIRST) is None
    taken = replace(an_order("eid 9", number=3), source=BSS, iccid=FIRST)
    with pytest.raises(IccidTaken):
        await store.orders.make(T, OTHER, taken, instead_of=None, due_at=None)
