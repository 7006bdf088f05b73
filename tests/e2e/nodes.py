"""Server processes, the site they share, and how a test starts, watches, ends and kills them.

A site is a directory with a key ring and the URL of a database; its nodes are `simgrant serve`
with a configuration file each. Waits are on what the node says of itself (`/readyz`, the process'
end), each with a deadline. Ports are picked by us: `serve` announces the port that was configured,
so with port 0 nobody would know the one it got.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import asyncpg

from simgrant.cli.serve import make_state
from simgrant.compose.policies import policy_of
from simgrant.compose.sim_keys import wrapper
from simgrant.compose.store import open_keys, open_store, tenancy
from simgrant.config.load import DEFAULT_TENANT, Loaded, load
from simgrant.flows import subscriptions
from simgrant.identities import Imsi, Msisdn
from simgrant.ports.store import Store
from simgrant.sim.sims import DEMO_K, DEMO_OPC, Sim, following
from tests.e2e.nursery import Born, nursery
from tests.servers.process import free_port, wait_until

SIMS = following(
    Sim(imsi=Imsi("001010000000101"), k=DEMO_K, opc=DEMO_OPC, msisdn=Msisdn("447700900101")), 80
)
"""The SIMs that every site of these tests knows, all of whose services are on."""

NO_LIMITS = {
    "limits.imsi_source_burst": 0,
    "limits.imsi_burst": 0,
    "limits.source_burst": 0,
}
"""For load that comes from few phones and one address."""

PATIENT = {**NO_LIMITS, "store.timeout_s": 15, "server.request_timeout_s": 20}
"""For a database that the test keeps from answering for as long as it takes."""

Settings = Mapping[str, object]


@dataclass
class Site:
    """A directory with a key ring, a database, and the nodes that were started on them."""

    directory: Path
    settings: Settings = field(default_factory=dict)
    """By dotted name, for every node and every command."""
    nodes: list[Node] = field(default_factory=list)

    def config(self, name: str = "site", settings: Settings | None = None) -> Path:
        """Write a configuration file and return its path."""
        file = self.directory / f"{name}.toml"
        both = {
            "server.state_dir": str(self.directory / "state"),
            **self.settings,
            **(settings or {}),
        }
        # What JSON writes of a string, a number or a list of them is TOML too.
        file.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in both.items()))
        return file

    def loaded(self) -> Loaded:
        return load(self.config(), {})

    def node(self, *arguments: str, settings: Settings | None = None) -> Node:
        """Start one more node, with an IND of its own, and return it when it is ready."""
        node = self.prepared(*arguments, settings=settings)
        node.start()
        return node

    def started(self, count: int, settings: Settings | None = None) -> list[Node]:
        """Start nodes side by side and return them when all are ready."""
        made = [self.prepared(settings=settings) for _ in range(count)]
        for node in made:
            node.launch()
        for node in made:
            node.await_ready()
        return made

    def prepared(self, *arguments: str, settings: Settings | None = None) -> Node:
        """Return a node that is not started yet."""
        number = len(self.nodes)
        device, management = free_port(), free_port()
        own: dict[str, object] = {
            "device.listen": f"127.0.0.1:{device}",
            "management.listen": f"127.0.0.1:{management}",
            "portal.listen": "127.0.0.1:0",
            "portal.public_url": "http://127.0.0.1:8082",  # one for all nodes, as in production
            "local_auc.ind": 8 * (number % 4),
            **(settings or {}),
        }
        tls = "device.tls_certificate" in own
        name = f"node{number}"
        node = Node(
            name,
            self.config(name, own),
            arguments,
            f"http{'s' if tls else ''}://127.0.0.1:{device}/",
            f"http://127.0.0.1:{management}/",
        )
        self.nodes.append(node)
        return node

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a `simgrant` command at this site to its end."""
        line = ("--config", str(self.config()), *arguments)
        with TemporaryFile("w+") as out, TemporaryFile("w+") as err:
            process = nursery().bear(
                *line, directory=self.directory, environment=environment(), out=out, err=err
            )
            try:
                code = process.wait(60)
            finally:
                process.kill()
            for file in (out, err):
                file.seek(0)
            done = subprocess.CompletedProcess(line, code, out.read(), err.read())
        assert done.returncode == 0, done.stderr
        return done

    def command_line(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "simgrant", "--config", str(self.config()), *arguments]

    @asynccontextmanager
    async def store(self) -> AsyncIterator[Store]:
        """Open the site's database from within the test, as one more process would."""
        store = await open_store(self.loaded())
        try:
            yield store
        finally:
            await store.close()

    def make(self) -> None:
        """Make key ring and tables where there are none."""
        make_state(self.loaded())

    async def provision(self, sims: tuple[Sim, ...], *, tenant: str, **columns: str) -> None:
        """Write subscriptions that may do everything, or what the columns say."""
        loaded, at = self.loaded(), int(time.time())
        plans = policy_of(loaded, tenant).plans
        context = subscriptions.Context(tenancy(loaded).by_name[tenant], plans, at)
        drafts = [subscriptions.draft({**_row(sim), **columns}, context) for sim in sims]
        wrap = wrapper(open_keys(loaded), tenant, at)
        async with self.store() as store:
            await subscriptions.add_all(store, drafts, wrap)

    def fill(self) -> None:
        """Make what a site needs, with the usual SIMs."""
        self.make()
        asyncio.run(self.provision(SIMS, tenant=DEFAULT_TENANT))

    def copy_ring(self, of: Site) -> None:
        """Take another site's key ring."""
        (self.directory / "state").mkdir(mode=0o700, exist_ok=True)
        shutil.copy2(of.ring, self.ring)

    @property
    def ring(self) -> Path:
        return self.directory / "state" / "keys.json"

    def end(self) -> None:
        """End every node that still runs, and let the test fail if one of them fell over."""
        for node in self.nodes:
            node.kill()
        for node in self.nodes:
            node.assert_no_accident()


