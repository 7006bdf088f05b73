"""What EAP-AKA' wants of a vector, wherever it comes from (TS 33.402 §6.2)."""

from __future__ import annotations

from simgrant.eap.vector import AuthVector
from simgrant.errors import PeerMisbehaved


def check_separated(vector: AuthVector, source: str) -> None:
    """Raise PeerMisbehaved for a vector whose AMF has no separation bit; ``source`` gave it."""
    if not vector.separated:
        raise PeerMisbehaved(
            "amf_without_separation_bit",
            for_operator=f"{source}: EAP-AKA' needs an AMF whose first bit is set",
        )
