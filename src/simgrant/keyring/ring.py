"""The key ring: seals, keyed references and wrapped secrets, each of one tenant.

Every key on file is a 32-byte secret with one use. What encrypts or hashes is
derived from it per tenant and purpose (HKDF-Expand, RFC 5869 §2.3), so that a
token of one tenant is noise to another even where both share a file. A sealed
value starts with a 4-byte id that names key *and* tenant: whoever holds a bare
cookie can tell whose it is without trusting anything else in the request.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import field
from hashlib import blake2b

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from simgrant.keyring.signing import Algorithm, SigningKey, signing_key
from simgrant.nouns import Word, noun

ID_BYTES = 4
NONCE_BYTES = 12
SECRET_BYTES = 32
OVERHEAD = ID_BYTES + NONCE_BYTES + 16
"""Bytes that sealing adds."""


class Use(Word):
    """What a key on the ring is for."""

    SEALING = "sealing"
    """Tokens, cookies, session rows, web-view data: short-lived, rotated often."""
    HASHING = "hashing"
    """References to subscriptions and devices in records, logs and metrics."""
    WRAPPING = "wrapping"
    """Ki and OPc of the local AuC, and access tokens of consumers' sinks, at rest."""
    SIGNING = "signing"
    """Signatures of answers; a ring may do without."""


class Purpose(Word):
    """What a sealed value is; one never opens as the other."""

    TOKEN = "token"  # noqa: S105 - a name
    SESSION = "session"
    WEB_VIEW = "web_view"
    PAGE = "page"
    TEMPORARY_TOKEN = "temporary_token"  # noqa: S105 - a name
    OPERATOR_TOKEN = "operator_token"  # noqa: S105 - a name
    REQUESTOR_TOKEN = "requestor_token"  # noqa: S105 - a name
    ACCESS_TOKEN = "access_token"  # noqa: S105 - a name
    USER_REQUEST = "user_request"
    PSEUDONYM = "pseudonym"
    SIGN_IN = "sign_in"
    OTP = "otp"
    CONSENT_LINK = "consent_link"
    CONSENT_PAGE = "consent_page"


class SealBroken(Exception):
    """The value was changed, is of another purpose, or its key is no longer accepted."""


class UnknownKey(SealBroken):
    """No key of this ring has that id; the ring on file may be newer than ours."""


@noun
class Key:
    """One key as it stands on file. Times are Unix seconds."""

    id: str
    """8 hexadecimal digits, for people."""
    use: Use
    created: int
    active: int
    """From when on it is used for new values; before that it is only accepted."""
    secret: bytes = field(repr=False)
    """32 random bytes."""


@noun
class _Box:
    """A key prepared for one tenant and purpose."""

    id: bytes
    aead: AESGCM
    aad: bytes
    active: int
    until: int | None
    """Unix seconds at which it stops being accepted; None = while it is on the ring."""


