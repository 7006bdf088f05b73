"""The port ``SwitchRows`` over any ``Engine``: lines to be switched are timers of a kind of their
own, whose name says which service and how far it is.
"""

# ruff: noqa: S608 - what is put into these texts is other texts of this package.

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from typing import Final

from simgrant.adapters.store.sql import life_statements as sql
from simgrant.adapters.store.sql.engine import Body, Engine, Run
from simgrant.adapters.store.sql.statements import SHARD_NUMBERS, change_unheld
from simgrant.adapters.store.sql.timers import timer
from simgrant.domain.eligibility import Aspect
from simgrant.identities import Imsi
from simgrant.ports.life import TimerKind
from simgrant.ports.switching import VOWIFI, DueSwitch, UnderWay
from simgrant.spec.ids import ProvStatus

_KIND: Final = TimerKind.SWITCH.value
_ON, _OFF = "on", "off"

SHARDS: Final = f"""
SELECT shard FROM ({SHARD_NUMBERS}) AS numbers WHERE EXISTS (
    SELECT 1 FROM life_timer
    WHERE life_timer.shard = numbers.shard AND due_at <= ?1 AND kind = ?2
)
"""
SWITCHES_CLAIMED: Final = change_unheld(
    "UPDATE life_timer SET due_at = ?3",
    key="tenant, imsi, kind, name",
    which="shard = ?1 AND due_at <= ?2 AND kind = ?4 ORDER BY due_at LIMIT ?5",
    returning="tenant, imsi, name",
)
SETTLED: Final = """
DELETE FROM life_timer WHERE tenant = ?1 AND imsi = ?2 AND kind = ?3 AND name = ?4 AND due_at = ?5
RETURNING 1
"""
BEGUN: Final = """
UPDATE subscription SET provisioning = ?3
WHERE tenant = ?1 AND imsi = ?2 AND provisioning <> ?4
RETURNING 1
"""


class SqlSwitches:
    """Lines to be switched, in tables (the ``SwitchRows`` port)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def claim(self, *, now: int, again_at: int, limit: int) -> Sequence[DueSwitch]:
        """Return lines that are due; nobody else is given them until ``again_at``."""
        shards = [shard for (shard,) in await self._engine.read(SHARDS, (now, _KIND))]
        found: list[DueSwitch] = []
        # In no order: of several who look at once, each is to find something of its own.
        for shard in random.sample(shards, len(shards)):
            params = (shard, now, again_at, _KIND, limit - len(found))
            found += (
                DueSwitch(tenant, Imsi(imsi), *_read(name), again_at)
                for tenant, imsi, name in await self._engine.write(SWITCHES_CLAIMED, params)
            )
            if len(found) >= limit:
                break
        return found

    async def settle(self, due: DueSwitch, then: UnderWay | None, *, due_at: int, now: int) -> None:
        """Note how far it is, and when to look next."""
        name = _name(due.service, due.under_way)
        key = (due.tenant, due.imsi.digits, _KIND, name, due.lease)

        def body() -> Body[None]:
            if not (yield Run(SETTLED, key)):
                # What was done may have come after what somebody else did for that change.
                yield look_at(due.tenant, due.imsi, due.service, at=now)
            elif then is not None:
                name = _name(due.service, then)
                yield timer(due.tenant, due.imsi, TimerKind.SWITCH, name, due_at)

        await self._engine.transact(body)


def look_at(tenant: str, imsi: Imsi, service: str, *, at: int) -> Run:
    """Return what has a service of a line looked at."""
    return timer(tenant, imsi, TimerKind.SWITCH, _name(service, None), at)


def goes_off(tenant: str, imsi: Imsi, service: str, *, at: int) -> Run:
    """Return what has a service of a line go off, unless whoever has its IMSI then wants it on."""
    return timer(tenant, imsi, TimerKind.SWITCH, _name(service, UnderWay(on=False)), at)


def kept_of(tenant: str, imsi: Imsi, services: Collection[str]) -> Body[set[str]]:
    """Forget what waits of a line but for these services; return of which something waits."""
    key, kept = (tenant, imsi.digits, _KIND), set[str]()
    for (name,) in (yield Run(sql.SWITCHES_OF, key)):
        service, _ = _read(name)
        if service in services:
            kept.add(service)
        else:
            yield Run(sql.TIMER_ENDED, (*key, name))
    return kept


def begun(tenant: str, imsi: Imsi, *, at: int) -> Body[None]:
    """Have a line switched on: until that is done, it is in progress."""
    key = (tenant, imsi.digits)
    provisioning = (int(ProvStatus.IN_PROGRESS), int(ProvStatus.PROVISIONED))
    if (yield Run(BEGUN, (*key, *provisioning))):
        # News of it that is older is late from now on.
        yield Run(sql.ASPECT_KEPT, (*key, Aspect.PROVISIONING.value, at))
    yield look_at(tenant, imsi, VOWIFI, at=at)


def _name(service: str, under_way: UnderWay | None) -> str:
    words = [] if service == VOWIFI else [service]
    if under_way is not None:
        word = _ON if under_way.on else _OFF
        if under_way.until:
            # Spelled so that servers of an older version can read it.
            words, word = [service], f"{word}:{under_way.until}"
        words += [word, str(under_way.tries), under_way.watch]
    return " ".join(words)


def _read(name: str) -> tuple[str, UnderWay | None]:
    """Return which service it is, and how far it is."""
    first, _, rest = name.partition(" ")
    if first in ("", _ON, _OFF):
        service, rest = VOWIFI, name
    else:
        service = first
    if not rest:
        return service, None
    word, tries, watch = rest.split(" ", 2)
    word, _, until = word.partition(":")
    return service, UnderWay(word == _ON, int(tries), watch, int(until or 0))
