"""When rules are in force: spans of time, days of the week, hours of the day.

Everything is reckoned in seconds since 1970 and in the offset that the schedule names, so that it
needs no time zones of the machine; who wants summer time writes two schedules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from math import floor, inf

from simgrant.domain.problems import shown
from simgrant.domain.reading import Reader
from simgrant.nouns import noun

MOST_SCHEDULES = 100
MOST_HOURS = 24
"""Spans of hours in one schedule."""

_DAY = 86_400
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FIRST_DAY = _DAYS.index("thu")
"""The first day of 1970."""
_EVERY_DAY = frozenset(range(len(_DAYS)))
_ALL_HOURS = ((0, _DAY),)
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)", re.ASCII)
_OFFSET = re.compile(r"([+-])(0\d|1[0-4]):([0-5]\d)", re.ASCII)
_KEYS = ("from", "until", "offset", "days", "hours")


@noun
class Schedule:
    """When something is in force; all of it must fit."""

    begins: float = -inf
    """Unix seconds."""
    ends: float = inf
    days: frozenset[int] = _EVERY_DAY
    """0 = Monday."""
    hours: tuple[tuple[int, int], ...] = _ALL_HOURS
    """Seconds of the day, from and before; one that ends before it begins goes on until the next
    day, and belongs to the day on which it begins."""
    offset_s: int = 0
    """What the clock is ahead of UTC."""

    def holds(self, now: float) -> bool:
        """Say whether it is in force."""
        if not self.begins <= now < self.ends:
            return False
        # In whole seconds, as all bounds are: a sum of fractions might be rounded up to one.
        day, second = divmod(floor(now) + self.offset_s, _DAY)
        today = (day + _FIRST_DAY) % 7
        is_due, was_due = today in self.days, (today - 1) % 7 in self.days
        return any(
            is_due and start <= second < end
            if start < end
            else (is_due and second >= start) or (was_due and second < end)
            for start, end in self.hours
        )

    def holds_until(self, now: float) -> float:
        """Return until when, at least, nothing of this changes."""
        midnight = (floor(now) + self.offset_s) // _DAY * _DAY - self.offset_s
        times = [self.begins, self.ends]
        if self.days != _EVERY_DAY or self.hours != _ALL_HOURS:
            marks = {0, *(second for span in self.hours for second in span)}
            times += [midnight + mark + day for mark in marks for day in (0, _DAY)]
        return min((time for time in times if time > now), default=inf)


class Calendar:
    """The schedules of a policy, and which of them are in force."""

    __slots__ = ("_known", "schedules")

    def __init__(self, schedules: Mapping[str, Schedule]) -> None:
        self.schedules = schedules
        self._known: tuple[float, float, tuple[str, ...]] = (inf, -inf, ())

    def at(self, now: float) -> tuple[str, ...]:
        """Return the names of those in force, in the order of the policy; remembered till the next
        change."""
        if not self.schedules:
            return ()
        since, until, names = self._known
        if not since <= now < until:
            names = tuple(name for name, each in self.schedules.items() if each.holds(now))
            until = min(each.holds_until(now) for each in self.schedules.values())
            self._known = now, until, names
        return names

    def only(self, names: Iterable[str]) -> Calendar:
        """Return the schedules of these names alone."""
        chosen = frozenset(names)
        return Calendar({name: each for name, each in self.schedules.items() if name in chosen})


ALWAYS = Calendar({})


def read_schedules(given: object, reader: Reader) -> dict[str, Schedule]:
    """Return the schedules of a policy by name."""
    found: dict[str, Schedule] = {}
    for name, entry in reader.named(given, "schedules", most=MOST_SCHEDULES):
        where = f"schedules.{name}"
        body = reader.table(entry, where, "", known=_KEYS)
        if isinstance(entry, Mapping) and not entry.keys() & {"from", "until", "days", "hours"}:
            reader.say(where, "", "says no time: it would always be in force")
        begins = _instant(body, "from", reader, where, -inf)
        ends = _instant(body, "until", reader, where, inf)
        if begins >= ends:
            reader.say(where, "until", "is not after from")
        days = _EVERY_DAY
        hours: tuple[tuple[int, int], ...] = _ALL_HOURS
        if "days" in body:
            words = reader.among(body["days"], where, "days", _DAYS, what="days", least=1, most=7)
            days = frozenset(_DAYS.index(day) for day in words if day in _DAYS)
        if "hours" in body:
            hours = _hours(body["hours"], reader, where)
        offset = _offset(body.get("offset", "+00:00"), reader, where)
        if "offset" in body and not body.keys() & {"days", "hours"}:
            reader.say(where, "offset", "is for days and hours; from and until have their own")
        found[name] = Schedule(begins, ends, days, hours, offset)
    return found


def _instant(
    body: Mapping[str, object], key: str, reader: Reader, where: str, otherwise: float
) -> float:
    """Return Unix seconds of a date and time with its offset, as TOML has it or in quotes."""
    if key not in body:
        return otherwise
    given = body[key]
    try:
        time = datetime.fromisoformat(given) if isinstance(given, str) else given
        if isinstance(time, datetime) and time.tzinfo is not None:
            return time.timestamp()
    except (ValueError, OverflowError):
        pass
    said = f"must be a time such as 2027-01-31T00:00:00+01:00, with its offset, not {shown(given)}"
    reader.say(where, key, said)
    return otherwise


def _hours(given: object, reader: Reader, where: str) -> tuple[tuple[int, int], ...]:
    spans: list[tuple[int, int]] = []
    listed = reader.items(given, where, "hours", most=MOST_HOURS)
    for number, each in enumerate(listed, 1):
        span = _HOURS.fullmatch(each) if isinstance(each, str) else None
        if span is not None:
            start = _second(span[1], span[2])
            end = _DAY if span[3] is None else _second(span[3], span[4])
        if span is None or start == end:
            said = f'must be hours such as "08:00-18:30", not {shown(each)}'
            reader.say(where, f"hours[{number}]", said)
        else:
            spans.append((start, end))
    if not listed:
        reader.say(where, "hours", "is empty; leave it out for all day")
    return tuple(spans)


def _second(hours: str, minutes: str) -> int:
    return int(hours) * 3600 + int(minutes) * 60


def _offset(given: object, reader: Reader, where: str) -> int:
    found = _OFFSET.fullmatch(given) if isinstance(given, str) else None
    if found is None:
        said = f'must be what clocks are ahead of UTC, such as "+01:00", not {shown(given)}'
        reader.say(where, "offset", said)
        return 0
    return _second(found[2], found[3]) * (-1 if found[1] == "-" else 1)
