"""Who is asking: what every way to prove a SIM has in common (TS.43 §2.8).

The ways are files of their own, ``by_token`` and ``by_sim``; each ends in the
same ``Principal``. What they share is here: which tenant a sealed value is of,
which applications are asked for, the one read of a subscription, new tokens.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Collection, Sequence
from dataclasses import field
from typing import TypeVar

from simgrant.domain.subscription import Profile
from simgrant.domain.tenant import Tenancy, Tenant
from simgrant.domain.trail import Trail
from simgrant.errors import BadRequest, Unauthenticated
from simgrant.flows.tokens import Claims, push_token
from simgrant.identities import Imsi
from simgrant.keyring.ring import NONCE_BYTES
from simgrant.nouns import noun
from simgrant.ports.clock import Clock
from simgrant.ports.keys import Keys
from simgrant.ports.store import Store
from simgrant.wire.request import Ask

T = TypeVar("T")


@noun
class Call:
    """What is known of a request besides its parameters."""

    host: str
    source: str
    """Address of who asks."""
    accept: str
    accept_language: str
    user_agent: str
    deadline: float
    """Seconds of the monotonic clock by which the answer must be made."""
    cookies: Sequence[bytes] = field(default=(), repr=False)
    """Its Cookie lines, as they came."""


@noun
class Challenge:
    """The answer is an EAP request, with the one cookie of its session.

    A second one has it too (divergence "cookie-with-every-challenge").
    """

    packet: bytes
    cookie: str


@noun
class Principal:
    """A proved SIM: whose request it is, what was asked, and the token that goes back."""

    tenant: Tenant
    profile: Profile
    ask: Ask
    terminal_id: str = field(repr=False)
    apps: tuple[str, ...]
    token: str = field(repr=False)
    expires: int
    """Unix seconds at which the token ends."""
    at: int
    """Unix seconds of the authentication; a repeated answer keeps the first one's."""
    claims: Claims
    """What the token says."""


class Reception:
    """What every way to authenticate needs, over the ports."""

    def __init__(
        self,
        *,
        tenancy: Tenancy,
        keys: Keys,
        store: Store,
        clock: Clock,
        known_apps: frozenset[str],
        token_life_s: int,
        with_bss: Collection[str] = (),
    ) -> None:
        """``with_bss`` names the tenants whose BSS is asked about what is read."""
        self.tenancy = tenancy
        self.keys = keys
        self.store = store
        self.clock = clock
        self.token_life_s = token_life_s
        self._known_apps = known_apps
        self._with_bss = frozenset(with_bss)

    def tenant_of(self, name: str, call: Call) -> Tenant:
        """Return the tenant that sealed a value, if the host is not another's."""
        tenant = self.tenancy.by_name.get(name)
        by_host = self.tenancy.by_host(call.host)
        if tenant is None or (by_host is not None and by_host is not tenant):
            raise Unauthenticated("of_another_tenant")
        return tenant

    def asked(self, ask: Ask, trail: Trail) -> tuple[str, ...]:
        """Return the known AppIDs asked for; raise BadRequest where there is none."""
        known = tuple(app for app in ask.apps if app in self._known_apps)
        trail.apps = known
        if len(known) != len(ask.apps):
            # What a client made up goes into records, but never unbounded.
            unknown = (app[:16] for app in ask.apps if app not in self._known_apps)
            trail.unknown_apps = tuple(unknown)[:8]
        if not known:
            raise BadRequest("no_known_app" if ask.apps else "no_app")
        return known

    def known(self, ask: Ask) -> tuple[str, ...]:
        """Return the AppIDs asked for that are served, perhaps none."""
        return tuple(app for app in ask.apps if app in self._known_apps)

    def name(self, trail: Trail, tenant: Tenant, imsi: Imsi, terminal_id: str) -> None:
        """Put the tenant and keyed references into the trail."""
        ring, now = self.keys.ring, self.clock.now()
        trail.tenant = tenant.name
        if not trail.subscriber_ref:
            trail.subscriber_ref = ring.reference(tenant.name, "imsi", imsi.digits, now=now)
        if terminal_id and not trail.terminal_ref:
            trail.terminal_ref = ring.reference(tenant.name, "terminal", terminal_id, now=now)

    def name_source(self, trail: Trail, tenant: Tenant, source: str) -> None:
        """Put a keyed reference of who asks into the trail, for finding those who try around."""
        now = self.clock.now()
        trail.source_ref = self.keys.ring.reference(tenant.name, "source", source, now=now)

    async def profile(self, tenant: Tenant, claims: Claims, trail: Trail) -> Profile | None:
        """Return all that is known of a subscription, in one read."""
        started = self.clock.monotonic()
        try:
            return await self.store.profile(
                tenant.name,
                claims.imsi,
                claims.terminal_id,
                claims.client,
                told=tenant.name in self._with_bss,
            )
        finally:
            self._note("store", started, trail)

    def token(self, claims: Claims, tenant: Tenant) -> str:
        """Return a new token."""
        nonce, now = os.urandom(NONCE_BYTES), self.clock.now()
        return push_token(claims, self.keys.ring, tenant.name, nonce=nonce, now=now)

    async def timed(self, peer: str, call: Awaitable[T], trail: Trail) -> T:
        """Await a peer and note how long it took."""
        started = self.clock.monotonic()
        try:
            return await call
        finally:
            self._note(peer, started, trail)

    def _note(self, peer: str, started: float, trail: Trail) -> None:
        waited = int((self.clock.monotonic() - started) * 1e6)
        trail.peers_us[peer] = trail.peers_us.get(peer, 0) + waited
