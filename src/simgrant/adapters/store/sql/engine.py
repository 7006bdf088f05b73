"""What ``SqlStore`` needs of a database: reads, writes, transactions, and one set of errors.

A transaction is a generator that yields statements and is sent their rows. It neither awaits nor
knows which engine runs it: SQLite drives it in its writer thread, PostgreSQL over the network, and
either may run it anew from its beginning. So it has no effect outside the database.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, Protocol, TypeVar

from simgrant.adapters.store.sql.statements import Guarded
from simgrant.nouns import noun

T = TypeVar("T")
Row = Sequence[Any]
Rows = Sequence[Row]
Params = tuple[Any, ...]


@noun
class Run:
    """One statement; its rows are sent back."""

    sql: str
    params: Params


@noun
class RunMany:
    """One statement for many rows of parameters, in their order.

    What an INSERT of them RETURNs is sent back, of other statements nothing.
    """

    sql: str
    params: Sequence[Params]


Body = Generator[Run | RunMany, Rows, T]


class Engine(Protocol):
    """A database; every method raises PeerUnavailable or Conflict, and nothing with an identity.

    ``read`` and ``write`` are one statement each, ``slow`` says that it looks at many rows.
    """

    async def read(self, sql: str, params: Params, *, slow: bool = False) -> Rows:
        """Return the rows of a SELECT."""

    async def write(self, sql: str, params: Params) -> Rows:
        """Return the rows of a change once it is safe on disk."""

    async def write_guarded(self, guarded: Guarded, params: Params) -> bool:
        """Run the first statement, and the others if it gave a row; say whether it did."""

    async def write_rows(self, sql: str, rows: Sequence[Params]) -> Rows:
        """Run a statement of one row of VALUES for many, in one transaction; return its rows."""

    async def transact(self, body: Callable[[], Body[T]], *, slow: bool = False) -> T:
        """Run all that a body yields in one transaction and return its value once it is safe."""

    async def close(self) -> None:
        """Finish what is queued and let go of every connection."""
