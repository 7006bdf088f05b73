"""How many orders are made by one line, eUICC and device: counted by who makes one more."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from simgrant.adapters.store.sql.store import SqlStore
from simgrant.domain.order import Device, Order, Unsubscribed, step
from simgrant.domain.pace import MOST_WINDOW_S, Pace, Used
from simgrant.identities import Eid, Imsi
from simgrant.ports.orders import TooOften
from tests.conformance.conftest import Place
from tests.conformance.test_store import IMSI, OTHER, T, imsi_of, new
from tests.conformance.test_store_orders import EID, an_order

OTHER_EID = Eid("89049032123451234512345678901332")
START = 3_000_000


def order(number: int, *, at: int = START, eid: Eid | None = EID, imei: str = "3" * 15) -> Order:
    made = an_order(f"place {number}", pooled=False, number=number)
    return replace(made, created_at=at, changed_at=at, device=Device(imei, eid))


async def make(
    store: SqlStore, made: Order, pace: Pace, imsi: Imsi = IMSI, former: Order | None = None
) -> Order | None:
    return await store.orders.make(T, imsi, made, instead_of=former, due_at=20, pace=pace)


async def test_a_line_has_so_many_orders_in_a_while(store: SqlStore) -> None:
    pace = Pace(100, per_line=2)
    await make(store, order(1), pace)
    await make(store, order(2, at=START + 50), pace)
    with pytest.raises(TooOften) as refused:
        await make(store, order(3, at=START + 60), pace)
    assert refused.value.reason == "too_often_for_line"
    assert len(await store.orders.of(T, IMSI)) == 2
    # Another line, and this one later, may.
    assert await make(store, order(4, at=START + 60), pace, OTHER)
    assert await make(store, order(5, at=START + 100), pace)
    with pytest.raises(TooOften):
        await make(store, order(6, at=START + 100), pace)


@pytest.mark.parametrize(
    ("pace", "reason"),
    [
        (Pace(100, per_eid=2), "too_often_for_eid"),
        (Pace(100, per_imei=2), "too_often_for_imei"),
    ],
)
async def test_a_device_gets_so_many_profiles_in_a_while_of_whichever_line(
    store: SqlStore, pace: Pace, reason: str
) -> None:
    for number in range(2):
        await make(store, order(number), pace, imsi_of(number))
    last = order(5, at=START + 99)
    with pytest.raises(TooOften) as refused:
        await make(store, last, pace, imsi_of(5))
    assert refused.value.reason == reason
    assert await store.orders.used(T, imsi_of(5), last.device, pace, at=last.created_at) == Used(
        0, 2, 2, 2
    )
    assert await make(store, order(5, at=START + 100), pace, imsi_of(5))
    # One that says nothing of what counts is not held against the others.
    assert await make(store, order(6, eid=None, imei="4" * 15), pace, imsi_of(6))


async def test_an_imei_is_one_device_however_it_is_written(store: SqlStore) -> None:
    pace = Pace(100, per_imei=1)
    await make(store, order(1, imei="35000000000001", eid=None), pace)
    for imei in ("350000000000017", "3500000000000101"):
        with pytest.raises(TooOften):
            await make(store, order(2, imei=imei, eid=None), pace, OTHER)
    await make(store, order(3, imei="35000000000002", eid=None), pace, OTHER)


async def test_of_many_who_race_no_more_get_through_than_may(store: SqlStore) -> None:
    pace = Pace(100, per_eid=3, lines_per_eid=3)
    made = await asyncio.gather(
        *(make(store, order(n, imei=f"id-{n}"), pace, imsi_of(n)) for n in range(8)),
        return_exceptions=True,
    )
    assert sum(isinstance(each, Order) for each in made) == 3
    assert sum(isinstance(each, TooOften) for each in made) == 5


async def test_an_euicc_is_another_s_while_he_has_a_profile_there(store: SqlStore) -> None:
    pace = Pace(lines_per_eid=1)
    first = await make(store, order(1), pace, OTHER)
    assert first is not None
    with pytest.raises(TooOften) as refused:
        await make(store, order(1), pace)
    assert refused.value.reason == "eid_of_another"
    assert await store.orders.of(T, OTHER) == [first]
    # His own next order is his.
    assert await make(store, order(2), pace, OTHER)
    assert await make(store, order(1, eid=OTHER_EID), pace)
    for ended in await store.orders.of(T, OTHER):
        after = step(ended, Unsubscribed(), at=START + 1, call_id="c")
        assert await store.orders.change(T, OTHER, after, before=ended, event="e", due_at=None)
    assert await make(store, order(3, at=START + 2), pace)


async def test_the_orders_of_an_erased_line_count_no_more_and_leave_no_eid(
    store: SqlStore, place: Place
) -> None:
    pace = Pace(per_eid=1, lines_per_eid=1)
    await store.add(new(OTHER, None))
    await make(store, order(1), pace, OTHER)
    await store.erase(T, OTHER, [], now=90)
    assert await place.rows("SELECT * FROM esim_claim") == []
    assert await make(store, order(1), pace)
    await store.add(new())
    await store.remove(T, IMSI, now=5)
    await store.add(new())
    assert await place.rows("SELECT * FROM esim_claim") == []


async def test_what_nobody_counts_any_more_is_forgotten(store: SqlStore, place: Place) -> None:
    first = await make(store, order(1), Pace())
    assert first is not None
    ended = step(first, Unsubscribed(), at=START + 1, call_id="c")
    assert await store.orders.change(T, IMSI, ended, before=first, event="e", due_at=None)
    ended = replace(ended, todo=None)
    later = START + MOST_WINDOW_S + 1
    second = replace(order(9, at=later), place=first.place)
    assert await make(store, second, Pace(), former=ended)
    await make(store, order(3, at=later), Pace(), OTHER)
    left = await place.rows("SELECT order_id FROM esim_claim WHERE order_id <> ''")
    assert {order_id for (order_id,) in left} == {second.order_id, order(3).order_id}
