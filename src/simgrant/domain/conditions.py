"""What a rule may ask of the facts: names, operators, and how they become closures.

Conditions are data, not code: they cannot loop, cannot fail and cost about a tenth of a
microsecond each; all but expressions, which are for what the others cannot say. An unknown fact is
the empty text, so that ``visited_plmn = ""`` says "nobody knows", and a negative condition
(``not``, ``not_in``) holds for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import field
from enum import Enum
from typing import Any, TypeAlias

from simgrant.domain.device_lists import Listing
from simgrant.domain.eligibility import Aspect
from simgrant.domain.expressions import (
    EXTRA,
    MOST_VALUE,
    BadExpression,
    Evaluate,
    ExpressionFailed,
    Expressions,
    constants_in,
    names_in,
)
from simgrant.domain.expressions import Kind as ValueKind
from simgrant.domain.facts import Area, Fact, Facts, Purchases, Question
from simgrant.domain.network_facts import Kind as NetworkKind
from simgrant.domain.network_facts import Registration
from simgrant.domain.order import Kind
from simgrant.domain.problems import Problems, did_you_mean, shown
from simgrant.domain.risk import SIGNED_IN, NumberType, Way
from simgrant.domain.subscription import ConsentStatus, SubscriptionStatus
from simgrant.nouns import noun
from simgrant.spec.ids import ProvStatus

MOST_CONDITIONS = 50
"""Conditions in one rule, all groups taken together."""
MOST_VALUES = 10_000
"""Values in one list; an operator's list of TACs is long."""
MOST_DEPTH = 4
"""Groups inside groups."""
MOST_TEXT = 64
MOST_HOURS = 20 * 8_784
MOST_DAYS = 100 * 366
MOST_NUMBER = 1_000
DEVICE_SUBJECTS = frozenset({"tac", "vendor", "model"})
"""The subjects that say what the device is."""
COMPANION_SUBJECTS = frozenset({"companions", "active_companions"})
"""The subjects for which a line's companions have to be counted."""
NETWORK_SUBJECTS: Mapping[str, NetworkKind] = {
    "area": NetworkKind.LOCATION,
    "visited_plmn": NetworkKind.LOCATION,
    "visited_mcc": NetworkKind.LOCATION,
    "registration": NetworkKind.REGISTRATION,
}
"""The subjects that a core network may have to be asked for."""
BSS_SUBJECTS: Mapping[str, Aspect] = {
    "area": Aspect.VISITED_PLMN,
    "visited_plmn": Aspect.VISITED_PLMN,
    "visited_mcc": Aspect.VISITED_PLMN,
    "tenure_d": Aspect.CUSTOMER_SINCE,
    "sim_age_h": Aspect.SIM_SINCE,
    "port_freeze": Aspect.PORT_FREEZE,
    "prepaid": Aspect.PREPAID,
    "number_type": Aspect.NUMBER_TYPE,
}
"""The subjects that a BSS is asked for only where a rule looks at them."""

Read: TypeAlias = Callable[[Facts, Question], Any]
Test: TypeAlias = Callable[[Facts, Question], bool]


class _Wrong(ValueError):
    """A value that a condition cannot be compared with; says why."""


