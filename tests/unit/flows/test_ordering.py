"""Orders driven over a real store: whatever fails and wherever a process ends, the books agree."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import structlog

from simgrant.domain.order import (
    Chosen,
    GivenUp,
    OrderState,
    OutOfOrder,
    Polled,
    Source,
    Unsubscribed,
)
from simgrant.domain.subscription import PushRegistration
from simgrant.errors import Conflict
from simgrant.ports.orders import Kept, NoStock, Orders, Shelf
from simgrant.ports.smdp import Cause, NotReached, Refused, Smdp, UnknownOutcome
from simgrant.spec.ids import NotifAction
from tests.examples import points
from tests.mortal import Mortal
from tests.unit.flows.orders import IMSI, RULES, T, World, an_order, opened

PUSH = PushRegistration("490154203237518", "ap2006", "odsa", int(NotifAction.FCM), "fcm-token", 10)
POOLED = pytest.mark.parametrize("pooled", [True, False], ids=["pool", "peer"])


@POOLED
async def test_a_profile_is_ready_at_once(world: World, pooled: bool) -> None:
    order = await world.ordering().make(T, IMSI, an_order(pooled=pooled), instead_of=None)
    assert order is not None
    assert order == await world.order()
    assert (order.state, order.smdp_address) == (OrderState.RELEASED, "smdp.example.net")
    assert [name for name, _ in world.books.calls] == ["download", "confirm"]
    assert len(dict.fromkeys(call for _, call in world.books.calls)) == 2
    await world.agree() if pooled else None


async def test_without_stock_there_is_no_order(world: World) -> None:
    other = replace(an_order(), source=Source("main", "phone"))
    with pytest.raises(NoStock):
        await world.ordering().make(T, IMSI, other, instead_of=None)
    assert await world.store.orders.of(T, IMSI) == []
    assert world.books.calls == []


async def test_what_takes_longer_goes_on_by_itself_and_is_told(world: World) -> None:
    world.books.gate = asyncio.Event()
    await world.store.register_push(T, IMSI, [PUSH])
    ordering = world.ordering(immediate_s=0.01)
    order = await ordering.make(T, IMSI, an_order(), instead_of=None)
    assert order is not None
    assert (order.state, order.waiting) == (OrderState.ORDERED, True)
    assert not await world.store.claim_notices(now=9_999, again_at=9_999, limit=9)
    world.books.gate.set()
    (task,) = ordering._taking.under_way
    await task
    assert (await world.order()).state is OrderState.RELEASED
    (notice,) = await world.store.claim_notices(now=9_999, again_at=9_999, limit=9)
    assert notice.app_id == "ap2006"


async def test_who_was_told_to_wait_because_a_call_failed_is_told_too(world: World) -> None:
    await world.store.register_push(T, IMSI, [PUSH])
    world.books.fates = [NotReached()]
    order = await world.ordering().make(T, IMSI, an_order(), instead_of=None)
    assert order is not None
    assert (order.state, order.waiting) == (OrderState.ORDERED, True)
    await world.until_nothing_is_due()
    assert (await world.order()).state is OrderState.RELEASED
    (notice,) = await world.store.claim_notices(now=9_999, again_at=9_999, limit=9)
    assert notice.app_id == "ap2006"


async def test_what_is_ready_before_it_is_written_that_it_takes_longer_is_ready(
    world: World,
) -> None:
    class Overtaken:
        """Orders that get ready while somebody writes that they are not."""

        async def change(self, *args: Any, **more: Any) -> bool:
            if more["event"] == "Delayed":
                world.books.gate.set() if world.books.gate else None
                await asyncio.wait(ordering._taking.under_way)
            return await world.store.orders.change(*args, **more)

        def __getattr__(self, name: str) -> Any:
            return getattr(world.store.orders, name)

    world.books.gate = asyncio.Event()
    ordering = world.ordering(cast("Orders", Overtaken()), immediate_s=0.01)
    order = await ordering.make(T, IMSI, an_order(), instead_of=None)
    assert order is not None
    assert (order.state, order.waiting) == (OrderState.RELEASED, False)


async def test_who_waited_for_nothing_is_told_nothing(world: World) -> None:
    await world.store.register_push(T, IMSI, [PUSH])
    await world.ordering().make(T, IMSI, an_order(), instead_of=None)
    assert not await world.store.claim_notices(now=9_999, again_at=9_999, limit=9)


@pytest.mark.parametrize(
    ("fate", "lost"),
    [
        (NotReached(), False),
        (UnknownOutcome(), False),
        (UnknownOutcome(), True),
        (RuntimeError("a fault of the client"), True),
    ],
)
async def test_what_failed_is_done_again_with_the_same_name(
    world: World, fate: Exception, lost: bool
) -> None:
    world.books.fates, world.books.lost = [fate, None, fate], lost
    order = await world.ordering().make(T, IMSI, an_order(), instead_of=None)
    assert order is not None
    assert order.state is OrderState.ORDERED
    await world.until_nothing_is_due()
    assert (await world.order()).state is OrderState.RELEASED
    ids: dict[str, set[str]] = {}
    for name, call_id in world.books.calls:
        ids.setdefault(name, set()).add(call_id)
    assert {name: len(each) for name, each in ids.items()} == {"download": 1, "confirm": 1}
    await world.agree()


async def test_what_nobody_answers_about_is_given_up_in_the_end_and_given_back(
    world: World,
) -> None:
    world.books.fates = [None, *[UnknownOutcome()] * 12]
    await world.ordering().make(T, IMSI, an_order(), instead_of=None)
    await world.until_nothing_is_due()
    order = await world.order()
    assert (order.state, order.orphan) == (OrderState.ENDED, False)
    calls = [name for name, _ in world.books.calls]
    assert calls == ["download", *["confirm"] * 8, *["cancel"] * 5]
    await world.agree()


async def test_an_smdp_that_chooses_is_asked_once_more_and_then_suspected(world: World) -> None:
    world.books.fates, world.books.lost = [UnknownOutcome()] * 9, True
    await world.ordering().make(T, IMSI, an_order(pooled=False), instead_of=None)
    await world.until_nothing_is_due()
    order = await world.order()
    assert (order.state, order.orphan) == (OrderState.ENDED, True)
    assert len(world.books.calls) == 2
    assert len(world.books.ordered) == 1
    assert [kept.order for kept in await world.store.orders.orphans(T)] == [order]


async def test_what_is_refused_ends_and_spares_the_profile(world: World) -> None:
    refused = Refused(Cause.CONFIGURATION, subject="8.2.5", reason_code="3.9", for_operator="")
    world.books.fates = [refused]
    order = await world.ordering().make(T, IMSI, an_order(), instead_of=None)
    assert order is not None
    assert (order.state, order.reason) == (OrderState.ENDED, "configuration")
    assert await world.store.orders.stock(T) == [Shelf("main", "watch", 5, 0)]


async def test_out_of_stock_is_waited_for_until_the_order_is_too_old(world: World) -> None:
    world.books.stock = 0
    await world.ordering().make(T, IMSI, an_order(), instead_of=None)
    assert (await world.order()).state is OrderState.ORDERED
    world.clock.time += RULES.life_s
    await world.until_nothing_is_due()
    order = await world.order()
    assert (order.state, order.reason) == (OrderState.ENDED, "too_old")
    await world.agree()


async def test_a_profile_is_ready_some_time_after_it_was_confirmed(world: World) -> None:
    world.books.delay_s = 100
    made = asyncio.create_task(
        world.ordering(immediate_s=0.01).make(T, IMSI, an_order(), instead_of=None)
    )
    order = await made
    assert order is not None
    assert order.state is OrderState.ORDERED
    world.clock.time += 101
    await world.until_nothing_is_due()
    assert (await world.order()).state is OrderState.RELEASED


async def test_who_changes_his_mind_during_a_call_has_it_given_back(world: World) -> None:
    world.books.gate = asyncio.Event()
    ordering = world.ordering(immediate_s=0.01)
    order = await ordering.make(T, IMSI, an_order(), instead_of=None)
    assert order is not None
    await world.books.came.wait()
    ended = await ordering.happens(Kept(T, IMSI, order), Unsubscribed())
    assert ended.state is OrderState.ENDED
    # Nobody cancels while the order itself may still be on its way.
    assert not await world.store.orders.claim(now=1_000, again_at=1_001, limit=9)
    world.books.gate.set()
    (task,) = ordering._taking.under_way
    await task
    await world.until_nothing_is_due()
    await world.agree()
    assert world.books.ordered == {}


async def test_who_waits_at_the_portal_is_given_up_in_time(world: World) -> None:
    ordering = world.ordering()
    order = await ordering.make(
        T, IMSI, an_order(pooled=False, state=OrderState.AT_PORTAL), instead_of=None
    )
    assert order is not None
    assert world.books.calls == []
    claim = world.store.orders.claim
    assert not await claim(now=1_000 + RULES.life_s - 1, again_at=9_999, limit=9)
    world.clock.time += RULES.life_s
    (kept,) = await claim(now=int(world.clock.time), again_at=9_999, limit=9)
    assert (await ordering.wait(kept)).reason == "undecided"


async def test_who_decides_at_the_portal_gets_his_profile(world: World) -> None:
    ordering = world.ordering()
    order = await ordering.make(T, IMSI, an_order(state=OrderState.AT_PORTAL), instead_of=None)
    assert order is not None
    chosen = await ordering.begins(Kept(T, IMSI, order), Chosen("watch"))
    assert (chosen.state, chosen.plan) == (OrderState.RELEASED, "watch")


async def test_two_things_at_once_happen_one_after_the_other(world: World) -> None:
    world.books.gate = asyncio.Event()
    ordering = world.ordering(immediate_s=0.01)
    order = await ordering.make(T, IMSI, an_order(), instead_of=None)
    assert order is not None
    kept = Kept(T, IMSI, order)
    await asyncio.gather(*(ordering.happens(kept, Polled(99)) for _ in range(5)))
    assert (await world.order()).polls == 5
    world.books.gate.set()


async def test_an_order_that_is_gone_is_not_changed(world: World) -> None:
    ordering = world.ordering()
    order = await ordering.make(T, IMSI, an_order(), instead_of=None)
    assert order is not None
    ended = await ordering.happens(Kept(T, IMSI, order), GivenUp("operator"))
    await world.until_nothing_is_due()
    ended = await world.order()
    assert await ordering.make(T, IMSI, an_order(number=2), instead_of=ended) is not None
    with pytest.raises((Conflict, OutOfOrder)):
        await ordering.happens(Kept(T, IMSI, order), Polled(99))


async def test_a_worker_takes_over_and_ends_cleanly(world: World) -> None:
    world.books.fates = [NotReached()]
    await world.ordering().make(T, IMSI, an_order(), instead_of=None)
    world.clock.time += 120
    world.books.gate = asyncio.Event()
    world.books.came.clear()
    worker = asyncio.create_task(world.ordering().run())
    await world.books.came.wait()
    worker.cancel()
    world.books.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await worker
    # The call that was under way was finished, and all that followed from it.
    assert (await world.order()).state is OrderState.RELEASED


# --- processes that end ---------------------------------------------------------------------


class Ended(BaseException):
    """The process ends here: no handler of ours runs."""


class Fuse:
    """Counts the points at which a process may end, and ends it at one of them."""

    def __init__(self, at: int) -> None:
        self._left = at
        self.blown = False

    def point(self) -> None:
        if self.blown:
            raise Ended
        if self._left == 0:
            self.blown = True
            raise Ended
        self._left -= 1


def ways() -> Iterator[Sequence[str]]:
    """Yield what happens in the life of an order whose process ends somewhere."""
    yield ("make",)
    yield ("make", "unsubscribe")
    yield ("make with trouble", "unsubscribe")


@POOLED
@pytest.mark.parametrize("way", list(ways()), ids=" then ".join)
async def test_a_process_may_end_at_any_point(
    template: Path, way: Sequence[str], pooled: bool
) -> None:
    with structlog.testing.capture_logs():
        for point in points():
            fuse = Fuse(point)
            async with opened(template) as world:
                if "make with trouble" in way:
                    world.books.fates, world.books.lost = [None, UnknownOutcome()], True
                await live(world, fuse, way, pooled=pooled)
                await world.until_nothing_is_due()
                orders = await world.store.orders.of(T, IMSI)
                if pooled:
                    await world.agree()
                held = {order.iccid.digits for order in orders if order.iccid is not None}
                # Every profile that the SM-DP+ gave is of an order, or an operator is told.
                assert set(world.books.ordered) <= held or orders[0].orphan
                assert len(world.books.ordered) <= 1
            if not fuse.blown:
                assert point > 5
                return


async def live(world: World, fuse: Fuse, way: Sequence[str], *, pooled: bool) -> None:
    orders = cast("Orders", Mortal(world.store.orders, fuse))
    ordering = world.ordering(orders, cast("Smdp", Mortal(world.books, fuse)))
    try:
        order = await ordering.make(T, IMSI, an_order(pooled=pooled), instead_of=None)
        if "unsubscribe" in way and order is not None:
            await ordering.begins(Kept(T, IMSI, order), Unsubscribed())
    except (Ended, OutOfOrder):
        pass
