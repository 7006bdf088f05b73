"""Percentiles of the newest times, held against the plain definition."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from simgrant.domain.recent_times import RecentTimes

TIMES = st.lists(st.floats(min_value=0, max_value=100), max_size=60)
SHARES = st.sampled_from([0.5, 0.9, 0.95, 0.99, 1.0])


@given(times=TIMES, share=SHARES, most=st.integers(1, 20), least=st.integers(1, 20))
def test_it_is_the_least_time_that_suffices_for_the_share_of_the_newest(
    times: list[float], share: float, most: int, least: int
) -> None:
    recent = RecentTimes(most=most, least=least)
    for each in times:
        recent.add(each)
    newest = times[-most:]
    found = recent.percentile(share)
    if len(newest) < least:
        assert found is None
        return
    assert found in newest

    def within(limit: float) -> float:
        return sum(each <= limit for each in newest) / len(newest)

    assert found is not None
    assert within(found) >= share
    assert all(within(each) < share for each in newest if each < found)


def test_nothing_is_said_of_few() -> None:
    recent = RecentTimes()
    for number in range(49):
        recent.add(number)
    assert recent.percentile(0.95) is None
    recent.add(49)
    assert recent.percentile(0.95) == 47


def test_what_is_old_is_forgotten() -> None:
    recent = RecentTimes()
    for _ in range(500):
        recent.add(3.0)
    for _ in range(476):
        recent.add(0.01)
    assert recent.percentile(0.95) == 0.01
    assert recent.percentile(0.99) == 3.0
    recent.add(0.02)
    assert len(recent._newest) == len(recent._ordered) == 500
