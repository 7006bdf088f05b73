"""The port ``ToldRows`` over any ``Engine``: what a BSS told of subscriptions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from simgrant.adapters.store.sql.bss_events import found_another, found_too_soon
from simgrant.adapters.store.sql.engine import Body, Engine, Params, Row, Rows, Run
from simgrant.adapters.store.sql.told_rows import (
    TOLD,
    TOLD_DOUBTED,
    TOLD_KEPT,
    TOLD_KEPT_ALONE,
    from_told,
    to_told,
)
from simgrant.domain.told import Told
from simgrant.identities import Imsi
from simgrant.ports.told import STEADY_S
from simgrant.together import Together

_AT_ONCE: Final = 100
_MOST_WAITING: Final = 1000


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

    async def keep(self, tenant: str, imsi: Imsi, told: Told, *, tells: bool = False) -> Told:
        """Keep what was told, unless it was asked for later than this; have it compared."""
        key = (tenant, imsi.digits)
        own = (from_told(told), told.source, told.changed_at, told.asked_at)

        def body() -> Body[Rows]:
            known = yield Run(TOLD, key)
            if known and _is_another(known[0], own):
                if told.asked_at >= known[0][2] + STEADY_S:
                    yield from found_another(tenant, imsi, known[0], now=told.asked_at)
                else:
                    yield found_too_soon(tenant, imsi, now=told.asked_at)
            return tuple((yield Run(TOLD_KEPT_ALONE, (*key, *own))))

        if not tells:
            found = await self._kept.one((*key, *own))
            return told if found is None else _with_times(told, *found)
        rows = await self._engine.transact(body)
        return told if not rows else _with_times(told, *rows[0][2:])

    async def _keep(self, rows: Sequence[Params]) -> Sequence[Row | None]:
        """Return the times of each, None where nothing was kept."""
        found = await self._engine.write_rows(TOLD_KEPT, rows)
        times = {(tenant, imsi): rest for tenant, imsi, *rest in found}
        return [times.get((tenant, imsi)) for tenant, imsi, *_ in rows]

    async def doubt(self, tenant: str, imsi: Imsi, *, at: int) -> None:
        """Note an event."""
        step = doubted(tenant, imsi.digits, at=at)
        await self._engine.write(step.sql, step.params)


def _is_another(row: Row, own: Params) -> bool:
    """Say whether the row of ``TOLD`` had said something else."""
    was, source, _, asked_at, _ = row
    said, by, _, asked = own
    return bool(was) and source == by and was != said and asked_at <= asked


def _with_times(told: Told, changed_at: int, doubted_at: int) -> Told:
    return Told(
        eligibility=told.eligibility,
        asked=told.asked,
        source=told.source,
        changed_at=changed_at,
        asked_at=told.asked_at,
        doubted_at=doubted_at,
    )
