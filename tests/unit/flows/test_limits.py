"""Token buckets on the start of authentications."""

from __future__ import annotations

import pytest

from simgrant.errors import Overloaded
from simgrant.flows.limits import Rate, StartLimits, Throttle

NO_LIMIT = Rate(0, 0)


def limits(
    *, imsi_source: Rate = NO_LIMIT, imsi: Rate = NO_LIMIT, source: Rate = NO_LIMIT
) -> StartLimits:
    return StartLimits(imsi_source=imsi_source, imsi=imsi, source=source, remembered=3)


def starts(limit: StartLimits, imsi: str, source: str, *, now: float, answered: bool) -> int:
    """Start until refused; return how many starts were let through."""
    for count in range(100):
        try:
            limit.start("default", imsi, source, now=now)
        except Overloaded:
            return count
        if answered:
            limit.answered("default", imsi, source, now=now)
    return 100


def test_an_unanswered_challenge_counts_double() -> None:
    rate = Rate(10, 0)
    assert starts(limits(imsi=rate), "1", "a", now=0, answered=False) == 10
    # Each answered one gives half of its price back: 20, 19, 18 … until fewer than 2 are left.
    assert starts(limits(imsi=rate), "1", "a", now=0, answered=True) == 19


def test_an_answer_never_fills_a_bucket_beyond_its_size() -> None:
    limit = limits(imsi=Rate(2, 0))
    for _ in range(50):
        limit.answered("default", "1", "a", now=0)
    assert starts(limit, "1", "a", now=0, answered=False) == 2


def test_starts_flow_in_again_and_the_refusal_says_when() -> None:
    limit = limits(imsi=Rate(1, 0.1))
    limit.start("default", "1", "a", now=0)
    with pytest.raises(Overloaded) as refusal:
        limit.start("default", "1", "a", now=4)
    assert refusal.value.retry_after == 6
    limit.start("default", "1", "a", now=10)


def test_each_limit_is_about_its_own_key() -> None:
    by_imsi = limits(imsi=Rate(1, 0))
    by_imsi.start("default", "1", "a", now=0)
    with pytest.raises(Overloaded):
        by_imsi.start("default", "1", "b", now=0)
    by_imsi.start("default", "2", "a", now=0)
    by_imsi.start("other", "1", "a", now=0)

    by_source = limits(source=Rate(1, 0))
    by_source.start("default", "1", "a", now=0)
    with pytest.raises(Overloaded):
        by_source.start("default", "2", "a", now=0)
    by_source.start("default", "1", "b", now=0)

    by_both = limits(imsi_source=Rate(1, 0))
    by_both.start("default", "1", "a", now=0)
    with pytest.raises(Overloaded):
        by_both.start("default", "1", "a", now=0)
    by_both.start("default", "1", "b", now=0)


def test_a_refused_start_takes_nothing_from_the_other_buckets() -> None:
    limit = limits(imsi=Rate(1, 0), source=Rate(3, 0))
    limit.start("default", "1", "a", now=0)
    for _ in range(5):
        with pytest.raises(Overloaded):
            limit.start("default", "1", "a", now=0)
    limit.start("default", "2", "a", now=0)
    limit.start("default", "3", "a", now=0)


def test_only_so_many_buckets_are_remembered() -> None:
    limit = limits(imsi=Rate(1, 0))
    for imsi in "12345":
        limit.start("default", imsi, "a", now=0)
    limit.start("default", "1", "a", now=0)  # forgotten, so full again
    with pytest.raises(Overloaded):
        limit.start("default", "5", "a", now=0)


def test_a_throttle_takes_from_all_its_buckets_or_none() -> None:
    throttle = Throttle("too_many", Rate(2, 1.0), Rate(3, 0), remembered=10)
    throttle.take(("a",), ("x",), now=0)
    throttle.take(("a",), ("x",), now=0)
    with pytest.raises(Overloaded, match="too_many") as refused:
        throttle.take(("a",), ("x",), now=0)
    assert refused.value.retry_after == 1
    throttle.take(("b",), ("x",), now=0)
    with pytest.raises(Overloaded) as refused:
        throttle.take(("c",), ("x",), now=0)
    assert refused.value.retry_after == 600
    # The refused one took nothing of its own.
    for _ in range(2):
        throttle.take(("c",), ("y",), now=0)
