"""Which source of vectors is asked, and which one after it where it cannot answer.

A source that says no has answered: nobody else is asked. Only one that is unavailable, late or
talks nonsense is passed over, so that a SIM that the first HSS has barred is not served by the
second. And one that does not know a SIM speaks for itself alone, not for those that were passed
over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from simgrant.domain.route import Routes
from simgrant.eap.vector import AuthVector
from simgrant.errors import EcsError, PeerMisbehaved, PeerUnavailable, UnknownIdentity
from simgrant.nouns import named_noun
from simgrant.ports.clock import Clock
from simgrant.ports.vectors import NOT_ASKED, VectorRequest, Vectors

_LAST_WORDS_S: Final = 0.05
_MOST_GIVERS: Final = 10_000


class Source(Vectors, Protocol):
    """A source of vectors that knows how long it has been away."""

    def away_s(self) -> float:
        """Return seconds for which it has been away; 0 = it is not."""


class Budget(Protocol):
    """How many requests may be sent a second time, to another source."""

    def earn(self) -> None:
        """Count a request that was sent for the first time."""

    def spend(self) -> bool:
        """Take one repetition; False if there is none left."""


@named_noun
class Rules:
    """When phones are told to come back."""

    first_retry_s: int = 15
    """Seconds, where the sources have only just gone away."""
    longest_retry_s: int = 900


class VectorSources:
    """The sources of a SIM's route, one after the other (the ``Vectors`` port)."""

    def __init__(
        self,
        routes: Routes,
        sources: Mapping[str, Source],
        *,
        clock: Clock,
        budget: Budget,
        rules: Rules | None = None,
    ) -> None:
        self._routes = routes
        self._sources = sources
        self._clock = clock
        self._budget = budget
        self._rules = rules or Rules()
        self._givers: dict[bytes, str] = {}
        """By RAND the source of each vector that is not of the first of its route, oldest first.
        Another worker has none of it, and asks in the usual order."""

    async def fetch(self, request: VectorRequest, *, deadline: float) -> AuthVector:
        """Return one vector by ``deadline`` (see the port), of the first source that has one."""
        names = self._routes.of(request.tenant, request.imsi)
        if not names:
            # The settings are refused that leave a tenant's network without.
            raise PeerUnavailable("no_route", for_operator="no route is for this IMSI")
        # Whoever waits does so until the deadline: by then it is to be known who was late.
        deadline -= min((deadline - self._clock.monotonic()) / 10, _LAST_WORDS_S)
        if request.resync is not None and (giver := self._givers.pop(request.resync.rand, "")):
            # It is its sequence number that the SIM refused.
            names = (giver, *(name for name in names if name != giver))
        failures: list[EcsError] = []
        asked = False
        self._budget.earn()
        for place, name in enumerate(names):
            if asked and not self._budget.spend():
                break
            now = self._clock.monotonic()
            share = (deadline - now) / (len(names) - place)
            try:
                vector = await self._sources[name].fetch(request, deadline=now + share)
            except (PeerUnavailable, PeerMisbehaved) as error:
                failures.append(error)
                asked = asked or error.reason not in NOT_ASKED
                continue
            except UnknownIdentity:
                if not failures:
                    raise
                # One that was passed over may know the SIM: a phone that were refused now would
                # lose what it has.
                break
            if name != names[0]:
                self._givers[vector.rand] = name
                if len(self._givers) > _MOST_GIVERS:
                    del self._givers[next(iter(self._givers))]
            return vector
        raise self._none(failures, [self._sources[name] for name in names])

    def _none(self, failures: Sequence[EcsError], sources: Sequence[Source]) -> EcsError:
        """Return the error that says what became of all, and when to come back.

        The longer they have been away, the later: then as long again, more or less, is a good
        guess. As soon as one of them is not, nothing is known, and the usual time is told.
        """
        told = next((each for each in reversed(failures) if each.reason not in NOT_ASKED), None)
        told = told or failures[-1]
        away = min(source.away_s() for source in sources)
        wait = min(self._rules.first_retry_s + away, self._rules.longest_retry_s)
        return type(told)(
            told.reason,
            for_operator="; ".join(each.for_operator or each.reason for each in failures),
            retry_after=round(wait) if away else told.retry_after,
        )
