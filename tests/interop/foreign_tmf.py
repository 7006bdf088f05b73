"""`tmf-mock`: inventories and service orders of TM Forum's APIs that are not ours, on loopback."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.servers.process import Unavailable, attended, free_port, launch

_PYTHON: Final = Path(__file__).parents[2] / ".venv-tools/tmfmock/bin/python"
SERVICES: Final = "/tmf-api/serviceInventoryManagement/v4"
RESOURCES: Final = "/tmf-api/resourceInventoryManagement/v4"
ORDERS: Final = "/tmf-api/serviceOrdering/v4"


@dataclass(frozen=True)
class ForeignTmf:
    """A running server."""

    url: str

    def is_ready(self) -> bool:
        with suppress(OSError), urllib.request.urlopen(f"{self.url}/health", timeout=5):
            return True
        return False

    def ask(self, method: str, path: str, content: object = None) -> Any:
        """Return what it answers to somebody else than us."""
        body = None if content is None else json.dumps(content).encode()
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.loads(answer.read() or b"null")


@contextmanager
def tmf_mock(folder: Path, *, seed: bool) -> Iterator[ForeignTmf]:
    """Run it, empty unless ``seed``; raise Unavailable where it is not installed."""
    if not _PYTHON.exists():
        raise Unavailable("tmf-mock is not installed: make tools")
    port = free_port()
    options = ["start", "--host", "127.0.0.1", "--port", str(port)]
    command: list[str | Path] = [_PYTHON, "-c", "from tmf_mock.cli import main; main()", *options]
    found = ForeignTmf(f"http://127.0.0.1:{port}")
    log = folder / "tmf-mock.log"
    command += [] if seed else ["--no-seed"]
    process = launch(command, log=log, signal="TERM", inside=["env", f"--chdir={folder}"])
    with attended(process, found.is_ready, what="tmf-mock answers", log=log):
        yield found
