"""`simgrant serve` as a newcomer starts it: no file, a directory of its own, free ports."""

import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.servers.process import attended, free_port, launch

SIMGRANT = Path(sys.executable).parent / "simgrant"


@dataclass(frozen=True, slots=True)
class OurServer:
    """The running server, with the demonstration subscriptions."""

    url: str
    """What devices talk to."""
    management_url: str
    log: Path

    def is_ready(self) -> bool:
        ready = f"{self.management_url}/readyz"
        with suppress(OSError), urllib.request.urlopen(ready, timeout=5) as answer:
            return bool(answer.status == 200)
        return False


@contextmanager
def running(place: Path, **settings: str) -> Iterator[OurServer]:
    """Run the server; settings are named as in the environment, without the prefix."""
    device, management = free_port(), free_port()
    given = {
        "SERVER__STATE_DIR": str(place / "state"),
        "DEVICE__LISTEN": f"127.0.0.1:{device}",
        "MANAGEMENT__LISTEN": f"127.0.0.1:{management}",
        "PORTAL__LISTEN": "127.0.0.1:0",
        **settings,
    }
    log = place / "simgrant.log"
    environment = [f"SIMGRANT__{name}={value}" for name, value in given.items()]
    process = launch(
        [SIMGRANT, "serve"],
        log=log,
        signal="TERM",
        inside=["env", f"--chdir={place}", *environment],
    )
    server = OurServer(f"http://127.0.0.1:{device}/", f"http://127.0.0.1:{management}", log)
    with attended(process, server.is_ready, what="simgrant answers /readyz", log=log):
        yield server
