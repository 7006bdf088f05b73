"""One SIM, the AuC that knows it, and the loop that carries out what the machine asks for.

The state goes through bytes between any two steps, as it does in the server,
so that every conversation is also a test of `push_state` and `pull_state`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from simgrant.eap.algorithm import AkaAlgorithm, open_auts
from simgrant.eap.machine import (
    PLAIN,
    Accept,
    Aka,
    FetchVector,
    Granted,
    IdentityGiven,
    Input,
    Options,
    PacketReceived,
    PseudonymResolved,
    ReauthContext,
    ReauthResolved,
    Reject,
    ResolvePseudonym,
    ResolveReauth,
    SendPacket,
    VectorFetched,
    step,
)
from simgrant.eap.milenage import Milenage
from simgrant.eap.packet import Packet, pull_packet
from simgrant.eap.peer import GiveUp, PeerAnswer, Reply
from simgrant.eap.state import pull_state, push_state
from simgrant.eap.usim import SoftUsim
from simgrant.eap.vector import AuthVector

ALGORITHM = Milenage(
    bytes.fromhex("465b5ce8b199b49faa5f0a2ee238a6bc"),
    bytes.fromhex("cd63cb71954a9f4e48a5994e37a02baf"),
)
IDENTITY = b"0001010000000001@nai.epc.mnc001.mcc001.3gppnetwork.org"
PRIME_IDENTITY = b"6" + IDENTITY[1:]

Tamper = Callable[[bytes], bytes]


def untouched(data: bytes) -> bytes:
    """Let a packet pass."""
    return data


class EapPeer(Protocol):
    """What both peers can do."""

    def begin(self) -> bytes: ...

    def answer(self, request: bytes) -> PeerAnswer: ...


@dataclass
class Auc:
    """The network's side of one SIM."""

    algorithm: AkaAlgorithm = ALGORITHM
    sqn: int = 0
    amf: bytes = b"\x80\x00"
    broken: bool = False
    """Ignore AUTS, as an AuC out of order would."""
    fetched: int = 0

    def vector(self, asked: FetchVector) -> AuthVector:
        self.fetched += 1
        if asked.resync and not self.broken:
            sqn = open_auts(self.algorithm, asked.resync.rand, asked.resync.auts)
            assert sqn is not None
            self.sqn = sqn
        self.sqn += 32
        rand = self.fetched.to_bytes(16, "big")
        return self.algorithm.generate(rand, sqn=self.sqn, amf=self.amf)


@dataclass
class World:
    """The server's side: its options, its tables, and what it saw."""

    options: Options = PLAIN
    auc: Auc = field(default_factory=Auc)
    next_pseudonym: bytes = b""
    next_reauth_id: bytes = b""
    pseudonyms: dict[bytes, bytes] = field(default_factory=dict)
    reauths: dict[bytes, ReauthContext] = field(default_factory=dict)
    sent: list[bytes] = field(default_factory=list)
    received: list[bytes] = field(default_factory=list)
    to_peer: Tamper = untouched
    to_server: Tamper = untouched

    def run(self, peer: EapPeer) -> Accept | Reject | GiveUp:
        """Hold one whole conversation."""
        self.sent.clear()
        self.received.clear()
        aka = Aka.new()
        given: Input = IdentityGiven(peer.begin())
        for _ in range(20):
            aka, action = step(pull_state(push_state(aka)), given, self.options)
            if isinstance(action, Accept):
                self._remember(action.identity, action.granted)
            if isinstance(action, Accept | Reject):
                return action
            answer = self._carry_out(action, peer)
            if isinstance(answer, GiveUp):
                return answer
            given = answer
        raise AssertionError("the conversation does not end")

    def packets(self) -> list[Packet]:
        """Return all packets in the order they were sent."""
        pairs = zip(self.sent, self.received, strict=False)
        return [pull_packet(data) for pair in pairs for data in pair]

    def _carry_out(
        self, action: FetchVector | ResolvePseudonym | ResolveReauth | SendPacket, peer: EapPeer
    ) -> Input | GiveUp:
        match action:
            case FetchVector():
                return VectorFetched(
                    self.auc.vector(action), self.next_pseudonym, self.next_reauth_id
                )
            case ResolvePseudonym(identity):
                return PseudonymResolved(self.pseudonyms.get(identity.partition(b"@")[0]))
            case ResolveReauth(identity):
                context = self.reauths.pop(identity, None)
                return ReauthResolved(context, b"n" * 16, self.next_reauth_id)
            case SendPacket(data):
                return self._exchange(data, peer)

    def _exchange(self, data: bytes, peer: EapPeer) -> Input | GiveUp:
        data = self.to_peer(data)
        self.sent.append(data)
        answer = peer.answer(data)
        if isinstance(answer, GiveUp):
            return answer
        assert isinstance(answer, Reply)
        response = self.to_server(answer.data)
        self.received.append(response)
        return PacketReceived(response)

    def _remember(self, identity: bytes, granted: Granted | None) -> None:
        if granted is None:
            return
        if granted.pseudonym:
            self.pseudonyms[granted.pseudonym] = identity
        if granted.context is not None:
            self.reauths[granted.reauth_id] = granted.context


def card(algorithm: AkaAlgorithm = ALGORITHM, *, sqn: int = 0) -> SoftUsim:
    """Return the SIM; `sqn` is the highest sequence number it has taken."""
    return SoftUsim(algorithm, taken=[sqn] if sqn else [])
