"""The EAP-AKA server as a value: `step(aka, given, options) -> (aka, action)` (RFC 4187).

The machine waits for nothing and knows no one: what it needs from outside is an
action it returns, and the answer is an input to its next step. The flow around
it is a loop that carries out actions. That is why any worker on any site can
take the second step, with nothing but the sealed state (`state.py`) in its hand.

By default it does what Android's narrow client can follow: one challenge, at
once, with AT_RAND, AT_AUTN and AT_MAC and no more. All the rest of the two RFCs
is there and has a switch in `Options`.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from simgrant.eap import keys
from simgrant.eap.conversation import (
    NO_EXTRA,
    PLAIN,
    Accept,
    Action,
    Aka,
    Extra,
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
    RejectReason,
    ResolvePseudonym,
    ResolveReauth,
    SendPacket,
    State,
    VectorFetched,
    Waiting,
)
from simgrant.eap.identity import MAX_IDENTITY_BYTES, IdentityKind, kind_of
from simgrant.eap.keys import KDF_CK_IK, Keys, SessionKeys
from simgrant.eap.packet import (
    EMPTY_MAC,
    GENERAL_FAILURE_BEFORE,
    SUCCESS_NOTIFIED,
    Code,
    Encrypted,
    IdentityRequest,
    MalformedPacket,
    Packet,
    Subtype,
    Variant,
    pull_encrypted,
    pull_packet,
    push_encrypted,
    push_packet,
    push_plain_challenge,
)
from simgrant.eap.vector import Resync
from simgrant.nouns import replace

if TYPE_CHECKING:
    from simgrant.eap.vector import AuthVector

__all__ = [
    "NO_EXTRA",
    "PLAIN",
    "Accept",
    "Action",
    "Aka",
    "Extra",
    "FetchVector",
    "Granted",
    "IdentityGiven",
    "Input",
    "Options",
    "PacketReceived",
    "PseudonymResolved",
    "ReauthContext",
    "ReauthResolved",
    "Reject",
    "RejectReason",
    "ResolvePseudonym",
    "ResolveReauth",
    "SendPacket",
    "State",
    "VectorFetched",
    "Waiting",
    "step",
]
"""The nouns come along, so that whoever drives the machine has one place to import from."""


def step(aka: Aka, given: Input, options: Options = PLAIN) -> tuple[Aka, Action]:
    """Return what becomes of the conversation and what is to be done now.

    It raises for no input in no state: whatever does not fit is a `Reject`.
    """
    match aka.waiting, given:
        case Waiting.PEER, PacketReceived(data):
            return _packet_received(aka, data, options)
        case Waiting.VECTOR, VectorFetched():
            return _vector_fetched(aka, given, options)
        case Waiting.IDENTITY, IdentityGiven(identity):
            return _identity_given(aka, identity, options)
        case Waiting.PSEUDONYM, PseudonymResolved(permanent):
            return _pseudonym_resolved(aka, permanent, options)
        case Waiting.REAUTH, ReauthResolved():
            return _reauth_resolved(aka, given, options)
        case _:
            detail = f"{type(given).__name__} while waiting for {aka.waiting.name}"
            return _reject(aka, RejectReason.UNEXPECTED, detail)


def _packet_received(aka: Aka, data: bytes, options: Options) -> tuple[Aka, Action]:
    """Check the header, then leave the packet to the state it belongs to."""
    if aka.extra.failure is not None:
        # The device has only acknowledged a failure; whatever it says, it stays one.
        return _reject(aka, aka.extra.failure, "after notification")
    try:
        packet = pull_packet(data)
    except MalformedPacket as error:
        return _reject(aka, RejectReason.MALFORMED, str(error))
    if (
        packet.code is not Code.RESPONSE
        or packet.identifier != aka.eap_id
        or packet.variant is not aka.variant
    ):
        return _reject(aka, RejectReason.WRONG_HEADER, "code, identifier or type")
    match aka.state, packet.subtype:
        case State.CHALLENGE, Subtype.CHALLENGE:
            return _challenge_answered(aka, packet, data, options)
        case State.CHALLENGE, Subtype.SYNCHRONIZATION_FAILURE:
            return _synchronization_failed(aka, packet)
        case State.CHALLENGE, Subtype.AUTHENTICATION_REJECT:
            return _reject(aka, RejectReason.AUTN_REFUSED, "Authentication-Reject")
        case State.IDENTITY, Subtype.IDENTITY:
            return _identity_answered(aka, packet, data, options)
        case State.REAUTH, Subtype.REAUTHENTICATION:
            return _reauth_answered(aka, packet, data, options)
        case State.NOTIFICATION, Subtype.NOTIFICATION:
            return _notification_answered(aka, packet, data)
        case _, Subtype.CLIENT_ERROR:
            return _reject(aka, RejectReason.CLIENT_ERROR, f"code {packet.client_error}")
        case _:
            detail = f"{packet.subtype.name} in {aka.state.name}"
            return _reject(aka, RejectReason.UNEXPECTED, detail)


# --- identity (RFC 4187 §4.1) ---


def _identity_given(aka: Aka, identity: bytes, options: Options) -> tuple[Aka, Action]:
    """Choose the method by the leading digit and go on with the identity."""
    if len(identity) > MAX_IDENTITY_BYTES:
        return _reject(aka, RejectReason.UNKNOWN_IDENTITY, "identity too long")
    found = kind_of(identity)
    variant = found[0] if found and options.prime else Variant.AKA
    given = Aka(
        # Set at once, as a permanent identity is what nearly every device gives.
        waiting=Waiting.VECTOR,
        variant=variant,
        eap_id=aka.eap_id,
        identity=identity,
    )
    if options.ask_identity:
        return _ask_identity(given, IdentityRequest.ANY, options)
    return _use_identity(given, options)


def _use_identity(aka: Aka, options: Options) -> tuple[Aka, Action]:
    """Turn the identity into a vector, directly or by way of the flow's tables."""
    found = kind_of(aka.identity)
    kind = found[1] if found and found[0] is aka.variant else None
    asked = aka.extra.asked
    if kind is IdentityKind.PERMANENT:
        waiting = aka if aka.waiting is Waiting.VECTOR else replace(aka, waiting=Waiting.VECTOR)
        return waiting, FetchVector(aka.identity, aka.variant)
    if kind is IdentityKind.PSEUDONYM and options.pseudonyms and asked < IdentityRequest.PERMANENT:
        return replace(aka, waiting=Waiting.PSEUDONYM), ResolvePseudonym(aka.identity)
    if (
        kind is IdentityKind.REAUTHENTICATION
        and options.reauthentication
        and asked < IdentityRequest.FULLAUTH
    ):
        return replace(aka, waiting=Waiting.REAUTH), ResolveReauth(aka.identity)
    return _ask_identity(aka, IdentityRequest.ANY, options)


