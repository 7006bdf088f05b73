"""The SIM side of EAP-AKA: what a device answers (RFC 4187, RFC 9048).

Two devices are here. `AndroidPeer` does what AOSP's service_entitlement does
and no more, since that is whom the server meets; `Peer` follows both RFCs in
full. Both keep their state in themselves, as a device does, and do no I/O.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from simgrant.eap import keys
from simgrant.eap.packet import (
    BEFORE_AUTHENTICATION,
    EMPTY_MAC,
    Code,
    Encrypted,
    IdentityRequest,
    MalformedPacket,
    Packet,
    Res,
    Subtype,
    Variant,
    pull_encrypted,
    pull_packet,
    push_encrypted,
    push_packet,
)
from simgrant.eap.usim import UsimReject, UsimSuccess, UsimSyncFailure
from simgrant.eap.vector import has_separation_bit
from simgrant.nouns import named_noun, noun, replace

if TYPE_CHECKING:
    from simgrant.eap.keys import Keys, SessionKeys
    from simgrant.eap.usim import UsimAnswer

UNABLE_TO_PROCESS: Final = 0
"""AT_CLIENT_ERROR_CODE (RFC 4187 §10.20)."""

ANDROID_ANSWERS: Final = 4
"""The first answer and three more; then the client gives up (AOSP service_entitlement)."""


class Usim(Protocol):
    """A SIM that can be asked to authenticate; `usim.SoftUsim` is one."""

    def authenticate(self, rand: bytes, autn: bytes) -> UsimAnswer:
        """Answer one challenge (TS 31.102 §7.1.2.1)."""


@noun
class Reply:
    """Send this packet to the server."""

    data: bytes = field(repr=False)


@noun
class GiveUp:
    """Stop without telling the server."""

    reason: str


PeerAnswer: TypeAlias = Reply | GiveUp


class AndroidPeer:
    """A device that understands one message only, and that one loosely.

    It takes EAP-AKA's Challenge, does not look at AT_MAC or anything optional,
    and answers with AT_RES and AT_MAC or with AT_AUTS; everything else ends it.
    """

    __slots__ = ("_answers", "_identity", "_usim")

    def __init__(self, usim: Usim, identity: bytes) -> None:
        """Take the SIM and the identity that is sent as EAP_ID."""
        self._usim = usim
        self._identity = identity
        self._answers = 0

    def begin(self) -> bytes:
        """Start over and return the identity to be sent as EAP_ID."""
        self._answers = 0
        return self._identity

    def answer(self, request: bytes) -> PeerAnswer:
        """Answer one request of the server."""
        self._answers += 1
        if self._answers > ANDROID_ANSWERS:
            return GiveUp("too many challenges")
        try:
            packet = pull_packet(request)
        except MalformedPacket as error:
            return GiveUp(str(error))
        understood = (
            packet.code is Code.REQUEST
            and packet.variant is Variant.AKA
            and packet.subtype is Subtype.CHALLENGE
        )
        if not understood or packet.rand is None or packet.autn is None:
            return GiveUp("not a challenge of EAP-AKA")
        match self._usim.authenticate(packet.rand, packet.autn):
            case UsimSuccess(res, ck, ik):
                made = keys.derive(self._identity, ik=ik, ck=ck)
                return Reply(_android_response(packet.identifier, res, k_aut=made.k_aut))
            case UsimSyncFailure(auts):
                failure = _response(packet, Subtype.SYNCHRONIZATION_FAILURE)
                return Reply(push_packet(replace(failure, auts=auts)))
            case UsimReject():
                return GiveUp("the SIM refuses AUTN")


def _android_response(identifier: int, res: bytes, *, k_aut: bytes) -> bytes:
    """Write AT_RES and AT_MAC as Android does: RES unpadded, its length byte rounded down."""
    body = (
        bytes((3, (4 + len(res)) // 4))
        + (8 * len(res)).to_bytes(2, "big")
        + res
        + b"\x0b\x05\0\0"
        + EMPTY_MAC
    )
    head = bytes((2, identifier)) + (8 + len(body)).to_bytes(2, "big") + b"\x17\x01\0\0"
    return keys.sign(Variant.AKA, k_aut, head + body)


@named_noun
class PeerOptions:
    """What a full peer can do and wants."""

    prime: bool = False
    """Speak EAP-AKA', and refuse to be talked out of it (RFC 9048 §4)."""
    kdfs: tuple[int, ...] = (keys.KDF_CK_IK,)
    """Key derivation functions it takes."""
    network_name: bytes | None = None
    """The only network name it believes; None for any (RFC 9048 §3.1)."""
    checkcode: bool = True
    """Send AT_CHECKCODE even where it is empty, as wpa_supplicant does."""
    result_indication: bool = False
    """Want protected success indications (RFC 4187 §6.2)."""


