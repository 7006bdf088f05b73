"""The SIM in the handset, and the EAP that the handset speaks for it, each with its fault.

The card proper is `eap.usim`, the EAP is `eap.peer`; what is here stands between
them and the relay and spoils, on purpose, one thing at a time.
"""

from __future__ import annotations

from dataclasses import field

from simgrant.eap.algorithm import SQN_LIMIT
from simgrant.eap.packet import Packet, Subtype, Variant, pull_packet
from simgrant.eap.peer import AndroidPeer, GiveUp, Peer, PeerOptions
from simgrant.eap.usim import (
    IND_BITS,
    SoftUsim,
    UsimAnswer,
    UsimSuccess,
    UsimSyncFailure,
)
from simgrant.nouns import noun, replace
from simgrant.sim.exchange import Leg
from simgrant.sim.faults import Fault
from simgrant.sim.profiles import Speaks
from simgrant.sim.sims import Sim

_AHEAD = 1000 << IND_BITS
"""How far a SIM with the fault of a late sequence number is ahead of the network."""
_CUT_OFF = 5
"""Bytes that a truncated packet lacks."""


class CardRefused(Exception):
    """There is no answer; the handset gives up, and tells the server nothing."""


@noun
class CardAnswer:
    """An EAP packet to post."""

    leg: Leg
    data: bytes = field(repr=False)
    packet: Packet
    """What `data` says, or would say without the fault."""


class Card:
    """A SIM card, which may have a fault; a `Usim` for either peer."""

    def __init__(
        self, sim: Sim, *, taken: tuple[int, ...] = (), fault: Fault | None = None
    ) -> None:
        """Take a SIM that has accepted these sequence numbers before."""
        self._algorithm = sim.keys()
        self._fault = fault
        self._usim = SoftUsim(self._algorithm, taken=taken or (sim.sqn,))
        self._resynced = False

    @property
    def taken(self) -> tuple[int, ...]:
        """The sequence numbers accepted, to be kept until the next run."""
        return self._usim.taken

    def authenticate(self, rand: bytes, autn: bytes) -> UsimAnswer:
        """Answer one challenge, rightly or with the fault."""
        if self._fault is Fault.SILENT:
            raise CardRefused("the SIM stays silent, which is the fault it has")
        if self._wants_to_be_ahead():
            self._get_ahead(rand, autn)
        match self._usim.authenticate(rand, autn):
            case UsimSuccess(res) as success if self._fault is Fault.WRONG_RES:
                return replace(success, res=_flip_last(res))
            case UsimSyncFailure(auts):
                self._resynced = True
                return UsimSyncFailure(
                    _flip_last(auts) if self._fault is Fault.WRONG_AUTS else auts
                )
            case answer:
                return answer

    def _wants_to_be_ahead(self) -> bool:
        if self._fault is Fault.ALWAYS_RESYNC:
            return True
        return self._fault in (Fault.SQN_AHEAD, Fault.WRONG_AUTS) and not self._resynced

    def _get_ahead(self, rand: bytes, autn: bytes) -> None:
        """Have taken a later number of the same source already, as after a restored AuC."""
        concealed = int.from_bytes(autn[:6], "big")
        sqn = concealed ^ int.from_bytes(self._algorithm.f2345(rand).ak, "big")
        ahead = min(sqn + _AHEAD, SQN_LIMIT - 1)
        self._usim = SoftUsim(self._algorithm, taken=(*self._usim.taken, ahead))


class Speaker:
    """The EAP peer in the handset."""

    def __init__(
        self, sim: Sim, card: Card, *, speaks: Speaks, prefix: str, fault: Fault | None = None
    ) -> None:
        """Speak for a card, as Android does or as the two RFCs have it."""
        self._fault = fault
        prime = speaks is Speaks.RFC_PRIME
        identity = sim.nai(prefix=prefix, variant=Variant.AKA_PRIME if prime else Variant.AKA)
        self._peer: AndroidPeer | Peer
        if speaks is Speaks.ANDROID:
            self._peer = AndroidPeer(card, identity.encode())
        else:
            options = PeerOptions(prime=prime, result_indication=True)
            self._peer = Peer(card, identity.encode(), options)

    def begin(self) -> str:
        """Start an authentication and return what goes as EAP_ID."""
        return self._peer.begin().decode()

    def answer(self, request: bytes) -> CardAnswer:
        """Answer an EAP request, or raise `CardRefused`."""
        answer = self._peer.answer(request)
        if isinstance(answer, GiveUp):
            raise CardRefused(answer.reason)
        packet = pull_packet(answer.data)
        if packet.subtype is Subtype.SYNCHRONIZATION_FAILURE:
            return CardAnswer(Leg.RESYNC, answer.data, packet)
        data = answer.data
        if self._fault is Fault.WRONG_MAC:
            data = _flip_last(data)
        if self._fault is Fault.TRUNCATED:
            data = data[:-_CUT_OFF]
        return CardAnswer(Leg.ANSWER, data, packet)


def _flip_last(data: bytes) -> bytes:
    """Return the bytes with the lowest bit of the last one flipped."""
    return data[:-1] + bytes((data[-1] ^ 1,))
