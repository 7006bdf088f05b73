"""Access tokens of partner APIs: what they say, in their sealed form (RFC 6749 §1.4).

Nothing is written when one is made. What is in it was checked then; what changes meanwhile (the
line, a revocation, its one use) is looked at when it is used.
"""

from __future__ import annotations

import struct
from typing import Final

from simgrant.domain.camara.access_token import AccessToken, Method, Subject
from simgrant.errors import Unauthenticated
from simgrant.flows.tokens import decode, encode, open_seal
from simgrant.identities import Imsi, Msisdn
from simgrant.keyring.ring import KeyRing, Purpose
from simgrant.ports.keys import Keys

TOKEN_ID_BYTES: Final = 16
_FORMAT: Final = 1
_ONCE, _BOUND, _OF_TEMPORARY, _ABOUT = 1, 2, 4, 8
"""Flags: it is good once, bound to a key, got for a temporary token, about a subscriber."""
_KEY_BYTES: Final = 32
_HEAD: Final = struct.Struct(">BBB16sQQQ")
_METHODS: Final = {
    1: Method.SIM,
    2: Method.NETWORK,
    3: Method.CHALLENGE,
    4: Method.CLAIMED,
    5: Method.NONE,
}
_NUMBERS: Final = {method: number for number, method in _METHODS.items()}


def push_access_token(
    token: AccessToken,
    ring: KeyRing,
    tenant: str,
    *,
    nonce: bytes,
    now: float,
    purpose: Purpose = Purpose.ACCESS_TOKEN,
) -> str:
    """Return the sealed token: base64url without padding, about 250 characters.

    No text of it may hold a NUL, no scope a space.
    """
    subject = token.subject
    flags = (
        (_ONCE if token.single_use else 0)
        | (_BOUND if token.key else 0)
        | (_OF_TEMPORARY if token.temporary_token else 0)
        | (_ABOUT if subject is not None else 0)
    )
    texts = (
        token.client_id,
        token.application,
        " ".join(sorted(token.scopes)),
        token.purpose,
        token.audience,
        subject.imsi.digits if subject is not None else "",
        subject.msisdn.digits if subject is not None else "",
    )
    plain = b"".join(
        (
            _HEAD.pack(
                _FORMAT,
                flags,
                _NUMBERS[token.method],
                token.token_id,
                token.issued,
                token.expires,
                subject.epoch if subject is not None else 0,
            ),
            token.key,
            token.temporary_token,
            "\0".join(texts).encode(),
        )
    )
    return encode(ring.seal(purpose, tenant, plain, nonce=nonce, now=now))


def pull_access_token(
    text: str, keys: Keys, *, now: float, purpose: Purpose = Purpose.ACCESS_TOKEN
) -> tuple[str, AccessToken]:
    """Return (tenant, what it says) of an access token; raise Unauthenticated for anything else.

    A key id that this process has not seen yet makes it look at the ring on file once more.
    """
    tenant, plain = open_seal(keys, purpose, decode(text), now=now)
    form, flags, number, token_id, issued, expires, epoch = _HEAD.unpack_from(plain)
    method = _METHODS.get(number)
    if form != _FORMAT or method is None:
        raise Unauthenticated("access_token_format")
    if now >= expires:
        raise Unauthenticated("access_token_expired")
    at = _HEAD.size
    key = temporary = b""
    if flags & _BOUND:
        key, at = plain[at : at + _KEY_BYTES], at + _KEY_BYTES
    if flags & _OF_TEMPORARY:
        temporary, at = plain[at : at + TOKEN_ID_BYTES], at + TOKEN_ID_BYTES
    client_id, application, scopes, what_for, audience, imsi, msisdn = (
        plain[at:].decode().split("\0")
    )
    return tenant, AccessToken(
        token_id=token_id,
        client_id=client_id,
        application=application,
        scopes=frozenset(scopes.split()),
        purpose=what_for,
        method=method,
        subject=Subject(imsi=Imsi(imsi), msisdn=Msisdn(msisdn), epoch=epoch)
        if flags & _ABOUT
        else None,
        audience=audience,
        single_use=bool(flags & _ONCE),
        issued=issued,
        expires=expires,
        key=key,
        temporary_token=temporary,
    )
