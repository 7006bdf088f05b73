"""What is measured once, without turns: work that goes on behind requests, and its targets."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bench import life, policy_diff
from bench.results import Work
from bench.rig import Cores

KEY = "w"
"""What stands for all of it in ``--only``."""


def measure(cores: Cores, *, quick: bool, tell: Callable[[str], None]) -> Iterator[Work]:
    """Yield each with what it took, on a PostgreSQL of its own."""
    tell("events")
    size = life.Size(backlog=500, rate=100, seconds=2) if quick else life.Size()
    found = life.measure(size, postgres=True, on={cores.server})
    yield Work(f"{size.backlog:,} events drained by one worker", found.drained_s, "s", 10)
    yield Work(f"an event is in effect, p50 at {size.rate} a second", found.p50_ms, "ms")
    yield Work(f"an event is in effect, p99 at {size.rate} a second", found.p99_ms, "ms", 1000)
    tell("records")
    records = 2_000 if quick else policy_diff.RECORDS
    compared = policy_diff.compare(records, postgres=True)
    took, goal = compared["compared_s"], policy_diff.GOAL_S
    yield Work(f"two policies compared over {records:,} requests", took, "s", goal)
