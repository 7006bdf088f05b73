"""What starting any server takes: a free port, an end when the tests end, a wait with a deadline.

A server whose test run was killed must not live on, so each is tied to its parent by the kernel
(`prctl` PR_SET_PDEATHSIG, set by util-linux' `setpriv`) and not by Python code that may not run.
"""

import asyncio
import errno
import json
import secrets
import shutil
import socket
import subprocess
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any


class Unavailable(Exception):
    """The server cannot run on this machine; the message says what is missing."""


SIMGRANT = (sys.executable, "-m", "simgrant")
_READY_S = 60
_END_S = 20
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_FIRST = 20_000


def free_port() -> int:
    """Return a port that nobody listens on right now, at random.

    It is none of those that the kernel gives to whoever names none: before our server takes it,
    any connection of another test could. That two test runs draw the same one is left to chance.
    """
    end = int(_RANGE.read_text().split()[0]) if _RANGE.exists() else 32_768
    for _ in range(1_000):
        port = _FIRST + secrets.randbelow(end - _FIRST) if end > _FIRST else 0
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                found: int = probe.getsockname()[1]
                return found
    raise Unavailable("there is no free port")


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


@contextmanager
def attended(
    process: subprocess.Popen[bytes], is_ready: Callable[[], bool], *, what: str, log: Path
) -> Iterator[None]:
    """Wait until a server is ready, and end it afterwards."""
    try:

        def ready() -> bool:
            assert process.poll() is None, log.read_text()[-3000:]
            return is_ready()

        wait_until(ready, what=what)
        yield
    finally:
        process.terminate()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@asynccontextmanager
async def child(*command: str | Path, **options: Any) -> AsyncIterator[Process]:
    """Run a command whose output is read line by line; it is killed afterwards, or with us."""
    process = await asyncio.create_subprocess_exec(
        *("setpriv", "--pdeathsig", "KILL", *command),
        **{"stdin": DEVNULL, "stdout": PIPE, **options},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def json_line(process: Process) -> dict[str, Any]:
    """Return the next line that a child prints, which is a JSON object."""
    assert process.stdout is not None
    async with asyncio.timeout(_READY_S):
        found: dict[str, Any] = json.loads(await process.stdout.readline())
    return found


def wait_until(condition: Callable[[], bool], *, what: str, timeout: float = 30) -> None:
    """Return once the condition holds; raise TimeoutError saying `what` did not happen."""
    deadline = time.monotonic() + timeout
    pause = 0.001
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout:g} s: {what}")
        time.sleep(pause)
        pause = min(pause * 2, 0.05)
