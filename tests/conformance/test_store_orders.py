"""Orders and the stock of profiles: kept exactly, given to one, changed by who saw them last."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from simgrant.adapters.store.sql.order_rows import from_order, to_kept
from simgrant.adapters.store.sql.store import SqlStore
from simgrant.domain import order as domain
from simgrant.domain.bss_events import BssEvent, Change
from simgrant.domain.order import (
    Begun,
    Cancelled,
    CompanionService,
    Confirmed,
    Device,
    Downloaded,
    Event,
    Failed,
    GivenUp,
    Installed,
    Kind,
    Order,
    OrderState,
    Source,
    Todo,
    Trouble,
    Unsubscribed,
)
from simgrant.domain.owner import Enterprise, Owner
from simgrant.domain.pace import Pace
from simgrant.identities import Eid, Iccid, Imsi
from simgrant.ports.orders import NoStock, Shelf, TokenOver, TooFast, TooMany
from simgrant.ports.store import TokenState, TokenUse
from tests.conformance.test_store import IMEI, IMSI, OTHER, PUSH, TERMINAL, T, accept, new
from tests.conformance.test_store_life import act, judging, take

EID = Eid("89049032123451234512345678901235")
MOVED = BssEvent(event_id="1", change=Change.IMSI_CHANGED, at=900, imsi=OTHER, new_imsi=IMSI)


def iccids(count: int, first: int = 1) -> list[Iccid]:
    return [Iccid(f"89445{number:014d}") for number in range(first, first + count)]


def an_order(place: str = "eid 1", *, pooled: bool = True, number: int = 0) -> Order:
    return domain.begin(
        Order(
            order_id=f"{number:032x}",
            app_id="ap2004",
            kind=Kind.SUBSCRIBE,
            place=place,
            state=OrderState.ORDERED,
            device=Device("350000000000017", EID, "ACME", "W1", "1", 'My "watch" \u231a<b>'),
            source=Source("main", "watch", pooled),
            matching_id="AB-12",
            created_at=10,
            changed_at=10,
            service=CompanionService.SHARED,
        ),
        call_id="call-0",
    )


async def stocked(store: SqlStore, count: int) -> None:
    assert await store.orders.add_stock(T, "main", "watch", iccids(count)) == count


async def made(store: SqlStore, order: Order, imsi: Imsi = IMSI) -> Order:
    written = await store.orders.make(T, imsi, order, instead_of=None, due_at=20)
    assert written is not None
    return written


async def passed(
    store: SqlStore, order: Order, events: Iterable[Event], *, due_at: int | None = None
) -> Order:
    for event in events:
        after = domain.step(order, event, at=order.changed_at + 1, call_id="call-1")
        assert await store.orders.change(
            T, IMSI, after, before=order, event=type(event).__name__, due_at=due_at
        )
        order = after
    return order


async def test_an_order_is_kept_as_it_is_with_a_profile_of_ours(store: SqlStore) -> None:
    await stocked(store, 3)
    order = await made(store, an_order())
    assert order.iccid in iccids(3)
    assert replace(order, iccid=None) == an_order()
    assert await store.orders.of(T, IMSI) == [order]
    assert await store.orders.of(T, OTHER) == []
    assert await store.orders.of("blue", IMSI) == []
    assert await store.orders.stock(T) == [Shelf("main", "watch", 2, 1)]
    assert order.iccid is not None
    found = await store.orders.by_iccid(T, order.iccid)
    assert found is not None
    assert (found.owner, found.order) == (IMSI, order)
    assert await store.orders.by_iccid("blue", order.iccid) is None


async def test_stock_is_added_once_and_of_one_tenant(store: SqlStore) -> None:
    await stocked(store, 600)
    assert await store.orders.add_stock(T, "main", "phone", iccids(601)) == 1
    assert await store.orders.stock(T) == [
        Shelf("main", "phone", 1, 0),
        Shelf("main", "watch", 600, 0),
    ]
    assert await store.orders.stock("blue") == []


async def test_without_stock_nothing_is_written(store: SqlStore) -> None:
    with pytest.raises(NoStock):
        await store.orders.make(T, IMSI, an_order(), instead_of=None, due_at=20)
    assert await store.orders.of(T, IMSI) == []


async def test_an_empty_shelf_is_passed_over_for_the_next_that_has_a_profile(
    store: SqlStore,
) -> None:
    await stocked(store, 1)
    await store.orders.add_stock(T, "south", "W-2", iccids(1, 50))
    sources = (Source("north", "none"), Source("south", "W-2"), Source("west", "", pooled=False))
    found = []
    for number in range(3):
        wanted = an_order(f"eid {number}", number=number)
        order = await store.orders.make(
            T, IMSI, wanted, instead_of=None, due_at=20, otherwise=sources
        )
        assert order is not None
        found.append((order.source, order.iccid))
    assert found == [
        (Source("main", "watch"), iccids(1)[0]),
        (sources[1], iccids(1, 50)[0]),
        (sources[2], None),
    ]
    assert [kept.source for kept in await store.orders.of(T, IMSI)] == [each for each, _ in found]
    with pytest.raises(NoStock):
        await store.orders.make(
            T, IMSI, an_order("eid 4"), instead_of=None, due_at=20, otherwise=sources[:2]
        )


async def test_where_the_smdp_chooses_its_choice_is_noted(store: SqlStore) -> None:
    order = await made(store, an_order(pooled=False))
    assert order.iccid is None
    (iccid,) = iccids(1)
    order = await passed(store, order, [Begun(), Downloaded(iccid)])
    found = await store.orders.by_iccid(T, iccid)
    assert found is not None
    assert found.order == order
    assert await store.orders.stock(T) == [Shelf("main", "watch", 0, 1)]


async def test_of_two_who_make_an_order_at_one_place_one_does(store: SqlStore) -> None:
    await stocked(store, 5)
    both = await asyncio.gather(
        *(
            store.orders.make(T, IMSI, an_order(number=number), instead_of=None, due_at=20)
            for number in range(2)
        )
    )
    (winner,) = [order for order in both if order is not None]
    assert await store.orders.of(T, IMSI) == [winner]
    assert await store.orders.stock(T) == [Shelf("main", "watch", 4, 1)]


async def test_no_profile_is_given_twice_and_the_last_ones_are_found(store: SqlStore) -> None:
    await stocked(store, 12)
    outcomes = await asyncio.gather(
        *(
            store.orders.make(
                T, IMSI, an_order(f"eid {number}", number=number), instead_of=None, due_at=20
            )
            for number in range(15)
        ),
        return_exceptions=True,
    )
    given = [outcome.iccid for outcome in outcomes if isinstance(outcome, Order)]
    assert len(given) == len(set(given)) == 12
    assert sum(isinstance(outcome, NoStock) for outcome in outcomes) == 3


async def test_only_who_saw_it_last_changes_an_order(store: SqlStore) -> None:
    await stocked(store, 1)
    order = await made(store, an_order())
    begun = domain.step(order, Begun(), at=11, call_id="")
    ended = domain.step(order, Unsubscribed(), at=12, call_id="")
    changes = await asyncio.gather(
        *(
            store.orders.change(T, IMSI, after, before=order, event="x", due_at=None)
            for after in (begun, ended)
        )
    )
    assert sorted(changes) == [False, True]
    (kept,) = await store.orders.of(T, IMSI)
    assert kept == (begun if changes[0] else ended)


async def test_a_spared_profile_is_free_again(store: SqlStore) -> None:
    await stocked(store, 1)
    order = await made(store, an_order())
    ended = await passed(store, order, [Unsubscribed()])
    assert ended.spared
    assert await store.orders.stock(T) == [Shelf("main", "watch", 1, 0)]
    assert order.iccid is not None
    assert await store.orders.by_iccid(T, order.iccid) is None
    again = await store.orders.make(T, IMSI, an_order(number=2), instead_of=ended, due_at=20)
    assert again is not None
    found = await store.orders.by_iccid(T, order.iccid)
    assert found is not None
    assert found.order == again


async def test_a_profile_that_was_given_back_is_free_and_a_used_one_is_not(
    store: SqlStore,
) -> None:
    await stocked(store, 2)
    order = await made(store, an_order())
    assert order.iccid is not None
    released: list[Event] = [
        Begun(),
        Downloaded(order.iccid),
        Begun(),
        Confirmed("smdp.example.net"),
    ]
    order = await passed(store, order, [*released, Unsubscribed()], due_at=30)
    assert await store.orders.stock(T) == [Shelf("main", "watch", 1, 1)]
    await passed(store, order, [Begun(), Cancelled()])
    assert await store.orders.stock(T) == [Shelf("main", "watch", 2, 0)]


async def test_a_place_is_taken_again_when_its_order_is_over(store: SqlStore) -> None:
    await stocked(store, 2)
    order = await made(store, an_order())
    taken = await passed(store, order, [Begun(), Failed(Trouble.IN_USE)])
    assert (taken.state, taken.spared) == (OrderState.ENDED, False)
    second = an_order(number=2)
    wrong = replace(taken, version=9)
    assert await store.orders.make(T, IMSI, second, instead_of=None, due_at=1) is None
    assert await store.orders.make(T, IMSI, second, instead_of=wrong, due_at=1) is None
    again = await store.orders.make(T, IMSI, second, instead_of=taken, due_at=1)
    assert again is not None
    assert again.iccid != taken.iccid
    assert await store.orders.of(T, IMSI) == [again]
    assert taken.iccid is not None
    assert await store.orders.by_iccid(T, taken.iccid) is None
    assert await store.orders.stock(T) == [Shelf("main", "watch", 0, 2)]


async def test_what_is_still_to_be_done_keeps_its_place(store: SqlStore) -> None:
    await stocked(store, 2)
    order = await made(store, an_order())
    ended = await passed(store, order, [Begun(), Unsubscribed()], due_at=50)
    assert ended.todo is not None
    assert await store.orders.make(T, IMSI, an_order(number=2), instead_of=None, due_at=1) is None


async def test_who_claims_an_order_has_it_for_a_while(store: SqlStore) -> None:
    await stocked(store, 9)
    orders = {
        place: await made(store, an_order(place, number=number))
        for number, place in enumerate(("eid 1", "eid 2", "eid 3"))
    }
    await passed(store, orders["eid 3"], [Unsubscribed()])
    assert await store.orders.claim(now=19, again_at=60, limit=9) == []
    claims = await asyncio.gather(
        *(store.orders.claim(now=20, again_at=60, limit=9) for _ in range(3))
    )
    claimed = [kept for some in claims for kept in some]
    assert {(kept.tenant, kept.owner, kept.order.place) for kept in claimed} == {
        (T, IMSI, "eid 1"),
        (T, IMSI, "eid 2"),
    }
    assert len(claimed) == 2
    assert await store.orders.claim(now=59, again_at=60, limit=9) == []
    assert len(await store.orders.claim(now=60, again_at=99, limit=9)) == 2


async def test_every_transition_is_remembered(store: SqlStore) -> None:
    await stocked(store, 1)
    order = await made(store, an_order())
    await passed(store, order, [Begun(), Failed(Trouble.REFUSED, "1.2")])
    told = await store.orders.history(T, IMSI)
    assert [(one.at, one.version, one.event, one.before, one.after, one.todo) for one in told] == [
        (10, 0, "made", "", "ordered", "download_order"),
        (11, 1, "Begun", "ordered", "ordered", "download_order"),
        (12, 2, "Failed", "ordered", "ended", ""),
    ]
    assert told[-1].reason == "1.2"


async def test_orphans_are_found(store: SqlStore) -> None:
    order = await made(store, an_order(pooled=False))
    assert await store.orders.orphans(T) == []
    order = await passed(store, order, [Begun(), Unsubscribed()])
    assert [kept.order for kept in await store.orders.orphans(T)] == [order]
    assert await store.orders.orphans("blue") == []
    await passed(store, order, [Downloaded(iccids(1)[0])])
    assert await store.orders.orphans(T) == []


async def test_clients_are_told_of_a_transition_that_they_wait_for(store: SqlStore) -> None:
    await store.add(new())
    await stocked(store, 1)
    await store.register_push(T, IMSI, [PUSH])
    order = await made(store, an_order())
    begun = domain.step(order, Begun(), at=11, call_id="")
    assert await store.orders.change(T, IMSI, begun, before=order, event="x", due_at=1)
    assert not await store.claim_notices(now=100, again_at=200, limit=9)
    after = domain.step(begun, Unsubscribed(), at=12, call_id="")
    assert await store.orders.change(T, IMSI, after, before=begun, event="x", due_at=1, tell=True)
    (notice,) = await store.claim_notices(now=100, again_at=200, limit=9)
    assert (notice.app_id, notice.at) == ("ap2004", 12)


NEW_IMEI, OTHER_IMEI = "350000000000033", "350000000000041"
LENT = b"t" * 16


def a_move() -> Order:
    order = replace(an_order(domain.LINE), kind=Kind.TRANSFER, lent=LENT.hex(), asked_by=OTHER_IMEI)
    return replace(order, device=replace(order.device, terminal_id=NEW_IMEI))


async def token_state(store: SqlStore) -> TokenState:
    use = await store.token_use(T, IMSI, LENT)
    assert use is not None
    return use.state


async def bind(store: SqlStore) -> None:
    use = TokenUse(TokenState.BOUND, 5, 300, b"h" * 32)
    assert await store.use_token(T, IMSI, LENT, use, expected=None)


async def test_when_a_line_has_moved_what_it_left_is_over_and_told(store: SqlStore) -> None:
    await store.add(new())
    await stocked(store, 1)
    for number, imei in enumerate((IMEI, NEW_IMEI, OTHER_IMEI)):
        terminal = replace(TERMINAL, terminal_id=imei)
        assert await accept(store, session=bytes([number]) * 16, terminal=terminal)
        await store.register_push(T, IMSI, [replace(PUSH, terminal_id=imei)])
    await bind(store)

    async def epochs() -> list[int | None]:
        found = [
            await store.profile(T, IMSI, imei, "client-1") for imei in (IMEI, NEW_IMEI, OTHER_IMEI)
        ]
        return [None if profile is None else profile.terminal_epoch for profile in found]

    released = await passed(
        store,
        await made(store, a_move()),
        [Begun(), Downloaded(iccids(1)[0]), Begun(), Confirmed("smdp.example.net")],
    )
    assert (await epochs(), await token_state(store)) == ([0, 0, 0], TokenState.BOUND)
    assert not await store.claim_notices(now=100, again_at=200, limit=9)
    active = await passed(store, released, [Installed()])
    assert (await epochs(), await token_state(store)) == ([1, 0, 0], TokenState.MOVED)
    (notice,) = await store.claim_notices(now=100, again_at=200, limit=9)
    assert (notice.terminal_id, notice.app_id, notice.cause) == (IMEI, "ap2004", "line_moved")
    # It is told once.
    again = await passed(store, active, [Installed()])
    assert await epochs() == [1, 0, 0]
    assert not await store.claim_notices(now=100, again_at=200, limit=9)
    await passed(store, again, [Unsubscribed()])
    assert await token_state(store) is TokenState.CONSUMED


@pytest.mark.parametrize("state", [None, TokenState.REDEEMED, TokenState.MOVED])
async def test_with_a_token_that_is_over_nothing_is_ordered(
    store: SqlStore, state: TokenState | None
) -> None:
    await store.add(new())
    await stocked(store, 1)
    if state is not None:
        use = TokenUse(state, 5, 300, b"h" * 32)
        assert await store.use_token(T, IMSI, LENT, use, expected=None)
    with pytest.raises(TokenOver):
        await store.orders.make(T, IMSI, a_move(), instead_of=None, due_at=20)
    assert await store.orders.of(T, IMSI) == []
    assert await store.orders.stock(T) == [Shelf("main", "watch", 1, 0)]


async def test_a_token_is_over_with_its_order(store: SqlStore) -> None:
    await store.add(new())
    await stocked(store, 2)
    await bind(store)
    order = await made(store, a_move())
    ended = await passed(store, order, [Unsubscribed()])
    assert await token_state(store) is TokenState.CONSUMED
    with pytest.raises(TokenOver):
        await store.orders.make(T, IMSI, a_move(), instead_of=ended, due_at=20)
    assert await store.orders.of(T, IMSI) == [ended]


async def test_who_is_erased_has_no_orders_and_no_profiles(store: SqlStore) -> None:
    await store.add(new())
    await stocked(store, 2)
    order = await made(store, an_order())
    await store.erase(T, IMSI, [], now=90)
    assert await store.orders.of(T, IMSI) == []
    assert await store.orders.history(T, IMSI) == []
    assert order.iccid is not None
    assert await store.orders.by_iccid(T, order.iccid) is None
    # The SM-DP+ has it as ordered, so it is nobody else's either.
    assert await store.orders.stock(T) == [Shelf("main", "watch", 1, 1)]


@pytest.mark.parametrize("how", ["erased", "comes back", "another line gets the IMSI"])
async def test_what_is_to_be_given_back_of_who_is_gone_is_given_back(
    store: SqlStore, how: str
) -> None:
    """For nobody's sake: neither he nor who has his IMSI by then is known by it."""
    await store.add(new())
    await stocked(store, 2)
    order = await made(store, an_order())
    order = await passed(store, order, [Begun()])
    if how == "erased":
        assert (await store.erase(T, IMSI, [], now=90)).left == 1
    elif how == "comes back":
        await store.remove(T, IMSI, now=80)
        await store.add(new())
    else:
        await store.remove(T, IMSI, now=80)
        await store.add(new(OTHER, None))
        await take(store, MOVED)
        await act(store, judge=judging(moves_to=IMSI))
    assert await store.orders.of(T, IMSI) == []
    assert await store.orders.history(T, IMSI) == []
    found = await store.orders.claim(now=10**9, again_at=10**9 + 60, limit=9)
    (left,) = found
    assert (left.owner, left.order.todo, left.order.device.eid) == (
        IMSI,
        Todo.CANCEL,
        order.device.eid,
    )
    assert left.order.device.terminal_id == ""
    assert await store.orders.by_id(T, order.order_id) == [left]
    # It is back: nothing is left of it, and somebody else may have it.
    await passed(store, left.order, [Cancelled()])
    assert await store.orders.by_id(T, order.order_id) == []
    assert await store.orders.history(T, IMSI) == []
    assert await store.orders.stock(T) == [Shelf("main", "watch", 2, 0)]


