"""Private user identities: made for a document, and led back to the subscription (TS.43 §12).

Where a tenant has named its Wi-Fi gateway's public key, the IMSI is encrypted to it (type 2), and
the gateway opens it alone. Where not, a pseudonym (type 1) is sealed with our own key ring, and
only we can say whose it is.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from dataclasses import field

from cryptography.hazmat.primitives.asymmetric import ec

from simgrant.errors import Unauthenticated
from simgrant.flows.tokens import decode, encode, open_seal
from simgrant.identities import Imsi
from simgrant.keyring.identity import NotAnIdentity, Opened, Sealer, pull_identity
from simgrant.keyring.ring import NONCE_BYTES, Purpose
from simgrant.nouns import noun
from simgrant.ports.keys import Keys
from simgrant.spec.ids import PrivateUserIdType

_LEADING = "2"
"""What a pseudonym for EAP-AKA begins with (TS 23.003 §14.5)."""
_FORMAT = 1
_HEAD = struct.Struct(">BII")
_EPHEMERAL_BYTES = 48
_AGREEMENT_S = 3600
"""Seconds for which one key agreement serves; far fewer identities than its nonces allow."""


@noun
class GatewayKey:
    """The public key that a tenant's identities are encrypted to."""

    public: ec.EllipticCurvePublicKey = field(repr=False)
    key_id: str = ""


@noun
class Resolved:
    """Whose identity it is."""

    kind: PrivateUserIdType
    opened: Opened
    tenant: str
    """Empty where the identity does not say it."""


class PrivateIdentities:
    """Makes the identities of all tenants."""

    def __init__(self, gateways: Mapping[str, GatewayKey], *, keys: Keys, life_s: int) -> None:
        self._gateways = gateways
        self._keys = keys
        self._life_s = life_s
        self._sealers: dict[str, tuple[float, Sealer]] = {}

    def kind(self, tenant: str) -> PrivateUserIdType:
        """Return what kind of identity a tenant gives."""
        return PrivateUserIdType.OTHER if tenant in self._gateways else PrivateUserIdType.PSEUDONYM

    def expires(self, at: int) -> int:
        """Return when an identity that is made at a time ends."""
        return at + self._life_s

    def push(self, tenant: str, imsi: Imsi, *, at: int, now: float) -> str:
        """Return an identity of a SIM."""
        who = Opened(imsi, at, self.expires(at))
        gateway, nonce = self._gateways.get(tenant), os.urandom(NONCE_BYTES)
        if gateway is not None:
            return self._sealer(tenant, gateway, now).push(who, nonce=nonce)
        plain = _HEAD.pack(_FORMAT, who.issued, who.expires) + imsi.digits.encode()
        sealed = self._keys.ring.seal(Purpose.PSEUDONYM, tenant, plain, nonce=nonce, now=now)
        return _LEADING + encode(sealed)

    def _sealer(self, tenant: str, gateway: GatewayKey, now: float) -> Sealer:
        until, sealer = self._sealers.get(tenant, (0.0, None))
        if sealer is None or now >= until:
            ephemeral = os.urandom(_EPHEMERAL_BYTES)
            sealer = Sealer(gateway.public, ephemeral=ephemeral, key_id=gateway.key_id)
            self._sealers[tenant] = (now + _AGREEMENT_S, sealer)
        return sealer


def resolve(
    text: str, keys: Keys, *, private: ec.EllipticCurvePrivateKey | None, now: float
) -> Resolved:
    """Return whose identity a text is, over or not; raise `NotAnIdentity`.

    An NAI's realm may follow it. ``private`` is the gateway's key, for encrypted ones.
    """
    text = text.strip().partition("@")[0]
    if "." in text:
        if private is None:
            raise NotAnIdentity("encrypted: it takes the gateway's private key to open it")
        return Resolved(PrivateUserIdType.OTHER, pull_identity(text, private), "")
    if not text.startswith(_LEADING):
        raise NotAnIdentity("neither a pseudonym nor an encrypted identity")
    try:
        sealed = decode(text.removeprefix(_LEADING))
        tenant, plain = open_seal(keys, Purpose.PSEUDONYM, sealed, now=now)
    except Unauthenticated:
        raise NotAnIdentity("no pseudonym of this key ring") from None
    _, issued, expires = _HEAD.unpack_from(plain)
    opened = Opened(Imsi(plain[_HEAD.size :].decode()), issued, expires)
    return Resolved(PrivateUserIdType.PSEUDONYM, opened, tenant)
