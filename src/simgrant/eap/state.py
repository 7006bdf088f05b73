"""A conversation as bytes and back, to be sealed into the cookie of the EAP relay.

A plain challenge comes to about a hundred bytes and holds only what the second
round trip needs: identity, identifier, RAND (for a resynchronisation), XRES and
K_aut; CK and IK are gone by then. Sealing and expiry are not done here.
"""

from __future__ import annotations

import struct
from typing import Final

from simgrant.eap.conversation import (
    NO_EXTRA,
    Aka,
    Extra,
    RejectReason,
    State,
    Waiting,
)
from simgrant.eap.identity import MAX_IDENTITY_BYTES
from simgrant.eap.keys import K_AUT_BYTES
from simgrant.eap.packet import MAX_PACKET_BYTES, IdentityRequest, Variant

VERSION: Final = 1
"""First byte; a worker of another release refuses what it cannot read."""


class MalformedState(ValueError):
    """The bytes are no conversation; the message never repeats any of them."""


_HEAD = struct.Struct(">BBBBBBBBBB")
"""Version, state, waiting, variant, flags, identifier, four lengths."""
_RESYNCED, _HAS_EXTRA = 1, 2

_EXTRA_HEAD = struct.Struct(">BHHB")
"""Identity request, KDF, counter, failure."""
_LENGTH = struct.Struct(">H")
_FAILURES = (None, *RejectReason)
"""By position, so reasons may only be added at the end, or VERSION goes up."""

_EXTRA_SIZES: Final = {
    "permanent": range(MAX_IDENTITY_BYTES + 1),
    "messages": range(6 * MAX_PACKET_BYTES + 1),
    "autn": (0, 16),
    "k_encr": (0, 16),
    "master": (0, 20, 32),
    "msk": (0, 64),
    "emsk": (0, 64),
    "next_pseudonym": range(MAX_IDENTITY_BYTES + 1),
    "next_reauth_id": range(MAX_IDENTITY_BYTES + 1),
    "nonce_s": (0, 16),
}
"""Fields of `Extra` that are bytes, in their order, with the sizes they may have."""

_TOGETHER: Final = {
    State.IDENTITY: {
        Waiting.IDENTITY,
        Waiting.PSEUDONYM,
        Waiting.REAUTH,
        Waiting.VECTOR,
        Waiting.PEER,
    },
    State.CHALLENGE: {Waiting.VECTOR, Waiting.PEER},
    State.REAUTH: {Waiting.PEER},
    State.NOTIFICATION: {Waiting.PEER},
    State.SUCCESS: {Waiting.NOTHING},
    State.FAILURE: {Waiting.NOTHING},
}


def push_state(aka: Aka) -> bytes:
    """Write a conversation."""
    extra = aka.extra
    flags = (_RESYNCED if aka.resynced else 0) | (0 if extra == NO_EXTRA else _HAS_EXTRA)
    head = _HEAD.pack(
        VERSION,
        aka.state,
        aka.waiting,
        aka.variant,
        flags,
        aka.eap_id,
        len(aka.identity),
        len(aka.rand),
        len(aka.xres),
        len(aka.k_aut),
    )
    plain = head + aka.identity + aka.rand + aka.xres + aka.k_aut
    return plain + _push_extra(extra) if flags & _HAS_EXTRA else plain


def pull_state(data: bytes) -> Aka:
    """Read a conversation or raise `MalformedState`, and nothing else."""
    try:
        version, state, waiting, variant, flags, eap_id, *sizes = _HEAD.unpack_from(data)
    except struct.error:
        raise MalformedState("cut off") from None
    if version != VERSION or flags > _RESYNCED | _HAS_EXTRA:
        raise MalformedState("written by another release")
    identity_at = _HEAD.size
    rand_at = identity_at + sizes[0]
    xres_at = rand_at + sizes[1]
    k_aut_at = xres_at + sizes[2]
    end = k_aut_at + sizes[3]
    if len(data) != end if not flags & _HAS_EXTRA else len(data) <= end:
        raise MalformedState("cut off, or too long")
    try:
        aka = Aka(
            state=_STATES[state],
            waiting=_WAITINGS[waiting],
            variant=_VARIANTS[variant],
            eap_id=eap_id,
            resynced=bool(flags & _RESYNCED),
            identity=data[identity_at:rand_at],
            rand=data[rand_at:xres_at],
            xres=data[xres_at:k_aut_at],
            k_aut=data[k_aut_at:end],
            extra=_pull_extra(data, end) if flags & _HAS_EXTRA else NO_EXTRA,
        )
    except KeyError:
        raise MalformedState("state, waiting or variant is none") from None
    if not _is_whole(aka):
        raise MalformedState("parts that do not belong together")
    return aka


_STATES = {int(state): state for state in State}
_WAITINGS = {int(waiting): waiting for waiting in Waiting}
_VARIANTS = {int(variant): variant for variant in Variant}


def _push_extra(extra: Extra) -> bytes:
    head = _EXTRA_HEAD.pack(extra.asked, extra.kdf, extra.counter, _FAILURES.index(extra.failure))
    values = (getattr(extra, name) for name in _EXTRA_SIZES)
    return head + b"".join(_LENGTH.pack(len(value)) + value for value in values)


def _pull_extra(data: bytes, at: int) -> Extra:
    try:
        asked, kdf, counter, failure = _EXTRA_HEAD.unpack_from(data, at)
        at += _EXTRA_HEAD.size
        values = {}
        for name, sizes in _EXTRA_SIZES.items():
            (size,) = _LENGTH.unpack_from(data, at)
            at += _LENGTH.size
            values[name] = data[at : at + size]
            at += size
            if size not in sizes:
                raise MalformedState("a field of a wrong size")
    except struct.error:
        raise MalformedState("cut off") from None
    if at != len(data) or failure >= len(_FAILURES) or asked > IdentityRequest.PERMANENT:
        raise MalformedState("cut off, too long, or a number out of range")
    return Extra(
        asked=IdentityRequest(asked),
        kdf=kdf,
        counter=counter,
        failure=_FAILURES[failure],
        **values,
    )


def _is_whole(aka: Aka) -> bool:
    """Tell whether the machine can take its next step from here without surprise."""
    extra = aka.extra
    if len(aka.identity) > MAX_IDENTITY_BYTES or aka.waiting not in _TOGETHER[aka.state]:
        return False
    if aka.waiting is Waiting.PEER and aka.state is not State.IDENTITY and not extra.failure:
        if len(aka.k_aut) != K_AUT_BYTES[aka.variant]:
            return False
        if aka.state is State.CHALLENGE and not (len(aka.rand) == 16 and 4 <= len(aka.xres) <= 16):
            return False
        if aka.state is State.REAUTH and not extra.nonce_s:
            return False
    return extra is NO_EXTRA or _is_whole_extra(extra)


def _is_whole_extra(extra: Extra) -> bool:
    secret = extra.nonce_s or extra.next_pseudonym or extra.next_reauth_id
    return bool(extra.k_encr or not secret) and len(extra.msk) == len(extra.emsk)
