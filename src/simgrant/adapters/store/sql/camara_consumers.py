"""The port ``ConsumerRows`` over any ``Engine``: consumers and tariffs as JSON, with the SQL.

Whoever changes something raises the tenant's number first, and so holds its row until it is done:
numbers are seen in their order, and whoever saw one has missed none before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import msgspec

from simgrant.adapters.store.sql.engine import Body, Engine, Params, Row, Run
from simgrant.domain.camara.consumer import Consumer
from simgrant.domain.camara.tariff import Tariff
from simgrant.nouns import replace
from simgrant.ports.camara_consumers import Changed, ConsumerRow

CONSUMER_NUMBERS: Final = "SELECT tenant, number FROM camara_change"
NUMBER_RAISED: Final = """
INSERT INTO camara_change (tenant, number) VALUES (?1, 1)
ON CONFLICT (tenant) DO UPDATE SET number = camara_change.number + 1
RETURNING number
"""
CONSUMER_NUMBER: Final = "SELECT number FROM camara_change WHERE tenant = ?1"
CONSUMERS_CHANGED: Final = """
SELECT client_id, revision, body FROM camara_consumer WHERE tenant = ?1 AND number > ?2
ORDER BY client_id
"""
CONSUMER_FOUND: Final = """
SELECT client_id, revision, body FROM camara_consumer WHERE tenant = ?1 AND client_id = ?2
"""
CONSUMER_MADE: Final = """
INSERT INTO camara_consumer (tenant, client_id, number, revision, body)
VALUES (?1, ?2, ?3, 1, ?4) ON CONFLICT (tenant, client_id) DO NOTHING RETURNING 1
"""
CONSUMER_CHANGED: Final = """
UPDATE camara_consumer SET number = ?3, revision = revision + 1, body = ?4
WHERE tenant = ?1 AND client_id = ?2 AND revision = ?5 RETURNING 1
"""
TARIFFS: Final = "SELECT body FROM camara_tariff WHERE tenant = ?1 ORDER BY name, valid_from"
TARIFF_MADE: Final = """
INSERT INTO camara_tariff (tenant, name, valid_from, body) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (tenant, name, valid_from) DO NOTHING RETURNING 1
"""
TARIFF_REMOVED: Final = """
DELETE FROM camara_tariff WHERE tenant = ?1 AND name = ?2 AND valid_from = ?3 RETURNING 1
"""

_Statement: TypeAlias = Callable[[int], Run]
"""Makes the statement of a change, given its number."""
_consumers: Final = msgspec.json.Decoder(Consumer)
_tariffs: Final = msgspec.json.Decoder(Tariff)


class SqlConsumers:
    """Consumers and tariffs in tables (the ``ConsumerRows`` port)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def numbers(self) -> Mapping[str, int]:
        """Return the number of every tenant's newest change."""
        found = await self._engine.read(CONSUMER_NUMBERS, ())
        return {str(tenant): int(number) for tenant, number in found}

    async def changed(self, tenant: str, after: int = 0) -> Changed:
        """Return what changed after a number; 0 = all there is.

        The number is read first: what comes meanwhile is read now, and once more.
        """
        number = await self._engine.read(CONSUMER_NUMBER, (tenant,))
        rows = await self._engine.read(CONSUMERS_CHANGED, (tenant, after))
        tariffs = await self._engine.read(TARIFFS, (tenant,))
        return Changed(
            int(number[0][0]) if number else 0,
            [_row(row) for row in rows],
            [_tariffs.decode(body) for (body,) in tariffs],
        )

    async def find(self, tenant: str, client_id: str) -> ConsumerRow | None:
        """Return one consumer; None where there never was one of that name."""
        found = await self._engine.read(CONSUMER_FOUND, (tenant, client_id))
        return _row(found[0]) if found else None

    async def put(self, tenant: str, consumer: Consumer, *, seen: int) -> bool:
        """Write a consumer with the next revision; False where it is another one by now."""
        body = msgspec.json.encode(replace(consumer, revision=seen + 1)).decode()
        return await self._change_consumer(tenant, consumer.client_id, body, seen)

    async def remove(self, tenant: str, client_id: str, *, seen: int) -> bool:
        """Remove a consumer; False where it is of another revision."""
        return await self._change_consumer(tenant, client_id, "", seen)

    async def put_tariff(self, tenant: str, tariff: Tariff) -> bool:
        """Add a version of a tariff; False where there is one of that moment."""
        body = msgspec.json.encode(tariff).decode()
        return await self._change(
            tenant, lambda _: Run(TARIFF_MADE, (tenant, tariff.name, tariff.valid_from, body))
        )

    async def remove_tariff(self, tenant: str, name: str, valid_from: int) -> bool:
        """Remove a version of a tariff; False where there is none."""
        return await self._change(tenant, lambda _: Run(TARIFF_REMOVED, (tenant, name, valid_from)))

    async def _change_consumer(self, tenant: str, client_id: str, body: str, seen: int) -> bool:
        def run(number: int) -> Run:
            params: Params = (tenant, client_id, number, body)
            if seen == 0:
                return Run(CONSUMER_MADE, params)
            return Run(CONSUMER_CHANGED, (*params, seen))

        return await self._change(tenant, run)

    async def _change(self, tenant: str, run: _Statement) -> bool:
        def body() -> Body[bool]:
            ((number,),) = yield Run(NUMBER_RAISED, (tenant,))
            if not (yield run(int(number))):
                raise _Another
            return True

        try:
            return await self._engine.transact(body)
        except _Another:
            return False


class _Another(Exception):
    """It is another one by now: all of the transaction is undone."""


def to_consumer(row: Row) -> Consumer | None:
    """Return the consumer of a row of ``CONSUMER_FOUND``; None where nobody could use it."""
    return _row(row).consumer


def _row(row: Row) -> ConsumerRow:
    client_id, revision, body = row
    if not body:
        return ConsumerRow(client_id, revision, None)
    try:
        return ConsumerRow(client_id, revision, _consumers.decode(body))
    except msgspec.ValidationError:
        # Nobody is let in by what is only half understood.
        return ConsumerRow(client_id, revision, None, unreadable=True)
