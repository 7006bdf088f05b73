"""A one-time password in a short message says who is asking (TS.43 §8.3).

Whoever tries numbers learns nothing: an unknown number is answered like a known one (divergence
"unknown-number-alike"), by the same statements, with a cookie of the same length and as fast,
since the message leaves behind the answer. Whoever tries passwords has few tries for each, counted
in rows that every node sees; and a number is sent few messages a day, so that tries do not add up.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import field

import structlog

from simgrant.domain.risk import Way
from simgrant.domain.subscription import SERVED, Subscription
from simgrant.domain.tenant import Tenant
from simgrant.domain.trail import Trail
from simgrant.errors import (
    BadRequest,
    EcsError,
    Overloaded,
    Unauthenticated,
    UnknownIdentity,
)
from simgrant.flows.authenticate import Call, Principal, Reception
from simgrant.flows.limits import Throttle
from simgrant.flows.sign_in import (
    CodeSent,
    admit,
    begin,
    claim,
    first_ask,
    row_id,
    seal,
    unseal,
)
from simgrant.identities import Imsi, InvalidIdentity, Msisdn
from simgrant.keyring.ring import Purpose
from simgrant.nouns import named_noun
from simgrant.ports.texts import Texts
from simgrant.wire.negotiate import best_text, languages
from simgrant.wire.request import Ask

_DAY_S = 86_400
_MOST_ON_THEIR_WAY = 1_000


@named_noun
class Rules:
    """How passwords are made, and how often."""

    life_s: int = 300
    digits: int = 6
    tries: int = 5
    per_day: int = 10
    """Messages to one number on one day, over all nodes."""
    send_timeout_s: float = 10.0
    texts: Mapping[str, str] = field(repr=False)
    """The message by language, with ``{code}`` in it."""


class ByOtp:
    """Proves a subscription by what was sent to its number."""

    def __init__(
        self,
        reception: Reception,
        *,
        apps: Mapping[str, frozenset[str]],
        spoken: Mapping[str, str],
        texts: Texts,
        throttle: Throttle,
        returns: Throttle,
        rules: Rules,
    ) -> None:
        """``apps`` are the AppIDs that may be asked for so, by tenant, and ``spoken`` the language
        of each for who names none that there is.

        ``throttle`` is by number and by source, ``returns`` by source.
        """
        self._reception = reception
        self._apps = apps
        self._spoken = spoken
        self._throttle = throttle
        self._returns = returns
        self._rules = rules
        self._outgoing = _Outgoing(texts, reception, rules.send_timeout_s)

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
        await self._spend(tenant, number, call)
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
        await self._spend(tenant, subscription.msisdn, call)
        return self._sent(ask, tenant, subscription.imsi, subscription.msisdn, call)

    async def answer(
        self, handles: tuple[str, ...], code: str, call: Call, trail: Trail
    ) -> Principal:
        """Return the principal of a password that is right; raise Unauthenticated."""
        reception, rules = self._reception, self._rules
        refusal = Unauthenticated("no_session")
        for handle in handles:
            try:
                name, begun = unseal(reception, Purpose.OTP, handle, life_s=rules.life_s)
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
        over = begun.started + rules.life_s
        # A try is taken before it is looked at, so that many at once are no more than so many.
        tries = (row_id(begun, f"try {number}") for number in range(rules.tries))
        if not await claim(reception, tenant, tries, expires_at=over):
            raise Unauthenticated("otp_locked")
        right = hmac.compare_digest(code.encode(), begun.code.encode())
        if not right or begun.imsi is None:
            raise Unauthenticated("otp_wrong")
        if not await claim(reception, tenant, (row_id(begun, "used"),), expires_at=over):
            raise Unauthenticated("otp_used")
        return await admit(reception, tenant, begun.imsi, begun, ask, trail, way=Way.OTP)

    async def close(self) -> None:
        """Let what is on its way arrive, or not."""
        await self._outgoing.close()

    async def _spend(self, tenant: Tenant, number: Msisdn, call: Call) -> None:
        """Count a message to a number; raise Overloaded where it is one too many."""
        clock, ring = self._reception.clock, self._reception.keys.ring
        self._throttle.take((tenant.name, number.digits), (call.source,), now=clock.monotonic())
        if self._outgoing.is_full:
            raise Overloaded("too_many_texts")
        day, over = divmod(int(clock.now()), _DAY_S)
        names = (
            ring.derive(tenant.name, "otp", f"{number.digits}|{day}|{nth}", 16)
            for nth in range(self._rules.per_day)
        )
        if not await claim(self._reception, tenant, names, expires_at=(day + 1) * _DAY_S):
            raise Overloaded("too_many_codes", retry_after=min(600, _DAY_S - over))

    def _sent(self, ask: Ask, tenant: Tenant, imsi: Imsi | None, number: Msisdn, call: Call) -> str:
        rules = self._rules
        code = f"{secrets.randbelow(10**rules.digits):0{rules.digits}}"
        begun = begin(ask, now=self._reception.clock.now(), imsi=imsi, code=code)
        handle = seal(self._reception, Purpose.OTP, tenant, begun)
        wanted = (*languages(call.accept_language), self._spoken[tenant.name])
        text = best_text(rules.texts, wanted).replace("{code}", code)
        if imsi is not None:
            self._outgoing.send(number, text, expires_at=begun.started + rules.life_s)
        return handle


class _Outgoing:
    """Messages on their way, behind the answers: how long one takes tells nobody anything."""

    def __init__(self, texts: Texts, reception: Reception, timeout_s: float) -> None:
        self._texts = texts
        self._clock = reception.clock
        self._timeout_s = timeout_s
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_full(self) -> bool:
        return len(self._tasks) >= _MOST_ON_THEIR_WAY

    def send(self, to: Msisdn, text: str, *, expires_at: int) -> None:
        task = asyncio.create_task(self._send(to, text, expires_at))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._texts.close()

    async def _send(self, to: Msisdn, text: str, expires_at: int) -> None:
        deadline = self._clock.monotonic() + self._timeout_s
        try:
            await self._texts.send(to, text, expires_at=expires_at, deadline=deadline)
        except EcsError as error:
            # Nobody waits for it any more: whoever does not get his message asks again.
            structlog.get_logger().error(
                "text_not_sent", reason=error.reason, detail=error.for_operator
            )
