"""What an AuC hands out for one challenge, and what resets it (TS 33.102 §6.3).

It is checked when it is made, so that nobody behind an HSS adapter has to look
at lengths again, and its repr says nothing, so that no log line can leak it.
"""

from __future__ import annotations

from dataclasses import field

from simgrant.nouns import noun

RAND_BYTES = 16
AUTN_BYTES = 16
KEY_BYTES = 16
_SEPARATION_BIT = 0x80


@noun
class AuthVector:
    """One quintuple RAND, AUTN, XRES, CK, IK (TS 33.102 §6.3.2)."""

    rand: bytes = field(repr=False)
    """The challenge, 16 bytes."""
    autn: bytes = field(repr=False)
    """Proof to the SIM that the network knows its key, 16 bytes."""
    xres: bytes = field(repr=False)
    """The answer a genuine SIM gives, 4 to 16 bytes."""
    ck: bytes = field(repr=False)
    """Cipher key, 16 bytes; CK' if `derived`."""
    ik: bytes = field(repr=False)
    """Integrity key, 16 bytes; IK' if `derived`."""
    derived: bool = field(default=False, kw_only=True)
    """CK and IK are CK' and IK' already, bound to a network name (TS 33.402 Annex A).

    An HSS asked for EAP-AKA' answers so, and they must not be derived twice.
    """

    def __post_init__(self) -> None:
        """Refuse wrong sizes; the message names the field, never its bytes."""
        if len(self.rand) != RAND_BYTES:
            raise ValueError("RAND is not 16 bytes long")
        if len(self.autn) != AUTN_BYTES:
            raise ValueError("AUTN is not 16 bytes long")
        if not 4 <= len(self.xres) <= 16:
            raise ValueError("XRES is not 4 to 16 bytes long")
        if len(self.ck) != KEY_BYTES or len(self.ik) != KEY_BYTES:
            raise ValueError("CK and IK are not 16 bytes long")

    @property
    def separated(self) -> bool:
        """Whether the AMF separation bit is 1, as EAP-AKA' demands (TS 33.402 §6.2)."""
        return has_separation_bit(self.autn)


@noun
class Resync:
    """What a SIM sends to have its sequence number taken over (TS 33.102 §6.3.5)."""

    rand: bytes = field(repr=False)
    """The RAND the SIM refused; the AuC needs it to check AUTS."""
    auts: bytes = field(repr=False)
    """SQN_MS, concealed, and its MAC; 14 bytes."""


def has_separation_bit(autn: bytes) -> bool:
    """Tell whether bit 0 of the AMF inside an AUTN is 1 (TS 33.102 Annex H)."""
    return bool(autn[6] & _SEPARATION_BIT)
