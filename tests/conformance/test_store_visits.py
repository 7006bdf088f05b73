"""Web views that were opened: one row judges, and a step is written whole or not at all."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from simgrant.adapters.store.sql.store import SqlStore
from simgrant.domain.holdings import HeldBoost, Money, Purchase
from simgrant.domain.subscription import Consent, ConsentKind, ConsentStatus
from simgrant.domain.visit import Receipt, Settlement, Step, Visit
from simgrant.errors import Conflict
from tests.conformance.test_store import IMSI, OTHER, VISIT, VISIT_ID, T, compared, imsi_of, new

AGREED = Consent(ConsentKind.TERMS, ConsentStatus.GIVEN, "text-1", 70)
TERMS = Settlement(Step.TERMS, Step.ADDRESS, 70, consents=(AGREED,))
BOOST = HeldBoost(166, Purchase.UNTRACKED, 3_670, 70)
BOUGHT = Settlement(Step.OFFER, Step.DONE, 70, holding=BOOST)


async def test_of_all_who_open_it_one_is_the_first(store: SqlStore) -> None:
    await store.add(new())
    assert await store.visit(T, IMSI, VISIT_ID) is None
    later = Visit(Step.ADDRESS, 99, 999)
    began = await asyncio.gather(
        *(store.begin_visit(T, IMSI, VISIT_ID, each) for each in (VISIT, later, later))
    )
    assert sorted(began) == [False, False, True]
    found = await store.visit(T, IMSI, VISIT_ID)
    assert found == (VISIT if began[0] else later)
    assert await store.visit(T, OTHER, VISIT_ID) is None
    assert await store.visit(T, IMSI, VISIT_ID[::-1]) is None


async def test_a_step_settles_once_with_all_that_it_settles(store: SqlStore) -> None:
    await store.add(new(changed_at=2))
    await store.begin_visit(T, IMSI, VISIT_ID, VISIT)
    settled = await asyncio.gather(
        *(store.settle_visit(T, IMSI, VISIT_ID, TERMS) for _ in range(4))
    )
    assert sorted(settled) == [False, False, False, True]
    assert await store.visit(T, IMSI, VISIT_ID) == replace(VISIT, step=Step.ADDRESS)
    assert (await store.consents(T, IMSI))[ConsentKind.TERMS] == AGREED
    state = await store.find(T, imsi=IMSI)
    assert state is not None
    assert state.changed_at == 70, "the document's version moves on"
    assert await compared(store) == [(IMSI, 70)]


async def test_what_settles_nothing_changes_nothing_else(store: SqlStore) -> None:
    await store.add(new(changed_at=2))
    await store.begin_visit(T, IMSI, VISIT_ID, VISIT)
    assert not await store.settle_visit(T, IMSI, VISIT_ID[::-1], TERMS), "nobody opened it"
    assert await store.settle_visit(T, IMSI, VISIT_ID, Settlement(Step.TERMS, Step.DONE, 70))
    state = await store.find(T, imsi=IMSI)
    assert state is not None
    assert state.changed_at == 2
    assert not await store.settle_visit(T, IMSI, VISIT_ID, TERMS), "it is over"
    assert (await store.consents(T, IMSI)).get(ConsentKind.TERMS) != AGREED


async def test_two_visits_cannot_both_buy(store: SqlStore) -> None:
    await store.add(new())
    visits = [bytes([number]) * 16 for number in range(4)]
    for visit_id in visits:
        await store.begin_visit(T, IMSI, visit_id, replace(VISIT, step=Step.OFFER))
    outcomes = await asyncio.gather(
        *(
            store.settle_visit(
                T, IMSI, visit_id, replace(BOUGHT, holding=replace(BOOST, at=70 + number))
            )
            for number, visit_id in enumerate(visits)
        ),
        return_exceptions=True,
    )
    assert outcomes.count(True) == 1
    lost = [each for each in outcomes if isinstance(each, Conflict)]
    assert [each.reason for each in lost] == ["held_meanwhile"] * 3
    steps = [await store.visit(T, IMSI, visit_id) for visit_id in visits]
    assert [each.step for each in steps if each].count(Step.DONE) == 1, "the losers stay"
    assert len((await store.holdings(T, IMSI)).boosts) == 1


async def test_what_was_bought_is_kept_when_it_is_bought_again(store: SqlStore) -> None:
    await store.add(new())
    receipts = [
        Receipt("boost 166", Money(Decimal("0.99"), "EUR"), 3600, 70),
        Receipt("boost 166", None, None, 80),
    ]
    before = None
    for number, receipt in enumerate(receipts):
        visit_id = bytes([9 - number]) * 16
        await store.begin_visit(T, IMSI, visit_id, Visit(Step.OFFER, receipt.at - 1, 3662))
        bought = replace(
            BOUGHT,
            holding=replace(BOOST, at=receipt.at),
            replaces_at=before,
            receipt=receipt,
            keep_until=9_000,
        )
        assert await store.settle_visit(T, IMSI, visit_id, bought)
        assert not await store.settle_visit(T, IMSI, visit_id, bought)
        before = receipt.at
    await store.begin_visit(T, OTHER, VISIT_ID, VISIT)
    assert len((await store.holdings(T, IMSI)).boosts) == 1
    found = [each async for each in store.purchases(T)]
    assert sorted(found, key=lambda each: each[1].at) == [(IMSI, each) for each in receipts]
    export = await store.export(T, IMSI)
    assert export is not None
    assert export.purchases == tuple(receipts)
    while await store.purge(sessions_before=9_000, records_before=0):
        pass
    assert len([each async for each in store.purchases(T)]) == 2, "kept as long as it was said"
    assert await store.visit(T, OTHER, VISIT_ID) is None
    while await store.purge(sessions_before=9_001, records_before=0):
        pass
    assert [each async for each in store.purchases(T)] == []


async def test_what_is_replaced_is_what_was_seen(store: SqlStore) -> None:
    await store.add(new())
    await store.set_holding(T, IMSI, replace(BOOST, at=50))
    await store.begin_visit(T, IMSI, VISIT_ID, replace(VISIT, step=Step.OFFER))
    for seen in (None, 49, 51):
        with pytest.raises(Conflict):
            await store.settle_visit(T, IMSI, VISIT_ID, replace(BOUGHT, replaces_at=seen))
    assert await store.settle_visit(T, IMSI, VISIT_ID, replace(BOUGHT, replaces_at=50))
    assert (await store.holdings(T, IMSI)).boosts == (BOOST,)


@pytest.mark.parametrize("settlement", [replace(TERMS, of=Step.OFFER), BOUGHT])
async def test_nothing_settles_for_who_is_gone(store: SqlStore, settlement: Settlement) -> None:
    await store.begin_visit(T, IMSI, VISIT_ID, replace(VISIT, step=Step.OFFER))
    with pytest.raises(Conflict, match="no subscription"):
        await store.settle_visit(T, IMSI, VISIT_ID, settlement)
    visit = await store.visit(T, IMSI, VISIT_ID)
    assert visit is not None
    assert visit.step is Step.OFFER


async def test_a_visit_is_kept_while_its_handle_could_come_again(store: SqlStore) -> None:
    for number in range(40):
        visit = replace(VISIT, expires_at=number)
        await store.begin_visit(T, imsi_of(number), VISIT_ID, visit)
    counts = []
    while done := await store.purge(sessions_before=20, records_before=0, limit=8):
        counts.append(done)
    assert sum(counts) == 20
    assert max(counts) == 8
    for number in range(40):
        assert (await store.visit(T, imsi_of(number), VISIT_ID) is not None) == (number >= 20)
