"""The inbox of what core networks tell: kept once, acted upon once."""

from __future__ import annotations

import asyncio

import pytest

from simgrant.adapters.store.sql.store import SqlStore
from simgrant.ports.network_events import Effect, InboxEntry, NetworkEvent
from tests.conformance.test_store import IMSI, OTHER, T, new

CHANGED = NetworkEvent(IMSI, "swx_push_profile", "", Effect.FORGET)
ENDED = NetworkEvent(IMSI, "swx_registration_termination", "permanent_termination", Effect.REVOKE)


async def waiting(store: SqlStore) -> list[InboxEntry]:
    """Return all that waits: of one IMSI, so of one part."""
    return list(await store.inbox.waiting(limit=10))


async def epoch(store: SqlStore) -> int:
    found = await store.find(T, imsi=IMSI)
    assert found is not None
    return found.token_epoch


async def test_who_ended_has_no_good_token_once_it_was_acted_upon(store: SqlStore) -> None:
    await store.add(new())
    before = await epoch(store)
    assert await store.inbox.put([T], ENDED, peer="hss", at=70) == 1
    assert await epoch(store) == before
    (entry,) = await waiting(store)
    assert entry == InboxEntry(T, ENDED, "hss", 70, 1)
    assert await store.inbox.take(entry) == entry
    assert await epoch(store) == before + 1
    assert await waiting(store) == []
    assert await store.inbox.take(entry) is None
    assert await epoch(store) == before + 1


async def test_a_changed_profile_takes_no_token(store: SqlStore) -> None:
    await store.add(new())
    before = await epoch(store)
    await store.inbox.put([T], CHANGED, peer="hss", at=70)
    (entry,) = await waiting(store)
    assert await store.inbox.take(entry) == entry
    assert await epoch(store) == before


async def test_told_again_it_is_one_row_and_a_change_does_not_hide_an_end(store: SqlStore) -> None:
    await store.add(new())
    for at in (70, 71, 72):
        await store.inbox.put([T], ENDED, peer=f"hss{at}", at=at)
    await store.inbox.put([T], CHANGED, peer="hss", at=73)
    assert await waiting(store) == [
        InboxEntry(T, ENDED, "hss72", 72, 3),
        InboxEntry(T, CHANGED, "hss", 73, 1),
    ]


async def test_of_many_who_act_at_once_one_does(store: SqlStore) -> None:
    await store.add(new())
    before = await epoch(store)
    await store.inbox.put([T], ENDED, peer="hss", at=70)
    (entry,) = await waiting(store)
    taken = await asyncio.gather(*(store.inbox.take(entry) for _ in range(8)))
    assert sum(each is not None for each in taken) == 1
    assert await epoch(store) == before + 1


@pytest.mark.parametrize("tenants", [(), ("blue",), ("blue", "green")], ids=["none", "one", "two"])
async def test_what_is_told_of_others_is_not_kept(
    store: SqlStore, tenants: tuple[str, ...]
) -> None:
    await store.add(new())
    assert await store.inbox.put(tenants, ENDED, peer="hss", at=70) == 0
    stranger = NetworkEvent(OTHER, "swx_push_profile", "", Effect.FORGET)
    assert await store.inbox.put([T, *tenants], stranger, peer="hss", at=70) == 0
    assert await waiting(store) == []


async def test_nothing_waits_for_who_was_removed_or_erased(store: SqlStore) -> None:
    await store.add(new())
    await store.inbox.put([T], ENDED, peer="hss", at=70)
    await store.remove(T, IMSI, now=9)
    assert await waiting(store) == []
    assert await store.inbox.put([T], ENDED, peer="hss", at=70) == 0
    await store.add(new())
    await store.inbox.put([T], CHANGED, peer="hss", at=70)
    await store.erase(T, IMSI, [], now=90)
    assert await waiting(store) == []
