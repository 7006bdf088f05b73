"""Our registrations at hubs, as every store has to keep them."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from simgrant.adapters.store.sql.store import SqlStore
from simgrant.ports.event_hubs import HubRow, HubState, Hurry, Registration
from tests.conformance.conftest import Place

OURS, NEWER = "a" * 64, "b" * 64
ONE = Registration("http://127.0.0.1/hub", "http://127.0.0.1/tmf", "eventType=X")


async def claim(
    store: SqlStore, wanted: str = OURS, hurry: Hurry = Hurry.DUE, *, now: int = 1_000
) -> HubRow | None:
    return await store.hubs.claim("blue", "crm", wanted, hurry=hurry, now=now, lease_s=60)


async def kept(store: SqlStore, now: int = 1_000, **members: object) -> HubRow:
    row = await claim(store, hurry=Hurry.NOW, now=now)
    assert row is not None
    done = replace(row, **{"state": HubState.REGISTERED, "due_at": now + 300, **members})  # type: ignore[arg-type]
    assert await store.hubs.keep(done)
    return replace(done, held_until=0)


async def test_a_row_is_made_by_who_claims_it_first_and_is_his_for_a_while(place: Place) -> None:
    stores = [await place.open() for _ in range(3)]
    try:
        claims = await asyncio.gather(*map(claim, stores))
        (row,) = [each for each in claims if each is not None]
        assert row == HubRow(tenant="blue", name="crm", wanted=OURS, due_at=1_000, held_until=1_060)
        for hurry in Hurry:
            assert await claim(stores[0], NEWER, hurry, now=1_059) is None
        again = await claim(stores[0], now=1_060)
        assert again is not None
        assert not await stores[1].hubs.keep(replace(row, hub_id="late"))
        assert await stores[1].hubs.find("blue", "crm") == again
    finally:
        for store in stores:
            await store.close()


async def test_what_became_of_it_is_there_for_the_next_one(store: SqlStore) -> None:
    done = await kept(
        store,
        hub_id="h-1",
        registered=ONE,
        stale="http://127.0.0.1/hub/h-0",
        registered_at=998,
        looked_at=999,
        failures=3,
        reason="peer_timeout",
    )
    assert await store.hubs.find("blue", "crm") == done
    assert await store.hubs.listed() == [done]
    assert await store.hubs.find("red", "crm") is None
    assert await claim(store, now=1_299) is None
    assert await claim(store, now=1_300) == replace(done, held_until=1_360)


async def test_a_step_is_written_down_without_letting_go(store: SqlStore) -> None:
    row = await claim(store)
    assert row is not None
    assert await store.hubs.keep(replace(row, hub_id="h-1"), release=False)
    assert await claim(store, hurry=Hurry.NOW, now=1_001) is None
    assert await store.hubs.keep(replace(row, hub_id="h-2"))
    found = await claim(store, hurry=Hurry.NOW, now=1_001)
    assert found is not None
    assert found.hub_id == "h-2"


async def test_other_settings_are_for_who_started_last(store: SqlStore) -> None:
    await kept(store)
    assert await claim(store, NEWER, now=9_999) is None
    row = await claim(store, NEWER, Hurry.CHANGED, now=1_001)
    assert row is not None
    assert row.wanted == NEWER
    assert await store.hubs.keep(replace(row, due_at=1_300))
    assert await claim(store, OURS, now=9_999) is None
    assert await claim(store, NEWER, Hurry.CHANGED, now=1_299) is None
    assert await claim(store, NEWER, now=1_300) is not None


async def test_what_was_taken_away_by_hand_is_left_alone_but_by_hand(store: SqlStore) -> None:
    await kept(store, state=HubState.UNHOOKED)
    assert await claim(store, now=9_999) is None
    assert await claim(store, NEWER, Hurry.CHANGED, now=9_999) is None
    assert await claim(store, hurry=Hurry.NOW, now=1_001) is not None
    assert await store.hubs.drop("crm")
    assert not await store.hubs.drop("crm")
    assert await store.hubs.listed() == []
