"""Whether a consumer may process what is a subscriber's (CAMARA consent-info)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from simgrant.domain.subscription import Subscription
from simgrant.nouns import Word, named_noun


class Standing(Word):
    """How a processing stands, by the wire's names."""

    VALID = "VALID"
    """It is permitted, by consent or another legal basis."""
    PENDING = "PENDING"
    REQUESTED = "REQUESTED"
    DENIED = "DENIED"
    EXPIRED = "EXPIRED"
    OBJECTED = "OBJECTED"


CAPTURABLE = frozenset({Standing.PENDING, Standing.REQUESTED, Standing.EXPIRED})
"""Where it helps to ask the subscriber."""


@named_noun
class Processing:
    """How some scopes stand for one purpose."""

    scopes: tuple[str, ...]
    standing: Standing
    expires_at: int | None = None
    """Unix seconds at which it ends or ended; None = it does not."""


@named_noun
class Purposeful:
    """Who wants to process what, and what for."""

    client_id: str
    application: str = ""
    purpose: str
    """W3C DPV, without the prefix."""
    scopes: tuple[str, ...]


class CamaraConsents(Protocol):
    """The port; every method raises PeerUnavailable where nobody can be asked."""

    async def of(
        self, subscription: Subscription, wanted: Purposeful, /, *, now: int
    ) -> Sequence[Processing]:
        """Return how every wanted scope stands, those that stand alike together."""

    async def capture_url(
        self, subscription: Subscription, wanted: Purposeful, callback: str, /
    ) -> str:
        """Return where the subscriber can be asked; empty = nowhere.

        ``callback`` is where he is to go from there; empty = nowhere.
        """
