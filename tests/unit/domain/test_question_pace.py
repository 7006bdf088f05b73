"""How often a number is asked: never more than allowed, wherever an hour or a day begins."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from simgrant.domain.camara.questions import (
    DAY_S,
    HOUR_S,
    QuestionPace,
    pause_s,
    still_counted,
)

STEPS = st.lists(st.integers(min_value=0, max_value=2 * HOUR_S), max_size=60)
PACES = st.builds(
    QuestionPace,
    per_hour=st.integers(min_value=1, max_value=5),
    per_day=st.integers(min_value=1, max_value=12),
)


@given(STEPS, PACES)
def test_no_hour_and_no_day_has_more(steps: list[int], pace: QuestionPace) -> None:
    now = 1_000_000
    kept: tuple[int, ...] = ()
    asked: list[int] = []
    for step in steps:
        now += step
        kept = still_counted(kept, now=now)
        pause = pause_s(kept, pace, now=now)
        if not pause:
            kept, asked = (*kept, now), [*asked, now]
            continue
        # That is exactly how long it takes.
        assert 0 < pause <= DAY_S
        assert pause_s(still_counted(kept, now=now + pause), pace, now=now + pause) == 0
        assert pause_s(still_counted(kept, now=now + pause - 1), pace, now=now + pause - 1) == 1
    for most, span in ((pace.per_hour, HOUR_S), (pace.per_day, DAY_S)):
        for at in asked:
            assert sum(at <= other < at + span for other in asked) <= most


def test_nobody_who_was_not_asked_waits() -> None:
    assert pause_s((), QuestionPace(), now=5) == 0
