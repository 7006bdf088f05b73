"""ManageService where the network has to switch: driven over a real store, whoever dies."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

import pytest
from structlog.testing import capture_logs

from simgrant.domain.order import (
    Activated,
    Deactivated,
    Device,
    Order,
    OrderState,
    Todo,
    Unsubscribed,
)
from simgrant.domain.subscription import PushRegistration, Subscription, SubscriptionStatus
from simgrant.errors import EcsError, PeerMisbehaved, PeerTimeout, PeerUnavailable
from simgrant.flows.explain_data import on_its_way
from simgrant.flows.order_desk import OrderDesk
from simgrant.flows.order_switches import SwitchDesk
from simgrant.flows.ordering import Ordering
from simgrant.identities import Iccid
from simgrant.ports.activation import Switched
from simgrant.ports.network_data import Subscriber
from simgrant.ports.orders import Kept
from simgrant.ports.store import NewSubscription
from simgrant.ports.switching import LEFT_FOR_S
from simgrant.spec.ids import NotifAction, ProvStatus
from tests.unit.flows.orders import IMSI, T, World, an_order

PUSH = PushRegistration("490154203237518", "ap2006", "odsa", int(NotifAction.FCM), "fcm", 10)
LATER = Switched(status=ProvStatus.IN_PROGRESS, watch="m1")
FAILED = Switched(status=ProvStatus.PROVISIONED, failed=True)


@dataclass
class Network:
    """Switches as it is told; what it is asked last is how it is."""

    says: list[Switched | EcsError | None] = field(default_factory=list)
    """For each call: what it answers, None = never; then, that all is done."""
    asked: list[tuple[str, bool]] = field(default_factory=list)
    """``switch`` or the watch, and whether on."""
    iccid: Iccid | None = None
    entered: asyncio.Event = field(default_factory=asyncio.Event)

    async def switch(
        self, who: Subscriber, *, on: bool, deadline: float, iccid: Iccid | None = None
    ) -> Switched:
        assert who.imsi == IMSI
        assert deadline > 0
        self.iccid = iccid
        return await self._answer("switch", on=on)

    async def progress(self, watch: str, *, on: bool, deadline: float) -> Switched:
        assert deadline > 0
        return await self._answer(watch, on=on)

    async def close(self) -> None: ...

    async def _answer(self, what: str, *, on: bool) -> Switched:
        self.asked.append((what, on))
        self.entered.set()
        said = self.says.pop(0) if self.says else Switched(status=ProvStatus.PROVISIONED)
        if said is None:
            await asyncio.Event().wait()
        if isinstance(said, EcsError):
            raise said
        assert said is not None
        return said


def ordering(world: World, network: Network) -> Ordering:
    desk = SwitchDesk(activation=network, look_every_s=10, within_s=300)
    return Ordering(
        world.store.orders,
        smdps={T: {"main": world.books}},
        clock=world.clock,
        metrics=world.metrics,
        rules=replace(world.rules, immediate_s=5),
        switches={T: desk},
    )


async def installed(world: World) -> Kept:
    order = replace(an_order(), state=OrderState.ACTIVE, todo=None)
    made = await world.store.orders.make(T, IMSI, order, instead_of=None, due_at=None)
    assert made is not None
    await world.store.register_push(T, IMSI, [PUSH])
    return Kept(T, IMSI, made)


async def off(world: World, network: Network) -> Order:
    driver = ordering(world, network)
    kept = await installed(world)
    return await driver.begins(kept, Deactivated(driver.switch_until(T)))


async def notices(world: World) -> int:
    now = int(world.clock.now())
    return len(await world.store.claim_notices(now=now, again_at=now + 1, limit=9))


async def look(world: World, network: Network, *, passed: int = 11) -> Order:
    """Let time pass and another process take over what is due."""
    world.clock.time += passed
    driver = ordering(world, network)
    assert await driver._take_some()
    await asyncio.wait(driver._taking.under_way)
    return await world.order()


async def test_it_is_off_once_the_network_says_so(world: World) -> None:
    network = Network()
    order = await off(world, network)
    assert order == await world.order()
    assert (order.state, order.todo) == (OrderState.INACTIVE, None)
    assert (network.asked, network.iccid) == ([("switch", False)], order.iccid)
    assert await notices(world) == 1


async def test_what_is_done_later_is_looked_at_again_and_told(world: World) -> None:
    network = Network([LATER, LATER])
    order = await off(world, network)
    assert (order.state, order.going, order.watch) == (
        OrderState.ACTIVE,
        OrderState.INACTIVE,
        "m1",
    )
    assert await notices(world) == 0
    assert not await ordering(world, network)._take_some(), "not before its time"
    assert (await look(world, network)).state is OrderState.ACTIVE
    assert (await look(world, network)).state is OrderState.INACTIVE
    assert network.asked == [("switch", False), ("m1", False), ("m1", False)]
    assert await notices(world) == 1


async def test_what_the_network_gives_up_is_as_it_was(world: World) -> None:
    order = await off(world, Network([LATER]))
    order = await look(world, Network([FAILED]))
    assert (order.state, order.todo, order.reason) == (OrderState.ACTIVE, None, "switch_failed")
    assert await notices(world) == 1, "the device learns that it is not off"


@pytest.mark.parametrize(
    ("error", "then"),
    [
        (PeerUnavailable("bss_away"), ("m1", False)),
        (PeerTimeout("bss_late"), ("m1", False)),
        (PeerMisbehaved("bss_nonsense"), ("switch", False)),
    ],
)
async def test_a_network_in_trouble_is_asked_again(
    world: World, error: EcsError, then: tuple[str, bool]
) -> None:
    network = Network([LATER, error])
    await off(world, network)
    assert (await look(world, network)).todo is Todo.SWITCH
    assert (await look(world, network)).state is OrderState.INACTIVE
    assert network.asked[-1] == then


async def test_what_takes_too_long_is_put_back(world: World) -> None:
    network = Network([LATER])
    await off(world, network)
    order = await look(world, network, passed=301)
    assert (order.state, order.todo) == (OrderState.ACTIVE, None)
    assert network.asked == [("switch", False), ("switch", True)]
    assert await notices(world) == 1


async def test_what_nobody_can_put_back_ends_all_the_same(world: World) -> None:
    network = Network([LATER, *[PeerUnavailable("bss_away")] * 2])
    await off(world, network)
    assert (await look(world, network, passed=301)).going is OrderState.ACTIVE
    order = await look(world, network, passed=301)
    assert (order.state, order.todo, order.reason) == (OrderState.ACTIVE, None, "switch_unknown")


async def test_a_process_that_dies_in_the_call_leaves_it_to_another(world: World) -> None:
    network = Network([None])
    driver, kept = ordering(world, network), await installed(world)
    asking = asyncio.create_task(driver.begins(kept, Deactivated(driver.switch_until(T))))
    await network.entered.wait()
    for task in (asking, *driver._taking.under_way):
        task.cancel()
    assert (await world.order()).begun
    assert (await look(world, network, passed=61)).state is OrderState.INACTIVE
    assert network.asked == [("switch", False)] * 2


async def test_a_new_wish_while_the_first_is_under_way(world: World) -> None:
    network = Network([LATER])
    order = await off(world, network)
    driver = ordering(world, network)
    order = await driver.begins(Kept(T, IMSI, order), Activated(driver.switch_until(T)))
    assert (order.state, order.todo) == (OrderState.ACTIVE, None)
    assert network.asked == [("switch", False), ("switch", True)]


async def test_a_network_that_is_no_more_leaves_it_as_it_was(world: World) -> None:
    await off(world, Network([LATER]))
    world.clock.time += 11
    driver = world.ordering()
    assert driver.switch_until(T) == 0
    assert await driver._take_some()
    await asyncio.wait(driver._taking.under_way)
    order = await world.order()
    assert (order.state, order.todo, order.reason) == (
        OrderState.ACTIVE,
        None,
        "not_switched_any_more",
    )


async def on(world: World, network: Network) -> Kept:
    """Have a device's service switched on."""
    kept = await installed(world)
    driver = ordering(world, network)
    for event in (Deactivated, Activated):
        order = await driver.begins(kept, event(driver.switch_until(T)))
        kept = Kept(T, IMSI, order)
    assert order.state is OrderState.ACTIVE
    assert await notices(world) == 1
    network.asked.clear()
    return kept