@noun
class Subject:
    """Something that conditions are about."""

    name: str
    read: Read
    parse: Callable[[object], object]
    """Turns what was written into what `read` returns, or raises `_Wrong`."""
    operators: tuple[str, ...]
    fact: Callable[[Facts], Fact[Any]] | None = None
    """Where its value comes from; None for what the question itself says."""
    numeric: bool = False
    many: bool = False
    """Whether `read` returns several names, of which a condition means one."""
    optional: bool = False
    """Whether `read` may return None beside what `parse` knows."""
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Named lists: the name stands for all that is in it."""


@noun
class Comparison:
    """One condition: a subject, an operator and what to compare with."""

    text: str
    """The condition in one line, for people."""
    holds: Test
    subject: Subject
    operator: str
    operands: tuple[Any, ...]
    """What `Subject.read` is compared with; lists of names are taken apart."""
    fits: Callable[[Any], bool]
    """Whether it holds for what `Subject.read` returned; nothing in it can raise."""


@noun
class Group:
    """Conditions of which all or any must hold."""

    text: str
    holds: Test
    every: bool
    parts: tuple[Condition, ...]


@noun
class Computed:
    """A condition that is an expression."""

    text: str
    """The expression in one line, for people."""
    expression: str
    holds: Test
    """It may raise ExpressionFailed, as no other does."""
    subjects: tuple[Subject, ...]
    fault: str = ""
    """Why it fails whatever the facts are, or a pattern in it does; empty where nothing is known
    to."""


Condition: TypeAlias = Comparison | Group | Computed


@noun
class Names:
    """The names that this policy knows."""

    plans: AbstractSet[str]
    features: AbstractSet[str]
    countries: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Lists of MCCs by name."""
    networks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Lists of networks by name."""
    schedules: AbstractSet[str] = frozenset()
    rollouts: AbstractSet[str] = frozenset()


@noun
class Failure:
    """A condition that did not hold, and the facts it looked at."""

    condition: str
    values: tuple[tuple[str, str, str, int | None], ...]
    """Name, value, source of the fact and its Unix seconds, for each fact looked at."""


def nobody_signed_in(known: Mapping[str, Subject]) -> Comparison:
    """Return the condition that nobody signed in, which every rule with ``step_up`` has."""
    ways = sorted(SIGNED_IN)
    text = f"holder_proof not in {_listed(list(ways))}"
    return _compared(text, known["holder_proof"], "not_in", ways)


def subjects(names: Names) -> Mapping[str, Subject]:
    """Return everything a condition may be about, by name."""
    known = (
        Subject("status", _status, _one_of(SubscriptionStatus), _CHOICE, lambda f: f.status),
        Subject("plan", _plan, _named(names.plans), _CHOICE, lambda f: f.plan),
        Subject("features", _features, _named(names.features), _SET, lambda f: f.features),
        Subject("in_plan", _in_plan, _boolean, ("is",), lambda f: f.features),
        Subject("bss_refuses", _bss_refuses, _boolean, ("is",), lambda f: f.refusals),
        Subject("tenure_d", _tenure_d, _days, _AGE, lambda f: f.tenure_d),
        Subject("companions", _companions, _number, _AGE, lambda f: f.companions),
        Subject("active_companions", _active_companions, _number, _AGE, lambda f: f.companions),
        Subject("terms", _terms, _one_of(ConsentStatus), _CHOICE, lambda f: f.terms),
        Subject("address", _address, _one_of(ConsentStatus), _CHOICE, lambda f: f.address),
        Subject(
            "provisioning", _provisioning, _one_of(ProvStatus), _CHOICE, lambda f: f.provisioning
        ),
        Subject("area", _area, _one_of(Area), _CHOICE, lambda f: f.area),
        Subject(
            "visited_plmn",
            _visited_plmn,
            _digits(6, names.networks),
            _TEXT,
            lambda f: f.visited_plmn,
            numeric=True,
            lists=names.networks,
        ),
        Subject(
            "visited_mcc",
            _visited_mcc,
            _digits(3, names.countries),
            _TEXT,
            lambda f: f.visited_plmn,
            numeric=True,
            lists=names.countries,
        ),
        Subject(
            "registration", _registration, _one_of(Registration), _CHOICE, lambda f: f.registration
        ),
        Subject("tac", _tac, _digits(8), _TEXT, lambda f: f.device, numeric=True),
        Subject("vendor", _vendor, _folded, _TEXT, lambda f: f.device),
        Subject("model", _model, _folded, _TEXT, lambda f: f.device),
        Subject("store", _store, _folded, _TEXT, lambda f: f.wish),
        Subject("purchases", _purchases, _one_of(Purchases), _CHOICE, lambda f: f.store),
        Subject("kind", _kind, _one_of(Kind), _CHOICE, lambda f: f.kind, optional=True),
        Subject("proof", _proof, _one_of(Way), _CHOICE, lambda f: f.proof),
        Subject("holder_proof", _holder_proof, _one_of(Way), _CHOICE, lambda f: f.holder_proof),
        Subject("sim_age_h", _sim_age_h, _hours, _AGE, lambda f: f.sim_age_h),
        Subject("imei_age_h", _imei_age_h, _hours, _AGE, lambda f: f.imei_age_h),
        Subject("port_freeze", _port_freeze, _boolean, ("is",), lambda f: f.port_freeze),
        Subject("prepaid", _prepaid, _boolean, ("is",), lambda f: f.prepaid),
        Subject("number_type", _number_type, _one_of(NumberType), _CHOICE, lambda f: f.number_type),
        Subject("tac_list", _tac_list, _one_of(Listing), _CHOICE, lambda f: f.tac_list),
        Subject("eid_list", _eid_list, _one_of(Listing), _CHOICE, lambda f: f.eid_list),
        Subject("feature", _feature, _named(names.features), _CHOICE),
        Subject(
            "rollout",
            _rollouts,
            _named(names.rollouts),
            _ONE_OF_MANY,
            lambda f: f.rollouts,
            many=True,
        ),
    )
    return {subject.name: subject for subject in known}


def compile_when(
    when: object,
    known: Mapping[str, Subject],
    problems: Problems,
    *,
    where: str,
    expressions: Expressions | None = None,
) -> tuple[Condition, ...]:
    """Return the conditions of a ``when`` table, all of which must hold; empty = always.

    ``expressions`` compile those of the table, which has a mistake if it has some and they are
    None. Mistakes go to ``problems``; what is returned then is of no use.
    """
    return _Compiler(known, problems, where, expressions).table(when, "when", depth=0)


def compile_during(
    during: object, names: Names, problems: Problems, *, where: str
) -> tuple[Condition, ...]:
    """Return the condition that a rule is in force; mistakes go to ``problems``."""
    subject = Subject(
        "during",
        _schedules,
        _named(names.schedules),
        _ONE_OF_MANY,
        lambda f: f.schedules,
        many=True,
    )
    return _Compiler({}, problems, where).comparisons(subject, during, "during")


def conjunction(parts: tuple[Condition, ...]) -> Test:
    """Return one test that holds when all parts do; short ones without a loop."""
    tests = tuple(part.holds for part in parts)
    match tests:
        case ():
            return lambda _facts, _question: True
        case (only,):
            return only
        case (first, second):
            return lambda facts, question: first(facts, question) and second(facts, question)
        case _:

            def every(facts: Facts, question: Question) -> bool:
                for test in tests:  # noqa: SIM110  a loop is half as slow as all() here
                    if not test(facts, question):
                        return False
                return True

            return every


def first_failure(parts: tuple[Condition, ...], facts: Facts, question: Question) -> Failure | None:
    """Return the first condition that does not hold, or None when all do."""
    for part in parts:
        if part.holds(facts, question):
            continue
        if isinstance(part, Group) and part.every:
            return first_failure(part.parts, facts, question)
        return Failure(
            part.text, tuple(_value(each, facts, question) for each in subjects_of(part))
        )
    return None


def domain_of(subject: Subject) -> frozenset[Any] | None:
    """Return all that a subject may be; None where that is no closed set."""
    if subject.optional:
        return None
    if isinstance(subject.parse, OneOf):
        return frozenset(subject.parse.words.values())
    return frozenset((True, False)) if subject.parse is _boolean else None


class _Compiler:
    """Compiles one rule's conditions and counts them."""

    def __init__(
        self,
        known: Mapping[str, Subject],
        problems: Problems,
        where: str,
        expressions: Expressions | None = None,
    ) -> None:
        self._known = known
        self._expressions = expressions
        self._problems = problems
        self._where = where
        self._count = 0

    def table(self, given: object, path: str, *, depth: int) -> tuple[Condition, ...]:
        if not isinstance(given, Mapping):
            self._say(path, f"must be a table of conditions, not {shown(given)}")
            return ()
        parts: list[Condition] = []
        for key, operand in given.items():
            self._count += 1
            if self._count > MOST_CONDITIONS:
                if self._count == MOST_CONDITIONS + 1:
                    self._say(path, f"has more than {MOST_CONDITIONS} conditions")
                break
            if key in ("any", "all"):
                parts.extend(self._group(key, operand, f"{path}.{key}", depth=depth + 1))
            elif key == "expr":
                parts.extend(self._computed(operand, f"{path}.{key}"))
            elif not isinstance(key, str) or key not in self._known:
                self._problems.unknown(self._where, path, key, [*self._known, "any", "all", "expr"])
            else:
                parts.extend(self.comparisons(self._known[key], operand, f"{path}.{key}"))
        return tuple(parts)

    def _computed(self, given: object, path: str) -> Iterable[Computed]:
        if not isinstance(given, str):
            self._say(path, f"must be an expression in quotes, not {shown(given)}")
            return
        if self._expressions is None:
            self._say(path, f"expressions need an extra that is not installed: {EXTRA}")
            return
        try:
            named = names_in(given)
            used = tuple(each for name, each in self._known.items() if name in named)
            declared = {name: _value_kind(each) for name, each in self._known.items()}
            evaluate = self._expressions.compile(given, declared)
        except BadExpression as bad:
            if bad.unknown:
                self._problems.unknown(self._where, path, bad.unknown, self._known)
            else:
                self._say(path, str(bad))
        else:
            text = "".join(char if char.isprintable() else " " for char in given)
            fault = "" if used else _fault(evaluate)
            for constant in constants_in(given):
                fault = fault or _fault(self._expressions.compile(constant, declared))
            yield Computed(text, given, _computed(evaluate, used), used, fault)

    def _group(self, word: str, given: object, path: str, *, depth: int) -> Iterable[Condition]:
        if depth > MOST_DEPTH:
            self._say(path, f"is nested deeper than {MOST_DEPTH} groups")
            return
        if not isinstance(given, list) or not given:
            self._say(path, f"must be a list of tables, not {shown(given)}")
            return
        parts: list[Condition] = []
        for number, entry in enumerate(given[: MOST_CONDITIONS + 1], 1):
            inside = self.table(entry, f"{path}[{number}]", depth=depth)
            if not inside and isinstance(entry, Mapping) and not entry:
                self._say(f"{path}[{number}]", "is empty: it would always hold")
            if len(inside) == 1:
                parts.append(inside[0])
            elif inside:
                parts.append(_group(inside, every=True))
        if parts:
            yield _group(tuple(parts), every=word == "all")

    def comparisons(self, subject: Subject, given: object, path: str) -> tuple[Condition, ...]:
        """Return the conditions on one subject, all of which must hold."""
        return tuple(self._comparisons(subject, given, path))

    def _comparisons(self, subject: Subject, given: object, path: str) -> Iterable[Condition]:
        if not isinstance(given, Mapping):
            if "is" not in subject.operators:
                self._say(path, f"needs an operator: {_either(subject.operators)}")
            elif isinstance(given, list):
                self._say(path, "a list needs an operator: { in = […] } or { not_in = […] }")
            else:
                yield from self._comparison(subject, "is", given, path)
            return
        if not given:
            self._say(path, f"needs an operator: {_either(subject.operators)}")
        for operator, operand in given.items():
            if operator not in subject.operators:
                known = subject.operators
                self._problems.unknown(self._where, path, operator, known)
            else:
                yield from self._comparison(subject, operator, operand, path)

    def _comparison(
        self, subject: Subject, operator: str, given: object, path: str
    ) -> Iterable[Comparison]:
        listed = isinstance(given, list)
        if listed and operator not in _TAKES_LIST:
            self._say(path, f'"{operator}" takes one value, not a list')
            return
        if not listed and operator in _NEEDS_LIST:
            self._say(path, f'"{operator}" takes a list, not {shown(given)}')
            return
        values = given if isinstance(given, list) else [given]
        if not 1 <= len(values) <= MOST_VALUES:
            self._say(path, f'"{operator}" takes 1 to {MOST_VALUES} values, not {len(values)}')
            return
        operands: list[Any] = []
        for value in values:
            try:
                operands.extend(_operands(subject, operator, value))
            except _Wrong as wrong:
                self._say(path, str(wrong))
            if len(operands) > MOST_VALUES:
                self._say(path, f"stands for more than {MOST_VALUES} values with its lists")
                return
        text = f"{subject.name} {_SIGNS[operator]} {_listed(values)}"
        if operands:
            yield _compared(text, subject, operator, operands)

    def _say(self, path: str, message: str) -> None:
        self._problems.add(self._where, path, message)


