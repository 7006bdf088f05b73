"""The port ``SweepRows`` over any ``Engine``, with the SQL."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from simgrant.adapters.store.sql import life_statements as life
from simgrant.adapters.store.sql.bss_events import all_of, present, written
from simgrant.adapters.store.sql.engine import Body, Engine, Run
from simgrant.adapters.store.sql.told_rows import to_told
from simgrant.domain.network_facts import Kind, Learned
from simgrant.nouns import replace
from simgrant.ports.life import Judge, Judged, Present
from simgrant.ports.sweeps import Sweep, Swept

_BEGINS_S: Final = 2

SWEEP_BEGUN: Final = """
INSERT INTO policy_sweep (tenant, change, after_imsi, looked, told, due_ms, mark)
VALUES (?1, ?2, ?3, 0, 0, ?4, 0)
"""
SWEEP_DUE: Final = """
SELECT tenant, change, looked, told FROM policy_sweep
WHERE due_ms <= ?1 AND NOT EXISTS (
    SELECT 1 FROM policy_sweep AS older
    WHERE older.tenant = policy_sweep.tenant AND older.change < policy_sweep.change
)
ORDER BY due_ms LIMIT 1
"""
SWEEP_CLAIMED: Final = """
UPDATE policy_sweep SET due_ms = ?4, mark = ?5
WHERE tenant = ?1 AND change = ?2 AND due_ms <= ?3 RETURNING 1
"""
SWEEP_HELD: Final = """
UPDATE policy_sweep SET due_ms = ?4 WHERE tenant = ?1 AND change = ?2 AND mark = ?3
RETURNING after_imsi
"""
SWEEP_MOVED: Final = """
UPDATE policy_sweep SET after_imsi = ?3, looked = ?4, told = ?5 WHERE tenant = ?1 AND change = ?2
"""
SWEEP_ENDED: Final = "DELETE FROM policy_sweep WHERE tenant = ?1 AND change = ?2 AND mark = ?3"
SWEEPS: Final = """
SELECT change, mark, looked, told FROM policy_sweep WHERE tenant = ?1 ORDER BY change
"""
SWEPT_NEXT: Final = """
SELECT imsi FROM subscription WHERE tenant = ?1 AND imsi > ?2 AND status <> 'removed'
ORDER BY imsi LIMIT ?3
"""


class SqlSweeps:
    """Sweeps in a table."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def claim(self, *, now_ms: int, again_ms: int) -> Sweep | None:
        """Return a sweep that is due; nobody else is given it before ``again_ms``."""
        found = await self._engine.read(SWEEP_DUE, (now_ms,))
        if not found:
            return None
        tenant, change, looked, told = found[0]
        mark = int.from_bytes(os.urandom(7))
        ours = await self._engine.write(SWEEP_CLAIMED, (tenant, change, now_ms, again_ms, mark))
        return Sweep(tenant, change, mark, looked, told) if ours else None

    async def step(
        self,
        sweep: Sweep,
        judge: Judge,
        *,
        now: float,
        again_ms: int,
        limit: int,
        counts: bool = False,
    ) -> Swept | None:
        """Look at the next subscriptions, write what follows, in one transaction."""
        tenant, key = sweep.tenant, (sweep.tenant, sweep.change)

        def body() -> Body[Swept | None]:
            held = yield Run(SWEEP_HELD, (*key, sweep.mark, again_ms))
            if not held:
                return None
            page = yield Run(SWEPT_NEXT, (tenant, held[0][0], limit))
            digits = [imsi for (imsi,) in page]
            # Of most nothing follows, and then no row of theirs is touched.
            differ = [
                each.life.subscription.imsi.digits
                for each in (yield from _known(tenant, digits, life.STATES_OF, counts=counts))
                if (each.terminals or each.registered) and judge(each).changed
            ]
            judged: list[Judged] = []
            if differ:
                locked = yield from _known(tenant, differ, life.LOCKED, counts=counts)
                judged = [each for each in map(judge, locked) if each.changed]
                yield from written(tenant, judged, now=now)
            moved = replace(sweep, looked=sweep.looked + len(digits), told=sweep.told + len(judged))
            is_done = len(digits) < limit
            if is_done:
                yield Run(SWEEP_ENDED, (*key, sweep.mark))
            else:
                yield Run(SWEEP_MOVED, (*key, digits[-1], moved.looked, moved.told))
            return Swept(moved, tuple(judged), is_done)

        return await self._engine.transact(body)

    async def under_way(self, tenant: str) -> Sequence[Sweep]:
        """Return the sweeps that are not at their end, the oldest first."""
        found = await self._engine.read(SWEEPS, (tenant,))
        return [Sweep(tenant, *row) for row in found]

    async def drop(self, sweep: Sweep) -> None:
        """End a sweep whatever is left of it."""
        await self._engine.write(SWEEP_ENDED, (sweep.tenant, sweep.change, sweep.mark))


def begun(tenant: str, change: int, *, at: int) -> Run:
    """Return what begins a sweep, for whoever puts its policy in force at that time.

    By its beginning every worker decides by that.
    """
    return Run(SWEEP_BEGUN, (tenant, change, "", (at + _BEGINS_S) * 1000))


def _known(tenant: str, digits: Sequence[str], states: str, *, counts: bool) -> Body[list[Present]]:
    """Return what is known of subscriptions, what a BSS and a core network said among it."""
    there = yield from present(tenant, dict.fromkeys(digits, ()), states, counts=counts)
    told = {
        row[0]: to_told(row[1:])
        for row in (yield from all_of(life.TOLD_OF, digits, tenant))
        if row[1]
    }
    learned: dict[str, dict[Kind, Learned]] = {}
    for imsi, kind, *rest in (yield from all_of(life.LEARNED_OF, digits, tenant)):
        learned.setdefault(imsi, {})[Kind(kind)] = Learned(*rest)
    return [
        replace(each, told=told.get(imsi), learned=learned.get(imsi, {}))
        for each in there
        for imsi in [each.life.subscription.imsi.digits]
    ]
