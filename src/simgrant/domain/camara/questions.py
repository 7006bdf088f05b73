"""How often somebody may be asked out of band: a person must not be bombed into saying yes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from simgrant.nouns import named_noun

HOUR_S: Final = 3_600
DAY_S: Final = 24 * HOUR_S


@named_noun
class QuestionPace:
    """What is allowed for one number, whoever asks."""

    per_hour: int = 3
    per_day: int = 6
    rest_s: int = HOUR_S
    """Seconds for which somebody who said no is left alone."""


def still_counted(asked: Sequence[int], *, now: int) -> tuple[int, ...]:
    """Return those of the moments (Unix seconds, the oldest first) that count at ``now``."""
    return tuple(at for at in asked if at > now - DAY_S)


def pause_s(asked: Sequence[int], pace: QuestionPace, *, now: int) -> int:
    """Return for how many seconds a number has to be left alone after what it was asked; 0 = none.

    In no hour, and on no day, wherever they begin, are there more than allowed.
    """
    pause = 0
    for most, span in ((pace.per_hour, HOUR_S), (pace.per_day, DAY_S)):
        inside = [at for at in asked if at > now - span]
        if len(inside) >= most:
            pause = max(pause, inside[len(inside) - most] + span - now)
    return pause