_CHOICE = ("is", "not", "in", "not_in")
_TEXT = (*_CHOICE, "starts_with")
_SET = ("has", "lacks")
_ONE_OF_MANY = ("is", "not")
_AGE = ("under", "at_least")
_NEEDS_LIST = ("in", "not_in")
_TAKES_LIST = (*_NEEDS_LIST, "starts_with")
_SIGNS = {
    "is": "=",
    "not": "≠",
    "in": "in",
    "not_in": "not in",
    "has": "has",
    "lacks": "lacks",
    "starts_with": "starts with",
    "under": "<",
    "at_least": "≥",
}


def _operands(subject: Subject, operator: str, value: object) -> tuple[object, ...]:
    """Return what a written value stands for: more than one thing if it names a list."""
    if operator == "starts_with":
        return (_prefix(value, numeric=subject.numeric),)
    if isinstance(value, str) and value in subject.lists:
        return subject.lists[value]
    return (subject.parse(value),)


def _compared(text: str, subject: Subject, operator: str, operands: Sequence[Any]) -> Comparison:
    if subject.many:
        operator = {"is": "has", "not": "lacks"}[operator]
    elif len(operands) > 1:
        operator = {"is": "in", "not": "not_in"}.get(operator, operator)
    read, fits = subject.read, _fits(operator, operands)

    def holds(facts: Facts, question: Question) -> bool:
        return fits(read(facts, question))

    return Comparison(text, holds, subject, operator, tuple(operands), fits)


