"""How often a peer is asked again, and when it is left alone.

Three small things that every link needs. They are told the time and the chance, so that tests need
neither: a wait before a repetition, a budget that keeps repetitions a small share of what is sent
(so that a struggling peer is not given several times its load), and a breaker that stops asking a
peer that has failed several times in a row.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from simgrant.nouns import named_noun


@named_noun
class RetryRules:
    """How a link deals with failures of its peer."""

    tries: int = 3
    """Times that one request is sent at most, the first included."""
    share: float = 0.1
    """Repetitions for each request, in the long run."""
    reserve: int = 20
    """Repetitions that may come at once, after a time without."""
    first_wait_s: float = 0.1
    """Longest wait before the first repetition; twice that before the second, and so on."""
    longest_wait_s: float = 5.0
    """Longest wait before any repetition."""
    failures: int = 5
    """Failures in a row after which the peer is left alone."""
    pause_s: float = 5.0
    """Seconds for which it is, more or less by a fifth, before one request tries it."""


def backoff(attempt: int, rules: RetryRules, *, chance: float) -> float:
    """Return seconds to wait after failure number ``attempt``, counted from 1.

    Between half and all of a time that doubles, by ``chance`` (0 to 1).
    """
    longest = min(rules.longest_wait_s, rules.first_wait_s * 2.0 ** min(attempt - 1, 30))
    return longest * (0.5 + chance / 2)


def lot(weight: float, *, chance: float) -> float:
    """Return a number to sort by, the smallest first, so that each is first in proportion to its
    weight. ``chance`` is 0 to below 1, and another for each."""
    return -math.log(1.0 - chance) / max(1, weight)


class RetryBudget:
    """A purse that each request puts a little into, and each repetition takes one from."""

    def __init__(self, rules: RetryRules) -> None:
        self._rules = rules
        self._held = float(rules.reserve)

    def earn(self) -> None:
        """Count a request that was sent for the first time."""
        self._held = min(self._held + self._rules.share, float(self._rules.reserve))

    @property
    def holds(self) -> bool:
        """Whether there is a repetition left."""
        return self._held >= 1.0

    def spend(self) -> bool:
        """Take one repetition; False if there is none left."""
        if not self.holds:
            return False
        self._held -= 1.0
        return True


class Breaker:
    """Whether a peer is asked at all: closed, open, or half-open with one request at a time.

    Half-open is no state of its own: when the pause is over, whoever asks first is let through
    and the pause begins anew for everybody else. So a request that is cancelled, and never says
    how it ended, holds nothing up for longer than a pause.
    """

    def __init__(self, rules: RetryRules, chance: Callable[[], float]) -> None:
        self._rules = rules
        self._chance = chance
        self._failures = 0
        self._failed_at = -math.inf
        self._until = 0.0

    @property
    def is_open(self) -> bool:
        """Tell whether the peer is being left alone."""
        return self._failures >= self._rules.failures

    def wait(self, now: float) -> float:
        """Return seconds for which nothing may be sent yet; 0 = send."""
        if not self.is_open:
            return 0.0
        if now < self._until:
            return self._until - now
        self._until = now + self._pause()
        return 0.0

    def pause_left(self, now: float) -> float:
        """Return seconds for which nothing may be sent yet, without taking the turn."""
        return max(0.0, self._until - now) if self.is_open else 0.0

    def succeeded(self) -> None:
        """Count an answer, good or bad, of a peer that works."""
        self._failures = 0

    def failed(self, now: float, *, began: float = math.inf) -> None:
        """Count a request that got no answer, or that of a peer that does not work.

        A connection that ends takes all its requests along, which is one failure: of those that
        ``began`` before the last failure nothing is learnt. Without ``began`` each is counted, as
        of a peer that keeps them waiting.
        """
        if began < self._failed_at:
            return
        self._failures += 1
        self._failed_at = now
        if self.is_open:
            self._until = now + self._pause()

    def _pause(self) -> float:
        return self._rules.pause_s * (0.8 + 0.4 * self._chance())
