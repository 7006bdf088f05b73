"""Who authenticates a SIM by himself: an EAP server of the operator's, such as a 3GPP AAA.

We carry its packets to the phone and back. Errors promised by every adapter: UnknownIdentity (no
such SIM, or no right), AuthenticationRejected (the SIM is not believed, or the conversation is
none that a phone understands), BadRequest (the phone's packet is none; nothing was sent),
Unauthenticated (the conversation is not ours), PeerUnavailable and PeerTimeout (ask again later),
PeerMisbehaved (a wrong or useless answer).
"""

from __future__ import annotations

from dataclasses import field
from typing import Protocol

from simgrant.identities import Imsi
from simgrant.nouns import noun


@noun
class Relayed:
    """A challenge for the phone, and where the conversation stands."""

    packet: bytes = field(repr=False)
    held: bytes = field(repr=False)
    """What `answer` needs, at any worker of any node; for whoever made it only."""


class EapServer(Protocol):
    """An EAP server."""

    async def begin(self, identity: str, *, deadline: float) -> Relayed:
        """Return the challenge for an identity by ``deadline`` (of the monotonic clock)."""

    async def answer(
        self, held: bytes, imsi: Imsi, packet: bytes, *, deadline: float
    ) -> Relayed | None:
        """Take the phone's packet: None if the SIM is proved, or a second challenge.

        There is a second one only after a synchronisation failure, and no third.
        """