def _fits(operator: str, operands: Sequence[Any]) -> Callable[[Any], bool]:
    """Return the closure that compares; nothing in it can raise."""
    one = operands[0]
    several = frozenset(operands)
    prefixes = tuple(operands)
    match operator:
        case "is":
            return lambda value: value == one
        case "not":
            return lambda value: value != one
        case "in":
            return lambda value: value in several
        case "not_in":
            return lambda value: value not in several
        case "has":
            return lambda value: one in value
        case "lacks":
            return lambda value: one not in value
        case "under":
            return lambda value: (value or 0) < one
        case "at_least":
            return lambda value: (value or 0) >= one
        case _:
            return lambda value: value.startswith(prefixes)


def _value_kind(subject: Subject) -> ValueKind:
    """Return what a subject is to expressions."""
    if subject.many or subject.operators == _SET:
        return ValueKind.TEXTS
    if subject.operators == _AGE:
        return ValueKind.NUMBER
    return ValueKind.TRUTH if subject.operators == ("is",) else ValueKind.TEXT


def _computed(evaluate: Evaluate, used: Sequence[Subject]) -> Test:
    reads = tuple((subject.name, subject.read) for subject in used)

    def test(facts: Facts, question: Question) -> bool:
        values: dict[str, object] = {}
        for name, read in reads:
            value = _plain(read(facts, question))
            if value is not None:
                values[name] = value
        return evaluate(values)

    return test


