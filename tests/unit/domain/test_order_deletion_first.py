"""Orders whose old profile has to be deleted first, and perhaps is ordered again (TS.43 §8.11).

Where it is, there is one profile all the time: on the old device, deleted, in stock, ordered for
the new one. Whatever is lost on the way, the order never takes it from where it is in use, and in
the end has it or leaves it to whoever comes next.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.domain import order as domain
from simgrant.domain.order import (
    Answered,
    Begun,
    Cancelled,
    Chosen,
    Confirmed,
    Deactivated,
    Deleted,
    Downloaded,
    Event,
    Failed,
    GivenUp,
    Installed,
    OldDeleted,
    Order,
    OrderState,
    OutOfOrder,
    Polled,
    Replaced,
    Todo,
    Trouble,
    Unsubscribed,
)
from simgrant.identities import Iccid
from tests.unit.domain.test_order import FATES, an_order, call, released

OLD = Iccid("8944500000000000099")


def waits(state: OrderState = OrderState.ORDERED, *, reuses: bool) -> Order:
    """Return an order that needs the profile OLD to be gone."""
    order = replace(an_order(OrderState.AT_PORTAL, pooled=not reuses), state=state)
    order = replace(
        order, old_iccid=OLD, old_order_id="f" * 32, old_first=True, reuses=reuses, todo=None
    )
    return domain.begin(order, call_id="c0")


@dataclass
class Shelf:
    """What the SM-DP+ has on its books of the one profile."""

    state: str = "installed"
    """``installed`` or ``deleted`` on the old device, ``available``, or a matching id."""
    holder: str = ""

    def do(self, order: Order) -> Event:
        """Do what is to be done, and answer; what the old device uses is never given away."""
        match order.todo, self.state:
            case Todo.RETURN, "deleted":
                self.state = "available"
                return Cancelled()
            case Todo.DOWNLOAD, "available":
                self.state, self.holder = "allocated", order.matching_id
                return Downloaded(OLD)
            case Todo.DOWNLOAD, _:
                return Failed(Trouble.IN_USE)
            case Todo.CONFIRM, "allocated":
                self.state = "released"
                return Confirmed("smdp.example.net", delay=False)
            case Todo.CANCEL, "allocated" | "released":
                self.state, self.holder = "available", ""
                return Cancelled()
        return Failed(Trouble.DONE_ALREADY)


MEANWHILE = st.sampled_from(
    [None, None, None, Polled(3), Unsubscribed(), GivenUp("too_old"), OldDeleted(), Installed()]
)


@given(deleted_after=st.integers(0, 3), fates=st.lists(st.tuples(FATES, MEANWHILE), max_size=30))
def test_the_one_profile_is_where_the_books_say(
    deleted_after: int, fates: list[tuple[str, Event | None]]
) -> None:
    shelf, ids = Shelf(), count(1)
    order = waits(reuses=True)
    assert (order.state, order.todo, order.waiting) == (OrderState.DELETING, None, True)
    for number, (fate, meanwhile) in enumerate(fates):
        if number == deleted_after and shelf.state == "installed":
            shelf.state = "deleted"
        if order.state is OrderState.DELETING:
            if shelf.state == "deleted":
                order = domain.step(order, OldDeleted(), at=1, call_id=f"c{next(ids)}")
            continue
        order = call(order, shelf, fate, meanwhile, ids)  # type: ignore[arg-type]
        assert shelf.holder in ("", order.matching_id)
    for _ in range(60):
        if order.todo is None:
            break
        order = call(order, shelf, "answered", None, ids)  # type: ignore[arg-type]
    assert order.todo is None
    assert not order.orphan
    if order.state in domain.ON_DEVICE:
        assert (shelf.state, order.iccid) == ("released", OLD)
    elif order.spared:
        assert shelf.state in ("available", "installed", "deleted")
        # What was never given back is still of the order that it belonged to.
        assert shelf.state == "available" or order.iccid is None
    elif order.state is OrderState.ENDED and shelf.holder:
        # The SM-DP+ refused to take it back, and says so to whoever asks next.
        assert order.reason


@pytest.mark.parametrize("first", [OrderState.AT_PORTAL, OrderState.ASKED, OrderState.ORDERED])
@pytest.mark.parametrize("reuses", [True, False])
def test_nothing_is_ordered_before_the_old_one_is_gone(first: OrderState, reuses: bool) -> None:
    order = waits(first, reuses=reuses)
    if first is not OrderState.ORDERED:
        with pytest.raises(OutOfOrder):
            domain.step(order, OldDeleted(), at=1, call_id="c1")
        agrees = Chosen() if first is OrderState.AT_PORTAL else Answered(accepted=True)
        order = domain.step(order, agrees, at=1, call_id="c2")
    assert (order.state, order.todo) == (OrderState.DELETING, None)
    order = domain.step(order, OldDeleted(), at=1, call_id="c3")
    assert order.state is OrderState.ORDERED
    assert order.todo is (Todo.RETURN if reuses else Todo.DOWNLOAD)
    assert order.call_id == "c3"
    assert not order.old_first


def test_the_old_profile_goes_back_and_comes_again_for_the_new_device() -> None:
    order, asked = waits(reuses=True), []
    order = domain.step(order, OldDeleted(), at=1, call_id="c1")
    for event in (Cancelled(), Downloaded(OLD), Confirmed("smdp.example.net")):
        asked.append((order.todo, order.iccid, order.call_id))
        order = domain.step(order, Begun(), at=1, call_id="x")
        order = domain.step(order, event, at=1, call_id=f"c{len(asked) + 1}")
    assert asked == [
        (Todo.RETURN, OLD, "c1"),
        (Todo.DOWNLOAD, OLD, "c2"),
        (Todo.CONFIRM, OLD, "c3"),
    ]
    assert (order.state, order.iccid) == (OrderState.RELEASED, OLD)


def test_who_changes_his_mind_leaves_the_profile_in_stock() -> None:
    order = domain.step(waits(reuses=True), OldDeleted(), at=1, call_id="c1")
    begun = domain.step(order, Begun(), at=1, call_id="x")
    ended = domain.step(begun, Unsubscribed(), at=1, call_id="x")
    assert (ended.state, ended.todo, ended.call_id) == (OrderState.ENDED, Todo.RETURN, "c1")
    back = domain.step(ended, Cancelled(), at=1, call_id="x")
    assert (back.state, back.todo, back.spared) == (OrderState.ENDED, None, True)
    # The answer was lost, and the same call says that there is nothing to do.
    again = domain.step(ended, Failed(Trouble.UNKNOWN), at=1, call_id="x")
    again = domain.step(again, Failed(Trouble.DONE_ALREADY), at=1, call_id="x")
    assert (again.state, again.todo, again.spared) == (OrderState.ENDED, None, True)


def test_a_profile_that_cannot_go_back_is_not_ordered() -> None:
    order = domain.step(waits(reuses=True), OldDeleted(), at=1, call_id="c1")
    refused = domain.step(order, Failed(Trouble.REFUSED, "not ours"), at=1, call_id="x")
    assert (refused.state, refused.todo, refused.spared) == (OrderState.ENDED, None, False)


def test_a_deletion_that_never_comes_ends_the_order_and_spares_its_profile() -> None:
    order = domain.step(waits(reuses=False), GivenUp("too_old"), at=1, call_id="x")
    assert (order.state, order.todo, order.spared) == (OrderState.ENDED, None, True)


def test_a_deleted_profile_is_noted_and_comes_back() -> None:
    order = domain.step(released(), Deleted(), at=1, call_id="x")
    assert (order.state, order.gone) == (OrderState.RELEASED, True)
    assert domain.step(order, Installed(), at=1, call_id="x").gone is False
    ended = domain.step(order, Replaced(), at=1, call_id="x")
    assert (ended.state, ended.todo, ended.spared) == (OrderState.ENDED, None, False)


@pytest.mark.parametrize("state", [OrderState.ACTIVE, OrderState.INACTIVE])
@pytest.mark.parametrize("switched", [True, False])
def test_a_profile_that_was_in_use_and_is_deleted_ends_its_order(
    state: OrderState, switched: bool
) -> None:
    order = replace(released(), state=state, switched=switched)
    ended = domain.step(order, Deleted(), at=1, call_id="x")
    assert (ended.state, ended.gone, ended.reason) == (OrderState.ENDED, True, "deleted")
    assert (ended.todo, ended.spared) == (Todo.SWITCH if switched else None, False)
    with pytest.raises(OutOfOrder):
        domain.step(ended, Installed(), at=1, call_id="x")


@pytest.mark.parametrize("event", [Deleted(), Replaced(), OldDeleted()])
@pytest.mark.parametrize(
    "order", [an_order(), domain.step(released(), Replaced(), at=1, call_id="x")]
)
def test_what_does_not_fit_is_out_of_order(order: Order, event: Event) -> None:
    with pytest.raises(OutOfOrder):
        domain.step(order, event, at=1, call_id="x")
    with pytest.raises(OutOfOrder):
        domain.step(waits(reuses=True), Deactivated(), at=1, call_id="x")
