"""What a core network tells of its subscribers, and the inbox in which it waits to be acted upon.

Two promises. `NetworkEvents.tell` returns once the event cannot be lost any more: only then is it
acknowledged to whoever told it. `Inbox.take` acts upon an event and removes it in one transaction,
so however often processes die, its effect is there, and once.

A subscription has at most one row for each kind of event and effect. Told again before anything was
done, an event takes the place of the one before it, so the inbox cannot outgrow the subscriptions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from simgrant.identities import Imsi
from simgrant.nouns import Word, noun


class Effect(Word):
    """What follows from an event."""

    FORGET = "forget"
    """What the network said of the subscriber before may have changed."""
    REVOKE = "revoke"
    """That, and no token of the subscription is good any more."""


@noun
class NetworkEvent:
    """What the network told."""

    imsi: Imsi
    name: str
    """Interface and command, out of a closed set: ``swx_push_profile``."""
    cause: str
    """The word of the interface for why, out of a closed set; empty where it has none."""
    effect: Effect


@noun
class InboxEntry:
    """An event of a subscription that waits."""

    tenant: str
    event: NetworkEvent
    peer: str
    """Who told it last, as the settings name it."""
    at: int
    """Unix seconds at which it was told last."""
    times: int
    """How often it was told since anything was done."""


class NetworkEvents(Protocol):
    """Takes over what peers tell."""

    async def tell(self, peer: str, event: NetworkEvent) -> bool:
        """Take an event over; False where no subscription is meant.

        ``peer`` is the name of a connection in the settings. PeerUnavailable, PeerTimeout: it
        could not be kept, and the peer has to tell it again.
        """


class Inbox(Protocol):
    """Where events wait; every method raises PeerUnavailable where the store is away."""

    async def put(self, tenants: Sequence[str], event: NetworkEvent, *, peer: str, at: int) -> int:
        """Keep an event for each tenant that has the IMSI; return how many have."""

    async def waiting(self, *, limit: int) -> Sequence[InboxEntry]:
        """Return events that wait, the oldest first, of one part of all subscriptions."""

    async def take(self, entry: InboxEntry) -> InboxEntry | None:
        """Act upon an event and remove it; None where somebody else did.

        What is returned is as it was told last.
        """
