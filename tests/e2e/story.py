"""A story of the demonstration, told as somebody tells it who has just installed it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_SIMGRANT = Path(sys.executable).with_name("simgrant")


def told(name: str, here: Path) -> str:
    """Return what is shown of a story that has no surprises, and leaves nothing behind."""
    done = subprocess.run(
        [_SIMGRANT, "demo", "--story", name],
        cwd=here,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert list(here.iterdir()) == []
    return done.stdout


def assert_in_order(shown: str, *texts: str) -> None:
    """Assert that texts are there, one after the other."""
    places = [shown.find(each) for each in texts]
    assert -1 not in places, shown
    assert places == sorted(places)
