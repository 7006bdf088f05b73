"""What core networks tell of subscribers: kept, acknowledged, acted upon (ADR 0037).

Every worker empties the inbox: at once what it was told itself, and after a while what others left.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from simgrant.errors import EcsError
from simgrant.flows.for_ever import KeepsActing
from simgrant.identities import Imsi
from simgrant.nouns import named_noun
from simgrant.ports.clock import Clock
from simgrant.ports.keys import Keys
from simgrant.ports.network_events import Inbox, InboxEntry, NetworkEvent
from simgrant.ports.store import RequestRecord
from simgrant.telemetry.metrics import Metrics
from simgrant.telemetry.record import NetworkRecord, instant, push_network


@named_noun
class Rules:
    """How the inbox is emptied."""

    batch: int = 100
    """Events that are looked for at a time."""
    poll_s: float = 5.0
    """Seconds between two looks for what other workers left."""


class NetworkInbox:
    """Takes over what peers tell (the ``NetworkEvents`` port); ``run`` acts upon it."""

    def __init__(
        self,
        inbox: Inbox,
        *,
        tenants_of: Callable[[str, Imsi], Sequence[str]],
        keys: Keys,
        clock: Clock,
        metrics: Metrics,
        keep: Callable[[RequestRecord], None],
        rules: Rules | None = None,
    ) -> None:
        """``tenants_of`` says of which tenants' subscriptions a peer may tell, with this IMSI."""
        self._inbox = inbox
        self._tenants_of = tenants_of
        self._keys = keys
        self._clock = clock
        self._metrics = metrics
        self._keep = keep
        self._rules = rules or Rules()
        self._acting = KeepsActing(self._act, poll_s=self._rules.poll_s, failed="network_inbox")

    async def tell(self, peer: str, event: NetworkEvent) -> bool:
        """Keep an event; False where none of the peer's tenants has the subscription."""
        tenants = self._tenants_of(peer, event.imsi)
        try:
            kept = await self._inbox.put(tenants, event, peer=peer, at=int(self._clock.now()))
        except EcsError:
            self._metrics.count_network_event(event.name, "not_kept")
            raise
        self._metrics.count_network_event(event.name, "kept" if kept else "unknown")
        if kept:
            self._acting.wake()
        return kept > 0

    async def run(self) -> None:
        """Act upon what waits, for ever; what is cut off in between is done by the next."""
        await self._acting.run()

    async def _act(self) -> bool:
        """Act upon some events; say whether there were any."""
        found = await self._inbox.waiting(limit=self._rules.batch)
        for entry in found:
            taken = await self._inbox.take(entry)
            if taken is not None:
                self._metrics.count_network_event(taken.event.name, "done")
                self._keep(self._record(taken))
        return bool(found)

    def _record(self, entry: InboxEntry) -> RequestRecord:
        """Return what is kept of it for care agents and audits."""
        event, now = entry.event, self._clock.now()
        ring = self._keys.ring
        record = NetworkRecord(
            at=instant(now),
            request_id=os.urandom(8).hex(),
            tenant=entry.tenant,
            event="network",
            outcome=event.effect,
            subscriber_ref=ring.reference(entry.tenant, "imsi", event.imsi.digits, now=now),
            told=event.name,
            told_at=instant(entry.at),
            peer=entry.peer,
            cause=event.cause,
            times=entry.times,
        )
        return RequestRecord(
            entry.tenant,
            record.subscriber_ref,
            int(now * 1e6),
            record.request_id,
            push_network(record),
        )
