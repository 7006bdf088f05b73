"""What a comparison found, in words."""

from simgrant.cli.policy_report import _HEADS, _WHY_NOT
from simgrant.flows.replay import Kind, Missing


def test_everything_that_may_be_found_has_words() -> None:
    assert set(_HEADS) == set(Kind)
    assert set(_WHY_NOT) == set(Missing)
