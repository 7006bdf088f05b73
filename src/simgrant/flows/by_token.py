"""Fast authentication: a token says who is asking (TS.43 §2.8.5).

Whatever is wrong with a token is one and the same to the device: 511, upon which
it authenticates in full. The reasons are for the operator's record.
"""

from __future__ import annotations

from simgrant.domain.risk import Way
from simgrant.domain.subscription import SERVED, Profile
from simgrant.domain.tenant import Tenant
from simgrant.domain.trail import Trail
from simgrant.errors import Unauthenticated
from simgrant.flows.authenticate import Call, Principal, Reception
from simgrant.flows.tokens import Claims, pull_token
from simgrant.nouns import noun, replace
from simgrant.wire.request import Ask


@noun
class Rules:
    """When tokens are renewed."""

    renew_last: float
    """Fraction at the end of a token's life in which it is replaced."""
    overlap_s: int
    """Seconds for which a replaced token is still good, since answers get lost."""


class ByToken:
    """Proves a SIM by the token it was given."""

    def __init__(self, reception: Reception, rules: Rules) -> None:
        self._reception = reception
        self._rules = rules

    async def authenticate(self, ask: Ask, call: Call, trail: Trail) -> Principal:
        """Return the principal of a token; raise Unauthenticated for any that is not good."""
        reception = self._reception
        now = reception.clock.now()
        name, claims = pull_token(ask.token, reception.keys, now=now)
        tenant = reception.tenant_of(name, call)
        reception.name(trail, tenant, claims.imsi, claims.terminal_id)
        _refuse_strangers(ask, claims)
        apps = reception.asked(ask, trail) if ask.apps else claims.apps
        trail.apps = apps
        if not set(apps) <= set(claims.apps):
            raise Unauthenticated("token_of_other_apps")
        profile = await reception.profile(tenant, claims, trail)
        profile, newest = self._current(profile, claims, now)
        token, expires = ask.token, claims.expires
        life = claims.expires - claims.issued
        if claims.expires - now <= life * self._rules.renew_last:
            claims = await self._renewed(tenant, claims, newest, now, trail)
            token, expires = reception.token(claims, tenant), claims.expires
        terminal_id = claims.terminal_id
        return Principal(tenant, profile, ask, terminal_id, apps, token, expires, int(now), claims)

    def _current(self, profile: Profile | None, claims: Claims, now: float) -> tuple[Profile, int]:
        """Return the profile and when the client's newest token was issued; refuse revoked ones."""
        if profile is None or profile.subscription.status not in SERVED:
            raise Unauthenticated("subscription_not_served")
        if claims.epoch != profile.subscription.token_epoch:
            raise Unauthenticated("token_revoked")
        if claims.terminal_epoch != (profile.terminal_epoch or 0):
            raise Unauthenticated("token_of_terminal_revoked")
        newest = profile.granted_at
        if newest is None:
            raise Unauthenticated("token_unknown")
        if claims.issued < newest and now >= newest + self._rules.overlap_s:
            raise Unauthenticated("token_replaced")
        return profile, newest

    async def _renewed(
        self, tenant: Tenant, claims: Claims, newest: int, now: float, trail: Trail
    ) -> Claims:
        """Return the successor of a token near its end, one for all who ask at once."""
        reception = self._reception
        issued = int(now)
        if newest == claims.issued:
            won = await reception.store.renew_grant(
                tenant.name,
                claims.imsi,
                claims.terminal_id,
                claims.client,
                issued_at=issued,
                expected=newest,
            )
            if not won:
                profile = await reception.profile(tenant, claims, trail)
                _, issued = self._current(profile, claims, now)
        else:
            issued = newest  # Another request was faster: this is the token that it got.
        # A sign-in is not renewed with it: that was then.
        return replace(claims, issued=issued, expires=issued + reception.token_life_s, way=Way.SIM)


def _refuse_strangers(ask: Ask, claims: Claims) -> None:
    """Refuse a token that another SIM, terminal or client came with.

    A bare request, which names no terminal or no application, is answered from the
    token alone: some clients send nothing else.
    """
    if ask.imsi and ask.imsi != claims.imsi.digits:
        raise Unauthenticated("token_of_another_imsi")
    terminal_id = ask.terminal_id
    if terminal_id and terminal_id.lower() != claims.terminal_id.lower():
        raise Unauthenticated("token_of_another_terminal")
    if ask.apps and ask.app_name.lower() != claims.app_name:
        raise Unauthenticated("token_of_another_client")
