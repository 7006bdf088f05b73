"""Subscriptions to events of lines: what befalls a line is told, once, and nothing else is."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace

import pytest

from simgrant.adapters.store.sql.store import SqlStore
from simgrant.domain.bss_events import BssEvent, Change
from simgrant.domain.camara.access_token import Method
from simgrant.domain.camara.event_subscription import (
    Befell,
    EndReason,
    Event,
    EventSubscription,
    EventType,
    Happening,
    Step,
    judged,
)
from simgrant.domain.camara.usage import Outcome, Usage
from simgrant.domain.eligibility import Eligibility
from simgrant.domain.life import follow
from simgrant.domain.line_marks import LineMark, MarkName
from simgrant.identities import Msisdn
from simgrant.ports.camara_events import Added, Claim, Due
from simgrant.ports.life import Judged, Present
from simgrant.ports.store import Change as StoreChange
from tests.conformance.test_store import IMSI, NUMBER, OTHER, T, new
from tests.event_intake import writes_nothing

NOW = 1_000
HOME = frozenset({"00101"})
OTHERS = Msisdn("491710000009")
BANKS = EventSubscription(
    subscription_id="s1",
    client_id="bank",
    api="sim-swap-subscriptions",
    type=EventType.SWAPPED,
    msisdn=NUMBER,
    two_legs=True,
    sink="https://bank.example/sink",
    access_token=b"wrapped",
    token_expires_at=90_000,
    created_at=NOW,
    sim_since=60,
)
ROAMERS = replace(
    BANKS,
    subscription_id="s2",
    api="device-roaming-status-subscriptions",
    type=EventType.ROAMING_STATUS,
    initial_event=True,
)


def judge(_tenant: str, subscription: EventSubscription, happened: Happening) -> Step:
    return judged(subscription, happened, HOME)


async def add(
    store: SqlStore,
    one: EventSubscription,
    usage_id: bytes = b"",
    *,
    happened: Happening | None = None,
    token_ends_at: int = 0,
    most: int = 10,
) -> Added:
    """Write a subscription, with usage of its own if no other is named."""
    usage = Usage(
        usage_id=usage_id or os.urandom(16),
        at_ms=NOW * 1000,
        client_id=one.client_id,
        api=one.api,
        operation="create",
        method=Method.NONE,
        outcome=Outcome.DELIVERED,
        status=201,
    )
    return await store.camara_events.add(
        T,
        one,
        happened=happened,
        token_ends_at=token_ends_at,
        most=most,
        usage=usage,
        expires_at=NOW + 300,
    )


async def begin(store: SqlStore, *some: EventSubscription, token_ends_at: int = 0) -> None:
    """Write a line and subscriptions to it."""
    await store.add(new(IMSI, NUMBER))
    for one in some or (BANKS,):
        assert await add(store, one, token_ends_at=token_ends_at) is Added.DONE


async def test_access_tokens_of_sinks_are_wrapped_anew(store: SqlStore) -> None:
    without = replace(ROAMERS, access_token=b"", token_expires_at=0)
    ended = replace(BANKS, subscription_id="s3", access_token=b"wrapped too")
    await begin(store, BANKS, without, ended)
    events = store.camara_events
    assert await events.end(T, "s3", EndReason.SUBSCRIPTION_DELETED, at=NOW)
    assert await events.sink_tokens() == [
        (T, "s1", b"wrapped"),
        (T, "s2", b""),
        (T, "s3", b"wrapped too"),
    ]
    assert await events.sink_tokens(after=(T, "s1")) == (await events.sink_tokens())[1:]
    assert await events.sink_tokens(after=(T, "s3")) == []
    assert await events.rewrap(T, "s1", b"wrapped", b"anew")
    assert not await events.rewrap(T, "s1", b"wrapped", b"other")
    assert not await events.rewrap(T, "s9", b"wrapped", b"anew")
    assert await events.find(T, "s1") == replace(BANKS, access_token=b"anew")
    # One that has ended stays so, and its sink is told with the new one.
    assert await events.rewrap(T, "s3", b"wrapped too", b"anew too")
    assert await events.find(T, "s3") is None
    ((_, due),) = await taken(store)
    assert due.event.ended is EndReason.SUBSCRIPTION_DELETED
    assert due.subscription.access_token == b"anew too"


async def taken(store: SqlStore, *, now: int = NOW) -> list[tuple[Claim, Due]]:
    """Return all that is to be told at a time."""
    events, found = store.camara_events, []
    while claims := await events.claim(now=now, again_at=now + 60, limit=10):
        for claim in claims:
            if (due := await events.take(claim, judge, now=now)) is not None:
                found.append((claim, due))
    return found


async def told(store: SqlStore, *, now: int = NOW) -> list[Event]:
    """Return the same, and have it told."""
    found = []
    while some := await taken(store, now=now):
        for claim, due in some:
            await store.camara_events.done(claim)
            found.append(due.event)
    return found


async def test_a_subscription_is_there_until_it_ends(store: SqlStore) -> None:
    await begin(store, BANKS, ROAMERS)
    events = store.camara_events
    assert await events.find(T, "s1") == BANKS
    assert await events.find(T, "s2") == ROAMERS
    assert await events.find("blue", "s1") is None
    assert await events.list(T, "bank", BANKS.api, limit=9) == [BANKS]
    assert await events.list(T, "other", BANKS.api, limit=9) == []
    assert await events.end(T, "s1", EndReason.SUBSCRIPTION_DELETED, at=NOW)
    assert not await events.end(T, "s1", EndReason.SUBSCRIPTION_DELETED, at=NOW)
    assert await events.find(T, "s1") is None
    assert await events.list(T, "bank", BANKS.api, limit=9) == []
    (event,) = await told(store)
    assert event == Event(EventType.SWAPPED.ended, NOW, ended=EndReason.SUBSCRIPTION_DELETED)
    assert await told(store, now=NOW + 1000) == []


async def test_a_consumer_has_as_many_as_it_may(store: SqlStore) -> None:
    for number, most, became in (
        (1, 2, Added.DONE),
        (2, 2, Added.DONE),
        (3, 2, Added.FULL),
        (4, 3, Added.DONE),
    ):
        usage_id = bytes([number]) * 16
        one = replace(BANKS, subscription_id=f"n{number}")
        assert await add(store, one, usage_id, most=most) is became
        assert await store.usage.spent(T, usage_id) is (became is Added.DONE)
    other = replace(BANKS, client_id="other", subscription_id="o")
    assert await add(store, other, most=1) is Added.DONE


async def test_of_those_that_one_token_would_pay_for_there_is_one(store: SqlStore) -> None:
    ones = [replace(BANKS, subscription_id=f"n{number}") for number in range(8)]
    became = await asyncio.gather(*(add(store, one, b"the same token..") for one in ones))
    assert sorted(became) == [Added.DONE, *[Added.SPENT] * 7]
    (there,) = await store.camara_events.list(T, BANKS.client_id, BANKS.api, limit=9)
    assert there == ones[list(became).index(Added.DONE)]


# --- what befalls a line -----------------------------------------------------------------------


async def test_a_mark_that_tells_of_a_swap_is_told_once(store: SqlStore) -> None:
    await begin(store, BANKS, replace(BANKS, subscription_id="s3", msisdn=OTHERS))
    swap = LineMark(MarkName.SIM_SINCE, "90", 95)
    for _ in range(2):
        await store.set_marks(T, IMSI, [swap])
    assert await told(store) == [Event(EventType.SWAPPED, 90)]
    found = await store.camara_events.find(T, "s1")
    assert found is not None
    assert (found.counted, found.sim_since) == (1, 90)


async def test_the_first_iccid_is_no_swap_and_the_second_is(store: SqlStore) -> None:
    await begin(store)
    first = LineMark(MarkName.ICCID, "8944110000000000013", 200)
    await store.set_marks(T, IMSI, [first])
    assert await told(store) == []
    await store.set_marks(T, IMSI, [replace(first, value="8944110000000000021", at=300)])
    assert await told(store) == [Event(EventType.SWAPPED, 300)]


async def test_an_import_tells_of_a_swap_and_not_of_what_is_as_it_was(store: SqlStore) -> None:
    await begin(store)
    iccid = LineMark(MarkName.ICCID, "8944110000000000013", 200)
    row = replace(new(IMSI, NUMBER), marks=(iccid, LineMark(MarkName.SIM_SINCE, "60", 200)))
    await store.add_many([row], replace=True)
    again = replace(row, marks=(replace(iccid, at=400), *row.marks[1:]))
    await store.add_many([again], replace=True)
    assert await told(store) == []
    swapped = replace(row, marks=(LineMark(MarkName.SIM_SINCE, "500", 500), *row.marks[:1]))
    await store.add_many([swapped], replace=True)
    assert await told(store) == [Event(EventType.SWAPPED, 500)]


async def test_a_number_that_comes_to_a_line_is_a_swap_and_its_old_one_ends(
    store: SqlStore,
) -> None:
    await begin(store, BANKS, replace(BANKS, subscription_id="s3", msisdn=OTHERS))
    await store.change(T, IMSI, StoreChange(msisdn=OTHERS), now=400)
    events = sorted(await told(store), key=lambda each: each.type)
    assert events == [
        Event(EventType.SWAPPED.ended, NOW, ended=EndReason.NETWORK_TERMINATED),
        Event(EventType.SWAPPED, 400),
    ]
    assert await store.camara_events.find(T, "s1") is None
    # And by an import.
    await store.add_many([new(IMSI, NUMBER)], replace=True)
    (event,) = await told(store)
    assert event.ended is EndReason.NETWORK_TERMINATED


async def test_whoever_is_gone_is_told_of_no_more(store: SqlStore) -> None:
    await begin(store)
    await store.remove(T, IMSI, now=400)
    (event,) = await told(store)
    assert event.ended is EndReason.NETWORK_TERMINATED


async def test_an_erased_line_leaves_nothing(store: SqlStore) -> None:
    await begin(store)
    await store.set_marks(T, IMSI, [LineMark(MarkName.SIM_SINCE, "90", 95)])
    await store.erase(T, IMSI, (), now=90)
    assert await store.camara_events.find(T, "s1") is None
    assert await told(store) == []


async def test_another_network_is_told(store: SqlStore) -> None:
    await begin(store, BANKS, ROAMERS)
    await store.change(T, IMSI, StoreChange(visited_plmn="20801"), now=400)
    assert await told(store) == [Event(EventType.ROAMING_STATUS, 400, roaming=True, mcc="208")]
    await store.change(T, IMSI, StoreChange(visited_plmn="20810"), now=500)
    assert await told(store) == []
    await store.change(T, IMSI, StoreChange(visited_plmn="00101"), now=600)
    assert await told(store) == [Event(EventType.ROAMING_STATUS, 600, roaming=False)]


async def befalls(store: SqlStore, event: BssEvent, *, now: int = NOW) -> None:
    """Have a BSS tell of an event, and it followed."""
    assert await store.life.take(T, "bss", [event], now=now, future_s=60, scribe=writes_nothing)

    def judge_life(present: Present) -> Judged:
        step = follow(present.life, event)
        return Judged(
            present.life,
            step.life,
            revokes=step.revokes,
            changed=True,
            moves_to=step.moves_to,
            done=tuple((waiting, step.done) for waiting in present.events),
        )

    for claim in await store.life.claim(now_ms=now * 1000, again_ms=now * 1000 + 1, limit=10):
        await store.life.settle([claim], judge_life, now=now, again_ms=now * 1000 + 1)


@pytest.mark.parametrize(
    "event",
    [
        BssEvent(event_id="1", change=Change.SIM_SWAPPED, at=700, imsi=IMSI),
        BssEvent(event_id="1", change=Change.IMSI_CHANGED, at=700, imsi=IMSI, new_imsi=OTHER),
    ],
)
async def test_a_swap_that_a_bss_tells_is_told(store: SqlStore, event: BssEvent) -> None:
    await begin(store)
    await befalls(store, event)
    assert await told(store) == [Event(EventType.SWAPPED, 700)]
    # Its subscription went along with the number.
    imsi = event.new_imsi or IMSI
    await store.set_marks(T, imsi, [LineMark(MarkName.SIM_SINCE, "800", 800)])
    assert await told(store) == [Event(EventType.SWAPPED, 800)]


async def test_a_network_that_a_bss_tells_is_told(store: SqlStore) -> None:
    await begin(store, ROAMERS)
    abroad = BssEvent(
        event_id="1",
        change=Change.CHANGED,
        at=700,
        imsi=IMSI,
        told=Eligibility(visited_plmn="20801"),
    )
    await befalls(store, abroad)
    assert await told(store) == [Event(EventType.ROAMING_STATUS, 700, roaming=True, mcc="208")]


async def test_whoever_ports_out_is_told_of_no_more(store: SqlStore) -> None:
    await begin(store)
    await befalls(store, BssEvent(event_id="1", change=Change.PORTED_OUT, at=700, imsi=IMSI))
    (event,) = await told(store)
    assert event.ended is EndReason.NETWORK_TERMINATED


async def test_nothing_befalls_a_test_number(store: SqlStore) -> None:
    await begin(store, replace(BANKS, sandbox=True))
    await store.set_marks(T, IMSI, [LineMark(MarkName.SIM_SINCE, "90", 95)])
    assert await told(store) == []
    assert await store.camara_events.find(T, "s1") is not None


# --- the outbox --------------------------------------------------------------------------------


async def test_what_was_claimed_and_never_settled_comes_again_with_its_id(store: SqlStore) -> None:
    await begin(store)
    await store.set_marks(T, IMSI, [LineMark(MarkName.SIM_SINCE, "90", 95)])
    ((first, due),) = await taken(store)
    assert await taken(store, now=NOW + 59) == []
    ((second, again),) = await taken(store, now=NOW + 60)
    assert (second.event_id, again.event) == (first.event_id, due.event)
    assert (first.tries, second.tries) == (1, 2)
    # Counted when it was judged, and only then.
    assert again.subscription.counted == 1
    # Whoever was too slow settles nothing.
    await store.camara_events.done(first)
    await store.camara_events.later(first, again_at=0)
    assert await taken(store, now=NOW + 61) == []
    await store.camara_events.later(second, again_at=NOW + 70)
    ((third, _),) = await taken(store, now=NOW + 70)
    await store.camara_events.done(third)
    assert await taken(store, now=NOW + 9999) == []


async def test_of_two_who_take_a_row_one_gets_it(store: SqlStore) -> None:
    await begin(store)
    await store.set_marks(T, IMSI, [LineMark(MarkName.SIM_SINCE, "90", 95)])
    events = store.camara_events
    (old,) = await events.claim(now=NOW, again_at=NOW, limit=10)
    (newer,) = await events.claim(now=NOW, again_at=NOW + 60, limit=10)
    assert await events.take(old, judge, now=NOW) is None
    assert await events.take(newer, judge, now=NOW) is not None


async def test_the_last_event_comes_before_the_end(store: SqlStore) -> None:
    await begin(store, replace(BANKS, max_events=2))
    claims = []
    events = store.camara_events
    ends = 0
    # Nothing is settled yet, so the end has to wait.
    for now in range(NOW, NOW + 6):
        await store.set_marks(T, IMSI, [LineMark(MarkName.SIM_SINCE, str(now), now)])
        for claim, due in await taken(store, now=now):
            claims.append(claim)
            ends += due.event.ended is not None
    assert await events.find(T, "s1") is None
    assert (len(claims), ends) == (2, 0)
    for claim in claims:
        await events.done(claim)
    (event,) = await told(store, now=NOW + 10)
    assert event.ended is EndReason.MAX_EVENTS_REACHED
    assert await told(store, now=NOW + 9999) == []


@pytest.mark.parametrize(
    ("one", "token_ends_at", "reason"),
    [
        (replace(BANKS, expires_at=2_000), 3_000, EndReason.SUBSCRIPTION_EXPIRED),
        (replace(BANKS, expires_at=3_000), 2_000, EndReason.ACCESS_TOKEN_EXPIRED),
    ],
)
async def test_a_subscription_ends_at_its_time(
    store: SqlStore, one: EventSubscription, token_ends_at: int, reason: EndReason
) -> None:
    await begin(store, one, token_ends_at=token_ends_at)
    assert await told(store, now=1_999) == []
    assert await store.camara_events.find(T, "s1") == one
    (event,) = await told(store, now=2_000)
    assert event.ended is reason
    assert await told(store, now=9_000) == []


async def test_what_it_is_told_first_is_there_at_once(store: SqlStore) -> None:
    await store.add(new(IMSI, NUMBER))
    begun = Happening(Befell.BEGUN, NOW, "20801")
    one = replace(ROAMERS, plmn="20801", max_events=1)
    assert await add(store, one, happened=begun) is Added.DONE
    events = await told(store) + await told(store, now=NOW + 9)
    assert events[0] == Event(EventType.ROAMING_STATUS, NOW, roaming=True, mcc="208")
    assert [each.ended for each in events] == [None, EndReason.MAX_EVENTS_REACHED]


async def test_a_sink_that_is_gone_is_told_nothing_more(store: SqlStore) -> None:
    await begin(store, BANKS, ROAMERS)
    await store.set_marks(T, IMSI, [LineMark(MarkName.SIM_SINCE, "90", 95)])
    ((claim, _),) = await taken(store)
    await store.camara_events.drop(claim)
    assert await store.camara_events.find(T, "s1") is None
    assert await store.camara_events.find(T, "s2") == ROAMERS
    assert await told(store, now=NOW + 9999) == []
