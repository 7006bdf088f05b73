"""Which plans may be chosen, where the operator's business support system says it.

Errors promised by every adapter: PeerUnavailable and PeerTimeout (ask again later), PeerMisbehaved
(a wrong or useless answer).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from simgrant.domain.plan_offer import PlanOffer


class PlanOffers(Protocol):
    """The port."""

    async def offers(self, *, deadline: float) -> Sequence[PlanOffer]:
        """Return what is sold now by ``deadline`` (of the monotonic clock), in the BSS's order."""

    async def close(self) -> None:
        """Let go of every connection."""
