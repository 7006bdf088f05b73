"""The port ``HubRows`` over any ``Engine``: our registrations at hubs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from simgrant.adapters.store.sql.engine import Engine, Row
from simgrant.ports.event_hubs import HubRow, HubState, Hurry, Registration

_COLUMNS: Final = (
    "tenant, name, state, wanted, hub_id, url, callback, query, stale, registered_at, looked_at,"
    " due_at, held_until, failures, reason"
)
HUB_CLAIMED = f"""
INSERT INTO event_hub ({_COLUMNS})
VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?5, ?5, ?5, 0, 0, ?6, ?7, 0, ?5)
ON CONFLICT (tenant, name) DO UPDATE SET held_until = excluded.held_until, wanted = excluded.wanted
WHERE event_hub.held_until <= ?6 AND (?8 = 2 OR (event_hub.state <> ?9 AND (
    (event_hub.wanted = excluded.wanted AND event_hub.due_at <= ?6)
    OR (?8 = 1 AND event_hub.wanted <> excluded.wanted)
)))
RETURNING {_COLUMNS}
"""  # noqa: S608 - of our own words
HUB_KEPT = """
UPDATE event_hub SET state = ?4, hub_id = ?5, url = ?6, callback = ?7, query = ?8, stale = ?9,
    registered_at = ?10, looked_at = ?11, due_at = ?12, failures = ?13, reason = ?14,
    held_until = ?15
WHERE tenant = ?1 AND name = ?2 AND held_until = ?3
RETURNING 1
"""
HUB_FOUND = f"SELECT {_COLUMNS} FROM event_hub WHERE tenant = ?1 AND name = ?2"  # noqa: S608 - of our own words
HUBS = f"SELECT {_COLUMNS} FROM event_hub ORDER BY name, tenant"  # noqa: S608 - of our own words
HUB_DROPPED = "DELETE FROM event_hub WHERE name = ?1 RETURNING 1"


class SqlHubs:
    """Registrations in a table (the ``HubRows`` port)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def claim(
        self, tenant: str, name: str, wanted: str, *, hurry: Hurry, now: int, lease_s: int
    ) -> HubRow | None:
        """Return a row, made where there is none, to see to for ``lease_s``; None = not now."""
        params = (
            tenant,
            name,
            HubState.NEW.value,
            wanted,
            "",
            now,
            now + lease_s,
            hurry.value,
            HubState.UNHOOKED.value,
        )
        found = await self._engine.write(HUB_CLAIMED, params)
        return _row(found[0]) if found else None

    async def keep(self, row: HubRow, *, release: bool = True) -> bool:
        """Write down what became of a claimed row, and let go of it; False = it is another's."""
        registered = row.registered
        params = (
            row.tenant,
            row.name,
            row.held_until,
            row.state.value,
            row.hub_id,
            registered.url,
            registered.callback,
            registered.query,
            row.stale,
            row.registered_at,
            row.looked_at,
            row.due_at,
            row.failures,
            row.reason,
            0 if release else row.held_until,
        )
        return bool(await self._engine.write(HUB_KEPT, params))

    async def find(self, tenant: str, name: str) -> HubRow | None:
        """Return one row."""
        found = await self._engine.read(HUB_FOUND, (tenant, name))
        return _row(found[0]) if found else None

    async def listed(self) -> Sequence[HubRow]:
        """Return all of them, by name."""
        return list(map(_row, await self._engine.read(HUBS, ())))

    async def drop(self, name: str) -> bool:
        """Forget what is of that name; False where nothing is."""
        return bool(await self._engine.write(HUB_DROPPED, (name,)))


def _row(row: Row) -> HubRow:
    tenant, name, state, wanted, hub_id, url, callback, query, stale, *times, failures, reason = row
    registered_at, looked_at, due_at, held_until = times
    return HubRow(
        tenant=tenant,
        name=name,
        state=HubState(state),
        wanted=wanted,
        hub_id=hub_id,
        registered=Registration(url, callback, query),
        stale=stale,
        registered_at=registered_at,
        looked_at=looked_at,
        due_at=due_at,
        held_until=held_until,
        failures=failures,
        reason=reason,
    )
