"""What follows from the values of a mapping that change while the server runs: made once for each.

Tenants' policies are swapped under way. What is made of them (verdicts, what networks are asked)
is made anew when it is looked up for the first time after that, and never mixed with what was made
of an older one. Whoever looks one thing up and goes on with it finishes as he began.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar

S = TypeVar("S")
T = TypeVar("T")


class Derived(Mapping[str, T], Generic[S, T]):
    """Gives for each key what is made of the value that is there now."""

    def __init__(self, source: Mapping[str, S], make: Callable[[str, S], T]) -> None:
        self._source = source
        self._make = make
        self._made: dict[str, tuple[S, T]] = {}

    def __getitem__(self, key: str) -> T:
        value = self._source[key]
        made = self._made.get(key)
        if made is None or made[0] is not value:
            made = self._made[key] = (value, self._make(key, value))
        return made[1]

    def __iter__(self) -> Iterator[str]:
        return iter(self._source)

    def __len__(self) -> int:
        return len(self._source)
