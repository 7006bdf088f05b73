"""Waits, budget and breaker, told the time and the chance."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.links.retry import Breaker, RetryBudget, RetryRules, backoff

RULES = RetryRules(failures=3, pause_s=10.0, share=0.1, reserve=5)


@given(st.integers(min_value=1, max_value=10_000), st.floats(min_value=0, max_value=1))
def test_a_wait_doubles_is_spread_by_half_and_never_too_long(attempt: int, chance: float) -> None:
    wait = backoff(attempt, RULES, chance=chance)
    longest = min(RULES.longest_wait_s, RULES.first_wait_s * 2 ** min(attempt - 1, 60))
    assert longest / 2 <= wait <= longest


def test_the_budget_is_a_reserve_and_a_share_of_the_requests() -> None:
    budget = RetryBudget(RULES)
    assert [budget.spend() for _ in range(6)] == [True] * 5 + [False]
    for _ in range(10):
        budget.earn()
    # Ten tenths may be a hair less than one.
    budget.earn()
    assert [budget.spend(), budget.spend()] == [True, False]


@given(st.lists(st.booleans(), max_size=400))
def test_repetitions_are_never_more_than_reserve_and_share(steps: list[bool]) -> None:
    budget = RetryBudget(RULES)
    spent = earned = 0
    for is_request in steps:
        if is_request:
            budget.earn()
            earned += 1
        else:
            spent += budget.spend()
    assert spent <= RULES.reserve + earned * RULES.share + 1e-6


def _breaker() -> Breaker:
    return Breaker(RULES, lambda: 0.5)


def test_a_peer_is_asked_until_it_fails_several_times_in_a_row() -> None:
    breaker = _breaker()
    for _ in range(2):
        breaker.failed(0)
    breaker.succeeded()
    for _ in range(2):
        breaker.failed(0)
    assert breaker.wait(0) == 0
    breaker.failed(0)
    assert breaker.is_open
    assert breaker.wait(0) == 10
    assert breaker.wait(4) == 6


def test_what_a_connection_takes_along_is_one_failure() -> None:
    breaker = _breaker()
    for _ in range(100):
        breaker.failed(5, began=1)
    assert not breaker.is_open
    breaker.failed(6, began=5)
    assert not breaker.is_open
    breaker.failed(7, began=6)
    assert breaker.is_open


def test_after_the_pause_one_request_tries_and_decides() -> None:
    breaker = _breaker()
    for _ in range(3):
        breaker.failed(0)
    assert breaker.wait(10) == 0
    assert breaker.wait(10) == 10
    breaker.failed(11)
    assert breaker.wait(12) == 9
    assert breaker.wait(21) == 0
    breaker.succeeded()
    assert not breaker.is_open
    assert breaker.wait(21) == 0


def test_a_trial_that_never_reports_holds_nobody_up_for_longer_than_a_pause() -> None:
    breaker = _breaker()
    for _ in range(3):
        breaker.failed(0)
    assert breaker.wait(10) == 0
    assert breaker.wait(20) == 0


def test_pauses_are_spread_so_that_nodes_do_not_come_back_together() -> None:
    chances = itertools.cycle([0.0, 1.0])
    breaker = Breaker(RULES, lambda: next(chances))
    for _ in range(3):
        breaker.failed(0)
    first = breaker.wait(0)
    breaker.failed(0)
    assert sorted([first, breaker.wait(0)]) == pytest.approx([8.0, 12.0])
