"""Where eSIM orders, the stock of profiles and what became of each order are kept (ADR 0028).

The same database as ``ports.store``, in tables of their own. Every change is one transaction:
order, stock, what its device is told and the row of its history. Errors promised are those of
``ports.store``; besides, `NoStock` where no profile is left to reserve, and `IccidTaken` where a
profile is another order's: of one profile there is one order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from simgrant.domain.order import Device, Order, Source
from simgrant.domain.owner import Enterprise, Owner
from simgrant.domain.pace import Pace, Used
from simgrant.errors import Conflict
from simgrant.identities import Iccid
from simgrant.nouns import Word, noun


class NoStock(Conflict):
    """No profile of this type is left."""

    default_reason = "no_stock"


class TooMany(Conflict):
    """The owner has as many orders of this application as it may."""

    default_reason = "too_many_devices"


class TokenOver(Conflict):
    """The temporary token that an order is asked for with is over."""

    default_reason = "lent_token_spent"


class TooOften(Conflict):
    """There were as many orders as there may be in a while, or for one eUICC."""

    default_reason = "too_often"


class IccidTaken(Conflict):
    """Another order has this profile."""

    default_reason = "iccid_taken"


class TooFast(Conflict):
    """An enterprise made as many orders in this hour as it may; ``retry_after`` is its rest."""


class StockState(Word):
    """What a profile of our stock is."""

    FREE = "free"
    TAKEN = "taken"
    """Reserved for an order, or used by one."""


@noun
class Shelf:
    """The profiles of one type of one SM-DP+ that were given to us."""

    smdp: str
    profile_type: str
    free: int
    taken: int


@noun
class Kept:
    """An order and whose it is."""

    tenant: str
    owner: Owner
    order: Order


@noun
class Passed:
    """One transition of an order, for whoever asks what became of it."""

    at: int
    """Unix seconds."""
    place: str
    order_id: str
    version: int
    event: str
    before: str
    """The state; empty for the first."""
    after: str
    todo: str
    reason: str


class Orders(Protocol):
    """The port; see the module's docstring for what every method promises."""

    async def of(self, tenant: str, owner: Owner) -> Sequence[Order]:
        """Return every order of an owner, the ended ones too, by place."""

    async def at(self, tenant: str, owner: Owner, place: str) -> Order | None:
        """Return the order at one place; an enterprise has too many to read them all."""

    async def live_of(self, tenant: str, enterprise: Enterprise) -> int:
        """Return how many orders of an enterprise have not ended."""

    async def make(
        self,
        tenant: str,
        owner: Owner,
        order: Order,
        *,
        instead_of: Order | None,
        due_at: int | None,
        most: int | None = None,
        tell: bool = False,
        most_an_hour: int | None = None,
        pace: Pace | None = None,
        otherwise: Sequence[Source] = (),
    ) -> Order | None:
        """Write a new order, with an ICCID of our stock where its source is pooled and it has none.

        Where no profile of its source is left, it is the first of ``otherwise`` that has one, or
        that is not pooled.

        One that waits at the portal gets its ICCID with what is decided there (`settle_visit`), one
        that reuses an old profile that one, once it is deleted. ``tell`` is as for `change`.

        Raise `TooMany` where the owner has ``most`` orders of its application that have not ended,
        `TooFast` where an enterprise made ``most_an_hour`` in this hour, `TooOften` where it would
        go beyond ``pace``, `NoStock`, `IccidTaken` where the order comes with an ICCID, and
        `TokenOver` where the token that it is asked for with is not BOUND; then nothing is
        written.

        ``instead_of`` is the ended order that had its place; None where there was none. One of
        which something is left to be done is set aside with it (`Order.is_aside`), unless both are
        of one profile. Return the order as it was written, None if somebody else was faster.
        ``due_at`` and ``tell`` are as for `change`.
        """

    async def change(
        self,
        tenant: str,
        owner: Owner,
        after: Order,
        *,
        before: Order,
        event: str,
        due_at: int | None,
        keep_due: bool = False,
        tell: bool = False,
    ) -> bool:
        """Write an order after a transition, if nobody else had one since ``before``.

        What is to be done for it is due at ``due_at`` (Unix seconds), None = nothing is; with
        ``keep_due`` when it was, so that who has claimed it keeps it. With ``tell`` the clients
        that registered for its application are told. A spared ICCID is free again, or no longer
        known where it was not of our stock; one that others chose is taken, or `IccidTaken` is
        raised and nothing is written.

        Where the line has moved by it (`domain.line.has_moved`), the tokens of every terminal but
        those that it moved to are over, and their clients that registered for its application are
        told. A temporary token that it was asked for with is MOVED by then, and CONSUMED where it
        ends.
        """

    async def used(self, tenant: str, owner: Owner, device: Device, pace: Pace, *, at: int) -> Used:
        """Return what was made of a pace already, as `make` finds it for an order of that time."""

    async def claim(self, *, now: int, again_at: int, limit: int) -> Sequence[Kept]:
        """Return orders that something is due for; nobody else is given them until ``again_at``."""

    async def by_iccid(self, tenant: str, iccid: Iccid) -> Kept | None:
        """Return the order that has a profile."""

    async def by_id(self, tenant: str, start: str) -> Sequence[Kept]:
        """Return the orders whose id begins so, two at most: whoever means one finds one."""

    async def page(
        self, tenant: str, *, after: tuple[str, str], limit: int, waiting: bool
    ) -> Sequence[Kept]:
        """Return orders by owner and place, those behind ``after``, all or those that wait.

        One waits if it awaits something (`Order.awaits`).
        """

    async def history(self, tenant: str, owner: Owner) -> Sequence[Passed]:
        """Return every transition of an owner's orders, oldest first."""

    async def forget(self, tenant: str, enterprise: Enterprise) -> int:
        """Delete every order of an enterprise and their history; return how many orders.

        Profiles that were ordered for it are never given to anybody else.
        """

    async def orphans(self, tenant: str) -> Sequence[Kept]:
        """Return orders of which the SM-DP+ may have a profile that nobody knows."""

    async def stock(self, tenant: str) -> Sequence[Shelf]:
        """Return how many profiles there are of each type, free and taken."""

    async def add_stock(
        self, tenant: str, smdp: str, profile_type: str, iccids: Sequence[Iccid]
    ) -> int:
        """Add profiles that are ours to order; return how many were not known yet."""
