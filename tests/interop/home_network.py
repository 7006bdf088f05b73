"""A home network for one SIM: an authentication centre, and our EAP machine in front of it."""

import secrets
from dataclasses import dataclass, field
from itertools import count

from simgrant.eap import machine
from simgrant.eap.algorithm import AkaAlgorithm, open_auts
from simgrant.eap.machine import (
    Accept,
    FetchVector,
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
from simgrant.eap.vector import AuthVector, Resync
from tests.interop.radius_bridge import Reply, Verdict

STEP = 32


@dataclass
class HomeNetwork:
    """What lives longer than one conversation."""

    algorithm: AkaAlgorithm
    realm: str
    sqn: int = STEP
    options: Options = field(default_factory=lambda: Options(session_keys=True))
    gives_pseudonyms: bool = False
    gives_reauth_ids: bool = False
    pseudonyms: dict[bytes, bytes] = field(default_factory=dict)
    contexts: dict[bytes, ReauthContext] = field(default_factory=dict)
    actions: list[machine.Action] = field(default_factory=list)
    """Everything the machine wanted, in order."""
    begun: list[bytes] = field(default_factory=list)
    """The identities that conversations began with."""
    forgets_pseudonyms: bool = False
    amf: bytes = b"\x80\x00"
    numbers: "count[int]" = field(default_factory=count)

    def converse(self, identity: bytes) -> "Conversation":
        self.begun.append(identity)
        return Conversation(self, identity)

    def vector(self, resync: Resync | None) -> AuthVector:
        if resync is not None:
            sqn = open_auts(self.algorithm, resync.rand, resync.auts)
            assert sqn is not None, "AUTS does not verify"
            self.sqn = sqn + STEP
        self.sqn += STEP
        return self.algorithm.generate(secrets.token_bytes(16), sqn=self.sqn, amf=self.amf)

    def fresh_name(self, leading: str) -> bytes:
        """Return a user name alone, which AT_NEXT_PSEUDONYM carries (RFC 4187 §10.10)."""
        return f"{leading}name{next(self.numbers)}".encode()

    def fresh_identity(self, leading: str) -> bytes:
        """Return a name with realm, which AT_NEXT_REAUTH_ID carries (RFC 4187 §10.11)."""
        return self.fresh_name(leading) + b"@" + self.realm.encode()

    @property
    def accepted(self) -> list[Accept]:
        return [action for action in self.actions if isinstance(action, Accept)]

    @property
    def rejected(self) -> list[Reject]:
        return [action for action in self.actions if isinstance(action, Reject)]

    @property
    def vectors_fetched(self) -> int:
        return sum(isinstance(action, FetchVector) for action in self.actions)

    @property
    def resynced(self) -> int:
        return sum(
            isinstance(action, FetchVector) and bool(action.resync) for action in self.actions
        )


class Conversation:
    """One EAP conversation: carries out the machine's actions until it wants to speak."""

    def __init__(self, home: HomeNetwork, identity: bytes) -> None:
        self._home = home
        self._identity = identity
        self._aka = machine.Aka.new()

    def begin(self) -> Reply:
        return self._run(IdentityGiven(self._identity))

    def respond(self, packet: bytes) -> Reply:
        return self._run(PacketReceived(packet))

    def _run(self, given: Input) -> Reply:
        home = self._home
        prime = self._identity[:1] in b"678"
        while True:
            self._aka, action = step(self._aka, given, home.options)
            home.actions.append(action)
            match action:
                case FetchVector(resync=resync):
                    given = VectorFetched(
                        home.vector(resync),
                        home.fresh_name("7" if prime else "2") if home.gives_pseudonyms else b"",
                        home.fresh_identity("8" if prime else "4")
                        if home.gives_reauth_ids
                        else b"",
                    )
                case ResolvePseudonym(identity):
                    known = (
                        None if home.forgets_pseudonyms else home.pseudonyms.get(_user(identity))
                    )
                    given = PseudonymResolved(known)
                case ResolveReauth(identity):
                    given = ReauthResolved(
                        home.contexts.pop(identity, None),
                        secrets.token_bytes(16),
                        home.fresh_identity("8" if prime else "4"),
                    )
                case SendPacket(data):
                    return Reply(Verdict.CHALLENGE, data)
                case Accept(keys=keys, granted=granted):
                    if granted is not None:
                        home.pseudonyms[granted.pseudonym] = action.identity
                        if granted.context is not None:
                            home.contexts[granted.reauth_id] = granted.context
                    return Reply(Verdict.ACCEPT, msk=keys.msk if keys else b"")
                case Reject():
                    return Reply(Verdict.REJECT)


def _user(identity: bytes) -> bytes:
    """Return the name before the realm, which the peer adds to a pseudonym by itself."""
    return identity.partition(b"@")[0]
