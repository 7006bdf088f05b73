"""Orders that the BSS makes, profiles on hold and lost calls, driven over a real store."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from simgrant.domain.order import (
    Activated,
    Awaited,
    Deactivated,
    Installed,
    Order,
    OrderMode,
    OrderState,
    Source,
    Unsubscribed,
    begin,
)
from simgrant.domain.subscription import PushRegistration
from simgrant.flows.order_desk import (
    BadProfile,
    NoSuchOrder,
    NotPossible,
    OrderDesk,
    device_of,
    make_up,
    profile_of,
)
from simgrant.identities import Iccid
from simgrant.ports.bss_orders import Declined, NotReached, UnknownOutcome
from simgrant.ports.orders import Kept
from simgrant.ports.smdp import UnknownOutcome as SmdpUnknown
from simgrant.spec.ids import NotifAction
from tests.books import Books
from tests.bss import Bss
from tests.unit.flows.orders import EID, IMSI, RULES, T, World, an_order

PUSH = PushRegistration("490154203237518", "ap2006", "odsa", int(NotifAction.FCM), "fcm-token", 10)
PROFILE = profile_of("8944600000000000099", activation_code="LPA:1$bss.example.net$CODE-1$1.3.6$1")


def of_the_bss(number: int = 1) -> Order:
    source = Source("", "watch", pooled=False, mode=OrderMode.BSS)
    return begin(
        replace(an_order(pooled=False, number=number), source=source), call_id=f"call-{number}"
    )


def on_hold() -> Order:
    order = an_order()
    return replace(order, source=replace(order.source, hold=True))


def desk(world: World) -> OrderDesk:
    return OrderDesk(world.store.orders, T, int(world.clock.time))


async def made(world: World, order: Order) -> Order:
    found = await world.ordering().make(T, IMSI, order, instead_of=None)
    assert found is not None
    return found


async def kept(world: World) -> Kept:
    return Kept(T, IMSI, await world.order())


# --- the BSS --------------------------------------------------------------------------------


async def test_a_bss_that_has_a_profile_gives_it_at_once(world: World) -> None:
    world.bss = bss = Bss()
    order = await made(world, of_the_bss())
    assert order == await world.order()
    assert (order.state, order.smdp_address) == (OrderState.RELEASED, "bss.example.net")
    assert (order.iccid, order.matching_id) == (bss.given[order.order_id].iccid, "BSS-1")
    assert world.books.calls == []


async def test_who_waits_for_the_bss_is_told_when_it_hands_the_profile_in(world: World) -> None:
    await world.store.register_push(T, IMSI, [PUSH])
    order = await made(world, of_the_bss())
    assert (order.state, order.awaits, order.waiting) == (
        OrderState.ORDERED,
        Awaited.PROFILE,
        True,
    )
    # Nothing is due before it is too old.
    assert not await world.store.orders.claim(now=1_000 + RULES.life_s - 1, again_at=1, limit=9)
    done = await desk(world).deliver(await desk(world).find(order.order_id[:30]), PROFILE)
    assert done == await world.order()
    assert (done.state, done.iccid, done.code_oid, done.code_confirmed) == (
        OrderState.RELEASED,
        PROFILE.iccid,
        "1.3.6",
        True,
    )
    (notice,) = await world.store.claim_notices(now=9_999, again_at=9_999, limit=9)
    assert notice.app_id == "ap2006"
    # Said twice, it is so once.
    assert await desk(world).deliver(await kept(world), PROFILE) == done
    other = replace(PROFILE, iccid=Iccid("8944600000000000107"))
    with pytest.raises(NotPossible, match="take the profile back"):
        await desk(world).deliver(await kept(world), other)


async def test_a_bss_that_never_comes_back_is_given_up_and_asked_to_forget_it(
    world: World,
) -> None:
    world.bss = bss = Bss(later=True)
    order = await made(world, of_the_bss())
    bss.later = False
    world.clock.time += RULES.life_s
    (claimed,) = await world.store.orders.claim(now=int(world.clock.time), again_at=1, limit=9)
    await world.ordering().wait(claimed)
    ended = await world.order()
    assert (ended.state, ended.reason, ended.todo) == (OrderState.ENDED, "too_old", None)
    assert bss.taken_back == [order.order_id]


@pytest.mark.parametrize("lost", [True, False])
@pytest.mark.parametrize("fate", [NotReached(), UnknownOutcome(), RuntimeError("a fault")])
async def test_a_call_that_failed_is_made_again_with_its_name(
    world: World, fate: Exception, lost: bool
) -> None:
    world.bss = bss = Bss(fates=[fate, fate, None], lost=lost)
    await made(world, of_the_bss())
    await world.until_nothing_is_due()
    order = await world.order()
    assert order.state is OrderState.RELEASED
    assert len(bss.calls) == 3
    assert len(set(bss.calls)) == 1
    assert [each.iccid for each in bss.given.values()] == [order.iccid]


async def test_what_nobody_answers_about_is_given_up_and_taken_back(world: World) -> None:
    world.bss = bss = Bss(fates=[UnknownOutcome()] * 12)
    await made(world, of_the_bss())
    await world.until_nothing_is_due()
    assert (await world.order()).state is OrderState.ENDED
    assert [name for name, _ in bss.calls] == [*["order"] * 8, *["cancel"] * 5]


async def test_what_the_bss_declines_ends(world: World) -> None:
    world.bss = Bss(fates=[Declined("no_credit")])
    order = await made(world, of_the_bss())
    assert (order.state, order.reason) == (OrderState.ENDED, "no_credit")


async def test_it_may_be_declined_by_hand(world: World) -> None:
    await made(world, of_the_bss())
    done = await desk(world).fail(await kept(world), "no_such_product")
    assert (done.state, done.reason) == (OrderState.ENDED, "no_such_product")
    with pytest.raises(NotPossible):
        await desk(world).fail(await kept(world), "again")


async def test_the_bss_is_told_what_becomes_of_its_profile(world: World) -> None:
    world.bss = bss = Bss()
    ordering = world.ordering()
    order = await made(world, of_the_bss())
    states = (Installed(), Deactivated(), Activated(), Unsubscribed())
    for event in states:
        bss.fates = [UnknownOutcome(), NotReached()]
        await ordering.happens(await kept(world), event)
        await world.until_nothing_is_due()
        assert bss.told[order.order_id][1] is (await world.order()).state
    assert (await world.order()).state is OrderState.ENDED
    assert bss.taken_back == []


async def test_a_profile_that_nobody_uses_waits_to_be_taken_back(world: World) -> None:
    ordering = world.ordering()
    await made(world, of_the_bss())
    await desk(world).deliver(await kept(world), PROFILE)
    with pytest.raises(NotPossible, match="nothing is to be taken back"):
        await desk(world).taken_back(await kept(world))
    await ordering.happens(await kept(world), Unsubscribed())
    await world.until_nothing_is_due()
    assert (await world.order()).awaits is Awaited.RETURN
    # The device orders anew; what is to be taken back is not forgotten.
    again = await ordering.make(T, IMSI, of_the_bss(2), instead_of=await world.order())
    assert again is not None
    waiting = await world.store.orders.page(T, after=("", ""), limit=9, waiting=True)
    assert [each.order.awaits for each in waiting] == [Awaited.RETURN, Awaited.PROFILE]
    done = await desk(world).taken_back(waiting[0])
    assert done.awaits is None
    assert [each.order_id for each in await world.store.orders.of(T, IMSI)] == [again.order_id]


async def test_before_a_profile_was_handed_in_nothing_is_to_be_taken_back(world: World) -> None:
    await made(world, of_the_bss())
    done = await desk(world).end(await kept(world))
    assert done.state is OrderState.ENDED
    await world.until_nothing_is_due()
    assert (await world.order()).awaits is None


async def test_a_profile_of_somebody_else_is_not_handed_in(world: World) -> None:
    world.bss = bss = Bss()
    first = await made(world, of_the_bss())
    assert first.iccid is not None
    taken = replace(PROFILE, iccid=first.iccid)
    bss.given = {f"{2:032x}": taken}
    other = replace(of_the_bss(2), place="eid 2")
    order = await made(world, other)
    assert (order.state, order.reason, order.iccid) == (OrderState.ENDED, "iccid_taken", None)
    third = replace(of_the_bss(3), place="eid 3")
    bss.later = True
    waiting = await made(world, third)
    with pytest.raises(NotPossible, match="another order has"):
        await desk(world).deliver(Kept(T, IMSI, waiting), taken)


async def test_nobody_hands_in_a_profile_for_an_order_of_an_smdp(world: World) -> None:
    order = await made(world, on_hold())
    with pytest.raises(NotPossible, match="not by the BSS"):
        await desk(world).deliver(Kept(T, IMSI, order), PROFILE)


# --- elsewhere --------------------------------------------------------------------------------


async def test_an_order_of_another_system_is_there_with_its_profile(world: World) -> None:
    await world.store.register_push(T, IMSI, [PUSH])
    line = await world.store.find(T, imsi=IMSI)
    assert line is not None
    device = device_of(eid=EID.digits, name="My watch")
    order = await make_up(desk(world), line, app="companion", device=device, profile=PROFILE)
    assert order == await world.order()
    assert (order.state, order.app_id, order.plan, order.service) == (
        OrderState.RELEASED,
        "ap2006",
        "gold",
        "SharedNumber",
    )
    assert await world.store.claim_notices(now=9_999, again_at=9_999, limit=9)
    again = await make_up(desk(world), line, app="companion", device=device, profile=PROFILE)
    assert again == order
    other = replace(PROFILE, iccid=Iccid("8944600000000000107"))
    with pytest.raises(NotPossible, match="has an order already"):
        await make_up(desk(world), line, app="companion", device=device, profile=other)
    second = device_of(terminal_id="350000000000017")
    with pytest.raises(NotPossible, match="another order has"):
        await make_up(desk(world), line, app="primary", device=second, profile=PROFILE)
    found = await make_up(desk(world), line, app="primary", device=second, profile=other)
    assert (found.app_id, found.service) == ("ap2009", None)


@pytest.mark.parametrize(
    ("iccid", "code", "address", "says"),
    [
        ("", "LPA:1$a.example$X", "", "the ICCID is none"),
        ("8944600000000000099", "", "", "either"),
        ("8944600000000000099", "LPA:1$a.example$X", "a.example", "either"),
        ("8944600000000000099", "1$a.example", "", "not of the form"),
        ("8944600000000000099", "", "https://a.example", "no name"),
    ],
)
def test_what_is_no_profile_is_not_repeated(iccid: str, code: str, address: str, says: str) -> None:
    with pytest.raises(BadProfile, match=says) as raised:
        profile_of(iccid, activation_code=code, smdp_address=address)
    assert "a.example" not in str(raised.value)


def test_a_device_has_a_name_of_its_own() -> None:
    for wrong in ({}, {"eid": "8904"}, {"terminal_id": "x" * 65}):
        with pytest.raises(BadProfile):
            device_of(**wrong)


async def test_an_order_is_named_by_what_is_its_own(world: World) -> None:
    await made(world, of_the_bss(1))
    await made(world, replace(of_the_bss(2), place="eid 2"))
    for name in ("", "0", "f" * 32, "0" * 33, "g", "%"):
        with pytest.raises(NoSuchOrder):
            await desk(world).find(name)
    assert (await desk(world).find(f"{2:032x}")).order.place == "eid 2"


# --- on hold ------------------------------------------------------------------------------------


async def test_a_profile_on_hold_is_released_on_a_word(world: World) -> None:
    order = await made(world, on_hold())
    assert (order.state, order.awaits, order.waiting) == (
        OrderState.ORDERED,
        Awaited.RELEASE,
        True,
    )
    assert list(world.books.ordered.values()) == ["confirmed"]
    world.books.fates, world.books.lost = [SmdpUnknown()], True
    done = await desk(world).release(await kept(world))
    assert await desk(world).release(await kept(world)) == done
    await world.until_nothing_is_due()
    assert (await world.order()).state is OrderState.RELEASED
    assert list(world.books.ordered.values()) == ["released"]
    assert [name for name, _ in world.books.calls] == [
        *("download", "confirm", "release", "release")
    ]
    await world.agree()


async def test_what_was_not_paid_for_is_given_back(world: World) -> None:
    await made(world, on_hold())
    done = await desk(world).end(await kept(world))
    assert (done.state, done.reason) == (OrderState.ENDED, "operator")
    await world.until_nothing_is_due()
    assert world.books.ordered == {}
    await world.agree()


# --- orphans ------------------------------------------------------------------------------------


@pytest.mark.parametrize("forgets", [True, False])
async def test_an_smdp_that_forgets_calls_may_have_given_two(world: World, forgets: bool) -> None:
    world.books.fates, world.books.lost, world.books.forgets = [SmdpUnknown()], True, forgets
    await made(world, an_order(pooled=False))
    await world.until_nothing_is_due()
    order = await world.order()
    assert (order.state, order.orphan) == (OrderState.RELEASED, forgets)
    assert len(world.books.ordered) == (2 if forgets else 1)
    suspected = await world.store.orders.orphans(T)
    assert [each.order for each in suspected] == ([order] if forgets else [])
    counted = world.metrics.registry.get_sample_value(
        "simgrant_orders_total", {"tenant": T, "app": "ap2006", "state": "orphan_suspected"}
    )
    assert counted == (1 if forgets else None)
    if forgets:
        assert (await desk(world).found(await kept(world))).state is OrderState.RELEASED
        assert await world.store.orders.orphans(T) == []
    with pytest.raises(NotPossible):
        await desk(world).found(await kept(world))


async def test_a_profile_that_another_order_has_is_not_cancelled(world: World) -> None:
    first = await made(world, an_order(pooled=False))
    assert first.iccid is not None

    class Confused(Books):
        def _download(self, call_id: str, iccid: Iccid | None) -> Iccid:
            del call_id, iccid
            assert first.iccid is not None
            return first.iccid

    smdp = Confused()
    second = replace(an_order(pooled=False, number=2), place="eid 2")
    order = await world.ordering(smdp=smdp).make(T, IMSI, second, instead_of=None)
    assert order is not None
    assert (order.state, order.reason, order.iccid, order.todo) == (
        OrderState.ENDED,
        "iccid_taken",
        None,
        None,
    )
    assert [name for name, _ in smdp.calls] == ["download"]


async def test_who_calls_for_an_order_that_was_set_aside_writes_what_came_of_it(
    world: World,
) -> None:
    """The device orders anew while the answer to its first order is on its way."""
    world.books.gate = asyncio.Event()
    ordering = world.ordering(immediate_s=0.01)
    await ordering.make(T, IMSI, an_order(pooled=False), instead_of=None)
    await world.books.came.wait()
    ended = await ordering.happens(await kept(world), Unsubscribed())
    assert ended.orphan
    await ordering.make(T, IMSI, an_order(pooled=False, number=2), instead_of=ended)
    world.books.gate.set()
    await asyncio.wait(set(ordering._taking.under_way))
    await world.until_nothing_is_due()
    (order,) = await world.store.orders.of(T, IMSI)
    assert (order.order_id, order.state) == (f"{2:032x}", OrderState.RELEASED)
    assert order.iccid is not None
    assert list(world.books.ordered) == [order.iccid.digits]
