"""What becomes of eSIM orders when a SIM is swapped, a number leaves, or a device is lost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simgrant.domain.bss_events import BssEvent, Change
from simgrant.domain.order import Order, OrderState
from simgrant.flows.life_orders import LifeOrders, OnSwap
from simgrant.identities import Iccid
from tests.unit.flows.orders import IMSI, T, World, an_order


async def put(world: World, state: OrderState, *, at: int = 0) -> Order:
    order = replace(an_order(), created_at=at, state=state, todo=None)
    made = await world.store.orders.make(T, IMSI, order, instead_of=None, due_at=None)
    assert made is not None
    return made


async def follow(world: World, change: Change, rule: OnSwap, **members: object) -> OrderState:
    event = BssEvent(event_id="1", change=change, at=10, imsi=IMSI, **members)  # type: ignore[arg-type]
    orders = LifeOrders(world.store.orders, {T: rule}, clock=world.clock)
    for _ in range(2):
        await orders.follow(T, IMSI, event)
    (order,) = await world.store.orders.of(T, IMSI)
    return order.state


@pytest.mark.parametrize(
    ("rule", "state", "ends"),
    [
        (OnSwap.KEEP, OrderState.ORDERED, False),
        (OnSwap.END_PENDING, OrderState.ORDERED, True),
        (OnSwap.END_PENDING, OrderState.RELEASED, True),
        (OnSwap.END_PENDING, OrderState.ACTIVE, False),
        (OnSwap.END, OrderState.ACTIVE, True),
        (OnSwap.END, OrderState.ENDED, True),
    ],
)
async def test_a_swap_ends_what_the_rule_says(
    world: World, rule: OnSwap, state: OrderState, ends: bool
) -> None:
    await put(world, state)
    after = await follow(world, Change.SIM_SWAPPED, rule)
    assert (after is OrderState.ENDED) is ends


async def test_an_order_that_was_begun_since_then_stays(world: World) -> None:
    await put(world, OrderState.ORDERED, at=11)
    assert await follow(world, Change.SIM_SWAPPED, OnSwap.END) is OrderState.ORDERED


async def test_the_order_for_the_new_sim_itself_stays(world: World) -> None:
    made = await put(world, OrderState.ACTIVE)
    iccid = made.iccid or Iccid("8944500000000000001")
    stays = await follow(world, Change.SIM_SWAPPED, OnSwap.END, iccid=iccid)
    assert (stays is OrderState.ACTIVE) is (made.iccid is not None)


async def test_a_lost_device_ends_what_it_has_not_installed(world: World) -> None:
    made = await put(world, OrderState.ORDERED)
    assert await follow(world, Change.DEVICE_LOST, OnSwap.KEEP, terminal_id="x") is (
        OrderState.ORDERED
    )
    lost = made.device.terminal_id
    assert await follow(world, Change.DEVICE_LOST, OnSwap.KEEP, terminal_id=lost) is (
        OrderState.ENDED
    )


async def test_a_number_that_left_ends_all(world: World) -> None:
    await put(world, OrderState.ACTIVE)
    assert await follow(world, Change.PORTED_OUT, OnSwap.KEEP) is OrderState.ENDED
