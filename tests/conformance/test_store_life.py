"""Events of operators' systems: kept once, acted upon once, in order, or set aside."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from simgrant.adapters.store.sql.store import SqlStore
from simgrant.domain.bss_events import BssEvent, Change
from simgrant.domain.companions import Companions
from simgrant.domain.eligibility import Aspect, Eligibility
from simgrant.domain.holdings import HeldBoost, HeldUsage, Purchase
from simgrant.domain.life import Done, follow
from simgrant.domain.line_marks import MarkName
from simgrant.domain.order import OrderState
from simgrant.domain.subscription import (
    Consent,
    ConsentKind,
    ConsentStatus,
    PushRegistration,
    SubscriptionStatus,
)
from simgrant.identities import Iccid, Imsi, Msisdn
from simgrant.ports.bss_events import Taken
from simgrant.ports.life import BY_HAND, TIMER, Claim, Judge, Judged, Present, Refused
from simgrant.ports.store import Change as Fields
from tests.conformance.conftest import Place
from tests.conformance.test_store import IMEI, IMSI, NUMBER, OTHER, PUSH, T, accept, new
from tests.event_intake import writes_nothing
from tests.unit.flows.orders import an_order

SOURCE = "crm"
NOW = 1_000.0
OTHER_NUMBER = Msisdn("491710000002")


def event(change: Change = Change.PLAN_CHANGED, *, at: int = 900, **members: Any) -> BssEvent:
    members.setdefault("imsi", IMSI)
    members.setdefault("event_id", f"{change}-{at}")
    return BssEvent(change=change, at=at, **members)


def plan(name: str, *, at: int = 900, **members: Any) -> BssEvent:
    return event(at=at, told=Eligibility(plan=name), **members)


def judging(**more: Any) -> Judge:
    """Return a judge that follows the events, and says the rest as it is told to."""

    def judge(present: Present) -> Judged:
        life, done, revokes, lost, to = present.life, [], False, [], None
        for waiting in present.events:
            step = follow(life, waiting.event)
            life, to = step.life, step.moves_to or to
            done.append((waiting, step.done))
            revokes |= step.revokes
            lost += [step.lost] if step.lost else []
        judged = Judged(
            present.life, life, tuple(done), revokes=revokes, lost=tuple(lost), moves_to=to
        )
        return replace(judged, **more)

    return judge


async def take(
    store: SqlStore, *events: BssEvent, now: float = NOW, source: str = SOURCE
) -> list[Taken]:
    return list(
        await store.life.take(T, source, events, now=now, future_s=300, scribe=writes_nothing)
    )


async def claims(store: SqlStore, *, now: float = NOW, lease: float = 10) -> list[Claim]:
    found: list[Claim] = []
    while some := await store.life.claim(
        now_ms=int(now * 1000), again_ms=int((now + lease) * 1000), limit=10
    ):
        found += some
    return sorted(found, key=lambda claim: claim.imsi.digits)


async def act(store: SqlStore, *, now: float = NOW, judge: Judge | None = None) -> Sequence[Judged]:
    found = await claims(store, now=now)
    if not found:
        return ()
    again_ms = int((now + 2) * 1000)
    return tuple(await store.life.settle(found, judge or judging(), now=now, again_ms=again_ms))


async def state(store: SqlStore, imsi: Imsi = IMSI) -> Any:
    found = await store.find(T, imsi=imsi)
    assert found is not None
    return found


async def test_what_is_told_holds_once_it_was_acted_upon(store: SqlStore) -> None:
    await store.add(new())
    told = Eligibility(
        status=SubscriptionStatus.SUSPENDED,
        plan="silver",
        visited_plmn="26201",
        terms=ConsentStatus.MISSING,
        prepaid=True,
        options=frozenset({"b", "a"}),
    )
    assert await take(store, event(told=told)) == [Taken.KEPT]
    assert (await state(store)).plan == "gold"
    (judged,) = await act(store)
    assert [done for _, done in judged.done] == [Done.APPLIED]
    assert judged.done[0][0].event == event(told=told)
    after = await state(store)
    assert (after.status, after.plan) == (SubscriptionStatus.SUSPENDED, "silver")
    assert (after.visited_plmn, after.visited_at) == ("26201", 900)
    assert after.changed_at == 2, "no device is told anything else"
    consents = await store.consents(T, IMSI)
    assert consents[ConsentKind.TERMS] == Consent(ConsentKind.TERMS, ConsentStatus.MISSING, at=900)
    assert consents[ConsentKind.ADDRESS].status is ConsentStatus.IN_PROGRESS
    assert {mark.name: mark.value for mark in await store.marks(T, IMSI)} == {
        MarkName.PREPAID: "yes"
    }
    assert await act(store) == ()


async def test_an_event_is_known_by_its_id_and_its_source(store: SqlStore) -> None:
    await store.add(new())
    one = plan("silver", event_id="1")
    assert await take(store, one, one) == [Taken.KEPT, Taken.KNOWN]
    assert await take(store, one) == [Taken.KNOWN]
    await act(store)
    assert await take(store, one, plan("tin", event_id="2")) == [Taken.KNOWN, Taken.KEPT]
    assert await take(store, one, source="other") == [Taken.KEPT]
    await store.life.purge(seen_before=2_000, aside_before=0)
    assert await take(store, plan("lead", event_id="1", at=950)) == [Taken.KEPT]


async def test_of_many_who_bring_the_same_one_is_kept(store: SqlStore) -> None:
    await store.add(new())
    events = [plan("silver", event_id=str(number)) for number in range(5)]
    found = await asyncio.gather(*(take(store, *events) for _ in range(6)))
    assert sum(taken.count(Taken.KEPT) for taken in found) == 5
    (judged,) = await act(store)
    assert len(judged.done) == 5


async def test_a_number_names_a_subscription(store: SqlStore) -> None:
    await store.add(new())
    assert await take(store, plan("silver", imsi=None, msisdn=NUMBER)) == [Taken.KEPT]
    await act(store)
    assert (await state(store)).plan == "silver"


async def test_events_act_in_the_order_in_which_they_happened(store: SqlStore) -> None:
    await store.add(new())
    later, earlier = plan("silver", at=920), plan("tin", at=910)
    await take(store, later, earlier)
    (judged,) = await act(store)
    assert [waiting.event for waiting, _ in judged.done] == [earlier, later]
    assert (await state(store)).plan == "silver"
    await take(store, plan("lead", at=915), event(Change.SUSPENDED, at=915))
    (judged,) = await act(store, now=NOW + 2)
    assert [done for _, done in judged.done] == [Done.LATE, Done.APPLIED]
    after = await state(store)
    assert (after.plan, after.status) == ("silver", SubscriptionStatus.SUSPENDED)


async def test_what_an_operator_changed_later_makes_news_late(store: SqlStore) -> None:
    await store.add(new())
    await store.change(T, IMSI, Fields(plan="silver"), now=950)
    await take(store, plan("tin", at=940))
    (judged,) = await act(store)
    assert [done for _, done in judged.done] == [Done.LATE, Done.APPLIED]
    assert (await state(store)).plan == "silver"


async def test_what_people_change_is_compared_with_what_it_was(store: SqlStore) -> None:
    await store.add(new())
    boost = HeldBoost(2, Purchase.ACTIVE, at=50)
    first, consents = await state(store), await store.consents(T, IMSI)
    await store.set_holding(T, IMSI, HeldUsage("data", 5, at=40))
    assert await claims(store) == [], "counters change all day"
    await store.change(T, IMSI, Fields(plan="silver"), now=950)
    await store.set_holding(T, IMSI, boost)
    await store.set_consent(T, IMSI, Consent(ConsentKind.TERMS, ConsentStatus.MISSING, at=951))
    seen: list[Present] = []

    def judge(present: Present) -> Judged:
        seen.append(present)
        return judging(changed=True)(present)

    (judged,) = await act(store, judge=judge)
    (waiting,) = seen[0].events
    before, now = waiting.before, seen[0].life
    assert before is not None
    assert (waiting.source, waiting.event.at) == (BY_HAND, 950)
    assert (before.subscription, before.held.boosts) == (first, ())
    assert before.terms == consents.get(ConsentKind.TERMS)
    assert before.address == consents[ConsentKind.ADDRESS]
    assert (now.subscription.plan, now.held.boosts) == ("silver", (boost,))
    assert now.terms != before.terms
    assert [done for _, done in judged.done] == [Done.APPLIED]
    assert (await state(store)).changed_at == int(NOW)
    assert await act(store, now=NOW + 2) == (), "once"


async def test_what_held_in_between_is_known_each_state_once(store: SqlStore) -> None:
    await store.add(new())
    first = await state(store)
    plans = ["silver", "lead", first.plan, "silver", "tin"]
    for plan_ in plans:
        await store.change(T, IMSI, Fields(plan=plan_), now=950)
    seen: list[Present] = []

    def judge(present: Present) -> Judged:
        seen.append(present)
        return judging(changed=True)(present)

    await act(store, judge=judge)
    (waiting,) = seen[0].events
    assert waiting.before is not None
    assert waiting.before.subscription == first
    assert waiting.between is not None
    assert [each.subscription.plan for each in waiting.between] == ["silver", "lead"]
    assert seen[0].life.subscription.plan == "tin"


async def test_of_too_much_in_between_nothing_is_known(store: SqlStore) -> None:
    await store.add(new())
    for number in range(10):
        await store.change(T, IMSI, Fields(plan=f"plan{number}"), now=950)
    seen: list[Present] = []

    def judge(present: Present) -> Judged:
        seen.append(present)
        return judging(changed=True)(present)

    await act(store, judge=judge)
    (waiting,) = seen[0].events
    assert waiting.between is None


async def test_what_is_imported_anew_is_compared_where_it_differs(store: SqlStore) -> None:
    await store.add_many([new(), new(OTHER, None)])
    same, other = new(), new(OTHER, None)
    other = replace(other, subscription=replace(other.subscription, gid1="AB", changed_at=950))
    await store.add_many([same, other], replace=True)
    (judged,) = await act(store)
    assert judged.before.subscription.imsi == OTHER
    assert (await state(store, OTHER)).changed_at == 2, "no device is told anything else"


async def test_two_who_change_the_same_wait_for_each_other(store: SqlStore) -> None:
    await store.add(new())
    names = [f"plan{number}" for number in range(6)]
    await asyncio.gather(
        *(store.change(T, IMSI, Fields(plan=name), now=950) for name in names), act(store)
    )
    found: list[str] = []

    def judge(present: Present) -> Judged:
        found[:] = [
            each.before.subscription.plan for each in present.events if each.before is not None
        ]
        return judging()(present)

    await act(store, now=NOW + 2, judge=judge)
    assert len(found) <= 1, "of those that wait, the first one knows"
    assert not {(await state(store)).plan} & set(found)


async def test_those_that_follow_closely_wait_for_each_other(store: SqlStore) -> None:
    await store.add(new())
    await take(store, plan("silver", at=901))
    assert len(await act(store)) == 1
    await take(store, plan("tin", at=902), now=NOW + 0.5)
    await take(store, plan("lead", at=903), now=NOW + 1)
    assert await claims(store, now=NOW + 1.9) == []
    (judged,) = await act(store, now=NOW + 2)
    assert len(judged.done) == 2
    assert await act(store, now=NOW + 4) == ()
    assert await store.life.waits() == 0
    await take(store, plan("gold", at=904), now=NOW + 4.1)
    assert len(await act(store, now=NOW + 4.1)) == 1, "at once, since none came for long"


async def test_what_comes_as_its_row_is_forgotten_is_found(store: SqlStore) -> None:
    await store.add(new())
    for round_ in range(8):
        now = NOW + 10 * round_
        await take(store, plan("silver", at=901 + round_), now=now)
        assert len(await act(store, now=now)) == 1
        late = plan("tin", at=901 + round_, event_id=f"late-{round_}")
        _, done = await asyncio.gather(take(store, late, now=now + 5), act(store, now=now + 5))
        assert len([*done, *await act(store, now=now + 5)]) == 1
    assert await claims(store, now=NOW + 80) == []
    assert await store.life.waits() == 0


async def test_what_a_worker_left_is_anothers_after_its_lease(store: SqlStore) -> None:
    await store.add(new())
    await take(store, plan("silver"))
    (first,) = await claims(store)
    ((imsi, waiting),) = await store.life.peek([first])
    assert (imsi, waiting.source, waiting.event) == (IMSI, SOURCE, plan("silver"))
    assert await claims(store, now=NOW + 9) == []
    (second,) = await claims(store, now=NOW + 10)
    assert (first.tries, second.tries) == (1, 2)
    assert await store.life.settle([first], judging(), now=NOW, again_ms=0) == []
    assert len(await store.life.settle([second], judging(), now=NOW, again_ms=0)) == 1


async def test_a_fault_leaves_everything_as_it_was(store: SqlStore) -> None:
    await store.add(new())
    await take(store, plan("silver"))
    (claim,) = await claims(store)

    def broken(_: Present) -> Judged:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError):
        await store.life.settle([claim], broken, now=NOW, again_ms=0)
    assert len(await store.life.settle([claim], judging(), now=NOW, again_ms=0)) == 1


async def test_nobody_does_an_event_twice(store: SqlStore) -> None:
    await store.add(new())
    before = (await state(store)).token_epoch
    await take(store, event(Change.SIM_SWAPPED, iccid=Iccid("8949000000000000001")))
    found = await claims(store)
    done = await asyncio.gather(
        *(store.life.settle(found, judging(), now=NOW, again_ms=9_000_000) for _ in range(6))
    )
    assert sum(map(len, done)) == 1
    assert (await state(store)).token_epoch == before + 1


async def test_many_subscriptions_are_acted_upon_together(store: SqlStore) -> None:
    imsis = [Imsi(f"00101{number:010d}") for number in range(40)]
    await store.add_many(new(imsi, None) for imsi in imsis)
    events = [plan("silver", imsi=imsi, event_id=imsi.digits) for imsi in imsis]
    assert set(await take(store, *events)) == {Taken.KEPT}
    judged = await act(store)
    assert len(judged) == 40
    assert {(await state(store, imsi)).plan for imsi in imsis} == {"silver"}


async def test_what_nobody_can_read_is_set_aside_once_however_often_it_comes(
    store: SqlStore,
) -> None:
    raw = b"\xff" * 70_000
    ids = [
        await store.life.set_aside(T, source, body, reason=reason, now=NOW + at)
        for at, (source, body, reason) in enumerate(
            (
                (SOURCE, raw, "no_json"),
                (SOURCE, raw, "bad_id"),
                (SOURCE, raw[1:], "no_json"),
                ("erp", raw, "no_json"),
            )
        )
    ]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3
    aside = {each.aside_id: each for each in await store.life.aside(T, limit=10)}
    assert aside.keys() == set(ids)
    assert (aside[ids[0]].at, aside[ids[0]].reason) == (int(NOW) + 1, "bad_id")
    assert await store.life.drop(T, ids[0])
    assert await store.life.set_aside(T, SOURCE, raw, reason="no_json", now=NOW) == ids[0]


async def test_strangers_and_prophets_are_set_aside_until_a_person_comes(store: SqlStore) -> None:
    await store.add(new())
    stranger = plan("silver", imsi=OTHER, event_id="1")
    prophet = plan("silver", at=1_301, event_id="2")
    nobody = plan("silver", imsi=None, event_id="3")
    assert await take(store, stranger, prophet, nobody) == [Taken.SET_ASIDE] * 3
    assert await take(store, stranger) == [Taken.KNOWN]
    unread = await store.life.set_aside(T, SOURCE, b"\xff" * 70_000, reason="no_json", now=NOW + 1)
    aside = await store.life.aside(T, limit=10)
    assert (aside[0].aside_id, aside[0].body) == (unread, b"\xff" * 65_536)
    assert {each.event: each.reason for each in aside[1:]} == {
        stranger: "unknown_subscriber",
        prophet: "from_the_future",
        nobody: "unknown_subscriber",
    }
    by_event = {each.event: each for each in aside}
    assert await store.life.find_aside(T, unread[:8]) == [aside[0]]
    assert await store.life.find_aside("blue", unread[:8]) == []
    assert (
        await store.life.replay(by_event[stranger], now=NOW, scribe=writes_nothing)
        is Taken.SET_ASIDE
    )
    await store.add(new(OTHER, None))
    assert await store.life.replay(by_event[stranger], now=NOW, scribe=writes_nothing) is Taken.KEPT
    assert (
        await store.life.replay(by_event[stranger], now=NOW, scribe=writes_nothing) is Taken.KNOWN
    )
    await act(store)
    assert (await state(store, OTHER)).plan == "silver"
    assert await store.life.drop(T, unread)
    assert not await store.life.drop(T, unread)
    assert len(await store.life.aside(T, limit=10)) == 2
    assert await store.life.purge(seen_before=0, aside_before=1_001) == 2


async def test_who_gives_up_leaves_the_events_to_people(store: SqlStore) -> None:
    await store.add(new())
    one, two = plan("silver", at=901), plan("tin", at=902)
    await take(store, one, two)
    (claim,) = await claims(store)
    assert await store.life.give_up(replace(claim, mark=1), reason="poison", now=NOW) == 0
    assert await store.life.give_up(claim, reason="poison", now=NOW) == 2
    assert {each.event for each in await store.life.aside(T, limit=9)} == {one, two}
    assert await store.life.waits() == 0
    await store.erase(T, IMSI, [], now=90)
    assert await store.life.aside(T, limit=9) == []


async def test_a_true_change_raises_the_version_and_tells_whom_it_concerns(
    store: SqlStore,
) -> None:
    await store.add(new(changed_at=int(NOW)))
    other = PushRegistration("350000000000025", "ap2004", "app", 2, "other", 41)
    await store.register_push(T, IMSI, [PUSH, other])
    await take(store, plan("silver"))
    await act(store, judge=judging(changed=True, tells=((IMEI, "ap2004"),)))
    assert (await state(store)).changed_at == int(NOW) + 1
    notices = await store.claim_notices(now=int(NOW), again_at=2_000, limit=10)
    assert [(each.terminal_id, each.app_id) for each in notices] == [(IMEI, "ap2004")]


async def test_a_new_number_is_the_subscriptions_and_the_old_one_is_free(store: SqlStore) -> None:
    await store.add(new())
    told = Eligibility(msisdn=OTHER_NUMBER)
    await take(store, event(Change.MSISDN_CHANGED, told=told, imsi=None, msisdn=NUMBER))
    await act(store)
    assert (await state(store)).msisdn == OTHER_NUMBER
    await store.add(new(OTHER, NUMBER))
    await take(store, event(Change.MSISDN_CHANGED, told=told, imsi=OTHER, event_id="2"))
    with pytest.raises(Refused, match="another's"):
        await act(store)


async def test_one_that_was_ported_out_is_told_so_and_then_forgotten(store: SqlStore) -> None:
    await store.add(new())
    before = (await state(store)).token_epoch
    await store.register_push(T, IMSI, [PUSH])
    await take(store, event(Change.PORTED_OUT))
    await act(store, judge=judging(changed=True, tells=((IMEI, "ap2004"),)))
    after = await state(store)
    assert after.status is SubscriptionStatus.REMOVED
    assert after.token_epoch > before
    assert await store.find(T, msisdn=NUMBER) is None
    (notice,) = await store.claim_notices(now=int(NOW), again_at=2_000, limit=10)
    assert notice.registration is not None
    assert await take(store, plan("tin")) == [Taken.SET_ASIDE]
    later = NOW + 3 * 86_400
    assert await store.life.fire(now=later, limit=10) == 1
    (judged,) = await act(store, now=later)
    assert judged.done[0][0].source == TIMER
    export = await store.export(T, IMSI)
    assert export is not None
    assert (export.push, export.notices) == ((), ())


async def test_another_imsi_takes_everything_along(store: SqlStore) -> None:
    await store.add(new())
    await accept(store)
    await store.register_push(T, IMSI, [PUSH])
    boost = HeldBoost(2, Purchase.ACTIVE, 5_000, at=50)
    await store.set_holding(T, IMSI, boost)
    await take(store, event(Change.IMSI_CHANGED, new_imsi=OTHER))
    await act(store)
    old, moved = await state(store), await state(store, OTHER)
    assert old.status is SubscriptionStatus.REMOVED
    assert (moved.status, moved.plan, moved.msisdn) == (SubscriptionStatus.ACTIVE, "gold", NUMBER)
    assert moved.token_epoch >= int(NOW)
    found = await store.find(T, msisdn=NUMBER)
    assert found is not None
    assert found.imsi == OTHER
    export, left = await store.export(T, OTHER), await store.export(T, IMSI)
    assert export is not None
    assert left is not None
    assert export.held.boosts == (boost,)
    assert [consent.kind for consent in export.consents] == ["address", "terms"]
    assert export.push == (PUSH,)
    assert (left.consents, left.push, left.held.boosts, left.marks) == ((), (), (), ())
    assert not left.has_sim_key
    assert await store.life.fire(now=5_000, limit=9) == 1, "its timer came along"


async def test_an_imsi_that_another_has_is_refused_and_a_tombstone_is_not(store: SqlStore) -> None:
    await store.add_many([new(), new(OTHER, None)])
    change = event(Change.IMSI_CHANGED, new_imsi=OTHER)
    await take(store, change)
    with pytest.raises(Refused, match="there is a subscription"):
        await act(store)
    await store.remove(T, OTHER, now=5)
    epoch = (await state(store, OTHER)).token_epoch
    await act(store, now=NOW + 10)
    assert (await state(store, OTHER)).plan == "gold"
    assert (await state(store, OTHER)).token_epoch >= epoch


async def test_a_lost_terminals_tokens_are_good_no_more(store: SqlStore) -> None:
    await store.add(new())
    await accept(store)
    await take(store, event(Change.DEVICE_LOST, terminal_id=IMEI))
    await act(store)
    profile = await store.profile(T, IMSI, IMEI, "client-1")
    assert profile is not None
    assert profile.terminal_epoch == 1


async def test_what_ends_by_itself_fires_once(store: SqlStore) -> None:
    await store.add(new())
    await store.set_consent(
        T, IMSI, Consent(ConsentKind.TERMS, ConsentStatus.GIVEN, at=50, expires_at=1_500)
    )
    await store.set_holding(T, IMSI, HeldBoost(2, Purchase.ACTIVE, 1_600, at=50))
    await store.set_holding(T, IMSI, HeldBoost(3, Purchase.ACTIVE, 1_400, at=50))
    await store.set_holding(T, IMSI, HeldBoost(3, Purchase.ACTIVE, None, at=51))
    await act(store)
    assert await store.life.fire(now=1_499, limit=9) == 0
    fired = await asyncio.gather(*(store.life.fire(now=1_500, limit=9) for _ in range(5)))
    assert sum(fired) == 1
    (judged,) = await act(store, now=1_500)
    ((waiting, done),) = judged.done
    assert (waiting.source, waiting.event.event_id) == (TIMER, "consent:terms:1500")
    assert (waiting.event.at, done) == (1_500, Done.APPLIED)
    await store.remove(T, IMSI, now=1_550)
    assert await store.life.fire(now=9_999, limit=9) == 0


async def test_what_is_done_for_one_aspect_leaves_what_others_write_meanwhile(
    store: SqlStore,
) -> None:
    """A page, the management plane and events at once: nobody overwrites another's."""
    await store.add(new())
    for round_ in range(10):
        at, now = 1_000 + 10 * round_, NOW + 10 * round_
        name = f"plan{round_}"
        await take(store, plan(name, at=at), now=now)
        given = Consent(ConsentKind.TERMS, ConsentStatus.GIVEN, name, at=at)
        address = Consent(ConsentKind.ADDRESS, ConsentStatus.GIVEN, name, at=at)
        boost = HeldBoost(2, Purchase.ACTIVE, at=at)
        await asyncio.gather(
            act(store, now=now),
            store.set_consent(T, IMSI, given),
            store.set_consent(T, IMSI, address),
            store.set_holding(T, IMSI, boost),
            store.change(T, IMSI, Fields(gid1=f"{round_:02d}"), now=at),
            store.revoke_tokens(T, IMSI, None),
        )
        export = await store.export(T, IMSI)
        assert export is not None
        assert export.consents == (address, given)
        assert (export.subscription.plan, export.subscription.gid1) == (name, f"{round_:02d}")
        assert export.held.boosts == (boost,)
    assert (await state(store)).token_epoch >= 10


