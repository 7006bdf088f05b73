"""Which SM-DP+ a client certificate is of, and the TLS that asks for one."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from cryptography import x509

from simgrant.errors import StartRefused
from simgrant.nouns import named_noun


@named_noun
class Caller:
    """An SM-DP+ that may call, and what its certificates are known by."""

    name: str
    sha256: frozenset[str] = frozenset()
    """Hashes of whole certificates (DER), in hexadecimal digits of either case, with colons or
    without."""
    subjects: frozenset[str] = frozenset()
    """Whole subjects as RFC 4514 writes them, such as ``CN=dp1,O=Example,C=DE``. Whoever the
    authority gives such a certificate is believed, so it should be one's own or the SM-DP+'s."""


class Callers:
    """The SM-DP+s that may call; making them raises StartRefused."""

    def __init__(self, callers: Iterable[Caller]) -> None:
        self._by_hash: dict[str, str] = {}
        self._by_subject: dict[x509.Name, str] = {}
        for caller in callers:
            for text in caller.sha256:
                self._claim(self._by_hash, _hash(caller.name, text), caller.name)
            for text in caller.subjects:
                self._claim(self._by_subject, _subject(caller.name, text), caller.name)

    def of(self, certificate: bytes) -> str | None:
        """Return whose certificate (DER, checked in the handshake) this is; None = nobody's."""
        name = self._by_hash.get(sha256(certificate).hexdigest())
        if name is not None or not self._by_subject:
            return name
        try:
            return self._by_subject.get(x509.load_der_x509_certificate(certificate).subject)
        except ValueError:
            return None

    @staticmethod
    def _claim(known: dict[str, str] | dict[x509.Name, str], key: object, name: str) -> None:
        other = known.setdefault(key, name)  # type: ignore[arg-type]
        if other != name:
            raise StartRefused(f"smdp.{name}: its certificate is also {other}'s")


def require_certificate(context: ssl.SSLContext, ca_file: Path) -> None:
    """Let nobody in who has no certificate of these authorities; raise StartRefused."""
    try:
        context.load_verify_locations(ca_file)
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "strerror", None) or "holds no certificates in PEM"
        raise StartRefused(f"{ca_file}: {reason}") from None
    context.verify_mode = ssl.CERT_REQUIRED


def _hash(name: str, text: str) -> str:
    digits = text.replace(":", "").lower()
    if len(digits) != 64 or not set(digits) <= set("0123456789abcdef"):
        raise StartRefused(f"smdp.{name}: {text!r} is no SHA-256 of a certificate")
    return digits


def _subject(name: str, text: str) -> x509.Name:
    try:
        found = x509.Name.from_rfc4514_string(text)
    except ValueError:
        raise StartRefused(f"smdp.{name}: {text!r} is no subject of a certificate") from None
    if not found.rdns:
        raise StartRefused(f"smdp.{name}: an empty subject is everybody's")
    return found