def _fault(evaluate: Evaluate) -> str:
    """Return why an expression fails that looks at nothing; empty if it does not."""
    try:
        evaluate({})
    except ExpressionFailed as failed:
        return str(failed)
    return ""


def _plain(value: Any) -> object:
    """Return a fact as expressions see it; None for what is not known, or too long."""
    if isinstance(value, Enum):
        return _spelling(value)
    if isinstance(value, AbstractSet | tuple):
        return sorted(value)
    return None if isinstance(value, str) and len(value) > MOST_VALUE else value


def _group(parts: tuple[Condition, ...], *, every: bool) -> Group:
    if every:
        return Group(f"({' and '.join(p.text for p in parts)})", conjunction(parts), True, parts)
    tests = tuple(part.holds for part in parts)

    def some(facts: Facts, question: Question) -> bool:
        for test in tests:  # noqa: SIM110  as in conjunction
            if test(facts, question):
                return True
        return False

    return Group(f"({' or '.join(p.text for p in parts)})", some, False, parts)


def conditions_of(parts: Iterable[Condition]) -> Iterator[Condition]:
    """Yield all conditions, those in groups too."""
    for part in parts:
        yield part
        if isinstance(part, Group):
            yield from conditions_of(part.parts)


def has_expression(part: Condition) -> bool:
    """Say whether there is an expression in a condition."""
    return any(isinstance(each, Computed) for each in conditions_of((part,)))


