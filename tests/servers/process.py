"""What starting any server takes: a free port, an end when the tests end, a wait with a deadline.

A server whose test run was killed must not live on, so each is tied to its parent by the kernel
(`prctl` PR_SET_PDEATHSIG, set by util-linux' `setpriv`) and not by Python code that may not run.
"""

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path


class Unavailable(Exception):
    """The server cannot run on this machine; the message says what is missing."""


def free_port() -> int:
    """Return a port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def launch(
    command: Sequence[str | Path], *, log: Path, signal: str, inside: Sequence[str] = ()
) -> subprocess.Popen[bytes]:
    """Start a server that gets `signal` if we die, by way of the command `inside`, if any.

    It has a session of its own, so that a Ctrl-C for the tests does not take it away before the
    fixtures have finished. `setpriv` comes last: entering a user namespace would undo it.
    """
    if not shutil.which("setpriv"):
        raise Unavailable("setpriv (util-linux) is not installed")
    with log.open("ab") as output:
        return subprocess.Popen(
            [*inside, "setpriv", "--pdeathsig", signal, *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def wait_until(condition: Callable[[], bool], *, what: str, timeout: float = 30) -> None:
    """Return once the condition holds; raise TimeoutError saying `what` did not happen."""
    deadline = time.monotonic() + timeout
    pause = 0.001
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout:g} s: {what}")
        time.sleep(pause)
        pause = min(pause * 2, 0.05)
