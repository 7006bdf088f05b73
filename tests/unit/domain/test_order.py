"""Orders of eSIM profiles: whatever happens in whatever order, the books agree (ADR 0028).

The SM-DP+ here is a model of one: a stock, and what was done to each profile. It loses answers,
refuses, and is out of stock; processes end in the middle of calls; and meanwhile the device polls
and the subscriber changes his mind. At the end every profile that the SM-DP+ holds as ordered is
one that an order has, or that an operator is told to look for.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.domain import order as domain
from simgrant.domain.order import (
    Activated,
    Answered,
    Begun,
    Cancelled,
    Chosen,
    Cleared,
    CompanionService,
    Confirmed,
    Deactivated,
    Device,
    Downloaded,
    Event,
    Failed,
    GivenUp,
    Installed,
    Kind,
    OldDeleted,
    Opened,
    Order,
    OrderState,
    OutOfOrder,
    PlanChanged,
    Polled,
    Settled,
    Source,
    Todo,
    Trouble,
    Unsubscribed,
)
from simgrant.identities import Eid, Iccid

EID = Eid("89049032123451234512345678901235")
RESERVED = Iccid("8944500000000000017")


def an_order(state: OrderState = OrderState.ORDERED, *, pooled: bool = True) -> Order:
    return domain.begin(
        Order(
            order_id="0" * 32,
            app_id="ap2006",
            kind=Kind.SUBSCRIBE,
            place="eid 1",
            state=state,
            device=Device("350000000000017", EID),
            source=Source("main", "consumer", pooled),
            matching_id="AB-12",
            created_at=0,
            changed_at=0,
            iccid=RESERVED if pooled else None,
        ),
        call_id="c0",
    )


@dataclass
class Smdp:
    """What an SM-DP+ has on its books."""

    chooses: bool
    ordered: dict[str, str] = field(default_factory=dict)
    """The matching id by ICCID of each profile that is not in stock any more."""
    heard: dict[str, str] = field(default_factory=dict)
    """The ICCID given for each call identifier: a repeated call is the same call."""
    numbers: count[int] = field(default_factory=lambda: count(1))

    def do(self, order: Order) -> Event:
        """Do what is to be done, and answer."""
        assert order.todo is not None
        match order.todo:
            case Todo.DOWNLOAD:
                return self._download(order)
            case Todo.CONFIRM:
                assert order.iccid is not None
                if self.ordered.get(order.iccid.digits) == order.matching_id:
                    return Failed(Trouble.DONE_ALREADY)
                self.ordered[order.iccid.digits] = order.matching_id
                return Confirmed("smdp.example.net", delay=order.polls % 2 == 1)
            case Todo.SETTLE:
                return Settled()
            case Todo.RELEASE:
                return Opened()
            case Todo.CANCEL:
                assert order.iccid is not None
                gone = self.ordered.pop(order.iccid.digits, None)
                return Cancelled() if gone is not None else Failed(Trouble.DONE_ALREADY)
            case Todo.RETURN:
                return Failed(Trouble.DONE_ALREADY)
        raise AssertionError(f"{order.todo} is nothing of an SM-DP+'s")

    def _download(self, order: Order) -> Event:
        if order.iccid is None:
            known = self.heard.get(order.call_id)
            digits = known or f"89445{next(self.numbers):014d}"
            self.heard[order.call_id] = digits
        else:
            digits = order.iccid.digits
            if digits in self.ordered:
                return Failed(Trouble.IN_USE)
        self.ordered.setdefault(digits, "")
        return Downloaded(Iccid(digits))


# What befalls a call: done and answered, done and unanswered, or not done for a reason.
ANSWERED, LOST, ENDED = "answered", "lost", "process ended"
FATES = st.one_of(
    st.sampled_from([ANSWERED, ANSWERED, ANSWERED, LOST, ENDED]),
    st.sampled_from([Trouble.NOT_REACHED, Trouble.OUT_OF_STOCK, Trouble.REFUSED]),
)
MEANWHILE = st.sampled_from(
    [
        *(None, None, None, Polled(3), Unsubscribed(), GivenUp("too_old")),
        *(Installed(), Deactivated(), PlanChanged("large"), Cleared()),
    ]
)


def call(order: Order, smdp: Smdp, fate: str, meanwhile: Event | None, ids: count[int]) -> Order:
    """Do one step as the flow does: what is begun is written, and what came of it."""

    def happens(to: Order, event: Event) -> Order:
        try:
            return domain.step(to, event, at=1, call_id=f"c{next(ids)}")
        except OutOfOrder:
            return to

    order = happens(order, Begun())
    if order.todo is None or not order.begun:
        return order
    if isinstance(fate, Trouble):
        came: Event | None = Failed(fate)
    elif fate == ANSWERED:
        came = smdp.do(order)
    else:
        smdp.do(order)
        came = Failed(Trouble.UNKNOWN) if fate == LOST else None
    calling = order.call_id
    if meanwhile is not None:
        order = happens(order, meanwhile)
    if came is None:
        return order
    if order.call_id != calling and not isinstance(came, Downloaded):
        return order  # It is about something else by now.
    return happens(order, came)


@given(
    pooled=st.booleans(),
    hold=st.booleans(),
    fates=st.lists(st.tuples(FATES, MEANWHILE), max_size=30),
)
def test_the_books_agree_whatever_happens(
    pooled: bool, hold: bool, fates: list[tuple[str, Event | None]]
) -> None:
    smdp, ids = Smdp(chooses=not pooled), count(1)
    order = an_order(pooled=pooled)
    order = replace(order, source=replace(order.source, hold=hold))
    for fate, meanwhile in fates:
        order = call(order, smdp, fate, meanwhile, ids)
    for _ in range(50):
        if order.todo is None:
            break
        order = call(order, smdp, ANSWERED, None, ids)
    assert order.todo is None
    held = set(smdp.ordered)
    assert len(held) <= 1
    mine = {order.iccid.digits} if order.iccid is not None else set()
    if order.state is OrderState.ENDED:
        if order.spared:
            assert not held
        if held:
            # It was ordered and is of no use: an operator is told, or it was refused to go back.
            assert order.orphan or held == mine
    else:
        assert held == mine


@given(fates=st.lists(st.tuples(FATES, st.none()), max_size=30))
def test_of_our_own_stock_never_more_than_the_reserved_profile(
    fates: list[tuple[str, None]],
) -> None:
    smdp, ids, order = Smdp(chooses=False), count(1), an_order()
    for fate, _ in fates:
        order = call(order, smdp, fate, None, ids)
        assert set(smdp.ordered) <= {RESERVED.digits}
        assert not order.orphan


def released() -> Order:
    order = an_order()
    for event in (Begun(), Downloaded(RESERVED), Begun(), Confirmed("smdp.example.net")):
        order = domain.step(order, event, at=5, call_id="c1")
    return order


def test_what_is_chosen_on_the_page_is_ordered_and_the_rest_is_as_it_was_asked_for() -> None:
    order = an_order(OrderState.AT_PORTAL)
    assert domain.step(order, Chosen(), at=5, call_id="c1") == domain.begin(
        replace(order, state=OrderState.ORDERED, version=1, changed_at=5), call_id="c1"
    )
    source, old = Source("other", "phone"), Iccid("8944500000000000991")
    chosen = Chosen("big", CompanionService.FAMILY, "Mine", source, old, "350000000000033")
    found = domain.step(order, chosen, at=5, call_id="c1")
    assert (found.plan, found.service, found.source) == ("big", CompanionService.FAMILY, source)
    assert found.device == replace(order.device, name="Mine")
    assert (found.old_iccid, found.old_terminal_id) == (old, "350000000000033")


def test_an_order_goes_its_way() -> None:
    order = an_order(OrderState.AT_PORTAL)
    assert order.todo is None
    order = domain.step(order, Chosen("watch"), at=5, call_id="c1")
    assert (order.state, order.todo, order.call_id) == (OrderState.ORDERED, Todo.DOWNLOAD, "c1")
    assert order.plan == "watch"
    order = released()
    assert (order.state, order.todo, order.smdp_address) == (
        OrderState.RELEASED,
        None,
        "smdp.example.net",
    )
    for event, state in (
        (Installed(), OrderState.ACTIVE),
        (Deactivated(), OrderState.INACTIVE),
        (Activated(), OrderState.ACTIVE),
        (Unsubscribed(), OrderState.ENDED),
    ):
        order = domain.step(order, event, at=6, call_id="c9")
        assert order.state is state
    assert (order.todo, order.changed_at, order.version) == (None, 6, 8)


@pytest.mark.parametrize(
    ("state", "event", "then"),
    [
        (OrderState.ASKED, Answered(accepted=True), OrderState.ORDERED),
        (OrderState.ASKED, Answered(accepted=False), OrderState.ENDED),
        (OrderState.DELETING, OldDeleted(), OrderState.ORDERED),
        (OrderState.AT_PORTAL, GivenUp("too_old"), OrderState.ENDED),
    ],
)
def test_who_waits_for_somebody_goes_on(state: OrderState, event: Event, then: OrderState) -> None:
    assert domain.step(an_order(state), event, at=1, call_id="c").state is then


@pytest.mark.parametrize(
    ("state", "event"),
    [
        (OrderState.ORDERED, Chosen()),
        (OrderState.AT_PORTAL, Installed()),
        (OrderState.ASKED, Polled(5)),
        (OrderState.ASKED, PlanChanged("large")),
        (OrderState.ENDED, PlanChanged("large")),
        (OrderState.ENDED, Activated()),
        (OrderState.ENDED, Unsubscribed()),
        (OrderState.ORDERED, Cancelled()),
        (OrderState.ORDERED, Downloaded(Iccid("8944500000000000025"))),
    ],
)
def test_what_does_not_fit_changes_nothing(state: OrderState, event: Event) -> None:
    order = an_order(state)
    before = replace(order)
    with pytest.raises(OutOfOrder):
        domain.step(order, event, at=1, call_id="c")
    assert order == before


@pytest.mark.parametrize("state", sorted(domain.LIVE))
def test_a_plan_that_changes_changes_nothing_else(state: OrderState) -> None:
    order = replace(an_order(), state=state)
    after = domain.step(order, PlanChanged("large"), at=1, call_id="another")
    assert after == replace(order, plan="large", version=1, changed_at=1)


def test_a_profile_that_was_released_and_is_not_wanted_is_given_back() -> None:
    order = domain.step(released(), Unsubscribed(), at=7, call_id="c9")
    assert (order.state, order.todo, order.call_id) == (OrderState.ENDED, Todo.CANCEL, "c9")
    order = domain.step(order, Begun(), at=7, call_id="")
    order = domain.step(order, Cancelled(), at=7, call_id="")
    assert (order.todo, order.spared) == (None, True)


def test_a_lost_answer_is_asked_for_once_where_the_smdp_chooses() -> None:
    order = an_order(pooled=False)
    for _ in range(2):
        assert (order.todo, order.call_id) == (Todo.DOWNLOAD, "c0")
        order = domain.step(order, Begun(), at=1, call_id="x")
        order = domain.step(order, Failed(Trouble.UNKNOWN, "timeout"), at=1, call_id="x")
    assert (order.state, order.orphan, order.reason) == (
        OrderState.ENDED,
        True,
        "orphan_suspected",
    )
    with pytest.raises(OutOfOrder):
        domain.step(order, Begun(), at=1, call_id="x")


def test_a_profile_that_came_too_late_is_cancelled() -> None:
    order = domain.step(an_order(pooled=False), Begun(), at=1, call_id="x")
    order = domain.step(order, Unsubscribed(), at=1, call_id="x")
    assert (order.state, order.orphan) == (OrderState.ENDED, True)
    order = domain.step(order, Downloaded(RESERVED), at=1, call_id="x")
    assert (order.todo, order.iccid, order.orphan) == (Todo.CANCEL, RESERVED, False)


def test_an_iccid_in_use_is_anothers_unless_our_call_may_have_been_heard() -> None:
    taken = Failed(Trouble.IN_USE)
    begun = domain.step(an_order(), Begun(), at=1, call_id="x")
    ended = domain.step(begun, taken, at=1, call_id="x")
    assert (ended.state, ended.todo, ended.spared) == (OrderState.ENDED, None, False)
    doubtful = domain.step(begun, Failed(Trouble.UNKNOWN), at=1, call_id="x")
    again = domain.step(doubtful, Begun(), at=1, call_id="x")
    assert domain.step(again, taken, at=1, call_id="x").todo is Todo.CONFIRM
    # The same after a process ended in the middle of the call.
    assert (
        domain.step(domain.step(begun, Begun(), at=1, call_id="x"), taken, at=1, call_id="x").todo
        is Todo.CONFIRM
    )


def test_devices_poll_as_often_as_they_may() -> None:
    order = an_order()
    for _ in range(2):
        order = domain.step(order, Polled(3), at=1, call_id="x")
    assert (order.state, order.polls) == (OrderState.ORDERED, 2)
    assert domain.step(order, Polled(3), at=1, call_id="x").state is OrderState.ENDED
