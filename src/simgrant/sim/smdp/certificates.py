"""The certificates of a simulated SM-DP+ and of the operator whom it knows, as files in a folder.

One authority for both, good for a month; what is there already and has a day left is used again, so
that an operator's settings stay right from one run to the next.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_MONTH: Final = timedelta(days=30)
_DAY: Final = timedelta(days=1)
_USES: Final = x509.ExtendedKeyUsage(
    [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
)
_NAMES: Final = x509.SubjectAlternativeName(
    [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
)


class Certificates:
    """The files; each of the two has a certificate that is good for client and server."""

    def __init__(self, folder: Path, *, now: float) -> None:
        """Make what is missing or nearly over; ``now`` is in Unix seconds. Raises OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        self.ca = folder / "ca.pem"
        self.smdp, self.smdp_key = folder / "smdp.pem", folder / "smdp-key.pem"
        self.operator, self.operator_key = folder / "operator.pem", folder / "operator-key.pem"
        self._ca_key = folder / "ca-key.pem"
        self._now = datetime.fromtimestamp(now, UTC)
        if not self._is_good():
            self._make()

    def server_context(self) -> ssl.SSLContext:
        """Return the TLS settings of the SM-DP+: who comes needs a certificate of the authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.smdp, self.smdp_key)
        context.load_verify_locations(self.ca)
        context.verify_mode = ssl.CERT_REQUIRED
        context.set_alpn_protocols(["http/1.1"])
        return context

    def caller_context(self, ca: Path | None = None) -> ssl.SSLContext:
        """Return the TLS settings with which the SM-DP+ calls the operator."""
        context = ssl.create_default_context(cafile=str(ca or self.ca))
        context.load_cert_chain(self.smdp, self.smdp_key)
        return context

    def fingerprint(self) -> str:
        """Return the SHA-256 of the SM-DP+'s certificate, in hexadecimal digits."""
        found = x509.load_pem_x509_certificate(self.smdp.read_bytes())
        return sha256(found.public_bytes(Encoding.DER)).hexdigest()

    def stranger(self, folder: Path) -> Certificates:
        """Return certificates of another authority with the same names, to be refused."""
        return Certificates(folder, now=self._now.timestamp())

    def issue(self, name: str, certificate: Path, key: Path) -> None:
        """Write a certificate of the authority for somebody, and its key."""
        authority = load_pem_private_key(self._ca_key.read_bytes(), None)
        assert isinstance(authority, ec.EllipticCurvePrivateKey)  # noqa: S101 - we made it
        issuer = x509.load_pem_x509_certificate(self.ca.read_bytes())
        own = ec.generate_private_key(ec.SECP256R1())
        made = (
            self._builder(name, own)
            .issuer_name(issuer.subject)
            .add_extension(_USES, critical=False)
            .add_extension(_NAMES, critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()),
                critical=False,
            )
            .sign(authority, hashes.SHA256())
        )
        _write_key(key, own)
        certificate.write_bytes(made.public_bytes(Encoding.PEM))

    def _is_good(self) -> bool:
        files = (self.ca, self.smdp, self.operator)
        keys = (self._ca_key, self.smdp_key, self.operator_key)
        if not all(path.exists() for path in (*files, *keys)):
            return False
        try:
            found = [x509.load_pem_x509_certificate(path.read_bytes()) for path in files]
        except ValueError:
            return False
        return all(each.not_valid_after_utc > self._now + _DAY for each in found)

    def _make(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = "simgrant sim smdp"
        made = (
            self._builder(name, key)
            .issuer_name(_name(name))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_signing(), critical=True)
            .sign(key, hashes.SHA256())
        )
        _write_key(self._ca_key, key)
        self.ca.write_bytes(made.public_bytes(Encoding.PEM))
        self.issue("smdp", self.smdp, self.smdp_key)
        self.issue("operator", self.operator, self.operator_key)

    def _builder(self, name: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - _DAY)
            .not_valid_after(self._now + _MONTH)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
        )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _signing() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    data = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
