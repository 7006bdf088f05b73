"""What core networks say of a subscription before and after an event.

A network tells that something changed, not what: it is asked at once, and not only once a device
comes. Of other events it knows nothing, and what it said before holds before and after.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Final, Protocol

from simgrant.domain.bss_events import BssEvent
from simgrant.domain.network_facts import NOTHING_HEARD, Heard
from simgrant.flows.network_data import NetworkFacts
from simgrant.identities import Imsi
from simgrant.nouns import named_noun
from simgrant.ports.store import Store


@named_noun
class Hearing:
    """What was heard before, and now."""

    before: Heard = NOTHING_HEARD
    after: Heard = NOTHING_HEARD
    about: frozenset[str] = frozenset()
    """Ids of the events of a network after which it was asked."""


NOBODY_ASKED: Final = Hearing()


class HearsAnew(Protocol):
    """Asks core networks about a subscription that events are about."""

    async def of(self, tenant: str, imsi: Imsi, events: Sequence[BssEvent]) -> Hearing:
        """Return what they say. What the store raises is raised."""


class HeardAnew:
    """Asks the networks of each tenant whose rules look at what they know."""

    def __init__(self, store: Store, network: NetworkFacts) -> None:
        self._store = store
        self._network = network

    async def of(self, tenant: str, imsi: Imsi, events: Sequence[BssEvent]) -> Hearing:
        """Return what they say; who does not answer, has said what he had said before."""
        told = sorted(
            (event for event in events if event.learned is not None), key=attrgetter("at")
        )
        about = frozenset(event.event_id for event in told)
        if not self._network.wanted[tenant]:
            return Hearing(about=about)
        subscription = await self._store.find(tenant, imsi=imsi)
        if subscription is None:
            return Hearing(about=about)
        if not told or told[0].learned is None:
            learned = await self._store.learned.learned(tenant, imsi)
            same = self._network.as_learned(subscription, learned)
            return Hearing(before=same, after=same)
        # Of several, the first one found what devices were told by.
        before = self._network.as_learned(subscription, told[0].learned)
        return Hearing(before=before, after=await self._network.heard(subscription), about=about)
