"""Keeping us registered at hubs, against a simulated BSS's, with a store."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from simgrant.adapters.events.hub import TmfHub
from simgrant.adapters.store.sql.store import SqlStore
from simgrant.adapters.store.sqlite import SqliteConfig, open_store
from simgrant.flows.event_hubs import HubVisitor, Wanted
from simgrant.links.api import ApiConfig, ApiLink
from simgrant.links.http import HttpConfig
from simgrant.links.retry import RetryRules
from simgrant.ports.event_hubs import HubState, Hurry, Registration
from simgrant.sim.bss.faults import Fault, Plan
from simgrant.sim.bss.server import Bss
from simgrant.wire.tmf.apis import Api
from tests.databases import make_database
from tests.tmf import running

CALLBACK = "http://127.0.0.1:1/tmf"
T = "default"


class Time:
    """A clock that is set by hand."""

    at = 1_000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


class World:
    """A hub, a store, and whoever visits."""

    def __init__(self, bss: Bss, store: SqlStore) -> None:
        self.bss = bss
        self.store = store
        self.time = Time()
        self.visitors: list[HubVisitor] = []

    def visitor(
        self, path: str = f"{Api.PRODUCT}/hub", *, callback: str = CALLBACK, query: str = ""
    ) -> HubVisitor:
        url = self.bss.web.url + path
        http = HttpConfig(
            peer="event_hubs.crm", plain=True, http2=False, retry=RetryRules(tries=1, failures=1000)
        )
        link = ApiLink(ApiConfig(root=self.bss.web.url, http=http), self.time)
        wanted = Wanted(tenant=T, name="crm", registration=Registration(url, callback, query))
        made = HubVisitor(
            wanted, TmfHub(link, url), self.store.hubs, clock=self.time, chance=lambda: 0.5
        )
        self.visitors.append(made)
        return made

    @property
    def there(self) -> list[tuple[str, str]]:
        """Who is registered, and for what."""
        return [(str(hub.callback), hub.query) for hub in self.bss.hubs.hubs.values()]

    @property
    def ids(self) -> list[str]:
        return list(self.bss.hubs.hubs)

    @property
    def methods(self) -> list[str]:
        found = [seen.method for seen in self.bss.seen]
        self.bss.seen.clear()
        return found


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database without rows."""
    return make_database(tmp_path_factory.mktemp("empty") / "store.sqlite3")


@pytest.fixture
async def world(empty: Path, tmp_path: Path) -> AsyncIterator[World]:
    file = tmp_path / empty.name
    shutil.copyfile(empty, file)
    store = await open_store(SqliteConfig(path=file))
    async with running() as bss:
        made = World(bss, store)
        yield made
        for each in made.visitors:
            await each.close()
    await store.close()


async def test_it_is_registered_once_and_looked_at_when_it_is_time(world: World) -> None:
    one, other = world.visitor(), world.visitor()
    row = await one.see_to(Hurry.CHANGED)
    assert row is not None
    assert (row.state, row.due_at, [row.hub_id]) == (HubState.REGISTERED, 1_300, world.ids)
    assert world.there == [(CALLBACK, "")]
    assert await other.see_to(Hurry.CHANGED) is None
    world.time.at = 1_299
    assert await other.see_to(Hurry.DUE) is None
    assert world.methods == ["POST"]
    world.time.at = 1_300
    again = await other.see_to(Hurry.DUE)
    assert again is not None
    assert (again.looked_at, again.due_at, again.hub_id) == (1_300, 1_600, row.hub_id)
    assert world.methods == ["GET"]


async def test_what_a_hub_forgot_is_made_anew(world: World) -> None:
    visitor = world.visitor()
    await visitor.see_to(Hurry.CHANGED)
    world.bss.hubs.forget()
    world.time.at = 1_300
    row = await visitor.see_to(Hurry.DUE)
    assert row is not None
    assert (row.state, [row.hub_id], row.stale) == (HubState.REGISTERED, world.ids, "")
    assert world.there == [(CALLBACK, "")]


@pytest.mark.parametrize("often", [False, True])
@pytest.mark.parametrize("shows", [False, True])
@pytest.mark.parametrize(
    "changes",
    [
        {"query": "eventType=ProductStateChangeEvent"},
        {"callback": "http://127.0.0.1:1/other"},
        {"path": f"{Api.SERVICE}/hub"},
    ],
    ids=["query", "callback", "url"],
)
async def test_other_settings_take_the_place_of_those_before(
    world: World, changes: dict[str, str], *, shows: bool, often: bool
) -> None:
    world.bss.hubs.shows, world.bss.hubs.often = shows, often
    before, after = world.visitor(), world.visitor(**changes)
    await before.see_to(Hurry.CHANGED)
    row = await after.see_to(Hurry.CHANGED)
    assert row is not None
    assert (row.state, row.reason, row.stale) == (HubState.REGISTERED, "", "")
    assert world.ids == [row.hub_id]
    assert world.there == [(changes.get("callback", CALLBACK), changes.get("query", ""))]
    # Who started before does not take it back.
    world.time.at = 9_999
    assert await before.see_to(Hurry.DUE) is None


