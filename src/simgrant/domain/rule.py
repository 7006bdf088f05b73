"""One rule of a policy, what it decides, and what became of it when it was tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from simgrant.domain.allowance import NOTHING_MORE, Allowance
from simgrant.domain.conditions import Condition, Failure
from simgrant.domain.facts import Question
from simgrant.nouns import Word, noun


class Result(Word):
    """What a rule says of a feature."""

    ALLOWED = "allowed"
    DENIED = "denied"
    PENDING = "pending"
    """Allowed, but still being set up in the network."""
    STEP_UP = "step_up"
    """Not by the SIM alone: a person has to sign in. Who did is asked the rules after it."""


OF_SERVICES: Final = (Result.ALLOWED, Result.DENIED, Result.PENDING)
"""What rules say of features that are no eSIMs: who asks for those is not sent to sign in."""


@noun
class Decision:
    """The answer to one question, and why."""

    question: Question
    result: Result
    reason: str
    """Stable code in snake_case, for records and metrics."""
    rule: str
    """Id of the rule that fired; empty when none did."""
    policy_version: str
    texts: Mapping[str, str]
    """Text for the subscriber by BCP 47 language; empty where the rule has none."""
    allowance: Allowance = NOTHING_MORE
    """What is allowed otherwise than the plan and ``[own]`` have it."""


@noun
class RuleTrace:
    """What became of one rule: it decided, or this is the condition that failed."""

    rule: str
    """Id of the rule; empty for the end of the list, where no rule held."""
    when: str
    """Its conditions in one line."""
    result: Result
    reason: str
    failed: Failure | None
    """The first condition that did not hold; None for the rule that decided."""
    care: str = ""
    """What the rule says to whoever helps the subscriber; empty = nothing."""
    allowance: Allowance = NOTHING_MORE
    error: str = ""
    """Why an expression of it failed, which made the decision a denial; empty = none did."""

    @property
    def held(self) -> bool:
        """Whether this rule decided."""
        return self.failed is None


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One compiled rule."""

    id: str
    features: frozenset[str] | None
    """The features it is about; None = all."""
    conditions: tuple[Condition, ...]
    """All must hold; none = always. Those with expressions come last."""
    result: Result
    reason: str
    texts: Mapping[str, str]
    care: str = ""
    """What whoever helps the subscriber should know; for people of the operator's alone."""
    allowance: Allowance = NOTHING_MORE

    @property
    def when(self) -> str:
        """Its conditions in one line, for people."""
        return " and ".join(part.text for part in self.conditions) or "always"
