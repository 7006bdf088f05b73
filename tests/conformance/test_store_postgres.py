"""What only PostgreSQL has: a server that goes away, refuses, or gives transactions up."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
import pytest

from simgrant.adapters.store import migrate
from simgrant.adapters.store.postgres import PostgresConfig, open_store
from simgrant.adapters.store.sql.engine import Body, Run
from simgrant.adapters.store.sql.statements import NEW_MSISDN
from simgrant.adapters.store.sql.store import SqlStore
from simgrant.domain.bss_events import BssEvent, Change
from simgrant.errors import Conflict, PeerMisbehaved, PeerTimeout, PeerUnavailable, StartRefused
from simgrant.identities import Imsi
from tests.conformance.conftest import Restless
from tests.conformance.test_store import ACCEPTED, CLIENT, IMEI, IMSI, SESSION, T, accept, new
from tests.conformance.test_store_life import judging
from tests.event_intake import writes_nothing
from tests.servers.postgres import Postgres
from tests.servers.process import free_port


@pytest.fixture
def url(postgres_url: str) -> str:
    """A migrated database of this test's own."""
    migrate.upgrade(postgres_url)
    return postgres_url


@pytest.fixture
async def store(url: str) -> AsyncIterator[SqlStore]:
    store = await open_store(PostgresConfig(url, pool_min=1, pool_max=2, timeout_s=2))
    yield store
    await store.close()


@pytest.fixture
def mortal() -> Iterator[Postgres]:
    """A server that a test may crash."""
    with Postgres.start(durable=True) as server:
        yield server


async def refused(url: str) -> str:
    """Return the line with which a server is refused."""
    with pytest.raises(StartRefused) as caught:
        await open_store(PostgresConfig(url, timeout_s=2))
    assert "\n" not in str(caught.value)
    return str(caught.value)


async def test_a_server_that_is_not_there_is_refused() -> None:
    url = f"postgresql://someone:secret@127.0.0.1:{free_port()}/db"
    line = await refused(url)
    assert "cannot be reached" in line
    assert "secret" not in line
    with pytest.raises(StartRefused, match="cannot be reached"):
        migrate.upgrade(url)


async def test_a_server_that_never_answers_is_refused_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://a@127.0.0.1:{silent.getsockname()[1]}/b"
        with pytest.raises(StartRefused, match="cannot be reached"):
            await open_store(PostgresConfig(url, timeout_s=0.2))


async def test_a_database_without_our_tables_has_to_be_upgraded_first(postgres_url: str) -> None:
    assert "simgrant db upgrade" in await refused(postgres_url)


async def test_the_tables_of_another_release_are_refused(url: str, postgres: Postgres) -> None:
    name = url.rpartition("/")[2]
    postgres.sql("UPDATE schema_version SET version_num = '9999'", dbname=name)
    assert "revision 9999" in await refused(url)


async def test_a_server_that_comes_back_is_used_again(mortal: Postgres) -> None:
    url = mortal.create_database()
    migrate.upgrade(url)
    store = await open_store(PostgresConfig(url, pool_min=2, pool_max=4, timeout_s=2))
    await store.add(new())
    assert await accept(store)

    mortal.kill()
    loop = asyncio.get_running_loop()
    for _ in range(5):
        started = loop.time()
        with pytest.raises(PeerUnavailable):
            await store.profile(T, IMSI, IMEI, CLIENT)
        with pytest.raises(PeerUnavailable):
            await accept(store, session=b"2" * 16)
        with pytest.raises(PeerUnavailable):
            await store.remove(T, IMSI, now=1)
        assert loop.time() - started < 1

    mortal.restart()
    # What was answered before the crash is there, what was refused is not.
    profile = await store.profile(T, IMSI, IMEI, CLIENT)
    assert profile is not None
    assert profile.granted_at == ACCEPTED.at
    assert await store.session(T, IMSI, SESSION) == ACCEPTED
    assert await accept(store, session=b"2" * 16)

    # An orderly restart ends the connections, too: once that is known, nobody meets it.
    await asyncio.gather(*(store.profile(T, IMSI, IMEI, CLIENT) for _ in range(4)))
    connections = [one for one, _ in store._engine._connections._free]  # type: ignore[attr-defined]
    assert len(connections) > 1
    ended = [asyncio.Event() for _ in connections]
    for connection, event in zip(connections, ended, strict=True):
        connection.add_termination_listener(lambda _, event=event: event.set())
    mortal.restart()
    await asyncio.gather(*(event.wait() for event in ended))
    profiles = await asyncio.gather(*(store.profile(T, IMSI, IMEI, CLIENT) for _ in ended))
    assert None not in profiles
    await store.close()


async def test_a_lock_that_another_holds_is_waited_for_only_so_long(
    store: SqlStore, url: str
) -> None:
    await store.add(new())
    blocker = await asyncpg.connect(url)
    await blocker.execute("BEGIN")
    await blocker.execute("UPDATE subscription SET plan = 'x'")
    store._engine._timeout_s = 0.2  # type: ignore[attr-defined]
    with pytest.raises(PeerTimeout):
        await store.revoke_tokens(T, IMSI, None)
    # Both connections are taken: the third has to wait, and not for ever.
    waiting = [asyncio.create_task(store.revoke_tokens(T, IMSI, None)) for _ in range(3)]
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(one) for one in done] == [PeerTimeout] * 3
    await blocker.execute("ROLLBACK")
    await blocker.close()
    store._engine._timeout_s = 5  # type: ignore[attr-defined]
    # A timeout may leave the statement done or undone, but never done later.
    epoch = await store.revoke_tokens(T, IMSI, None)
    assert await store.revoke_tokens(T, IMSI, None) == epoch + 1