class KeyRing:
    """All keys of all tenants, ready for use. Immutable; a rotation makes a new one."""

    def __init__(self, keys: Mapping[str, Iterable[Key]], *, accept_for: int) -> None:
        """Prepare ``keys`` by tenant.

        A sealing key is accepted for ``accept_for`` seconds (the longest token life)
        after its successor became active. Raise ValueError where a tenant lacks a key
        of some use or two derived ids collide.
        """
        self._boxes: dict[tuple[str, Purpose], list[_Box]] = {}
        self._by_id: dict[bytes, tuple[str, dict[Purpose, _Box]]] = {}
        self._wraps: dict[str, list[_Box]] = {}
        self._hashes: dict[str, list[tuple[int, bytes]]] = {}
        self._signing: dict[str, list[Key]] = {}
        for tenant, listed in keys.items():
            by_use: dict[Use, list[Key]] = {use: [] for use in Use}
            for key in listed:
                by_use[key.use].append(key)
            for use, of_use in by_use.items():
                if not of_use and use is not Use.SIGNING:
                    raise ValueError(f"no {use} key for tenant {tenant}")
                # The newest first; of two made in one second, the one that was added later.
                of_use.reverse()
                of_use.sort(key=lambda key: key.active, reverse=True)
            self._prepare_seals(tenant, by_use[Use.SEALING], accept_for)
            self._wraps[tenant] = [
                _box(key, tenant, "wrap", until=None) for key in by_use[Use.WRAPPING]
            ]
            self._hashes[tenant] = [
                (key.active, _derive(key.secret, f"hash|{tenant}")) for key in by_use[Use.HASHING]
            ]
            self._signing[tenant] = by_use[Use.SIGNING]

    def _prepare_seals(self, tenant: str, keys: list[Key], accept_for: int) -> None:
        successor: Key | None = None
        for key in keys:
            until = None if successor is None else successor.active + accept_for
            boxes = {purpose: _box(key, tenant, purpose, until=until) for purpose in Purpose}
            box_id = boxes[Purpose.TOKEN].id
            if box_id in self._by_id:
                raise ValueError("two keys have the same id; make a new one")
            self._by_id[box_id] = (tenant, boxes)
            for purpose, box in boxes.items():
                self._boxes.setdefault((tenant, purpose), []).append(box)
            successor = key

    @property
    def tenants(self) -> frozenset[str]:
        """The tenants that this ring has keys for."""
        return frozenset(self._hashes)

    def seal(
        self, purpose: Purpose, tenant: str, plain: bytes, *, nonce: bytes, now: float
    ) -> bytes:
        """Return ``id | nonce | ciphertext`` under the tenant's newest active key."""
        box = _current(self._boxes[tenant, purpose], now)
        return box.id + nonce + box.aead.encrypt(nonce, plain, box.aad)

    def open(self, purpose: Purpose, sealed: bytes, *, now: float) -> tuple[str, bytes]:
        """Return (tenant, plain text); raise SealBroken for anything that is not ours."""
        known = self._by_id.get(sealed[:ID_BYTES])
        if known is None:
            raise UnknownKey
        tenant, boxes = known
        box = boxes[purpose]
        if box.until is not None and now >= box.until:
            raise SealBroken
        nonce = sealed[ID_BYTES : ID_BYTES + NONCE_BYTES]
        try:
            return tenant, box.aead.decrypt(nonce, sealed[ID_BYTES + NONCE_BYTES :], box.aad)
        except (InvalidTag, ValueError):
            raise SealBroken from None

    def reference(self, tenant: str, kind: str, value: str, *, now: float) -> str:
        """Return the keyed hash of an identity: 24 hexadecimal digits (96 bits).

        ``kind`` (``imsi``, ``terminal``, ``source`` …) keeps equal texts of different
        kinds apart.
        """
        for active, key in self._hashes[tenant]:
            if active <= now:
                return _reference(key, kind, value)
        return _reference(self._hashes[tenant][-1][1], kind, value)

    def references(self, tenant: str, kind: str, value: str) -> tuple[str, ...]:
        """Return the hashes under every key of the ring, newest first, to find old records."""
        return tuple(_reference(key, kind, value) for _, key in self._hashes[tenant])

    def derive(self, tenant: str, label: str, value: str, length: int) -> bytes:
        """Return up to 64 bytes that only this ring can compute from ``value``."""
        oldest = self._hashes[tenant][-1][1]
        return blake2b(f"{label}|{value}".encode(), key=oldest, digest_size=length).digest()

    def sign(self, tenant: str, label: str, value: bytes, *, now: float) -> bytes:
        """Return the HMAC-SHA-256 of what only this ring's holders may write.

        It is under the hashing key, since those stay on the ring as long as what they were for;
        ``label`` keeps what is alike and means something else apart.
        """
        for active, key in self._hashes[tenant]:
            if active <= now:
                return _signature(key, label, value)
        return _signature(self._hashes[tenant][-1][1], label, value)

    def is_signed(self, tenant: str, label: str, value: bytes, signature: bytes) -> bool:
        """Say whether any key of the ring made this signature with `sign`."""
        good = False
        for _, key in self._hashes.get(tenant, ()):
            good |= hmac.compare_digest(_signature(key, label, value), signature)
        return good

    def signing_keys(self, tenant: str, algorithm: Algorithm) -> tuple[SigningKey, ...]:
        """Return the keys that sign for a tenant, newest first; making one takes 0.1 ms or so."""
        label = f"sign|{tenant}|{algorithm}"
        return tuple(
            signing_key(
                algorithm,
                _derive(key.secret, label) + _derive(key.secret, f"{label}|2"),
                active=key.active,
            )
            for key in self._signing[tenant]
        )

    def wrap(self, tenant: str, label: str, plain: bytes, *, nonce: bytes, now: float) -> bytes:
        """Encrypt a long-lived secret; ``label`` names the row and column it belongs to."""
        box = _current(self._wraps[tenant], now)
        return box.id + nonce + box.aead.encrypt(nonce, plain, box.aad + label.encode())

    def unwrap(self, tenant: str, label: str, wrapped: bytes) -> bytes:
        """Return a wrapped secret; raise SealBroken if no key of the tenant opens it."""
        for box in self._wraps[tenant]:
            if box.id == wrapped[:ID_BYTES]:
                nonce = wrapped[ID_BYTES : ID_BYTES + NONCE_BYTES]
                try:
                    return box.aead.decrypt(
                        nonce, wrapped[ID_BYTES + NONCE_BYTES :], box.aad + label.encode()
                    )
                except (InvalidTag, ValueError):
                    raise SealBroken from None
        raise UnknownKey

    def wrapped_anew(
        self, tenant: str, label: str, wrapped: bytes, *, nonce: bytes, now: float
    ) -> bytes:
        """Return a wrapped secret under the key that new ones get, as it is where it is so already.

        Raise SealBroken if no key of the tenant opens it.
        """
        if self.is_wrapped_by_newest(tenant, wrapped, now=now):
            return wrapped
        plain = self.unwrap(tenant, label, wrapped)
        return self.wrap(tenant, label, plain, nonce=nonce, now=now)

    def is_wrapped_by_newest(self, tenant: str, wrapped: bytes, *, now: float) -> bool:
        """Say whether a wrapped secret is under the key that new ones get."""
        return _current(self._wraps[tenant], now).id == wrapped[:ID_BYTES]


