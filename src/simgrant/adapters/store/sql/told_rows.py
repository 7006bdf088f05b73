"""What a BSS told of subscriptions as rows, and back, with the SQL.

Nobody has to read a row before he writes it: of two who asked at once the later one stays, and an
event is a time of its own, which no answer overwrites.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final

import msgspec

from simgrant.adapters.store.sql.engine import Row
from simgrant.domain.eligibility import Aspect, Aspects, Eligibility
from simgrant.domain.risk import NumberType
from simgrant.domain.subscription import ConsentStatus, SubscriptionStatus
from simgrant.domain.told import Told
from simgrant.identities import Msisdn
from simgrant.spec.ids import ProvStatus

TOLD: Final = """
SELECT told, source, told_since, asked_at, doubted_at FROM eligibility
WHERE tenant = ?1 AND imsi = ?2
"""

_NEWER: Final = """
ON CONFLICT (tenant, imsi) DO UPDATE SET
    told_since = CASE WHEN eligibility.told = excluded.told
        THEN eligibility.told_since ELSE excluded.told_since END,
    told = excluded.told, source = excluded.source, asked_at = excluded.asked_at
WHERE eligibility.asked_at <= excluded.asked_at
RETURNING tenant, imsi, told_since, doubted_at
"""

# In order: of two who write the same at once, none waits for one that waits for it.
TOLD_KEPT: Final = f"""
WITH new (tenant, imsi, told, source, told_since, asked_at) AS (VALUES (?1, ?2, ?3, ?4, ?5, ?6))
INSERT INTO eligibility (tenant, imsi, told, source, told_since, asked_at, doubted_at)
SELECT new.tenant, new.imsi, new.told, new.source, new.told_since, new.asked_at, 0
FROM new JOIN subscription AS s ON s.tenant = new.tenant AND s.imsi = new.imsi
WHERE s.status <> 'removed' ORDER BY new.tenant, new.imsi
{_NEWER}"""  # noqa: S608
"""For many rows at once (`Engine.write_rows`)."""

TOLD_KEPT_ALONE: Final = f"""
INSERT INTO eligibility (tenant, imsi, told, source, told_since, asked_at, doubted_at)
SELECT tenant, imsi, ?3, ?4, ?5, ?6, 0 FROM subscription
WHERE tenant = ?1 AND imsi = ?2 AND status <> 'removed'
{_NEWER}"""  # noqa: S608
"""The same for one, within a transaction that does more."""

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


def from_told(told: Told) -> str:
    """Return what was asked and told as JSON, always in the same order."""
    found: dict[str, Any] = {"asked": _in_order(told.asked)}
    if told.eligibility is not None:
        found["told"] = {
            aspect: value if isinstance(value, str) else _plain(value)
            for aspect, value in zip(_SORTED, _values(told.eligibility), strict=True)
            if value is not None
        }
    return _encode(found).decode()


_encode: Final = msgspec.json.Encoder().encode
_SORTED: Final = sorted(Aspect)
_values: Final = attrgetter(*_SORTED)


@lru_cache(maxsize=64)
def _in_order(asked: Aspects) -> tuple[str, ...]:
    return tuple(sorted(asked))


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
