"""Who can vouch for a SIM: HSS, UDM, 3GPP AAA or our own AuC, as a source of vectors.

Errors promised by every adapter: UnknownIdentity (no such SIM), AuthenticationRejected
(the AUTS of a resynchronisation does not verify), PeerUnavailable and PeerTimeout (ask
again later), PeerMisbehaved (a wrong or useless answer, such as a vector without CK).
"""

from __future__ import annotations

from dataclasses import field
from typing import Final, Protocol

from simgrant.eap.packet import Variant
from simgrant.eap.vector import AuthVector, Resync
from simgrant.identities import Imsi
from simgrant.nouns import noun

SPARED: Final = frozenset({"diameter_overloaded", "sbi_overloaded"})
"""Reasons of PeerUnavailable where a source was sent nothing, as it asked for: it works."""
NOT_ASKED: Final = SPARED | {"circuit_open", "source_full"}
"""Reasons where no request was sent: another source may be asked at no cost."""


@noun
class VectorRequest:
    """Which SIM a vector is for, and how it will be used."""

    tenant: str
    imsi: Imsi
    variant: Variant
    """EAP-AKA or EAP-AKA'; the second needs the separation bit in its AMF."""
    resync: Resync | None = field(default=None, repr=False)
    """The SIM's own sequence number, to be taken over first (TS 33.102 §6.3.5)."""


class Vectors(Protocol):
    """A source of authentication vectors."""

    async def fetch(self, request: VectorRequest, *, deadline: float) -> AuthVector:
        """Return one fresh vector, by ``deadline`` (seconds of the monotonic clock)."""
