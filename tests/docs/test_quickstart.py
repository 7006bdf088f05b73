"""The quickstart, taken at its word: its commands, in order, against a real server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, page
from tests.docs.shell import Shell, served

_ELSEWHERE = ("make ", "export PATH=")
"""What the fixture does in the page's place."""


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """A server as ``make serve`` starts it, on free ports."""
    with served(tmp_path) as shell:
        yield shell


@pytest.mark.e2e
@pytest.mark.slow
def test_the_quickstart_works_as_it_is_written(shell: Shell) -> None:
    commands = [
        each for each in page("quickstart.md").commands() if not each.startswith(_ELSEWHERE)
    ]
    assert len(commands) > 10
    said = []
    for command in commands:
        done = shell.run(command)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        said.append(done.stdout + done.stderr)
    together = "\n".join(said)
    for promised in _promises():
        assert promised in together, promised
    for command in page("policy.md").commands():
        done = shell.run(command)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def _promises() -> list[str]:
    """Return lines of the page's output that do not depend on time or chance."""
    found = []
    for block in page("quickstart.md").fences("text"):
        for line in block.splitlines():
            if re.search(r"EntitlementStatus|denied:|allowed:|^Nothing|not so:", line):
                found.append(line.rstrip())
    assert len(found) > 8
    return found


@pytest.mark.e2e
@pytest.mark.slow
def test_the_demo_works_as_it_is_written() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "simgrant"), "demo"],
        cwd=ROOT,
        env=os.environ | {"NO_COLOR": "1", "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (scene,) = (block for block in page("quickstart.md").fences("text") if block[0] == "1")
    for line in scene.splitlines():
        if "ms" not in line.split():
            assert line.rstrip() in done.stdout, line
