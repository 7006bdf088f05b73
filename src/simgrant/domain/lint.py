"""What a policy that can be read is probably not meant to say.

Rules that nothing ever reaches, rules that contradict each other, conditions that never or always
hold, names that nobody uses. What it says is so: where it cannot be sure it says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache

from simgrant.domain.conditions import Computed, Condition, conditions_of
from simgrant.domain.implication import (
    Formula,
    all_of,
    formula,
    names_feature,
    not_all_of,
    possible,
)
from simgrant.domain.policy import FEATURES, Policy
from simgrant.domain.problems import shown
from simgrant.domain.rule import Result, Rule
from simgrant.domain.rule_reading import named_in
from simgrant.nouns import Word, noun

OTHER = ""
"""Stands for the features of services from outside, which general rules are about too."""

_NAMED = ("texts", "countries", "networks", "boosts", "satellite", "schedules", "rollouts")
"""The tables whose entries are of use only where another part of the policy names them."""


class Severity(Word):
    """How likely it is a mistake."""

    WARNING = "warning"
    """The policy does not do what it says."""
    NOTE = "note"
    """Something in it is of no use."""


@noun
class Finding:
    """Something that was probably not meant."""

    severity: Severity
    where: str
    """``rule "suspended"``, ``texts`` …, as in mistakes of a policy."""
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def lint(policy: Policy, data: Mapping[str, object]) -> tuple[Finding, ...]:
    """Return what is odd about a policy; ``data`` is what it was made of.

    Rules come first, in their order. It takes a second for 200 rules, some seconds for 500.
    """
    rules = _Rules(policy)
    return (
        *rules.findings(),
        *_never_allowed(policy, rules),
        *_unused_features(policy),
        *_unused_names(data),
    )


class _Rules:
    """Which rules are reached for which features, and what is odd about the others."""

    def __init__(self, policy: Policy) -> None:
        self.rules = policy.rules
        self._every = (OTHER, *sorted(policy.features))
        self._formulas: dict[tuple[str, str, bool], Formula] = {}
        self._alike = {
            rule.id: not any(map(names_feature, rule.conditions)) for rule in policy.rules
        }
        """Whether a rule's conditions say the same whatever the feature is."""
        self.is_reached = cache(self._is_reached)

    def about(self, rule: Rule) -> tuple[str, ...]:
        """Return the features that a rule is about."""
        return self._every if rule.features is None else tuple(sorted(rule.features))

    def _holds(self, rule: Rule, feature: str) -> Formula:
        return self._formula(rule, feature, holds=True)

    def _fails(self, rule: Rule, feature: str) -> Formula:
        return self._formula(rule, feature, holds=False)

    def _formula(self, rule: Rule, feature: str, *, holds: bool) -> Formula:
        key = rule.id, OTHER if self._alike[rule.id] else feature, holds
        found = self._formulas.get(key)
        if found is None:
            made = all_of if holds else not_all_of
            found = self._formulas[key] = made(rule.conditions, feature)
        return found

    def findings(self) -> Iterator[Finding]:
        """Yield what is odd, rule by rule."""
        for number, rule in enumerate(self.rules):
            listed = self.about(rule)
            if self._alike[rule.id]:
                about = listed if possible([self._holds(rule, OTHER)]) else ()
            else:
                about = tuple(each for each in listed if possible([self._holds(rule, each)]))
            if not about:
                yield _warning(rule, f"can never hold: {rule.when}")
                continue
            for part in conditions_of(rule.conditions):
                yield from _odd(rule, part, listed)
            if rule.features is None and any(self.is_reached(number, each) for each in about):
                continue  # That special rules come before a general one is what they are for.
            missed = [each for each in about if not self.is_reached(number, each)]
            if missed:
                yield self._missed(number, missed, all_of_them=len(missed) == len(about))

    def _is_reached(self, number: int, feature: str) -> bool:
        """Say whether there may be facts for which a rule decides about a feature."""
        before = [self._fails(rule, feature) for rule in self._before(number, feature)]
        return possible([self._holds(self.rules[number], feature), *before])

    def _before(self, number: int, feature: str) -> list[Rule]:
        return [
            rule
            for rule in self.rules[:number]
            if rule.features is None or feature in rule.features
        ]

    def _missed(self, number: int, missed: list[str], *, all_of_them: bool) -> Finding:
        rule = self.rules[number]
        where = "" if all_of_them else f" for {', '.join(missed)}"
        blame = [self._decides_before(number, each) for each in missed]
        earlier = blame[0]
        if earlier is None or any(each is not earlier for each in blame):
            said = "the rules before it decide in every case"
            return _warning(rule, f"can never be reached{where}: {said}")
        same = all(
            not possible([self._holds(earlier, each), self._fails(rule, each)]) for each in missed
        )
        if same and earlier.result is not rule.result:
            said = f'which has the same conditions and says "{earlier.result}"'
            return _warning(rule, f'contradicts rule "{earlier.id}"{where}, {said}')
        return _warning(rule, f'can never be reached{where}: rule "{earlier.id}" decides before it')

    def _decides_before(self, number: int, feature: str) -> Rule | None:
        """Return the one rule because of which another is never reached, if it is one."""
        conditions = self.rules[number].conditions
        for earlier in self._before(number, feature):
            if not possible([all_of(conditions, feature), not_all_of(earlier.conditions, feature)]):
                return earlier
        return None


