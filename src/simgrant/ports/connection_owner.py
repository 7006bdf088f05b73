"""Whose a connection of the mobile network is: for authentication by the network (CAMARA ICM)."""

from __future__ import annotations

from typing import Protocol

from simgrant.identities import Imsi


class ConnectionOwner(Protocol):
    """Knows which SIM has an address at this moment.

    Errors: PeerUnavailable, PeerMisbehaved.
    """

    async def of(self, tenant: str, address: str, port: int, *, deadline: float) -> Imsi | None:
        """Return the SIM behind an address of the Internet; None where nobody knows.

        ``port`` tells those apart that share one (0 = it is not known); ``deadline`` is of the
        monotonic clock.
        """

    async def close(self) -> None:
        """Ask no more."""
