"""Expressions: the escape hatch of rules, for what a table of conditions cannot say.

What evaluates them is handed in, since it is a library that most do without. Here is what rules may
expect of it, and what is asked of an expression before it gets to see one: its length, how deep it
is nested, how often it goes through a list. Whatever goes wrong while one is evaluated is an
`ExpressionFailed`, and that is a denial.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol, TypeAlias

from simgrant.nouns import Word

MOST_LETTERS = 1_000
MOST_BRACKETS = 16
"""Brackets inside brackets."""
MOST_LOOPS = 3
"""Times that one expression goes through a list, and never for each entry of another."""
MOST_VALUE = 256
"""Letters of a text that expressions get to see; a longer one is as if it were missing."""
EXPRESSION_FAILED = "expression_failed"
"""The reason of a denial because of it."""
EXTRA = "simgrant[cel]"

_LOOPS = frozenset({"all", "exists", "exists_one", "existsOne", "map", "filter"})
_TOKEN = re.compile(
    r"""
      //[^\n]*
    | (?P<text>[rRbB]{0,2}(?:'''.*?'''|\"\"\".*?\"\"\"|'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"))
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<open>[(\[{])
    | (?P<close>[)\]}])
    | .
    """,
    re.VERBOSE | re.DOTALL,
)


class Kind(Word):
    """What a fact is to expressions."""

    TRUTH = "bool"
    NUMBER = "int"
    TEXT = "string"
    TEXTS = "list(string)"


class BadExpression(ValueError):
    """An expression that cannot be used; says why, and which name nobody knows, if it is that."""

    def __init__(self, said: str, unknown: str = "") -> None:
        self.unknown = unknown
        super().__init__(said)


class ExpressionFailed(Exception):
    """It could not be evaluated for these facts."""


Evaluate: TypeAlias = Callable[[Mapping[str, object]], bool]
"""Returns what an expression says of facts by name; raises ExpressionFailed and nothing else."""


class Expressions(Protocol):
    """What compiles and evaluates expressions."""

    def compile(self, text: str, declared: Mapping[str, Kind]) -> Evaluate:
        """Return a checked expression over the names declared; raise BadExpression."""


def names_in(text: str) -> frozenset[str]:
    """Return the names in an expression that is within its bounds; raise BadExpression.

    It returns too many rather than too few: names of functions and of variables of its own too.
    """
    if not 1 <= len(text) <= MOST_LETTERS:
        raise BadExpression(f"must have 1 to {MOST_LETTERS} characters")
    found: set[str] = set()
    inside: list[bool] = []
    loops, last = 0, ""
    for token in _tokens(text):
        if token.lastgroup == "open":
            is_loop = token[0] == "(" and last in _LOOPS
            loops += is_loop
            if is_loop and any(inside):
                raise BadExpression("goes through a list for each entry of another")
            inside.append(is_loop)
            if len(inside) > MOST_BRACKETS:
                raise BadExpression(f"is nested deeper than {MOST_BRACKETS} brackets")
        elif token.lastgroup == "close" and inside:
            inside.pop()
        if token.lastgroup == "name":
            found.add(token[0])
        last = token[0]
    if loops > MOST_LOOPS:
        raise BadExpression(f"goes through lists more than {MOST_LOOPS} times")
    return frozenset(found)


def constants_in(text: str) -> Iterator[str]:
    """Yield what an expression has in it that says the same whatever the facts are: each of its
    patterns, as an expression that only looks whether it is one."""
    openers, before = [""], ("", "")
    for token in _tokens(text):
        if token.lastgroup == "open":
            openers.append(before[1])
        elif token.lastgroup == "close" and len(openers) > 1:
            is_text = before[0] in ("(", ",") and before[1][-1] in "'\""
            if openers.pop() == "matches" and is_text:
                yield f"''.matches({before[1]})"
        before = before[1], token[0]


def _tokens(text: str) -> Iterator[re.Match[str]]:
    return (token for token in _TOKEN.finditer(text) if not token[0].isspace())
