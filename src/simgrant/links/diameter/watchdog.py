"""Whether a connection is still good, found out by asking (RFC 3539 §3.4.1).

It is told the time and the chance, and says what to do. Two things differ from the letter. In
doubt, the three questions follow each other closely: who asks every half minute has no service for
two. And one that is not answered there ends the connection, where the letter waits once more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from simgrant.nouns import Word, named_noun

_PROOFS: Final = 3
"""Answers after which a connection made anew is as good as any."""
_JITTER_S: Final = 2.0


@named_noun
class WatchdogRules:
    """How often is asked."""

    tw_s: float = 30.0
    """Seconds of silence after which the peer is asked; more or less by two, or by a third."""
    doubt_s: float = 1.0
    """Seconds between questions in doubt."""


class Health(Word):
    """How good a connection is."""

    OKAY = "okay"
    SUSPECT = "suspect"
    """It owes an answer for too long: others are asked first."""
    DOUBTFUL = "doubtful"
    """Made anew after it was lost, and not proved yet (REOPEN): likewise."""


class Act(Word):
    """What is to be done now."""

    NOTHING = "nothing"
    ASK = "ask"
    CLOSE = "close"


class Watchdog:
    """The watchdog of one connection, from the moment it is open."""

    def __init__(
        self, rules: WatchdogRules, *, doubtful: bool, now: float, chance: Callable[[], float]
    ) -> None:
        self._rules = rules
        self._chance = chance
        self._owed = False
        self._proofs = 0
        self._heard = now
        self.health = Health.DOUBTFUL if doubtful else Health.OKAY
        self.due = now if doubtful else now + self._tw()
        """When to call ``tick``."""

    def heard(self, now: float) -> bool:
        """Count a message of whatever kind; say whether the health changed."""
        self._heard = now
        if self.health is not Health.SUSPECT:
            return False
        self.health = Health.OKAY
        return True

    def answered(self, now: float) -> bool:
        """Count an answer to our question; say whether the health changed."""
        changed = self.heard(now)
        self._owed = False
        if self.health is Health.DOUBTFUL:
            self._proofs += 1
            if self._proofs >= _PROOFS:
                self.health = Health.OKAY
                changed = True
            else:
                self.due = now + self._rules.doubt_s
        if changed:
            self.due = now + self._tw()
        return changed

    def tick(self, now: float) -> Act:
        """Say what to do now that the time has come; ``due`` and ``health`` are new after it."""
        if self.health is Health.DOUBTFUL:
            if self._owed:
                return Act.CLOSE
            return self._ask(now)
        if now < self._heard + self._rules.tw_s * 2 / 3:
            # Something came meanwhile: it is as good as an answer.
            self.due = self._heard + self._tw()
            return Act.NOTHING
        if self.health is Health.SUSPECT:
            return Act.CLOSE
        if self._owed:
            self.health = Health.SUSPECT
            self.due = now + self._tw()
            return Act.NOTHING
        return self._ask(now)

    def _ask(self, now: float) -> Act:
        self._owed = True
        self.due = now + self._tw()
        return Act.ASK

    def _tw(self) -> float:
        jitter = min(_JITTER_S, self._rules.tw_s / 3)
        return self._rules.tw_s + jitter * (2 * self._chance() - 1)
