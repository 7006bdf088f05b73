"""The telephone number of a subscription: the store's, else what the network says of it.

What the network said is kept with its source and age, and asked for again once it is too old or
an event of the network made it go. Where it does not come, there is no number.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from simgrant.domain.subscription import Subscription
from simgrant.errors import EcsError
from simgrant.identities import Imsi, Msisdn
from simgrant.nouns import noun
from simgrant.ports.clock import Clock
from simgrant.ports.network_data import Learned, LearnedRows, NetworkData


@noun
class Knower:
    """Somebody who knows numbers."""

    name: str
    data: NetworkData
    max_age_s: int
    """Seconds after which what it said is asked for again."""


class Numbers:
    """Finds numbers."""

    def __init__(
        self,
        rows: LearnedRows,
        *,
        asked: Callable[[str, Imsi], Knower | None],
        clock: Clock,
        timeout_s: float,
    ) -> None:
        """``asked`` says who knows the number of a tenant's SIM; None = nobody."""
        self._rows = rows
        self._asked = asked
        self._clock = clock
        self._timeout_s = timeout_s

    async def of(self, subscription: Subscription) -> Msisdn | None:
        """Return the number of a subscription; None where nobody tells it."""
        if subscription.msisdn is not None:
            return subscription.msisdn
        tenant, imsi = subscription.tenant, subscription.imsi
        asked = self._asked(tenant, imsi)
        if asked is None:
            return None
        now = int(self._clock.now())
        try:
            known = await self._rows.learned(tenant, imsi)
            # What another source said, by earlier settings, is not this one's.
            if (
                known is not None
                and known.source == asked.name
                and 0 <= now - known.at <= asked.max_age_s
            ):
                return known.msisdn
            deadline = self._clock.monotonic() + self._timeout_s
            number = await asked.data.number(imsi, deadline=deadline)
            await self._rows.learn(tenant, imsi, Learned(number, asked.name, now))
        except EcsError as error:
            structlog.get_logger().warning("no_number", source=asked.name, reason=error.reason)
            return None
        return number