def _ask_identity(aka: Aka, request: IdentityRequest, options: Options) -> tuple[Aka, Action]:
    """Ask for an identity, for more than the last time; at most three times."""
    asked = aka.extra.asked
    if not options.identity_rounds or asked is IdentityRequest.PERMANENT:
        return _reject(aka, RejectReason.UNKNOWN_IDENTITY, "no identity of use")
    request = max(request, IdentityRequest(asked + 1))
    eap_id = _next_id(aka)
    data = push_packet(
        Packet(
            code=Code.REQUEST,
            identifier=eap_id,
            variant=aka.variant,
            subtype=Subtype.IDENTITY,
            identity_request=request,
        )
    )
    extra = replace(aka.extra, asked=request, messages=aka.extra.messages + data)
    asking = replace(aka, state=State.IDENTITY, waiting=Waiting.PEER, eap_id=eap_id, extra=extra)
    return asking, SendPacket(data)


def _identity_answered(
    aka: Aka, packet: Packet, data: bytes, options: Options
) -> tuple[Aka, Action]:
    if not packet.identity or len(packet.identity) > MAX_IDENTITY_BYTES:
        return _reject(aka, RejectReason.MALFORMED, "no identity, or one too long")
    extra = replace(aka.extra, messages=aka.extra.messages + data)
    return _use_identity(replace(aka, identity=packet.identity, extra=extra), options)