@pytest.mark.parametrize("knew", [False, True])
@pytest.mark.parametrize("state", [OrderState.ACTIVE, OrderState.INACTIVE, OrderState.RELEASED])
def test_what_was_installed_before_that_was_noted_is_on(state: OrderState, *, knew: bool) -> None:
    """In the network: an older version wrote its row, or one that switched no devices then."""
    order = replace(an_order(), state=state)
    members = msgspec.json.decode(from_order(order))
    if not knew:
        del members["switched"]
    body = msgspec.json.encode(members)
    on = replace(order, switched=state is OrderState.ACTIVE)
    assert to_kept((T, IMSI.digits, body), {T}).order == on
    assert to_kept((T, "enterprise:acme", body), {T}).order == order
    assert to_kept((T, IMSI.digits, body), {"other"}).order == order


@pytest.mark.parametrize("how", ["ended", "erased"])
async def test_what_was_installed_before_devices_were_switched_goes_off(
    store: SqlStore, how: str
) -> None:
    await store.add(new())
    await stocked(store, 1)
    order = await made(store, an_order())
    assert order.iccid is not None
    ready = (Begun(), Downloaded(order.iccid), Begun(), Confirmed("smdp.example.net"))
    order = await passed(store, order, [*ready, Installed()])
    assert (order.state, order.switched) == (OrderState.ACTIVE, False)
    # The same rows, by settings that switch devices.
    store = SqlStore(store._engine, store._records, devices=frozenset({T}))
    if how == "erased":
        assert (await store.erase(T, IMSI, [], now=90)).left == 1
    else:
        (order,) = await store.orders.of(T, IMSI)
        await passed(store, order, [GivenUp("line_gone")], due_at=90)
    (left,) = await store.orders.claim(now=10**9, again_at=10**9 + 60, limit=9)
    assert (left.order.state, left.order.todo) == (OrderState.ENDED, Todo.SWITCH)


