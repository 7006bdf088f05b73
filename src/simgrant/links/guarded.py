"""A source of vectors with a guard before it: a deadline, a limit and a circuit breaker.

Links guard each of their connections. This guards what is behind them, whatever its kind: an HSS
may be gone while the relay before it answers at once.
"""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Callable
from typing import Final, Protocol

from simgrant.eap.vector import AuthVector
from simgrant.errors import EcsError, PeerMisbehaved, PeerTimeout, PeerUnavailable
from simgrant.links.retry import Breaker, RetryRules
from simgrant.nouns import Word, named_noun
from simgrant.ports.clock import Clock
from simgrant.ports.vectors import SPARED, VectorRequest, Vectors
from simgrant.within import Within

_GRACE_S: Final = 0.1
"""Sources keep deadlines themselves, and their errors say more than ours would."""


class SourceState(Word):
    """Whether a source is asked."""

    OKAY = "okay"
    AWAY = "away"
    """It failed several times in a row, and is tried now and then."""


class Result(Word):
    """What became of a request."""

    VECTOR = "vector"
    REFUSED = "refused"
    """It does not know the SIM, or rejects it."""
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    MISBEHAVED = "misbehaved"
    NOT_ASKED = "not_asked"
    """It is away, or has enough to do."""


class SourceWatcher(Protocol):
    """Is told what becomes of sources and requests."""

    def changed(self, source: str, state: SourceState, reason: str) -> None:
        """Take note of a new state and of why."""

    def answered(self, source: str, result: Result, seconds: float) -> None:
        """Count a request."""


@named_noun
class Config:
    """How a source is treated."""

    name: str
    timeout_s: float = 0.0
    """Longest wait for an answer; 0 = until the request's deadline."""
    in_flight: int = 1000
    failures: int = 5
    """0 = it is asked whatever happens."""
    pause_s: float = 5.0


class Guarded:
    """A source that is asked while that makes sense (the ``Vectors`` port)."""

    def __init__(
        self,
        config: Config,
        source: Vectors,
        *,
        watcher: SourceWatcher,
        clock: Clock,
        chance: Callable[[], float],
    ) -> None:
        self._config = config
        self._source = source
        self._watcher = watcher
        self._clock = clock
        rules = RetryRules(failures=config.failures or sys.maxsize, pause_s=config.pause_s)
        self._breaker = Breaker(rules, chance)
        self._under_way = 0
        self._away_since: float | None = None
        watcher.changed(config.name, SourceState.OKAY, "")

    def away_s(self) -> float:
        """Return seconds for which it has been away; 0 = it is not."""
        if self._away_since is None:
            return 0.0
        return max(self._clock.monotonic() - self._away_since, 0.001)

    @property
    def takes_more(self) -> bool:
        """Whether it would be asked, without being tried after a pause."""
        return self._under_way < self._config.in_flight and not self._breaker.is_open

    async def fetch(self, request: VectorRequest, *, deadline: float) -> AuthVector:
        """Return one vector by ``deadline`` (see the port)."""
        config, now = self._config, self._clock.monotonic()
        # In this order: whoever asks the breaker takes the turn to try it.
        if self._under_way >= config.in_flight:
            said = f"{config.name}: {config.in_flight} requests are under way"
            raise self._not_asked(PeerUnavailable("source_full", for_operator=said))
        if self._breaker.wait(now):
            said = f"{config.name}: it failed several times in a row"
            raise self._not_asked(PeerUnavailable("circuit_open", for_operator=said))
        if config.timeout_s:
            deadline = min(deadline, now + config.timeout_s)
        self._under_way += 1
        try:
            with Within(max(0.0, deadline - now) + _GRACE_S):
                vector = await self._source.fetch(request, deadline=deadline)
        except TimeoutError:
            late = PeerTimeout("vectors_timeout", for_operator=f"{config.name}: no answer in time")
            self._failed(Result.TIMEOUT, late, now)
            raise late from None
        except asyncio.CancelledError:
            # Whoever waits has the same deadline, and may have been faster to see it.
            if self._clock.monotonic() >= deadline:
                self._failed(Result.TIMEOUT, PeerTimeout("vectors_timeout"), now)
            raise
        except PeerTimeout as error:
            self._failed(Result.TIMEOUT, error, now)
            raise
        except PeerUnavailable as error:
            if error.reason in SPARED:
                # To leave it alone altogether would be more than it asked for.
                self._answered(Result.NOT_ASKED, now)
                raise
            self._failed(Result.UNAVAILABLE, error, now)
            raise
        except PeerMisbehaved:
            # It may be about this SIM alone, so it says nothing of the source.
            self._answered(Result.MISBEHAVED, now)
            raise
        except EcsError:
            self._works(Result.REFUSED, now)
            raise
        finally:
            self._under_way -= 1
        self._works(Result.VECTOR, now)
        return vector

    def _not_asked(self, error: PeerUnavailable) -> PeerUnavailable:
        self._watcher.answered(self._config.name, Result.NOT_ASKED, 0.0)
        return error

    def _answered(self, result: Result, began: float) -> None:
        self._watcher.answered(self._config.name, result, self._clock.monotonic() - began)

    def _works(self, result: Result, began: float) -> None:
        self._answered(result, began)
        self._breaker.succeeded()
        if self._away_since is not None:
            self._away_since = None
            self._watcher.changed(self._config.name, SourceState.OKAY, "it answers")

    def _failed(self, result: Result, error: EcsError, began: float) -> None:
        self._answered(result, began)
        now = self._clock.monotonic()
        # Whoever waited in vain says so for himself; a connection that ends says it once for all.
        self._breaker.failed(now, began=math.inf if result is Result.TIMEOUT else began)
        if self._breaker.is_open and self._away_since is None:
            self._away_since = now
            self._watcher.changed(self._config.name, SourceState.AWAY, error.reason)
