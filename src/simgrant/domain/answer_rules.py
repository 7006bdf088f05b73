"""How a BSS's answer in JSON is understood, by rules that the operator writes.

Strict: what no rule gives a meaning, what says two things, what is not there though it should be
makes the answer useless. Half of an answer, or a guess, would switch off what somebody paid for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from simgrant.domain.aspect_values import TEXTUAL, meaning
from simgrant.domain.eligibility import Aspect, Aspects, Eligibility
from simgrant.nouns import Word, named_noun

Find: TypeAlias = Callable[[object], "list[object] | None"]
"""What finds values in a decoded document; None = a member on the way to them is not there."""
_Read: TypeAlias = Callable[[object], object]

TIMES: Final = frozenset({Aspect.CUSTOMER_SINCE, Aspect.SIM_SINCE})
"""The aspects that are times."""
SETS: Final = frozenset(Aspect) - TEXTUAL
"""Those that are sets of features."""
MILLISECONDS: Final = "ms"
"""How times are written that are Unix milliseconds."""
_MOST_TEXT: Final = 1024
_INTEGERS: Final = 10**18
_EXACT: Final = 2**53
_MOST_FEATURES: Final = 256
_SOME_DAY: Final = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)
_TRUTH: Final = {"true": True, "false": False}


class Useless(ValueError):
    """What is told cannot be understood; the text names an aspect at most, and no value."""


class SomebodyElse(ValueError):
    """What is told is about another subscriber, or does not say about whom."""


class Missing(Word):
    """What it means that an aspect is not told."""

    REFUSE = "refuse"
    """The answer is useless."""
    UNKNOWN = "unknown"
    """Nothing is told of it: our own store says."""
    DEFAULT = "default"
    """The same as a value without a meaning."""


@named_noun
class ValueRule:
    """Where something is told, and what the values mean."""

    find: Find | None = field(default=None, compare=False)
    """Where the value is, or for a set the names of what it holds."""
    features: Mapping[str, Find] = field(default_factory=dict, hash=False, compare=False)
    """For a set, in place of ``find``: where it is told of each feature whether it is in it."""
    meanings: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What values mean, in our words. Empty = they are our words themselves."""
    default: str | None = None
    """What all other values mean; None = nothing, so that they make the answer useless."""
    missing: Missing = Missing.REFUSE
    dates: str = ""
    """How times are written, where it is not as `aspect_values.meaning` reads them: ``ms``, or a
    format of ``strptime``, of UTC where it has no zone."""


class Reading:
    """One kind of answer: whom it is about, and what it tells."""

    def __init__(
        self,
        values: Mapping[Aspect, ValueRule],
        *,
        echo: Sequence[Find] = (),
        nobody: Find | None = None,
        nobody_values: Iterable[str] = (),
    ) -> None:
        """Raise ValueError, which names the aspect, where a word or a format is none.

        ``echo`` finds whom the answer is about; empty = that is not looked at. ``nobody`` finds
        what says that there is no such subscription, by its values or, without any, by its being
        there.
        """
        self.tells: Aspects = frozenset(values)
        self._reads = {aspect: aspect_reader(aspect, rule) for aspect, rule in values.items()}
        self._echo = tuple(echo)
        self._nobody = nobody
        self._nobody_values = frozenset(nobody_values)

    @property
    def knows_nobody(self) -> bool:
        """Return whether an answer itself can say that there is no such subscription."""
        return self._nobody is not None

    def says_nobody(self, document: object) -> bool:
        """Return whether it says that there is no such subscription."""
        if self._nobody is None:
            return False
        found = self._nobody(document) or []
        if not self._nobody_values:
            return any(node is not None for node in found)
        return any(_shown(node) in self._nobody_values for node in found)

    def check_owner(self, document: object, names: frozenset[str]) -> None:
        """Raise SomebodyElse unless it is about whom these digits name, and says so."""
        if not self._echo:
            return
        told = [node for find in self._echo for node in find(document) or [] if node is not None]
        if not told or not all(_digits(node) in names for node in told):
            raise SomebodyElse

    def understand(self, document: object, wants: Aspects) -> Eligibility:
        """Return what it tells of these aspects, as far as it is asked for them; Useless."""
        told: dict[str, Any] = {
            aspect: read(document) for aspect, read in self._reads.items() if aspect in wants
        }
        return Eligibility(**told)


def aspect_reader(aspect: Aspect, rule: ValueRule) -> _Read:
    """Return what reads an aspect from a document, and raises Useless.

    Raise ValueError where a word or a format of the rule is none.
    """
    if aspect in SETS:
        if rule.features:
            return _features(aspect, rule)
        return _set(aspect, rule, _word_or_nothing)
    return _one(aspect, rule, _worded(aspect), _dated(aspect, rule.dates))


def truth_reader(name: str, rule: ValueRule) -> Callable[[object], bool | None]:
    """Return what reads whether something is so; None = nothing is told. ValueError, Useless."""
    read = _one(name, rule, _true, _true)

    def truth(document: object) -> bool | None:
        found = read(document)
        return None if found is None else bool(found)

    return truth


def text_of(node: object) -> str | None:
    """Return a value of a document as text; None where it is a list, an object, null, or long."""
    match node:
        case str():
            return node if len(node) <= _MOST_TEXT else None
        case bool():
            return "true" if node else "false"
        case int():
            return str(node) if abs(node) < _INTEGERS else None
        case float():
            return str(int(node)) if node.is_integer() and abs(node) < _EXACT else str(node)
    return None


# --- kinds of values ------------------------------------------------------------------


