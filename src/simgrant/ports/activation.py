"""Switching a service of a subscriber in the network, by the operator's systems.

Errors promised by every adapter: PeerUnavailable and PeerTimeout (nobody knows whether it was
switched; to ask again does no harm), PeerMisbehaved (a wrong or useless answer). Switching what is
as it should be is no error.
"""

from __future__ import annotations

from typing import Protocol

from simgrant.identities import Iccid
from simgrant.nouns import named_noun
from simgrant.ports.network_data import Subscriber
from simgrant.spec.ids import ProvStatus


@named_noun
class Switched:
    """How far it is."""

    status: ProvStatus
    """PROVISIONED or NOT_PROVISIONED once it is as was wanted, or never will be; IN_PROGRESS."""
    failed: bool = False
    """Whether it was given up: ``status`` is then what holds, as far as is known."""
    watch: str = ""
    """What `Activation.progress` is asked with, for as long as it is in progress."""


class Activation(Protocol):
    """The port."""

    async def switch(
        self, who: Subscriber, *, on: bool, deadline: float, iccid: Iccid | None = None
    ) -> Switched:
        """Have the service switched by ``deadline`` (of the monotonic clock).

        With ``iccid`` it is that of the device that has this profile.
        """

    async def progress(self, watch: str, *, on: bool, deadline: float) -> Switched:
        """Return how far something is that was under way; ``on`` is what was wanted."""

    async def close(self) -> None:
        """Let go of every connection."""
