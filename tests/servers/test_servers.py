"""The servers that other tests rely on do what those tests rely on."""

import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from tests.servers.postgres import Postgres
from tests.servers.process import Unavailable, wait_until
from tests.servers.valkey import Valkey


@pytest.fixture(scope="module")
def durable() -> Iterator[Postgres]:
    """A server that may be crashed, unlike the one that everybody shares."""
    try:
        server = Postgres.start(durable=True)
    except Unavailable as missing:
        pytest.skip(str(missing))
    with server:
        yield server


async def test_each_test_gets_an_empty_database(postgres: Postgres, postgres_url: str) -> None:
    assert postgres_url != postgres.create_database()
    connection = await asyncpg.connect(postgres_url)
    try:
        tables = await connection.fetchval(
            "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"
        )
        version = connection.get_server_version()
    finally:
        await connection.close()
    assert tables == 0
    assert version.major == 18


def test_shared_server_is_fast_and_a_durable_one_is_not_careless(
    postgres: Postgres, durable: Postgres
) -> None:
    assert postgres.sql("SHOW fsync") == "off"
    assert durable.sql("SHOW fsync") == "on"
    assert durable.sql("SHOW synchronous_commit") == "on"


def test_settings_reach_the_server() -> None:
    try:
        server = Postgres.start(settings={"max_connections": "7"})
    except Unavailable as missing:
        pytest.skip(str(missing))
    with server:
        assert server.sql("SHOW max_connections") == "7"
    assert not server.directory.exists()


async def test_a_commit_outlives_a_crash(durable: Postgres) -> None:
    url = durable.create_database()
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE kept (n int)")
    await connection.execute("INSERT INTO kept VALUES (1)")

    durable.kill()

    with pytest.raises(OSError, match="Connect"):
        await asyncpg.connect(url)
    connection.terminate()
    durable.restart()
    connection = await asyncpg.connect(url)
    try:
        assert await connection.fetchval("SELECT n FROM kept") == 1
    finally:
        await connection.close()


def test_a_replica_follows_and_takes_over(durable: Postgres) -> None:
    url = durable.create_database()
    dbname = url.rpartition("/")[2]
    with Postgres.replica_of(durable) as replica:
        durable.sql("CREATE TABLE sent (n int); INSERT INTO sent VALUES (1)", dbname=dbname)
        replica.await_replay(durable)
        assert replica.sql("SELECT n FROM sent", dbname=dbname) == "1"
        with pytest.raises(RuntimeError, match="read-only transaction"):
            replica.sql("INSERT INTO sent VALUES (2)", dbname=dbname)

        assert replica.sql("SELECT pg_promote()") == "t"

        replica.sql("INSERT INTO sent VALUES (2)", dbname=dbname)
        assert durable.sql("SELECT count(*) FROM sent", dbname=dbname) == "1"


def test_valkey_is_empty_for_each_test(valkey: Valkey, valkey_url: str) -> None:
    assert valkey_url.startswith("redis://127.0.0.1:")
    assert valkey.command("SET key value") == "+OK"
    assert valkey.command("DBSIZE") == ":1"


def test_valkey_forgets_everything_in_a_crash() -> None:
    try:
        server = Valkey.start()
    except Unavailable as missing:
        pytest.skip(str(missing))
    with server:
        server.command("SET key value")
        server.restart()
        assert server.command("DBSIZE") == ":0"
    assert not server.directory.exists()


@pytest.mark.parametrize("server", ["postgres.Postgres", "valkey.Valkey"])
@pytest.mark.usefixtures("postgres", "valkey")
def test_a_server_ends_when_its_test_run_is_killed(server: str) -> None:
    module, _, name = server.partition(".")
    script = f"""
        from tests.servers.{module} import {name}
        server = {name}.start()
        print(server._process.pid, server.directory, flush=True)
        input()
    """
    run = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with run:
        assert run.stdout is not None
        pid, _, directory = run.stdout.readline().strip().partition(" ")
        run.kill()

    def ended() -> bool:
        """Ask in /proc, since nobody may be there to bury an orphan."""
        try:
            status = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return True
        return ") Z " in status

    wait_until(ended, what=f"the end of process {pid}", timeout=15)
    shutil.rmtree(directory, ignore_errors=True)
