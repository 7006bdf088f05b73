"""What a core network knows of its subscribers, and what it was found to say.

Errors promised by every adapter: PeerUnavailable and PeerTimeout (ask again later),
PeerMisbehaved (a wrong or useless answer). That the network tells nothing of a subscriber is an
answer, and no error.
"""

from __future__ import annotations

from typing import Protocol

from simgrant.identities import Imsi, Msisdn
from simgrant.nouns import noun


@noun
class Learned:
    """What a network said of a subscriber."""

    msisdn: Msisdn | None
    """None = it tells none."""
    source: str
    """Who said it, as the settings name it: ``hss.home``."""
    at: int
    """Unix seconds at which it was asked."""


class NetworkData(Protocol):
    """Somebody who knows subscribers."""

    async def number(self, imsi: Imsi, *, deadline: float) -> Msisdn | None:
        """Return the number of a SIM by ``deadline`` (of the monotonic clock); None = not told."""


class LearnedRows(Protocol):
    """What was learned, kept until it is too old or an event of the network says so.

    Every method raises PeerUnavailable where the store is away.
    """

    async def learned(self, tenant: str, imsi: Imsi) -> Learned | None:
        """Return what was learned, of whatever age."""

    async def learn(self, tenant: str, imsi: Imsi, learned: Learned) -> None:
        """Keep what was learned, if there is such a subscription."""
