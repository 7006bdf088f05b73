"""How much a consumer may ask for: a rate of each API, and answers in a calendar month (UTC).

Rates are each worker's own. Months are counted in rows, every few seconds, and what this worker
wrote since; so a quota is overshot at most by what other workers answer in that time. Until the
rows were counted for the first time, and while the store is away, nobody is refused for a month.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import Final, TypeAlias

from simgrant.domain.camara.consumer import Consumer, Permission, Rates
from simgrant.domain.camara.month import Month, month_of
from simgrant.domain.camara.usage import Outcome, Usage
from simgrant.errors import Overloaded
from simgrant.flows.for_ever import Pace, keep_looking
from simgrant.flows.limits import Rate, Throttle
from simgrant.nouns import named_noun, noun
from simgrant.ports.camara_usage import Counted, Span, UsageRows
from simgrant.ports.clock import Clock

_Key: TypeAlias = tuple[str, str, str]
"""Tenant, consumer and API."""
_LONGEST_WAIT_S: Final = 86_400


@named_noun
class Rules:
    """How months are counted."""

    count_s: float = 5.0
    """Seconds between two looks at the rows."""
    settled_s: float = 10.0
    """A row that is older than this was written, or never will be."""


@noun
class _Bucket:
    """The throttle of one consumer and API, and what it was made of."""

    rates: Rates
    throttle: Throttle


class Quotas:
    """Counts calls and answers."""

    def __init__(self, rows: UsageRows, clock: Clock, *, rules: Rules | None = None) -> None:
        self._rows = rows
        self._clock = clock
        self._rules = rules or Rules()
        self._buckets: dict[_Key, _Bucket] = {}
        self._wanted = False
        """Whether anybody has a quota for a month."""
        self._month = Month(1970, 1)
        self._settled: Counter[_Key] = Counter()
        self._settled_ms = 0
        """Until when rows are in ``_settled``."""
        self._counted: Counter[_Key] = Counter()
        self._own: Counter[_Key] = Counter()
        """What this worker wrote since they were counted."""

    def take(
        self, tenant: str, consumer: Consumer, permission: Permission, /, *, now: float
    ) -> None:
        """Count a call; raise Overloaded where it is one too many.

        Its reason is ``too_many_requests`` or ``quota_exceeded``; ``now`` is in seconds of the
        monotonic clock.
        """
        rates, key = permission.rates, (tenant, consumer.client_id, permission.api)
        if rates.per_month and not consumer.sandbox:
            self._wanted = True
            self._check_month(key, rates.per_month)
        if rates.per_second > 0:
            bucket = self._buckets.get(key)
            if bucket is None or bucket.rates != rates:
                burst = rates.burst or max(1, math.ceil(rates.per_second))
                rate = Rate(burst, rates.per_second)
                bucket = _Bucket(rates, Throttle("too_many_requests", rate, remembered=1))
                self._buckets[key] = bucket
            bucket.throttle.take(key, now=now)

    def used(self, tenant: str, usage: Usage) -> None:
        """Count an answer that was written."""
        if usage.outcome is not Outcome.REFUSED and not usage.sandbox:
            self._own[tenant, usage.client_id, usage.api] += 1

    async def run(self) -> None:
        """Count what is written, for ever."""
        pace = Pace(every_s=self._rules.count_s, away_s=self._rules.count_s)
        await keep_looking(self.look, pace, failed="usage_not_counted", again="usage_counted_again")

    async def look(self) -> None:
        """Count what was written since the last look."""
        if not self._wanted:
            self._own.clear()
            return
        now = self._clock.now()
        month = month_of(now)
        if month != self._month:
            self._month, self._settled_ms = month, month.since * 1000
            self._settled, self._counted = Counter(), Counter()
        written = Counter(self._own)
        settled_ms = int((now - self._rules.settled_s) * 1000)
        if settled_ms > self._settled_ms:
            span = Span(self._settled_ms, settled_ms)
            self._settled += _by_key(await self._rows.counted(span))
            self._settled_ms = settled_ms
        span = Span(self._settled_ms, month.until * 1000)
        self._counted = self._settled + _by_key(await self._rows.counted(span))
        self._own -= written

    def _check_month(self, key: _Key, most: int) -> None:
        now = self._clock.now()
        if month_of(now) != self._month:
            return
        if self._counted[key] + self._own[key] >= most:
            wait = min(_LONGEST_WAIT_S, max(1, math.ceil(self._month.until - now)))
            raise Overloaded("quota_exceeded", retry_after=wait)


def _by_key(counted: Iterable[Counted]) -> Counter[_Key]:
    return Counter({(each.tenant, each.client_id, each.api): each.count for each in counted})
