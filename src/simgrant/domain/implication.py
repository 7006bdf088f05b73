"""Whether conditions can hold together, for whatever facts: what `lint` is built on.

Conditions become formulas over regions of what each subject may be, and a search looks for one
choice of regions in which all of them hold. Where it says "no", there are no such facts; where it
does not come to an end within its bounds, or two subjects hang together in a way that it knows
nothing of, it says "perhaps". So nobody is warned of what is none.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple, TypeAlias

from simgrant.domain.conditions import Comparison, Computed, Condition, domain_of

_MOST_STEPS = 20_000
_OF_FEATURE = ("feature", "in_plan")
_FOREVER: Final = 1 << 62


class Values(NamedTuple):
    """Some values of a closed or open set."""

    only: frozenset[Any] | None
    """None = any that is not excluded."""
    excluded: frozenset[Any] = frozenset()
    begins: tuple[str, ...] | None = None
    """It begins with one of these; None = with anything."""
    begins_not: tuple[str, ...] = ()

    def meet(self, other: Values) -> Values | None:
        """Return what is in both; None for nothing."""
        if self.only is not None and other.only is not None:
            both = self.only & other.only  # Neither says more: see below.
            return Values(both) if both else None
        begins = _both(self.begins, other.begins)
        begins_not = (*self.begins_not, *other.begins_not)
        excluded = self.excluded | other.excluded
        if self.only is None and other.only is None:
            if begins is not None:
                begins = tuple(each for each in begins if not each.startswith(begins_not))
                if not begins:
                    return None
            return Values(None, excluded, begins, begins_not)
        only = frozenset(
            each
            for each in (self.only or other.only or frozenset()) - excluded
            if (begins is None or each.startswith(begins))
            and not (begins_not and each.startswith(begins_not))
        )
        return Values(only) if only else None


class Span(NamedTuple):
    """Whole numbers from ``low`` to before ``high``."""

    low: int
    high: int

    def meet(self, other: Span) -> Span | None:
        """Return what is in both; None for nothing."""
        low, high = max(self.low, other.low), min(self.high, other.high)
        return Span(low, high) if low < high else None


Region: TypeAlias = Values | Span


class Atom(NamedTuple):
    """Something is in a region; else it is in the opposite one. There is something in both."""

    about: tuple[str, object]
    region: Region
    opposite: Region

    def negated(self) -> Atom:
        """Return the contrary."""
        return Atom(self.about, self.opposite, self.region)


class Both(NamedTuple):
    """All of these."""

    parts: tuple[Formula, ...]


class Either(NamedTuple):
    """One of these; of none, nothing holds."""

    parts: tuple[Formula, ...]


Formula: TypeAlias = Atom | Both | Either
ALWAYS = Both(())
NEVER = Either(())
_State: TypeAlias = dict[tuple[str, object], Region]


def formula(part: Condition, feature: str, *, holds: bool = True) -> Formula:
    """Return a condition, or its contrary, as it stands in a question about a feature."""
    if isinstance(part, Comparison):
        atom = _atom(part, feature)
        if isinstance(atom, bool):
            return ALWAYS if atom is holds else NEVER
        return atom if holds else atom.negated()
    if isinstance(part, Computed):
        atom = _truth(("expr", part.expression), yes=True)
        return atom if holds else atom.negated()
    parts = tuple(formula(each, feature, holds=holds) for each in part.parts)
    return Both(parts) if part.every is holds else Either(parts)


def names_feature(part: Condition) -> bool:
    """Say whether it depends on the feature in question what a condition says."""
    if isinstance(part, Comparison):
        return part.subject.name in _OF_FEATURE
    if isinstance(part, Computed):
        return any(subject.name in _OF_FEATURE for subject in part.subjects)
    return any(map(names_feature, part.parts))


def all_of(parts: Iterable[Condition], feature: str) -> Formula:
    """Return that all conditions of a rule hold."""
    return Both(tuple(formula(part, feature) for part in parts))


def not_all_of(parts: Iterable[Condition], feature: str) -> Formula:
    """Return that one of the conditions of a rule does not hold."""
    return Either(tuple(formula(part, feature, holds=False) for part in parts))


def possible(formulas: Iterable[Formula]) -> bool:
    """Return False if there are no facts for which all of these hold; else True."""
    # What is taken from the end settles the rest: the first of the formulas.
    stack: list[tuple[_State, list[Formula]]] = [({}, [*formulas][::-1])]
    steps = 0
    while stack:
        state, todo = stack.pop()
        choices = _settled(state, todo)
        steps += 1 + len(todo)
        if choices is None:
            continue
        if not choices or steps > _MOST_STEPS:
            return True
        choices.sort(key=lambda each: len(each.parts), reverse=True)
        first = choices.pop()
        for part in reversed(first.parts):
            stack.append((dict(state), [*choices, part]))
    return False


def _settled(state: _State, todo: list[Formula]) -> list[Either] | None:
    """Put what is certain into ``state``; return the choices that are left, None if it is lost."""
    choices: list[Either] = []
    todo = list(todo)
    while todo:
        each = todo.pop()
        if isinstance(each, Atom):
            there = state.get(each.about)
            met = each.region if there is None else _meet(there, each.region)
            if met is None:
                return None
            if met != there:
                state[each.about] = met
                # What is known now may settle a choice.
                todo, choices = [*choices, *todo], []
        elif isinstance(each, Both):
            todo.extend(each.parts)
        else:
            left = _left(state, each)
            if left is None:
                continue
            if not left:
                return None
            if len(left) == 1:
                todo.append(left[0])
            else:
                choices.append(Either(left))
    return choices


def _left(state: _State, choice: Either) -> tuple[Formula, ...] | None:
    """Return the parts of a choice that are still open; None where one of them holds anyway."""
    left: list[Formula] = []
    for part in choice.parts:
        if isinstance(part, Atom):
            there = state.get(part.about)
            if there is None:
                left.append(part)
            elif _meet(there, part.opposite) is None:
                return None
            elif _meet(there, part.region) is not None:
                left.append(part)
        elif isinstance(part, Both) and not part.parts:
            return None
        elif isinstance(part, Either):
            inner = _left(state, part)
            if inner is None:
                return None
            left.extend(inner)
        else:
            left.append(part)
    return tuple(left)


def _meet(one: Region, other: Region) -> Region | None:
    if isinstance(one, Span) and isinstance(other, Span):
        return one.meet(other)
    if isinstance(one, Values) and isinstance(other, Values):
        return one.meet(other)
    raise TypeError("one subject is compared as a number and as a word")


def _both(one: tuple[str, ...] | None, other: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if one is None or other is None:
        return other if one is None else one
    longer = [a if a.startswith(b) else b for a in one for b in other if _overlap(a, b)]
    return tuple(dict.fromkeys(longer))


def _overlap(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def _atom(part: Comparison, feature: str) -> Atom | bool:
    """Return what a comparison says; a bool where that is certain for this feature."""
    subject, operands = part.subject, frozenset(part.operands)
    if subject.name == "feature":
        return (feature in operands) is (part.operator in ("is", "in"))
    if subject.name == "in_plan":
        return _truth(("features", feature), yes=part.operands[0])
    match part.operator:
        case "has" | "lacks":
            return _truth((subject.name, part.operands[0]), yes=part.operator == "has")
        case "under" | "at_least":
            (bound,) = part.operands
            below, above = Span(0, bound), Span(bound, _FOREVER)
            atom = Atom((subject.name, None), below, above)
            return atom if part.operator == "under" else atom.negated()
        case "starts_with":
            prefixes = part.operands
            return Atom(
                (subject.name, None),
                Values(None, begins=prefixes),
                Values(None, begins_not=prefixes),
            )
        case _:
            positive = part.operator in ("is", "in")
            domain = domain_of(subject)
            if domain is not None and operands >= domain:
                return positive
            rest = Values(None, operands) if domain is None else Values(domain - operands)
            atom = Atom((subject.name, None), Values(operands), rest)
            return atom if positive else atom.negated()


def _truth(about: tuple[str, object], *, yes: bool) -> Atom:
    return Atom(about, Values(frozenset((yes,))), Values(frozenset((not yes,))))
