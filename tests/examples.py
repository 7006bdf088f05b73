"""How much the tests try that try many things: all in the whole suite, a tenth in `make unit`."""

from collections.abc import Iterator
from itertools import count

from hypothesis import settings

_USUAL = 100
_begun = count()


def examples(number: int) -> int:
    """Return how many examples a property test tries that wants another number than the rest."""
    return max(1, number * settings().max_examples // _USUAL)


def points() -> Iterator[int]:
    """Yield after how many steps a process is to end: any number, until the caller has enough.

    In `make unit` every tenth one, beginning elsewhere for each test that asks.
    """
    apart = max(1, _USUAL // settings().max_examples)
    return count(next(_begun) % apart, apart)
