"""A system says who it is, and no subscriber does: server-to-server authentication (TS.43 §2.8.3).

By an access_token of an issuer that the tenant trusts, and from then on by the TOKEN it got for
that. What is wrong with either is 511, upon which the system gets a new access token. A partner
whose client or requestor_id is taken out of the settings is out at once, whatever it holds, and so
it is from an enterprise that it may no longer act for.
"""

from __future__ import annotations

import os

from simgrant.domain.tenant import Tenant
from simgrant.domain.trail import Trail
from simgrant.errors import BadLentToken, BadRequest, NotAllowed, Unauthenticated
from simgrant.flows.authenticate import Call, Reception
from simgrant.flows.issuers import Issuers
from simgrant.flows.operations.operation import REQUESTORS_APPS, Means, Requestor
from simgrant.flows.requestor_tokens import RequestorClaims, pull_requestor, push_requestor
from simgrant.keyring.ring import NONCE_BYTES
from simgrant.nouns import noun
from simgrant.wire.document import Token
from simgrant.wire.request import Ask

_MOST_LETTERS = 128
"""Of what a system calls itself, and whom it acts for."""


@noun
class ProvedRequestor:
    """A system that proved itself, and the TOKEN that goes back to it."""

    tenant: Tenant
    requestor: Requestor
    app_id: str
    token: Token
    at: int
    """Unix seconds."""


class ByRequestor:
    """Proves a system by its access_token, or by the TOKEN that it got for one."""

    def __init__(
        self, reception: Reception, *, means: Means, issuers: Issuers, token_life_s: int
    ) -> None:
        self._reception = reception
        self._means = means
        self._issuers = issuers
        self._token_life_s = token_life_s

    def takes(self, ask: Ask) -> bool:
        """Say whether it is a system that asks, with a proof of itself."""
        if len(ask.apps) != 1 or ask.apps[0] not in REQUESTORS_APPS:
            return False
        return bool(ask.token or ask.value("access_token"))

    async def prove(self, ask: Ask, call: Call, trail: Trail) -> ProvedRequestor:
        """Return who asks. Errors: BadRequest, Unauthenticated, NotAllowed, those of issuers."""
        trail.leg = "requestor_token" if ask.token else "access_token"
        trail.apps = ask.apps
        requestor_id, enterprise_id = _named(ask, "requestor_id"), _named(ask, "enterprise_id")
        if not requestor_id:
            raise BadRequest("no_requestor")
        now = int(self._reception.clock.now())
        if ask.token:
            tenant, claims = self._opened(ask, call, trail)
            if requestor_id != claims.requestor_id:
                raise Unauthenticated("token_of_another_requestor")
            if enterprise_id not in ("", claims.enterprise_id):
                raise Unauthenticated("token_of_another_enterprise")
        else:
            tenant = self._reception.tenancy.resolve(call.host, None, "")
            client_id = await self._client(tenant, ask, call, trail)
            claims = RequestorClaims(
                ask.apps[0], client_id, requestor_id, enterprise_id, now, now + self._token_life_s
            )
        partner = self._means.partner(tenant.name, claims.client_id)
        if partner is None or requestor_id not in partner.requestor_ids:
            raise NotAllowed("requestor_unknown")
        trail.requestor = partner.name
        if claims.enterprise_id and claims.enterprise_id not in partner.enterprises:
            raise NotAllowed("enterprise_not_of_requestor")
        if claims.enterprise_id:
            trail.requestor = f"{partner.name}/{claims.enterprise_id}"
        requestor = Requestor(partner, claims.client_id, requestor_id, claims.enterprise_id)
        token = Token(ask.token or self._pushed(claims, tenant), max(1, claims.expires - now))
        return ProvedRequestor(tenant, requestor, claims.app_id, token, now)

    def _opened(self, ask: Ask, call: Call, trail: Trail) -> tuple[Tenant, RequestorClaims]:
        now = self._reception.clock.now()
        name, claims = pull_requestor(ask.token, self._reception.keys, now=now)
        tenant = self._reception.tenant_of(name, call)
        self._name(tenant, call, trail)
        if ask.apps != (claims.app_id,):
            raise Unauthenticated("token_of_other_apps")
        return tenant, claims

    def _pushed(self, claims: RequestorClaims, tenant: Tenant) -> str:
        ring, nonce = self._reception.keys.ring, os.urandom(NONCE_BYTES)
        return push_requestor(claims, ring, tenant.name, nonce=nonce, now=claims.issued)

    async def _client(self, tenant: Tenant, ask: Ask, call: Call, trail: Trail) -> str:
        """Return the OAuth client that an access_token proves."""
        self._name(tenant, call, trail)
        token = ask.value("access_token")
        asked = self._issuers.client(tenant.name, token, deadline=call.deadline)
        try:
            return await self._reception.timed("issuer", asked, trail)
        except BadLentToken as bad:
            raise Unauthenticated(bad.reason, for_operator=bad.for_operator) from None

    def _name(self, tenant: Tenant, call: Call, trail: Trail) -> None:
        trail.tenant = tenant.name
        self._reception.name_source(trail, tenant, call.source)


def _named(ask: Ask, name: str) -> str:
    """Return a name in lower case; raise BadRequest for one that no system has."""
    value = ask.value(name).lower()
    if len(value) > _MOST_LETTERS:
        raise BadRequest("parameter_too_long")
    return value
