"""Lines to be switched in the network: claimed by one at a time, kept until all is well."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import pytest

from simgrant.adapters.store.sql.store import SqlStore
from simgrant.domain.bss_events import Change
from simgrant.domain.holdings import HeldBoost, Purchase
from simgrant.domain.visit import Settlement, Step
from simgrant.identities import Imsi
from simgrant.ports.switching import VOWIFI, DueSwitch, UnderWay
from simgrant.spec.ids import ProvStatus
from tests.conformance.test_store import IMSI, OTHER, VISIT, VISIT_ID, T, new
from tests.conformance.test_store_life import act, event, judging, take
from tests.conformance.test_store_visits import AGREED

NOW = 70
SETTLED = Settlement(Step.TERMS, Step.DONE, NOW, consents=(AGREED,), switches=True)


async def claim(store: SqlStore, *, now: int = NOW, lease: int = 30) -> Sequence[DueSwitch]:
    return await store.switches.claim(now=now, again_at=now + lease, limit=9)


async def wished(store: SqlStore, provisioning: ProvStatus = ProvStatus.NOT_REQUIRED) -> None:
    """Have a line that somebody wants switched on."""
    row = new(changed_at=2)
    await store.add(replace(row, subscription=replace(row.subscription, provisioning=provisioning)))
    await store.begin_visit(T, IMSI, VISIT_ID, VISIT)
    assert await store.settle_visit(T, IMSI, VISIT_ID, SETTLED)


async def provisioning(store: SqlStore, imsi: Imsi = IMSI) -> ProvStatus:
    found = await store.find(T, imsi=imsi)
    assert found is not None
    return found.provisioning


async def test_a_wish_is_written_with_what_it_rests_on(store: SqlStore) -> None:
    await wished(store)
    assert await provisioning(store) is ProvStatus.IN_PROGRESS
    (due,) = await claim(store)
    assert (due.tenant, due.imsi, due.under_way) == (T, IMSI, None)


async def test_what_is_on_stays_so_and_is_looked_at(store: SqlStore) -> None:
    await wished(store, ProvStatus.PROVISIONED)
    assert await provisioning(store) is ProvStatus.PROVISIONED
    assert len(await claim(store)) == 1


async def test_one_at_a_time_looks_at_a_line(store: SqlStore) -> None:
    await wished(store)
    found = await asyncio.gather(*(claim(store) for _ in range(6)))
    assert len([*chain.from_iterable(found)]) == 1
    assert await claim(store, now=NOW + 29) == []
    # Who died is followed by another.
    assert len(await claim(store, now=NOW + 30)) == 1


@pytest.mark.parametrize("on", [True, False])
async def test_how_far_it_is_is_known_to_who_comes_next(store: SqlStore, on: bool) -> None:
    await wished(store)
    (due,) = await claim(store)
    then = UnderWay(on, 3, "monitor-1 of/2")
    await store.switches.settle(due, then, due_at=NOW + 10, now=NOW)
    assert await claim(store, now=NOW + 9) == []
    (due,) = await claim(store, now=NOW + 10)
    assert due.under_way == then
    await store.switches.settle(due, None, due_at=0, now=NOW)
    assert await claim(store, now=9_999) == []


async def test_what_changes_meanwhile_is_looked_at_again(store: SqlStore) -> None:
    await wished(store)
    (due,) = await claim(store)
    await take(store, event())
    await act(store, judge=judging(switches=(VOWIFI,)))
    await store.switches.settle(due, None, due_at=0, now=NOW)
    (again,) = await claim(store, now=5_000)
    assert again.under_way is None


async def test_a_lease_that_is_over_settles_nothing(store: SqlStore) -> None:
    await wished(store)
    (old,) = await claim(store)
    (new_one,) = await claim(store, now=NOW + 30)
    await store.switches.settle(old, None, due_at=0, now=NOW + 31)
    assert len(await claim(store, now=NOW + 31)) == 1
    assert new_one.lease != old.lease


async def test_it_is_no_timer_that_ends_something(store: SqlStore) -> None:
    await wished(store)
    assert await store.life.fire(now=9_999, limit=9) == 0
    assert len(await claim(store)) == 1


async def test_with_another_imsi_both_are_looked_at(store: SqlStore) -> None:
    await wished(store)
    (due,) = await claim(store)
    await store.switches.settle(due, UnderWay(True, 1, "m1"), due_at=900, now=NOW)
    await take(store, event())
    await act(store, judge=judging(switches=(VOWIFI, "boost_166"), moves_to=OTHER))
    found = {(each.imsi, each.service, each.under_way) for each in await claim(store, now=5_000)}
    assert found == {
        # What is under way is so for the old one's.
        (IMSI, VOWIFI, UnderWay(True, 1, "m1")),
        *((imsi, service, None) for imsi in (IMSI, OTHER) for service in (VOWIFI, "boost_166")),
    }


@pytest.mark.parametrize("how", ["ported out", "by hand", "comes back"])
async def test_what_is_to_go_off_outlives_the_line(store: SqlStore, how: str) -> None:
    """Until it is off: it is not known any more by what the line had."""
    await wished(store)
    (due,) = await claim(store)
    await store.switches.settle(due, UnderWay(False, 3, "m1"), due_at=900, now=NOW)
    if how == "ported out":
        await take(store, event(Change.PORTED_OUT))
        await act(store)
    else:
        await store.remove(T, IMSI, now=80)
    if how == "comes back":
        await store.add(new())
    (due,) = await claim(store, now=900)
    assert (due.imsi, due.under_way) == (IMSI, UnderWay(False, 3, "m1"))
    await store.erase(T, IMSI, [], now=90)
    assert await claim(store, now=9_000) == []


@pytest.mark.parametrize("how", ["removed", "erased", "both"])
@pytest.mark.parametrize("comes_back", [True, False])
async def test_what_was_on_goes_off_whoever_has_the_imsi_then(
    store: SqlStore, how: str, *, comes_back: bool
) -> None:
    """At once, and not only when the removal is acted upon: another may be here by then."""
    switched = {VOWIFI, "boost_166", "boost_3"}
    row = new(changed_at=2)
    calling = replace(row.subscription, provisioning=ProvStatus.PROVISIONED)
    await store.add(replace(row, subscription=calling))
    await store.set_holding(T, IMSI, HeldBoost(166, Purchase.ACTIVE, None, 3))
    # What was held a moment ago, and nobody acted upon.
    boost = HeldBoost(3, Purchase.ACTIVE, None, 4)
    await store.set_holding(T, IMSI, boost)
    await store.set_holding(T, IMSI, boost, ended=True)
    if how != "erased":
        await store.remove(T, IMSI, now=80, switched=switched)
    if how != "removed":
        gone = await store.erase(T, IMSI, [], now=85, switched=switched)
        assert gone.left == len(switched)
        assert await store.export(T, IMSI) is None
    if comes_back:
        await store.add(new(changed_at=90))
    found = {(due.imsi, due.service, due.under_way) for due in await claim(store, now=95)}
    assert found == {(IMSI, each, UnderWay(on=False)) for each in switched}


async def test_what_is_not_switched_is_nobodys_to_switch_off(store: SqlStore) -> None:
    await wished(store)
    await store.set_holding(T, IMSI, HeldBoost(166, Purchase.ACTIVE, None, 3))
    assert (await store.erase(T, IMSI, [], now=85, switched={"boost_9"})).left == 0
    assert await claim(store, now=9_000) == []


async def test_a_tombstone_has_nothing_on(store: SqlStore) -> None:
    """Its IMSI may be somebody's whom another system serves."""
    row = new(changed_at=2)
    calling = replace(row.subscription, provisioning=ProvStatus.PROVISIONED)
    await store.add(replace(row, subscription=calling))
    await store.remove(T, IMSI, now=80, switched={VOWIFI})
    await act(store)
    (due,) = await claim(store, now=95)
    await store.switches.settle(due, None, due_at=0, now=95)
    assert (await store.erase(T, IMSI, [], now=99, switched={VOWIFI})).left == 0


async def test_of_one_that_is_gone_all_is_looked_at(store: SqlStore) -> None:
    await wished(store)
    await take(store, event(Change.PORTED_OUT))
    await act(store, judge=judging(switches=(VOWIFI,)))
    (due,) = await claim(store, now=5_000)
    assert (due.service, due.under_way) == (VOWIFI, None)


@pytest.mark.parametrize("service", [VOWIFI, "boost_166"])
@pytest.mark.parametrize(
    "then", [UnderWay(False, 7), UnderWay(True, 0, "on off"), UnderWay(False, 2, "m 1", 99)]
)
async def test_services_of_a_line_are_told_apart(
    store: SqlStore, service: str, then: UnderWay
) -> None:
    await store.add(new())
    await take(store, event())
    await act(store, judge=judging(switches=(VOWIFI, "boost_166")))
    found = await claim(store, now=5_000)
    assert {each.service for each in found} == {VOWIFI, "boost_166"}
    for due in found:
        keeps = then if due.service == service else None
        await store.switches.settle(due, keeps, due_at=6_000, now=5_000)
    (left,) = await claim(store, now=6_000)
    assert (left.service, left.under_way) == (service, then)
