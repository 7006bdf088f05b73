"""A USIM in software: the card's side of AKA (TS 33.102 §6.3.3, Annex C).

It keeps what a card keeps, the last sequence numbers it has taken, and nothing
else; the simulator and the tests put it behind `peer.Peer`.
"""

from __future__ import annotations

import hmac
from dataclasses import field
from typing import TYPE_CHECKING, Final, TypeAlias

from simgrant.eap.algorithm import make_auts
from simgrant.eap.vector import has_separation_bit
from simgrant.nouns import noun

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simgrant.eap.algorithm import AkaAlgorithm

IND_BITS: Final = 5
"""SQN = SEQ | IND; IND names one of 32 sources of vectors (TS 33.102 §C.1.1)."""
SLOTS: Final = 1 << IND_BITS
DELTA: Final = 1 << 28
"""How far SEQ may jump ahead of all taken before (TS 33.102 §C.2.1)."""


@noun
class UsimSuccess:
    """The card's answer to a challenge it believes."""

    res: bytes = field(repr=False)
    ck: bytes = field(repr=False)
    ik: bytes = field(repr=False)


@noun
class UsimSyncFailure:
    """The challenge is the network's, but its sequence number is not acceptable."""

    auts: bytes = field(repr=False)


@noun
class UsimReject:
    """The challenge is not the network's: MAC-A is wrong."""


UsimAnswer: TypeAlias = UsimSuccess | UsimSyncFailure | UsimReject


class SoftUsim:
    """One card: an algorithm with its key, and 32 sequence numbers."""

    __slots__ = ("_algorithm", "_needs_separation", "_taken")

    def __init__(
        self,
        algorithm: AkaAlgorithm,
        *,
        taken: Iterable[int] = (),
        needs_separation: bool = False,
    ) -> None:
        """Take the sequence numbers accepted before, each into the slot of its IND.

        A card that `needs_separation` refuses an AUTN whose AMF separation bit is 0.
        """
        self._algorithm = algorithm
        self._needs_separation = needs_separation
        self._taken = [0] * SLOTS
        for sqn in taken:
            self._taken[sqn % SLOTS] = max(sqn, self._taken[sqn % SLOTS])

    def __repr__(self) -> str:
        """Show neither key nor sequence numbers."""
        return "SoftUsim(…)"

    @property
    def taken(self) -> tuple[int, ...]:
        """The last sequence number taken in each slot, to be stored and given back."""
        return tuple(self._taken)

    @property
    def sqn_ms(self) -> int:
        """The highest sequence number taken: what AUTS tells the AuC."""
        return max(self._taken)

    def authenticate(self, rand: bytes, autn: bytes) -> UsimAnswer:
        """Answer one challenge: MAC-A first, then the sequence number (§6.3.3)."""
        made = self._algorithm.f2345(rand)
        sqn = int.from_bytes(autn[:6], "big") ^ int.from_bytes(made.ak, "big")
        expected = self._algorithm.f1(rand, sqn=sqn, amf=autn[6:8])
        if not hmac.compare_digest(expected, autn[8:]):
            return UsimReject()
        if self._needs_separation and not has_separation_bit(autn):
            return UsimReject()
        if not self._is_fresh(sqn):
            return UsimSyncFailure(make_auts(self._algorithm, rand, sqn=self.sqn_ms))
        self._taken[sqn % SLOTS] = sqn
        return UsimSuccess(made.res, made.ck, made.ik)

    def _is_fresh(self, sqn: int) -> bool:
        """Tell whether SEQ is newer in its slot and not too far ahead (§C.2.1, §C.2.2)."""
        seq = sqn >> IND_BITS
        newest = self.sqn_ms >> IND_BITS
        return seq > self._taken[sqn % SLOTS] >> IND_BITS and seq - newest <= DELTA