def _pseudonym_resolved(aka: Aka, permanent: bytes | None, options: Options) -> tuple[Aka, Action]:
    """Go on with the permanent identity, or ask the device for it (RFC 4187 §4.1.4)."""
    if permanent is None or len(permanent) > MAX_IDENTITY_BYTES:
        return _ask_identity(aka, IdentityRequest.PERMANENT, options)
    return _fetch(replace(aka, extra=replace(aka.extra, permanent=permanent)), permanent)


def _fetch(aka: Aka, permanent: bytes, resync: Resync | None = None) -> tuple[Aka, Action]:
    fetching = replace(aka, waiting=Waiting.VECTOR)
    return fetching, FetchVector(permanent, aka.variant, resync)


# --- full authentication (RFC 4187 §3, §9.3 to §9.6) ---


def _vector_fetched(aka: Aka, given: VectorFetched, options: Options) -> tuple[Aka, Action]:
    """Make the keys and challenge the SIM."""
    vector = given.vector
    if aka.variant is Variant.AKA:
        if vector.derived:
            return _reject(aka, RejectReason.BAD_VECTOR, "CK' and IK' for EAP-AKA")
        made = keys.derive(aka.identity, ik=vector.ik, ck=vector.ck, msk=options.session_keys)
    else:
        if not vector.separated:
            return _reject(aka, RejectReason.BAD_VECTOR, "AMF separation bit is 0")
        made = _prime_keys(aka.identity, vector, options)
    challenged = Aka(
        state=State.CHALLENGE,
        waiting=Waiting.PEER,
        variant=aka.variant,
        eap_id=_next_id(aka),
        resynced=aka.resynced,
        identity=aka.identity,
        rand=vector.rand,
        xres=vector.xres,
        k_aut=made.k_aut,
        extra=_extra_of(aka, given, made, options),
    )
    return _challenge(challenged, vector.autn, options)


def _prime_keys(identity: bytes, vector: AuthVector, options: Options) -> Keys:
    ck, ik = vector.ck, vector.ik
    if not vector.derived:
        ck, ik = keys.bind_to_network(ck, ik, autn=vector.autn, network_name=options.network_name)
    return keys.derive_prime(identity, ik=ik, ck=ck, msk=options.session_keys)


def _extra_of(aka: Aka, given: VectorFetched, made: Keys, options: Options) -> Extra:
    """Return what has to be remembered beyond the plain challenge, which is mostly nothing."""
    negotiable = aka.variant is Variant.AKA_PRIME and len(options.kdfs) > 1
    offers = bool(given.next_pseudonym or given.next_reauth_id)
    if aka.extra is NO_EXTRA and not (negotiable or offers or options.session_keys):
        return NO_EXTRA
    before = aka.extra
    return Extra(
        permanent=before.permanent,
        messages=before.messages,
        asked=before.asked,
        autn=given.vector.autn if negotiable else b"",
        kdf=before.kdf,
        k_encr=made.k_encr if offers else b"",
        master=made.master if given.next_reauth_id else b"",
        msk=made.msk,
        emsk=made.emsk,
        next_pseudonym=given.next_pseudonym,
        next_reauth_id=given.next_reauth_id,
    )


def _challenge(aka: Aka, autn: bytes, options: Options) -> tuple[Aka, Action]:
    """Send the AKA-Challenge that this state waits to be answered (RFC 4187 §9.3)."""
    plain = (
        aka.variant is Variant.AKA
        and aka.extra is NO_EXTRA
        and not options.result_indication
        and not options.bidding
    )
    if plain:
        data = push_plain_challenge(aka.eap_id, rand=aka.rand, autn=autn)
    else:
        data = push_packet(_full_challenge(aka, autn, options))
    return aka, SendPacket(keys.sign(aka.variant, aka.k_aut, data))