async def test_at_its_end_a_service_goes_off(world: World) -> None:
    network = Network()
    kept = await on(world, network)
    network.says = [LATER, LATER]
    order = await ordering(world, network).begins(kept, Unsubscribed())
    assert (order.state, order.watch) == (OrderState.ENDED, "m1")
    assert on_its_way(order) == "off in the network"
    assert (await look(world, network)).todo is Todo.SWITCH
    assert (await look(world, network)).todo is None
    assert network.asked == [("switch", False), ("m1", False), ("m1", False)]
    assert await notices(world) == 1, "that it ended is told, and nothing after that"


async def test_what_came_on_when_it_was_installed_goes_off_at_its_end(world: World) -> None:
    """Whoever had the network switch it on: nobody asked for it by ManageService."""
    network = Network([LATER])
    order = replace(an_order(), state=OrderState.RELEASED, todo=None)
    made = await world.store.orders.make(T, IMSI, order, instead_of=None, due_at=None)
    assert made is not None
    driver = ordering(world, network)
    order = await driver.installed(Kept(T, IMSI, made))
    assert (order.state, order.todo, network.asked) == (OrderState.ACTIVE, None, [])
    await OrderDesk(world.store.orders, T, int(world.clock.now())).end(Kept(T, IMSI, order))
    assert (await look(world, network, passed=0)).watch == "m1"
    assert (await look(world, network)).todo is None
    assert network.asked == [("switch", False), ("m1", False)]


