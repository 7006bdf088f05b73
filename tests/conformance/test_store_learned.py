"""What core networks said: a row for each kind, and what events and ends make of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from simgrant.adapters.store.sql.store import SqlStore
from simgrant.domain.bss_events import Change
from simgrant.domain.network_facts import Kind, Learned
from simgrant.ports.network_events import Effect, NetworkEvent
from tests.conformance.conftest import Place
from tests.conformance.test_store import IMSI, OTHER, T, new

NUMBER = Learned("447700900002", "hss.home", 2**40, 2**40 + 1)
PLACE = Learned("26201", "udm.home", 50, 60)
STATE = Learned("", "hss.home", 70, 70)
ALL = {Kind.NUMBER: NUMBER, Kind.LOCATION: PLACE, Kind.REGISTRATION: STATE}


async def tell(store: SqlStore, effect: Effect) -> None:
    event = NetworkEvent(IMSI, "swx_push_profile", "", effect)
    assert await store.inbox.put([T], event, peer="hss", at=1) == 1
    (entry,) = await store.inbox.waiting(limit=10)
    assert await store.inbox.take(entry) == entry


async def test_what_was_learned_is_kept_by_kind(store: SqlStore) -> None:
    await store.add(new())
    assert await store.learned.learned(T, IMSI) == {}
    await store.learned.learn(T, IMSI, ALL)
    assert await store.learned.learned(T, IMSI) == ALL
    moved = replace(PLACE, value="00101", at=80, asked_at=80)
    await store.learned.learn(T, IMSI, {Kind.LOCATION: moved})
    assert await store.learned.learned(T, IMSI) == {**ALL, Kind.LOCATION: moved}


async def test_nothing_is_kept_of_who_is_not_there(store: SqlStore) -> None:
    await store.learned.learn(T, IMSI, ALL)
    await store.add(new())
    await store.learned.learn("nobody", IMSI, ALL)
    await store.learned.learn(T, OTHER, ALL)
    for tenant, imsi in ((T, IMSI), ("nobody", IMSI), (T, OTHER)):
        assert await store.learned.learned(tenant, imsi) == {}


async def test_those_who_learn_at_once_do_not_meet(store: SqlStore) -> None:
    await store.add(new())
    kinds = [{kind: ALL[kind]} for kind in Kind]
    await asyncio.gather(*(store.learned.learn(T, IMSI, each) for each in (*kinds, ALL, ALL)))
    assert await store.learned.learned(T, IMSI) == ALL


async def test_a_change_forgets_the_number_and_doubts_the_rest(store: SqlStore) -> None:
    await store.add(new())
    await store.learned.learn(T, IMSI, ALL)
    await tell(store, Effect.FORGET)
    assert await store.learned.learned(T, IMSI) == {
        Kind.LOCATION: replace(PLACE, asked_at=0),
        Kind.REGISTRATION: replace(STATE, asked_at=0),
    }


async def test_an_end_forgets_all(store: SqlStore) -> None:
    await store.add(new())
    await store.learned.learn(T, IMSI, ALL)
    await tell(store, Effect.REVOKE)
    assert await store.learned.learned(T, IMSI) == {}


@pytest.mark.parametrize("way", ["remove", "erase"])
async def test_nothing_is_left_of_who_is_gone(store: SqlStore, place: Place, way: str) -> None:
    await store.add(new())
    await store.learned.learn(T, IMSI, ALL)
    await store.remove(T, IMSI, now=9)
    if way == "erase":
        await store.erase(T, IMSI, [], now=90)
    assert await place.rows("SELECT * FROM learned") == []


@pytest.mark.parametrize("effect", Effect)
async def test_what_was_told_by_it_is_compared_with_what_is_told_next(
    store: SqlStore, effect: Effect
) -> None:
    await store.add(new())
    await tell(store, effect)
    assert await store.life.claim(now_ms=1000, again_ms=2000, limit=5) == []
    await store.learned.learn(T, IMSI, ALL)
    await tell(store, effect)
    claims = await store.life.claim(now_ms=1000, again_ms=2000, limit=5)
    ((imsi, waiting),) = await store.life.peek(claims)
    event = waiting.event
    assert (imsi, event.at) == (IMSI, 1)
    assert event.learned == {Kind.LOCATION: PLACE, Kind.REGISTRATION: STATE}
    await store.remove(T, IMSI, now=9)
    ((_, left),) = await store.life.peek(claims)
    assert left.event.change is Change.PORTED_OUT, "nothing is left but the removal"
