"""How many instructions an operation takes: two runs of `bench.profile` under valgrind, compared.

The difference of a long run and a short one has nothing of the start in it. Valgrind's cachegrind
counts, whatever else the machine does; only timers fire more often, since everything takes longer.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

from rich.console import Console
from rich.table import Table

_SHORT, _LONG = 100, 300
"""Operations of the two runs."""

_PLACES = frozenset("0123456789+-*")
"""What a line with a count begins with: its number in the source, or how far that is on."""

Counts: TypeAlias = Counter[str]
"""Instructions by function."""


def show(top: int) -> None:
    """Count for the arguments of this process, and print a table; SystemExit where it cannot."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise SystemExit("there is no valgrind: apt-get install valgrind")
    arguments = [each for each in sys.argv[1:] if each != "--count"]
    console = Console(width=max(120, Console().width))
    with tempfile.TemporaryDirectory(prefix="simgrant-count-") as directory:
        found: list[Counts] = []
        for times in (_SHORT, _LONG):
            out = Path(directory) / str(times)
            with console.status(f"{times} operations under valgrind"):
                _run(valgrind, out, [*arguments, "-n", str(times)])
            found.append(pull_counts(out.read_text(errors="replace").splitlines()))
    short, long = found
    each = {name: (long[name] - short[name]) / (_LONG - _SHORT) for name in long}
    total = sum(each.values())
    table = Table("instructions", "share", "function", title="per operation")
    for name, number in sorted(each.items(), key=lambda row: -row[1])[:top]:
        table.add_row(f"{number:,.0f}", f"{number / total:.1%}", name)
    console.print(f"[bold]{total:,.0f}[/] instructions per operation, without a socket")
    console.print(table)


def _run(valgrind: str, out: Path, arguments: list[str]) -> None:
    command = (
        valgrind,
        "--tool=cachegrind",
        "--cache-sim=no",
        f"--cachegrind-out-file={out}",
        sys.executable,
        "-m",
        "bench.profile",
        *arguments,
        "--only-run",
    )
    # One order of hashing: else two runs differ in more than their length.
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the run under valgrind failed:\n{done.stdout}\n{done.stderr[-2000:]}")


def pull_counts(lines: Iterable[str]) -> Counts:
    """Return the instructions of each function of a file of cachegrind's."""
    found: Counts = Counter()
    name = ""
    for line in lines:
        if line.startswith("fn="):
            name = line[3:]
        elif line[:1] in _PLACES:
            found[name] += int(line.split()[1])
    return found
