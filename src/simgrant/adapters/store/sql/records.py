"""What ``SqlStore`` needs of whoever keeps request records, and how a table keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Protocol

from simgrant.adapters.store.sql import rows, statements
from simgrant.adapters.store.sql.engine import Body, Engine, Run, RunMany
from simgrant.ports.store import RequestRecord


class Records(Protocol):
    """Keeps request records; the errors are those of the port ``Store``."""

    async def append(self, records: Sequence[RequestRecord]) -> None:
        """Keep records, all or none; one that is there already stays as it is."""

    async def find(
        self, tenant: str, subscriber_refs: Sequence[str], limit: int
    ) -> Sequence[RequestRecord]:
        """Return the newest records of any of the references, newest first."""

    async def forget(self, tenant: str, subscriber_refs: Sequence[str]) -> int:
        """Delete the records of the references; return how many. May be repeated."""

    async def purge(self, before_us: int, limit: int) -> int:
        """Delete at most so many of the records older than that; return how many."""

    async def close(self) -> None:
        """Finish what is queued and let go of what is this one's own."""


class SqlRecords:
    """Records in the table ``record``, a row each."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def append(self, records: Sequence[RequestRecord]) -> None:
        """Keep records; one that is there already stays as it is."""
        params = [rows.from_record(record) for record in records]

        def body() -> Body[None]:
            yield RunMany(statements.RECORD_KEPT, params)

        await self._engine.transact(body)

    async def find(
        self, tenant: str, subscriber_refs: Sequence[str], limit: int
    ) -> Sequence[RequestRecord]:
        """Return the newest records of any of the references, newest first."""
        found = [
            await self._engine.read(statements.RECORDS, (tenant, reference, limit))
            for reference in dict.fromkeys(subscriber_refs)
        ]
        newest = sorted(map(rows.to_record, chain(*found)), key=_by_time, reverse=True)
        return newest[:limit]

    async def forget(self, tenant: str, subscriber_refs: Sequence[str]) -> int:
        """Delete the records of the references; return how many."""

        def body() -> Body[int]:
            removed = 0
            for reference in subscriber_refs:
                deleted = yield Run(statements.RECORDS_FORGOTTEN, (tenant, reference))
                removed += len(deleted)
            return removed

        return await self._engine.transact(body)

    async def purge(self, before_us: int, limit: int) -> int:
        """Delete a batch of old records, a transaction for each shard; return how many."""
        left = limit
        for shard in range(statements.SHARDS):
            if left > 0:
                params = (shard, before_us, left)
                left -= len(await self._engine.write(statements.RECORDS_PURGED, params))
        return limit - left

    async def close(self) -> None:
        """Do nothing: the engine is the store's to close."""


def _by_time(record: RequestRecord) -> tuple[int, str]:
    return record.at_us, record.request_id
