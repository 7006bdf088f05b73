"""Consumers of partner APIs: enterprises and aggregators, and the applications they act for.

A consumer is an OAuth client by contract. It is a row of the store, written by commands and the
management API, and every worker has all of them at hand.
"""

from __future__ import annotations

from dataclasses import field

from simgrant.nouns import Word, named_noun


class GrantType(Word):
    """How a consumer may get access tokens, by the wire's names."""

    CLIENT_CREDENTIALS = "client_credentials"
    JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    CIBA = "urn:openid:params:grant-type:ciba"
    AUTHORIZATION_CODE = "authorization_code"


class Proving(Word):
    """How a consumer proves itself at the token endpoint."""

    PRIVATE_KEY_JWT = "private_key_jwt"
    CLIENT_SECRET_BASIC = "client_secret_basic"  # noqa: S105 - a name
    """Only for Google's plain flavour of TS.43; against the profile otherwise (CAMARA ICM)."""


class Bound(Word):
    """To what its access tokens are bound."""

    NOTHING = "nothing"
    CERTIFICATE = "certificate"
    """The client certificate of the connection (RFC 8705 §3)."""
    DPOP = "dpop"
    """A key that each request is signed with (RFC 9449)."""


@named_noun
class Rates:
    """How much of one API a consumer may ask for; 0 = no limit."""

    per_second: float = 0.0
    """Answered with TOO_MANY_REQUESTS above it; each worker counts for itself."""
    burst: int = 0
    """0 = as many as a second's, at least one."""
    per_month: int = 0
    """Billable answers in a calendar month (UTC); answered with QUOTA_EXCEEDED above it."""


@named_noun
class Permission:
    """What a consumer may use of one API, and what for."""

    api: str
    """The name in the address: ``number-verification``."""
    scopes: frozenset[str]
    purposes: frozenset[str]
    """W3C DPV purposes without their prefix: ``FraudPreventionAndDetection``."""
    tariff: str = ""
    """The name of a tariff; empty = it costs nothing."""
    rates: Rates = Rates()


@named_noun
class Application:
    """What a consumer acts for: an app of its own, or that of one of its customers."""

    id: str
    name: str
    """As a subscriber would know it."""
    sink_hosts: frozenset[str] = frozenset()
    """Where its notifications may go; empty = wherever its consumer's may."""


@named_noun
class Consumer:
    """One OAuth client."""

    client_id: str
    name: str
    active: bool = True
    sandbox: bool = False
    """It gets test numbers only, and pays nothing."""
    proving: Proving = Proving.PRIVATE_KEY_JWT
    secret_hash: bytes = field(default=b"", repr=False)
    """SHA-256 of a secret of 256 random bits; empty without one."""
    jwks: str = field(default="", repr=False)
    """Its public keys as a JWK Set (JSON); empty = they are at ``jwks_url``."""
    jwks_url: str = ""
    algorithms: frozenset[str] = frozenset({"ES256"})
    """It may sign by these, and by no other."""
    certificate: bytes = b""
    """SHA-256 of the certificate that it has to connect with; empty = any or none."""
    grants: frozenset[GrantType] = frozenset({GrantType.JWT_BEARER, GrantType.CIBA})
    subjects: frozenset[str] = frozenset({"operatortoken"})
    """Prefixes that it may name a subscriber by: ``operatortoken``, ``temptoken``, ``tel``,
    ``ipport``. ``tel`` is for whom the operator trusts by contract."""
    asks: bool = False
    """Its backchannel requests may name any number (``tel:``), whose owner is asked out of band."""
    requestor_ids: frozenset[str] = frozenset()
    """As in TS.43, in lower case: temporary tokens that were acquired for one of these are its.
    Those that were acquired for nobody are everybody's."""
    redirect_uris: frozenset[str] = frozenset()
    bound: Bound = Bound.NOTHING
    assertion_life_s: int = 300
    """The most that its assertions may live: longer only by contract (RFC 7523 §3)."""
    sector: str = ""
    """Consumers of one sector get the same pairwise subjects (OpenID Connect Core §8.1); empty =
    its client_id."""
    application_claim: str = ""
    """The claim of its assertions that names the application; empty = it has one or none."""
    applications: tuple[Application, ...] = ()
    permissions: tuple[Permission, ...] = ()
    sink_hosts: frozenset[str] = frozenset()
    """Where its notifications may go; empty = to any public address."""
    revision: int = 0
    """Counts its changes, from 1."""

    def permission(self, scope: str) -> Permission | None:
        """Return the one that a scope is in."""
        return next((each for each in self.permissions if scope in each.scopes), None)

    def name_of(self, application: str) -> str:
        """Return whom a subscriber knows: one of its applications, or itself."""
        named = (each.name for each in self.applications if each.id == application)
        return next(named, self.name)
