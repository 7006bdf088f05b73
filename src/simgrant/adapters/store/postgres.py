"""Subscriptions in PostgreSQL, or in what speaks its protocol, over asyncpg.

Whatever can be said in one statement is: it needs one journey, no BEGIN, and a distributed engine
repeats it by itself. The rest goes through ``_run_tx``, which starts anew whatever the server gave
up for the sake of another transaction.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from simgrant.adapters.store.sql.engine import Body, Params, Rows, RunMany
from simgrant.adapters.store.sql.records import SqlRecords
from simgrant.adapters.store.sql.statements import PING, REVISION, Guarded, as_arrays, numbered
from simgrant.adapters.store.sql.store import SqlStore
from simgrant.errors import (
    BadRequest,
    Conflict,
    EcsError,
    PeerMisbehaved,
    PeerTimeout,
    PeerUnavailable,
    StartRefused,
)
from simgrant.nouns import noun
from simgrant.within import Within

try:
    import asyncpg
except ImportError as missing:  # pragma: no cover - the extra ``postgres`` was not installed
    raise StartRefused("PostgreSQL needs asyncpg: install simgrant[postgres]") from missing

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]

T = TypeVar("T")

# What asyncpg raises; a timeout is an OSError too.
_ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)

_IDLE_S = 300.0  # for which a connection may lie unused
_LIFE_S = 3600.0  # for which it may be used
_SLOW_S = 120.0  # for what looks at many rows, in place of the timeout
_TRIES = 8  # of a transaction that the server gives up
_PAUSE_S = 0.005  # before the second try; then twice as long each time, less a random part


@noun
class PostgresConfig:
    """Which server, and how much of it."""

    url: str
    """``postgresql://user:password@host:port/database``, with asyncpg's options."""
    pool_min: int = 2
    pool_max: int = 16
    timeout_s: float = 3.0
    """Seconds for one call, the wait for a connection and every repetition included."""
    statement_cache: int = 256
    """Prepared statements a connection; 0 behind a PgBouncer in transaction mode."""
    devices: frozenset[str] = frozenset()
    """The tenants whose networks switch the services of devices: what is active is on there."""


async def open_store(
    config: PostgresConfig, *, connection_class: type[Connection] = asyncpg.Connection
) -> SqlStore:
    """Connect; raise StartRefused, with one line, if the server or its tables are not there."""
    connections = _Connections(config, connection_class)
    try:
        async with asyncio.timeout(config.timeout_s):
            await connections.open()
            revision = await connections.revision()
    except TimeoutError:
        connections.terminate()
        raise StartRefused("the store cannot be reached: no answer in time") from None
    except (*_ERRORS, ValueError) as error:
        connections.terminate()
        reason = str(error) or type(error).__name__
        raise StartRefused(f"the store cannot be reached: {reason}") from None
    if revision != REVISION:
        await connections.close()
        raise StartRefused(
            f"the store's tables are of revision {revision}, this release needs {REVISION}:"
            " run `simgrant db upgrade`"
        )
    engine = PostgresEngine(connections, timeout_s=config.timeout_s)
    return SqlStore(engine, SqlRecords(engine), devices=config.devices)