async def test_what_an_operator_or_an_event_ends_goes_off_too(world: World) -> None:
    network = Network()
    kept = await on(world, network)
    await OrderDesk(world.store.orders, T, int(world.clock.now())).end(kept)
    assert (await look(world, network, passed=0)).todo is None
    assert network.asked == [("switch", False)]


async def test_a_network_in_trouble_is_asked_until_it_is_off(world: World) -> None:
    network = Network()
    kept = await on(world, network)
    network.says = [PeerUnavailable("bss_away"), LATER, FAILED, PeerTimeout("bss_late")]
    order = await ordering(world, network).begins(kept, Unsubscribed())
    for _ in range(3):
        order = await look(world, network, passed=4000)
        assert order.todo is Todo.SWITCH
    order = await look(world, network, passed=4000)
    assert (order.state, order.todo) == (OrderState.ENDED, None)
    assert network.asked == [
        *[("switch", False)] * 2,
        ("m1", False),
        *[("switch", False)] * 2,
    ]


async def gone(world: World, how: str) -> None:
    """Have the line be gone for good."""
    now = int(world.clock.now())
    if how == "erased":
        assert (await world.store.erase(T, IMSI, [], now=now)).left == 1
    else:
        await world.store.remove(T, IMSI, now=now)
    if how == "another's":
        line = Subscription(T, IMSI, None, SubscriptionStatus.ACTIVE, "gold", changed_at=now)
        await world.store.add(NewSubscription(line))
    assert await world.store.orders.of(T, IMSI) == []
    assert await world.store.orders.history(T, IMSI) == []


async def take(world: World, network: Network) -> None:
    """Have a worker take over what is due."""
    driver = ordering(world, network)
    assert await driver._take_some()
    await asyncio.wait(driver._taking.under_way)


