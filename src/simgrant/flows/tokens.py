"""Fast-authentication tokens: what they say, and their sealed form (TS.43 §2.8.5).

A token is sealed and carries all that it is bound to; whether it was revoked is
read from the subscription's and the terminal's epoch, which a request reads
anyway. So any worker on any site can check one, and revoking needs no list.
"""

from __future__ import annotations

import binascii
import struct
from dataclasses import field

from simgrant.domain.risk import Way
from simgrant.errors import Unauthenticated
from simgrant.identities import Imsi
from simgrant.keyring.ring import OVERHEAD, KeyRing, Purpose, SealBroken, UnknownKey
from simgrant.nouns import noun
from simgrant.ports.keys import Keys

FORMATS = {1: Way.SIM, 2: Way.OIDC, 3: Way.OTP}
"""The first byte says how the holder was proved; a server that knows fewer ways refuses others."""
FORMAT_OF = {way: number for number, way in FORMATS.items()}
_HEAD = struct.Struct(">BIIQQ")
_PADDING = ("", "===", "==", "=")
MAX_TEXT = 4096
"""Characters that a token may have; longer is not ours."""


@noun
class Claims:
    """What a token is bound to. Times are Unix seconds."""

    imsi: Imsi
    terminal_id: str = field(repr=False)
    apps: tuple[str, ...]
    app_name: str
    """Folded to lower case; empty where the client gave none."""
    issued: int
    expires: int
    epoch: int
    """Token epoch of the subscription at issue."""
    terminal_epoch: int
    way: Way = Way.SIM
    """How its holder was proved when it was issued; a renewed token is one of the SIM alone."""

    @property
    def client(self) -> str:
        """The client of a terminal that the token was made for (TS.43 §2.8.5).

        Two clients on one terminal keep tokens of their own; a newer token replaces
        only the older one of the same client.
        """
        return f"{self.app_name}|{','.join(sorted(self.apps))}"


def push_token(claims: Claims, ring: KeyRing, tenant: str, *, nonce: bytes, now: float) -> str:
    """Return the sealed token: base64url without padding, about 150 characters."""
    texts = (claims.imsi.digits, claims.terminal_id, ",".join(claims.apps), claims.app_name)
    plain = (
        _HEAD.pack(
            FORMAT_OF[claims.way],
            claims.issued,
            claims.expires,
            claims.epoch,
            claims.terminal_epoch,
        )
        + "\0".join(texts).encode()
    )
    return encode(ring.seal(Purpose.TOKEN, tenant, plain, nonce=nonce, now=now))


def pull_token(text: str, keys: Keys, *, now: float) -> tuple[str, Claims]:
    """Return (tenant, claims) of a token; raise Unauthenticated for anything else.

    A key id that this process has not seen yet makes it look at the ring on file
    once more before it refuses.
    """
    sealed = decode(text)
    tenant, plain = open_seal(keys, Purpose.TOKEN, sealed, now=now)
    way = FORMATS.get(plain[0])
    if way is None:
        raise Unauthenticated("token_format")
    _, issued, expires, epoch, terminal_epoch = _HEAD.unpack_from(plain)
    imsi, terminal_id, apps, app_name = plain[_HEAD.size :].decode().split("\0")
    if now >= expires:
        raise Unauthenticated("token_expired")
    return tenant, Claims(
        Imsi(imsi),
        terminal_id,
        tuple(apps.split(",")),
        app_name,
        issued,
        expires,
        epoch,
        terminal_epoch,
        way,
    )


def open_seal(keys: Keys, purpose: Purpose, sealed: bytes, *, now: float) -> tuple[str, bytes]:
    """Open a sealed value, renewing the ring once if its key is unknown.

    Return (tenant, plain); raise Unauthenticated.
    """
    try:
        return keys.ring.open(purpose, sealed, now=now)
    except UnknownKey:
        if not keys.refresh():
            raise Unauthenticated(f"{purpose}_foreign") from None
    except SealBroken:
        raise Unauthenticated(f"{purpose}_broken") from None
    try:
        return keys.ring.open(purpose, sealed, now=now)
    except SealBroken:
        raise Unauthenticated(f"{purpose}_foreign") from None


def encode(data: bytes) -> str:
    """Return base64url without padding."""
    # The two module functions of base64 that this is made of cost twice as much.
    text = binascii.b2a_base64(data, newline=False).decode().rstrip("=")
    return text.replace("+", "-").replace("/", "_")


def decode(text: str) -> bytes:
    """Return the bytes of a sealed value; raise Unauthenticated if it can be none."""
    if not OVERHEAD * 4 // 3 < len(text) <= MAX_TEXT or "=" in text:
        raise Unauthenticated("not_sealed")
    if "+" in text or "/" in text:
        raise Unauthenticated("not_sealed")
    plain = text.replace("-", "+").replace("_", "/")
    try:
        sealed = binascii.a2b_base64(plain + _PADDING[len(text) % 4], strict_mode=True)
    except ValueError:
        raise Unauthenticated("not_sealed") from None
    tail = len(sealed) % 3
    if tail and encode(sealed[-tail:]) != text[-tail - 1 :]:
        # The last character has bits that decoding ignores; one text per value.
        raise Unauthenticated("not_sealed")
    return sealed
