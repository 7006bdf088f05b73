"""The port ``UsageRows`` over any ``Engine``: what was used of partner APIs, with the SQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final

from simgrant.adapters.store.sql import statements
from simgrant.adapters.store.sql.engine import Engine, Params, Row
from simgrant.domain.camara.access_token import Method
from simgrant.domain.camara.usage import Outcome, Usage
from simgrant.ports.camara_usage import Counted, Place, Span, Total

_COLUMNS: Final = (
    "usage_id, at_ms, client_id, application, api, operation, purpose, method, outcome, status,"
    " code, subject_ref, correlator, tariff, price_micros, share_micros, currency, suspicion,"
    " sandbox, duration_us"
)
USAGE_RECORDED: Final = f"""
INSERT INTO camara_usage (tenant, {_COLUMNS}, expires_at, shard)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
        ?21, ?22, ?23)
ON CONFLICT (tenant, usage_id) DO NOTHING RETURNING 1
"""  # noqa: S608 - of our own words
USAGE_THERE: Final = "SELECT 1 FROM camara_usage WHERE tenant = ?1 AND usage_id = ?2"
USAGE_PAGE: Final = f"""
SELECT {_COLUMNS} FROM camara_usage
WHERE shard = ?1 AND at_ms >= ?2 AND at_ms < ?3 AND (at_ms, usage_id) > (?4, ?5) AND tenant = ?6
    AND (?7 = ?8 OR client_id = ?7)
ORDER BY at_ms, usage_id LIMIT ?9
"""  # noqa: S608 - of our own words
_ALIKE: Final = "client_id, application, api, operation, method, outcome, tariff, currency, sandbox"
USAGE_TOTALS: Final = f"""
SELECT {_ALIKE}, count(*), CAST(sum(price_micros) AS bigint), CAST(sum(share_micros) AS bigint)
FROM ({statements.SHARD_NUMBERS}) AS numbers
JOIN camara_usage ON camara_usage.shard = numbers.shard AND at_ms >= ?1 AND at_ms < ?2
WHERE tenant = ?3 AND (?4 = ?5 OR client_id = ?4)
GROUP BY {_ALIKE}
"""  # noqa: S608 - of our own words
USAGE_COUNTED: Final = f"""
SELECT tenant, client_id, api, count(*)
FROM ({statements.SHARD_NUMBERS}) AS numbers
JOIN camara_usage ON camara_usage.shard = numbers.shard AND at_ms >= ?1 AND at_ms < ?2
WHERE outcome <> ?3 AND sandbox = 0
GROUP BY tenant, client_id, api
"""  # noqa: S608 - of our own words
USAGE_PURGED: Final = statements.change_unheld(
    "DELETE FROM camara_usage",
    key="tenant, usage_id",
    which="shard = ?1 AND at_ms < ?2 AND expires_at < ?3 ORDER BY at_ms LIMIT ?4",
)
_PURGED: Final = 1_000
_DAY_MS: Final = 86_400_000
_MOST_PARTS: Final = 400


class SqlUsage:
    """What was used, in a table (the ``UsageRows`` port)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def record(self, tenant: str, usage: Usage, *, expires_at: int) -> bool:
        """Write a row; False, and nothing changed, where there is one of its ``usage_id``."""
        params = recorded(tenant, usage, expires_at)
        return bool(await self._engine.write(USAGE_RECORDED, params))

    async def spent(self, tenant: str, token_id: bytes) -> bool:
        """Say whether there is a row of a token for one call."""
        return bool(await self._engine.read(USAGE_THERE, (tenant, token_id)))

    async def page(
        self, tenant: str, span: Span, after: Place, *, client_id: str = "", limit: int
    ) -> tuple[Sequence[Usage], Place | None]:
        """Return the next rows of one shard, and where to go on; None = there are no more."""
        if not 0 <= after.shard < statements.SHARDS:
            return (), None
        last = (after.at_ms, after.usage_id)
        params = (after.shard, span.since_ms, span.until_ms, *last, tenant, client_id, "", limit)
        rows = [_usage(row) for row in await self._engine.read(USAGE_PAGE, params, slow=True)]
        if len(rows) == limit:
            return rows, Place(after.shard, rows[-1].at_ms, rows[-1].usage_id)
        following = after.shard + 1
        return rows, Place(following) if following < statements.SHARDS else None

    async def totals(
        self, tenant: str, span: Span, *, client_id: str = ""
    ) -> AsyncIterator[Sequence[Total]]:
        """Yield the totals of each day, whose rows lie together."""
        step = max(_DAY_MS, -(-(span.until_ms - span.since_ms) // _MOST_PARTS))
        for since_ms in range(span.since_ms, span.until_ms, step):
            until_ms = min(since_ms + step, span.until_ms)
            params = (since_ms, until_ms, tenant, client_id, "")
            yield [_total(row) for row in await self._engine.read(USAGE_TOTALS, params, slow=True)]

    async def counted(self, span: Span) -> Sequence[Counted]:
        """Return what counts for quotas, of all tenants."""
        params = (span.since_ms, span.until_ms, Outcome.REFUSED.value)
        found = await self._engine.read(USAGE_COUNTED, params, slow=True)
        return [Counted(*row) for row in found]

    async def purge(self, *, before_ms: int, now: int) -> int:
        """Delete a batch of old rows, a transaction for each shard; return how many."""
        gone = 0
        for shard in range(statements.SHARDS):
            params = (shard, before_ms, now, _PURGED)
            gone += len(await self._engine.write(USAGE_PURGED, params))
        return gone


def recorded(tenant: str, usage: Usage, expires_at: int) -> Params:
    """Return the parameters of ``USAGE_RECORDED``."""
    shard = usage.usage_id[0] % statements.SHARDS
    return (tenant, *_params(usage), expires_at, shard)


def _params(usage: Usage) -> Params:
    return (
        usage.usage_id,
        usage.at_ms,
        usage.client_id,
        usage.application,
        usage.api,
        usage.operation,
        usage.purpose,
        usage.method.value,
        usage.outcome.value,
        usage.status,
        usage.code,
        usage.subject_ref,
        usage.correlator,
        usage.tariff,
        usage.price_micros,
        usage.share_micros,
        usage.currency,
        usage.suspicion,
        int(usage.sandbox),
        usage.duration_us,
    )


def _usage(row: Row) -> Usage:
    usage_id, at_ms, client_id, application, api, operation, purpose, *rest = row
    method, outcome, status, code, subject_ref, correlator, tariff, *rest = rest
    price_micros, share_micros, currency, suspicion, sandbox, duration_us = rest
    return Usage(
        usage_id=bytes(usage_id),
        at_ms=at_ms,
        client_id=client_id,
        application=application,
        api=api,
        operation=operation,
        purpose=purpose,
        method=Method(method),
        outcome=Outcome(outcome),
        status=status,
        code=code,
        subject_ref=subject_ref,
        correlator=correlator,
        tariff=tariff,
        price_micros=price_micros,
        share_micros=share_micros,
        currency=currency,
        suspicion=suspicion,
        sandbox=bool(sandbox),
        duration_us=duration_us,
    )


def _total(row: Row) -> Total:
    client_id, application, api, operation, method, outcome, tariff, *rest = row
    currency, sandbox, *sums = rest
    count, price_micros, share_micros = sums
    return Total(
        client_id=client_id,
        application=application,
        api=api,
        operation=operation,
        method=Method(method),
        outcome=Outcome(outcome),
        tariff=tariff,
        currency=currency,
        sandbox=bool(sandbox),
        count=count,
        price_micros=price_micros,
        share_micros=share_micros,
    )