async def test_an_aspect_is_as_old_as_its_newest_news(store: SqlStore, place: Place) -> None:
    await store.add(new())
    await take(store, plan("silver", at=910))
    await act(store)
    found = await place.rows("SELECT aspect, at FROM life_aspect")
    assert [tuple(row) for row in found] == [(Aspect.PLAN.value, 910)]


async def test_numbers_of_companions_in_between_are_known_each_once(store: SqlStore) -> None:
    await store.add(new())
    made = replace(an_order(pooled=False), todo=None)
    for number in range(3):
        one = replace(made, order_id=f"{number:032x}", place=f"eid {number}", changed_at=951)
        assert await store.orders.make(T, IMSI, one, instead_of=None, due_at=None)
        ended = replace(one, version=1, state=OrderState.ENDED, changed_at=952)
        done = await store.orders.change(T, IMSI, ended, before=one, event="ended", due_at=None)
        assert done
    found = await store.life.claim(now_ms=int(NOW * 1000), again_ms=9 * 10**6, limit=100)
    ((_, waiting),) = await store.life.peek(found)
    assert waiting.counted is not None
    assert waiting.counted.companions == Companions()
    assert waiting.counted_between is not None
    assert [each.companions for each in waiting.counted_between] == [Companions(1)]
    assert waiting.between == ()
