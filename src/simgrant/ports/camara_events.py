"""Subscriptions of consumers to events, and the outbox of what they are told.

What befalls a line is written for each subscription to it by whoever writes the line, in the same
transaction (ADR 0058). A worker claims such a row, judges it, delivers the event, and settles it.
What is claimed and never settled comes again by itself, with the same id.

Every method raises PeerUnavailable where the store is away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Protocol, TypeAlias

from simgrant.domain.camara.event_subscription import (
    EndReason,
    Event,
    EventSubscription,
    Happening,
    Step,
)
from simgrant.domain.camara.usage import Usage
from simgrant.nouns import Word, named_noun, noun

Judge: TypeAlias = Callable[[str, EventSubscription, Happening], Step]
"""Says what follows for a tenant's subscription; without effects, since it may be asked again."""


@noun
class Claim:
    """A row that nobody else has for a while."""

    tenant: str
    subscription_id: str
    event_id: str
    mark: int
    """Tells this claim from others."""
    tries: int
    """How often it was claimed, this time included."""


@named_noun
class Due:
    """What is to be told."""

    subscription: EventSubscription = field(repr=False)
    event: Event


class Added(Word):
    """What became of a new subscription."""

    DONE = "done"
    FULL = "full"
    """Its consumer has as many as it may."""
    SPENT = "spent"
    """There is a row of its usage already: somebody else has spent the token for it."""


class CamaraEvents(Protocol):
    """The port."""

    async def add(
        self,
        tenant: str,
        subscription: EventSubscription,
        *,
        happened: Happening | None,
        token_ends_at: int,
        most: int,
        usage: Usage,
        expires_at: int,
    ) -> Added:
        """Write one that is new together with the row of its usage, or nothing at all.

        Its consumer may have ``most``; ``usage`` and ``expires_at`` are as in ``UsageRows``.
        ``happened`` is what it is to be told first. ``token_ends_at`` is when it ends for the
        sake of its access token; 0 = it has none.
        """

    async def find(self, tenant: str, subscription_id: str) -> EventSubscription | None:
        """Return one that has not ended."""

    async def list(
        self, tenant: str, client_id: str, api: str, *, limit: int
    ) -> Sequence[EventSubscription]:
        """Return a consumer's that have not ended, in the order of their ids."""

    async def end(self, tenant: str, subscription_id: str, reason: EndReason, *, at: int) -> bool:
        """End one, and tell the sink; False where it has ended."""

    async def claim(self, *, now: int, again_at: int, limit: int) -> Sequence[Claim]:
        """Return rows that are due, which nobody else is given until ``again_at``."""

    async def take(self, claim: Claim, judge: Judge, *, now: int) -> Due | None:
        """Return what a claimed row says, judged if it was not yet, in one transaction.

        None = nothing: it was no event, or is another's by now, or has to wait for others.
        """

    async def done(self, claim: Claim) -> None:
        """Forget a row; and the subscription, where that was its end."""

    async def later(self, claim: Claim, *, again_at: int) -> None:
        """Have a row claimed again from then on."""

    async def drop(self, claim: Claim) -> None:
        """Forget the subscription and all its rows: its sink is gone."""

    async def sink_tokens(
        self, *, after: tuple[str, str] = ("", "")
    ) -> Sequence[tuple[str, str, bytes]]:
        """Return the next batch of (tenant, id, wrapped access token), in order, for re-wrapping.

        Of every subscription, those that have ended among them; empty = it has no access token.
        """

    async def rewrap(self, tenant: str, subscription_id: str, old: bytes, new: bytes) -> bool:
        """Replace a subscription's wrapped access token if it still is ``old``."""
