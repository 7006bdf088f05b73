"""Where a line is, and where it moves to (ADR 0031)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simgrant.domain.line import has_moved, is_of_line, place_of_move, source_of_move
from simgrant.domain.order import LINE, Device, Kind, Order, OrderState, Source, place_of
from simgrant.identities import Eid, Iccid

IMEI, EID = "350000000000033", "89049032123451234512345678901235"
ICCID, OTHER_ICCID = Iccid("8944500000000000991"), Iccid("8944500000000000777")


def an_order(state: OrderState, place: str = LINE, *, at: int = 0, **changes: object) -> Order:
    order = Order(
        order_id=f"{at:032x}",
        app_id="ap2009",
        kind=Kind.TRANSFER,
        place=place,
        state=state,
        device=Device(IMEI, Eid(EID)),
        source=Source("main", "phone"),
        matching_id="AB-12",
        created_at=at,
        changed_at=at,
        iccid=ICCID,
    )
    return replace(order, **changes)  # type: ignore[arg-type]


def place(*orders: Order, source: Order | None = None, device: Device | None = None) -> str:
    return place_of_move(orders, source, device or Device("350000000000041", None))


def test_a_line_that_has_not_moved_has_the_first_place() -> None:
    assert place() == LINE
    for state in (OrderState.ENDED, OrderState.ORDERED, OrderState.DELETING, OrderState.AT_PORTAL):
        assert source_of_move([an_order(state)], None) is None
        assert place(an_order(state)) == LINE


def test_a_line_moves_on_from_the_newest_profile_or_the_one_that_is_named() -> None:
    first = an_order(OrderState.ACTIVE, at=1)
    second = an_order(
        OrderState.INACTIVE, f"{LINE} after {first.order_id}", at=2, iccid=OTHER_ICCID
    )
    extra = an_order(OrderState.ACTIVE, "eid 1", at=3, iccid=Iccid("8944500000000000555"))
    there = [second, first, extra]
    assert source_of_move(there, None) == second
    assert source_of_move(there, ICCID) == first
    assert source_of_move(there, extra.iccid) == extra
    # Whichever profile it is that moves, there is one place for it.
    for source in (None, *there):
        assert place(*there, source=source) == f"{LINE} after {second.order_id}"


def test_a_move_under_way_is_in_the_way_of_every_other() -> None:
    first = an_order(OrderState.ACTIVE, at=1)
    for state in (OrderState.AT_PORTAL, OrderState.ASKED, OrderState.ORDERED, OrderState.RELEASED):
        second = an_order(state, f"{LINE} after {first.order_id}", at=2, iccid=OTHER_ICCID)
        for source in (None, first):
            assert place(first, second, source=source) == second.place
        # Where it came from is over meanwhile.
        assert place(replace(first, state=OrderState.ENDED), second) == second.place


def test_a_line_that_is_there_already_stays_in_its_place() -> None:
    order = an_order(OrderState.ACTIVE)
    assert place(order, source=order, device=order.device) == order.place
    other = replace(order.device, eid=None)
    assert place(order, source=order, device=other) == f"{LINE} after {order.order_id}"


def test_who_names_a_released_profile_has_it() -> None:
    released = an_order(OrderState.RELEASED)
    assert source_of_move([released], ICCID) == released
    assert source_of_move([released], OTHER_ICCID) is None
    assert place(released, source=released) == f"{LINE} after {released.order_id}"
    assert place(released) == released.place


@pytest.mark.parametrize("before", list(OrderState))
@pytest.mark.parametrize("after", list(OrderState))
def test_a_line_has_moved_when_its_profile_is_installed(
    before: OrderState, after: OrderState
) -> None:
    installed = {OrderState.ACTIVE, OrderState.INACTIVE}
    expected = after is OrderState.ACTIVE and before not in installed
    assert has_moved(an_order(before), an_order(after)) == expected
    for kind in (Kind.SUBSCRIBE, Kind.RECOVER):
        assert not has_moved(an_order(before), an_order(after, kind=kind))
    companions = an_order(after, place_of(Device(IMEI, None)))
    assert not is_of_line(companions)
    assert not has_moved(an_order(before), companions)
