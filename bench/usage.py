"""What a process has used, from /proc (proc_pid_stat(5), proc_pid_smaps(5))."""

from __future__ import annotations

import os
import time
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_STILL_S = 0.06
"""Seconds between two looks: several clock ticks of 10 ms."""


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and all its threads, user and system, ended ones too."""
    return pull_cpu_ticks(Path(f"/proc/{pid}/stat").read_text()) / _TICKS


def pull_cpu_ticks(stat: str) -> int:
    """Return utime + stime of a /proc/<pid>/stat line, whatever the program is called."""
    fields = stat.rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def private_mb(pid: int) -> float:
    """Return the memory that would come back if this process alone ended (USS), in MB."""
    return pull_private_kb(Path(f"/proc/{pid}/smaps_rollup").read_text()) / 1024


def pull_private_kb(rollup: str) -> int:
    """Return Private_Clean + Private_Dirty of a /proc/<pid>/smaps_rollup."""
    wanted = ("Private_Clean:", "Private_Dirty:")
    return sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith(wanted))


def settle(pid: int, *, longest: float) -> None:
    """Return once the process has stopped working, so that what it still did is counted too."""
    deadline = time.monotonic() + longest
    before = cpu_seconds(pid)
    while time.monotonic() < deadline:
        time.sleep(_STILL_S)
        after = cpu_seconds(pid)
        if after == before:
            return
        before = after
