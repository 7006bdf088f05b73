"""One-time passwords on their way to a number, and back.

Whoever tries passwords has few tries for each, counted in rows that every node sees; and a number
is sent few messages a day, so that tries do not add up. Messages leave behind the answer: how long
one takes tells nobody anything.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets

import structlog

from simgrant.domain.tenant import Tenant
from simgrant.errors import EcsError, Overloaded, Unauthenticated
from simgrant.flows.authenticate import Reception
from simgrant.flows.limits import Throttle
from simgrant.flows.sign_in import Begun, claim, row_id
from simgrant.identities import Imsi, Msisdn
from simgrant.nouns import named_noun
from simgrant.ports.texts import Texts

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


class Codes:
    """Sends one-time passwords, and says whether one that came back is right."""

    def __init__(
        self, reception: Reception, *, texts: Texts, throttle: Throttle, rules: Rules
    ) -> None:
        """``throttle`` is by number and by source."""
        self._reception = reception
        self._texts = texts
        self._throttle = throttle
        self._rules = rules
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def life_s(self) -> int:
        """Seconds that one is good."""
        return self._rules.life_s

    def made(self) -> str:
        """Return a new one-time password."""
        digits = self._rules.digits
        return f"{secrets.randbelow(10**digits):0{digits}}"

    async def spend(self, tenant: Tenant, number: Msisdn, source: str) -> None:
        """Count a message to a number; raise Overloaded where it is one too many."""
        clock, ring = self._reception.clock, self._reception.keys.ring
        self._throttle.take((tenant.name, number.digits), (source,), now=clock.monotonic())
        if len(self._tasks) >= _MOST_ON_THEIR_WAY:
            raise Overloaded("too_many_texts")
        day, over = divmod(int(clock.now()), _DAY_S)
        names = (
            ring.derive(tenant.name, "otp", f"{number.digits}|{day}|{nth}", 16)
            for nth in range(self._rules.per_day)
        )
        if not await claim(self._reception, tenant, names, expires_at=(day + 1) * _DAY_S):
            raise Overloaded("too_many_codes", retry_after=min(600, _DAY_S - over))

    def send(self, to: Msisdn, text: str, *, started: int) -> None:
        """Let a message go that has a password in it, made at ``started`` (Unix seconds)."""
        task = asyncio.create_task(self._send(to, text, started + self._rules.life_s))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def check(self, tenant: Tenant, begun: Begun, code: str) -> Imsi:
        """Return whose password it is, and use it up; Unauthenticated for any that nobody got."""
        reception, over = self._reception, begun.started + self._rules.life_s
        # A try is taken before it is looked at, so that many at once are no more than so many.
        tries = (row_id(begun, f"try {number}") for number in range(self._rules.tries))
        if not await claim(reception, tenant, tries, expires_at=over):
            raise Unauthenticated("otp_locked")
        right = hmac.compare_digest(code.encode(), begun.code.encode())
        if not right or begun.imsi is None:
            raise Unauthenticated("otp_wrong")
        if not await claim(reception, tenant, (row_id(begun, "used"),), expires_at=over):
            raise Unauthenticated("otp_used")
        return begun.imsi

    async def close(self) -> None:
        """Let what is on its way arrive, or not."""
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._texts.close()

    async def _send(self, to: Msisdn, text: str, expires_at: int) -> None:
        deadline = self._reception.clock.monotonic() + self._rules.send_timeout_s
        try:
            await self._texts.send(to, text, expires_at=expires_at, deadline=deadline)
        except EcsError as error:
            # Nobody waits for it any more: whoever does not get his message asks again.
            structlog.get_logger().error(
                "text_not_sent", reason=error.reason, detail=error.for_operator
            )
