"""A request to the authorization server, as far as flows look at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from simgrant.domain.trail import Trail
from simgrant.nouns import named_noun


@named_noun
class OAuthRequest:
    """A request to one of its endpoints."""

    tenant: str
    issuer: str
    """Address of the tenant's authorization server: what its endpoints begin with."""
    path: str
    form: Mapping[str, str] = field(repr=False, hash=False)
    authorization: str = field(default="", repr=False)
    dpop: str = field(default="", repr=False)
    certificate: bytes = field(default=b"", repr=False)
    """SHA-256 of the client's certificate; empty = it showed none."""
    source: str = ""
    deadline: float
    """Seconds of the monotonic clock."""
    trail: Trail = field(hash=False)

    @property
    def url(self) -> str:
        """Address of the endpoint."""
        return self.issuer + self.path

    @property
    def audiences(self) -> frozenset[str]:
        """Whom an assertion may be for: the endpoint, the token endpoint or the issuer (ICM)."""
        return frozenset((self.url, self.issuer, f"{self.issuer}{TOKEN}"))


TOKEN = "/oauth2/token"  # noqa: S105 - a path
BACKCHANNEL = "/oauth2/bc-authorize"
AUTHORIZE = "/oauth2/authorize"
INTROSPECT = "/oauth2/introspect"
REVOKE = "/oauth2/revoke"
KEYS = "/oauth2/jwks"
OPENID_CONFIGURATION = "/.well-known/openid-configuration"
OAUTH_METADATA = "/.well-known/oauth-authorization-server"
"""RFC 8414 §3."""