def comparisons_of(parts: Iterable[Condition]) -> Iterator[Comparison]:
    """Yield all comparisons, those in groups too."""
    return (part for part in conditions_of(parts) if isinstance(part, Comparison))


def subjects_of(part: Condition) -> Iterable[Subject]:
    """Return what a condition looks at, each subject once."""
    if isinstance(part, Comparison):
        return (part.subject,)
    if isinstance(part, Computed):
        return part.subjects
    found = [subject for inner in part.parts for subject in subjects_of(inner)]
    return {subject.name: subject for subject in found}.values()


def _value(subject: Subject, facts: Facts, question: Question) -> tuple[str, str, str, int | None]:
    value = subject.read(facts, question)
    if isinstance(value, AbstractSet | tuple):
        text = ", ".join(sorted(value)) or "none"
    elif isinstance(value, Enum):
        text = _spelling(value)
    elif isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, int):
        text = str(value)
    else:
        text = shown(value) if value else "unknown"
    if subject.fact is None or (subject.name == "area" and value != facts.area.value):
        # A question may suppose an area; the fact is not where that came from.
        return subject.name, text, "question", None
    fact = subject.fact(facts)
    return subject.name, text, fact.source, fact.at


# What is read. Plain functions: they run for every rule of every decision.


def _status(facts: Facts, _question: Question) -> SubscriptionStatus:
    return facts.status.value


def _plan(facts: Facts, _question: Question) -> str:
    return facts.plan.value


def _features(facts: Facts, _question: Question) -> frozenset[str]:
    return facts.features.value


def _in_plan(facts: Facts, question: Question) -> bool:
    return question.feature in facts.features.value


def _bss_refuses(facts: Facts, question: Question) -> bool:
    return question.feature in facts.refusals.value


def _tenure_d(facts: Facts, _question: Question) -> int | None:
    return facts.tenure_d.value


def _companions(facts: Facts, _question: Question) -> int:
    return facts.companions.value.live


def _active_companions(facts: Facts, _question: Question) -> int:
    return facts.companions.value.active


def _terms(facts: Facts, _question: Question) -> ConsentStatus:
    return facts.terms.value


def _address(facts: Facts, _question: Question) -> ConsentStatus:
    return facts.address.value


def _provisioning(facts: Facts, _question: Question) -> ProvStatus:
    return facts.provisioning.value


def _area(_facts: Facts, question: Question) -> Area:
    return question.area


def _visited_plmn(facts: Facts, question: Question) -> str:
    """The visited network, where the question is about the area the device is really in.

    ap2003 asks about home and roaming at once; the network of today says nothing about the other.
    """
    return facts.visited_plmn.value if question.area == facts.area.value else ""


def _visited_mcc(facts: Facts, question: Question) -> str:
    return _visited_plmn(facts, question)[:3]


def _registration(facts: Facts, _question: Question) -> Registration:
    return facts.registration.value


def _tac(facts: Facts, _question: Question) -> str:
    return facts.device.value.tac


def _vendor(facts: Facts, _question: Question) -> str:
    return facts.device.value.vendor.casefold()


def _model(facts: Facts, _question: Question) -> str:
    return facts.device.value.model.casefold()


def _store(facts: Facts, _question: Question) -> str:
    return facts.wish.value.store


def _purchases(facts: Facts, _question: Question) -> Purchases:
    return facts.store.value.purchases


def _kind(facts: Facts, _question: Question) -> Kind | None:
    return facts.kind.value


def _proof(facts: Facts, _question: Question) -> Way:
    return facts.proof.value


def _holder_proof(facts: Facts, _question: Question) -> Way:
    return facts.holder_proof.value


def _sim_age_h(facts: Facts, _question: Question) -> int | None:
    return facts.sim_age_h.value


