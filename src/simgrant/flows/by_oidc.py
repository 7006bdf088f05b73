"""An OpenID provider says who is asking (TS.43 §2.8.2, §2.8.4).

The request goes away sealed in ``state`` and is answered when the person comes back with a code. A
``state`` is good for one call-back, whatever that says (divergence "call-back-once"): its row is
written before the provider is asked, so that nobody makes us ask twice. What a call-back says of an
error is told to no one but as one of the words that OAuth has for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from hashlib import sha256

from simgrant.domain.risk import Way
from simgrant.domain.subscription import SERVED, Subscription
from simgrant.domain.tenant import Tenant
from simgrant.domain.trail import Trail
from simgrant.errors import Unauthenticated, UnknownIdentity
from simgrant.flows.authenticate import Call, Principal, Reception
from simgrant.flows.by_otp import ByOtp
from simgrant.flows.limits import Throttle
from simgrant.flows.sign_in import (
    Begun,
    Redirect,
    admit,
    begin,
    claim,
    first_ask,
    row_id,
    seal,
    unseal,
)
from simgrant.flows.tokens import encode
from simgrant.identities import Imsi, InvalidIdentity, Msisdn
from simgrant.keyring.ring import Purpose
from simgrant.nouns import Word, named_noun, noun
from simgrant.ports.identity_provider import Attempt, IdentityProvider, Person
from simgrant.wire.negotiate import languages
from simgrant.wire.request import Ask

LIFE_S = 600
"""Seconds that a person has for signing in."""
_NUMBER, _VERIFIED = "phone_number", "phone_number_verified"
_ERRORS = frozenset(
    {
        # RFC 6749 §4.1.2.1; OpenID Connect Core §3.1.2.6
        "access_denied",
        "account_selection_required",
        "consent_required",
        "interaction_required",
        "invalid_request",
        "invalid_scope",
        "login_required",
        "server_error",
        "temporarily_unavailable",
        "unauthorized_client",
        "unsupported_response_type",
    }
)


class ClaimKind(Word):
    """What the claim that names a subscription holds."""

    MSISDN = "msisdn"
    IMSI = "imsi"


@named_noun
class SignIn:
    """One provider as one tenant uses it."""

    provider: IdentityProvider
    claim: str
    """The claim that names the subscription."""
    kind: ClaimKind
    second_factor_url: str = ""
    """The page that asks for a one-time password too; empty = none is needed."""
    error_url: str = ""
    """GeneralErrorURL."""
    error_texts: Mapping[str, str] = field(default_factory=dict)
    """GeneralErrorText by language."""

    @property
    def wanted(self) -> frozenset[str]:
        """The claims that are needed."""
        return frozenset((self.claim, _VERIFIED) if self.claim == _NUMBER else (self.claim,))


@noun
class Failed:
    """Nobody signed in: the original request is answered with where to read why."""

    ask: Ask
    apps: tuple[str, ...]
    error: str
    """A word of OAuth's, ``unknown`` where the call-back had none, ``other`` for any other."""
    sign_in: SignIn


