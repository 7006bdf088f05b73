"""Reads the rules of a policy; mistakes are noted and reading goes on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from simgrant.domain.allowance import NOTHING_MORE, Allowance, Allowances
from simgrant.domain.conditions import (
    Condition,
    Names,
    Subject,
    comparisons_of,
    compile_during,
    compile_when,
    has_expression,
    nobody_signed_in,
    subjects,
    subjects_of,
)
from simgrant.domain.expressions import Expressions
from simgrant.domain.facts import ACTIVATION
from simgrant.domain.problems import did_you_mean, shown
from simgrant.domain.reading import Reader
from simgrant.domain.rule import Result, Rule

ESIM_FEATURES = frozenset({"companion", "esim"})
"""The features that are about who gets an eSIM."""

_MOST_RULES = 500
_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_RULE = ("id", "features", "during", "when", "result", "with", "reason", "text", "care")


class Rules:
    """Reads a list of rules against the names and texts of their policy."""

    def __init__(
        self,
        reader: Reader,
        names: Names,
        texts: Mapping[str, Mapping[str, str]],
        allowances: Allowances,
        expressions: Expressions | None,
    ) -> None:
        self._read = reader
        self._say = reader.say
        self._names = names
        self._features = names.features
        self._known: Mapping[str, Subject] = subjects(names)
        self._texts = texts
        self._allowances = allowances
        self._expressions = expressions

    def rules(self, given: object) -> tuple[Rule, ...]:
        """Return the rules in their order."""
        if not isinstance(given, list):
            self._say("", "rule", f"must be a list of tables ([[rule]]), not {shown(given)}")
            return ()
        if not given:
            self._say("", "rule", "is missing: without a rule everything is denied")
        if len(given) > _MOST_RULES:
            self._say("", "rule", f"has more than {_MOST_RULES} entries")
        found: list[Rule] = []
        written: list[object] = []
        for number, entry in enumerate(given[:_MOST_RULES], 1):
            body = self._read.table(entry, f"rule {number}", "", known=_RULE)
            rule_id = body.get("id")
            if not isinstance(rule_id, str) or not _ID.fullmatch(rule_id):
                self._say(f"rule {number}", "id", _wrong_id(rule_id))
                rule_id = str(number)
            if any(rule.id == rule_id for rule in found):
                self._say(f'rule "{rule_id}"', "id", "is used by an earlier rule too")
            found.append(self._rule(rule_id, body, f'rule "{rule_id}"'))
            written.append((body.get("during"), body.get("when", {})))
        if not self._read.problems.found:
            self._refuse_unreachable(found, written)
        return tuple(found)

    def _rule(self, rule_id: str, body: Mapping[str, object], where: str) -> Rule:
        problems = self._read.problems
        conditions = compile_when(
            body.get("when", {}),
            self._known,
            problems,
            where=where,
            expressions=self._expressions,
        )
        if "during" in body:
            during = compile_during(body["during"], self._names, problems, where=where)
            conditions = (*during, *conditions)
        features = None
        if "features" in body:
            features = self._read.among(
                body["features"], where, "features", self._features, what="features", least=1
            )
        result = self._result(body.get("result"), where)
        if result is Result.STEP_UP:
            conditions = (*conditions, nobody_signed_in(self._known))
        # An expression is asked, and can fail, only where all else holds.
        conditions = tuple(sorted(conditions, key=has_expression))
        self._refuse_elsewhere(features, conditions, where)
        return Rule(
            rule_id,
            features,
            conditions,
            result,
            self._reason(body.get("reason", rule_id.replace("-", "_")), where),
            self._read.said(body.get("text", {}), where, "text", self._texts),
            self._read.note(body["care"], where, "care") if "care" in body else "",
            self._allowance(body, where, result, features),
        )

    def _allowance(
        self,
        body: Mapping[str, object],
        where: str,
        result: Result,
        features: frozenset[str] | None,
    ) -> Allowance:
        if "with" not in body:
            return NOTHING_MORE
        if result is not Result.ALLOWED:
            self._say(where, "with", f'is of no use with result = "{result}"')
        return self._allowances.read(body["with"], where, features)

    def _refuse_elsewhere(
        self, features: frozenset[str] | None, conditions: tuple[Condition, ...], where: str
    ) -> None:
        """Note facts that nobody gathers for what the rule is about."""
        if features is not None and features <= ESIM_FEATURES:
            return
        asked = {subject.name for part in conditions for subject in subjects_of(part)}
        for name in sorted(asked & ACTIVATION):
            listed = ", ".join(f'"{each}"' for each in sorted(ESIM_FEATURES))
            self._say(where, "when", f"only rules with features = [{listed}] may ask for {name}")

    def _refuse_unreachable(self, rules: list[Rule], written: list[object]) -> None:
        """Note the rules that can never decide because an earlier one always does.

        Only those of which it can be seen at once; `lint` finds the others.
        """
        every = frozenset(self._features)
        for number, rule in enumerate(rules):
            left = every if rule.features is None else rule.features
            for earlier, when in zip(rules[:number], written, strict=False):
                if earlier.result is Result.STEP_UP and rule.result is not Result.STEP_UP:
                    continue
                if not earlier.conditions or when == written[number]:
                    left -= every if earlier.features is None else earlier.features
                if not left:
                    reason = f'can never be reached: rule "{earlier.id}" decides before it'
                    self._say(f'rule "{rule.id}"', "", reason)
                    break

    def _result(self, given: object, where: str) -> Result:
        if given is None:
            self._say(where, "result", f"is missing; known: {', '.join(Result)}")
        elif not isinstance(given, str) or given not in tuple(Result):
            hint = did_you_mean(given, Result)
            self._say(where, "result", f"unknown value {shown(given)}{hint}")
        else:
            return Result(given)
        return Result.DENIED

    def _reason(self, given: object, where: str) -> str:
        if isinstance(given, str) and _ID.fullmatch(given) and "-" not in given:
            return given
        self._say(where, "reason", "must be letters, digits and _ in lower case, at most 64")
        return ""


def named_in(rules: Iterable[Rule], subject: str) -> frozenset[str]:
    """Return what conditions on a subject name."""
    return frozenset(
        operand
        for rule in rules
        for part in comparisons_of(rule.conditions)
        if part.subject.name == subject
        for operand in part.operands
    )


def _wrong_id(given: object) -> str:
    if given is None:
        return "is missing"
    return f"must be letters, digits, - and _ in lower case, at most 64, not {shown(given)}"