@pytest.mark.parametrize("shows", [False, True])
async def test_one_that_was_cut_off_is_found_by_who_comes_next(
    world: World, *, shows: bool
) -> None:
    """The hub has us, and nobody here knows."""
    world.bss.hubs.shows = shows
    lost = world.bss.hubs.register(Api.PRODUCT, CALLBACK, query="eventType=Other").id
    row = await world.visitor().see_to(Hurry.CHANGED)
    assert row is not None
    assert row.state is HubState.REGISTERED
    assert (world.ids == [row.hub_id]) is shows
    assert (world.ids == [lost]) is not shows


@pytest.mark.parametrize("often", [False, True])
async def test_a_hub_that_shows_nobody_is_told_anew_once_a_day(
    world: World, *, often: bool
) -> None:
    world.bss.hubs.shows, world.bss.hubs.often = False, often
    visitor = world.visitor()
    first = await visitor.see_to(Hurry.CHANGED)
    assert first is not None
    world.time.at = 1_300
    await visitor.see_to(Hurry.DUE)
    assert world.methods == ["POST", "GET"]
    world.time.at = 1_000 + 86_400
    row = await visitor.see_to(Hurry.DUE)
    assert row is not None
    assert (row.state, row.registered_at) == (HubState.REGISTERED, 87_400)
    assert world.ids == [row.hub_id]
    assert (row.hub_id == first.hub_id) is not often


async def test_failures_are_further_and_further_apart(world: World) -> None:
    world.bss.plan = Plan(fault=Fault.STATUS)
    visitor = world.visitor()
    pauses: list[float] = []
    for _ in range(9):
        row = await visitor.see_to(Hurry.CHANGED if not pauses else Hurry.DUE)
        assert row is not None
        assert row.state is HubState.FAILING
        pauses.append(row.due_at - world.time.at)
        world.time.at = row.due_at
    assert pauses == [4, 8, 15, 30, 60, 120, 225, 225, 225]
    world.bss.plan = None
    row = await visitor.see_to(Hurry.DUE)
    assert row is not None
    assert (row.state, row.failures, row.reason) == (HubState.REGISTERED, 0, "")


async def test_what_cannot_be_taken_away_is_taken_away_later(world: World) -> None:
    before, after = world.visitor(), world.visitor(callback="http://127.0.0.1:1/other")
    await before.see_to(Hurry.CHANGED)
    world.bss.plan = Plan(fault=Fault.STATUS, method="DELETE")
    row = await after.see_to(Hurry.CHANGED)
    assert row is not None
    assert (row.state, len(world.ids)) == (HubState.FAILING, 2)
    assert row.stale.endswith(world.ids[0])
    world.bss.plan = None
    world.time.at = row.due_at
    row = await after.see_to(Hurry.DUE)
    assert row is not None
    assert (row.state, row.stale, world.ids) == (HubState.REGISTERED, "", [row.hub_id])


async def test_what_proves_who_we_are_goes_nowhere_else(world: World) -> None:
    async with running() as elsewhere:
        before = world.visitor()
        await before.see_to(Hurry.CHANGED)
        old, world.bss = world.bss, elsewhere
        row = await world.visitor().see_to(Hurry.CHANGED)
        assert row is not None
        assert (row.state, world.ids, row.stale) == (HubState.REGISTERED, [row.hub_id], "")
        assert [seen.method for seen in old.seen] == ["POST"]


@pytest.mark.parametrize("shows", [False, True])
async def test_unhooked_it_stays_away_until_somebody_wants_it(world: World, *, shows: bool) -> None:
    world.bss.hubs.shows = shows
    visitor = world.visitor()
    await visitor.see_to(Hurry.CHANGED)
    row = await visitor.unhook()
    assert row is not None
    assert (row.state, row.hub_id, world.ids) == (HubState.UNHOOKED, "", [])
    world.time.at = 99_999
    assert await visitor.see_to(Hurry.DUE) is None
    assert await world.visitor(query="x=y").see_to(Hurry.CHANGED) is None
    row = await visitor.see_to(Hurry.NOW)
    assert row is not None
    assert (row.state, world.ids) == (HubState.REGISTERED, [row.hub_id])


async def test_one_that_the_bss_forgot_can_be_unhooked(world: World) -> None:
    visitor = world.visitor()
    await visitor.see_to(Hurry.CHANGED)
    world.bss.hubs.forget()
    row = await visitor.unhook()
    assert row is not None
    assert (row.state, row.reason) == (HubState.UNHOOKED, "")
