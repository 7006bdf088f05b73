"""Processes of `simgrant` that are born by a fork, since importing takes longer than most tests.

Each is a process of its own, with its session, environment, directory, output and end, as if
somebody had started it; only that it has read its code already. The process of which they are born
has done nothing else, and one is enough for a run of tests.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import IO, Any

import msgspec

_ROOT = Path(__file__).parents[2]
_LOADED = (
    "simgrant.serving",
    "simgrant.adapters.store.migrate",
    "simgrant.adapters.store.postgres",
    "simgrant.compose.explaining",
)
"""What servers and commands import, beside the commands themselves."""
_MOST = 65_536
_PR_SET_PDEATHSIG = 1


class _Birth(msgspec.Struct, tag=True):
    arguments: list[str]
    directory: str
    environment: dict[str, str]


class _Burial(msgspec.Struct, tag=True):
    pid: int


class Born:
    """One process; it can do what a `subprocess.Popen` can."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self._nursery = nursery
        self._end = os.pidfd_open(pid)
        self._lock = threading.Lock()
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while it lives."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code once it has ended; raise TimeoutExpired."""
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, if it lives."""
        if self.poll() is None:
            signal.pidfd_send_signal(self._end, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)

    def _ended(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._end], [], [], timeout)[0]:
            with self._lock:
                if self.returncode is None:
                    self.returncode = self._nursery.ask(_Burial(self.pid))
        return self.returncode


class Nursery:
    """The process of which others are born."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            # It ends when our end of the socket is closed, and so with us; the kernel ends
            # then all that were born. (PR_SET_PDEATHSIG would go by the thread that is here.)
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                cwd=_ROOT,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    def bear(
        self,
        *arguments: str,
        directory: Path,
        environment: Mapping[str, str],
        out: IO[Any],
        err: IO[Any],
    ) -> Born:
        """Start `simgrant` with some arguments."""
        birth = _Birth(list(arguments), str(directory), dict(environment))
        return Born(self, self.ask(birth, out.fileno(), err.fileno()))

    def ask(self, what: _Birth | _Burial, *files: int) -> int:
        """Return what comes of it: a process id, or an exit code."""
        with self._lock:
            socket.send_fds(self._socket, [msgspec.json.encode(what)], files)
            found = self._socket.recv(_MOST)
        assert found, "the nursery has ended"
        return int(found)


@cache
def nursery() -> Nursery:
    """Return the one of this run."""
    return Nursery()


def main(connection: socket.socket) -> None:
    """Bear and bury what is asked for, until nobody asks any more."""
    _load()
    decoder = msgspec.json.Decoder(_Birth | _Burial)
    while True:
        data, files, _, _ = socket.recv_fds(connection, _MOST, 2)
        if not data:
            return
        what = decoder.decode(data)
        if isinstance(what, _Burial):
            _, status = os.waitpid(what.pid, 0)
            connection.send(b"%d" % os.waitstatus_to_exitcode(status))
            continue
        pid = os.fork()
        if pid == 0:
            connection.close()
            _live(what, *files)
        for file in files:
            os.close(file)
        connection.send(b"%d" % pid)


def _load() -> None:
    from simgrant import cli

    for name in (
        *_LOADED,
        *(f"simgrant.cli.{each.name}" for each in pkgutil.iter_modules(cli.__path__)),
    ):
        importlib.import_module(name)
    assert len(os.listdir("/proc/self/task")) == 1, "a thread would be lost by a fork"
    gc.collect()
    gc.freeze()


def _live(birth: _Birth, out: int, err: int) -> None:
    """Be the process that was asked for, to the end."""
    import simgrant.__main__
    import simgrant.cli

    os.setsid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    for file, place in ((out, 1), (err, 2)):
        os.dup2(file, place)
        os.close(file)
    os.chdir(birth.directory)
    os.environ.clear()
    os.environ.update(birth.environment)
    sys.argv = ["simgrant", *birth.arguments]
    # Workers import it by its name.
    sys.modules["__main__"] = simgrant.__main__
    simgrant.cli.main()
    sys.exit()


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
