"""Orders that a BSS has taken over: found done, refused, taken back, or still under way."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

import pytest

from simgrant.domain.order import Awaited, Delivered, Order, OrderState, Unsubscribed
from simgrant.errors import PeerTimeout
from simgrant.flows import bss_waiting
from simgrant.flows.bss_waiting import WaitingOrders
from simgrant.identities import Iccid
from simgrant.ports.bss_orders import Declined, NotReached, UnknownOutcome, Wanted
from simgrant.ports.orders import Kept
from tests.bss import Bss
from tests.unit.flows.orders import IMSI, T, World
from tests.unit.flows.test_ordering_bss import of_the_bss

PROFILE = Delivered(Iccid("8944600000000000099"), "bss.example.net", "CODE-1")


@dataclass(eq=False)
class Asked:
    """A BSS that says what became of orders (the port ``TellsLater``)."""

    outcomes: dict[str, Delivered | Exception] = field(default_factory=dict)
    """By order."""
    back: set[str] = field(default_factory=set)
    seen: list[str] = field(default_factory=list)

    async def outcome(self, wanted: Wanted, *, deadline: float) -> Delivered | None:
        del deadline
        self.seen.append(wanted.order_id)
        found = self.outcomes.get(wanted.order_id)
        if isinstance(found, Exception):
            raise found
        return found

    async def is_taken_back(self, wanted: Wanted, *, deadline: float) -> bool:
        del deadline
        return wanted.order_id in self.back


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.fixture
def waiting(world: World, asked: Asked) -> WaitingOrders:
    world.bss = Bss(later=True)
    return WaitingOrders(
        world.store.orders,
        world.ordering(),
        bss={T: asked},
        every_s={T: 30.0},
        clock=world.clock,
    )


async def made(world: World, number: int = 1) -> Order:
    order = replace(of_the_bss(number), place=f"eid {number}")
    found = await world.ordering().make(T, IMSI, order, instead_of=None)
    assert found is not None
    return found


async def test_a_profile_that_is_there_by_now_is_the_orders(
    world: World, waiting: WaitingOrders, asked: Asked
) -> None:
    order = await made(world)
    assert order.awaits is Awaited.PROFILE
    assert await waiting.look(T) == 0
    asked.outcomes[order.order_id] = PROFILE
    assert await waiting.look(T) == 1
    after = await world.order()
    assert (after.state, after.iccid, after.matching_id) == (
        OrderState.RELEASED,
        PROFILE.iccid,
        "CODE-1",
    )
    assert await waiting.look(T) == 0
    assert asked.seen == [order.order_id] * 2, "who waits no more is not asked about"


async def test_a_refusal_ends_it(world: World, waiting: WaitingOrders, asked: Asked) -> None:
    order = await made(world)
    asked.outcomes[order.order_id] = Declined("rejected")
    assert await waiting.look(T) == 1
    after = await world.order()
    assert (after.state, after.reason) == (OrderState.ENDED, "rejected")


@pytest.mark.parametrize("error", [UnknownOutcome(), PeerTimeout()])
async def test_one_that_nobody_can_speak_of_keeps_no_other_waiting(
    world: World, waiting: WaitingOrders, asked: Asked, error: Exception
) -> None:
    first, second = await made(world, 1), await made(world, 2)
    asked.outcomes = {first.order_id: error, second.order_id: PROFILE}
    assert await waiting.look(T) == 1


async def test_a_bss_that_is_away_is_left_alone_until_the_next_time(
    world: World, waiting: WaitingOrders, asked: Asked
) -> None:
    orders = [await made(world, number) for number in (1, 2)]
    asked.outcomes = {order.order_id: NotReached() for order in orders}
    with pytest.raises(NotReached):
        await waiting.look(T)
    assert len(asked.seen) == 1


async def test_what_is_taken_back_is_settled(
    world: World, waiting: WaitingOrders, asked: Asked
) -> None:
    order = await made(world)
    asked.outcomes[order.order_id] = PROFILE
    await waiting.look(T)
    ordering = world.ordering()
    await ordering.happens(await kept(world), Unsubscribed())
    await world.until_nothing_is_due()
    assert (await world.order()).awaits is Awaited.RETURN
    assert await waiting.look(T) == 0
    asked.back.add(order.order_id)
    assert await waiting.look(T) == 1
    assert (await world.order()).awaits is None


async def test_rounds_have_a_bound_and_the_next_goes_on_behind(
    world: World, waiting: WaitingOrders, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bss_waiting, "_PAGE", 2)
    monkeypatch.setattr(bss_waiting, "_MOST_A_ROUND", 2)
    made_ = {(await made(world, number)).order_id for number in range(1, 4)}
    for _ in range(2):
        await waiting.look(T)
    assert set(asked.seen) == made_
    assert len(asked.seen) == 3
    await waiting.look(T)
    assert len(asked.seen) == 5, "and then from the beginning"


async def kept(world: World) -> Kept:
    return Kept(T, IMSI, await world.order())


async def test_one_that_somebody_told_of_is_looked_at_at_once(
    world: World, waiting: WaitingOrders, asked: Asked
) -> None:
    first, second = await made(world, 1), await made(world, 2)
    asked.outcomes = {each.order_id: PROFILE for each in (first, second)}
    waiting.hurry(T, [first.order_id, first.order_id, "f" * 32])
    waiting.hurry("another", [second.order_id])
    await asyncio.gather(*waiting._hurried.values())
    states = {each.order_id: each.state for each in await world.store.orders.of(T, IMSI)}
    assert states == {first.order_id: OrderState.RELEASED, second.order_id: OrderState.ORDERED}
    assert asked.seen == [first.order_id]
    # Who waits no more is left alone, whatever is told of him.
    waiting.hurry(T, [first.order_id])
    await asyncio.gather(*waiting._hurried.values())
    assert asked.seen == [first.order_id]
    assert not waiting._hurried


async def test_those_in_a_hurry_have_a_bound_and_trouble_is_theirs(
    world: World, waiting: WaitingOrders, asked: Asked
) -> None:
    order = await made(world)
    asked.outcomes = {order.order_id: NotReached()}
    waiting.hurry(T, [order.order_id, *(f"{number:032x}" for number in range(2, 200))])
    assert len(waiting._hurried) == bss_waiting._MOST_HURRIED
    await asyncio.gather(*waiting._hurried.values())
    assert (await world.order()).awaits is Awaited.PROFILE
    waiting.hurry(T, [order.order_id])
    await waiting.close()
    assert not waiting._hurried
