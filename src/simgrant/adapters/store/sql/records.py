"""What ``SqlStore`` needs of whoever keeps request records, and how a table keeps them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from itertools import chain
from typing import Protocol

from simgrant.adapters.store.sql import rows, statements
from simgrant.adapters.store.sql.engine import Body, Engine, Run, RunMany
from simgrant.ports.store import LAST_RECORD, RequestRecord

_PAGE = 500
"""Records that are read at a time."""


class Records(Protocol):
    """Keeps request records; the errors are those of the port ``Store``."""

    async def append(self, records: Sequence[RequestRecord]) -> None:
        """Keep records, all or none; one that is there already stays as it is."""

    async def find(
        self, tenant: str, subscriber_refs: Sequence[str], limit: int, before: tuple[int, str]
    ) -> Sequence[RequestRecord]:
        """Return the newest records of any of the references, newest first, older than that."""

    def scan(
        self, tenant: str, since_us: int, limit: int
    ) -> AsyncIterator[Sequence[RequestRecord]]:
        """Yield the newest records of a tenant in batches, about in order, none older than that."""

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
        self, tenant: str, subscriber_refs: Sequence[str], limit: int, before: tuple[int, str]
    ) -> Sequence[RequestRecord]:
        """Return the newest records of any of the references, newest first, older than that."""
        found = [
            await self._engine.read(statements.RECORDS, (tenant, reference, limit, *before))
            for reference in dict.fromkeys(subscriber_refs)
        ]
        newest = sorted(map(rows.to_record, chain(*found)), key=_by_time, reverse=True)
        return newest[:limit]

    async def scan(
        self, tenant: str, since_us: int, limit: int
    ) -> AsyncIterator[Sequence[RequestRecord]]:
        """Yield the newest records of a tenant in batches: some of each shard in turn.

        Shards are alike, so the order is right but for the span of a turn.
        """
        page = max(1, min(_PAGE, -(-limit // statements.SHARDS)))
        ends = dict.fromkeys(range(statements.SHARDS), LAST_RECORD)
        while ends and limit > 0:
            for shard, (at_us, request_id) in tuple(ends.items()):
                size = min(page, limit)
                params = (shard, since_us, at_us, request_id, tenant, size)
                found = await self._engine.read(statements.RECORDS_SINCE, params, slow=True)
                records = [rows.to_record(row) for row in found]
                if len(records) < size:
                    del ends[shard]
                else:
                    ends[shard] = _by_time(records[-1])
                limit -= len(records)
                if records:
                    yield records
                if limit <= 0:
                    return

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