def _one(
    name: str,
    rule: ValueRule,
    word: Callable[[str], object],
    own: Callable[[str], object],
) -> _Read:
    """Read one value: ``word`` says what a word of ours means, ``own`` what one of theirs does."""
    find = _finder(name, rule)
    value_of = _meaning_of(name, rule, word, own)
    default = None if rule.default is None else _worked(name, word, rule.default)

    def read(document: object) -> object:
        nodes = find(document)
        if nodes is not None and len(nodes) == 1 and nodes[0] is not None:
            return value_of(nodes[0])
        told = [node for node in nodes if node is not None] if nodes else ()
        if not told:
            if rule.missing is Missing.REFUSE:
                raise Useless(f"it does not say the {name}")
            return default if rule.missing is Missing.DEFAULT else None
        first = value_of(told[0])
        if len(told) > 1 and any(value_of(node) != first for node in told[1:]):
            raise Useless(f"it says several things of the {name}")
        return first

    return read


def _set(name: str, rule: ValueRule, word: Callable[[str], object]) -> _Read:
    """Read a set by the names of what is in it."""
    find = _finder(name, rule)
    value_of = _meaning_of(name, rule, word, word)
    default = None if rule.default is None else _worked(name, word, rule.default)

    def read(document: object) -> object:
        nodes = find(document)
        if nodes is not None and len(nodes) == 1:
            # The list itself was named, not what is in it.
            nodes = nodes[0] if isinstance(nodes[0], list) else nodes
            nodes = None if nodes == [None] else nodes
        if nodes is None:
            if rule.missing is Missing.REFUSE:
                raise Useless(f"it does not say the {name}")
            if rule.missing is Missing.UNKNOWN:
                return None
            return frozenset({default} - {None})
        if len(nodes) > _MOST_FEATURES:
            raise Useless(f"it says more than {_MOST_FEATURES} {name}")
        return frozenset(value_of(node) for node in nodes) - {None}

    return read


def _features(name: str, rule: ValueRule) -> _Read:
    """Read a set by what is told of each feature."""
    reads = {
        feature: truth_reader(
            f"{name}, {feature}",
            ValueRule(
                find=find, meanings=rule.meanings, default=rule.default, missing=rule.missing
            ),
        )
        for feature, find in rule.features.items()
    }

    def read(document: object) -> object:
        found = {feature: read(document) for feature, read in reads.items()}
        if None in found.values():
            return None
        return frozenset(feature for feature, has in found.items() if has)

    return read


# --- words ----------------------------------------------------------------------------


def _finder(name: str, rule: ValueRule) -> Find:
    if rule.find is None:
        raise ValueError(f"{name}: it is not said where it is told")
    if rule.missing is Missing.DEFAULT and rule.default is None:
        raise ValueError(f"{name}: there is no default")
    return rule.find


def _meaning_of(
    name: str, rule: ValueRule, word: Callable[[str], object], own: Callable[[str], object]
) -> Callable[[object], object]:
    meanings = {text: _worked(name, word, said) for text, said in rule.meanings.items()}
    has_default = rule.default is not None
    default = _worked(name, word, rule.default) if rule.default is not None else None

    def value_of(node: object) -> object:
        if type(node) is str and node in meanings:
            return meanings[node]
        text = text_of(node)
        if text is None:
            raise Useless(f"what it says of the {name} is no single value")
        if text in meanings:
            return meanings[text]
        if has_default:
            return default
        if meanings:
            raise Useless(f"what it says of the {name} has no meaning in the settings")
        try:
            return own(text)
        except ValueError:
            raise Useless(f"what it says of the {name} means nothing") from None

    return value_of


def _worked(name: str, word: Callable[[str], object], said: str) -> object:
    try:
        return word(said)
    except ValueError as error:
        raise ValueError(f"{name}: {said!r} means nothing: {error}") from None


def _worded(aspect: Aspect) -> Callable[[str], object]:
    def word(said: str) -> object:
        # Of the network it is news that it is not known.
        return meaning(aspect, said) if said or aspect is Aspect.VISITED_PLMN else None

    return word


def _dated(aspect: Aspect, dates: str) -> Callable[[str], object]:
    if not dates:
        return lambda text: meaning(aspect, text)
    if aspect not in TIMES:
        raise ValueError(f"{aspect}: it is no time")
    if dates != MILLISECONDS:
        written = _SOME_DAY.strftime(dates)
        try:
            same = _parsed(written, dates).year == _SOME_DAY.year
        except ValueError:
            same = False
        if not same:
            raise ValueError(f"{aspect}: {dates!r} is no format that dates can be read by")
    return lambda text: meaning(aspect, _parsed(text, dates).isoformat())


def _parsed(text: str, dates: str) -> datetime:
    try:
        if dates == MILLISECONDS:
            if not (text.isascii() and text.isdecimal()):
                raise ValueError("no time")
            return datetime.fromtimestamp(int(text) / 1000, UTC)
        at = datetime.strptime(text, dates)  # noqa: DTZ007 - the zone follows
    except (OverflowError, OSError, re.error):
        raise ValueError("no time") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _word_or_nothing(said: str) -> object:
    return said or None


def _true(said: str) -> Any:
    if said == "":
        return None
    if said not in _TRUTH:
        raise ValueError("neither true nor false")
    return _TRUTH[said]


def _shown(node: object) -> str | None:
    """Return a value as text, and as JSON where it is nothing or an empty list."""
    if node is None:
        return "null"
    return "[]" if node == [] else text_of(node)


def _digits(node: object) -> str | None:
    """Return what an IMSI or a number is as digits, however it is written."""
    text = text_of(node)
    return None if text is None else text.removeprefix("tel:").removeprefix("+")
