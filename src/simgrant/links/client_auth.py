"""How we prove to an authorization server which client we are (RFC 6749 §2.3, RFC 7523 §2.2)."""

from __future__ import annotations

import base64
import secrets
from pathlib import Path
from typing import Final
from urllib.parse import quote_plus

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from simgrant.links.http import Repeat
from simgrant.links.secret_file import SecretFile, read_text
from simgrant.nouns import Word, named_noun
from simgrant.ports.clock import Clock

_ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_LIFE_S: Final = 60


class ClientAuth(Word):
    """The ways, by their names in OpenID Connect Core §9."""

    SECRET_BASIC = "client_secret_basic"  # noqa: S105 - a name
    SECRET_POST = "client_secret_post"  # noqa: S105 - a name
    PRIVATE_KEY_JWT = "private_key_jwt"


@named_noun
class Credentials:
    """Which client we are, and where what proves it is."""

    client_id: str
    client_auth: ClientAuth = ClientAuth.SECRET_BASIC
    secret_file: Path
    """The client's secret, or its private key (PEM; P-256 or RSA)."""
    key_id: str = ""
    """``kid`` of what is signed with that key."""


class ClientProof:
    """What goes into a request to prove it; the file is read again when it has changed."""

    def __init__(self, credentials: Credentials, clock: Clock) -> None:
        """Raise StartRefused where the file is no use."""
        self._credentials = credentials
        self._clock = clock
        file = credentials.secret_file
        self._key: SecretFile[ECKey | RSAKey] | None = None
        self._secret: SecretFile[str] | None = None
        if credentials.client_auth is ClientAuth.PRIVATE_KEY_JWT:
            self._key = SecretFile(file, _read_key)
        else:
            self._secret = SecretFile(file, read_text)

    @property
    def repeat(self) -> Repeat:
        """Return how often a request may be sent that changes nothing: an assertion counts once."""
        return Repeat.STRUGGLING if self._key is None else Repeat.NEVER_SENT

    def prove(self, form: dict[str, str], headers: dict[str, str], *, audience: str) -> None:
        """Add the proof to ``form`` or ``headers``; ``audience`` is whom an assertion is for.

        PeerUnavailable where the file was changed to what is no use.
        """
        client_id = self._credentials.client_id
        if self._key is not None:
            form["client_assertion_type"] = _ASSERTION
            form["client_assertion"] = self._assertion(self._key.value(), audience)
            form["client_id"] = client_id
            return
        assert self._secret is not None  # noqa: S101 - one of the two is there
        secret = self._secret.value()
        if self._credentials.client_auth is ClientAuth.SECRET_POST:
            form |= {"client_id": client_id, "client_secret": secret}
            return
        # Both are form-encoded before they are joined (RFC 6749 §2.3.1).
        pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
        headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"

    def _assertion(self, key: ECKey | RSAKey, audience: str) -> str:
        now, client_id = int(self._clock.now()), self._credentials.client_id
        claims = {
            "iss": client_id,
            "sub": client_id,
            "aud": audience,
            "jti": secrets.token_urlsafe(16),
            "iat": now,
            "exp": now + _ASSERTION_LIFE_S,
        }
        header = {"alg": "ES256" if isinstance(key, ECKey) else "RS256"}
        if self._credentials.key_id:
            header["kid"] = self._credentials.key_id
        return jwt.encode(header, claims, key)


def _read_key(data: bytes) -> ECKey | RSAKey:
    for kind in (ECKey, RSAKey):
        try:
            key = kind.import_key(data)
        except (JoseError, ValueError, TypeError):
            continue
        if key.is_private and (isinstance(key, RSAKey) or key.curve_name == "P-256"):
            return key
    raise ValueError("not a private key in PEM, on P-256 or of RSA")
