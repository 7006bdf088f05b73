"""The outbox of notices: made with the change, claimed by one, settled once (ADR 0021)."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from simgrant.adapters.store.sql.statements import SHARDS, shard_of
from simgrant.adapters.store.sql.store import SqlStore
from simgrant.domain.subscription import PushRegistration, SubscriptionStatus
from simgrant.errors import Conflict, EcsError
from simgrant.identities import Imsi
from simgrant.ports.store import Change, DueNotice, PendingNotice, Settled
from tests.conformance.test_store import (
    ADDRESS,
    IMEI,
    IMSI,
    NUMBER,
    OTHER,
    PUSH,
    T,
    compared,
    imsi_of,
    new,
)

SMS_APPS = ("ap2003", "ap2004")


async def claim(store: SqlStore, *, now: int = 100, limit: int = 500) -> list[DueNotice]:
    """Claim for a minute all there is, a call after the other."""
    found: list[DueNotice] = []
    while some := await store.claim_notices(now=now, again_at=now + 60, limit=limit):
        found.extend(some)
    return sorted(found, key=lambda notice: (notice.imsi.digits, notice.app_id))


async def registered(store: SqlStore, imsi: Imsi = IMSI, *apps: str) -> list[PushRegistration]:
    push = [replace(PUSH, app_id=app) for app in apps or ("ap2003", "ap2004")]
    await store.register_push(T, imsi, push)
    return push


async def told(store: SqlStore, at: int = 100) -> DueNotice:
    """Return the claimed notice of a client that has one application."""
    await registered(store, IMSI, "ap2004")
    await store.tell(T, IMSI, at=at)
    (notice,) = await claim(store, now=at)
    return notice


async def test_without_a_change_nothing_is_due(store: SqlStore) -> None:
    await store.add(new())
    await registered(store)
    assert await claim(store, now=10**9) == []


async def test_an_order_to_tell_goes_to_every_registered_client(store: SqlStore) -> None:
    await store.add(new())
    first = await registered(store)
    second = [replace(PUSH, terminal_id="350000000000017", app_name="other", token="t2")]
    await store.register_push(T, IMSI, second)
    await store.tell(T, IMSI, at=100)
    found = await claim(store)
    by_client = {(n.terminal_id, n.app_name, n.app_id): n for n in found}
    assert [by_client[p.terminal_id, p.app_name, p.app_id].registration for p in (*first, *second)]
    assert sorted(map(repr, (n.registration for n in found))) == sorted(map(repr, first + second))
    assert {(n.tenant, n.imsi, n.at, n.attempts, n.msisdn) for n in found} == {
        (T, IMSI, 100, 1, NUMBER)
    }
    assert len({n.mark for n in found}) == 1


@pytest.mark.parametrize(
    "change", [Change(status=SubscriptionStatus.SUSPENDED), Change(visited_plmn="26201")]
)
async def test_a_change_is_compared_before_anybody_is_told(store: SqlStore, change: Change) -> None:
    await store.add(new())
    await registered(store)
    await store.change(T, IMSI, change, now=100)
    assert await compared(store) == [(IMSI, 100)]
    assert await claim(store) == []


async def test_a_consent_is_compared_before_anybody_is_told(store: SqlStore) -> None:
    await store.add(new())
    await registered(store)
    await store.set_consent(T, IMSI, replace(ADDRESS, at=77))
    assert await compared(store) == [(IMSI, 77)]
    assert await claim(store) == []


async def test_a_change_that_fails_is_not_told(store: SqlStore) -> None:
    await store.add(new())
    await store.add(new(OTHER, None))
    await registered(store, OTHER)
    with pytest.raises(Conflict):
        await store.change(T, OTHER, Change(msisdn=NUMBER), now=100)
    assert (await compared(store), await claim(store)) == ([], [])


async def test_an_import_is_compared_where_it_changes_something(store: SqlStore) -> None:
    same, plan, status, fresh = (imsi_of(n) for n in range(4))
    for imsi in (same, plan, status):
        await store.add(new(imsi, None))
        await registered(store, imsi, "ap2004")
    await store.register_push(T, fresh, [PUSH])
    rows = [
        new(same, None, changed_at=90),
        new(plan, None, plan="silver", changed_at=90),
        new(status, None, status=SubscriptionStatus.SUSPENDED, changed_at=90),
        new(fresh, None, changed_at=90),
    ]
    await store.add_many(rows, replace=True)
    assert await compared(store) == [(plan, 90), (status, 90)]


async def test_some_applications_may_be_told_alone(store: SqlStore) -> None:
    await store.add(new())
    await registered(store)
    assert await store.tell(T, IMSI, at=100, apps=["ap2004", "ap2005"]) == 1
    assert [n.app_id for n in await claim(store)] == ["ap2004"]


async def test_who_registered_nothing_is_told_by_sms(store: SqlStore) -> None:
    await store.add(new())
    assert await store.tell(T, IMSI, at=100, sms_apps=SMS_APPS) == 2
    found = await claim(store)
    assert [(n.app_id, n.terminal_id, n.app_name) for n in found] == [
        ("ap2003", "", ""),
        ("ap2004", "", ""),
    ]
    assert {(n.registration, n.msisdn) for n in found} == {(None, NUMBER)}
    await registered(store, IMSI, "ap2004")
    assert await store.tell(T, IMSI, at=100, sms_apps=SMS_APPS) == 1


async def test_without_a_number_or_a_subscription_there_is_no_sms(store: SqlStore) -> None:
    await store.add(new(OTHER, None))
    assert await store.tell(T, OTHER, at=100, sms_apps=SMS_APPS) == 0
    assert await store.tell(T, IMSI, at=100, sms_apps=SMS_APPS) == 0
    assert await claim(store) == []


async def test_what_was_claimed_is_nobody_elses_until_its_time(store: SqlStore) -> None:
    await store.add(new())
    first = await told(store)
    assert await claim(store, now=159) == []
    (again,) = await claim(store, now=160)
    assert again == replace(first, attempts=2)


async def test_of_many_who_claim_at_once_each_notice_has_one(store: SqlStore) -> None:
    for number in range(40):
        imsi = imsi_of(number)
        await store.add(new(imsi, None))
        await registered(store, imsi)
        await store.tell(T, imsi, at=100)
    claims = await asyncio.gather(*(claim(store, limit=3) for _ in range(6)))
    counted = Counter((n.imsi.digits, n.app_id) for found in claims for n in found)
    assert len(counted) == 80
    assert set(counted.values()) == {1}


async def test_a_claim_is_bounded_and_keeps_a_device_together(store: SqlStore) -> None:
    for number in range(30):
        imsi = imsi_of(number)
        await store.add(new(imsi, None))
        await registered(store, imsi, "ap2003", "ap2004", "ap2005")
        await store.tell(T, imsi, at=100)
    some = await store.claim_notices(now=100, again_at=160, limit=4)
    assert 0 < len(some) <= 4
    assert len({shard_of(n.imsi.digits) for n in some}) == 1
    whole = await store.claim_notices(now=100, again_at=160, limit=500)
    assert len({shard_of(n.imsi.digits) for n in whole}) == 1
    assert SHARDS > 1


async def test_what_is_done_is_gone(store: SqlStore) -> None:
    await store.add(new())
    await store.settle_notices([Settled(await told(store))])
    assert await claim(store, now=10**9) == []


async def test_what_is_put_off_comes_again(store: SqlStore) -> None:
    await store.add(new())
    notice = await told(store)
    await store.settle_notices([Settled(notice, again_at=500, reason="throttled")])
    assert await claim(store, now=499) == []
    assert await claim(store, now=500) == [replace(notice, attempts=2, reason="throttled")]


async def pending(store: SqlStore) -> list[PendingNotice]:
    held = await store.export(T, IMSI)
    assert held is not None
    return list(held.notices)


async def test_what_waits_is_shown_with_its_tries_and_why_they_failed(store: SqlStore) -> None:
    await store.add(new())
    assert await pending(store) == []
    await registered(store)
    await store.tell(T, IMSI, at=100)
    waiting = [
        PendingNotice(PUSH.terminal_id, PUSH.app_name, app, 100, 100, 0, "")
        for app in ("ap2003", "ap2004")
    ]
    assert await pending(store) == waiting
    first, second = await claim(store)
    claimed = [replace(each, due_at=160, attempts=1) for each in waiting]
    assert await pending(store) == claimed, "under way"
    await store.settle_notices([Settled(first, 500, reason="throttled"), Settled(second)])
    assert await pending(store) == [replace(claimed[0], due_at=500, reason="throttled")]
    await store.tell(T, IMSI, at=200, apps=["ap2003"])
    assert await pending(store) == [replace(waiting[0], at=200, due_at=200)], "a newer change"


async def test_what_the_sim_is_to_be_told_by_sms_waits_without_a_terminal(store: SqlStore) -> None:
    await store.add(new())
    await store.tell(T, IMSI, at=100, sms_apps=SMS_APPS[:1])
    assert await pending(store) == [PendingNotice("", "", SMS_APPS[0], 100, 100, 0, "")]


@pytest.mark.parametrize("again_at", [None, 10**6])
async def test_a_newer_change_is_told_though_the_older_one_is_settled(
    store: SqlStore, again_at: int | None
) -> None:
    await store.add(new())
    older = await told(store)
    await store.tell(T, IMSI, at=101)
    await store.settle_notices([Settled(older, again_at)])
    (newer,) = await claim(store, now=101)
    assert (newer.at, newer.attempts) == (101, 1)
    assert newer.mark != older.mark


async def test_a_dead_token_takes_its_registration_along(store: SqlStore) -> None:
    await store.add(new())
    await store.settle_notices([Settled(await told(store), dead=True)])
    held = await store.export(T, IMSI)
    assert held is not None
    assert held.push == ()


@pytest.mark.parametrize(
    ("renewed", "since", "stays"),
    [
        (PUSH.at, None, False),
        (PUSH.at, PUSH.at - 1, True),
        (PUSH.at, PUSH.at, False),
        (PUSH.at + 5, None, True),
        (PUSH.at + 5, PUSH.at + 9, False),
    ],
)
async def test_a_registration_that_was_renewed_is_not_dead(
    store: SqlStore, renewed: int, since: int | None, *, stays: bool
) -> None:
    await store.add(new())
    notice = await told(store)
    await store.register_push(T, IMSI, [replace(PUSH, app_id="ap2004", at=renewed)])
    await store.settle_notices([Settled(notice, dead=True, dead_since=since)])
    held = await store.export(T, IMSI)
    assert held is not None
    assert bool(held.push) is stays


async def test_another_token_of_the_same_client_is_not_dead(store: SqlStore) -> None:
    await store.add(new())
    notice = await told(store)
    await store.register_push(T, IMSI, [replace(PUSH, app_id="ap2004", token="new")])
    await store.settle_notices([Settled(notice, dead=True, dead_since=10**6)])
    held = await store.export(T, IMSI)
    assert held is not None
    assert [push.token for push in held.push] == ["new"]


async def test_a_registration_that_went_leaves_a_notice_without_one(store: SqlStore) -> None:
    await store.add(new())
    await registered(store, IMSI, "ap2004")
    await store.tell(T, IMSI, at=100)
    await store.register_push(T, IMSI, [replace(PUSH, app_id="ap2004", action=0)])
    (notice,) = await claim(store)
    assert notice.registration is None
    assert notice.terminal_id == IMEI


@pytest.mark.parametrize("end", ["remove", "erase"])
async def test_who_is_gone_is_told_nothing(store: SqlStore, end: str) -> None:
    await store.add(new())
    await registered(store)
    await store.tell(T, IMSI, at=100)
    if end == "remove":
        await store.remove(T, IMSI, now=100)
    else:
        await store.erase(T, IMSI, [], now=90)
    assert await claim(store) == []


async def test_a_settlement_is_written_whole_or_not_at_all(store: SqlStore) -> None:
    for number in range(3):
        imsi = imsi_of(number)
        await store.add(new(imsi, None))
        await registered(store, imsi, "ap2004")
        await store.tell(T, imsi, at=100)
    first, second, third = await claim(store)
    bad = replace(third, app_name="\ud800")
    with pytest.raises(EcsError):
        await store.settle_notices([Settled(first), Settled(second, 300), Settled(bad)])
    found = await claim(store, now=160)
    assert [n.attempts for n in found] == [2, 2, 2]


async def test_nothing_shows_a_token_or_a_terminal(store: SqlStore) -> None:
    await store.add(new())
    notice = await told(store)
    shown = repr(Settled(notice, dead=True))
    assert PUSH.token not in shown
    assert IMEI not in shown
    assert IMSI.digits not in shown
