"""Whose a client certificate is, and the TLS that asks for one."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from cryptography import x509

from simgrant.errors import StartRefused

K = TypeVar("K")


class Callers:
    """Those who may call; making them raises StartRefused."""

    def __init__(
        self,
        section: str,
        *,
        sha256: Mapping[str, Iterable[str]],
        subjects: Mapping[str, Iterable[str]],
    ) -> None:
        """``section`` is of the settings that they are in, for errors; the rest is by their names.

        ``sha256`` are hashes of whole certificates (DER), in hexadecimal digits of either case,
        with colons or without. ``subjects`` are whole ones as RFC 4514 writes them, such as
        ``CN=dp1,O=Example,C=DE``: whoever the authority gives such a certificate is believed, so
        it should be one's own or the caller's.
        """
        self._by_hash: dict[str, str] = {}
        self._by_subject: dict[x509.Name, str] = {}
        for name, texts in sha256.items():
            where = f"{section}.{name}"
            for text in texts:
                _claim(self._by_hash, _hash(where, text), name, where)
        for name, texts in subjects.items():
            where = f"{section}.{name}"
            for text in texts:
                _claim(self._by_subject, _subject(where, text), name, where)

    def of(self, certificate: bytes) -> str | None:
        """Return whose certificate (DER, checked in the handshake) this is; None = nobody's."""
        name = self._by_hash.get(sha256(certificate).hexdigest())
        if name is not None or not self._by_subject:
            return name
        try:
            return self._by_subject.get(x509.load_der_x509_certificate(certificate).subject)
        except ValueError:
            return None


def require_certificate(context: ssl.SSLContext, ca_file: Path) -> None:
    """Let nobody in who has no certificate of these authorities; raise StartRefused."""
    _trust(context, ca_file)
    context.verify_mode = ssl.CERT_REQUIRED


def ask_for_certificate(context: ssl.SSLContext, ca_file: Path) -> None:
    """Ask for a certificate of these authorities, and let in who has none; raise StartRefused.

    Whoever shows one of somebody else is not let in.
    """
    _trust(context, ca_file)
    context.verify_mode = ssl.CERT_OPTIONAL


def _trust(context: ssl.SSLContext, ca_file: Path) -> None:
    try:
        context.load_verify_locations(ca_file)
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "strerror", None) or "holds no certificates in PEM"
        raise StartRefused(f"{ca_file}: {reason}") from None


def _claim(known: dict[K, str], key: K, name: str, where: str) -> None:
    other = known.setdefault(key, name)
    if other != name:
        raise StartRefused(f"{where}: its certificate is also {other}'s")


def _hash(where: str, text: str) -> str:
    digits = text.replace(":", "").lower()
    if len(digits) != 64 or not set(digits) <= set("0123456789abcdef"):
        raise StartRefused(f"{where}: {text!r} is no SHA-256 of a certificate")
    return digits


def _subject(where: str, text: str) -> x509.Name:
    try:
        found = x509.Name.from_rfc4514_string(text)
    except ValueError:
        raise StartRefused(f"{where}: {text!r} is no subject of a certificate") from None
    if not found.rdns:
        raise StartRefused(f"{where}: an empty subject is everybody's")
    return found
