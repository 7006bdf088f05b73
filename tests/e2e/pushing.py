"""`simgrant sim push` as a process, and what it says."""

from __future__ import annotations

import json
import sys
import tomllib
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers.process import launch, wait_until


@dataclass
class Services:
    """`simgrant sim push`, and what it said."""

    log: Path

    def lines(self) -> list[dict[str, Any]]:
        """Return everything that it said so far."""
        said = self.log.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in said if line.endswith("\n")]

    @property
    def phones(self) -> str:
        """The phones' port."""
        return str(self.lines()[0]["phones"])

    def settings(self) -> dict[str, object]:
        """Return what it says a server's settings are, by dotted name."""
        tables = tomllib.loads(self.lines()[0]["settings"])
        return dict(_dotted(tables, "")) | {"push.poll_s": 0.05, "push.first_pause_s": 0.2}

    def switch(self, channel: str, what: str, body: str) -> None:
        """Throw a switch, as one does with curl."""
        url = f"{self.phones}/{channel}/{what}"
        with urllib.request.urlopen(url, data=body.encode(), timeout=10) as answer:
            assert answer.status == 200


def _dotted(table: dict[str, Any], place: str) -> Iterator[tuple[str, object]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _dotted(value, f"{place}{name}.")
        else:
            yield f"{place}{name}", value


@contextmanager
def services(place: Path) -> Iterator[Services]:
    """Run the services, with everything of theirs in a folder."""
    log = place / "push.log"
    command = [sys.executable, "-m", "simgrant", "sim", "push", "--port", "0", "--json"]
    process = launch([*command, "--folder", str(place / "push")], log=log, signal="TERM")
    found = Services(log)

    def is_up() -> bool:
        assert process.poll() is None, log.read_text()[-2000:]
        return b"\n" in log.read_bytes()

    try:
        wait_until(is_up, what="the push services are up")
        yield found
    finally:
        process.terminate()
        process.wait(15)
