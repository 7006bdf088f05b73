"""Temporary and operator tokens: what a device lends to a third party (TS.43 §2.8.6, §14.1).

They are sealed like a device's own token and say all that they are bound to; the seal's purpose
keeps the kinds apart, so that none ever opens as another. Not ours is None, since another issuer
may know it; ours but bad raises.
"""

from __future__ import annotations

import struct
from dataclasses import field

from simgrant.domain.risk import Way
from simgrant.errors import BadLentToken, Unauthenticated
from simgrant.flows.tokens import FORMAT_OF, FORMATS, decode, encode
from simgrant.identities import Imsi
from simgrant.keyring.ring import KeyRing, Purpose, SealBroken, UnknownKey
from simgrant.nouns import noun
from simgrant.ports.keys import Keys
from simgrant.spec.ids import AppId

TOKEN_ID_BYTES = 16
_ONCE = 1
"""Flag: it is good once."""
_HEAD = struct.Struct(">BB16sIIQQ")


@noun
class Lent:
    """What such a token is bound to. Times are Unix seconds."""

    token_id: bytes = field(repr=False)
    """Random: the key of its row, where what became of it is kept."""
    imsi: Imsi
    terminal_id: str = field(repr=False)
    client: str
    """The client of the device that acquired it; revoked with it, as is the subscription."""
    app_id: str
    operations: tuple[str, ...]
    """Names of the operations it is good for, as TS.43 spells them."""
    requestor: str
    """The ``requestor_id`` it was acquired for, in lower case; empty = any."""
    client_id: str
    """The OAuth client it was acquired for; empty = none was proved."""
    scope: str
    """What an operator token was asked to be good for, as it was asked."""
    single_use: bool
    issued: int
    expires: int
    epoch: int
    """Token epoch of the subscription at issue."""
    terminal_epoch: int
    signed_in: Way = Way.SIM
    """How the holder of that device was proved; of a token that moves no line nobody asks."""
    signed_in_at: int = 0
    """When, where that was more than the SIM."""

    @property
    def moves_line(self) -> bool:
        """Whether it is for the phone that the line moves to (TS.43 §8.9)."""
        return self.app_id == AppId.ODSA_PRIMARY


def push_lent(
    purpose: Purpose, lent: Lent, ring: KeyRing, tenant: str, *, nonce: bytes, now: float
) -> str:
    """Return the sealed token: base64url without padding."""
    texts = (
        lent.imsi.digits,
        lent.terminal_id,
        lent.client,
        lent.app_id,
        ",".join(lent.operations),
        lent.requestor,
        lent.client_id,
        lent.scope,
        # A server of the release before takes no such token, and none is made of the SIM alone.
        *((str(lent.signed_in_at),) if lent.signed_in is not Way.SIM else ()),
    )
    head = _HEAD.pack(
        FORMAT_OF[lent.signed_in],
        _ONCE if lent.single_use else 0,
        lent.token_id,
        lent.issued,
        lent.expires,
        lent.epoch,
        lent.terminal_epoch,
    )
    plain = head + "\0".join(texts).encode()
    return encode(ring.seal(purpose, tenant, plain, nonce=nonce, now=now))


def pull_lent(purpose: Purpose, text: str, keys: Keys, *, now: float) -> tuple[str, Lent] | None:
    """Return (tenant, what it says) of a token, None for one that is not ours.

    Raise `BadLentToken` for one that is ours and was changed, is of another kind, or is over.
    A key id that this process has not seen yet makes it look at the ring on file once more.
    """
    try:
        sealed = decode(text)
    except Unauthenticated:
        return None
    try:
        try:
            tenant, plain = keys.ring.open(purpose, sealed, now=now)
        except UnknownKey:
            if not keys.refresh():
                return None
            tenant, plain = keys.ring.open(purpose, sealed, now=now)
    except UnknownKey:
        return None
    except SealBroken:
        raise BadLentToken("lent_token_broken") from None
    signed_in = FORMATS.get(plain[0])
    if signed_in is None:
        raise BadLentToken("lent_token_format")
    _, flags, token_id, issued, expires, epoch, terminal_epoch = _HEAD.unpack_from(plain)
    if now >= expires:
        raise BadLentToken("lent_token_expired")
    imsi, terminal_id, client, app_id, operations, requestor, client_id, scope, *at = (
        plain[_HEAD.size :].decode().split("\0")
    )
    return tenant, Lent(
        token_id,
        Imsi(imsi),
        terminal_id,
        client,
        app_id,
        tuple(filter(None, operations.split(","))),
        requestor,
        client_id,
        scope,
        bool(flags & _ONCE),
        issued,
        expires,
        epoch,
        terminal_epoch,
        signed_in,
        int(at[0]) if at else 0,
    )
