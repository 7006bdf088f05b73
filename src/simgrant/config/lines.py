"""Where in the settings' file a problem is: `hss.home.realm: must be set (line 12)`.

No reader of TOML tells lines, but every one tells whether it can read the first so many of them,
and what is in those.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any, Final

_PATH: Final = re.compile(
    r'(?:unknown (?:key |section \[))?((?:[\w-]+|"[^"]*")(?:\.(?:[\w-]+|"[^"]*"))*)'
)
_PART: Final = re.compile(r'[\w-]+|"[^"]*"')


def with_lines(problems: Sequence[str], text: str) -> list[str]:
    """Return the problems, each with the line of ``text`` that it is about, where there is one.

    A key that is missing is about its table. What the environment says has no line.
    """
    lines = text.splitlines(keepends=True)
    whole = tomllib.loads(text)
    found = []
    for problem in problems:
        path = _known(_path(problem), whole)
        found.append(f"{problem} (line {_line_of(path, lines)})" if path else problem)
    return found


def _path(problem: str) -> list[str]:
    match = _PATH.match(problem)
    return [part.strip('"') for part in _PART.findall(match[1])] if match else []


def _known(path: Sequence[str], data: Mapping[str, Any]) -> list[str]:
    """Return as much of a path as there is."""
    found = []
    here: Any = data
    for part in path:
        if not isinstance(here, dict) or part not in here:
            break
        here = here[part]
        found.append(part)
    return found


def _line_of(path: Sequence[str], lines: Sequence[str]) -> int:
    """Return the number of the line where a path begins that is there."""

    def known(count: int) -> bool:
        while (data := _read(lines[:count])) is None:
            count -= 1
        return len(_known(path, data)) == len(path)

    last = bisect_left(range(len(lines) + 1), True, key=known)
    first = last - 1
    while _read(lines[:first]) is None:
        first -= 1
    return first + 1


def _read(lines: Sequence[str]) -> dict[str, Any] | None:
    """Return what lines say; None where they end in the middle of something."""
    try:
        return tomllib.loads("".join(lines))
    except tomllib.TOMLDecodeError:
        return None
