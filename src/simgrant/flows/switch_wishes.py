"""What is wanted of a service in the network, for whoever switches it (`flows.switching`)."""

from __future__ import annotations

from dataclasses import field
from typing import Protocol

from simgrant.domain.subscription import Profile
from simgrant.nouns import named_noun
from simgrant.ports.network_data import Subscriber
from simgrant.ports.switching import DueSwitch
from simgrant.spec.ids import ProvStatus


@named_noun
class Wish:
    """What is wanted of a service now."""

    on: bool
    who: Subscriber
    before: Profile | None = field(repr=False)
    """As it was read: whether anything changed meanwhile is seen by it. None = its line was erased:
    it goes off for nobody's sake, and is given up after a while."""
    told: ProvStatus = ProvStatus.NOT_REQUIRED
    """How far devices are told that it is: by the BSS's word, where it has one."""


class Wishes(Protocol):
    """Who knows what is wanted of a service, and tells what came of it."""

    async def of(self, due: DueSwitch, *, deadline: float) -> Wish | None:
        """Return what is wanted of a line; None where it is to be left alone.

        Whoever is asked for that answers by ``deadline`` (of the monotonic clock). EcsError: it
        cannot be said now.
        """

    async def tell(self, due: DueSwitch, wish: Wish, status: ProvStatus) -> None:
        """Have everybody learn how far it is, unless it is known."""

    async def changed(self, due: DueSwitch, wish: Wish) -> bool:
        """Say whether what was wanted rests on something that is not so any more."""
