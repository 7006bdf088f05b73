"""How far telling devices of another policy is, as it is shown while it gets on."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

from simgrant.cli import policy_sweep
from simgrant.cli.common import progress
from simgrant.ports.sweeps import Sweep

TOTAL = 100
Bars = list[tuple[int | None, list[int]]]
"""Of each bar how much it is of, and how far it was each time."""


def at(change: int, looked: int, told: int = 0) -> Sweep:
    return Sweep("default", change, 7, looked, told)


STEPS: Sequence[Sequence[Sweep]] = (
    [at(1, 0), at(2, 0)],
    [at(1, 64, 3), at(2, 0)],
    [at(1, 64, 3), at(2, 0)],
    [at(2, 32), at(3, 0)],
    [at(3, 96)],
    [],
)
"""One ends, one begins meanwhile, and nothing happens in between."""


async def watch(*, lines: bool = False) -> int:
    """Watch them; return how often nothing was left to do but to wait."""
    steps, pauses = iter(STEPS), 0

    async def look() -> Sequence[Sweep]:
        return next(steps)

    async def pause() -> None:
        nonlocal pauses
        pauses += 1

    await policy_sweep.watched(look, TOTAL, lines=lines, pause=pause)
    return pauses


async def test_the_bar_moves_and_never_back(monkeypatch: pytest.MonkeyPatch) -> None:
    bars: Bars = []

    @contextmanager
    def bar(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
        assert title == "looked at"
        bars.append((total, []))
        yield bars[-1][1].append

    monkeypatch.setattr(policy_sweep, "progress", bar)
    assert await watch() == 5
    assert bars == [(200, [0, 64, 64, 132]), (100, [96])]


async def test_there_is_a_line_each_time_it_got_on(capsys: pytest.CaptureFixture[str]) -> None:
    await watch(lines=True)
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [[each["change"] for each in now] for now in said] == [[1, 2], [1, 2], [2, 3], [3]]
    assert said[1][0] == {"change": 1, "looked": 64, "of": TOTAL, "told": 3}


def test_a_terminal_shows_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with progress("looked at", 200) as advance:
        advance(64)
    assert "64/200" in terminal.getvalue()