DEFAULT: Final = PeerOptions()


@named_noun
class _Reauth:
    """What a full authentication left behind for a fast one (RFC 4187 §5.1)."""

    identity: bytes
    variant: Variant
    keys: Keys
    counter: int = 0


class _Fault(Exception):
    """Something is wrong with the request; the subtype is the answer to it."""

    def __init__(self, subtype: Subtype) -> None:
        self.subtype = subtype
        super().__init__(subtype.name)


class Peer:
    """A device that follows RFC 4187 and RFC 9048 in full."""

    __slots__ = (
        "_asked",
        "_identity",
        "_keys",
        "_messages",
        "_nonce_s",
        "_offered_kdfs",
        "_options",
        "_permanent",
        "_pseudonym",
        "_reauth",
        "_used",
        "_usim",
        "_wanted_kdf",
        "notified",
        "session_keys",
    )

    notified: int | None
    """The last notification of the server (RFC 4187 §10.19)."""
    session_keys: SessionKeys | None
    """MSK and EMSK of the last authentication, once it was answered."""

    def __init__(self, usim: Usim, permanent: bytes, options: PeerOptions = DEFAULT) -> None:
        """Take the SIM and its permanent identity, leading digit included."""
        self._usim = usim
        self._permanent = permanent
        self._options = options
        self._pseudonym = b""
        self._reauth: _Reauth | None = None
        self._reset(permanent)

    def begin(self, identity: bytes | None = None) -> bytes:
        """Start over and return the identity to be sent first.

        That is the re-authentication identity, the pseudonym or the permanent
        one, whichever is there first; `identity` overrules this.
        """
        if identity is None:
            identity = self._choose(IdentityRequest.ANY)
        self._reset(identity)
        return identity

    def answer(self, request: bytes) -> PeerAnswer:
        """Answer one request of the server."""
        try:
            packet = pull_packet(request)
        except MalformedPacket as error:
            return GiveUp(str(error))
        if packet.code is not Code.REQUEST:
            return GiveUp("not a request")
        if packet.variant is Variant.AKA_PRIME and not self._options.prime:
            return GiveUp("EAP-AKA' is off")
        try:
            return Reply(self._dispatch(packet, request))
        except _Fault as fault:
            return Reply(push_packet(_fault(packet, fault.subtype)))

    def _reset(self, identity: bytes) -> None:
        self._identity = identity
        self._asked = IdentityRequest.NONE
        self._messages = b""
        self._offered_kdfs: tuple[int, ...] = ()
        self._wanted_kdf = 0
        self._keys: Keys | None = None
        self._used: _Reauth | None = None
        self._nonce_s = b""
        self.notified = None
        self.session_keys = None

    def _dispatch(self, packet: Packet, request: bytes) -> bytes:
        match packet.subtype:
            case Subtype.IDENTITY:
                return self._on_identity(packet, request)
            case Subtype.CHALLENGE:
                return self._on_challenge(packet, request)
            case Subtype.REAUTHENTICATION:
                return self._on_reauthentication(packet, request)
            case Subtype.NOTIFICATION:
                return self._on_notification(packet, request)
            case _:
                raise _Fault(Subtype.CLIENT_ERROR)

    # --- identity ---

    def _choose(self, request: IdentityRequest) -> bytes:
        """Return the least telling identity that will do (RFC 4187 §4.1.6)."""
        if request is IdentityRequest.ANY and self._reauth:
            return self._reauth.identity
        if request is not IdentityRequest.PERMANENT and self._pseudonym:
            return self._pseudonym
        return self._permanent

    def _on_identity(self, packet: Packet, request: bytes) -> bytes:
        if packet.identity_request <= self._asked:
            # Asking again for less is what an impostor would do (RFC 4187 §4.1.5).
            raise _Fault(Subtype.CLIENT_ERROR)
        self._asked = packet.identity_request
        self._identity = self._choose(packet.identity_request)
        answer = replace(_response(packet, Subtype.IDENTITY), identity=self._identity)
        data = push_packet(answer)
        self._messages += request + data
        return data

    # --- full authentication ---

    def _on_challenge(self, packet: Packet, request: bytes) -> bytes:
        if packet.rand is None or packet.autn is None or packet.mac is None:
            raise _Fault(Subtype.CLIENT_ERROR)
        if packet.variant is Variant.AKA_PRIME:
            if self._negotiate(packet):
                chosen = replace(_response(packet, Subtype.CHALLENGE), kdfs=(self._wanted_kdf,))
                return push_packet(chosen)
            if not has_separation_bit(packet.autn):
                raise _Fault(Subtype.AUTHENTICATION_REJECT)
        elif packet.bidding and self._options.prime:
            # The server could do better, so someone made it do worse (RFC 9048 §4).
            raise _Fault(Subtype.AUTHENTICATION_REJECT)
        match self._usim.authenticate(packet.rand, packet.autn):
            case UsimSuccess(res, ck, ik):
                return self._believe(packet, request, UsimSuccess(res, ck, ik))
            case UsimSyncFailure(auts):
                failure = _response(packet, Subtype.SYNCHRONIZATION_FAILURE)
                return push_packet(replace(failure, auts=auts, kdfs=packet.kdfs))
            case UsimReject():
                raise _Fault(Subtype.AUTHENTICATION_REJECT)

    def _negotiate(self, packet: Packet) -> bool:
        """Tell whether another key derivation has to be asked for (RFC 9048 §3.2)."""
        name, kdfs = packet.network_name, packet.kdfs
        if not name or not kdfs:
            raise _Fault(Subtype.CLIENT_ERROR)
        if self._options.network_name not in (None, name):
            raise _Fault(Subtype.AUTHENTICATION_REJECT)
        if self._offered_kdfs:
            # What was asked for and only that may have changed.
            chosen = (self._wanted_kdf,) if self._wanted_kdf else ()
            if kdfs != chosen + self._offered_kdfs:
                raise _Fault(Subtype.CLIENT_ERROR)
            return False
        if len(set(kdfs)) < len(kdfs):
            raise _Fault(Subtype.CLIENT_ERROR)
        self._offered_kdfs = kdfs
        if kdfs[0] in self._options.kdfs:
            return False
        known = [kdf for kdf in kdfs if kdf in self._options.kdfs]
        if not known:
            raise _Fault(Subtype.AUTHENTICATION_REJECT)
        self._wanted_kdf = known[0]
        return True

    def _believe(self, packet: Packet, request: bytes, card: UsimSuccess) -> bytes:
        """Check what the server says with the keys the card made, and answer."""
        made = self._make_keys(packet, card)
        self._check(packet, request, made.k_aut)
        inner = self._decrypt(packet, made.k_encr)
        self._keys = made
        self._nonce_s = b""
        self.session_keys = keys.SessionKeys(made.msk, made.emsk)
        self._learn(inner, _Reauth(identity=b"", variant=packet.variant, keys=made))
        answer = replace(
            _response(packet, Subtype.CHALLENGE),
            res=Res(card.res, 8 * len(card.res)),
            checkcode=self._checkcode(packet),
            result_indication=self._wants_result(packet),
            mac=EMPTY_MAC,
        )
        return keys.sign(packet.variant, made.k_aut, push_packet(answer))

    def _make_keys(self, packet: Packet, card: UsimSuccess) -> Keys:
        if packet.variant is Variant.AKA:
            return keys.derive(self._identity, ik=card.ik, ck=card.ck, msk=True)
        ck, ik = keys.bind_to_network(
            card.ck,
            card.ik,
            autn=packet.autn or b"",
            network_name=packet.network_name or b"",
        )
        return keys.derive_prime(self._identity, ik=ik, ck=ck, msk=True)

    # --- fast re-authentication ---

    def _on_reauthentication(self, packet: Packet, request: bytes) -> bytes:
        """Answer without the card, if the counter has grown (RFC 4187 §5.4, §9.8)."""
        context = self._reauth
        if (
            context is None
            or context.variant is not packet.variant
            or self._identity != context.identity
        ):
            raise _Fault(Subtype.CLIENT_ERROR)
        self._check(packet, request, context.keys.k_aut)
        inner = self._decrypt(packet, context.keys.k_encr)
        if inner.counter is None or inner.nonce_s is None:
            raise _Fault(Subtype.CLIENT_ERROR)
        self._reauth = None
        too_small = inner.counter <= context.counter
        if not too_small:
            self._renew(context, inner, counter=inner.counter, nonce_s=inner.nonce_s)
        confirmed = Encrypted(counter=inner.counter, counter_too_small=too_small)
        iv, encrypted = _encrypt(packet, context.keys, confirmed)
        answer = replace(
            _response(packet, Subtype.REAUTHENTICATION),
            iv=iv,
            encrypted=encrypted,
            checkcode=self._checkcode(packet),
            result_indication=self._wants_result(packet) and not too_small,
            mac=EMPTY_MAC,
        )
        return keys.sign(
            packet.variant, context.keys.k_aut, push_packet(answer), appended=inner.nonce_s
        )

    def _renew(self, context: _Reauth, inner: Encrypted, *, counter: int, nonce_s: bytes) -> None:
        """Take over the fresh keys and what was given out with them."""
        self.session_keys = keys.rederive(
            context.variant,
            context.identity,
            master=context.keys.master,
            counter=counter,
            nonce_s=nonce_s,
        )
        self._keys = context.keys
        self._nonce_s = nonce_s
        self._used = replace(context, counter=counter)
        self._learn(inner, self._used)

    # --- notifications ---

    def _on_notification(self, packet: Packet, request: bytes) -> bytes:
        """Acknowledge, with AT_MAC if there are keys to make it with (RFC 4187 §6.1)."""
        if packet.notification is None:
            raise _Fault(Subtype.CLIENT_ERROR)
        answer = _response(packet, Subtype.NOTIFICATION)
        if packet.notification & BEFORE_AUTHENTICATION:
            self.notified = packet.notification
            return push_packet(answer)
        if self._keys is None:
            raise _Fault(Subtype.CLIENT_ERROR)
        self._check(packet, request, self._keys.k_aut)
        iv = encrypted = None
        if self._used is not None:
            inner = self._decrypt(packet, self._keys.k_encr)
            if inner.counter != self._used.counter:
                raise _Fault(Subtype.CLIENT_ERROR)
            iv, encrypted = _encrypt(packet, self._keys, Encrypted(counter=inner.counter))
        self.notified = packet.notification
        answer = replace(answer, iv=iv, encrypted=encrypted, mac=EMPTY_MAC)
        return keys.sign(packet.variant, self._keys.k_aut, push_packet(answer))

    # --- shared ---

    def _check(self, packet: Packet, request: bytes, k_aut: bytes) -> None:
        """Refuse a wrong AT_MAC or AT_CHECKCODE (RFC 4187 §6.3.1, §10.13)."""
        if not keys.is_signed(packet.variant, k_aut, request, mac_at=packet.mac_at):
            raise _Fault(Subtype.CLIENT_ERROR)
        mine = keys.checkcode_of(packet.variant, self._messages)
        if packet.checkcode is not None and packet.checkcode != mine:
            raise _Fault(Subtype.CLIENT_ERROR)

    def _checkcode(self, packet: Packet) -> bytes | None:
        if not self._options.checkcode and packet.checkcode is None:
            return None
        return keys.checkcode_of(packet.variant, self._messages)

    def _wants_result(self, packet: Packet) -> bool:
        return self._options.result_indication and packet.result_indication

    def _decrypt(self, packet: Packet, k_encr: bytes) -> Encrypted:
        """Return what AT_ENCR_DATA holds, an empty one if there is none."""
        if packet.encrypted is None:
            return Encrypted()
        if packet.iv is None:
            raise _Fault(Subtype.CLIENT_ERROR)
        try:
            return pull_encrypted(keys.decrypt(k_encr, packet.iv, packet.encrypted))
        except MalformedPacket:
            raise _Fault(Subtype.CLIENT_ERROR) from None

    def _learn(self, inner: Encrypted, context: _Reauth) -> None:
        """Keep the identities given out for the next time (RFC 4187 §4.1.7, §5.4)."""
        if inner.next_pseudonym:
            # A user name only; the realm stays the SIM's own (RFC 4187 §10.10).
            realm = self._permanent.partition(b"@")[2]
            self._pseudonym = inner.next_pseudonym + b"@" + realm
        given = inner.next_reauth_id
        self._reauth = replace(context, identity=given) if given else None


def _response(packet: Packet, subtype: Subtype) -> Packet:
    """Return an empty response to this request."""
    return Packet(
        code=Code.RESPONSE,
        identifier=packet.identifier,
        variant=packet.variant,
        subtype=subtype,
    )


def _fault(packet: Packet, subtype: Subtype) -> Packet:
    """Return Client-Error or Authentication-Reject."""
    answer = _response(packet, subtype)
    if subtype is Subtype.CLIENT_ERROR:
        return replace(answer, client_error=UNABLE_TO_PROCESS)
    return answer


def _encrypt(packet: Packet, made: Keys, inner: Encrypted) -> tuple[bytes, bytes]:
    """Return the values of AT_IV and AT_ENCR_DATA of the response to this request."""
    plain = push_encrypted(inner)
    context = bytes((Code.RESPONSE, packet.variant, packet.identifier))
    iv = keys.iv_for(made.k_aut, plain, context=context)
    return iv, keys.encrypt(made.k_encr, iv, plain)
