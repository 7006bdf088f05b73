"""What every AKA algorithm set offers, so that AuC and SIM take any (TS 33.102 §6.3).

Milenage and TUAK differ in how they compute f1 to f5*; AUTN and AUTS are put
together from these in the same way, which is why that is done here, once.
"""

from __future__ import annotations

import hmac
from dataclasses import field
from typing import TYPE_CHECKING, Final, Protocol

from simgrant.nouns import noun

if TYPE_CHECKING:
    from simgrant.eap.vector import AuthVector

AUTS_BYTES: Final = 14
"""Concealed sequence number and MAC-S."""

AMF_RESYNC: Final = bytes(2)
"""The AMF under MAC-S is all zero, whatever the challenge carried (TS 33.102 §6.3.3)."""

SQN_LIMIT: Final = 1 << 48
"""Sequence numbers have 48 bits."""


@noun
class AkaResult:
    """What f2 to f5 make of one RAND."""

    res: bytes = field(repr=False)
    ck: bytes = field(repr=False)
    ik: bytes = field(repr=False)
    ak: bytes = field(repr=False)


class AkaAlgorithm(Protocol):
    """An algorithm set with the key of one SIM in it."""

    def generate(self, rand: bytes, *, sqn: int, amf: bytes) -> AuthVector:
        """Return a whole vector, as an AuC does."""

    def f1(self, rand: bytes, *, sqn: int, amf: bytes) -> bytes:
        """Return MAC-A."""

    def f1_star(self, rand: bytes, *, sqn: int, amf: bytes) -> bytes:
        """Return MAC-S."""

    def f2345(self, rand: bytes) -> AkaResult:
        """Return RES, CK, IK and AK."""

    def f5_star(self, rand: bytes) -> bytes:
        """Return AK*, which conceals the sequence number in AUTS."""


def make_auts(algorithm: AkaAlgorithm, rand: bytes, *, sqn: int) -> bytes:
    """Return AUTS for the SIM's own sequence number (TS 33.102 §6.3.3)."""
    mac_s = algorithm.f1_star(rand, sqn=sqn, amf=AMF_RESYNC)
    return xor(sqn.to_bytes(6, "big"), algorithm.f5_star(rand)) + mac_s


def open_auts(algorithm: AkaAlgorithm, rand: bytes, auts: bytes) -> int | None:
    """Return the SIM's sequence number, or None if AUTS is not that SIM's (§6.3.5)."""
    if len(auts) != AUTS_BYTES:
        return None
    sqn = int.from_bytes(xor(auts[:6], algorithm.f5_star(rand)), "big")
    mac_s = algorithm.f1_star(rand, sqn=sqn, amf=AMF_RESYNC)
    return sqn if hmac.compare_digest(mac_s, auts[6:]) else None


def xor(left: bytes, right: bytes) -> bytes:
    """Return the exclusive or of two byte strings of one length."""
    mixed = int.from_bytes(left, "big") ^ int.from_bytes(right, "big")
    return mixed.to_bytes(len(left), "big")
