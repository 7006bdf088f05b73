"""Who asked to be spared, and how much, as told in reports of overload (RFC 7683 §5.2.1).

It is told the time, and says a share; chance is for who asks. Reports are those of one route: what
an HSS says is heard for itself alone. None is believed for longer than five minutes: who is still
overloaded says so again in its next answer, and of a report of everything no answer could take
anything back.
"""

from __future__ import annotations

from typing import Final

from simgrant.nouns import noun
from simgrant.wire.diameter.overload import Report, Scope

_MOST: Final = 100
_LONGEST_S: Final = 300
_ENDED_S: Final = 30.0
"""For so long it is remembered that one ended, lest an answer that was under way revives it."""
_QUIET_S: Final = 10.0
"""Between two pieces of news about one host."""

Key = tuple[int, Scope, str]
"""Application, and the name of a host or realm in lower case."""


@noun
class _Heard:
    sequence: int
    percent: int
    until: float
    told: float
    """When somebody was told of it."""


class Overloads:
    """The reports that are good."""

    def __init__(self, *, most: int = _MOST) -> None:
        self._most = most
        self._heard: dict[Key, _Heard] = {}
        """The oldest first."""

    def __len__(self) -> int:
        return len(self._heard)

    def take(self, key: Key, report: Report, now: float) -> bool:
        """Take a report that came; say whether it is news for people.

        One that is not newer than what is good already is passed over.
        """
        old = self._get(key, now)
        if old is not None and report.sequence <= old.sequence:
            return False
        percent = report.percent if report.seconds else 0
        seconds = min(report.seconds, _LONGEST_S) if percent else _ENDED_S
        before, told = (0, now - _QUIET_S) if old is None else (old.percent, old.told)
        is_news = percent != before and now - told >= _QUIET_S
        self._heard.pop(key, None)
        self._heard[key] = _Heard(report.sequence, percent, now + seconds, now if is_news else told)
        if len(self._heard) > self._most:
            del self._heard[next(iter(self._heard))]
        return is_news

    def of(self, key: Key, now: float) -> tuple[int, float]:
        """Return how many requests of a hundred are not to be sent, and for how many seconds."""
        found = self._get(key, now)
        return (found.percent, found.until - now) if found is not None else (0, 0.0)

    def _get(self, key: Key, now: float) -> _Heard | None:
        found = self._heard.get(key)
        if found is not None and now >= found.until:
            del self._heard[key]
            return None
        return found
