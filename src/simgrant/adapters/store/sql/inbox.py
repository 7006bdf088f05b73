"""The port ``Inbox`` over any ``Engine``: what a core network told, until it was acted upon."""

from __future__ import annotations

import random
from collections.abc import Sequence

from simgrant.adapters.store.sql import statements
from simgrant.adapters.store.sql.bss_events import keep
from simgrant.adapters.store.sql.engine import Body, Engine, Row, Run
from simgrant.adapters.store.sql.told_rows import KNOWN_DOUBTED
from simgrant.domain.bss_events import BssEvent, Change
from simgrant.domain.network_facts import Kind, Learned
from simgrant.identities import Imsi
from simgrant.ports.life import NETWORK
from simgrant.ports.network_events import Effect, InboxEntry, NetworkEvent


class SqlInbox:
    """Events in a table (the ``Inbox`` port)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def put(self, tenants: Sequence[str], event: NetworkEvent, *, peer: str, at: int) -> int:
        """Keep an event for each tenant that has the IMSI; return how many have."""
        if not tenants:
            return 0
        digits = event.imsi.digits
        shard = statements.shard_of(digits)
        own = (event.name, event.effect.value, at, event.cause, peer, shard)

        def body() -> Body[int]:
            kept = 0
            for tenant in sorted(tenants):
                kept += len((yield Run(statements.EVENT_PUT, (tenant, digits, *own))))
            return kept

        return await self._engine.transact(body)

    async def waiting(self, *, limit: int) -> Sequence[InboxEntry]:
        """Return events that wait, of one shard, the oldest first."""
        shards = [shard for (shard,) in await self._engine.read(statements.EVENT_SHARDS, ())]
        if not shards:
            return ()
        # In no order: of several who look at once, each is to find something of its own.
        params = (random.choice(shards), limit)  # noqa: S311 - it spreads load
        found = await self._engine.read(statements.EVENTS_WAITING, params)
        return list(map(_entry, found))

    async def take(self, entry: InboxEntry) -> InboxEntry | None:
        """Act upon an event and remove it, in one transaction; None where somebody else did."""
        event = entry.event
        subscription = (entry.tenant, event.imsi.digits)
        key = (*subscription, event.name, event.effect.value)

        def body() -> Body[InboxEntry | None]:
            found = yield Run(statements.EVENT_TAKEN, key)
            if not found:
                return None
            taken = _entry(found[0])
            yield from _compared(taken)
            if event.effect is Effect.REVOKE:
                yield Run(statements.LEARNED_FORGOTTEN, subscription)
                yield Run(statements.TOKENS_REVOKED, subscription)
            else:
                # A number that may be another's is worse than none. Where he is and how, he is
                # taken to be until somebody says otherwise.
                yield Run(statements.KIND_FORGOTTEN, (*subscription, Kind.NUMBER.value))
                yield Run(statements.LEARNED_IS_OLD, subscription)
            yield Run(KNOWN_DOUBTED, (*subscription, entry.at))
            return taken

        return await self._engine.transact(body)


def _compared(entry: InboxEntry) -> Body[None]:
    """Have the answers from now on compared with those by what the network had said until now.

    Where it had said nothing, no device was told anything by it.
    """
    event = entry.event
    rows = yield Run(statements.LEARNED, (entry.tenant, event.imsi.digits))
    learned = {Kind(kind): Learned(*rest) for kind, *rest in rows}
    # Who has the number changes no answer.
    learned.pop(Kind.NUMBER, None)
    if learned:
        change = BssEvent(
            event_id=f"{event.name}:{event.effect}:{entry.at}",
            change=Change.CHANGED,
            at=entry.at,
            learned=learned,
        )
        yield from keep(entry.tenant, NETWORK, [(event.imsi, change)], now=entry.at)


def _entry(row: Row) -> InboxEntry:
    tenant, imsi, name, effect, cause, peer, at, times = row
    return InboxEntry(
        tenant, NetworkEvent(Imsi(imsi), name, cause, Effect(effect)), peer, at, times
    )
