"""How consumers prove who they are: signed assertions, or a secret where the contract says so.

The profile is that of CAMARA (Security and Interoperability): ``private_key_jwt``, for one
endpoint, for a few minutes, once. Which keys and algorithms count is said by the contract and
never by the assertion (RFC 8725 §3.1). Whatever is wrong, the consumer is told the same.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import field
from hashlib import sha256
from typing import Any, Final, Protocol

from simgrant.domain.camara.consumer import Bound, Consumer, Proving
from simgrant.errors import Unauthenticated
from simgrant.flows.camara.refusals import OAuthError, OAuthRefused
from simgrant.flows.camara.request import OAuthRequest
from simgrant.flows.limits import Rate, Throttle
from simgrant.nouns import named_noun
from simgrant.ports.camara_tokens import Assertion, AssertionKind
from simgrant.ports.clock import Clock
from simgrant.wire.dpop import DpopProof, pull_dpop
from simgrant.wire.jwt import (
    LEEWAY_S,
    SIGNED,
    BadJwt,
    Keys,
    NotSigned,
    Opened,
    opened,
    pull_public_keys,
    pull_signed,
)
from simgrant.wire.oauth import pull_basic

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
MOST_ASSERTION: Final = 8_192
"""Characters; more is not looked at."""
_MOST_JTI: Final = 256
NO_USE: Final = {
    AssertionKind.CLIENT: OAuthError.INVALID_CLIENT,
    AssertionKind.GRANT: OAuthError.INVALID_GRANT,
    AssertionKind.REQUEST: OAuthError.INVALID_REQUEST_OBJECT,
    AssertionKind.DPOP: OAuthError.INVALID_DPOP_PROOF,
}
"""What a consumer is told whose assertion is over, for somebody else, or used (RFC 7523 §3.1 and
3.2, RFC 9101 §6.3, RFC 9449 §5)."""
# Of nobody: a stranger's signature takes as long to refuse as a consumer's.
_NOBODY: Final = (
    '{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",'
    '"y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}'
)


class Consumers(Protocol):
    """Knows the consumers of this moment."""

    def of(self, tenant: str, client_id: str) -> Consumer | None:
        """Return an active consumer."""


class ConsumerKeys(Protocol):
    """Knows what they sign with."""

    async def of(self, consumer: Consumer, *, deadline: float) -> Keys:
        """Return the keys; raise Unauthenticated where there are none."""

    async def look_again(self, consumer: Consumer, *, deadline: float) -> bool:
        """Say whether there are other keys by now."""


@named_noun
class Signed:
    """An assertion that a consumer made."""

    consumer: Consumer
    claims: Mapping[str, Any] = field(repr=False, hash=False)
    assertion: Assertion


@named_noun
class Holder:
    """To what an access token is to be bound."""

    key: bytes = b""
    """SHA-256 thumbprint of a certificate or DPoP key; empty = to nothing."""
    by_dpop: bool = False
    assertion: Assertion | None = None
    """The ``jti`` of the DPoP proof."""


class ProvesConsumers:
    """Finds out which consumer asks."""

    def __init__(
        self,
        consumers: Consumers,
        keys: ConsumerKeys,
        *,
        clock: Clock,
        refusals: Rate,
        remembered: int,
    ) -> None:
        """``refusals`` is how many failed proofs a source address may have."""
        self._consumers = consumers
        self._keys = keys
        self._clock = clock
        self._refusals = Throttle("too_many_refusals", refusals, remembered=remembered)
        self._nobody: Keys | None = None

    def found(self, tenant: str, client_id: str) -> Consumer | None:
        """Return an active consumer."""
        return self._consumers.of(tenant, client_id)

    async def prove(self, request: OAuthRequest) -> tuple[Consumer, Assertion | None]:
        """Return who asks, and what is to be written down as used; raise `OAuthRefused`."""
        form = request.form
        text = form.get("client_assertion", "")
        if text:
            if form.get("client_assertion_type") != ASSERTION_TYPE:
                raise OAuthRefused(OAuthError.INVALID_REQUEST, "assertion_type_unknown")
            if pull_basic(request.authorization) is not None:
                raise OAuthRefused(OAuthError.INVALID_REQUEST, "two_proofs")
            signed = await self.signed(request, text, kind=AssertionKind.CLIENT)
            consumer = signed.consumer
            try:
                if signed.claims.get("sub") != consumer.client_id:
                    raise OAuthRefused(OAuthError.INVALID_CLIENT, "assertion_of_another")
                if form.get("client_id", consumer.client_id) != consumer.client_id:
                    raise OAuthRefused(OAuthError.INVALID_CLIENT, "assertion_of_another")
            except OAuthRefused:
                self._count(request)
                raise
            return consumer, signed.assertion
        return self._by_secret(request), None

    async def signed(self, request: OAuthRequest, text: str, *, kind: AssertionKind) -> Signed:
        """Return an assertion that one of the consumers made; raise `OAuthRefused`."""
        try:
            return await self._signed(request, text, kind)
        except OAuthRefused:
            self._count(request)
            raise

    async def holder(self, request: OAuthRequest, consumer: Consumer) -> Holder:
        """Return what a consumer's access token is bound to; raise `OAuthRefused`."""
        if request.dpop:
            try:
                proof = pull_dpop(
                    request.dpop, method="POST", url=request.url, now=self._clock.now()
                )
            except BadJwt as bad:
                raise OAuthRefused(
                    OAuthError.INVALID_DPOP_PROOF, "bad_dpop_proof", for_operator=str(bad)
                ) from None
            return Holder(key=proof.thumbprint, by_dpop=True, assertion=used_with(proof))
        if consumer.bound is Bound.DPOP:
            raise OAuthRefused(OAuthError.INVALID_DPOP_PROOF, "no_dpop_proof")
        if consumer.bound is Bound.CERTIFICATE:
            if not request.certificate:
                raise OAuthRefused(OAuthError.INVALID_CLIENT, "no_certificate")
            return Holder(key=request.certificate)
        return Holder()

    async def _signed(self, request: OAuthRequest, text: str, kind: AssertionKind) -> Signed:
        self._admit(request)
        if len(text) > MOST_ASSERTION:
            raise OAuthRefused(OAuthError.INVALID_CLIENT, "assertion_too_long")
        try:
            shown = opened(text)
        except BadJwt:
            raise OAuthRefused(OAuthError.INVALID_CLIENT, "consumer_unknown") from None
        name = shown.issuer()
        consumer = self._consumers.of(request.tenant, name) if name else None
        if consumer is None or consumer.proving is not Proving.PRIVATE_KEY_JWT:
            self._as_long(shown)
            raise OAuthRefused(OAuthError.INVALID_CLIENT, "consumer_unknown")
        request.trail.requestor = consumer.client_id
        claims = await self._claims(consumer, shown, request.deadline)
        self._with_certificate(request, consumer)
        assertion = self._assertion(consumer, claims, request.audiences, kind)
        return Signed(consumer=consumer, claims=claims, assertion=assertion)

    async def _claims(
        self, consumer: Consumer, shown: Opened, deadline: float
    ) -> Mapping[str, Any]:
        """Return the claims, if one of the consumer's keys signed them, newer ones included."""
        allowed = tuple(each for each in SIGNED if each in consumer.algorithms)
        try:
            keys = await self._keys.of(consumer, deadline=deadline)
            try:
                return pull_signed(shown, keys, algorithms=allowed)[1]
            except NotSigned:
                if not await self._keys.look_again(consumer, deadline=deadline):
                    raise
            keys = await self._keys.of(consumer, deadline=deadline)
            return pull_signed(shown, keys, algorithms=allowed)[1]
        except BadJwt as bad:
            raise OAuthRefused(
                OAuthError.INVALID_CLIENT, "assertion_not_signed", for_operator=str(bad)
            ) from None
        except Unauthenticated as none:
            raise OAuthRefused(OAuthError.INVALID_CLIENT, none.reason) from None

    def _assertion(
        self,
        consumer: Consumer,
        claims: Mapping[str, Any],
        audiences: frozenset[str],
        kind: AssertionKind,
    ) -> Assertion:
        """Return what is used up with an assertion, if it is for us, now and not for too long."""
        now, error = self._clock.now(), NO_USE[kind]
        audience = claims.get("aud")
        named = audience if isinstance(audience, list) else [audience]
        if not any(isinstance(each, str) and each in audiences for each in named):
            raise OAuthRefused(error, "assertion_for_another")
        expires, issued = _time(claims.get("exp")), _time(claims.get("iat"))
        begins = _time(claims.get("nbf", 0))
        longest = consumer.assertion_life_s
        if expires is None or begins is None or (issued is None and "iat" in claims):
            raise OAuthRefused(error, "assertion_without_times")
        if now >= expires + LEEWAY_S:
            raise OAuthRefused(error, "assertion_over")
        if max(begins, issued or 0) > now + LEEWAY_S:
            raise OAuthRefused(error, "assertion_of_the_future")
        lives = 0 if issued is None else expires - issued
        if expires > now + longest + LEEWAY_S or lives > longest:
            raise OAuthRefused(error, "assertion_for_too_long")
        jti = claims.get("jti")
        if not isinstance(jti, str) or not 0 < len(jti) <= _MOST_JTI:
            raise OAuthRefused(error, "assertion_without_jti")
        return Assertion(consumer.client_id, _hash(jti), int(expires + LEEWAY_S) + 1, kind)

    def _by_secret(self, request: OAuthRequest) -> Consumer:
        """Return the consumer that a header proves (RFC 6749 §2.3.1), where that is enough."""
        shown = pull_basic(request.authorization)
        if shown is None:
            raise OAuthRefused(OAuthError.INVALID_CLIENT, "no_proof")
        self._admit(request)
        name, secret = shown
        consumer = self._consumers.of(request.tenant, name)
        by_secret = consumer is not None and consumer.proving is Proving.CLIENT_SECRET_BASIC
        wanted = consumer.secret_hash if consumer is not None and by_secret else b""
        good = hmac.compare_digest(wanted or bytes(32), sha256(secret.encode()).digest())
        if consumer is None or not (wanted and good):
            self._count(request)
            raise OAuthRefused(OAuthError.INVALID_CLIENT, "bad_secret")
        request.trail.requestor = consumer.client_id
        self._with_certificate(request, consumer)
        return consumer

    def _with_certificate(self, request: OAuthRequest, consumer: Consumer) -> None:
        if consumer.certificate and not hmac.compare_digest(
            consumer.certificate, request.certificate
        ):
            raise OAuthRefused(OAuthError.INVALID_CLIENT, "not_its_certificate")

    def _as_long(self, shown: Opened) -> None:
        if self._nobody is None:
            self._nobody = pull_public_keys(_NOBODY)
        try:
            pull_signed(shown, self._nobody, algorithms=SIGNED)
        except BadJwt:
            return

    def _admit(self, request: OAuthRequest) -> None:
        """Raise Overloaded for a source that failed too often; takes nothing."""
        self._refusals.look((request.source,), now=self._clock.monotonic())

    def _count(self, request: OAuthRequest) -> None:
        self._refusals.note((request.source,), now=self._clock.monotonic())


def _time(value: object) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**53:
        return value
    return None


def used_with(proof: DpopProof) -> Assertion:
    """Return what is used up with a DPoP proof: its ``jti``, among those of its key."""
    client_id, jti = f"dpop {proof.thumbprint.hex()}", _hash(proof.jti)
    return Assertion(client_id, jti, proof.expires, AssertionKind.DPOP)


def _hash(jti: str) -> bytes:
    return sha256(jti.encode(errors="surrogatepass")).digest()