async def test_connections_are_bounded_and_used_again(store: SqlStore, url: str) -> None:
    await store.add(new())
    await asyncio.gather(*(store.profile(T, IMSI, IMEI, CLIENT) for _ in range(50)))
    watcher = await asyncpg.connect(url)
    count = await watcher.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    )
    assert count <= 2 + 1
    # A refusal costs no connection: neither one of ours, nor one of the server's.
    pids = "SELECT array_agg(pid ORDER BY pid) FROM pg_stat_activity WHERE datname = $1"
    name = url.rpartition("/")[2]
    before = await watcher.fetchval(pids, name)
    assert len(before) >= 2
    for _ in range(5):
        with pytest.raises(Conflict):
            await store.add(new())
        with pytest.raises(Conflict):
            await store._engine.write(NEW_MSISDN, (T, "491710000001", "x"))
    assert await watcher.fetchval(pids, name) == before
    await watcher.close()


async def test_connections_that_are_old_or_idle_are_replaced(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def pid() -> int:
        rows = await store._engine.read("SELECT pg_backend_pid()", ())
        return int(rows[0][0])

    first = await pid()
    assert await pid() == first
    monkeypatch.setattr("simgrant.adapters.store.postgres._IDLE_S", -1)
    second = await pid()
    assert second != first
    monkeypatch.setattr("simgrant.adapters.store.postgres._IDLE_S", 300)
    assert await pid() == second
    monkeypatch.setattr("simgrant.adapters.store.postgres._LIFE_S", -1)
    assert await pid() != second


async def test_transactions_ask_for_read_committed(url: str, postgres: Postgres) -> None:
    name = url.rpartition("/")[2]
    postgres.sql(f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'")
    store = await open_store(PostgresConfig(url))
    level = "SELECT current_setting('transaction_isolation')"

    def body() -> Body[str]:
        rows = yield Run(level, ())
        return str(rows[0][0])

    assert (await store._engine.read(level, ()))[0][0] == "read committed"
    assert await store._engine.transact(body) == "read committed"
    await store.close()


async def test_a_server_that_always_gives_up_is_unavailable(url: str) -> None:
    class Hopeless(asyncpg.Connection):
        tries = 0

        async def fetch(self, *_: Any, **__: Any) -> Any:
            type(self).tries += 1
            raise asyncpg.DeadlockDetectedError("deadlock detected: 001010000000001")

    store = await open_store(PostgresConfig(url), connection_class=Hopeless)
    with pytest.raises(PeerUnavailable) as caught:
        await store.profile(T, IMSI, IMEI, CLIENT)
    assert caught.value.reason == "store_contended"
    assert Hopeless.tries > 3
    await store.close()


async def test_a_statement_that_is_wrong_is_not_taken_for_an_outage(store: SqlStore) -> None:
    with pytest.raises(PeerMisbehaved, match="42P01"):
        await store._engine.read("SELECT nothing FROM nowhere", ())


async def test_the_restless_server_of_the_suite_is_restless(url: str) -> None:
    store = await open_store(PostgresConfig(url), connection_class=Restless)
    before = Restless.total
    await store.add(new())
    for number in range(1, 41):
        assert await store.revoke_tokens(T, IMSI, None) == number
    assert Restless.total > before
    await store.close()


async def test_it_works_without_prepared_statements(url: str) -> None:
    store = await open_store(PostgresConfig(url, statement_cache=0))
    await store.add(new())
    assert await accept(store)
    assert await store.profile(T, IMSI, IMEI, CLIENT) is not None
    await store.close()


class Counting(asyncpg.Connection):
    """A connection that counts how often two waited for each other."""

    deadlocks = 0

    async def fetch(self, *args: Any, **options: Any) -> Any:
        with self._counted():
            return await super().fetch(*args, **options)

    async def executemany(self, *args: Any, **options: Any) -> Any:
        with self._counted():
            return await super().executemany(*args, **options)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        try:
            yield
        except asyncpg.DeadlockDetectedError:
            type(self).deadlocks += 1
            raise


async def test_who_acts_upon_events_never_waits_for_one_that_waits_for_him(
    url: str, postgres: Postgres
) -> None:
    """The server finds out after a second, in which nobody's events are acted upon."""
    name = url.rpartition("/")[2]
    postgres.sql(f"ALTER DATABASE {name} SET deadlock_timeout = '5ms'")
    config = PostgresConfig(url, pool_min=8, pool_max=8)
    store = await open_store(config, connection_class=Counting)
    imsis = [Imsi(f"00101{number:010d}") for number in range(120)]
    await store.add_many(new(imsi, None) for imsi in imsis)
    acted = 0

    async def bring(source: str, at: int) -> None:
        events = [
            BssEvent(event_id=f"{at}-{imsi.digits}", change=Change.CHANGED, at=at, imsi=imsi)
            for imsi in random.Random(at).sample(imsis, len(imsis))
        ]
        await store.life.take(T, source, events, now=at, future_s=300, scribe=writes_nothing)

    async def act(at: int) -> None:
        nonlocal acted
        due_ms = at * 1000
        while claims := await store.life.claim(now_ms=due_ms, again_ms=due_ms + 100, limit=100):
            done = await store.life.settle(claims, judging(), now=at, again_ms=due_ms + 1)
            acted += sum(len(judged.done) for judged in done)

    try:
        for at in range(1000, 1030, 2):
            await asyncio.gather(
                *(bring(source, at) for source in ("a", "b")), *(act(at + n // 2) for n in range(4))
            )
        await act(2000)
    finally:
        await store.close()
    assert Counting.deadlocks == 0
    assert acted == 15 * 2 * len(imsis)
