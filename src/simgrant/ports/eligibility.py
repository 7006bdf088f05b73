"""A business support system that is asked about subscriptions when a device asks us.

Errors promised by every adapter: PeerUnavailable and PeerTimeout (ask again later), PeerMisbehaved
(a wrong, useless or too long answer, or one about somebody else). That the BSS does not know a
subscription is an answer, and no error.
"""

from __future__ import annotations

from typing import Protocol

from simgrant.domain.eligibility import Aspects, Eligibility
from simgrant.ports.network_data import Subscriber


class EligibilitySource(Protocol):
    """The port; see the module's docstring for what it promises."""

    tells: Aspects
    """What it can be asked for at all."""

    async def look_up(
        self, who: Subscriber, wants: Aspects, *, deadline: float
    ) -> Eligibility | None:
        """Return what is told of these aspects by ``deadline`` (of the monotonic clock).

        None = the BSS has no such subscription.
        """

    async def close(self) -> None:
        """Let go of every connection."""
