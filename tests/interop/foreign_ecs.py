"""`ts43-test-ecs`, a TS.43 server that is not ours, in its own venv and on loopback."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from simgrant.sim.http import Url
from simgrant.sim.sims import Sim
from tests.servers.process import Unavailable, attended, free_port, launch

PYTHON = Path(__file__).parents[2] / ".venv-tools/ts43/bin/python"
"""The venv that `make tools` makes."""

_ADMIN_KEY = "only-on-loopback"


class ForeignEcs:
    """The running server."""

    def __init__(self, port: int) -> None:
        self.url = Url.parse(f"http://127.0.0.1:{port}/")

    def provision(self, sim: Sim, *, sqn: int = 32) -> None:
        """Tell it of a SIM. It counts its sequence numbers up by one."""
        self._post(
            "/admin/api/subscribers",
            {
                "imsi": sim.imsi.digits,
                "ki": sim.k.hex(),
                "opc": sim.opc.hex(),
                "sqn": f"{sqn:012x}",
                "msisdn": sim.msisdn and sim.msisdn.e164,
            },
        )

    def expire_tokens(self, sim: Sim) -> None:
        """Let every token of a SIM expire now."""
        self._post("/admin/api/tokens/expire", {"imsi": sim.imsi.digits})

    def is_ready(self) -> bool:
        with suppress(OSError), urllib.request.urlopen(f"{self.url.origin}/ready", timeout=5):
            return True
        return False

    def _post(self, path: str, data: dict[str, Any]) -> None:
        request = urllib.request.Request(
            self.url.origin + path,
            json.dumps(data).encode(),
            {"X-Admin-Key": _ADMIN_KEY, "Content-Type": "application/json"},
            method="POST",
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status in (200, 201), answer.status


@contextmanager
def running(place: Path) -> Iterator[ForeignEcs]:
    """Run the server in a directory of its own; raise Unavailable where it is not installed."""
    if not PYTHON.exists():
        raise Unavailable("ts43-test-ecs is not installed (make tools)")
    port = free_port()
    log = place / "server.log"
    settings = {
        "ECS_HOST": "127.0.0.1",
        "ECS_PORT": str(port),
        "ECS_ADMIN_API_KEY": _ADMIN_KEY,
        "ECS_IMSI_MNC_DIGITS": "2",
    }
    command = ["env", f"--chdir={place}", *(f"{name}={value}" for name, value in settings.items())]
    process = launch([PYTHON, "-m", "ts43ecs", "--no-tls"], log=log, signal="TERM", inside=command)
    server = ForeignEcs(port)
    with attended(process, server.is_ready, what="ts43-test-ecs answers /ready", log=log):
        yield server
