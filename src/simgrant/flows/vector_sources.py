"""Which source of vectors is asked, and which one after it where it cannot answer.

A source that says no has answered: nobody else is asked. Only one that is unavailable, late or
talks nonsense is passed over, so that a SIM that the first HSS has barred is not served by the
second. And one that does not know a SIM speaks for itself alone, not for those that were passed
over, or that are still silent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from simgrant.domain.recent_times import RecentTimes
from simgrant.domain.route import Routes
from simgrant.domain.trail import Trail
from simgrant.eap.vector import AuthVector
from simgrant.errors import EcsError, PeerUnavailable, UnknownIdentity
from simgrant.flows.hedged import Asking, Outcome, cannot, hedged
from simgrant.nouns import Word, named_noun
from simgrant.ports.clock import Clock
from simgrant.ports.vectors import NOT_ASKED, VectorRequest, Vectors

_LAST_WORDS_S: Final = 0.2
_MOST_GIVERS: Final = 10_000


class Source(Vectors, Protocol):
    """A source of vectors that knows how long it has been away."""

    @property
    def takes_more(self) -> bool:
        """Whether it is neither away nor full."""

    def away_s(self) -> float:
        """Return seconds for which it has been away; 0 = it is not."""


class Budget(Protocol):
    """How many requests may be sent a second time, to another source."""

    def earn(self) -> None:
        """Count a request that was sent for the first time."""

    def spend(self) -> bool:
        """Take one repetition; False if there is none left."""


class HedgeResult(Word):
    """What became of a second request, while a first one took long."""

    WON = "won"
    """Its vector came first."""
    LOST = "lost"
    """The first source answered before it, or was the only one that did."""
    FAILED = "failed"
    """Neither of the two had an answer that counts."""
    OVER_BUDGET = "over_budget"
    """It was not sent."""


class HedgeWatcher(Protocol):
    """Is told what becomes of second requests."""

    def hedged(self, source: str, result: HedgeResult) -> None:
        """Count one to this source."""


@named_noun
class Rules:
    """When phones are told to come back."""

    first_retry_s: int = 15
    """Seconds, where the sources have only just gone away."""
    longest_retry_s: int = 900


class VectorSources:
    """The sources of a SIM's route, one after the other; or two at once, where one takes long."""

    def __init__(
        self,
        routes: Routes,
        sources: Mapping[str, Source],
        *,
        clock: Clock,
        budget: Budget,
        hedges: Budget,
        watcher: HedgeWatcher,
        rules: Rules | None = None,
    ) -> None:
        """Take the budget of requests that are sent again, and that of those sent besides."""
        self._routes = routes
        self._sources = sources
        self._clock = clock
        self._budget = budget
        self._hedges = hedges
        self._watcher = watcher
        self._times = {name: RecentTimes() for name in sources}
        """Those of answers alone: failures say nothing of when one is to be expected."""
        self._rules = rules or Rules()
        self._givers: dict[bytes, str] = {}
        """By RAND the source of each vector that is not of the first of its route, oldest first.
        Another worker has none of it, and asks in the usual order."""

    async def fetch(self, request: VectorRequest, *, deadline: float, trail: Trail) -> AuthVector:
        """Return one vector by ``deadline``, of the first source that has one.

        The errors are those of the port ``Vectors``.
        """
        route = self._routes.route(request.tenant, request.imsi)
        if route is None:
            # The settings are refused that leave a tenant's network without.
            raise PeerUnavailable("no_route", for_operator="no route is for this IMSI")
        # Whoever waits does so until the deadline: by then it is to be known who was late.
        deadline -= min((deadline - self._clock.monotonic()) / 10, _LAST_WORDS_S)
        names, hedge = route.sources, route.hedge
        if request.resync is not None:
            # It is its sequence number that the SIM refused, and no other source's.
            hedge = 0.0
            if giver := self._givers.pop(request.resync.rand, ""):
                names = (giver, *(name for name in names if name != giver))
        failures: list[EcsError] = []
        asked = False
        self._budget.earn()
        if hedge:
            self._hedges.earn()
        left = names
        while left and not (asked and not self._budget.spend()):
            told = await self._ask(left, request, deadline, hedge, trail)
            for name, outcome in told:
                if isinstance(outcome, AuthVector):
                    if name != route.sources[0]:
                        self._give(outcome, name)
                        trail.vector_source = name
                    return outcome
                if isinstance(outcome, UnknownIdentity) and failures:
                    # One that was passed over may know the SIM: a phone that were refused now
                    # would lose what it has.
                    raise self._none(failures, names)
                if not cannot(outcome):
                    raise outcome
                failures.append(outcome)
                asked = asked or outcome.reason not in NOT_ASKED
            left = left[len(told) :]
            if len(told) > 1:
                hedge = 0.0
        raise self._none(failures, names)

    async def _ask(
        self,
        names: Sequence[str],
        request: VectorRequest,
        deadline: float,
        hedge: float,
        trail: Trail,
    ) -> list[tuple[str, Outcome]]:
        """Ask the first of the sources, and perhaps the second; return what those say that count.

        Each has an even share of the time that is left for all.
        """
        now = self._clock.monotonic()
        share = (deadline - now) / len(names)
        timed = bool(hedge)
        first = self._outcome(names[0], request, now + share, timed=timed)
        slow = self._times[names[0]].percentile(hedge) if timed and len(names) > 1 else None
        if slow is None or slow >= share:
            return [(names[0], await first)]
        sent = False

        def second() -> Asking | None:
            nonlocal sent
            name, now = names[1], self._clock.monotonic()
            if not self._sources[name].takes_more:
                return None
            if not self._hedges.spend():
                self._watcher.hedged(name, HedgeResult.OVER_BUDGET)
                return None
            sent, trail.hedged_to = True, name
            until = now + (deadline - now) / (len(names) - 1)
            return self._outcome(name, request, until, timed=timed)

        told = await hedged(first, second, after=slow)
        if sent:
            self._watcher.hedged(names[1], _result_of(*told))
        return [(name, each) for name, each in zip(names, told, strict=False) if each is not None]

    async def _outcome(
        self, name: str, request: VectorRequest, deadline: float, *, timed: bool
    ) -> Outcome:
        began = self._clock.monotonic()
        outcome: Outcome
        try:
            outcome = await self._sources[name].fetch(request, deadline=deadline)
        except EcsError as error:
            outcome = error
        if timed and not cannot(outcome):
            self._times[name].add(self._clock.monotonic() - began)
        return outcome

    def _give(self, vector: AuthVector, name: str) -> None:
        """Remember who gave a vector."""
        self._givers[vector.rand] = name
        if len(self._givers) > _MOST_GIVERS:
            del self._givers[next(iter(self._givers))]

    def _none(self, failures: Sequence[EcsError], names: Sequence[str]) -> EcsError:
        """Return the error that says what became of all, and when to come back.

        The longer they have been away, the later: then as long again, more or less, is a good
        guess. As soon as one of them is not, nothing is known, and the usual time is told.
        """
        told = next((each for each in reversed(failures) if each.reason not in NOT_ASKED), None)
        told = told or failures[-1]
        away = min(self._sources[name].away_s() for name in names)
        wait = min(self._rules.first_retry_s + away, self._rules.longest_retry_s)
        return type(told)(
            told.reason,
            for_operator="; ".join(each.for_operator or each.reason for each in failures),
            retry_after=round(wait) if away else told.retry_after,
        )


def _result_of(first: Outcome | None, second: Outcome | None) -> HedgeResult:
    if first is not None and not cannot(first):
        return HedgeResult.LOST
    return HedgeResult.WON if isinstance(second, AuthVector) else HedgeResult.FAILED
