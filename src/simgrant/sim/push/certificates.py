"""A certificate authority for one run, so that the simulated services can be real TLS servers."""

from __future__ import annotations

import ipaddress
import ssl
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

_DAYS = timedelta(days=7)
_ALPN = ["h2", "http/1.1"]


class Authority:
    """Signs certificates that only those trust who are given `pem`."""

    def __init__(self, *, now: float, kept: bytes = b"") -> None:
        """``now`` is in Unix seconds; certificates are good for a week around it.

        ``kept`` is what an earlier one wrote: with it, and while its certificate has a day left,
        this is the same authority. Raises ValueError where it is something else.
        """
        self._from = datetime.fromtimestamp(now, UTC) - _DAYS
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "simgrant sim push")])
        if kept:
            key, certificate = (
                load_pem_private_key(kept, None),
                x509.load_pem_x509_certificate(kept),
            )
            if not isinstance(key, ec.EllipticCurvePrivateKey):
                raise ValueError("not the key of this kind of authority")
            if certificate.not_valid_after_utc > self._from + _DAYS + timedelta(days=1):
                self._key, self._certificate = key, certificate
                return
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = (
            self._builder(self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    @property
    def pem(self) -> bytes:
        """The authority's own certificate."""
        return self._certificate.public_bytes(Encoding.PEM)

    def keep(self) -> bytes:
        """Return what makes the same authority again, its private key in it."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + self.pem

    def server(self, names: Sequence[str]) -> ssl.SSLContext:
        """Return the TLS settings of a server with these names and addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = x509.SubjectAlternativeName([_general(name) for name in names])
        leaf = (
            self._builder(x509.Name([]), key.public_key())
            .add_extension(alternatives, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(_ALPN)
        # The module takes certificates from files only.
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "server.pem")
            file.touch(mode=0o600)
            file.write_bytes(
                key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
                + leaf.public_bytes(Encoding.PEM)
            )
            context.load_cert_chain(file)
        return context

    def _builder(self, name: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._from)
            .not_valid_after(self._from + 2 * _DAYS)
        )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
