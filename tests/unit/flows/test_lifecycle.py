"""What follows from events: who is told, which version rises, what is written down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from simgrant.domain.bss_events import BssEvent, Change
from simgrant.domain.eligibility import Aspect, Eligibility
from simgrant.domain.holdings import HeldBoost, Purchase
from simgrant.domain.life import Life
from simgrant.domain.order import Order, OrderState
from simgrant.domain.policy import default_policy_text, parse_policy
from simgrant.domain.subscription import SubscriptionStatus
from simgrant.domain.told import Told
from simgrant.errors import Conflict, PeerUnavailable
from simgrant.flows.answers import Answered, Answers
from simgrant.flows.asked_anew import Anew
from simgrant.flows.life_orders import LifeOrders, OnSwap
from simgrant.flows.lifecycle import Lifecycle
from simgrant.identities import Imsi, Msisdn
from simgrant.ports.bss_events import Taken
from simgrant.ports.life import BY_HAND, Claim, Judge, Judged
from simgrant.ports.store import Change as Fields
from simgrant.ports.store import NewSubscription
from tests.unit.flows.lives import (
    IMSI,
    NUMBER,
    PHONE,
    SOURCE,
    START,
    WATCH,
    T,
    World,
    another_worker,
    opened,
    registration,
    subscription,
)
from tests.unit.flows.orders import an_order

OTHER = Imsi("001010000000002")
BETTER = Eligibility(plan="standard")


@pytest.fixture
async def life(template: Path) -> AsyncIterator[World]:
    async with opened(template) as world:
        yield world


async def test_a_better_plan_is_told_to_whom_it_concerns(life: World) -> None:
    assert await life.tell(Change.PLAN_CHANGED, "e1", told=BETTER) is Taken.KEPT
    await life.act()
    after = await life.state()
    assert (after.plan, after.changed_at) == ("standard", START)
    assert await life.told() == {(PHONE, "ap2004")}
    (record,) = life.records
    assert (record["event"], record["outcome"], record["event_id"]) == ("life", "changed", "e1")
    assert record["before"]["ap2004"].startswith("denied")
    assert record["after"]["ap2004"] != record["before"]["ap2004"]
    assert record["apps"] == ["ap2004"]
    assert IMSI.digits not in str(record)


async def test_what_changes_no_answer_disturbs_nobody(life: World) -> None:
    before = await life.state()
    same = Eligibility(plan="basic", prepaid=True, visited_plmn="00101")
    await life.tell(Change.CHANGED, told=same)
    await life.act()
    after = await life.state()
    assert (after.changed_at, after.visited_plmn) == (before.changed_at, "00101")
    assert await life.told() == set()
    assert life.outcomes() == [("changed", "unchanged")]


async def test_of_several_services_only_those_that_changed_are_told(life: World) -> None:
    await life.store.register_push(
        T,
        IMSI,
        [registration(WATCH, app) for app in ("ap2003", "ap2004", "ap2005")],
    )
    await life.tell(Change.PLAN_CHANGED, told=BETTER)
    await life.act()
    notices = await life.told()
    assert {(PHONE, "ap2004"), (WATCH, "ap2004")} <= notices
    assert (WATCH, "ap2005") not in notices, "it has SMS over IP with either plan"


async def test_where_none_registered_the_sim_is_told(life: World) -> None:
    await life.store.register_push(T, IMSI, [replace(registration(PHONE, "ap2004"), action=0)])
    await life.tell(Change.PLAN_CHANGED, told=BETTER)
    await life.act()
    notices = await life.told()
    assert ("", "ap2004") in notices
    assert {terminal for terminal, _ in notices} == {""}


async def test_suspended_and_resumed_are_two_versions_however_close(life: World) -> None:
    await life.tell(Change.PLAN_CHANGED, told=BETTER)
    await life.act()
    await life.pass_time(2)
    await life.tell(Change.SUSPENDED)
    await life.act()
    suspended = await life.state()
    assert suspended.status is SubscriptionStatus.SUSPENDED
    life.clock.time += 0.1
    await life.tell(Change.RESUMED)
    await life.pass_time(2)
    resumed = await life.state()
    assert resumed.status is SubscriptionStatus.ACTIVE
    assert resumed.changed_at > suspended.changed_at
    assert [outcome for _, outcome in life.outcomes()] == ["changed"] * 3


async def test_a_burst_that_ends_where_it_began_is_no_change(life: World) -> None:
    await life.tell(Change.CHANGED)
    await life.act()
    version = (await life.state()).changed_at
    await life.tell(Change.PLAN_CHANGED, "1", told=BETTER)
    life.clock.time += 1
    await life.tell(Change.PLAN_CHANGED, "2", told=Eligibility(plan="basic"))
    await life.pass_time(1)
    assert (await life.state()).changed_at == version
    assert await life.told() == set()


async def test_a_swapped_sim_has_no_good_token_and_its_day_is_kept(life: World) -> None:
    before = (await life.state()).token_epoch
    await life.tell(Change.SIM_SWAPPED, at=START - 60)
    await life.act()
    assert (await life.state()).token_epoch == before + 1
    marks = {mark.name.value: mark.value for mark in await life.store.marks(T, IMSI)}
    assert marks["sim_since"] == str(START - 60)
    assert life.records[-1]["revoked"]
    await life.tell(Change.SIM_SWAPPED, "older", at=START - 90)
    await life.pass_time(2)
    assert (await life.state()).token_epoch == before + 1
    assert life.outcomes()[-1] == ("sim_swapped", "late")


async def test_another_imsi_goes_on_where_the_old_one_was(life: World) -> None:
    await life.tell(Change.IMSI_CHANGED, new_imsi=OTHER)
    await life.act()
    assert (await life.state()).status is SubscriptionStatus.REMOVED
    moved = await life.state(OTHER)
    assert (moved.msisdn, moved.plan) == (NUMBER, "basic")
    assert await life.told() == {(PHONE, "ap2004")}


async def test_what_another_has_is_set_aside_and_the_rest_is_done(life: World) -> None:
    await life.store.add(
        NewSubscription(replace(subscription(), imsi=OTHER, msisdn=Msisdn("447700900002")))
    )
    await life.tell(Change.MSISDN_CHANGED, told=Eligibility(msisdn=Msisdn("447700900002")))
    await life.tell(Change.IMSI_CHANGED, new_imsi=OTHER)
    await life.tell(Change.PLAN_CHANGED, told=BETTER)
    await life.act()
    assert (await life.state()).plan == "standard"
    aside = await life.inbox.listed(T)
    assert len(aside) == 2
    assert {each.reason for each in aside} <= {"number_taken", "imsi_taken"}
    found = await life.inbox.find(T, aside[0].aside_id[:10])
    assert found == aside[0]
    assert await life.inbox.drop(found)
    with pytest.raises(Conflict):
        await life.inbox.find(T, aside[0].aside_id)


@pytest.mark.parametrize(("source", "more"), [(SOURCE, 1), (BY_HAND, 0)])
async def test_tokens_that_were_taken_by_hand_are_not_taken_twice(
    life: World, source: str, more: int
) -> None:
    epoch = await life.store.revoke_tokens(T, IMSI, PHONE)
    lost = BssEvent(event_id="1", change=Change.DEVICE_LOST, at=START, imsi=IMSI, terminal_id=PHONE)
    assert await life.inbox.take(T, source, [lost]) == [Taken.KEPT]
    await life.act()
    profile = await life.store.profile(T, IMSI, PHONE, "app")
    assert profile is not None
    assert profile.terminal_epoch == epoch + more
    assert life.outcomes() == [("device_lost", "unchanged")]


class Bss:
    """Says of everybody what it is set to."""

    def __init__(self, anew: Anew) -> None:
        self.anew, self.asked = anew, 0

    async def of(self, tenant: str, imsi: Imsi) -> Anew | None:
        assert (tenant, imsi) == (T, IMSI)
        self.asked += 1
        return self.anew

    async def known(self, tenant: str, imsi: Imsi) -> Anew | None:
        assert (tenant, imsi) == (T, IMSI)
        return replace(self.anew, after=self.anew.before, unknown=False)


def told(plan: str) -> Told:
    return Told(
        eligibility=Eligibility(plan=plan),
        asked=frozenset({Aspect.PLAN}),
        source="bss.main",
        changed_at=START,
        asked_at=START,
    )


async def by_hand(life: World, **fields: Any) -> None:
    await life.store.change(T, IMSI, Fields(**fields), now=int(life.clock.now()))


@pytest.mark.conforms("notify.on-change")
async def test_what_people_change_is_told_to_whom_it_concerns(life: World) -> None:
    await life.store.register_push(T, IMSI, [registration(WATCH, "ap2005")])
    before = await life.state()
    await by_hand(life, plan="standard")
    assert (await life.state()).changed_at == before.changed_at
    await life.act()
    after = await life.state()
    assert (after.plan, after.changed_at) == ("standard", START)
    assert await life.told() == {(PHONE, "ap2004")}, "messages are as they were"
    (record,) = life.records
    assert (record["change"], record["outcome"], record["peer"]) == ("changed", "changed", BY_HAND)
    assert record["before"]["ap2004"].startswith("denied")
    assert record["after"]["ap2004"] != record["before"]["ap2004"]


async def test_what_people_change_disturbs_nobody_where_no_answer_differs(life: World) -> None:
    before = await life.state()
    await by_hand(life, plan="basic", gid1="AB")
    await life.act()
    life.clock.time += 2
    await by_hand(life, gid1="AC")
    await by_hand(life, gid1="AB")
    await life.act()
    assert (await life.state()).changed_at == before.changed_at
    assert await life.told() == set()
    assert life.outcomes() == [("changed", "unchanged")] * 2


async def test_what_people_change_and_undo_is_told_to_who_asked_in_between(life: World) -> None:
    for _ in range(2):
        await by_hand(life, plan="standard")
        await by_hand(life, plan="basic")
    await life.act()
    assert (await life.state()).changed_at == START
    assert await life.told() == {(PHONE, "ap2004")}, "messages were as they are all the time"
    assert life.outcomes() == [("changed", "changed")]


async def test_of_what_people_change_all_the_time_everybody_is_told(life: World) -> None:
    """Nobody keeps all that held in between."""
    await life.store.register_push(T, IMSI, [registration(WATCH, "ap2005")])
    for number in range(9):
        await by_hand(life, gid1=f"A{number}")
    await life.act()
    assert await life.told() == set()
    life.clock.time += 2
    for number in range(10):
        await by_hand(life, gid1=f"B{number}")
    await life.act()
    assert await life.told() == {(PHONE, "ap2004"), (WATCH, "ap2005")}


async def test_what_holds_now_is_worked_out_once(life: World) -> None:
    answers = life.life._answers[T]
    asked: list[str] = []

    class Counting:
        counts = answers.counts
        agreed = answers.agreed

        def of(self, held: Life, *more: Any, **options: Any) -> Answered:
            asked.append(held.subscription.plan)
            return answers.of(held, *more, **options)

    life.life._answers = {T: cast("Answers", Counting())}
    await by_hand(life, plan="standard")
    await life.act()
    assert asked == ["basic", "standard"]
    assert await life.told() == {(PHONE, "ap2004")}


async def test_what_comes_together_is_compared_with_all_that_phones_had(life: World) -> None:
    await by_hand(life, plan="standard")
    await life.tell(Change.PLAN_CHANGED, told=Eligibility(plan="basic"), at=START + 1)
    await life.act()
    assert (await life.state()).plan == "basic"
    assert await life.told() == {(PHONE, "ap2004")}, "it may have asked in between"


async def test_for_what_people_change_no_bss_is_asked(life: World) -> None:
    life.life._asks = bss = Bss(Anew(before=None, after=None, unknown=True))
    await by_hand(life, gid1="AB")
    await life.act()
    assert (bss.asked, await life.told()) == (0, set())
    life.clock.time += 2
    await by_hand(life, gid1="AC")
    await life.tell(Change.CHANGED)
    await life.act()
    assert (bss.asked, await life.told()) == (1, {(PHONE, "ap2004")})


async def test_where_a_bss_is_asked_an_event_is_a_hint(life: World) -> None:
    bss = Bss(Anew(before=told("basic"), after=told("standard")))
    life.life._asks = bss
    await life.tell(Change.PLAN_CHANGED, told=Eligibility(plan="basic"))
    await life.act()
    assert bss.asked == 1
    assert await life.told() == {(PHONE, "ap2004")}
    assert life.outcomes() == [("plan_changed", "changed")]


@pytest.mark.parametrize(
    ("anew", "changed"),
    [
        (Anew(before=told("basic"), after=told("basic")), False),
        (Anew(before=told("basic"), after=told("basic"), unknown=True), True),
        (Anew(before=told("standard"), after=None, gone=True), True),
        (Anew(before=None, after=None, gone=True), True),
    ],
    ids=["same", "it does not answer", "gone", "never known and gone"],
)
async def test_what_a_bss_says_decides_whether_a_phone_is_told(
    life: World, anew: Anew, changed: bool
) -> None:
    life.life._asks = Bss(anew)
    await life.tell(Change.CHANGED)
    await life.act()
    assert await life.told() == ({(PHONE, "ap2004")} if changed else set())


async def test_a_boost_that_is_over_is_told_once(life: World) -> None:
    await life.tell(Change.PLAN_CHANGED, told=Eligibility(plan="premium"))
    await life.act()
    await life.store.register_push(T, IMSI, [registration(PHONE, "ap2010")])
    boost = HeldBoost(166, Purchase.ACTIVE, START + 3600, at=START)
    await life.store.set_holding(T, IMSI, boost)
    await life.pass_time(10)
    await life.told()
    life.outcomes()
    version = (await life.state()).changed_at
    await life.pass_time(3580)
    assert life.outcomes() == []
    await life.pass_time(20)
    assert life.outcomes() == [("time", "changed")]
    assert await life.told() == {(PHONE, "ap2010")}
    assert (await life.state()).changed_at > version
    await life.pass_time(3600)
    assert life.outcomes() == []


async def test_who_is_removed_by_hand_loses_orders_and_what_waited(life: World) -> None:
    """As of an event: only what others told and nobody acted upon is of no use any more."""
    orders = LifeOrders(life.store.orders, {T: OnSwap.KEEP}, clock=life.clock)
    life.life = another_worker(life, orders=orders)
    order = replace(an_order(), state=OrderState.ACTIVE, todo=None, created_at=START)
    order = replace(order, source=replace(order.source, pooled=False))
    await life.store.orders.make(T, IMSI, order, instead_of=None, due_at=None)
    await life.tell(Change.PLAN_CHANGED, told=BETTER)
    await life.store.change(T, IMSI, Fields(plan="silver"), now=START)
    await life.store.remove(T, IMSI, now=START)
    epoch = (await life.state()).token_epoch
    await life.act()
    (ended,) = await life.store.orders.of(T, IMSI)
    assert ended.state is OrderState.ENDED
    after = await life.state()
    assert (after.status, after.token_epoch) == (SubscriptionStatus.REMOVED, epoch)
    assert {what for what, _ in life.outcomes()} == {"companions", "changed", "ported_out"}
    assert await life.inbox.listed(T) == []


async def test_the_policy_in_force_is_what_is_compared_by(life: World) -> None:
    await life.tell(Change.CHANGED)
    await life.act()
    nothing = "[plans.basic]\nfeatures = []\n[plans.standard]\nfeatures = []\n"
    life.policies[T] = parse_policy(
        f'{nothing}[[rule]]\nid = "all"\nresult = "denied"\nreason = "no"\n'
    )
    await life.tell(Change.PLAN_CHANGED, told=BETTER)
    await life.pass_time(2)
    assert life.outcomes()[-1] == ("plan_changed", "unchanged")


class Broken:
    """Rows that fail for one IMSI, as often as it says."""

    def __init__(self, world: World, imsi: Imsi, times: int, error: type[Exception]) -> None:
        self._rows = world.store.life
        self._imsi, self.left, self._error = imsi, times, error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rows, name)

    async def settle(
        self,
        claims: Sequence[Claim],
        judge: Judge,
        *,
        now: float,
        again_ms: int,
        counts: bool = False,
    ) -> Sequence[Judged]:
        if self.left and any(claim.imsi == self._imsi for claim in claims):
            self.left -= 1
            raise self._error("broken")
        return await self._rows.settle(claims, judge, now=now, again_ms=again_ms, counts=counts)


async def test_poison_is_set_aside_and_holds_nobody_up(life: World) -> None:
    await life.store.add(NewSubscription(replace(subscription(), imsi=OTHER, msisdn=None)))
    worker = another_worker(life)
    worker._rows = Broken(life, IMSI, 10**6, RuntimeError)
    life.life = worker
    await life.tell(Change.PLAN_CHANGED, "bad", told=BETTER)
    await life.tell(Change.PLAN_CHANGED, "good", imsi=OTHER, told=BETTER)
    await life.act()
    assert (await life.state(OTHER)).plan == "standard"
    for _ in range(6):
        await life.pass_time(11)
    (aside,) = await life.inbox.listed(T)
    assert (aside.reason, aside.event_id) == ("poison", "bad")
    life.life = another_worker(life)
    assert await life.inbox.replay(aside) == (Taken.KEPT,)
    await life.act()
    assert (await life.state()).plan == "standard"
    assert await life.inbox.listed(T) == []


async def test_a_plan_that_nobody_knows_takes_no_service_away(life: World) -> None:
    """It is a slip, or news of a catalogue that the policy is to have next."""
    await life.tell(Change.PLAN_CHANGED, told=BETTER)
    await life.act()
    await life.told()
    life.outcomes()
    await life.tell(Change.PLAN_CHANGED, "gold", told=Eligibility(plan="gold"))
    await life.pass_time(2)
    assert (await life.state()).plan == "standard"
    assert (await life.told(), life.outcomes()) == (set(), [("plan_changed", "set_aside")])
    (aside,) = await life.inbox.listed(T)
    assert (aside.reason, aside.event_id) == ("unknown_plan", "gold")
    known = default_policy_text().replace("[plans.standard]", "[plans.gold]", 1)
    life.policies[T] = parse_policy(known)
    assert await life.inbox.replay(aside) == (Taken.KEPT,)
    await life.pass_time(2)
    assert (await life.state()).plan == "gold"
    assert await life.inbox.listed(T) == []


@pytest.mark.parametrize("says", [True, False])
async def test_where_a_bss_tells_the_plan_an_event_may_call_it_as_it_likes(
    life: World, says: bool
) -> None:
    says_so = replace(told("basic"), eligibility=Eligibility(plan="standard" if says else None))
    life.life._asks = Bss(Anew(before=None, after=says_so))
    await life.tell(Change.PLAN_CHANGED, told=Eligibility(plan="PO-17"))
    await life.act()
    assert len(await life.inbox.listed(T)) == (not says)
    assert await life.told() == ({(PHONE, "ap2004")} if says else set()), (
        "it was asked all the same"
    )


async def test_a_store_that_was_away_loses_nothing(life: World) -> None:
    rows = Broken(life, IMSI, 1, PeerUnavailable)
    life.life._rows = rows
    await life.tell(Change.PLAN_CHANGED, told=BETTER)
    with pytest.raises(PeerUnavailable):
        await life.act()
    await life.pass_time(11)
    assert (await life.state()).plan == "standard"
    assert len(life.outcomes()) == 1


async def test_a_worker_that_runs_acts_at_once_on_what_it_is_told_of(life: World) -> None:
    done = asyncio.Event()

    class Records(list[dict[str, Any]]):
        def append(self, record: dict[str, Any]) -> None:
            super().append(record)
            done.set()

    life.records = Records()
    worker: Lifecycle = another_worker(life, poll_s=3600.0)
    running = asyncio.create_task(worker.run())
    try:
        await life.tell(Change.PLAN_CHANGED, told=BETTER)
        worker.wake()
        async with asyncio.timeout(10):
            await done.wait()
    finally:
        running.cancel()
    assert (await life.state()).plan == "standard"


async def test_what_nobody_could_read_is_read_again_when_somebody_can(life: World) -> None:
    await life.inbox.set_aside(T, "crm", b"plan=standard", reason="no_json" * 40)
    (aside,) = await life.inbox.listed(T)
    assert (aside.event_id, aside.body) == ("", b"plan=standard")
    assert len(aside.reason) == 64
    with pytest.raises(ValueError, match="nobody"):
        await life.inbox.replay(aside)
    assert list(await life.inbox.replay(aside, lambda *_: ())) == []
    assert await life.inbox.listed(T) == []


WATCHED = (
    '[[rule]]\nid = "watch"\nfeatures = ["vowifi"]\n'
    'when = { companions = { at_least = 1 } }\nresult = "allowed"\n'
)


@pytest.mark.parametrize("depends", [True, False])
async def test_companions_that_come_and_go_are_told_where_answers_depend_on_them(
    life: World, depends: bool
) -> None:
    """Whoever has made them come and go: a page, an SM-DP+, people."""
    life.policies[T] = parse_policy((WATCHED if depends else "") + default_policy_text())
    rows, told = life.store.orders, {(PHONE, "ap2004")} if depends else set()
    life.life = another_worker(life, orders=LifeOrders(rows, {T: OnSwap.KEEP}, clock=life.clock))
    made = replace(an_order(pooled=False), created_at=START, changed_at=START, todo=None)
    await rows.make(T, IMSI, made, instead_of=None, due_at=None)
    await life.act()
    assert await life.told() == told
    outcome = "changed" if depends else "unchanged"
    assert life.outcomes() == [("companions", outcome)]

    renewed = replace(made, version=made.version + 1, changed_at=START + 3)
    assert await rows.change(T, IMSI, renewed, before=made, event="again", due_at=None)
    await life.pass_time(3)
    assert life.outcomes() == [], "there are as many as before"

    ended = replace(renewed, version=renewed.version + 1, state=OrderState.ENDED)
    assert await rows.change(T, IMSI, ended, before=renewed, event="ended", due_at=None)
    another = replace(made, order_id="b" * 32, place="another")
    await rows.make(T, IMSI, another, instead_of=None, due_at=None)
    await life.pass_time(3)
    assert await life.told() == told, "there was none for a moment, and somebody may have asked"
    assert life.outcomes() == [("companions", outcome)]

    ended = replace(another, version=another.version + 1, state=OrderState.ENDED)
    assert await rows.change(T, IMSI, ended, before=another, event="ended", due_at=None)
    await life.pass_time(3)
    assert await life.told() == told
    assert life.outcomes() == [("companions", outcome)]


async def companion(life: World, number: int) -> Order:
    """Have one more, of that number."""
    made = replace(an_order(pooled=False), order_id=f"{number:032x}", place=f"eid {number}")
    made = replace(made, created_at=START, changed_at=START, todo=None)
    assert await life.store.orders.make(T, IMSI, made, instead_of=None, due_at=None)
    return made


async def ends(life: World, order: Order) -> None:
    ended = replace(order, version=order.version + 1, state=OrderState.ENDED)
    rows = life.store.orders
    assert await rows.change(T, IMSI, ended, before=order, event="ended", due_at=None)


async def counting(life: World) -> None:
    """Have rules look at companions, whoever made them known."""
    life.policies[T] = parse_policy(WATCHED + default_policy_text())
    orders = LifeOrders(life.store.orders, {T: OnSwap.KEEP}, clock=life.clock)
    life.life = another_worker(life, orders=orders)
    await life.act()
    await life.told()
    life.outcomes()


async def test_companions_that_come_and_go_at_once_are_told_to_who_asked_between(
    life: World,
) -> None:
    await counting(life)
    before = await life.state()
    await ends(life, await companion(life, 1))
    await life.act()
    assert await life.told() == {(PHONE, "ap2004")}
    assert (await life.state()).changed_at > before.changed_at
    assert life.outcomes() == [("companions", "changed")]


async def test_numbers_that_make_no_other_answer_disturb_nobody(life: World) -> None:
    await counting(life)
    await companion(life, 1)
    await life.act()
    await life.told()
    life.clock.time += 3
    life.outcomes()
    await ends(life, await companion(life, 2))
    await life.pass_time(3)
    assert (await life.told(), life.outcomes()) == (set(), [("companions", "unchanged")])


async def test_of_too_many_numbers_everybody_is_told(life: World) -> None:
    await counting(life)
    await companion(life, 0)
    await life.act()
    await life.told()
    more = [await companion(life, number) for number in range(1, 11)]
    for each in more:
        await ends(life, each)
    await life.pass_time(3)
    assert await life.told() == {(PHONE, "ap2004")}
    assert life.outcomes()[-1] == ("companions", "changed")


async def test_changes_by_hand_and_companions_are_compared_together(life: World) -> None:
    """A phone may have asked with both, though neither is left."""
    both = WATCHED.replace("companions =", 'plan = "data", companions =')
    life.policies[T] = parse_policy(both + default_policy_text())
    orders = LifeOrders(life.store.orders, {T: OnSwap.KEEP}, clock=life.clock)
    life.life = another_worker(life, orders=orders)
    await life.act()
    await life.told()
    was = await life.state()
    made = await companion(life, 1)
    await life.store.change(T, IMSI, Fields(plan="data"), now=START)
    await life.store.change(T, IMSI, Fields(plan=was.plan), now=START)
    await ends(life, made)
    await life.pass_time(3)
    assert await life.told() == {(PHONE, "ap2004")}


async def test_a_companion_that_ends_is_told_where_answers_depend_on_it(life: World) -> None:
    life.policies[T] = parse_policy(WATCHED + default_policy_text())
    order = replace(an_order(pooled=False), created_at=START, todo=None)
    assert order.app_id == "ap2006"
    await life.store.orders.make(T, IMSI, order, instead_of=None, due_at=None)
    orders = LifeOrders(life.store.orders, {T: OnSwap.KEEP}, clock=life.clock)
    life.life = another_worker(life, orders=orders)
    await life.act()
    assert await life.told() == {(PHONE, "ap2004")}
    await life.pass_time(2)
    await life.tell(Change.CHANGED)
    await life.act()
    assert await life.told() == set(), "it is there before and after"
    await life.pass_time(2)
    await life.tell(Change.DEVICE_LOST, terminal_id=order.device.terminal_id)
    await life.act()
    assert await life.told() == {(PHONE, "ap2004")}
    assert life.records[-1]["before"]["ap2004"] == "allowed watch"


def served(status: SubscriptionStatus) -> Told:
    return replace(
        told("basic"),
        eligibility=Eligibility(plan="basic", status=status),
        asked=frozenset({Aspect.PLAN, Aspect.STATUS}),
    )


ACTIVE, BARRED = SubscriptionStatus.ACTIVE, SubscriptionStatus.BARRED


@pytest.mark.parametrize(
    "anew",
    [
        Anew(before=served(BARRED), after=served(ACTIVE)),
        Anew(before=served(ACTIVE), after=None, gone=True),
        Anew(before=served(ACTIVE), after=served(ACTIVE), unknown=True),
    ],
)
async def test_an_event_bars_nobody_whose_bss_says_whom_it_serves(life: World, anew: Anew) -> None:
    life.life._asks = Bss(anew)
    await life.tell(Change.CHANGED, told=Eligibility(status=BARRED))
    await life.act()
    assert (await life.state()).status is SubscriptionStatus.SUSPENDED


@pytest.mark.parametrize(
    "anew", [None, Anew(before=None, after=None), Anew(before=None, after=told("basic"))]
)
async def test_an_event_bars_whoever_nobody_else_can_bar(life: World, anew: Anew | None) -> None:
    life.life._asks = None if anew is None else Bss(anew)
    await life.tell(Change.CHANGED, told=Eligibility(status=BARRED))
    await life.act()
    assert (await life.state()).status is BARRED


async def test_whom_people_bar_no_event_and_no_bss_serves(life: World) -> None:
    life.life._asks = Bss(Anew(before=served(ACTIVE), after=served(ACTIVE)))
    await by_hand(life, status=BARRED)
    await life.tell(Change.CHANGED, told=Eligibility(status=BARRED))
    await life.tell(Change.RESUMED)
    await life.act()
    assert (await life.state()).status is BARRED