ACME, GLOBEX = Enterprise("acme"), Enterprise("globex")


async def fleet(
    store: SqlStore, count: int, owner: Owner = ACME, *, first: int = 0, **bounds: Any
) -> list[Order]:
    """Let as many devices at once have an order of an enterprise, and return those that do."""
    outcomes = await asyncio.gather(
        *(
            store.orders.make(
                T, owner, an_order(f"id {n}", number=n), instead_of=None, due_at=20, **bounds
            )
            for n in range(first, first + count)
        ),
        return_exceptions=True,
    )
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, TooMany | TooFast):
            raise outcome
    return [outcome for outcome in outcomes if isinstance(outcome, Order)]


async def test_an_enterprise_has_orders_as_a_subscription_has(store: SqlStore) -> None:
    await stocked(store, 9)
    orders = await fleet(store, 3)
    other = await store.orders.make(
        T, GLOBEX, an_order("id 0", number=9), instead_of=None, due_at=20
    )
    assert other is not None
    assert list(await store.orders.of(T, ACME)) == orders
    assert await store.orders.at(T, ACME, "id 1") == orders[1]
    assert await store.orders.at(T, GLOBEX, "id 1") is None
    assert await store.orders.at("blue", ACME, "id 1") is None
    assert other.iccid is not None
    found = await store.orders.by_iccid(T, other.iccid)
    assert found is not None
    assert (found.owner, found.order) == (GLOBEX, other)
    claimed = []
    while some := await store.orders.claim(now=20, again_at=90, limit=9):
        claimed += [(kept.owner, kept.order.place) for kept in some]
    assert sorted(claimed, key=str) == sorted(
        [(ACME, "id 0"), (ACME, "id 1"), (ACME, "id 2"), (GLOBEX, "id 0")], key=str
    )
    assert [each.event for each in await store.orders.history(T, GLOBEX)] == ["made"]


