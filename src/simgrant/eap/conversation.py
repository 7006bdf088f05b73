"""The nouns of the EAP-AKA server: its state, its options, what goes in, what comes out.

All are frozen, and none shows an identity or a key in its repr, so that any of
them may end up in a log line. The verbs are in `machine.py`.
"""

from __future__ import annotations

from dataclasses import field
from enum import IntEnum, StrEnum
from typing import Final, TypeAlias

from simgrant.eap.identity import MAX_IDENTITY_BYTES
from simgrant.eap.keys import K_AUT_BYTES, KDF_CK_IK, SessionKeys
from simgrant.eap.packet import IdentityRequest, Variant
from simgrant.eap.vector import AuthVector, Resync
from simgrant.nouns import named_noun, noun

MAX_KDFS: Final = 16
"""More key derivation functions than anyone will define."""


class State(IntEnum):
    """How far the conversation has come; hostapd's names."""

    IDENTITY = 0
    CHALLENGE = 1
    REAUTH = 2
    NOTIFICATION = 3
    SUCCESS = 4
    FAILURE = 5


class Waiting(IntEnum):
    """What the machine has asked for; anything else ends the conversation."""

    IDENTITY = 0
    PSEUDONYM = 1
    REAUTH = 2
    VECTOR = 3
    PEER = 4
    NOTHING = 5


class RejectReason(StrEnum):
    """Why a conversation failed; a stable word for logs and metrics."""

    MALFORMED = "malformed"
    """The bytes are no packet, or lack what their subtype must have."""
    WRONG_HEADER = "wrong_header"
    """Not a response, not our identifier, not our method."""
    UNEXPECTED = "unexpected"
    """An input or a subtype that was not asked for now."""
    BAD_MAC = "bad_mac"
    BAD_RES = "bad_res"
    BAD_CHECKCODE = "bad_checkcode"
    """Someone changed the AKA-Identity packets on their way (RFC 4187 §10.13)."""
    AUTN_REFUSED = "autn_refused"
    """The SIM does not believe the network: wrong key, or not our SIM (RFC 4187 §6.3.1)."""
    CLIENT_ERROR = "client_error"
    """The device could not go on (RFC 4187 §9.9)."""
    RESYNC_TWICE = "resync_twice"
    """A second synchronisation failure: the AuC cannot follow this SIM."""
    UNKNOWN_IDENTITY = "unknown_identity"
    """No identity that a vector could be fetched for."""
    KDF_NOT_OFFERED = "kdf_not_offered"
    """The device chose a key derivation it may not choose (RFC 9048 §3.2)."""
    BAD_COUNTER = "bad_counter"
    """The counter of a fast re-authentication is not the one sent (RFC 4187 §9.8)."""
    BAD_VECTOR = "bad_vector"
    """The vector cannot serve this method; the AuC is to blame, not the device."""


@named_noun
class Extra:
    """What only the optional features need; a plain challenge carries none of it."""

    permanent: bytes = field(default=b"", repr=False)
    """The permanent identity, if the peer gave another one."""
    messages: bytes = field(default=b"", repr=False)
    """All AKA-Identity packets so far, for AT_CHECKCODE."""
    asked: IdentityRequest = IdentityRequest.NONE
    """The last identity request; it can only grow, which bounds the rounds to three."""
    autn: bytes = field(default=b"", repr=False)
    """Kept while the key derivation may still be negotiated."""
    kdf: int = 0
    """The key derivation function the peer chose, 0 if it did not choose."""
    k_encr: bytes = field(default=b"", repr=False)
    master: bytes = field(default=b"", repr=False)
    """MK or K_re, if a fast re-authentication was offered."""
    msk: bytes = field(default=b"", repr=False)
    emsk: bytes = field(default=b"", repr=False)
    next_pseudonym: bytes = field(default=b"", repr=False)
    next_reauth_id: bytes = field(default=b"", repr=False)
    counter: int = 0
    """Of the fast re-authentication under way."""
    nonce_s: bytes = field(default=b"", repr=False)
    """Of the fast re-authentication under way; empty in a full one."""
    failure: RejectReason | None = None
    """What is rejected once the device has answered the failure notification."""


NO_EXTRA: Final = Extra()


@named_noun
class Aka:
    """One conversation with one SIM; a new one is `Aka.new()`."""

    state: State = State.IDENTITY
    waiting: Waiting = Waiting.IDENTITY
    variant: Variant = Variant.AKA
    eap_id: int = 0
    """Identifier of the last request sent; each request counts one further."""
    resynced: bool = False
    identity: bytes = field(default=b"", repr=False)
    """The identity the keys are made from: the last one given, byte for byte."""
    rand: bytes = field(default=b"", repr=False)
    """Kept for the AuC, in case the SIM asks to resynchronise."""
    xres: bytes = field(default=b"", repr=False)
    k_aut: bytes = field(default=b"", repr=False)
    extra: Extra = field(default=NO_EXTRA, repr=False)

    @classmethod
    def new(cls, *, first_id: int = 1) -> Aka:
        """Return a conversation whose first request bears the identifier `first_id`."""
        return cls(eap_id=(first_id - 1) & 0xFF)


