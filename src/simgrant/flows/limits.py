"""Token buckets: on the start of authentications, and on what lent tokens are refused for.

Whoever sends an EAP_ID makes us ask the network for a vector, before anything
is proved. So starts are counted per IMSI and source, per source and per IMSI,
and a start whose challenge is never answered counts double: it takes two
tokens, and the answer gives one back. Buckets live in the process; a restart
forgets them, which only ever helps the honest.

Third parties repeat by themselves (TS.43 §2.8.6), and with a token that is good for
more than one use somebody could guess a number until it is the right one. So what
is refused is counted per source, wrong guesses per subscription.
"""

from __future__ import annotations

import math
from collections import OrderedDict

from simgrant.errors import Overloaded
from simgrant.nouns import noun

_START = 2.0
_ANSWERED = 1.0
_LONGEST_WAIT = 600


@noun
class Rate:
    """Size of a bucket, in starts, and how many starts flow in each second."""

    burst: int
    """0 = no limit."""
    per_second: float


class Buckets:
    """Many buckets of one rate, the least recently used forgotten first."""

    def __init__(self, rate: Rate, *, remembered: int) -> None:
        self._rate = rate
        self._most = rate.burst * _START
        self._flow = rate.per_second * _START
        self._remembered = remembered
        self._levels: OrderedDict[tuple[str, ...], tuple[float, float]] = OrderedDict()

    def wait(self, key: tuple[str, ...], *, now: float) -> float:
        """Return the seconds until a start is allowed; 0 = now. Takes nothing."""
        if not self._rate.burst:
            return 0.0
        missing = _START - self._level(key, now)
        if missing <= 0:
            return 0.0
        return missing / self._flow if self._flow else math.inf

    def take(self, key: tuple[str, ...], amount: float, *, now: float) -> None:
        """Take from a bucket (a negative amount gives back, never above its size)."""
        if not self._rate.burst:
            return
        self._levels[key] = (min(self._most, self._level(key, now) - amount), now)
        self._levels.move_to_end(key)
        if len(self._levels) > self._remembered:
            self._levels.popitem(last=False)

    def _level(self, key: tuple[str, ...], now: float) -> float:
        known = self._levels.get(key)
        if known is None:
            return self._most
        level, at = known
        return min(self._most, level + (now - at) * self._flow)


class Throttle:
    """Several buckets that one request takes from together, all or none."""

    def __init__(self, reason: str, *rates: Rate, remembered: int) -> None:
        """``reason`` is what is said where one is empty; one bucket for each of ``rates``."""
        self._reason = reason
        self._buckets = tuple(Buckets(rate, remembered=remembered) for rate in rates)

    def take(self, *keys: tuple[str, ...], now: float) -> None:
        """Count a request under its keys, one for each rate; raise Overloaded, and count nothing.

        ``now`` is in seconds of the monotonic clock.
        """
        self.look(*keys, now=now)
        self.note(*keys, now=now)

    def look(self, *keys: tuple[str, ...], now: float) -> None:
        """Raise Overloaded where one bucket is empty; takes nothing."""
        taken = zip(self._buckets, keys, strict=True)
        longest = max(buckets.wait(key, now=now) for buckets, key in taken)
        if longest > 0:
            raise Overloaded(self._reason, retry_after=_whole(longest))

    def note(self, *keys: tuple[str, ...], now: float) -> None:
        """Count a request, whatever there is."""
        for buckets, key in zip(self._buckets, keys, strict=True):
            buckets.take(key, _START, now=now)

    def give_back(self, *keys: tuple[str, ...], now: float) -> None:
        """Take back half of what a request took, in each bucket."""
        for buckets, key in zip(self._buckets, keys, strict=True):
            buckets.take(key, -_ANSWERED, now=now)


class StartLimits:
    """The three limits on starting an authentication."""

    def __init__(self, *, imsi_source: Rate, imsi: Rate, source: Rate, remembered: int) -> None:
        self._throttle = Throttle(
            "too_many_starts", imsi_source, imsi, source, remembered=remembered
        )

    def start(self, tenant: str, imsi: str, source: str, *, now: float) -> None:
        """Count a start; raise Overloaded, and count nothing, where one bucket is empty.

        ``now`` is in seconds of the monotonic clock.
        """
        self._throttle.take((tenant, imsi, source), (tenant, imsi), (source,), now=now)

    def answered(self, tenant: str, imsi: str, source: str, *, now: float) -> None:
        """Give back what an unanswered challenge would have cost on top."""
        self._throttle.give_back((tenant, imsi, source), (tenant, imsi), (source,), now=now)


class LentLimits:
    """The two limits on requests with a lent token."""

    def __init__(self, *, refusals: Rate, guesses: Rate, remembered: int) -> None:
        self._refusals = Buckets(refusals, remembered=remembered)
        self._guesses = Buckets(guesses, remembered=remembered)

    def admit(self, source: str, *, now: float) -> None:
        """Raise Overloaded for a source that was refused too often. Takes nothing."""
        wait = self._refusals.wait((source,), now=now)
        if wait > 0:
            raise Overloaded("too_many_refusals", retry_after=_whole(wait))

    def refused(self, source: str, *, now: float) -> None:
        """Count a refusal."""
        self._refusals.take((source,), _START, now=now)

    def let_guess(self, tenant: str, imsi: str, *, now: float) -> None:
        """Raise Overloaded where too much was guessed about a subscription. Takes nothing."""
        wait = self._guesses.wait((tenant, imsi), now=now)
        if wait > 0:
            raise Overloaded("too_many_guesses", retry_after=_whole(wait))

    def guessed_wrong(self, tenant: str, imsi: str, *, now: float) -> None:
        """Count a wrong guess."""
        self._guesses.take((tenant, imsi), _START, now=now)


def _whole(wait: float) -> int:
    return math.ceil(min(wait, _LONGEST_WAIT))