async def test_an_enterprise_has_no_more_than_it_may(store: SqlStore) -> None:
    await stocked(store, 20)
    assert len(await fleet(store, 9, most=4)) == 4
    assert await store.orders.live_of(T, ACME) == 4
    assert await store.orders.live_of(T, GLOBEX) == 0
    assert await store.orders.stock(T) == [Shelf("main", "watch", 16, 4)]
    one = (await store.orders.of(T, ACME))[0]
    after = domain.step(one, Unsubscribed(), at=20, call_id="c")
    for _ in range(2):  # the second is of who saw it live, and changes nothing
        await store.orders.change(T, ACME, after, before=one, event="over", due_at=None)
    assert await store.orders.live_of(T, ACME) == 3
    other, *_ = (each for each in await store.orders.of(T, ACME) if each.place != one.place)
    for event in (Begun(), Unsubscribed(), Begun(), Cancelled()):
        after = domain.step(other, event, at=20, call_id="c")
        assert await store.orders.change(T, ACME, after, before=other, event="", due_at=None)
        other = after
    assert await store.orders.live_of(T, ACME) == 2, "it ended once"
    assert await fleet(store, 1, most=4, first=50)
    again = an_order("id 77", number=77)
    for made_it in (True, False):
        try:
            assert await store.orders.make(T, ACME, again, instead_of=None, due_at=20, most=4)
        except TooMany:
            assert not made_it
        again = replace(again, place="id 78")
    assert await store.orders.live_of(T, ACME) == 4


