"""What a BSS told of subscriptions, kept until it is asked again (ADR 0043).

Every method raises PeerUnavailable where the store is away.
"""

from __future__ import annotations

from typing import Final, Protocol

from simgrant.domain.told import Told
from simgrant.identities import Imsi

STEADY_S: Final = 60
"""Seconds for which a BSS that changes its mind is not believed once more: of two of its nodes that
do not agree, one would be found changed by each device that is told to ask again."""


class ToldRows(Protocol):
    """The port."""

    async def told(self, tenant: str, imsi: Imsi) -> Told | None:
        """Return what was told last, of whatever age; None = nothing."""

    async def keep(self, tenant: str, imsi: Imsi, told: Told, *, tells: bool = False) -> Told:
        """Keep what was told, unless it was asked for later than this; return it with its times.

        ``changed_at`` stays as it was where the same was told before, and ``doubted_at`` is what
        events made of it meanwhile. Of no subscription nothing is kept. With ``tells``, an event is
        written with it where something else was told before (`Waiting.told`): whoever acts upon it
        compares what devices are told. Of what changed less than `STEADY_S` ago, it waits until
        another event comes, with which everybody is told.
        """

    async def doubt(self, tenant: str, imsi: Imsi, *, at: int) -> None:
        """Note an event (Unix seconds), after which what is known has to be asked for anew."""
