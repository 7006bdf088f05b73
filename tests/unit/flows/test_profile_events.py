"""What SM-DP+s tell: an order is installed by it, or unharmed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from simgrant.domain.order import (
    Deactivated,
    Installed,
    Kind,
    Order,
    OrderState,
    Todo,
    Unsubscribed,
)
from simgrant.errors import PeerUnavailable
from simgrant.flows.profile_events import Events, Teller
from simgrant.identities import Eid, Iccid
from simgrant.ports.orders import Kept
from simgrant.ports.profile_events import DOWNLOAD, INSTALLATION
from simgrant.wire.es2plus import DONE, Outcome, Status
from tests.unit.flows.orders import IMSI, T, World, an_order

FAILED = Status(Outcome.FAILED, "8.1", "4.8")
DELETION = 77


def events(world: World) -> Events:
    tellers = {"main": Teller((T,), DELETION), "other": Teller((T,)), "elsewhere": Teller(("x",))}
    return Events(world.store.orders, ordering=world.ordering(), tellers=tellers)


async def told(
    world: World, iccid: Iccid | None, smdp: str = "main", point: int = INSTALLATION, **more: Any
) -> str:
    """Tell, and return what was done about it."""
    assert iccid is not None
    status = more.get("status", DONE)
    with capture_logs() as lines:
        await events(world).progress(
            smdp, iccid, point=point, status=status, at=0, eid=more.get("eid")
        )
    (line,) = [line for line in lines if line["event"] == "smdp_told"]
    # The ICCID is nobody's business.
    assert iccid.digits not in str(lines)
    return str(line["outcome"])


async def released(world: World, **changes: Any) -> Order:
    made = await world.ordering().make(T, IMSI, replace(an_order(), **changes), instead_of=None)
    assert made is not None
    assert made.state is OrderState.RELEASED
    return made


async def test_an_installed_profile_is_an_active_order(world: World) -> None:
    order = await released(world)
    assert await told(world, order.iccid) == "installed"
    assert (await world.order()).state is OrderState.ACTIVE
    assert (await world.store.orders.history(T, IMSI))[-1].event == "Installed"
    assert await told(world, order.iccid) == "repeated"
    assert await world.order() == replace(
        order, state=OrderState.ACTIVE, version=order.version + 1, changed_at=1_000
    )


@pytest.mark.parametrize(
    ("smdp", "point", "status", "outcome"),
    [
        ("main", DOWNLOAD, DONE, "noted"),
        ("main", INSTALLATION, FAILED, "noted"),
        ("main", 901, DONE, "noted"),
        ("other", INSTALLATION, DONE, "others"),
        ("other", DELETION, DONE, "others"),
        ("elsewhere", INSTALLATION, DONE, "unknown"),
    ],
)
async def test_what_is_no_installation_leaves_an_order_as_it_is(
    world: World, smdp: str, point: int, status: Status, outcome: str
) -> None:
    order = await released(world)
    assert await told(world, order.iccid, smdp, point, status=status) == outcome
    assert await world.order() == order


async def test_an_unknown_profile_is_nobodys(world: World) -> None:
    order = await released(world)
    assert await told(world, Iccid("8944500000000009999")) == "unknown"
    assert await world.order() == order


async def test_what_was_given_up_stays_so(world: World) -> None:
    order = await released(world)
    await world.ordering().happens(Kept(T, IMSI, order), Unsubscribed())
    before = await world.order()
    assert await told(world, order.iccid) == "out_of_order"
    assert await world.order() == before
    await world.until_nothing_is_due()
    assert await told(world, order.iccid) in ("out_of_order", "unknown")
    await world.agree()


async def test_a_service_that_is_off_is_not_switched_on_by_a_late_word(world: World) -> None:
    order = await released(world)
    await world.ordering().happens(Kept(T, IMSI, order), Deactivated())
    assert await told(world, order.iccid) == "repeated"
    assert (await world.order()).state is OrderState.INACTIVE


async def test_the_profile_that_it_replaces_is_over(world: World) -> None:
    old = await released(world)
    assert await told(world, old.iccid) == "installed"
    new = await released(
        world, place="id another", order_id="b" * 32, kind=Kind.TRANSFER, old_iccid=old.iccid
    )
    assert await told(world, new.iccid) == "installed"
    states = {each.order_id: each.state for each in await world.store.orders.of(T, IMSI)}
    assert states == {old.order_id: OrderState.ENDED, new.order_id: OrderState.ACTIVE}


async def test_a_deleted_profile_lets_the_order_go_on_that_waits_for_it(world: World) -> None:
    old = await released(world)
    await told(world, old.iccid)
    waits = replace(
        an_order(),
        place="line",
        order_id="b" * 32,
        state=OrderState.DELETING,
        todo=None,
        call_id="",
        old_iccid=old.iccid,
        old_order_id=old.order_id,
        old_first=True,
    )
    assert await world.ordering().make(T, IMSI, waits, instead_of=None)
    assert await told(world, old.iccid, point=DELETION) == "deleted"
    former, new = await world.store.orders.of(T, IMSI)
    assert (new.place, new.state) == ("line", OrderState.ORDERED)
    assert (former.state, former.reason) == (OrderState.ENDED, "replaced")
    assert await told(world, old.iccid, point=DELETION) == "noted"


@pytest.mark.parametrize("on", [True, False])
async def test_what_is_deleted_though_nobody_waits_for_it_is_over(world: World, on: bool) -> None:
    order = await released(world)
    await told(world, order.iccid)
    if not on:
        await world.ordering().happens(Kept(T, IMSI, await world.order()), Deactivated())
    assert await told(world, order.iccid, point=DELETION) == "ended"
    after = await world.order()
    assert (after.state, after.reason, after.gone, after.spared) == (
        OrderState.ENDED,
        "deleted",
        True,
        False,
    )
    assert after.todo is None, "what was used is not given back"
    assert await told(world, order.iccid, point=DELETION) == "noted", "told once more"
    assert await told(world, order.iccid) == "out_of_order"


async def test_what_is_deleted_goes_off_in_the_network(world: World) -> None:
    """It is the end of its order, and what follows is what follows from any end."""
    order = await released(world)
    on = await world.ordering().happens(Kept(T, IMSI, order), Installed(by_network=True))
    assert on.state is OrderState.ACTIVE
    assert await told(world, order.iccid, point=DELETION) == "ended"
    assert ((await world.order()).todo, (await world.order()).state) == (
        Todo.SWITCH,
        OrderState.ENDED,
    )


async def test_a_deletion_that_may_have_been_before_is_noted(world: World) -> None:
    """The same profile is used on another device by now: without an EID nobody can tell."""
    order = await released(world)
    used = replace(order, version=order.version + 1, reuses=True, state=OrderState.ACTIVE)
    changed = world.store.orders.change
    assert await changed(T, IMSI, used, before=order, event="test", due_at=None)
    assert await told(world, order.iccid, point=DELETION) == "noted"
    assert await world.order() == used
    assert await told(world, order.iccid, point=DELETION, eid=order.device.eid) == "ended"


async def test_a_deletion_is_noted_where_no_installation_was_told(world: World) -> None:
    order = await released(world)
    assert await told(world, order.iccid, point=DELETION) == "noted"
    assert (await world.order()).gone
    assert (await world.order()).state is OrderState.RELEASED
    assert await told(world, order.iccid) == "installed"
    assert not (await world.order()).gone


async def test_a_late_word_about_the_device_before_is_not_about_this_one(world: World) -> None:
    order = await released(world)
    before = Eid("89049032123451234512345678901243")
    assert await told(world, order.iccid, point=DELETION, eid=before) == "noted"
    assert await world.order() == order
    assert await told(world, order.iccid, point=DELETION, eid=order.device.eid) == "noted"
    assert (await world.order()).gone


async def test_what_cannot_be_kept_is_to_be_told_again(world: World) -> None:
    order = await released(world)
    assert order.iccid is not None
    await world.store.close()
    with pytest.raises(PeerUnavailable):
        await events(world).progress("main", order.iccid, point=INSTALLATION, status=DONE, at=0)
