"""What a subscription holds besides its plan: kept exactly, replaced, ended, forgotten."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from simgrant.adapters.store.sql.store import SqlStore
from simgrant.domain.address import CivicAddress
from simgrant.domain.holdings import (
    NOTHING,
    HeldAddress,
    HeldBilling,
    HeldBoost,
    HeldSatellite,
    HeldUsage,
    Holding,
    Holdings,
    Money,
    Purchase,
)
from simgrant.domain.subscription import ConsentStatus
from simgrant.errors import Conflict
from simgrant.spec.ids import ProvStatus
from tests.conformance.test_store import IMSI, OTHER, T, compared, new

BOOST = HeldBoost(166, Purchase.ACTIVE, 5_000, 70)
USAGE = HeldUsage("month", 3 << 40, 5 << 40, 9_000, 71)
SATELLITE = HeldSatellite(ConsentStatus.GIVEN, 72)
BILLING = HeldBilling(
    "store",
    "a user/\n”ü",
    ConsentStatus.GIVEN,
    ProvStatus.IN_PROGRESS,
    Money(Decimal("1.10"), "EUR"),
    Money(Decimal("0.30"), "EUR"),
    8_000,
    73,
)
ADDRESS = HeldAddress(
    CivicAddress(country="DE", city="Köln", postcode="50667", street="Domkloster <4>", number="4"),
    "place-7",
    74,
)
ALL: tuple[Holding, ...] = (BOOST, USAGE, SATELLITE, BILLING, ADDRESS)


async def test_who_holds_nothing_holds_nothing(store: SqlStore) -> None:
    assert await store.holdings(T, IMSI) == NOTHING
    await store.add(new())
    assert await store.holdings(T, IMSI) == NOTHING


async def test_all_of_it_comes_back_as_it_was(store: SqlStore) -> None:
    await store.add(new())
    for each in ALL:
        await store.set_holding(T, IMSI, each)
    assert await store.holdings(T, IMSI) == Holdings(
        (BOOST,), (USAGE,), SATELLITE, (BILLING,), ADDRESS
    )
    assert await store.holdings(T, OTHER) == NOTHING


@pytest.mark.parametrize(
    "bare",
    [
        HeldBoost(1, Purchase.UNTRACKED),
        HeldUsage("x", 0),
        HeldSatellite(ConsentStatus.MISSING),
        HeldBilling("", "", ConsentStatus.MISSING),
    ],
)
async def test_what_is_not_said_is_not_made_up(store: SqlStore, bare: Holding) -> None:
    await store.add(new())
    await store.set_holding(T, IMSI, bare)
    held = await store.holdings(T, IMSI)
    assert [*held.boosts, *held.usage, *held.billing] or [held.satellite] == [bare]
    assert bare in (*held.boosts, *held.usage, *held.billing, held.satellite)


@pytest.mark.parametrize(
    "newer",
    [
        replace(BOOST, purchase=Purchase.IN_PROGRESS, until=None, at=90),
        replace(USAGE, used=1, at=90),
        replace(SATELLITE, status=ConsentStatus.MISSING, at=90),
        replace(BILLING, terms=ConsentStatus.MISSING, spent=None, at=90),
    ],
)
async def test_what_is_told_later_takes_the_place(store: SqlStore, newer: Holding) -> None:
    await store.add(new())
    for each in ALL:
        await store.set_holding(T, IMSI, each)
    await store.set_holding(T, IMSI, newer)
    held = await store.holdings(T, IMSI)
    assert newer in (*held.boosts, *held.usage, *held.billing, held.satellite)
    assert (len(held.boosts), len(held.usage), len(held.billing)) == (1, 1, 1)


async def test_users_of_stores_are_told_apart(store: SqlStore) -> None:
    await store.add(new())
    users = [("a", "bc"), ("ab", "c"), ("a", "b c"), ("a b", "c"), ("a", "BC")]
    for vendor, user in users:
        await store.set_holding(T, IMSI, replace(BILLING, store_vendor=vendor, store_user_id=user))
    held = await store.holdings(T, IMSI)
    assert sorted((each.store_vendor, each.store_user_id) for each in held.billing) == sorted(users)
    assert held.at_store("ab", "c") is not None
    assert held.at_store("abc", "") is None


@pytest.mark.parametrize("one", ALL)
async def test_what_has_ended_is_gone_and_ends_once(store: SqlStore, one: Holding) -> None:
    await store.add(new())
    with pytest.raises(Conflict):
        await store.set_holding(T, IMSI, one, ended=True)
    await store.set_holding(T, IMSI, one)
    await store.set_holding(T, IMSI, one, ended=True)
    assert await store.holdings(T, IMSI) == NOTHING


async def test_each_change_of_one_second_is_another_version(store: SqlStore) -> None:
    """Of two the second is not told under the first one's, nor under one of before."""
    await store.add(new(changed_at=BOOST.at + 2))
    versions = []
    for purchase in (Purchase.IN_PROGRESS, Purchase.ACTIVE):
        await store.set_holding(T, IMSI, replace(BOOST, purchase=purchase))
        state = await store.find(T, imsi=IMSI)
        assert state is not None
        versions.append(state.changed_at)
    assert versions == [BOOST.at + 3, BOOST.at + 4]


async def test_only_what_is_expected_is_replaced(store: SqlStore) -> None:
    await store.add(new())
    on = replace(BOOST, purchase=Purchase.ACTIVE, at=BOOST.at + 1)
    other = replace(BOOST, until=BOOST.at + 9)
    for there in (None, other, replace(BOOST, at=BOOST.at - 1)):
        if there is not None:
            await store.set_holding(T, IMSI, there)
        with pytest.raises(Conflict):
            await store.set_holding(T, IMSI, on, instead_of=BOOST)
        assert (await store.holdings(T, IMSI)).boosts == (() if there is None else (there,))
    await store.set_holding(T, IMSI, BOOST)
    await store.set_holding(T, IMSI, on, instead_of=BOOST)
    assert (await store.holdings(T, IMSI)).boosts == (on,)


@pytest.mark.parametrize("one", ALL)
async def test_a_change_is_compared_and_a_counter_is_not(store: SqlStore, one: Holding) -> None:
    await store.add(new(changed_at=2))
    await store.set_holding(T, IMSI, one)
    state = await store.find(T, imsi=IMSI)
    assert state is not None
    if isinstance(one, HeldUsage):
        assert (state.changed_at, await compared(store)) == (2, [])
        return
    assert (state.changed_at, await compared(store)) == (one.at, [(IMSI, one.at)])
    await store.set_holding(T, IMSI, replace(one, at=one.at + 5))
    assert await store.find(T, imsi=IMSI) == state, "it holds what it held"


async def test_nobody_holds_anything_who_is_not_there(store: SqlStore) -> None:
    with pytest.raises(Conflict):
        await store.set_holding(T, IMSI, BOOST)
    await store.add(new())
    await store.set_holding(T, IMSI, BOOST)
    await store.remove(T, IMSI, now=80)
    assert await store.holdings(T, IMSI) == NOTHING
    with pytest.raises(Conflict):
        await store.set_holding(T, IMSI, BOOST)


async def test_the_next_owner_of_an_imsi_holds_nothing_of_the_former_ones(store: SqlStore) -> None:
    await store.add(new())
    await store.set_holding(T, IMSI, BILLING)
    held = await store.export(T, IMSI)
    assert held is not None
    assert held.held.billing == (BILLING,)
    await store.erase(T, IMSI, [], now=90)
    await store.add(new())
    assert await store.holdings(T, IMSI) == NOTHING
