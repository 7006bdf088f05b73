"""What a process has used: its CPU clock, and its memory from /proc (proc_pid_smaps(5))."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

_LOOK_S = 0.1
"""Seconds between two looks at whether a process works."""
_IDLE = 0.02
"""Share of a core up to which a process is still: it may have timers."""


class NoClock(Exception):
    """The CPU time of a process cannot be read; the message says whose."""


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and all its threads, user and system, ended ones too.

    It is exact to the nanosecond, where /proc/<pid>/stat counts ticks of 10 ms. The clock is what
    clock_getcpuclockid(3) returns: Linux makes its number of the process (inverted, shifted by 3)
    and the kind of clock, of which 2 is the time that the scheduler has measured.
    """
    try:
        return time.clock_gettime_ns((~pid << 3) | 2) / 1e9
    except OSError as error:
        raise NoClock(f"no CPU clock of process {pid}, or it has ended: {error}") from None


def private_mb(pid: int) -> float:
    """Return the memory that would come back if this process alone ended (USS), in MB."""
    return pull_private_kb(Path(f"/proc/{pid}/smaps_rollup").read_text()) / 1024


def pull_private_kb(rollup: str) -> int:
    """Return Private_Clean + Private_Dirty of a /proc/<pid>/smaps_rollup."""
    wanted = ("Private_Clean:", "Private_Dirty:")
    return sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith(wanted))


def settle(pids: Sequence[int], *, longest: float) -> None:
    """Return once all the processes are still, so that what they still did is counted too."""
    deadline = time.monotonic() + longest
    before = [cpu_seconds(pid) for pid in pids]
    while time.monotonic() < deadline:
        time.sleep(_LOOK_S)
        after = [cpu_seconds(pid) for pid in pids]
        if all(now - then < _IDLE * _LOOK_S for then, now in zip(before, after, strict=True)):
            return
        before = after
