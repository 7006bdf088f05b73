"""Hubs that are to tell us of events: what is done at one, and what is known of ours there.

A registration is the cluster's, not a worker's: whoever claims its row sees to it for a while, and
nobody else does meanwhile. What a claim saw is written back by `HubRows.keep` only while the claim
is the newest, so that one who was slow undoes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from simgrant.nouns import Number, Word, named_noun, noun

MOST_ID: Final = 256
"""Characters of a hub's id."""


class HubState(Word):
    """How a registration is."""

    NEW = "new"
    """Nobody was there yet."""
    REGISTERED = "registered"
    FAILING = "failing"
    """It could not be registered, or looked at, the last time."""
    UNHOOKED = "unhooked"
    """Somebody took it away by hand; servers leave it alone."""


class Hurry(Number):
    """When a row may be claimed that nobody has."""

    DUE = 0
    """When it is time to look at it, and it is of the same settings."""
    CHANGED = 1
    """Also when it is of other settings: ours are newer."""
    NOW = 2
    """At any time, whatever its state is: a person wants it."""


@noun
class Registration:
    """What is registered."""

    url: str
    """The hub."""
    callback: str
    query: str


@named_noun
class HubRow:
    """What is known of one hub."""

    tenant: str
    """Whose subscriptions its events are about."""
    name: str
    """As the settings call it."""
    state: HubState = HubState.NEW
    wanted: str = ""
    """A hash of what is to be registered."""
    hub_id: str = ""
    """What the hub calls the registration; empty = there is none, or it did not say."""
    registered: Registration = Registration("", "", "")
    """What is registered under that id."""
    stale: str = ""
    """Address of a registration that is still to be taken away; empty = none is."""
    registered_at: int = 0
    looked_at: int = 0
    """When it was last seen to be there."""
    due_at: int = 0
    """When it is to be looked at again."""
    held_until: int = 0
    """Until when somebody sees to it."""
    failures: int = 0
    """In a row."""
    reason: str = ""
    """Of the last one."""


class HubRows(Protocol):
    """The table; all methods raise PeerUnavailable where the store is away."""

    async def claim(
        self, tenant: str, name: str, wanted: str, *, hurry: Hurry, now: int, lease_s: int
    ) -> HubRow | None:
        """Return a row, made where there is none, to see to for ``lease_s``; None = not now."""

    async def keep(self, row: HubRow, *, release: bool = True) -> bool:
        """Write down what became of a row that was claimed, and let go of it if that is all.

        False where somebody else has claimed it since: nothing is written.
        """

    async def find(self, tenant: str, name: str) -> HubRow | None:
        """Return one row."""

    async def listed(self) -> Sequence[HubRow]:
        """Return all of them, by name."""

    async def drop(self, name: str) -> bool:
        """Forget what is of that name; False where nothing is."""


class Seen(Word):
    """What a hub says of a registration."""

    THERE = "there"
    GONE = "gone"
    NOT_SHOWN = "not_shown"
    """It shows none of them."""


class Hub(Protocol):
    """A hub; all methods raise PeerUnavailable and PeerMisbehaved."""

    async def register(self, callback: str, query: str, *, deadline: float) -> str | None:
        """Register a listener and return its id; None where the hub has this listener already."""

    async def find(self, callback: str, *, deadline: float) -> str:
        """Return the id of a listener that the hub has already; empty where it does not say."""

    async def look(self, hub_id: str, *, deadline: float) -> Seen:
        """Say whether a registration is still there."""

    async def remove(self, address: str, *, deadline: float) -> bool:
        """Take a registration away; False where it is another peer's, who is asked nothing."""

    def address(self, hub_id: str) -> str:
        """Return the address of a registration."""

    async def close(self) -> None:
        """Let go of every connection."""
