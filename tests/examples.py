"""How many examples a property test tries that wants another number than the rest."""

from hypothesis import settings

_USUAL = 100


def examples(number: int) -> int:
    """Return this number in the whole suite, and in `make unit` a tenth as everywhere there."""
    return max(1, number * settings().max_examples // _USUAL)
