"""The watchdog of a connection (RFC 3539 §3.4.1), with the time as an argument."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.links.diameter.watchdog import Act, Health, Watchdog, WatchdogRules

RULES = WatchdogRules(tw_s=30, doubt_s=1)


def dog(*, doubtful: bool = False, chance: float = 0.5) -> Watchdog:
    return Watchdog(RULES, doubtful=doubtful, now=0.0, chance=lambda: chance)


@pytest.mark.parametrize(("chance", "due"), [(0.0, 28), (0.5, 30), (1.0, 32)])
def test_the_first_question_comes_after_tw_with_two_seconds_of_jitter(
    chance: float, due: float
) -> None:
    watchdog = dog(chance=chance)
    assert watchdog.due == due
    assert watchdog.tick(due) is Act.ASK
    assert watchdog.health is Health.OKAY


def test_whatever_comes_is_as_good_as_an_answer() -> None:
    watchdog = dog()
    watchdog.heard(29)
    assert watchdog.tick(30) is Act.NOTHING
    assert watchdog.due == 59


def test_an_unanswered_question_makes_a_suspect_and_then_an_end() -> None:
    watchdog = dog()
    assert watchdog.tick(30) is Act.ASK
    assert watchdog.tick(watchdog.due) is Act.NOTHING
    assert watchdog.health is Health.SUSPECT
    assert watchdog.tick(watchdog.due) is Act.CLOSE


def test_a_suspect_that_says_anything_is_none() -> None:
    watchdog = dog()
    watchdog.tick(30)
    watchdog.tick(60)
    assert watchdog.heard(61)
    assert watchdog.health.value == "okay"
    # It still owes the answer: nothing but silence after that is as bad as before.
    assert watchdog.tick(90) is Act.NOTHING
    assert watchdog.health.value == "suspect"


def test_an_answer_in_time_begins_anew() -> None:
    watchdog = dog()
    watchdog.tick(30)
    assert not watchdog.answered(31)
    assert watchdog.tick(60) is Act.ASK
    assert watchdog.health is Health.OKAY


def test_doubt_is_over_after_three_answers_a_second_apart() -> None:
    watchdog = dog(doubtful=True)
    for second in range(3):
        assert watchdog.health is Health.DOUBTFUL
        assert watchdog.due == second
        assert watchdog.tick(second) is Act.ASK
        watchdog.answered(second)
    assert watchdog.health is Health.OKAY
    assert watchdog.due == 32


def test_a_question_in_doubt_that_is_not_answered_ends_it() -> None:
    watchdog = dog(doubtful=True)
    watchdog.tick(0)
    assert watchdog.due == 30
    assert watchdog.tick(30) is Act.CLOSE


STEPS = st.lists(
    st.tuples(st.sampled_from(["wait", "hear", "answer"]), st.floats(0, 100)), max_size=40
)


@given(STEPS, st.booleans(), st.floats(0, 1))
def test_whoever_keeps_silent_is_given_up_within_four_tw_whatever_was_before(
    steps: list[tuple[str, float]], doubtful: bool, chance: float
) -> None:
    watchdog = Watchdog(RULES, doubtful=doubtful, now=0.0, chance=lambda: chance)
    now, open_ = 0.0, True
    for what, later in steps:
        now += later
        while open_ and watchdog.due <= now:
            open_ = watchdog.tick(watchdog.due) is not Act.CLOSE
        if not open_:
            return
        if what == "hear":
            watchdog.heard(now)
        elif what == "answer":
            watchdog.answered(now)
        assert watchdog.due > now
    silent_since = now
    while watchdog.tick(watchdog.due) is not Act.CLOSE:
        assert watchdog.due <= silent_since + 4 * 32


@given(st.booleans(), st.floats(0, 1), st.lists(st.floats(0.001, 20), max_size=30))
def test_whoever_answers_every_question_is_never_given_up(
    doubtful: bool, chance: float, waits: list[float]
) -> None:
    watchdog = Watchdog(RULES, doubtful=doubtful, now=0.0, chance=lambda: chance)
    for wait in waits:
        now = watchdog.due
        if watchdog.tick(now) is Act.ASK:
            watchdog.answered(min(now + wait, watchdog.due))
        assert watchdog.health is not Health.SUSPECT
