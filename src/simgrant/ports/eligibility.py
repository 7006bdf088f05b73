"""A business support system that is asked about subscriptions when a device asks us.

Errors promised by every adapter: PeerUnavailable and PeerTimeout (ask again later), PeerMisbehaved
(a wrong, useless or too long answer, or one about somebody else). That the BSS does not know a
subscription is an answer, and no error.
"""

from __future__ import annotations

from dataclasses import field
from typing import Protocol, runtime_checkable

from simgrant.domain.eligibility import Aspects, Eligibility
from simgrant.domain.order import Device, Kind
from simgrant.nouns import named_noun
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


@named_noun
class Prospect:
    """What a device may get for a line, before anything is ordered (TS.43 §6.5.2)."""

    app_id: str
    kind: Kind
    device: Device | None = None
    """Who would get it; None = not known yet."""


@named_noun
class Qualification:
    """What a BSS says of a prospect."""

    qualified: bool
    reason: str = field(default="", repr=False)
    """Why not, in a word or sentence of the BSS's own, for the operator; at most 256 letters."""


@runtime_checkable
class ChecksEligibility(Protocol):
    """What an `EligibilitySource` is besides, where its BSS judges prospects itself."""

    async def qualify(
        self, who: Subscriber, prospect: Prospect, *, deadline: float
    ) -> Qualification | None:
        """Return what the BSS says; None = it has no such subscription. Errors as above."""