@named_noun
class Options:
    """What the server does beyond the one challenge; all off for Android's sake."""

    prime: bool = False
    """Speak EAP-AKA' to devices whose identity asks for it."""
    identity_rounds: bool = False
    """Ask for another identity where the given one is of no use (RFC 4187 §4.1)."""
    ask_identity: bool = False
    """Always ask first, whatever identity came; needs `identity_rounds`."""
    pseudonyms: bool = False
    """Take pseudonyms; the flow resolves them."""
    reauthentication: bool = False
    """Take fast re-authentication identities; the flow resolves them."""
    result_indication: bool = False
    """Offer protected success indications (RFC 4187 §6.2)."""
    notify_failure: bool = False
    """Send a failure notification before a rejection (RFC 4187 §6.3.3)."""
    bidding: bool = False
    """Say in EAP-AKA challenges that EAP-AKA' is preferred (RFC 9048 §4)."""
    session_keys: bool = False
    """Make MSK and EMSK; TS.43 has no use for them."""
    network_name: bytes = b"WLAN"
    """AT_KDF_INPUT of EAP-AKA' (TS 24.302 §8.1.1.3)."""
    kdfs: tuple[int, ...] = (KDF_CK_IK,)
    """Key derivation functions offered, in the order of preference."""

    def __post_init__(self) -> None:
        """Refuse options that could not be carried out."""
        if not 0 < len(self.network_name) <= MAX_IDENTITY_BYTES:
            raise ValueError("network_name has 1 to 253 bytes")
        if len(self.kdfs) > MAX_KDFS or len(set(self.kdfs)) < len(self.kdfs):
            raise ValueError("kdfs holds at most 16 numbers, and none of them twice")
        if KDF_CK_IK not in self.kdfs or not all(0 < kdf <= 0xFFFF for kdf in self.kdfs):
            raise ValueError("kdfs holds 1, and numbers of 16 bits only")
        if self.ask_identity and not self.identity_rounds:
            raise ValueError("ask_identity needs identity_rounds")


PLAIN: Final = Options()
"""One challenge and nothing else."""


@noun
class ReauthContext:
    """What the flow stores under a fast re-authentication identity it gave out."""

    identity: bytes = field(repr=False)
    """The permanent identity."""
    variant: Variant
    k_encr: bytes = field(repr=False)
    k_aut: bytes = field(repr=False)
    master: bytes = field(repr=False)
    counter: int
    """The counter of the next re-authentication, at least 1."""

    def __post_init__(self) -> None:
        """Refuse what could not be used."""
        if len(self.k_encr) != 16 or len(self.k_aut) != K_AUT_BYTES[self.variant]:
            raise ValueError("K_encr has 16 bytes, K_aut 16 or with EAP-AKA' 32")
        if len(self.identity) > MAX_IDENTITY_BYTES:
            raise ValueError("identity too long")


@noun
class IdentityGiven:
    """The identity the device came with, EAP_ID in TS.43, byte for byte."""

    identity: bytes = field(repr=False)


@noun
class PseudonymResolved:
    """The permanent identity behind a pseudonym, None if it is not known."""

    permanent: bytes | None = field(repr=False)


@noun
class ReauthResolved:
    """What was stored under a fast re-authentication identity, None if nothing."""

    context: ReauthContext | None = field(repr=False)
    nonce_s: bytes = field(default=b"", repr=False)
    """16 fresh random bytes; needed if there is a context."""
    next_reauth_id: bytes = field(default=b"", repr=False)
    """The identity to give out for the next time, empty for none."""

    def __post_init__(self) -> None:
        """Refuse a nonce or an identity of a wrong size."""
        if self.context is not None and len(self.nonce_s) != 16:
            raise ValueError("NONCE_S has 16 bytes")
        if len(self.next_reauth_id) > MAX_IDENTITY_BYTES:
            raise ValueError("identity too long")


@noun
class VectorFetched:
    """The vector that was asked for, and identities to give out along with it."""

    vector: AuthVector
    next_pseudonym: bytes = field(default=b"", repr=False)
    """A user name without realm, leading digit included (RFC 4187 §10.10)."""
    next_reauth_id: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        """Refuse identities that are too long for their attribute."""
        if max(len(self.next_pseudonym), len(self.next_reauth_id)) > MAX_IDENTITY_BYTES:
            raise ValueError("identity too long")


@noun
class PacketReceived:
    """The bytes of an EAP packet from the device."""

    data: bytes = field(repr=False)


Input: TypeAlias = (
    IdentityGiven | PseudonymResolved | ReauthResolved | VectorFetched | PacketReceived
)


@noun
class FetchVector:
    """Ask the AuC for a vector; answer with `VectorFetched`."""

    identity: bytes = field(repr=False)
    """The permanent identity, which holds the IMSI."""
    variant: Variant
    resync: Resync | None = None
    """To be handed on: the SIM wants its sequence number taken over."""


@noun
class ResolvePseudonym:
    """Look up a pseudonym; answer with `PseudonymResolved`."""

    identity: bytes = field(repr=False)


@noun
class ResolveReauth:
    """Take out what is stored under this identity; answer with `ReauthResolved`."""

    identity: bytes = field(repr=False)


@noun
class SendPacket:
    """Send this request to the device; answer with `PacketReceived`."""

    data: bytes = field(repr=False)


@noun
class Granted:
    """Identities the device was given under encryption, for the flow to remember."""

    pseudonym: bytes = field(default=b"", repr=False)
    """The user name; the device comes back with it before the SIM's own realm."""
    reauth_id: bytes = field(default=b"", repr=False)
    context: ReauthContext | None = field(default=None, repr=False)
    """To be stored under `reauth_id`."""


@noun
class Accept:
    """The SIM is who it says; the end."""

    identity: bytes = field(repr=False)
    """The permanent identity."""
    variant: Variant
    keys: SessionKeys | None = field(default=None, repr=False)
    """If `Options.session_keys`."""
    granted: Granted | None = None
    reauthenticated: bool = False
    """By fast re-authentication, without a vector."""


@noun
class Reject:
    """The conversation has failed; the end."""

    reason: RejectReason
    detail: str = ""
    """A few words for the operator, without any secret or identity."""


Action: TypeAlias = FetchVector | ResolvePseudonym | ResolveReauth | SendPacket | Accept | Reject
