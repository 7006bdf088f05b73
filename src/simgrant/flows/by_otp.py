"""A one-time password in a short message says who is asking (TS.43 §8.3).

Whoever tries numbers learns nothing: an unknown number is answered like a known one (divergence
"unknown-number-alike"), by the same statements, with a cookie of the same length and as fast,
since the message leaves behind the answer.
"""

from __future__ import annotations

from collections.abc import Mapping

from simgrant.domain.risk import Way
from simgrant.domain.subscription import SERVED, Subscription
from simgrant.domain.tenant import Tenant
from simgrant.domain.trail import Trail
from simgrant.errors import BadRequest, Unauthenticated, UnknownIdentity
from simgrant.flows.authenticate import Call, Principal, Reception
from simgrant.flows.codes import Codes
from simgrant.flows.limits import Throttle
from simgrant.flows.sign_in import CodeSent, admit, begin, first_ask, seal, unseal
from simgrant.identities import Imsi, InvalidIdentity, Msisdn
from simgrant.keyring.ring import Purpose
from simgrant.wire.negotiate import best_text, languages
from simgrant.wire.request import Ask


class ByOtp:
    """Proves a subscription by what was sent to its number."""

    def __init__(
        self,
        reception: Reception,
        *,
        codes: Codes,
        apps: Mapping[str, frozenset[str]],
        spoken: Mapping[str, str],
        texts: Mapping[str, str],
        returns: Throttle,
    ) -> None:
        """``apps`` are the AppIDs that may be asked for so, by tenant, and ``spoken`` the language
        of each for who names none that there is.

        ``texts`` is the message by language, with ``{code}`` in it. ``returns`` is by source.
        """
        self._reception = reception
        self._codes = codes
        self._apps = apps
        self._spoken = spoken
        self._texts = texts
        self._returns = returns

    def offers(self, tenant: Tenant, ask: Ask) -> bool:
        """Say whether every application asked for may be had by a one-time password."""
        apps = self._reception.known(ask)
        return bool(apps) and self._apps[tenant.name].issuperset(apps)

    async def start(self, ask: Ask, tenant: Tenant, call: Call, trail: Trail) -> CodeSent:
        """Send a password to the number that the request names."""
        trail.tenant = tenant.name
        self._reception.name_source(trail, tenant, call.source)
        self._reception.asked(ask, trail)
        try:
            number = Msisdn(ask.value("msisdn"))
        except InvalidIdentity:
            raise BadRequest("msisdn_malformed") from None
        await self._codes.spend(tenant, number, call.source)
        subscription = await self._reception.store.find(tenant.name, msisdn=number)
        known = subscription is not None and subscription.status in SERVED
        imsi = subscription.imsi if subscription is not None and known else None
        if imsi is not None:
            self._reception.name(trail, tenant, imsi, ask.terminal_id)
        else:
            trail.detail = "number_unknown"
        return CodeSent(self._sent(ask, tenant, imsi, number, call))

    async def second_factor(
        self, ask: Ask, tenant: Tenant, subscription: Subscription, call: Call
    ) -> str:
        """Send a password to whoever signed in already; return what it is to come back with."""
        if subscription.msisdn is None:
            raise UnknownIdentity("number_missing")
        await self._codes.spend(tenant, subscription.msisdn, call.source)
        return self._sent(ask, tenant, subscription.imsi, subscription.msisdn, call)

    async def answer(
        self, handles: tuple[str, ...], code: str, call: Call, trail: Trail
    ) -> Principal:
        """Return the principal of a password that is right; raise Unauthenticated."""
        reception = self._reception
        refusal = Unauthenticated("no_session")
        for handle in handles:
            try:
                name, begun = unseal(reception, Purpose.OTP, handle, life_s=self._codes.life_s)
                break
            except Unauthenticated as error:
                refusal = error
        else:
            raise refusal
        tenant = reception.tenant_of(name, call)
        reception.name_source(trail, tenant, call.source)
        self._returns.take((call.source,), now=reception.clock.monotonic())
        ask, trail.tenant = first_ask(begun), tenant.name
        if begun.imsi is not None:
            reception.name(trail, tenant, begun.imsi, ask.terminal_id)
        reception.asked(ask, trail)
        imsi = await self._codes.check(tenant, begun, code)
        return await admit(reception, tenant, imsi, begun, ask, trail, way=Way.OTP)

    def _sent(self, ask: Ask, tenant: Tenant, imsi: Imsi | None, number: Msisdn, call: Call) -> str:
        code = self._codes.made()
        begun = begin(ask, now=self._reception.clock.now(), imsi=imsi, code=code)
        handle = seal(self._reception, Purpose.OTP, tenant, begun)
        wanted = (*languages(call.accept_language), self._spoken[tenant.name])
        text = best_text(self._texts, wanted).replace("{code}", code)
        if imsi is not None:
            self._codes.send(number, text, started=begun.started)
        return handle
