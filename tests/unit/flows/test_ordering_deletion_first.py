"""Orders that wait for an old profile to be deleted, driven over a real store (TS.43 §8.11).

Wherever a process ends, the old profile is given back once and ordered once, or not at all.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
import structlog

from simgrant.domain.order import (
    LINE,
    ON_DEVICE,
    Answered,
    Inquiry,
    Kind,
    Order,
    OrderState,
    Unsubscribed,
    begin,
)
from simgrant.domain.subscription import PushRegistration
from simgrant.flows.profile_events import Events, Teller
from simgrant.identities import Eid, Iccid
from simgrant.ports.orders import Kept, Orders
from simgrant.ports.smdp import Smdp, UnknownOutcome
from simgrant.spec.ids import NotifAction
from simgrant.wire.es2plus import DONE
from tests.examples import points
from tests.mortal import Mortal
from tests.unit.flows.orders import IMSI, RULES, T, World, an_order, opened
from tests.unit.flows.test_ordering import POOLED, Ended, Fuse

DELETION = 77
NEW_EID = Eid("89049032123451234512345678901243")
PUSH = PushRegistration("490154203237518", "ap2006", "odsa", int(NotifAction.FCM), "fcm-token", 10)
REUSES = pytest.mark.parametrize("reuses", [True, False], ids=["same profile", "new profile"])


async def installed(world: World, *, pooled: bool) -> Order:
    """Return an order whose profile is on the old device."""
    ordering = world.ordering()
    made = await ordering.make(T, IMSI, an_order(pooled=pooled), instead_of=None)
    assert made is not None
    assert made.iccid is not None
    world.books.on_euicc(made.iccid, "installed")
    return await ordering.installed(Kept(T, IMSI, made))


def follows(old: Order, *, reuses: bool) -> Order:
    """Return the order that takes the place of this one."""
    wanted = replace(
        an_order(pooled=old.source.pooled, state=OrderState.AT_PORTAL, number=2),
        kind=Kind.TRANSFER,
        place=LINE,
        state=OrderState.ORDERED,
        device=replace(old.device, terminal_id="350000000000033", eid=NEW_EID),
        matching_id="CD-34",
        old_iccid=old.iccid,
        old_order_id=old.order_id,
        old_first=True,
        reuses=reuses,
    )
    return begin(wanted, call_id="call-2")


async def tell(world: World, iccid: Iccid | None, orders: Orders, smdp: Smdp) -> None:
    """Tell, as the SM-DP+ does, that the profile was deleted."""
    assert iccid is not None
    ordering = world.ordering(orders, smdp)
    events = Events(orders, ordering=ordering, tellers={"main": Teller((T,), DELETION)})
    await events.progress("main", iccid, point=DELETION, status=DONE, at=0)


async def states(world: World) -> dict[str, Order]:
    return {order.place: order for order in await world.store.orders.of(T, IMSI)}


@POOLED
@REUSES
async def test_the_order_goes_on_once_the_old_profile_is_gone(
    world: World, pooled: bool, reuses: bool
) -> None:
    old = await installed(world, pooled=pooled)
    assert old.iccid is not None
    await world.store.register_push(T, IMSI, [PUSH])
    new = await world.ordering().make(T, IMSI, follows(old, reuses=reuses), instead_of=None)
    assert new is not None
    assert (new.state, new.todo) == (OrderState.DELETING, None)
    # Whoever has the old device is told that there is something to see.
    (notice,) = await world.store.claim_notices(now=1_000, again_at=1_000, limit=9)
    assert notice.app_id == "ap2006"
    calls = len(world.books.calls)
    world.books.on_euicc(old.iccid, "deleted")
    await tell(world, old.iccid, world.store.orders, world.books)
    await world.until_nothing_is_due()
    found = await states(world)
    assert (found[LINE].state, found[LINE].reason) == (OrderState.RELEASED, "")
    assert (found[old.place].state, found[old.place].reason) == (OrderState.ENDED, "replaced")
    names = [name for name, _ in world.books.calls[calls:]]
    if reuses:
        assert names == ["cancel", "download", "confirm"]
        assert found[LINE].iccid == old.iccid
        assert world.books.ordered == {old.iccid.digits: "released"}
        kept = await world.store.orders.by_iccid(T, old.iccid)
        assert kept is not None
        assert kept.order == found[LINE]
        await world.agree()
    else:
        assert names == ["download", "confirm"]
        assert found[LINE].iccid not in (None, old.iccid)
    # So is, at the end, whoever waited; and the SM-DP+ may tell the same again.
    (later,) = await world.store.claim_notices(now=9_999, again_at=9_999, limit=9)
    assert later.mark != notice.mark
    await tell(world, old.iccid, world.store.orders, world.books)
    assert (await states(world))[LINE].state is OrderState.RELEASED


@REUSES
async def test_a_deletion_that_never_comes_loses_nothing(world: World, reuses: bool) -> None:
    old = await installed(world, pooled=True)
    stock = await world.store.orders.stock(T)
    await world.ordering().make(T, IMSI, follows(old, reuses=reuses), instead_of=None)
    world.clock.time += RULES.life_s
    for kept in await world.store.orders.claim(now=int(world.clock.time), again_at=9_999, limit=9):
        await world.ordering().wait(kept)
    found = await states(world)
    assert (found[LINE].state, found[LINE].reason) == (OrderState.ENDED, "too_old")
    assert found[old.place] == old
    assert await world.store.orders.stock(T) == stock
    await world.agree()


async def test_what_was_deleted_before_anybody_asked_is_known(world: World) -> None:
    old = await installed(world, pooled=True)
    await tell(world, old.iccid, world.store.orders, world.books)
    assert (await states(world))[old.place].gone
    # Whoever asks now need not wait.
    new = replace(follows(old, reuses=False), old_first=False, state=OrderState.ORDERED)
    made = await world.ordering().make(T, IMSI, begin(new, call_id="c"), instead_of=None)
    assert made is not None
    assert made.state is OrderState.RELEASED
    await world.ordering().installed(Kept(T, IMSI, made))
    assert (await states(world))[old.place].state is OrderState.ENDED


@pytest.mark.parametrize(
    ("way", "pooled", "reuses"),
    [
        ("deleted", True, True),
        ("deleted, answers lost", True, True),
        ("deleted, answers lost", False, True),
        ("deleted, then unsubscribed", True, True),
        ("asked, deleted", True, True),
        ("deleted", True, False),
    ],
)
async def test_a_process_may_end_at_any_point(
    template: Path, way: str, pooled: bool, reuses: bool
) -> None:
    with structlog.testing.capture_logs():
        for point in points():
            fuse = Fuse(point)
            async with opened(template) as world:
                old = await installed(world, pooled=pooled)
                assert old.iccid is not None
                new = follows(old, reuses=reuses)
                if "asked" in way:
                    new = replace(new, state=OrderState.ASKED, inquiry=Inquiry.PIN, waiting=False)
                await live(world, fuse, old, new, way)
                await afterwards(world, old, new)
                found = await states(world)
                await judge(world, old, found, way, reuses=reuses)
            if not fuse.blown:
                assert point > 10
                return


async def live(world: World, fuse: Fuse, old: Order, wanted: Order, way: str) -> None:
    """Do all of it in one process, which ends somewhere."""
    orders = cast("Orders", Mortal(world.store.orders, fuse))
    smdp = cast("Smdp", Mortal(world.books, fuse))
    ordering = world.ordering(orders, smdp)
    if "answers lost" in way:
        world.books.fates, world.books.lost = [UnknownOutcome()] * 3, True
    try:
        new = await ordering.make(T, IMSI, wanted, instead_of=None)
        if new is not None and new.state is OrderState.ASKED:
            await ordering.begins(Kept(T, IMSI, new), Answered(accepted=True))
        assert old.iccid is not None
        world.books.on_euicc(old.iccid, "deleted")
        await tell(world, old.iccid, orders, smdp)
        for kept in await orders.claim(now=1_000, again_at=1_060, limit=9):
            await ordering.wait(kept)
        if "unsubscribed" in way and new is not None:
            await ordering.begins(Kept(T, IMSI, new), Unsubscribed())
    except Ended:
        pass


async def afterwards(world: World, old: Order, wanted: Order) -> None:
    """Let everybody else do what they do: the phone asks again, the SM-DP+ tells again."""
    assert old.iccid is not None
    if LINE not in await states(world):
        await world.ordering().make(T, IMSI, wanted, instead_of=None)
    if (asked := (await states(world))[LINE]).state is OrderState.ASKED:
        await world.ordering().begins(Kept(T, IMSI, asked), Answered(accepted=True))
    if world.books.ordered.get(old.iccid.digits) == "installed":
        world.books.on_euicc(old.iccid, "deleted")
    await tell(world, old.iccid, world.store.orders, world.books)
    await world.until_nothing_is_due()


async def judge(
    world: World, old: Order, found: dict[str, Order], way: str, *, reuses: bool
) -> None:
    assert old.iccid is not None
    new = found[LINE]
    left = {} if reuses else {old.iccid.digits: "deleted"}
    if new.state is OrderState.ENDED:
        assert "unsubscribed" in way
        assert world.books.ordered == left
        assert not new.orphan
    else:
        assert new.state in ON_DEVICE
        assert new.iccid is not None
        assert (new.iccid == old.iccid) is reuses
        assert world.books.ordered == left | {new.iccid.digits: "released"}
        assert found[old.place].state is OrderState.ENDED
    if old.source.pooled:
        (shelf,) = await world.store.orders.stock(T)
        assert shelf.taken == len(world.books.ordered)
