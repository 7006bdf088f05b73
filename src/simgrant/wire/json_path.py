"""JSONPath (RFC 9535) as far as it finds members of an answer, compiled to closures.

Names, indices, wildcards, and filters that compare with ``==`` and ``!=`` or look whether
something is there, joined by ``&&`` and ``||``: they mean what the RFC says. Left out is what has
no bound (descendants, patterns) and what is no use here (slices, several selectors in a bracket,
order, functions). The time it takes grows with the size of the document, and no faster.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeAlias

Nodes: TypeAlias = list[object]
_Key: TypeAlias = str | int
"""A name or an index: it leads from one value to one."""
_Branch: TypeAlias = Callable[[Nodes], Nodes]
"""It leads from each value to any number of them."""
_Step: TypeAlias = _Key | _Branch
_Test: TypeAlias = Callable[[object], bool]

MOST_LETTERS: Final = 512
_MOST_STEPS: Final = 16
_MOST_TESTS: Final = 16
_GREATEST: Final = 2**53 - 1
_SPACE: Final = re.compile(r"[ \t\n\r]*")
_NAME: Final = re.compile(
    r"[A-Za-z_\u0080-\ud7ff\ue000-\U0010ffff][\w\u0080-\U0010ffff]*", re.ASCII
)
_INDEX: Final = re.compile(r"0|-?[1-9][0-9]{0,15}", re.ASCII)
_NUMBER: Final = re.compile(
    r"(?:-?(?:0|[1-9][0-9]{0,30}))(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,3})?", re.ASCII
)
_WORDS: Final = {"true": True, "false": False, "null": None}
_ESCAPES: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "/": "/", "\\": "\\"}
_HEX: Final = re.compile(r"[0-9A-Fa-f]{4}")
_NOTHING: Final = object()
"""What a filter's path finds where there is nothing."""


class BadPath(ValueError):
    """The text is no path that is understood; the message says why, and at which letter."""


class JsonPath:
    """A compiled path."""

    __slots__ = ("_keys", "_parts", "text")

    def __init__(self, text: str) -> None:
        """Raise BadPath."""
        self.text = text
        # What leads to one value is gone through at once: at the beginning, and after each branch.
        first: list[_Key] = []
        parts: list[tuple[_Branch, list[_Key]]] = []
        keys = first
        for step in _Reader(text).path():
            if isinstance(step, str | int):
                keys.append(step)
            else:
                keys = []
                parts.append((step, keys))
        self._keys = tuple(first)
        self._parts = tuple((branch, tuple(keys)) for branch, keys in parts)

    def __repr__(self) -> str:
        """Return the text."""
        return f"JsonPath({self.text!r})"

    def find(self, document: object) -> Nodes:
        """Return the values that it leads to in a decoded document, in the document's order."""
        nodes = _followed([document], self._keys)
        for branch, keys in self._parts:
            nodes = _followed(branch(nodes), keys)
        return nodes

    def every(self, document: object) -> Nodes | None:
        """Return the same, None where something is not there that should be.

        That is a member on the way, or the one of an item that a wildcard or filter found: an
        empty list has nothing in it, and one whose items are called otherwise is another answer.
        """
        node = _follow(document, self._keys)
        if node is _NOTHING:
            return None
        nodes: Nodes = [node]
        for branch, keys in self._parts:
            for node in nodes:
                if type(node) is not list and type(node) is not dict:
                    return None
            nodes = branch(nodes)
            if keys:
                before = len(nodes)
                nodes = _followed(nodes, keys)
                if len(nodes) < before:
                    return None
        return nodes


