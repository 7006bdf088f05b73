"""What producers say of their load and overload, and whom that leaves to be asked."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from simgrant.links.retry import lot
from simgrant.links.sbi.reports import Reports, left_to_give
from simgrant.wire.sbi.headers import Load, Overload

ROOT = "http://udm:1"


def told(*, at: float = 100.0, reduction: int = 50, validity_s: int = 60) -> Overload:
    return Overload("NF-Instance: x", "x", at, reduction, validity_s)


def test_an_instance_gets_less_as_it_asks_and_only_for_so_long() -> None:
    reports = Reports()
    reports.overload(ROOT, told(), now=0.0)
    assert reports.wait(ROOT, 10.0, chance=0.49) == 50.0
    assert reports.wait(ROOT, 10.0, chance=0.5) == 0.0
    assert reports.wait(ROOT, 60.0, chance=0.0) == 0.0
    assert reports.wait("http://other:1", 10.0, chance=0.0) == 0.0


def test_the_same_report_again_does_not_begin_anew() -> None:
    reports = Reports()
    reports.overload(ROOT, told(), now=0.0)
    reports.overload(ROOT, told(), now=50.0)
    assert reports.wait(ROOT, 60.0, chance=0.0) == 0.0
    reports.overload(ROOT, told(), now=70.0)
    assert reports.wait(ROOT, 70.0, chance=0.0) == 0.0


def test_an_older_report_counts_for_nothing_and_a_newer_one_ends_it() -> None:
    reports = Reports()
    reports.overload(ROOT, told(reduction=100), now=0.0)
    reports.overload(ROOT, told(at=99.0, reduction=0), now=1.0)
    assert reports.wait(ROOT, 1.0, chance=0.99) == 59.0
    reports.overload(ROOT, told(at=101.0, reduction=0), now=2.0)
    assert reports.wait(ROOT, 2.0, chance=0.0) == 0.0


def test_a_pause_is_for_everybody() -> None:
    reports = Reports()
    reports.pause(ROOT, until=5.0)
    assert reports.wait(ROOT, 3.0, chance=0.99) == 2.0
    assert reports.wait(ROOT, 5.0, chance=0.0) == 0.0


def test_load_is_the_newest_or_what_the_nrf_said() -> None:
    reports = Reports()
    assert reports.load_of(ROOT, 7) == 7
    reports.load(ROOT, Load("x", 100.0, 80))
    reports.load(ROOT, Load("x", 99.0, 10))
    assert reports.load_of(ROOT, 7) == 80


def test_who_is_gone_is_forgotten() -> None:
    reports = Reports()
    reports.overload(ROOT, told(reduction=100), now=0.0)
    reports.load(ROOT, Load("x", 100.0, 80))
    reports.pause(ROOT, until=50.0)
    reports.forget({"http://other:1"})
    assert reports.wait(ROOT, 1.0, chance=0.0) == 0.0
    assert reports.load_of(ROOT, 7) == 7


@given(st.integers(0, 65_535), st.integers(0, 100), st.floats(0, 1, exclude_max=True))
def test_a_share_is_a_number_whatever_is_told(capacity: int, load: int, chance: float) -> None:
    assert math.isfinite(lot(left_to_give(capacity, load), chance=chance))


def test_who_has_more_to_give_comes_first_more_often() -> None:
    steps = [step / 100 for step in range(100)]
    more, less = left_to_give(300, 0), left_to_give(100, 0)
    firsts = sum(
        lot(more, chance=one) < lot(less, chance=other) for one in steps for other in steps
    )
    assert 0.72 < firsts / 10_000 < 0.78