def _full_challenge(aka: Aka, autn: bytes, options: Options) -> Packet:
    """Return the challenge with all the options ask for."""
    extra = aka.extra
    prime = aka.variant is Variant.AKA_PRIME
    inner = None
    if extra.next_pseudonym or extra.next_reauth_id:
        inner = Encrypted(
            next_pseudonym=extra.next_pseudonym or None,
            next_reauth_id=extra.next_reauth_id or None,
        )
    iv, encrypted = _encrypt(aka, inner)
    # The function chosen comes first, before the whole list again (RFC 9048 §3.2).
    chosen = (extra.kdf,) if extra.kdf else ()
    return Packet(
        code=Code.REQUEST,
        identifier=aka.eap_id,
        variant=aka.variant,
        subtype=Subtype.CHALLENGE,
        rand=aka.rand,
        autn=autn,
        network_name=options.network_name if prime else None,
        kdfs=chosen + options.kdfs if prime else (),
        iv=iv,
        encrypted=encrypted,
        checkcode=keys.checkcode_of(aka.variant, extra.messages) or None,
        result_indication=options.result_indication,
        bidding=True if options.bidding and not prime else None,
        mac=EMPTY_MAC,
    )


def _challenge_answered(
    aka: Aka, packet: Packet, data: bytes, options: Options
) -> tuple[Aka, Action]:
    """Verify AT_MAC first, then RES, both in constant time (RFC 4187 §9.4)."""
    if packet.kdfs and packet.mac is None:
        return _kdf_chosen(aka, packet, options)
    if not keys.is_signed(aka.variant, aka.k_aut, data, mac_at=packet.mac_at):
        return _refuse(aka, RejectReason.BAD_MAC, options)
    if packet.res is None or packet.res.bits != 8 * len(aka.xres):
        return _refuse(aka, RejectReason.BAD_RES, options)
    if not hmac.compare_digest(packet.res.value, aka.xres):
        return _refuse(aka, RejectReason.BAD_RES, options)
    if not _checkcode_agrees(aka, packet):
        return _refuse(aka, RejectReason.BAD_CHECKCODE, options)
    if aka.extra.kdf == 0 and aka.variant is Variant.AKA_PRIME and options.kdfs[0] != KDF_CK_IK:
        return _refuse(aka, RejectReason.KDF_NOT_OFFERED, options)
    if options.result_indication and packet.result_indication:
        return _notify_success(aka)
    return _accept(aka)


def _checkcode_agrees(aka: Aka, packet: Packet) -> bool:
    """Tell whether both sides saw the same AKA-Identity packets (RFC 4187 §10.13).

    A device may leave it out; one that says something must say the right thing.
    """
    if packet.checkcode is None:
        return True
    return hmac.compare_digest(packet.checkcode, keys.checkcode_of(aka.variant, aka.extra.messages))


def _kdf_chosen(aka: Aka, packet: Packet, options: Options) -> tuple[Aka, Action]:
    """Challenge again with the key derivation the device wants, once (RFC 9048 §3.2)."""
    extra = aka.extra
    wanted = packet.kdfs[0]
    if (
        aka.variant is not Variant.AKA_PRIME
        or not extra.autn
        or extra.kdf
        or len(packet.kdfs) > 1
        or wanted != KDF_CK_IK
        or wanted == options.kdfs[0]
    ):
        return _refuse(aka, RejectReason.KDF_NOT_OFFERED, options)
    again = replace(aka, eap_id=_next_id(aka), extra=replace(extra, kdf=wanted))
    return _challenge(again, extra.autn, options)


def _synchronization_failed(aka: Aka, packet: Packet) -> tuple[Aka, Action]:
    """Hand RAND and AUTS to the AuC, once in a conversation (RFC 4187 §6.3.1)."""
    if packet.auts is None:
        return _reject(aka, RejectReason.MALFORMED, "no AT_AUTS")
    if aka.resynced:
        return _reject(aka, RejectReason.RESYNC_TWICE, "second Synchronization-Failure")
    resync = Resync(aka.rand, packet.auts)
    return _fetch(replace(aka, resynced=True), aka.extra.permanent or aka.identity, resync)


# --- fast re-authentication (RFC 4187 §5, §9.7, §9.8) ---