class _Reader:
    """Reads one path, letter by letter."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._tests = 0

    def path(self) -> tuple[_Step, ...]:
        if len(self._text) > MOST_LETTERS:
            raise BadPath(f"it has more than {MOST_LETTERS} letters")
        if not self._took("$"):
            raise self._wrong("a path begins with $")
        steps: list[_Step] = []
        while self._has_segment():
            steps.append(self._segment())
            if len(steps) > _MOST_STEPS:
                raise self._wrong(f"it has more than {_MOST_STEPS} steps")
        if self._at < len(self._text):
            raise self._wrong("a step begins with . or [")
        return tuple(steps)

    def _has_segment(self) -> bool:
        """Say whether a step comes, and pass over the space before it."""
        end = _end(_SPACE, self._text, self._at)
        if self._text[end : end + 1] not in (".", "["):
            return False
        self._at = end
        return True

    def _segment(self) -> _Step:
        if self._took(".."):
            raise self._wrong("descendants (..) are not understood: write the whole path", back=2)
        if self._took("."):
            return _every if self._took("*") else self._name()
        self._took("[")
        self._space()
        step = self._selector()
        self._space()
        if not self._took("]"):
            raise self._wrong("one selector, and then ], is understood here")
        return step

    def _selector(self) -> _Step:
        if self._took("*"):
            return _every
        if self._took("?"):
            self._space()
            return _having(self._any_of())
        return self._quoted() if self._sees("'", '"') else self._index()

    # --- filters ----------------------------------------------------------------------

    def _any_of(self) -> _Test:
        found = [self._all_of()]
        while self._joined("||"):
            found.append(self._all_of())
        return found[0] if len(found) == 1 else lambda node: any(test(node) for test in found)

    def _all_of(self) -> _Test:
        found = [self._test()]
        while self._joined("&&"):
            found.append(self._test())
        return found[0] if len(found) == 1 else lambda node: all(test(node) for test in found)

    def _joined(self, sign: str) -> bool:
        before = self._at
        self._space()
        if self._took(sign):
            self._space()
            return True
        self._at = before
        return False

    def _test(self) -> _Test:
        self._tests += 1
        if self._tests > _MOST_TESTS:
            raise self._wrong(f"it has more than {_MOST_TESTS} comparisons")
        negated = self._took("!")
        self._space()
        keys = self._relative()
        before = self._at
        self._space()
        if self._sees("==", "!="):
            if negated:
                raise self._wrong("a comparison is not negated with !: write != for ==")
            equal = self._text[self._at] == "="
            self._at += 2
            self._space()
            return _compared(keys, self._literal(), equal=equal)
        if self._sees("<", ">", "=", "~"):
            raise self._wrong("== and != are the comparisons that are understood")
        self._at = before
        return lambda node: (_follow(node, keys) is _NOTHING) is negated

    def _relative(self) -> tuple[_Key, ...]:
        """Return a path to one value that begins at the node that is looked at."""
        if not self._took("@"):
            raise self._wrong("a filter begins with @")
        keys: list[_Key] = []
        while self._has_segment():
            if self._took("["):
                self._space()
                keys.append(self._quoted() if self._sees("'", '"') else self._index())
                self._space()
                if not self._took("]"):
                    raise self._wrong("a ] is missing")
            else:
                self._took(".")
                keys.append(self._name())
            if len(keys) > _MOST_STEPS:
                raise self._wrong(f"it has more than {_MOST_STEPS} steps")
        return tuple(keys)

    def _literal(self) -> str | int | float | bool | None:
        if self._sees("'", '"'):
            return self._quoted()
        for word, value in _WORDS.items():
            if self._took(word):
                return value
        found = _NUMBER.match(self._text, self._at)
        if not found:
            raise self._wrong("a text in quotes, a number, true, false or null is missing")
        self._at = found.end()
        text = found[0]
        return int(text) if text.lstrip("-").isdecimal() else float(text)

    # --- words ------------------------------------------------------------------------

    def _name(self) -> str:
        found = _NAME.match(self._text, self._at)
        if not found:
            raise self._wrong("a name is missing; others than letters, digits and _ go in ['…']")
        self._at = found.end()
        return found[0]

    def _index(self) -> int:
        found = _INDEX.match(self._text, self._at)
        if not found or abs(int(found[0])) > _GREATEST:
            raise self._wrong("a name in quotes, a whole number, * or ? is missing")
        self._at = found.end()
        return int(found[0])

    def _quoted(self) -> str:
        quote = self._text[self._at]
        self._at += 1
        letters = []
        while not self._took(quote):
            letter = self._text[self._at : self._at + 1]
            if not letter or letter < " ":
                raise self._wrong("a quote is missing")
            self._at += 1
            letters.append(self._escaped(quote) if letter == "\\" else letter)
        return "".join(letters)

    def _escaped(self, quote: str) -> str:
        letter = self._text[self._at : self._at + 1]
        self._at += 1
        if letter == "u":
            return self._code()
        if letter == quote:
            return quote
        if letter not in _ESCAPES:
            raise self._wrong("\\ has no meaning before this letter", back=1)
        return _ESCAPES[letter]

    def _code(self) -> str:
        unit = self._unit()
        if not 0xD800 <= unit < 0xE000:
            return chr(unit)
        if unit < 0xDC00 and self._took("\\u"):
            low = self._unit()
            if 0xDC00 <= low < 0xE000:
                return chr(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00))
        raise self._wrong("half a character")

    def _unit(self) -> int:
        found = _HEX.match(self._text, self._at)
        if not found:
            raise self._wrong("\\u has four hexadecimal digits behind it")
        self._at = found.end()
        return int(found[0], 16)

    # --- letters ----------------------------------------------------------------------

    def _took(self, sign: str) -> bool:
        if self._text.startswith(sign, self._at):
            self._at += len(sign)
            return True
        return False

    def _sees(self, *signs: str) -> bool:
        return self._text.startswith(signs, self._at)

    def _space(self) -> None:
        self._at = _end(_SPACE, self._text, self._at)

    def _wrong(self, why: str, *, back: int = 0) -> BadPath:
        return BadPath(f"{why} (at letter {self._at - back + 1})")


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


# Decoded JSON has these very types, and comparing them is faster than asking for instances.


def _follow(node: object, keys: tuple[_Key, ...]) -> object:
    """Return what names and indices lead to, or that there is nothing."""
    for key in keys:
        if type(key) is str:
            if type(node) is not dict or key not in node:
                return _NOTHING
            node = node[key]
        else:
            assert type(key) is int  # noqa: S101 - keys are of these two kinds
            if type(node) is not list or not -len(node) <= key < len(node):
                return _NOTHING
            node = node[key]
    return node


def _followed(nodes: Nodes, keys: tuple[_Key, ...]) -> Nodes:
    """Return what these lead to from each node, as far as there is something."""
    if not keys:
        return nodes
    found = [_follow(node, keys) for node in nodes]
    return [node for node in found if node is not _NOTHING]


def _every(nodes: Nodes) -> Nodes:
    found: Nodes = []
    for node in nodes:
        found.extend(_children(node))
    return found


def _having(test: _Test) -> _Branch:
    def branch(nodes: Nodes) -> Nodes:
        return [child for node in nodes for child in _children(node) if test(child)]

    return branch


def _children(node: object) -> Nodes:
    if type(node) is list:
        return node
    return list(node.values()) if type(node) is dict else []


def _compared(keys: tuple[_Key, ...], literal: str | float | bool | None, *, equal: bool) -> _Test:
    # 1 == True in Python, and 1 == 1.0 in both.
    is_number = isinstance(literal, int | float) and not isinstance(literal, bool)
    kinds = (int, float) if is_number else (type(literal),)

    def test(node: object) -> bool:
        found = _follow(node, keys)
        return (type(found) in kinds and found == literal) is equal

    return test
