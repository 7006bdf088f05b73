"""The policy of the measurement is one that nobody would be warned of."""

from __future__ import annotations

from bench import rules
from simgrant.domain.lint import lint


def test_it_has_as_many_rules_as_it_says_all_of_which_are_reached() -> None:
    made = rules.policy()
    assert len(made.rules) == rules.RULES
    assert lint(made, {}) == ()


def test_what_is_measured_is_decided_where_it_says() -> None:
    assert rules.at_the_end()().rule == made_last()
    assert rules.in_the_middle()().rule != made_last()


def made_last() -> str:
    return rules.policy().rules[-1].id