class _Connections:
    """At most so many connections, the one used last first.

    Not asyncpg's pool: its wrappers cost more time than a query does (30 of 75
    microseconds), and resetting what nothing here changes costs a journey.
    """

    def __init__(self, config: PostgresConfig, connection_class: type[Connection]) -> None:
        self._config = config
        self._class = connection_class
        self._loop = asyncio.get_running_loop()
        self._places = asyncio.Semaphore(config.pool_max)
        self._free: list[tuple[Connection, float]] = []  # with the time since when
        self._born: dict[Connection, float] = {}
        self._closed = False

    async def open(self) -> None:
        """Make the connections that are kept open."""
        while len(self._free) < self._config.pool_min:
            self._free.append((await self._connect(), self._loop.time()))

    async def revision(self) -> str:
        """Return which revision of the tables there is."""
        connection = await self._take()
        try:
            return str(await connection.fetchval(PING) or "none")
        except asyncpg.UndefinedTableError:
            return "none"
        finally:
            self._give_back(connection)

    async def run(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Lend a connection to some work, once there is one."""
        async with self._places:
            connection = await self._take()
            try:
                return await work(connection)
            except asyncio.CancelledError:
                # Left in the middle of something; asyncpg tells the server to leave off, too.
                self._drop(connection)
                raise
            finally:
                self._give_back(connection)

    async def close(self) -> None:
        """Wait until nobody has a connection any more, and close them all."""
        self._closed = True
        for _ in range(self._config.pool_max):
            await self._places.acquire()
        for connection, _ in self._free:
            await connection.close()
        self.terminate()

    def terminate(self) -> None:
        """Cut every connection."""
        self._closed = True
        for connection in list(self._born):
            self._drop(connection)
        for _ in range(self._config.pool_max):
            self._places.release()

    async def _take(self) -> Connection:
        if self._closed:
            raise PeerUnavailable("store_closed")
        now = self._loop.time()
        if len(self._free) > self._config.pool_min and now - self._free[0][1] > _IDLE_S:
            await self._end(self._free.pop(0)[0])
        while self._free:
            connection, since = self._free.pop()
            if connection.is_closed():
                self._drop(connection)
            elif now - since > _IDLE_S or now - self._born[connection] > _LIFE_S:
                await self._end(connection)
            else:
                return connection
        return await self._connect()

    def _give_back(self, connection: Connection) -> None:
        if connection.is_closed() or connection.is_in_transaction():
            self._drop(connection)
        else:
            self._free.append((connection, self._loop.time()))

    async def _connect(self) -> Connection:
        connection = await asyncpg.connect(
            self._config.url,
            timeout=self._config.timeout_s,
            statement_cache_size=self._config.statement_cache,
            max_cached_statement_lifetime=0,
            connection_class=self._class,
        )
        try:
            # Asked for, since it is not everybody's default; in words that PgBouncer lets through.
            await connection.execute("SET default_transaction_isolation TO 'read committed'")
        except BaseException:
            connection.terminate()
            raise
        # A restart of one of several servers is followed within the hour, and not by all at once.
        self._born[connection] = self._loop.time() - random.uniform(0, _LIFE_S / 4)  # noqa: S311
        return connection

    async def _end(self, connection: Connection) -> None:
        self._born.pop(connection, None)
        try:
            await connection.close(timeout=1)
        except _ERRORS:
            connection.terminate()

    def _drop(self, connection: Connection) -> None:
        self._born.pop(connection, None)
        connection.terminate()


class PostgresEngine:
    """Connections to a server, and what becomes of its refusals."""

    def __init__(self, connections: _Connections, *, timeout_s: float) -> None:
        self._connections = connections
        self._timeout_s = timeout_s

    async def read(self, sql: str, params: Params, *, slow: bool = False) -> Rows:
        """Return the rows of a SELECT."""
        return await self._fetch(sql, params, _SLOW_S if slow else self._timeout_s)

    async def write(self, sql: str, params: Params) -> Rows:
        """Return the rows of a change once it is committed."""
        return await self._fetch(sql, params, self._timeout_s)

    async def write_guarded(self, guarded: Guarded, params: Params) -> bool:
        """Run the first statement, and the others if it gave a row; say whether it did."""
        return bool(await self._fetch(guarded.joined, params, self._timeout_s))

    async def write_rows(self, sql: str, rows: Sequence[Params]) -> Rows:
        """Run a statement of one row of VALUES for many; return its rows once it is committed."""
        if (text := as_arrays(sql)) is None:
            raise TypeError("a statement without VALUES")
        columns = tuple(map(list, zip(*rows, strict=True)))
        return await self._fetch(text, columns, self._timeout_s)

    async def transact(self, body: Callable[[], Body[T]], *, slow: bool = False) -> T:
        """Run all that a body yields in one transaction and return its value."""

        async def work(connection: Connection) -> T:
            async with connection.transaction(isolation="read_committed"):
                return await _drive(connection, body())

        return await self._run_tx(work, _SLOW_S if slow else self._timeout_s)

    async def close(self) -> None:
        """Wait for what runs, and let go of every connection."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._connections.close()
        except _ERRORS:
            self._connections.terminate()

    async def _fetch(self, sql: str, params: Params, timeout_s: float) -> Rows:
        text = numbered(sql)

        async def work(connection: Connection) -> Any:
            return await connection.fetch(text, *params)

        rows: Rows = await self._run_tx(work, timeout_s)
        return rows

    async def _run_tx(self, work: Callable[[Connection], Awaitable[T]], timeout_s: float) -> T:
        """Run one transaction; start anew, a while and some times, if the server gives it up."""
        pause = _PAUSE_S
        try:
            with Within(timeout_s):
                for _ in range(_TRIES):
                    try:
                        return await self._connections.run(work)
                    except (asyncpg.SerializationError, asyncpg.DeadlockDetectedError):
                        await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311
                        pause *= 2
        except TimeoutError:
            raise PeerTimeout("store_timeout", for_operator="no answer in time") from None
        except (*_ERRORS, ValueError) as error:
            # Not from it: the server's texts may quote a row.
            raise _mapped(error) from None
        raise PeerUnavailable("store_contended", for_operator="given up by the server too often")


async def _drive(connection: Connection, body: Body[T]) -> T:
    """Run what a transaction yields, and return its value."""
    try:
        step = next(body)
        while True:
            if isinstance(step, RunMany):
                rows: Any = ()
                if (text := as_arrays(step.sql)) is None:
                    await connection.executemany(numbered(step.sql), step.params)
                else:
                    columns = map(list, zip(*step.params, strict=True))
                    rows = await connection.fetch(text, *columns)
                step = body.send(rows)
            else:
                rows = await connection.fetch(numbered(step.sql), *step.params)
                step = body.send(rows)
    except StopIteration as end:
        value: T = end.value
        return value


# Classes of SQLSTATE that say that the server cannot now, not that it will not.
_AWAY = ("08", "25", "53", "57", "58", "XX")


def _mapped(error: Exception) -> EcsError:
    """Return our error for asyncpg's."""
    name = type(error).__name__
    if isinstance(error, asyncpg.IntegrityConstraintViolationError):
        return Conflict("exists", for_operator="the row exists already")
    if isinstance(error, (asyncpg.DataError, UnicodeEncodeError)):
        return BadRequest("unstorable_text", for_operator=f"a value that cannot be kept ({name})")
    if isinstance(error, asyncpg.PostgresError):
        state = str(error.sqlstate)
        if not state.startswith(_AWAY):
            return PeerMisbehaved("store_failed", for_operator=f"PostgreSQL answers {state}")
        return PeerUnavailable("store_unavailable", for_operator=f"PostgreSQL answers {state}")
    if isinstance(error, ValueError):
        return PeerMisbehaved("store_failed", for_operator=name)
    return PeerUnavailable("store_unavailable", for_operator=name)