def _imei_age_h(facts: Facts, _question: Question) -> int | None:
    return facts.imei_age_h.value


def _port_freeze(facts: Facts, _question: Question) -> bool:
    return facts.port_freeze.value


def _prepaid(facts: Facts, _question: Question) -> bool:
    return facts.prepaid.value


def _number_type(facts: Facts, _question: Question) -> NumberType:
    return facts.number_type.value


def _tac_list(facts: Facts, _question: Question) -> Listing:
    return facts.tac_list.value


def _eid_list(facts: Facts, _question: Question) -> Listing:
    return facts.eid_list.value


def _schedules(facts: Facts, _question: Question) -> tuple[str, ...]:
    return facts.schedules.value


def _rollouts(facts: Facts, _question: Question) -> tuple[str, ...]:
    return facts.rollouts.value


def _feature(_facts: Facts, question: Question) -> str:
    return question.feature


# How what was written becomes what is read.


def _spelling(member: Enum) -> str:
    """The word for a member: its value where that is a word, its name in lower case else."""
    return member.value if isinstance(member.value, str) else member.name.lower()


@noun
class OneOf:
    """Parses a word for one of few values, beside which there are no others."""

    words: Mapping[str, Enum]

    def __call__(self, given: object) -> object:
        """Return the value; raise `_Wrong` for any other word."""
        if not isinstance(given, str) or given not in self.words:
            raise _Wrong(f"unknown value {shown(given)}; known: {', '.join(self.words)}")
        return self.words[given]


def _one_of(members: type[Enum]) -> OneOf:
    return OneOf({_spelling(member): member for member in members})


def _named(names: AbstractSet[str]) -> Callable[[object], object]:
    def parse(given: object) -> object:
        if not isinstance(given, str) or given not in names:
            raise _Wrong(f"unknown name {shown(given)}{did_you_mean(given, names)}")
        return given

    return parse


def _digits(most: int, lists: Iterable[str] = ()) -> Callable[[object], object]:
    least = 5 if most == 6 else most  # a PLMN has 5 or 6

    def parse(given: object) -> object:
        if not isinstance(given, str):
            raise _Wrong(f"must be a text in quotes, not {shown(given)}")
        digits = given.isascii() and given.isdigit() and least <= len(given) <= most
        if given and not digits:
            span = f"{least} or {most}" if least < most else str(most)
            hint = did_you_mean(given, lists)
            raise _Wrong(f'must have {span} digits, or be "" for unknown, not {shown(given)}{hint}')
        return given

    return parse


def _folded(given: object) -> object:
    """TS.43 §1.7: names compare without regard to case."""
    if not isinstance(given, str) or len(given) > MOST_TEXT:
        raise _Wrong(f"must be a text of at most {MOST_TEXT} characters, not {shown(given)}")
    return given.casefold()


def _prefix(given: object, *, numeric: bool) -> object:
    if given == "":
        raise _Wrong("an empty prefix says nothing")
    text = _folded(given)
    if numeric and not (isinstance(text, str) and text.isascii() and text.isdigit()):
        raise _Wrong(f"must be digits, not {shown(given)}")
    return text


def _hours(given: object) -> object:
    """What nobody knows the age of counts as new: 0."""
    if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= MOST_HOURS:
        raise _Wrong(f"must be hours, 1 to {MOST_HOURS}, not {shown(given)}")
    return given


def _days(given: object) -> object:
    """Who is not known to have been a customer for long counts as new: 0."""
    if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= MOST_DAYS:
        raise _Wrong(f"must be days, 1 to {MOST_DAYS}, not {shown(given)}")
    return given


def _number(given: object) -> object:
    if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= MOST_NUMBER:
        raise _Wrong(f"must be a number, 1 to {MOST_NUMBER}, not {shown(given)}")
    return given


def _boolean(given: object) -> object:
    if not isinstance(given, bool):
        raise _Wrong(f"must be true or false, not {shown(given)}")
    return given


def _either(words: Iterable[str]) -> str:
    return ", ".join(words)


def _listed(values: list[object]) -> str:
    text = ", ".join(shown(value) for value in values[:4])
    return text if len(values) <= 4 else f"{text} … ({len(values)} in all)"