def _odd(rule: Rule, part: Condition, about: Iterable[str]) -> Iterator[Finding]:
    if isinstance(part, Computed) and part.fault:
        yield _warning(rule, f"an expression fails whenever it is asked: {part.fault}")
    if not any(possible([formula(part, each, holds=False)]) for each in about):
        yield _warning(rule, f"a condition always holds: {part.text}")
    elif not any(possible([formula(part, each)]) for each in about):
        yield _warning(rule, f"a condition can never hold: {part.text}")


def _never_allowed(policy: Policy, rules: _Rules) -> Iterator[Finding]:
    """Yield what plans have and no rule allows to anybody; options that rules look at are none."""
    options = named_in(policy.rules, "features")
    planned = frozenset(f for plan in policy.plans.values() for f in plan.features)
    for feature in sorted(planned - options):
        if not any(
            rule.result is not Result.DENIED
            and (rule.features is None or feature in rule.features)
            and rules.is_reached(number, feature)
            for number, rule in enumerate(rules.rules)
        ):
            said = f'no rule ever allows "{feature}", which plans have'
            yield Finding(Severity.WARNING, "features", said)


def _unused_features(policy: Policy) -> Iterator[Finding]:
    """Yield what the policy declares and no rule names."""
    named = frozenset(f for rule in policy.rules for f in rule.features or ())
    looked_at = named_in(policy.rules, "features") | named_in(policy.rules, "feature")
    for feature in sorted(policy.features.keys() - FEATURES.keys() - named - looked_at):
        if not feature.startswith("boost_"):
            yield Finding(Severity.NOTE, "features", f'no rule looks at "{feature}"')


def _unused_names(data: Mapping[str, object]) -> Iterator[Finding]:
    """Yield entries of tables that nothing refers to by their names."""
    for table in _NAMED:
        entries = data.get(table)
        if not isinstance(entries, Mapping):
            continue
        elsewhere = frozenset(_words({key: each for key, each in data.items() if key != table}))
        for name in entries:
            if name not in elsewhere:
                yield Finding(Severity.NOTE, table, f"nothing refers to {shown(name)}")


def _words(data: object) -> Iterator[str]:
    """Yield every text and every key; what was read is nested no deeper than it was allowed."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, Mapping):
        for key, each in data.items():
            if isinstance(key, str):
                yield key
            yield from _words(each)
    elif isinstance(data, list):
        for each in data:
            yield from _words(each)


def _warning(rule: Rule, what: str) -> Finding:
    return Finding(Severity.WARNING, f'rule "{rule.id}"', what)
