"""What a core network can be asked about its subscribers, and what it was found to say.

Errors promised by every adapter: PeerUnavailable and PeerTimeout (ask again later),
PeerMisbehaved (a wrong or useless answer). That the network tells nothing of a subscriber is an
answer, and no error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Protocol

from simgrant.domain.network_facts import Kind, Kinds, Learned, Registration
from simgrant.identities import Imsi, Msisdn
from simgrant.nouns import named_noun, noun


@noun
class Subscriber:
    """Whom a network is asked about."""

    imsi: Imsi
    msisdn: Msisdn | None = None
    """His number, where it is known: some interfaces name people by it."""


@named_noun
class Known:
    """What a network tells of a subscriber; what it does not tell is empty."""

    number: Msisdn | None = None
    visited_plmn: str = field(default="", repr=False)
    """Digits of MCC and MNC of the network that he is in, abroad or at home."""
    located_s: int = 0
    """Seconds since he was known to be there."""
    registration: Registration = Registration.UNKNOWN


class NetworkData(Protocol):
    """Somebody who knows subscribers."""

    tells: Kinds
    """What it can be asked for at all."""

    async def ask(self, who: Subscriber, wants: Kinds, *, deadline: float) -> Known:
        """Return what it tells of these kinds by ``deadline`` (of the monotonic clock)."""


class LearnedRows(Protocol):
    """What was learned, kept until an event of the network says otherwise.

    Every method raises PeerUnavailable where the store is away.
    """

    async def learned(self, tenant: str, imsi: Imsi) -> Mapping[Kind, Learned]:
        """Return what was learned, of whatever age."""

    async def learn(self, tenant: str, imsi: Imsi, learned: Mapping[Kind, Learned]) -> None:
        """Keep what was learned, if there is such a subscription."""