def _row(sim: Sim) -> dict[str, str]:
    return {
        "imsi": sim.imsi.digits,
        "msisdn": f"+{sim.msisdn.digits}" if sim.msisdn else "",
        "k": sim.k.hex(),
        "opc": sim.opc.hex(),
        "plan": "standard",
        "terms": "given",
        "address": "given",
    }


def environment() -> dict[str, str]:
    """Return ours, without what would change the server's settings or its output."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SIMGRANT__", "PROMETHEUS_"))
    } | {"NO_COLOR": "1", "COLUMNS": "200"}


@dataclass(eq=False)
class Node:
    """One `simgrant serve`."""

    name: str
    file: Path
    arguments: tuple[str, ...]
    url: str
    """What devices talk to."""
    management_url: str
    process: Born | None = None

    @property
    def out(self) -> Path:
        """Its standard output: the log."""
        return self.file.with_suffix(".out")

    @property
    def err(self) -> Path:
        return self.file.with_suffix(".err")

    @property
    def port(self) -> int:
        return int(self.url.rstrip("/").rpartition(":")[2])

    def launch(self) -> None:
        """Start the process, and do not wait for it. Output of an earlier one is kept."""
        with self.out.open("ab") as out, self.err.open("ab") as err:
            self.process = nursery().bear(
                "serve",
                "--config",
                str(self.file),
                *self.arguments,
                directory=self.file.parent,
                environment=environment(),
                out=out,
                err=err,
            )

    def start(self) -> None:
        """Start it, again if it was ended before, and return when it is ready."""
        self.launch()
        self.await_ready()

    def await_ready(self) -> None:
        """Return when it says that it is ready; fail at once if it ends instead."""

        def ready() -> bool:
            assert self.running.poll() is None, self.err.read_text()[-3000:]
            return self.readiness() == 200

        wait_until(ready, what=f"{self.name} ready", timeout=60)

    @property
    def running(self) -> Born:
        assert self.process is not None
        return self.process

    def readiness(self) -> int:
        """Return the status of `/readyz`, 0 where nobody answers."""
        return self.get("readyz")[0]

    def get(self, page: str) -> tuple[int, str]:
        """Ask the management listener; the status is 0 where nobody answers."""
        try:
            with urllib.request.urlopen(self.management_url + page, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of a metric's samples with these labels."""
        status, text = self.get("metrics")
        assert status == 200
        wanted = {f'{label}="{value}"' for label, value in labels.items()}
        total = 0.0
        for line in text.splitlines():
            found = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            if found and found[1] == name and wanted <= set((found[2] or "").split(",")):
                total += float(found[3])
        return total

    def terminate(self) -> None:
        self.running.send_signal(signal.SIGTERM)

    def hang_up(self) -> None:
        self.running.send_signal(signal.SIGHUP)

    def wait(self, timeout: float) -> int:
        """Return the exit code once it has ended, and fail if that takes too long."""
        return self.running.wait(timeout)

    async def ended(self, *, within: float) -> int:
        """Return the exit code, while the test's own phones go on."""
        return await asyncio.to_thread(self.wait, within)

    def stop(self) -> int:
        """End it in an orderly way; return the exit code."""
        self.terminate()
        return self.wait(30)

    def kill(self) -> None:
        """End it as a crash does; its workers, if it has any, see to themselves."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def workers(self) -> list[int]:
        """Return the process ids of its workers."""
        task = Path(f"/proc/{self.running.pid}/task/{self.running.pid}/children")
        return [pid for pid in map(int, task.read_text().split()) if _is_worker(pid)]

    def lines(self) -> list[dict[str, Any]]:
        """Return every line of its log."""
        return [json.loads(line) for line in self.out.read_text().splitlines()]

    def requests(self) -> list[dict[str, Any]]:
        """Return the log lines that are of requests."""
        return [line for line in self.lines() if line["event"] == "request"]

    def assert_no_accident(self) -> None:
        """Fail if it met something that nobody had thought of."""
        text = self.out.read_text() if self.out.exists() else ""
        said = self.err.read_text() if self.err.exists() else ""
        assert "internal_error" not in text, text[text.index("internal_error") - 500 :][:3000]
        assert "Traceback" not in text + said, (text + said)[-3000:]
        assert "never retrieved" not in text + said, (text + said)[-3000:]


def _is_worker(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return b"--multiprocessing-fork" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def is_gone(pid: int) -> bool:
    """Say whether a process has ended."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return status.rpartition(")")[2].split()[0] in {"Z", "X"}


async def until(condition: Callable[[], bool], *, what: str, within: float = 20) -> None:
    """Return once a condition of another process holds, while the test's own phones go on."""
    await asyncio.to_thread(wait_until, condition, what=what, timeout=within)


@asynccontextmanager
async def locked(
    site: Site, table: str, *, mode: str = "ACCESS EXCLUSIVE"
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Keep everybody from a table, as a database on a busy day does, until the function is called.

    Of every node in whose way it may be, ``store.timeout_s`` has to be long enough.
    """
    connection = await asyncpg.connect(str(site.settings["store.url"]))
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(f"LOCK TABLE {table} IN {mode} MODE")
    try:
        yield transaction.commit
    finally:
        await connection.close()


async def until_locked_out(site: Site, count: int) -> None:
    """Return once so many connections wait for a lock."""
    connection = await asyncpg.connect(str(site.settings["store.url"]))
    waiting = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    try:
        async with asyncio.timeout(10):
            # Nothing tells us: PostgreSQL has no event for it.
            while await connection.fetchval(waiting) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
    finally:
        await connection.close()


@contextlib.contextmanager
def ended(site: Site) -> Iterator[Site]:
    """End the site's nodes with the block, whatever becomes of it."""
    try:
        yield site
    finally:
        site.end()
