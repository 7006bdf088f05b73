"""Who of a tenant is still to be looked at since another policy decides, and how far that is.

A sweep begins in the transaction that puts the policy in force (`PolicyRows.put`), and looks at
subscriptions in the order of their IMSIs. How far it is, and what follows for those it looked at,
is written in one transaction: whoever dies, another goes on where he was.

Errors promised by every adapter: PeerUnavailable (the store cannot be reached).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from simgrant.nouns import noun
from simgrant.ports.life import Judge, Judged


@noun
class Sweep:
    """A sweep that somebody has until his lease is over."""

    tenant: str
    change: int
    """The change of its policy (`PolicyChange`)."""
    mark: int
    """Tells this lease from any other."""
    looked: int
    """Subscriptions that were looked at."""
    told: int
    """Of these, those whose devices are told something else."""


@noun
class Swept:
    """What a step came to."""

    sweep: Sweep
    """As it is now."""
    judged: tuple[Judged, ...]
    """What follows for those that are told something else."""
    is_done: bool
    """Whether there is nobody left to look at: there is no such sweep any more."""


class SweepRows(Protocol):
    """The port."""

    async def claim(self, *, now_ms: int, again_ms: int) -> Sweep | None:
        """Return a sweep that is due, of each tenant the oldest first; nobody else is given it
        before ``again_ms``.
        """

    async def step(
        self,
        sweep: Sweep,
        judge: Judge,
        *,
        now: float,
        again_ms: int,
        limit: int,
        counts: bool = False,
    ) -> Swept | None:
        """Look at the next subscriptions, write what follows, in one transaction; ``counts`` has
        their companions counted.

        ``judge`` is called with what is known of each of which some device was ever seen, and once
        more, with its row locked, where something follows (``changed``). The lease is good until
        ``again_ms`` then. None where the sweep is somebody else's by now.
        """

    async def under_way(self, tenant: str) -> Sequence[Sweep]:
        """Return the sweeps of a tenant that are not at their end, the oldest first, as somebody
        has them or nobody yet."""

    async def drop(self, sweep: Sweep) -> None:
        """End a sweep whatever is left of it."""