class ByOidc:
    """Proves a subscription by what an OpenID provider says of its holder."""

    def __init__(
        self,
        reception: Reception,
        *,
        sign_ins: Mapping[str, Mapping[str, SignIn]],
        returns: Throttle,
        by_otp: ByOtp | None,
    ) -> None:
        """``sign_ins`` is by tenant and AppID, ``returns`` by source."""
        self._reception = reception
        self._sign_ins = sign_ins
        self._returns = returns
        self._by_otp = by_otp

    def offers(self, tenant: Tenant, ask: Ask) -> bool:
        """Say whether every application asked for may be had by one provider's word."""
        return self._sign_in(tenant, self._reception.known(ask)) is not None

    async def start(
        self, ask: Ask, tenant: Tenant, call: Call, trail: Trail, *, imsi: Imsi | None = None
    ) -> Redirect | None:
        """Return where the person signs in; None where the application has no such way.

        With ``imsi`` nobody but that subscription's holder is let back in.
        """
        sign_in = self._sign_in(tenant, self._reception.known(ask))
        if sign_in is None:
            return None
        trail.leg, trail.tenant = "oidc", tenant.name
        self._reception.name_source(trail, tenant, call.source)
        self._reception.asked(ask, trail)
        begun = begin(ask, now=self._reception.clock.now(), imsi=imsi)
        state = seal(self._reception, Purpose.SIGN_IN, tenant, begun)
        url = sign_in.provider.authorization_url(
            _attempt(begun, state),
            languages=languages(call.accept_language),
            deadline=call.deadline,
        )
        return Redirect(await self._reception.timed("idp", url, trail))

    async def call_back(
        self, ask: Ask, call: Call, trail: Trail
    ) -> Principal | Redirect | Failed | None:
        """Answer a call-back; None for a lone ``state`` that is none of ours."""
        reception, state, code = self._reception, ask.value("state"), ask.value("code")
        try:
            name, begun = unseal(reception, Purpose.SIGN_IN, state, life_s=LIFE_S)
        except Unauthenticated:
            if code or ask.value("error"):
                raise
            return None
        trail.leg = "oidc"
        tenant = reception.tenant_of(name, call)
        trail.tenant = tenant.name
        reception.name_source(trail, tenant, call.source)
        self._returns.take((call.source,), now=reception.clock.monotonic())
        first = first_ask(begun)
        apps = reception.asked(first, trail)
        sign_in = self._sign_in(tenant, apps)
        if sign_in is None:
            raise Unauthenticated("sign_in_not_offered")
        over = begun.started + LIFE_S
        if not await claim(reception, tenant, (row_id(begun, "state"),), expires_at=over):
            raise Unauthenticated("state_used")
        if not code or ask.value("error"):
            error = ask.value("error").lower()
            word = error if error in _ERRORS else "other" if error else "unknown"
            trail.detail = f"sign_in_failed: {word}"
            return Failed(first, apps, word, sign_in)
        identified = sign_in.provider.identify(
            code,
            _attempt(begun, state),
            issuer=ask.value("iss"),
            wanted=sign_in.wanted,
            deadline=call.deadline,
        )
        person = await reception.timed("idp", identified, trail)
        subscription = await self._subscription(tenant, sign_in, person)
        reception.name(trail, tenant, subscription.imsi, first.terminal_id)
        if begun.imsi not in (None, subscription.imsi):
            # The SIM that was proved before is another's: nobody lends it his sign-in.
            raise UnknownIdentity("signed_in_as_another")
        if sign_in.second_factor_url:
            if self._by_otp is None:
                raise Unauthenticated("sign_in_not_offered")
            handle = await self._by_otp.second_factor(first, tenant, subscription, call)
            joint = "&" if "?" in sign_in.second_factor_url else "?"
            return Redirect(f"{sign_in.second_factor_url}{joint}state={handle}")
        return await admit(reception, tenant, subscription.imsi, begun, first, trail, way=Way.OIDC)

    async def close(self) -> None:
        """Let go of every provider."""
        providers = {
            id(each.provider): each.provider
            for by_app in self._sign_ins.values()
            for each in by_app.values()
        }
        for provider in providers.values():
            await provider.close()

    def _sign_in(self, tenant: Tenant, apps: tuple[str, ...]) -> SignIn | None:
        """Return the one way in which all of these applications may be had."""
        by_app = self._sign_ins.get(tenant.name)
        if not by_app or not apps:
            return None
        found = by_app.get(apps[0])
        return found if all(by_app.get(app) is found for app in apps) else None

    async def _subscription(self, tenant: Tenant, sign_in: SignIn, person: Person) -> Subscription:
        """Return the subscription of who signed in; raise UnknownIdentity."""
        store, value = self._reception.store, person.claims.get(sign_in.claim)
        if not isinstance(value, str):
            raise UnknownIdentity("claim_missing")
        if _VERIFIED in sign_in.wanted and person.claims.get(_VERIFIED) not in (True, "true"):
            # OpenID Connect Core §5.1: without it, anybody may have typed in any number.
            raise UnknownIdentity("claim_not_verified")
        try:
            if sign_in.kind is ClaimKind.IMSI:
                found = await store.find(tenant.name, imsi=Imsi(value))
            else:
                found = await store.find(tenant.name, msisdn=Msisdn(value))
        except InvalidIdentity:
            raise UnknownIdentity("claim_malformed") from None
        if found is None or found.status not in SERVED:
            status = "none" if found is None else found.status
            raise UnknownIdentity(f"subscription_{status}")
        return found


def _attempt(begun: Begun, state: str) -> Attempt:
    """Return what a sign-in is told apart by; its secrets are made of its sealed id."""
    nonce, verifier = (encode(sha256(word + begun.id).digest()) for word in (b"nonce", b"verifier"))
    return Attempt(state, nonce, verifier)