def _reauth_resolved(aka: Aka, given: ReauthResolved, options: Options) -> tuple[Aka, Action]:
    """Start a fast re-authentication, or fall back to the full one."""
    context = given.context
    if context is None:
        return _ask_identity(aka, IdentityRequest.FULLAUTH, options)
    extra = replace(aka.extra, permanent=context.identity)
    if context.variant is not aka.variant or not 0 < context.counter <= 0xFFFF:
        return _fetch(replace(aka, extra=extra), context.identity)
    fresh = keys.rederive(
        aka.variant,
        aka.identity,
        master=context.master,
        counter=context.counter,
        nonce_s=given.nonce_s,
    )
    extra = replace(
        extra,
        k_encr=context.k_encr,
        master=context.master,
        msk=fresh.msk if options.session_keys else b"",
        emsk=fresh.emsk if options.session_keys else b"",
        next_reauth_id=given.next_reauth_id,
        counter=context.counter,
        nonce_s=given.nonce_s,
    )
    return _reauthenticate(replace(aka, k_aut=context.k_aut, extra=extra), options)


def _reauthenticate(aka: Aka, options: Options) -> tuple[Aka, Action]:
    """Send AKA-Reauthentication (RFC 4187 §9.7)."""
    extra = aka.extra
    sent = replace(aka, state=State.REAUTH, waiting=Waiting.PEER, eap_id=_next_id(aka))
    inner = Encrypted(
        counter=extra.counter,
        nonce_s=extra.nonce_s,
        next_reauth_id=extra.next_reauth_id or None,
    )
    iv, encrypted = _encrypt(sent, inner)
    packet = Packet(
        code=Code.REQUEST,
        identifier=sent.eap_id,
        variant=aka.variant,
        subtype=Subtype.REAUTHENTICATION,
        iv=iv,
        encrypted=encrypted,
        checkcode=keys.checkcode_of(aka.variant, extra.messages) or None,
        result_indication=options.result_indication,
        mac=EMPTY_MAC,
    )
    return sent, SendPacket(keys.sign(aka.variant, aka.k_aut, push_packet(packet)))


def _reauth_answered(aka: Aka, packet: Packet, data: bytes, options: Options) -> tuple[Aka, Action]:
    """Verify AT_MAC, which covers NONCE_S too, then the counter (RFC 4187 §9.8)."""
    extra = aka.extra
    if not extra.nonce_s or not keys.is_signed(
        aka.variant, aka.k_aut, data, mac_at=packet.mac_at, appended=extra.nonce_s
    ):
        return _refuse(aka, RejectReason.BAD_MAC, options)
    if not _checkcode_agrees(aka, packet):
        return _refuse(aka, RejectReason.BAD_CHECKCODE, options)
    inner = _decrypt(aka, packet)
    if inner is None or inner.counter != extra.counter:
        return _refuse(aka, RejectReason.BAD_COUNTER, options)
    if inner.counter_too_small:
        return _fall_back(aka)
    if options.result_indication and packet.result_indication:
        return _notify_success(aka)
    return _accept(aka)


def _fall_back(aka: Aka) -> tuple[Aka, Action]:
    """Authenticate in full, since the device has a higher counter (RFC 4187 §5.5)."""
    kept = Extra(permanent=aka.extra.permanent, messages=aka.extra.messages, asked=aka.extra.asked)
    full = replace(aka, state=State.IDENTITY, k_aut=b"", extra=kept)
    return _fetch(full, kept.permanent)


# --- notifications and the end (RFC 4187 §6, §9.10, §9.11) ---


def _notify_success(aka: Aka) -> tuple[Aka, Action]:
    """Tell the device, protected, that it has succeeded (RFC 4187 §6.2)."""
    sent = replace(aka, state=State.NOTIFICATION, waiting=Waiting.PEER, eap_id=_next_id(aka))
    inner = Encrypted(counter=aka.extra.counter) if aka.extra.nonce_s else None
    iv, encrypted = _encrypt(sent, inner)
    packet = Packet(
        code=Code.REQUEST,
        identifier=sent.eap_id,
        variant=aka.variant,
        subtype=Subtype.NOTIFICATION,
        notification=SUCCESS_NOTIFIED,
        iv=iv,
        encrypted=encrypted,
        mac=EMPTY_MAC,
    )
    return sent, SendPacket(keys.sign(aka.variant, aka.k_aut, push_packet(packet)))