def _current(boxes: list[_Box], now: float) -> _Box:
    for box in boxes:
        if box.active <= now:
            return box
    return boxes[-1]  # A ring younger than its activation delay: its first key.


def _box(key: Key, tenant: str, purpose: str, *, until: int | None) -> _Box:
    # The id depends on key and tenant only, so that a cookie offered as a token is
    # recognised as ours and fails on its associated data.
    return _Box(
        id=_derive(key.secret, f"id|{tenant}")[:ID_BYTES],
        aead=AESGCM(_derive(key.secret, f"seal|{tenant}|{purpose}")),
        aad=f"simgrant|{tenant}|{purpose}|".encode(),
        active=key.active,
        until=until,
    )


def _derive(secret: bytes, info: str) -> bytes:
    """HKDF-Expand to one block (RFC 5869 §2.3); the secret is uniformly random already."""
    return hmac.digest(secret, b"simgrant|" + info.encode() + b"\x01", "sha256")


def _signature(key: bytes, label: str, value: bytes) -> bytes:
    return hmac.digest(_derive(key, f"sign|{label}"), value, "sha256")


def _reference(key: bytes, kind: str, value: str) -> str:
    # Keyed BLAKE2b (RFC 7693 §2.9) costs a third of HMAC here, three times a request.
    return blake2b(f"{kind}|{value}".encode(), key=key, digest_size=12).hexdigest()
