"""Which rule decides: found by what each subject is, and not by trying rule after rule.

Rules are taken apart into rows: comparisons of which all must hold, one row for each way in which
the rule can. For each subject that conditions compare there is a column: for what the subject is,
the rows that it leaves possible, as the bits of a number; it is made when something is seen for the
first time. The first row that all columns leave is of the rule that decides, but for expressions,
which are asked then. So a decision costs as much as there are subjects, however many rules there
are, and says the same as trying them one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from simgrant.domain.conditions import (
    Comparison,
    Condition,
    Group,
    Read,
    Test,
    conjunction,
    has_expression,
)
from simgrant.domain.expressions import ExpressionFailed
from simgrant.domain.facts import Facts, Question
from simgrant.domain.rule import Rule

MOST_SEEN = 1_024
"""What a column remembers, before it begins anew."""
MOST_ROWS = 32
"""Of one rule; what would make more of them is asked as it stands."""
MOST_LETTERS = 64
"""Of a text that it remembers; devices may say longer ones of themselves."""

NONE = -1


class RuleFailed(Exception):
    """An expression failed for which a rule waited; ``number`` is its place."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(number)


@dataclass(slots=True)
class _Column:
    """What comparisons with one subject leave possible."""

    read: Read
    fits: list[tuple[int, Callable[[Any], bool]]] = field(default_factory=list)
    """For each comparison all rows but its own, and whether it holds."""
    seen: dict[Any, int] = field(default_factory=dict)

    def of(self, value: Any) -> int:
        """Return the rows that a value leaves possible, which it was not asked for lately."""
        left = -1
        for without, fits in self.fits:
            if not fits(value):
                left &= without
        if not isinstance(value, str) or len(value) <= MOST_LETTERS:
            if len(self.seen) >= MOST_SEEN:
                self.seen.clear()
            self.seen[value] = left
        return left


@dataclass(frozen=True, slots=True)
class _About:
    """The rows of rules about a feature, and the columns that they need."""

    rows: int
    columns: tuple[tuple[Read, dict[Any, int], Callable[[Any], int]], ...]


class RuleIndex:
    """Finds the first rule whose conditions all hold."""

    __slots__ = ("_about", "_general", "_rows")

    def __init__(self, rules: tuple[Rule, ...], features: Iterable[str]) -> None:
        """Prepare for questions about these features; for any others, general rules are asked."""
        columns: dict[str, _Column] = {}
        subjects: list[frozenset[str]] = []
        self._rows: list[tuple[int, Test | None]] = []
        """The rule of each row, and what is asked if all its comparisons hold."""
        for number, rule in enumerate(rules):
            for row in _rows(rule.conditions):
                without = ~(1 << len(self._rows))
                compared = [part for part in row if isinstance(part, Comparison)]
                for part in compared:
                    column = columns.setdefault(part.subject.name, _Column(part.subject.read))
                    column.fits.append((without, part.fits))
                rest = tuple(part for part in row if not isinstance(part, Comparison))
                self._rows.append((number, conjunction(rest) if rest else None))
                subjects.append(frozenset(part.subject.name for part in compared))

        def about(feature: str | None) -> _About:
            places = [
                place
                for place, (number, _) in enumerate(self._rows)
                if rules[number].features is None or feature in (rules[number].features or ())
            ]
            needed = frozenset(name for place in places for name in subjects[place])
            used = (column for name, column in columns.items() if name in needed)
            return _About(
                sum(1 << place for place in places),
                tuple((column.read, column.seen, column.of) for column in used),
            )

        self._general = about(None)
        self._about = {feature: about(feature) for feature in features}

    def first(self, facts: Facts, question: Question) -> int:
        """Return the place of the rule that decides, or `NONE`; raise RuleFailed."""
        about = self._about.get(question.feature, self._general)
        left = about.rows
        for read, seen, of in about.columns:
            value = read(facts, question)
            known = seen.get(value)
            left &= of(value) if known is None else known
        while left:
            number, rest = self._rows[(left & -left).bit_length() - 1]
            try:
                if rest is None or rest(facts, question):
                    return number
            except ExpressionFailed:
                raise RuleFailed(number) from None
            left &= left - 1
        return NONE


def _rows(conditions: Sequence[Condition]) -> list[tuple[Condition, ...]]:
    """Return the ways in which all of these can hold; of a large group, the group itself."""
    rows: list[tuple[Condition, ...]] = [()]
    for part in conditions:
        ways = _ways(part)
        if len(rows) * len(ways) > MOST_ROWS:
            ways = [(part,)]
        rows = [(*row, *way) for row in rows for way in ways]
    return rows


def _ways(part: Condition) -> list[tuple[Condition, ...]]:
    if not isinstance(part, Group) or has_expression(part):
        return [(part,)]
    if part.every:
        return _rows(part.parts)
    return [way for each in part.parts for way in _ways(each)]
