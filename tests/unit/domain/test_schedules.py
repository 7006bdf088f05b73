"""Schedules: against a calendar that is slow and obvious, and in rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from math import floor, inf
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from simgrant.domain.facts import Area, Fact, Question
from simgrant.domain.policy import Policy, PolicyError, compile_policy
from simgrant.domain.schedules import Calendar, Schedule
from tests.unit.domain.samples import facts

VOWIFI = Question("vowifi", Area.HOME)


def policy(*rules: dict[str, Any], **schedules: dict[str, Any]) -> Policy:
    entries = [{"id": f"r{n}", "result": "allowed", **each} for n, each in enumerate(rules)]
    return compile_policy({"rule": entries, "schedules": schedules}, version="1")


def schedule(**entries: Any) -> Schedule:
    return policy({"during": "it"}, it=entries).calendar.schedules["it"]


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("entries", "during", "beside"),
    [
        ({"from": "2026-12-01T00:00:00+01:00"}, ["2026-11-30T23:00Z"], ["2026-11-30T22:59Z"]),
        ({"until": datetime(2027, 1, 1, tzinfo=UTC)}, ["2026-12-31T23:59Z"], ["2027-01-01T00:00Z"]),
        ({"days": ["sat", "sun"]}, ["2026-11-28T00:00Z"], ["2026-11-27T23:59Z"]),
        (
            {"days": ["sat"], "offset": "+02:00"},
            ["2026-11-27T22:00Z", "2026-11-28T21:59Z"],
            ["2026-11-27T21:59Z", "2026-11-28T22:00Z"],
        ),
        (
            {"hours": ["08:00-18:30"], "offset": "-05:00"},
            ["2026-11-27T13:00Z", "2026-11-27T23:29Z"],
            ["2026-11-27T12:59Z", "2026-11-27T23:30Z"],
        ),
        ({"hours": ["18:00-24:00"]}, ["2026-11-27T23:59Z"], ["2026-11-28T00:00Z"]),
        (  # The night of Friday ends on Saturday morning.
            {"days": ["fri"], "hours": ["22:00-06:00"]},
            ["2026-11-27T22:00Z", "2026-11-28T05:59Z"],
            ["2026-11-27T05:00Z", "2026-11-28T06:00Z", "2026-11-28T22:00Z"],
        ),
    ],
    ids=str,
)
def test_when_it_is_in_force(entries: dict[str, Any], during: list[str], beside: list[str]) -> None:
    made = schedule(**entries)
    assert [made.holds(at(each)) for each in during] == [True] * len(during)
    assert [made.holds(at(each)) for each in beside] == [False] * len(beside)


minutes = st.integers(0, 24 * 60 - 1)
spans = st.tuples(minutes, st.integers(1, 24 * 60)).filter(lambda span: span[0] != span[1])
schedules = st.builds(
    Schedule,
    begins=st.just(-inf) | st.integers(0, 10**6).map(float),
    ends=st.just(inf) | st.integers(10**6, 2 * 10**6).map(float),
    days=st.frozensets(st.integers(0, 6), min_size=1),
    hours=st.lists(spans, min_size=1, max_size=3).map(
        lambda listed: tuple((start * 60, end * 60) for start, end in listed)
    ),
    offset_s=st.integers(-14 * 60, 14 * 60).map(lambda minutes: minutes * 60),
)
times = st.integers(0, 2 * 10**6 + 10**5).map(float) | st.floats(0, 2 * 10**6)


def slow(made: Schedule, now: float) -> bool:
    """Go through every span of every day about that time."""
    if not made.begins <= now < made.ends:
        return False
    here = timezone(timedelta(seconds=made.offset_s))
    local = datetime.fromtimestamp(floor(now), here)
    for back in (0, 1):
        day = (local - timedelta(days=back)).replace(hour=0, minute=0, second=0, microsecond=0)
        for start, end in made.hours:
            begins = day + timedelta(seconds=start)
            ends = day + timedelta(seconds=end, days=int(end < start))
            if day.weekday() in made.days and begins <= local < ends:
                return True
    return False


@given(made=schedules, now=times)
def test_it_is_in_force_when_a_slow_calendar_says_so(made: Schedule, now: float) -> None:
    assert made.holds(now) is slow(made, now)


@given(made=schedules, now=times, share=st.floats(0, 1, exclude_max=True))
@example(
    made=Schedule(hours=((0, 180),), offset_s=120), now=0.0, share=0.9999999999999998
)  # 180 once the two are added.
def test_nothing_changes_before_it_says_so(made: Schedule, now: float, share: float) -> None:
    until = made.holds_until(now)
    assert until > now
    later = now + share * (min(until, now + 10**7) - now)
    if later < until:
        assert made.holds(later) is made.holds(now)


@given(made=st.lists(schedules, max_size=3), asked=st.lists(times, max_size=8))
def test_a_calendar_remembers_nothing_too_long_wherever_clocks_jump(
    made: list[Schedule], asked: list[float]
) -> None:
    calendar = Calendar({f"s{n}": each for n, each in enumerate(made)})
    for now in asked:
        assert calendar.at(now) == tuple(f"s{n}" for n, each in enumerate(made) if each.holds(now))


def test_a_rule_is_tried_while_its_schedule_is_in_force() -> None:
    made = policy(
        {"during": "sale", "result": "denied"},
        {"during": {"not": "night"}, "when": {"status": "active"}},
        {"result": "pending"},
        sale={"days": ["sat"]},
        night={"hours": ["22:00-06:00"]},
        unused={"days": ["sun"]},
    )
    assert made.calendar.schedules.keys() == {"sale", "night"}
    for now, rule in (
        ("2026-11-27T12:00Z", "r1"),
        ("2026-11-27T23:00Z", "r2"),
        ("2026-11-28T12:00Z", "r0"),
    ):
        given = replace(facts(), schedules=Fact(made.calendar.at(at(now)), "policy 1"))
        assert made.decide(VOWIFI, given).rule == rule
    first, *_ = made.explain(VOWIFI, facts())
    assert first.failed is not None
    assert first.failed.condition == 'during = "sale"'
    assert first.failed.values == (("during", "none", "nobody told", None),)


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ({}, "schedules.it: says no time: it would always be in force"),
        ({"offset": "+01:00"}, "schedules.it: says no time: it would always be in force"),
        ({"from": "2026-12-01"}, "from: must be a time such as 2027-01-31T00:00:00+01:00"),
        ({"from": datetime(2026, 12, 1)}, "from: must be a time such as"),  # noqa: DTZ001
        ({"from": 3}, "from: must be a time such as"),
        (
            {"from": "2026-12-01T00:00Z", "until": "2026-12-01T01:00+01:00"},
            "schedules.it, until: is not after from",
        ),
        ({"days": ["funday"]}, 'days: unknown name "funday"'),
        ({"days": []}, "days: must be a list of days, not []"),
        ({"hours": ["8-18"]}, 'hours[1]: must be hours such as "08:00-18:30", not "8-18"'),
        ({"hours": ["08:00-08:00"]}, "hours[1]: must be hours"),
        ({"hours": ["08:00-25:00"]}, "hours[1]: must be hours"),
        ({"hours": []}, "hours: is empty"),
        ({"days": ["mon"], "offset": "CET"}, "offset: must be what clocks are ahead of UTC"),
        ({"from": "2026-12-01T00:00Z", "offset": "+01:00"}, "offset: is for days and hours"),
        ({"untill": 1}, 'unknown key "untill"; did you mean "until"?'),
    ],
    ids=str,
)
def test_mistakes(entries: dict[str, Any], problem: str) -> None:
    with pytest.raises(PolicyError) as caught:
        policy({"during": "it"}, it=entries)
    assert any(problem in str(each) for each in caught.value.problems)


def test_a_rule_may_name_known_schedules_alone() -> None:
    for written, problem in (
        ("its", 'rule "r0", during: unknown name "its"; did you mean "it"?'),
        ({"in": ["it"]}, 'rule "r0", during: unknown name "in"; known: is, not'),
        (["it"], 'rule "r0", during: a list needs an operator'),
    ):
        with pytest.raises(PolicyError) as caught:
            policy({"during": written}, it={"days": ["mon"]})
        assert str(caught.value.problems[0]).startswith(problem)


def test_rules_that_differ_in_their_schedules_are_reached() -> None:
    with pytest.raises(PolicyError, match="can never be reached"):
        policy({"during": "it"}, {"during": "it"}, it={"days": ["mon"]})
    policy({"during": "it"}, {}, it={"days": ["mon"]})