def _notification_answered(aka: Aka, packet: Packet, data: bytes) -> tuple[Aka, Action]:
    """Accept once the device has acknowledged, in a message as protected as ours."""
    if not keys.is_signed(aka.variant, aka.k_aut, data, mac_at=packet.mac_at):
        return _reject(aka, RejectReason.BAD_MAC, "in Notification")
    if aka.extra.nonce_s:
        inner = _decrypt(aka, packet)
        if inner is None or inner.counter != aka.extra.counter:
            return _reject(aka, RejectReason.BAD_COUNTER, "in Notification")
    return _accept(aka)


def _accept(aka: Aka) -> tuple[Aka, Action]:
    """End well; the state left behind holds no key."""
    extra = aka.extra
    identity = extra.permanent or aka.identity
    if extra is NO_EXTRA:
        return _ended(aka, State.SUCCESS), Accept(identity, aka.variant)
    granted = None
    if extra.next_pseudonym or extra.next_reauth_id:
        context = None
        if extra.next_reauth_id:
            context = ReauthContext(
                identity, aka.variant, extra.k_encr, aka.k_aut, extra.master, extra.counter + 1
            )
        granted = Granted(extra.next_pseudonym, extra.next_reauth_id, context)
    accepted = Accept(
        identity,
        aka.variant,
        SessionKeys(extra.msk, extra.emsk) if extra.msk else None,
        granted,
        bool(extra.nonce_s),
    )
    return _ended(aka, State.SUCCESS), accepted


def _refuse(aka: Aka, reason: RejectReason, options: Options) -> tuple[Aka, Action]:
    """Reject, after telling the device so if the options want it (RFC 4187 §6.3.3)."""
    if not options.notify_failure:
        return _reject(aka, reason)
    eap_id = _next_id(aka)
    packet = Packet(
        code=Code.REQUEST,
        identifier=eap_id,
        variant=aka.variant,
        subtype=Subtype.NOTIFICATION,
        notification=GENERAL_FAILURE_BEFORE,
    )
    sent = Aka(
        state=State.NOTIFICATION,
        waiting=Waiting.PEER,
        variant=aka.variant,
        eap_id=eap_id,
        resynced=aka.resynced,
        identity=aka.identity,
        extra=Extra(failure=reason),
    )
    return sent, SendPacket(push_packet(packet))


def _reject(aka: Aka, reason: RejectReason, detail: str = "") -> tuple[Aka, Action]:
    return _ended(aka, State.FAILURE), Reject(reason, detail)


def _next_id(aka: Aka) -> int:
    return (aka.eap_id + 1) & 0xFF


def _ended(aka: Aka, state: State) -> Aka:
    """Return a conversation that is over and remembers no secret."""
    return Aka(
        state=state,
        waiting=Waiting.NOTHING,
        variant=aka.variant,
        eap_id=aka.eap_id,
        resynced=aka.resynced,
    )


def _encrypt(aka: Aka, inner: Encrypted | None) -> tuple[bytes | None, bytes | None]:
    """Return the values of AT_IV and AT_ENCR_DATA, None and None for nothing inside."""
    if inner is None:
        return None, None
    plain = push_encrypted(inner)
    iv = keys.iv_for(aka.k_aut, plain, context=bytes((aka.variant, aka.eap_id)))
    return iv, keys.encrypt(aka.extra.k_encr, iv, plain)


def _decrypt(aka: Aka, packet: Packet) -> Encrypted | None:
    """Return what AT_ENCR_DATA holds, None if it is missing or rubbish."""
    if packet.iv is None or packet.encrypted is None or len(aka.extra.k_encr) != 16:
        return None
    try:
        return pull_encrypted(keys.decrypt(aka.extra.k_encr, packet.iv, packet.encrypted))
    except MalformedPacket:
        return None
