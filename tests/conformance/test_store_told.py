"""What a BSS told: kept, doubted by events, and never overwritten by what was asked before."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from simgrant.adapters.store.sql.store import SqlStore
from simgrant.domain.bss_events import BssEvent, Change
from simgrant.domain.eligibility import Aspect, Eligibility
from simgrant.domain.risk import NumberType
from simgrant.domain.subscription import ConsentStatus, SubscriptionStatus
from simgrant.domain.told import NEVER_TOLD, SETTLES_S, Told
from simgrant.identities import Imsi, Msisdn
from simgrant.ports.life import FOUND
from simgrant.ports.network_events import Effect, NetworkEvent
from simgrant.ports.told import STEADY_S
from simgrant.spec.ids import ProvStatus
from tests.conformance.test_store import IMSI, OTHER, T, compared, new
from tests.event_intake import writes_nothing

ALL = Eligibility(
    status=SubscriptionStatus.SUSPENDED,
    plan="premium",
    options=frozenset({"vowifi", "companion"}),
    refusals=frozenset(),
    terms=ConsentStatus.GIVEN,
    address=ConsentStatus.IN_PROGRESS,
    provisioning=ProvStatus.PROVISIONED,
    visited_plmn="26201",
    msisdn=Msisdn("447700900002"),
    number_type=NumberType.VOIP,
    prepaid=False,
    port_freeze=True,
    customer_since=2**40,
    sim_since=0,
)


def told(eligibility: Eligibility | None = ALL, *, at: int = 100) -> Told:
    asked = frozenset(Aspect)
    return Told(eligibility=eligibility, asked=asked, source="bss.main", changed_at=at, asked_at=at)


@pytest.mark.parametrize("eligibility", [ALL, Eligibility(), None])
async def test_what_was_told_comes_back(store: SqlStore, eligibility: Eligibility | None) -> None:
    await store.add(new())
    assert await store.told.told(T, IMSI) is None
    assert await store.told.keep(T, IMSI, told(eligibility)) == told(eligibility)
    assert await store.told.told(T, IMSI) == told(eligibility)


async def test_it_is_known_since_when_it_is_told(store: SqlStore) -> None:
    await store.add(new())
    await store.told.keep(T, IMSI, told(at=100))
    again = await store.told.keep(T, IMSI, told(at=200))
    assert (again.changed_at, again.asked_at) == (100, 200)
    other = await store.told.keep(T, IMSI, told(replace(ALL, plan="basic"), at=300))
    assert (other.changed_at, other.asked_at) == (300, 300)
    assert await store.told.told(T, IMSI) == other


async def test_those_that_are_kept_at_once_get_each_their_own(store: SqlStore) -> None:
    imsis = [Imsi(f"00101{number:010d}") for number in range(30)]
    await store.add_many(new(imsi, None) for imsi in imsis)
    await store.told.keep(T, imsis[3], told(at=100))
    await store.told.doubt(T, imsis[4], at=150)
    kept = await asyncio.gather(*(store.told.keep(T, imsi, told(at=200)) for imsi in imsis))
    assert [each.changed_at for each in kept] == [200, 200, 200, 100, *[200] * 26]
    assert [each.doubted_at for each in kept] == [0, 0, 0, 0, 150, *[0] * 25]
    assert [await store.told.told(T, imsi) for imsi in imsis] == kept
    # Of one subscription, too: the one that was asked later stays.
    again = (replace(ALL, plan=name) for name in ("a", "b", "c"))
    plans = [told(each, at=300 + at) for at, each in enumerate(again)]
    stranger = told(at=400)
    *_, last = await asyncio.gather(
        *(store.told.keep(T, imsis[0], each) for each in plans),
        store.told.keep(T, Imsi("999990000000001"), stranger),
    )
    assert last == stranger
    assert await store.told.told(T, imsis[0]) == plans[-1]


async def test_it_is_read_with_the_subscription_where_that_is_wanted(store: SqlStore) -> None:
    await store.add(new())

    async def kept(*, wanted: bool) -> Told | None:
        profile = await store.profile(T, IMSI, "imei", "client", told=wanted)
        plain = await store.profile(T, IMSI, "imei", "client")
        assert profile is not None
        assert plain == replace(profile, kept=None)
        return profile.kept

    assert await kept(wanted=True) is NEVER_TOLD
    await store.told.doubt(T, IMSI, at=50)
    assert await kept(wanted=True) is NEVER_TOLD
    await store.told.keep(T, IMSI, told())
    assert await kept(wanted=True) == await store.told.told(T, IMSI)
    assert await kept(wanted=False) is None
    assert await store.profile(T, OTHER, "imei", "client", told=True) is None


async def test_what_was_asked_before_overwrites_nothing(store: SqlStore) -> None:
    await store.add(new())
    await store.told.keep(T, IMSI, told(None, at=200))
    await store.told.keep(T, IMSI, told(at=100))
    assert await store.told.told(T, IMSI) == told(None, at=200)


async def test_an_event_outlives_an_answer_from_before_it(store: SqlStore) -> None:
    await store.add(new())
    await store.told.keep(T, IMSI, told(at=100))
    await store.told.doubt(T, IMSI, at=150)
    await store.told.doubt(T, IMSI, at=140)
    for at, doubtful in ((149, True), (150 + SETTLES_S - 1, True), (150 + SETTLES_S, False)):
        kept = await store.told.keep(T, IMSI, told(at=at))
        assert kept == await store.told.told(T, IMSI)
        assert (kept.doubted_at, kept.is_doubtful) == (150, doubtful)


async def test_an_event_may_come_before_anybody_asked(store: SqlStore) -> None:
    await store.add(new())
    await store.told.doubt(T, IMSI, at=150)
    assert await store.told.told(T, IMSI) is None
    kept = await store.told.keep(T, IMSI, told(at=149))
    assert kept.is_doubtful
    assert kept.changed_at == 149


async def test_a_network_s_event_makes_it_doubtful(store: SqlStore) -> None:
    await store.add(new())
    await store.told.keep(T, IMSI, told())
    event = NetworkEvent(IMSI, "swx_push_profile", "", Effect.FORGET)
    await store.inbox.put([T], event, peer="hss", at=120)
    (entry,) = await store.inbox.waiting(limit=1)
    await store.inbox.take(entry)
    found = await store.told.told(T, IMSI)
    assert found is not None
    assert found.doubted_at == 120


async def test_nothing_is_kept_of_who_is_not_there(store: SqlStore) -> None:
    await store.told.keep(T, IMSI, told())
    await store.told.doubt(T, OTHER, at=1)
    await store.add(new())
    assert await store.told.told(T, IMSI) is None
    await store.told.keep(T, IMSI, told())
    await store.erase(T, IMSI, [], now=90)
    assert await store.told.told(T, IMSI) is None


async def test_of_what_is_found_changed_it_is_known_what_it_was(store: SqlStore) -> None:
    await store.add(new())
    first, other = told(at=100), told(replace(ALL, plan="basic"), at=100 + STEADY_S)
    again = told(ALL, at=other.asked_at + 1)
    await store.told.keep(T, IMSI, first, tells=True)
    await store.told.keep(T, IMSI, replace(first, asked_at=110), tells=True)
    assert await compared(store) == [], "nobody was told anything else"
    await asyncio.gather(*(store.told.keep(T, IMSI, other, tells=True) for _ in range(3)))
    claims = await store.life.claim(now_ms=2**50, again_ms=2**50, limit=5)
    ((imsi, waiting),) = await store.life.peek(claims)
    assert (imsi, waiting.source, waiting.event.at) == (IMSI, FOUND, other.asked_at)
    assert waiting.told == replace(first, asked_at=110)
    await store.life.give_up(claims[0], reason="test", now=0)
    await store.told.keep(T, IMSI, again, tells=True)
    assert await store.told.told(T, IMSI) == again
    assert await compared(store) == [], "who changes his mind so fast is not believed"
    event = BssEvent(event_id="1", change=Change.CHANGED, at=again.asked_at, imsi=IMSI)
    await store.life.take(T, "crm", [event], now=again.asked_at, future_s=0, scribe=writes_nothing)
    claims = await store.life.claim(now_ms=2**50, again_ms=2**50, limit=5)
    came = {each.source: each.told for _, each in await store.life.peek(claims)}
    assert came == {"crm": None, FOUND: None}, "until an event comes"
    await store.life.give_up(claims[0], reason="test", now=0)
    await store.told.keep(T, IMSI, told(None, at=again.asked_at + STEADY_S))
    assert await compared(store) == [], "whoever asked compares himself"