@pytest.mark.parametrize("how", ["erased", "another's"])
async def test_whose_owner_is_gone_for_good_goes_off_all_the_same(world: World, how: str) -> None:
    network = Network()
    kept = await on(world, network)
    network.says = [PeerUnavailable("bss_away"), LATER]
    assert kept.order.iccid is not None
    await gone(world, how)
    left = await world.store.orders.by_iccid(T, kept.order.iccid)
    assert left is not None
    assert (left.order.device, left.order.matching_id) == (Device("", None), "")
    for _ in range(3):
        await take(world, network)
        world.clock.time += 4000
    assert network.asked == [*[("switch", False)] * 2, ("m1", False)]
    assert network.iccid == kept.order.iccid
    assert await world.store.orders.by_iccid(T, kept.order.iccid) is None
    assert await world.store.orders.page(T, after=("", ""), limit=9, waiting=False) == []
    assert await world.store.orders.history(T, IMSI) == []


async def test_who_is_asking_when_its_owner_goes_finishes_it(world: World) -> None:
    network = Network()
    kept = await on(world, network)
    network.says = [LATER]
    order = await ordering(world, network).begins(kept, Unsubscribed())
    assert order.watch == "m1"
    driver = ordering(world, network)
    release = asyncio.Event()

    async def progress(_watch: str, **_asked: object) -> Switched:
        network.entered.set()
        await release.wait()
        return Switched(status=ProvStatus.NOT_PROVISIONED)

    network.entered.clear()
    network.progress = progress  # type: ignore[method-assign,assignment]
    world.clock.time += 11
    assert await driver._take_some()
    await network.entered.wait()
    await gone(world, "erased")
    release.set()
    await asyncio.wait(driver._taking.under_way)
    assert await world.store.orders.page(T, after=("", ""), limit=9, waiting=False) == []


async def test_what_never_goes_off_is_forgotten_in_the_end(world: World) -> None:
    network = Network()
    await on(world, network)
    await gone(world, "erased")
    network.says = [PeerUnavailable("bss_away")] * 99
    for _ in range(9):
        await take(world, network)
        world.clock.time += LEFT_FOR_S // 10
    assert len(await world.store.orders.page(T, after=("", ""), limit=9, waiting=False)) == 1
    world.clock.time += LEFT_FOR_S // 5
    with capture_logs() as logs:
        await take(world, network)
    assert [each["log_level"] for each in logs if each.get("state") == "left_undone"] == ["error"]
    assert await world.store.orders.page(T, after=("", ""), limit=9, waiting=False) == []


async def test_a_process_that_dies_at_the_end_leaves_it_to_another(world: World) -> None:
    network = Network()
    kept = await on(world, network)
    network.entered.clear()
    network.says = [None]
    driver = ordering(world, network)
    asking = asyncio.create_task(driver.begins(kept, Unsubscribed()))
    await network.entered.wait()
    for task in (asking, *driver._taking.under_way):
        task.cancel()
    assert (await world.order()).begun
    assert (await look(world, network, passed=61)).todo is None
    assert network.asked == [("switch", False)] * 2


async def test_what_another_order_uses_stays_on(world: World) -> None:
    """The profile was given back to the SM-DP+ meanwhile, and is installed once more."""
    network = Network()
    kept = await on(world, network)
    network.says = [PeerUnavailable("bss_away")]
    await ordering(world, network).begins(kept, Unsubscribed())
    again = replace(an_order(number=2), place="eid 2", state=OrderState.ACTIVE, todo=None)
    again = replace(again, iccid=kept.order.iccid, reuses=True)
    made = await world.store.orders.make(T, IMSI, again, instead_of=None, due_at=None)
    assert made is not None
    network.asked.clear()
    world.clock.time += 4000
    driver = ordering(world, network)
    assert await driver._take_some()
    await asyncio.wait(driver._taking.under_way)
    assert network.asked == []
    orders = {order.order_id: order for order in await world.store.orders.of(T, IMSI)}
    assert orders[kept.order.order_id].todo is None


async def test_where_nobody_switches_any_more_it_ends_all_the_same(world: World) -> None:
    network = Network()
    kept = await on(world, network)
    order = await world.ordering().begins(kept, Unsubscribed())
    assert (order.state, order.todo) == (OrderState.ENDED, None)
    assert network.asked == []