async def test_an_enterprise_makes_no_more_in_an_hour_than_it_may(store: SqlStore) -> None:
    await stocked(store, 20)
    assert len(await fleet(store, 6, most_an_hour=4)) == 4
    order = replace(an_order("id 9", number=9), created_at=3_590, changed_at=3_590)
    with pytest.raises(TooFast) as caught:
        await store.orders.make(T, ACME, order, instead_of=None, due_at=20, most_an_hour=4)
    assert caught.value.retry_after == 10
    assert await store.orders.make(T, GLOBEX, order, instead_of=None, due_at=20, most_an_hour=4)
    order = replace(order, changed_at=3_600)
    assert await store.orders.make(T, ACME, order, instead_of=None, due_at=20, most_an_hour=4)
    assert await store.orders.live_of(T, ACME) == 5


async def test_what_is_not_made_is_not_counted(store: SqlStore) -> None:
    await stocked(store, 2)
    (order,) = await fleet(store, 1, most_an_hour=2)
    assert await store.orders.make(T, ACME, order, instead_of=None, due_at=20) is None
    await made(store, an_order(number=7))
    with pytest.raises(NoStock):
        await store.orders.make(
            T, ACME, an_order("id 5", number=5), instead_of=None, due_at=20, most_an_hour=2
        )
    assert await store.orders.live_of(T, ACME) == 1


async def test_the_orders_of_an_enterprise_are_forgotten(store: SqlStore) -> None:
    await stocked(store, 5)
    await fleet(store, 2)
    theirs = await fleet(store, 1, GLOBEX, first=5)
    ours = await made(store, an_order(number=7))
    device, pace = ours.device, Pace(86_400, per_eid=9)
    assert (await store.orders.used(T, ACME, device, pace, at=10)).eid == 4
    assert await store.orders.forget(T, ACME) == 2
    assert (await store.orders.used(T, ACME, device, pace, at=10)).eid == 2
    assert await store.orders.of(T, ACME) == []
    assert await store.orders.history(T, ACME) == []
    assert await store.orders.live_of(T, ACME) == 0
    assert await store.orders.of(T, GLOBEX) == theirs
    assert await store.orders.of(T, IMSI) == [ours]
    assert await store.orders.stock(T) == [Shelf("main", "watch", 1, 4)]
