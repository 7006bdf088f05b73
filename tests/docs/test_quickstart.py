"""The quickstart, taken at its word: its commands, in order, against a real server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.docs.pages import ROOT, page
from tests.servers.process import Unavailable, free_port, launch, wait_until

DEVICE, MANAGEMENT = "127.0.0.1:8080", "127.0.0.1:8081"
_ELSEWHERE = ("make ", "export PATH=")
"""What the fixture does in the page's place."""


@dataclass(frozen=True, slots=True)
class Shell:
    """A directory with a server in it, and its addresses."""

    directory: Path
    device: str
    management: str
    environment: dict[str, str]

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the page, with the addresses of this server."""
        command = command.replace(DEVICE, self.device).replace(MANAGEMENT, self.management)
        return subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """A server as ``make serve`` starts it, on free ports."""
    device, management = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    scripts = Path(sys.executable).parent
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("SIMGRANT__")
    } | {"PATH": f"{scripts}:{os.environ['PATH']}", "NO_COLOR": "1", "COLUMNS": "100"}
    settings = [
        f"SIMGRANT__DEVICE__LISTEN={device}",
        f"SIMGRANT__MANAGEMENT__LISTEN={management}",
        "SIMGRANT__PORTAL__LISTEN=127.0.0.1:0",
        f"SIMGRANT__SERVER__STATE_DIR={tmp_path / 'state'}",
    ]
    command = ["env", "-C", str(tmp_path), *settings, str(scripts / "simgrant"), "serve"]
    try:
        server = launch(command, log=tmp_path / "server.log", signal="TERM")
    except Unavailable as missing:
        pytest.skip(str(missing))
    try:
        wait_until(lambda: server.poll() is not None or _answers(management), what="a start")
        assert server.poll() is None, (tmp_path / "server.log").read_text()
        yield Shell(tmp_path, device, management, environment)
    finally:
        server.terminate()
        server.wait(30)


def _answers(management: str) -> bool:
    try:
        with urlopen(f"http://{management}/readyz", timeout=1) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


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
