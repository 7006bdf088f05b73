"""The processes of a run: what is measured on one core, and all that it talks to on the others."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPException
from ipaddress import IPv4Address
from pathlib import Path
from typing import IO, TypeAlias

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from bench import results, usage
from bench.cases import Case
from bench.load import Job, Result
from bench.results import Round
from simgrant.config.model import Records
from tests.servers.process import launch, wait_until

_BEHIND_S = Records().interval_s + 0.3
"""Seconds after the last answer in which a server begins all that it does behind its answers."""
_SETTLE_S = 1.5
"""Longest wait for it to finish that."""


class BenchFailed(Exception):
    """There are no figures to show; the message says why."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Who runs where."""

    server: int
    rest: frozenset[int]

    @property
    def shared(self) -> bool:
        """Whether there is but one core, so that all figures but CPU time mean little."""
        return self.server in self.rest


def divide() -> Cores:
    """Give the first core to servers, and keep this process and all it starts off it."""
    first, *others = sorted(os.sched_getaffinity(0))
    cores = Cores(first, frozenset(others or (first,)))
    os.sched_setaffinity(0, cores.rest)
    return cores


@contextmanager
def pinned(on: Set[int]) -> Iterator[None]:
    """Run this thread, and what it starts, on some cores until the block ends; none = as it is."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, on or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass(frozen=True, slots=True)
class Server:
    """A server process that answers."""

    process: subprocess.Popen[bytes]
    port: int

    @property
    def pid(self) -> int:
        """Return the process that does the work."""
        return self.process.pid


Serving: TypeAlias = AbstractContextManager[Server]


@contextmanager
def serving(
    module: str, *arguments: str, on: Set[int], port: int, ready: tuple[int, str], log: Path
) -> Iterator[Server]:
    """Run a module of ours as a server on some cores until the block ends.

    `ready` is the port and path that answer 200, or anything at all where the path is empty.
    """
    process = launch([sys.executable, "-m", module, *arguments], log=log, signal="TERM")
    os.sched_setaffinity(process.pid, on)
    try:

        def is_ready() -> bool:
            if process.poll() is not None:
                raise BenchFailed(f"{module} did not start:\n{log.read_text()[-2000:]}")
            return _answers(*ready)

        wait_until(is_ready, what=f"{module} ready")
        yield Server(process, port)
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(port: int, path: str) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.connect()
        if not path:
            return True
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


class Worker:
    """A process that runs one job at a time: the load generator, or what is itself measured."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._jobs: IO[bytes] = process.stdin
        self._results: IO[bytes] = process.stdout
        self.process = process

    def run(self, job: Job) -> Result:
        """Run one job; raise BenchFailed where an answer was not what it should be."""
        self._jobs.write(msgspec.json.encode(job) + b"\n")
        self._jobs.flush()
        line = self._results.readline()
        if not line:
            raise BenchFailed(f"a process that does jobs ended with {self.process.wait()}")
        result = msgspec.json.decode(line, type=Result)
        if result.fault or not result.took_ms:
            raise BenchFailed(result.fault or "no operation was finished")
        return result


@contextmanager
def working(module: str, *, on: Set[int]) -> Iterator[Worker]:
    """Run a module of ours that does jobs on some cores until the block ends."""
    command: Sequence[str] = (sys.executable, "-m", module)
    # A session of its own: Ctrl-C is for us, and we end it by closing its input.
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            os.sched_setaffinity(process.pid, on)
            yield Worker(process)
        finally:
            process.kill()


@dataclass(frozen=True, slots=True)
class Entry:
    """A case, what is measured of it, and one turn of its load."""

    case: Case
    measured: int
    """The process."""
    job: Job
    run: Callable[[Job], Result]


def measure(entries: Sequence[Entry], turns: int, tell: Callable[[Case], None]) -> dict[str, Round]:
    """Let the cases take turns for one round, and return what each cost its server.

    The CPU time is that between the round's begin and the end of all that the servers do behind
    their answers. `tell` is called before each turn.
    """
    pids = [entry.measured for entry in entries]
    before = [usage.cpu_seconds(pid) for pid in pids]
    ran: dict[str, list[Result]] = {entry.case.key: [] for entry in entries}
    for _ in range(turns):
        for entry in entries:
            tell(entry.case)
            try:
                ran[entry.case.key].append(entry.run(entry.job))
            except BenchFailed as error:
                raise BenchFailed(f"({entry.case.key}) {entry.case.title}: {error}") from None
    time.sleep(_BEHIND_S)
    usage.settle(pids, longest=_SETTLE_S)
    after = [usage.cpu_seconds(pid) for pid in pids]
    return {
        entry.case.key: results.round_of(
            ran[entry.case.key], cpu_s=now - then, uss_mb=usage.private_mb(entry.measured)
        )
        for entry, then, now in zip(entries, before, after, strict=True)
    }


def make_certificate(certificate: Path, key: Path) -> None:
    """Write a self-signed ECDSA P-256 certificate for the loopback, good for a day."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "simgrant bench")])
    now = datetime.fromtimestamp(time.time(), UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]),
            critical=False,
        )
        .sign(private, SHA256())
    )
    certificate.write_bytes(made.public_bytes(Encoding.PEM))
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
