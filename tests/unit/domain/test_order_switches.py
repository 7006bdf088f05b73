"""A device's service that goes on and off in the network: what its order says meanwhile."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.domain import order as domain
from simgrant.domain.order import (
    ON_DEVICE,
    Activated,
    Begun,
    Deactivated,
    Deleted,
    Event,
    Failed,
    GivenUp,
    Installed,
    Order,
    OrderMode,
    OrderState,
    OutOfOrder,
    PlanChanged,
    Replaced,
    Source,
    Switched,
    SwitchedLate,
    Switching,
    Todo,
    Told,
    Trouble,
    Unsubscribed,
)
from simgrant.identities import Iccid
from tests.unit.domain.test_order import an_order

BY_BSS = Source("", "watch", pooled=False, mode=OrderMode.BSS)


def installed(state: OrderState = OrderState.ACTIVE, *, bss: bool = False) -> Order:
    order = replace(an_order(), state=state, todo=None, call_id="")
    return replace(order, source=BY_BSS) if bss else order


def after(order: Order, *events: Event) -> Order:
    for number, event in enumerate(events):
        order = domain.step(order, event, at=1, call_id=f"c{order.version}-{number}")
    return order


def test_on_is_told_once_it_is_on() -> None:
    order = after(installed(OrderState.INACTIVE), Activated(90))
    assert (order.todo, order.going, order.going_until) == (Todo.SWITCH, OrderState.ACTIVE, 90)
    assert order.state is OrderState.INACTIVE
    order = after(order, Begun(), Switching("m1", 5))
    assert (order.watch, order.begun, order.tries) == ("m1", False, 0)
    order = after(order, Begun(), Switched())
    assert (order.state, order.todo, order.going) == (OrderState.ACTIVE, None, None)
    assert (order.watch, order.going_until) == ("", 0)


def test_off_is_on_until_it_is_off() -> None:
    order = after(installed(), Deactivated(90))
    assert order.state is OrderState.ACTIVE
    assert after(order, Begun(), Switched()).state is OrderState.INACTIVE


def test_what_is_refused_is_as_it_was() -> None:
    order = after(installed(), Deactivated(90), Begun(), Failed(Trouble.REFUSED, "switch_failed"))
    assert (order.state, order.todo, order.going) == (OrderState.ACTIVE, None, None)
    assert order.reason == "switch_failed"


@pytest.mark.parametrize(("trouble", "watch"), [(Trouble.NOT_REACHED, "m1"), (Trouble.UNKNOWN, "")])
def test_trouble_is_tried_again(trouble: Trouble, watch: str) -> None:
    order = after(installed(), Deactivated(90), Switching("m1", 5))
    for _ in range(20):
        order = after(order, Begun(), Failed(trouble))
        assert (order.todo, order.watch) == (Todo.SWITCH, watch)
    # A process that ended in the middle of a call is no reason to end an order, either.
    assert after(order, Begun(), Begun()).state is OrderState.ACTIVE


def test_what_takes_too_long_is_put_back_once() -> None:
    order = after(installed(), Deactivated(90), SwitchedLate(120))
    assert (order.going, order.going_until) == (OrderState.ACTIVE, 120)
    assert (order.todo, order.state) == (Todo.SWITCH, OrderState.ACTIVE)
    back = after(order, Begun(), Switched())
    assert (back.state, back.todo) == (OrderState.ACTIVE, None)
    late = after(order, SwitchedLate(150))
    assert (late.state, late.todo, late.reason) == (OrderState.ACTIVE, None, "switch_unknown")


def test_another_wish_takes_the_place_of_the_first() -> None:
    order = after(installed(), Deactivated(90), Switching("m1", 5))
    other = after(order, Activated(95))
    assert (other.going, other.watch, other.going_until) == (OrderState.ACTIVE, "", 95)
    assert other.call_id != order.call_id
    # The same one again is none, and has not more time.
    assert after(order, Deactivated(99)) == replace(order, version=order.version + 1)


def test_what_is_so_needs_no_network() -> None:
    assert after(installed(), Activated(90)).todo is None


def test_a_bss_hears_of_its_profile_once_it_is_over() -> None:
    order = after(installed(bss=True), Deactivated(90), PlanChanged("large"))
    assert order.todo is Todo.SWITCH
    assert after(order, Begun(), Switched()).todo is Todo.TELL_BSS
    assert after(order, Begun(), Failed(Trouble.REFUSED)).todo is Todo.TELL_BSS
    ended = after(order, Unsubscribed())
    assert ended.todo is Todo.SWITCH
    assert after(ended, Begun(), Switched()).todo is Todo.TELL_BSS


def switched_on() -> Order:
    return after(installed(OrderState.INACTIVE), Activated(90), Begun(), Switched())


@pytest.mark.parametrize("end", [Unsubscribed(), GivenUp("operator"), Replaced()])
def test_what_was_switched_on_goes_off_at_the_end(end: Event) -> None:
    order = after(switched_on(), end)
    assert (order.state, order.todo, order.going) == (
        OrderState.ENDED,
        Todo.SWITCH,
        OrderState.INACTIVE,
    )
    # However long that takes: nobody else would.
    for _ in range(20):
        order = after(order, Begun(), Failed(Trouble.UNKNOWN), Begun(), Switching("m1", 5))
    order = after(order, Begun(), Switched())
    assert (order.state, order.todo, order.switched) == (OrderState.ENDED, None, False)


def test_what_came_on_with_the_installation_goes_off_at_the_end() -> None:
    order = after(installed(OrderState.RELEASED), Installed(by_network=True))
    assert (order.state, order.todo) == (OrderState.ACTIVE, None)
    # Said once more by somebody who knows of no network, it is so still.
    ended = after(order, Installed(), Unsubscribed())
    assert (ended.todo, ended.going) == (Todo.SWITCH, OrderState.INACTIVE)
    assert after(ended, Begun(), Switched()).todo is None
    off = after(order, Deactivated(90), Begun(), Switched())
    assert after(off, Unsubscribed()).todo is None


@pytest.mark.parametrize(
    "order",
    [
        installed(),  # The network has no part in it.
        after(switched_on(), Deactivated(90), Begun(), Switched()),
    ],
)
def test_what_is_off_or_was_never_ours_is_left_alone_at_the_end(order: Order) -> None:
    assert after(order, Unsubscribed()).todo is None


def test_what_nobody_knows_goes_off_at_the_end() -> None:
    order = after(switched_on(), Deactivated(90), SwitchedLate(120), SwitchedLate(150))
    assert (order.todo, order.reason) == (None, "switch_unknown")
    assert after(order, Unsubscribed()).todo is Todo.SWITCH


@pytest.mark.parametrize(("bss", "then"), [(False, Todo.CANCEL), (True, Todo.TAKE_BACK)])
def test_a_profile_that_was_not_installed_is_given_back_after_that(bss: bool, then: Todo) -> None:
    order = replace(installed(OrderState.RELEASED, bss=bss), iccid=Iccid("8944500000000000017"))
    order = after(order, Activated(90), Begun(), Switching("m1", 5), Unsubscribed())
    assert (order.todo, order.watch) == (Todo.SWITCH, "")
    assert after(order, Begun(), Switched()).todo is then
    # Where nobody switches any more, neither.
    assert after(order, Begun(), Failed(Trouble.REFUSED)).todo is then


events = st.sampled_from(
    [
        *(Activated(), Activated(9), Deactivated(), Deactivated(9), Begun(), Switched()),
        *(Switching("m", 1), SwitchedLate(20), Failed(Trouble.REFUSED), Failed(Trouble.UNKNOWN)),
        *(Installed(), Installed(by_network=True), Deleted(), PlanChanged("x"), Told()),
        *(Unsubscribed(), Replaced()),
    ]
)


@given(
    state=st.sampled_from(sorted(ON_DEVICE)),
    bss=st.booleans(),
    steps=st.lists(events, max_size=12),
)
def test_whatever_happens_it_is_on_its_way_or_not(
    state: OrderState, bss: bool, steps: list[Event]
) -> None:
    order = installed(state, bss=bss)
    for event in steps:
        try:
            order = after(order, event)
        except OutOfOrder:
            continue
        going = order.todo is Todo.SWITCH
        has_ended = order.state is OrderState.ENDED
        assert (order.going is not None) is going
        assert (order.going_until > 0) is (going and not has_ended)
        assert going or not order.watch
        assert not going or order.switched
        assert not going or has_ended or order.state in ON_DEVICE


@given(state=st.sampled_from(sorted(ON_DEVICE)), steps=st.lists(events, max_size=12))
def test_whatever_happens_nothing_stays_on_after_the_end(
    state: OrderState, steps: list[Event]
) -> None:
    """As the network sees it: what it was asked for last may be so, whatever was answered."""
    order = replace(installed(state), iccid=Iccid("8944500000000000017"))
    is_on = False
    for event in [*steps, Unsubscribed()]:
        asked = order.todo is Todo.SWITCH and not isinstance(event, Begun)
        # It refuses those that live, and it is as it was then.
        if asked and isinstance(event, Failed) and event.trouble is Trouble.REFUSED:
            continue
        if asked:
            is_on = order.state is not OrderState.ENDED and order.going is OrderState.ACTIVE
        with contextlib.suppress(OutOfOrder):
            order = after(order, event)
            is_on |= isinstance(event, Installed) and event.by_network
    while order.todo is Todo.SWITCH:
        is_on = False
        order = after(order, Begun(), Switched())
    assert order.state is OrderState.ENDED
    assert not is_on
