"""The port ``ToldRows`` over any ``Engine``: what a BSS told of subscriptions, with the SQL.

Nobody has to read a row before he writes it: of two who asked at once the later one stays, and an
event is a time of its own, which no answer overwrites.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from simgrant.adapters.store.sql.engine import Engine, Params, Row, Run
from simgrant.domain.eligibility import Aspect, Eligibility
from simgrant.domain.risk import NumberType
from simgrant.domain.subscription import ConsentStatus, SubscriptionStatus
from simgrant.domain.told import Told, aspects_told
from simgrant.identities import Imsi, Msisdn
from simgrant.spec.ids import ProvStatus
from simgrant.together import Together

_AT_ONCE: Final = 100
_MOST_WAITING: Final = 1000

TOLD: Final = """
SELECT told, source, told_since, asked_at, doubted_at FROM eligibility
WHERE tenant = ?1 AND imsi = ?2
"""

# In order: of two who write the same at once, none waits for one that waits for it.
TOLD_KEPT: Final = """
WITH new (tenant, imsi, told, source, told_since, asked_at) AS (VALUES (?1, ?2, ?3, ?4, ?5, ?6))
INSERT INTO eligibility (tenant, imsi, told, source, told_since, asked_at, doubted_at)
SELECT new.tenant, new.imsi, new.told, new.source, new.told_since, new.asked_at, 0
FROM new JOIN subscription AS s ON s.tenant = new.tenant AND s.imsi = new.imsi
WHERE s.status <> 'removed' ORDER BY new.tenant, new.imsi
ON CONFLICT (tenant, imsi) DO UPDATE SET
    told_since = CASE WHEN eligibility.told = excluded.told
        THEN eligibility.told_since ELSE excluded.told_since END,
    told = excluded.told, source = excluded.source, asked_at = excluded.asked_at
WHERE eligibility.asked_at <= excluded.asked_at
RETURNING tenant, imsi, told_since, doubted_at
"""

TOLD_DOUBTED: Final = """
INSERT INTO eligibility (tenant, imsi, told, source, told_since, asked_at, doubted_at)
SELECT tenant, imsi, ?3, ?3, 0, 0, ?4 FROM subscription
WHERE tenant = ?1 AND imsi = ?2 AND status <> 'removed'
ON CONFLICT (tenant, imsi) DO UPDATE SET doubted_at = excluded.doubted_at
WHERE eligibility.doubted_at < excluded.doubted_at
RETURNING 1
"""

KNOWN_DOUBTED: Final = """
UPDATE eligibility SET doubted_at = ?3 WHERE tenant = ?1 AND imsi = ?2 AND doubted_at < ?3
"""
"""The same where there is something to doubt: of tenants without a BSS there never is."""

TOLD_FORGOTTEN: Final = "DELETE FROM eligibility WHERE tenant = ?1 AND imsi = ?2"


def doubted(tenant: str, imsi: str, *, at: int) -> Run:
    """Return the step that notes an event, for whoever does more in the same transaction."""
    return Run(TOLD_DOUBTED, (tenant, imsi, "", at))


class SqlTold:
    """What was told, in a table (the ``ToldRows`` port)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._kept = Together(
            self._keep, most=_AT_ONCE, most_waiting=_MOST_WAITING, key=lambda params: params[:2]
        )

    async def told(self, tenant: str, imsi: Imsi) -> Told | None:
        """Return what was told last, of whatever age."""
        found = await self._engine.read(TOLD, (tenant, imsi.digits))
        return to_told(found[0]) if found and found[0][0] else None

    async def keep(self, tenant: str, imsi: Imsi, told: Told) -> Told:
        """Keep what was told, unless it was asked for later than this."""
        own = (_push(told), told.source, told.changed_at, told.asked_at)
        found = await self._kept.one((tenant, imsi.digits, *own))
        return told if found is None else _with_times(told, *found)

    async def _keep(self, rows: Sequence[Params]) -> Sequence[Row | None]:
        """Return the times of each, None where nothing was kept."""
        found = await self._engine.write_rows(TOLD_KEPT, rows)
        times = {(tenant, imsi): rest for tenant, imsi, *rest in found}
        return [times.get((tenant, imsi)) for tenant, imsi, *_ in rows]

    async def doubt(self, tenant: str, imsi: Imsi, *, at: int) -> None:
        """Note an event."""
        step = doubted(tenant, imsi.digits, at=at)
        await self._engine.write(step.sql, step.params)


def _with_times(told: Told, changed_at: int, doubted_at: int) -> Told:
    return Told(
        eligibility=told.eligibility,
        asked=told.asked,
        source=told.source,
        changed_at=changed_at,
        asked_at=told.asked_at,
        doubted_at=doubted_at,
    )


def _push(told: Told) -> str:
    """Return what was asked and told as JSON, always in the same order."""
    found: dict[str, Any] = {"asked": sorted(told.asked)}
    if told.eligibility is not None:
        found["told"] = {
            aspect: _plain(getattr(told.eligibility, aspect))
            for aspect in sorted(aspects_told(told.eligibility))
        }
    return msgspec.json.encode(found).decode()


def _plain(value: object) -> object:
    if isinstance(value, Msisdn):
        return value.digits
    return sorted(value) if isinstance(value, frozenset) else value


_READERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    Aspect.STATUS: SubscriptionStatus,
    Aspect.OPTIONS: frozenset,
    Aspect.REFUSALS: frozenset,
    Aspect.TERMS: ConsentStatus,
    Aspect.ADDRESS: ConsentStatus,
    Aspect.PROVISIONING: ProvStatus,
    Aspect.MSISDN: Msisdn,
    Aspect.NUMBER_TYPE: NumberType,
}
"""Of the others the value is what JSON has."""


def to_told(row: Row) -> Told:
    """Build what was told from the row of ``TOLD``."""
    body, source, changed_at, asked_at, doubted_at = row
    data = msgspec.json.decode(body)
    found = None
    if "told" in data:
        found = Eligibility(
            **{
                name: _READERS[name](value) if name in _READERS else value
                for name, value in data["told"].items()
            }
        )
    return Told(
        eligibility=found,
        asked=frozenset(map(Aspect, data["asked"])),
        source=source,
        changed_at=changed_at,
        asked_at=asked_at,
        doubted_at=doubted_at,
    )
