"""Orders that the BSS makes, profiles on hold, and orphans: whatever happens, the books agree."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.domain import order as domain
from simgrant.domain.order import (
    Activated,
    Awaited,
    Begun,
    Cancelled,
    Cleared,
    Confirmed,
    Deactivated,
    Declined,
    Delivered,
    Downloaded,
    Event,
    Failed,
    Found,
    GivenUp,
    Installed,
    Later,
    Opened,
    Order,
    OrderMode,
    OrderState,
    OutOfOrder,
    PlanChanged,
    Polled,
    Settled,
    Source,
    Todo,
    Told,
    Trouble,
    Unsubscribed,
)
from simgrant.identities import Iccid
from tests.unit.domain.test_order import RESERVED, an_order

PROFILE = Delivered(RESERVED, "smdp.example.net", "CODE-1")


def by_bss() -> Order:
    source = Source("", "watch", pooled=False, mode=OrderMode.BSS)
    return domain.begin(replace(an_order(pooled=False), source=source, todo=None), call_id="c0")


def on_hold(*, pooled: bool = True) -> Order:
    order = an_order(pooled=pooled)
    return replace(order, source=replace(order.source, hold=True))


def after(order: Order, *events: Event) -> Order:
    for number, event in enumerate(events):
        order = domain.step(order, event, at=1, call_id=f"d{number}")
    return order


# --- the BSS ----------------------------------------------------------------------------------


def test_an_order_of_the_bss_waits_for_its_profile() -> None:
    order = by_bss()
    assert (order.state, order.todo) == (OrderState.ORDERED, Todo.ASK_BSS)
    order = after(order, Begun(), Later())
    assert (order.todo, order.awaits) == (None, Awaited.PROFILE)
    order = after(order, replace(PROFILE, oid="1.3.6", needs_confirmation=True))
    assert (order.state, order.todo, order.awaits) == (OrderState.RELEASED, None, None)
    assert (order.iccid, order.smdp_address, order.matching_id) == (
        RESERVED,
        "smdp.example.net",
        "CODE-1",
    )
    assert (order.code_oid, order.code_confirmed) == ("1.3.6", True)


def test_a_bss_that_has_the_profile_at_once_is_waited_for_by_nobody() -> None:
    order = after(by_bss(), Begun(), PROFILE)
    assert (order.state, order.todo) == (OrderState.RELEASED, None)


@pytest.mark.parametrize(
    "before", [(), (Begun(),), (Begun(), Later()), (Begun(), Failed(Trouble.UNKNOWN))]
)
def test_a_profile_may_be_handed_in_before_the_answer(before: tuple[Event, ...]) -> None:
    order = after(by_bss(), *before, PROFILE)
    assert (order.state, order.todo, order.begun) == (OrderState.RELEASED, None, False)


@pytest.mark.parametrize("before", [(), (Begun(),), (Begun(), Later())])
def test_what_the_bss_declines_ends_and_nothing_is_taken_back(before: tuple[Event, ...]) -> None:
    order = after(by_bss(), *before, Declined("no_credit"))
    assert (order.state, order.reason, order.todo, order.awaits) == (
        OrderState.ENDED,
        "no_credit",
        None,
        None,
    )


def test_the_bss_knows_whether_its_profile_is_used() -> None:
    order = after(by_bss(), Begun(), PROFILE)
    for event, state in (
        (Installed(), OrderState.ACTIVE),
        (Deactivated(), OrderState.INACTIVE),
        (Activated(), OrderState.ACTIVE),
        (Unsubscribed(), OrderState.ENDED),
    ):
        order = after(order, event)
        assert (order.state, order.todo) == (state, Todo.TELL_BSS)
        order = after(order, Begun(), Told())
        assert order.todo is None
    assert order.spared is False


@pytest.mark.parametrize("used", [(), (Installed(), Begun(), Told())])
def test_the_bss_hears_of_another_plan(used: tuple[Event, ...]) -> None:
    order = after(by_bss(), Begun(), PROFILE, *used)
    changed = after(order, PlanChanged("large"))
    assert (changed.state, changed.plan, changed.todo) == (order.state, "large", Todo.TELL_BSS)
    assert after(changed, Begun(), Told()).todo is None


def test_a_plan_that_changes_disturbs_no_call_by_which_the_bss_orders() -> None:
    order = after(by_bss(), Begun(), PlanChanged("large"))
    assert (order.plan, order.todo, order.begun) == ("large", Todo.ASK_BSS, True)
    assert after(order, PROFILE, Installed()).todo is Todo.TELL_BSS, "and hears of it then"


def test_what_is_no_news_is_not_told() -> None:
    order = after(by_bss(), Begun(), PROFILE, Installed(), Begun(), Told())
    assert after(order, Installed()).todo is None


def test_a_newer_state_takes_the_place_of_an_older_one() -> None:
    order = after(by_bss(), Begun(), PROFILE, Installed(), Begun())
    newer = after(order, Deactivated())
    assert (newer.todo, newer.begun) == (Todo.TELL_BSS, False)
    assert newer.call_id != order.call_id


@pytest.mark.parametrize(
    ("before", "todo"),
    [
        ((), None),
        ((Begun(), Failed(Trouble.NOT_REACHED)), None),
        ((Begun(),), Todo.TAKE_BACK),
        ((Begun(), Failed(Trouble.UNKNOWN)), Todo.TAKE_BACK),
        ((Begun(), Later()), Todo.TAKE_BACK),
        ((Begun(), PROFILE), Todo.TAKE_BACK),
    ],
)
def test_what_the_bss_may_have_heard_of_is_taken_back(
    before: tuple[Event, ...], todo: Todo | None
) -> None:
    order = after(by_bss(), *before, GivenUp("too_old"))
    assert (order.state, order.todo, order.orphan) == (OrderState.ENDED, todo, False)


def test_what_is_to_be_taken_back_waits_until_it_is() -> None:
    order = after(by_bss(), Begun(), PROFILE, Unsubscribed(), Begun(), Later())
    assert (order.todo, order.awaits) == (None, Awaited.RETURN)
    order = after(order, Cancelled())
    assert (order.awaits, order.spared) == (None, True)
    refused = after(by_bss(), Begun(), PROFILE, Unsubscribed(), Begun(), Failed(Trouble.REFUSED))
    assert refused.awaits is Awaited.RETURN
    with pytest.raises(OutOfOrder):
        after(refused, PROFILE)


@pytest.mark.parametrize("event", [PROFILE, Declined("x")])
@pytest.mark.parametrize("order", [an_order(), an_order(OrderState.AT_PORTAL)])
def test_nobody_hands_in_what_the_bss_was_not_asked_for(order: Order, event: Event) -> None:
    with pytest.raises(OutOfOrder):
        after(order, event)


@dataclass
class Bss:
    """What a BSS has on its books: by order, whether a profile is out for it."""

    out: dict[str, bool] = field(default_factory=dict)
    told: OrderState | None = None
    later: bool = False

    def do(self, order: Order) -> Event:
        match order.todo:
            case Todo.ASK_BSS:
                # An order that was taken back stays so, however late a repetition comes.
                if not self.out.setdefault(order.order_id, True):
                    return Declined("taken_back")
                return Later() if self.later else PROFILE
            case Todo.TAKE_BACK:
                if self.later:
                    return Later()
                self.out[order.order_id] = False
                return Cancelled()
        assert order.todo is Todo.TELL_BSS
        self.told = order.state
        return Told()


FATES = st.sampled_from(["answered", "lost", "process ended", Trouble.NOT_REACHED])
EVENTS: st.SearchStrategy[Event | None] = st.sampled_from(
    [
        *(None, None, Polled(3), Unsubscribed(), GivenUp("too_old"), Installed(), Deactivated()),
        *(Activated(), PROFILE, Declined("no_credit")),
    ]
)


@given(later=st.booleans(), turns=st.lists(st.tuples(FATES, EVENTS), max_size=30))
def test_the_bss_and_we_agree_whatever_happens(
    later: bool, turns: list[tuple[str, Event | None]]
) -> None:
    bss, ids = Bss(later=later), count(1)
    order = by_bss()

    def happens(to: Order, event: Event) -> Order:
        try:
            return domain.step(to, event, at=1, call_id=f"c{next(ids)}")
        except OutOfOrder:
            return to

    def call(order: Order, fate: str, meanwhile: Event | None) -> Order:
        order = happens(order, Begun())
        calling = order.call_id
        came: Event | None = None
        if order.begun and fate in ("answered", "lost", "process ended"):
            came = bss.do(order)
            came = {"answered": came, "lost": Failed(Trouble.UNKNOWN)}.get(fate)
        elif order.begun:
            came = Failed(Trouble.NOT_REACHED)
        if meanwhile is not None and not (
            isinstance(meanwhile, Declined) and bss.out.get(order.order_id)
        ):
            if isinstance(meanwhile, Delivered) and order.awaits is not Awaited.PROFILE:
                return order
            order = happens(order, meanwhile)
        return happens(order, came) if came is not None and order.call_id == calling else order

    for fate, meanwhile in turns:
        order = call(order, fate, meanwhile)
    for _ in range(30):
        if order.todo is None:
            break
        order = call(order, "answered", None)
    assert order.todo is None
    used = order.state in (OrderState.ACTIVE, OrderState.INACTIVE)
    if order.awaits is Awaited.RETURN:
        order = happens(order, Cancelled())
        bss.out[order.order_id] = False
    if used or bss.told is not None:
        assert bss.told is order.state
    if order.state is OrderState.ENDED and bss.told is None:
        assert not bss.out.get(order.order_id, False)
    if order.state is OrderState.RELEASED or used:
        assert bss.out[order.order_id]


# --- profiles on hold ---------------------------------------------------------------------------


def confirmed(order: Order) -> Order:
    return after(order, Begun(), Downloaded(RESERVED), Begun(), Confirmed("smdp.example.net"))


def test_a_profile_on_hold_is_released_on_a_word() -> None:
    order = confirmed(on_hold())
    assert (order.state, order.todo, order.awaits) == (
        OrderState.ORDERED,
        None,
        Awaited.RELEASE,
    )
    order = after(order, Cleared())
    assert (order.state, order.todo, order.awaits) == (OrderState.ORDERED, Todo.RELEASE, None)
    order = after(order, Begun(), Opened())
    assert (order.state, order.todo) == (OrderState.RELEASED, None)


def test_the_word_may_come_before_the_profile_is_there() -> None:
    order = confirmed(after(on_hold(), Cleared()))
    assert order.todo is Todo.RELEASE
    with pytest.raises(OutOfOrder):
        after(order, Cleared())


def test_what_was_released_already_is_released() -> None:
    order = after(confirmed(on_hold()), Cleared(), Begun(), Failed(Trouble.UNKNOWN), Begun())
    assert after(order, Failed(Trouble.DONE_ALREADY)).state is OrderState.RELEASED


def test_a_confirmation_that_was_heard_is_on_hold_too() -> None:
    order = after(on_hold(), Begun(), Downloaded(RESERVED), Begun(), Failed(Trouble.UNKNOWN))
    order = after(order, Begun(), Failed(Trouble.DONE_ALREADY))
    assert (order.state, order.awaits) == (OrderState.ORDERED, Awaited.RELEASE)


def test_a_released_profile_is_ready_some_time_after() -> None:
    order = after(confirmed(on_hold()), Cleared(), Begun(), Opened(delay=True))
    assert (order.state, order.todo) == (OrderState.ORDERED, Todo.SETTLE)
    assert after(order, Settled()).state is OrderState.RELEASED


@pytest.mark.parametrize("before", [(), (Cleared(),), (Cleared(), Begun())])
def test_what_is_never_paid_for_is_given_back(before: tuple[Event, ...]) -> None:
    order = after(confirmed(on_hold()), *before, GivenUp("too_old"))
    assert (order.state, order.todo) == (OrderState.ENDED, Todo.CANCEL)


def test_nothing_is_cleared_that_is_not_on_hold() -> None:
    with pytest.raises(OutOfOrder):
        after(an_order(), Cleared())


# --- orphans ------------------------------------------------------------------------------------


@pytest.mark.parametrize("remembered", [True, False])
@pytest.mark.parametrize("doubt", [Failed(Trouble.UNKNOWN), Begun()])
def test_a_lost_call_may_have_left_a_profile_where_calls_are_forgotten(
    remembered: bool, doubt: Event
) -> None:
    order = after(an_order(pooled=False), Begun(), doubt)
    if not order.begun:
        order = after(order, Begun())
    order = after(order, Downloaded(RESERVED, remembered))
    assert (order.todo, order.orphan) == (Todo.CONFIRM, not remembered)
    released = after(order, Begun(), Confirmed("smdp.example.net"))
    assert (released.state, released.orphan) == (OrderState.RELEASED, not remembered)
    if not remembered:
        assert not after(released, Found()).orphan
        ended = after(released, Unsubscribed())
        assert (ended.todo, ended.orphan) == (Todo.CANCEL, True)


def test_a_first_answer_leaves_no_suspicion() -> None:
    order = after(an_order(pooled=False), Begun(), Downloaded(RESERVED, False))
    assert not order.orphan
    heard = after(an_order(), Begun(), Failed(Trouble.UNKNOWN), Begun())
    assert not after(heard, Downloaded(RESERVED, False)).orphan


def test_a_late_answer_names_one_profile_and_not_the_one_before() -> None:
    order = after(an_order(pooled=False), Begun(), Failed(Trouble.UNKNOWN), Begun())
    ended = after(order, Unsubscribed())
    assert ended.orphan
    late = after(ended, Downloaded(RESERVED, False))
    assert (late.todo, late.orphan) == (Todo.CANCEL, True)
    with pytest.raises(OutOfOrder):
        after(late, Downloaded(Iccid("8944500000000000025")))
    assert not after(ended, Downloaded(RESERVED, True)).orphan
