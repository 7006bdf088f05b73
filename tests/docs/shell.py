"""A server as a page has it started, and a shell beside it that takes the page at its word."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.servers.process import Unavailable, free_port, launch, wait_until

PORTS = (8080, 8081, 8082, 8083)
"""Of the pages: devices, operations, portal, partners."""


@dataclass(frozen=True, slots=True)
class Shell:
    """A directory with a server in it, and the addresses that stand for those of the pages."""

    directory: Path
    environment: Mapping[str, str]
    places: Mapping[str, str]

    def placed(self, text: str) -> str:
        """Return what a page says, with the addresses of this server."""
        for said, place in self.places.items():
            text = text.replace(said, place)
        return text

    def file(self, name: str, text: str) -> None:
        """Write a file that a page names."""
        (self.directory / name).write_text(self.placed(text))

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command of a page."""
        return subprocess.run(
            ["bash", "-o", "pipefail", "-c", self.placed(command)],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def said(self, command: str) -> str:
        """Return what a command prints, once it ends well.

        A change of a contract is in force within a second, so what follows one may have to be
        tried again.
        """
        tried: list[subprocess.CompletedProcess[str]] = []

        def ends_well() -> bool:
            tried.append(self.run(command))
            return tried[-1].returncode == 0

        try:
            wait_until(ends_well, what=command, timeout=20)
        except TimeoutError:
            pytest.fail(f"{command}\n{tried[-1].stdout}\n{tried[-1].stderr}")
        return tried[-1].stdout + tried[-1].stderr


@contextmanager
def served(directory: Path, *arguments: str, settings: str = "") -> Iterator[Shell]:
    """Run ``simgrant serve`` on free ports, with ``settings`` as its file, until the block ends."""
    places = {f"127.0.0.1:{port}": f"127.0.0.1:{free_port()}" for port in PORTS}
    scripts = Path(sys.executable).parent
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("SIMGRANT__")
    } | {"PATH": f"{scripts}:{os.environ['PATH']}", "NO_COLOR": "1", "COLUMNS": "100"}
    shell = Shell(directory, environment, places)
    if settings:
        shell.file("simgrant.toml", settings)
    device, management, portal, _ = places.values()
    variables = [
        f"SIMGRANT__DEVICE__LISTEN={device}",
        f"SIMGRANT__MANAGEMENT__LISTEN={management}",
        f"SIMGRANT__PORTAL__LISTEN={portal}",
        f"SIMGRANT__SERVER__STATE_DIR={directory / 'state'}",
    ]
    program = [str(scripts / "simgrant"), "serve", *arguments]
    command = ["env", "-C", str(directory), *variables, *program]
    log = directory / "server.log"
    try:
        server = launch(command, log=log, signal="TERM")
    except Unavailable as missing:
        pytest.skip(str(missing))
    try:
        wait_until(lambda: server.poll() is not None or _answers(management), what="a start")
        assert server.poll() is None, log.read_text()
        yield shell
    finally:
        server.terminate()
        server.wait(30)


def _answers(management: str) -> bool:
    try:
        with urlopen(f"http://{management}/readyz", timeout=1) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False
