"""Measure all cases in one run: `python -m bench`, or `make bench`."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from bench import cases, results, rig, services, works, world
from bench.cases import Case
from bench.load import Job, Request, write_requests
from bench.results import Results, Round
from bench.usage import NoClock
from simgrant import __version__
from simgrant.config.load import load
from tests.servers.postgres import Postgres
from tests.servers.process import Unavailable, free_port

_ALONE = {
    "vector": "bench.diameter",
    "build": "bench.diameter",
    "read": "bench.diameter",
    "decide_last": "bench.rules",
    "decide_middle": "bench.rules",
}
"""Kinds of jobs that are done without a server, by the process that is measured, and its module."""
_OF_PARTNERS = frozenset({"verify", "chain"})
"""Kinds of jobs for which the server serves partners, too."""
_FULL = frozenset({"sqlite_services", "postgres_services"})
"""Databases with few subscriptions, which have everything."""
_READY = 4
"""Vectors that an HSS has ready for each SIM."""
_POSTGRES = {"shared_buffers": "256MB", "max_wal_size": "4GB"}


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done."""

    subscriptions: int = cases.SUBSCRIPTIONS
    tokens: int = cases.TOKENS
    sims: int = cases.SIMS
    rounds: int = 5
    """Not counting the first, which warms the servers."""
    turns: int = 5
    """Of each case in a round."""
    seconds: float = 0.5
    """Of a turn."""
    connections: int = 64


QUICK = Size(subscriptions=5_000, tokens=2_000, sims=2_000, rounds=2, turns=3, seconds=0.2)


_VERIFIED = 60_000
"""Tokens for number verification: each is good for one call, so there are enough for a run."""


def main() -> int:
    """Read the arguments and run; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--only",
        default="",
        metavar="b,d,s",
        help="these cases, and what they are compared with; s = all services, w = work behind "
        "requests",
    )
    parser.add_argument("--quick", action="store_true", help="a smoke run: its figures mean little")
    parser.add_argument("--json", action="store_true", help="write the figures as JSON")
    parser.add_argument("--markdown", action="store_true", help="write the table as Markdown")
    parser.add_argument("--update", action="store_true", help="rewrite the committed figures")
    arguments = parser.parse_args()
    # Progress goes to standard error, so that figures can be redirected.
    told = Console(stderr=True)
    only = [part.strip() for part in arguments.only.split(",") if part.strip()]
    behind = not only or works.KEY in only
    try:
        chosen = () if only == [works.KEY] else cases.chosen(",".join(set(only) - {works.KEY}))
    except ValueError as error:
        parser.error(str(error))
    if arguments.update and (arguments.quick or only):
        parser.error("--update needs a whole run: neither --quick nor --only")
    try:
        cores = rig.divide()
        if cores.shared:
            told.print(
                "[yellow]one core only:[/] servers share it with load and database; "
                "rates and latencies mean little"
            )
        found = _run(chosen, QUICK if arguments.quick else Size(), cores, told)
        if behind:
            done = _behind(cores, told, quick=arguments.quick)
            found = msgspec.structs.replace(found, works=done)
    except (rig.BenchFailed, NoClock, Unavailable) as error:
        told.print(f"[red]error:[/] {error}", highlight=False)
        return 1
    except KeyboardInterrupt:
        told.print("stopped")
        return 130
    committed = results.read()
    if arguments.json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    elif arguments.markdown:
        sys.stdout.write(results.markdown(found) + "\n")
    else:
        shown = Console(width=max(140, Console().width))
        shown.print(results.table(found, None if arguments.quick else committed))
        for line in results.remarks(found):
            shown.print(line)
    if arguments.update:
        results.write(found)
        told.print(f"rewritten: {results.COMMITTED} and {results.PAGE}", highlight=False)
    return 0


def _behind(cores: rig.Cores, told: Console, *, quick: bool) -> tuple[results.Work, ...]:
    with told.status("events") as status:
        return tuple(works.measure(cores, quick=quick, tell=status.update))


def _run(chosen: tuple[Case, ...], size: Size, cores: rig.Cores, told: Console) -> Results:
    with (
        Progress(
            TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=told
        ) as progress,
        ExitStack() as stack,
    ):
        task = progress.add_task("start", total=None)

        def tell(what: str) -> None:
            progress.update(task, description=what)

        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="simgrant-bench-")))
        jobs = _prepare(chosen, size, directory, stack, tell)
        generator = stack.enter_context(rig.working("bench.load", on=cores.rest))
        entries = []
        for case in chosen:
            tell(f"start ({case.key})")
            hss = 0
            partners = free_port() if case.kind in _OF_PARTNERS else 0
            if case.hss:
                hss = stack.enter_context(_hss(case, jobs, directory, cores)).port
            if case.kind in _ALONE:
                worker = stack.enter_context(rig.working(_ALONE[case.kind], on={cores.server}))
                pid, port = worker.process.pid, hss
            else:
                bss = stack.enter_context(_bss(case, directory, cores)).port if case.bss else 0
                server = stack.enter_context(
                    _server(case, jobs, directory, cores, hss, bss, partners)
                )
                worker, pid, port = generator, server.pid, server.port
            job = Job(
                port=partners if case.kind == "verify" else port,
                partners=partners,
                kind=case.kind,
                requests=str(jobs[case.key].requests),
                seconds=size.seconds,
                connections=size.connections,
                tls=case.tls,
                sees=services.enquiry_of(case.app).sees if case.database else "EntitlementStatus",
            )
            entries.append(rig.Entry(case, pid, job, worker.run))
        progress.update(task, total=len(chosen) * size.turns * (size.rounds + 1), completed=0)

        def turn(what: str, case: Case) -> None:
            progress.update(task, description=f"{what} ({case.key})", advance=1)

        rounds: dict[str, list[Round]] = {case.key: [] for case in chosen}
        for number in range(size.rounds + 1):
            begun = partial(turn, f"round {number}" if number else "warm")
            for key, measured in rig.measure(entries, size.turns, begun).items():
                if number:
                    rounds[key].append(measured)
        tell("stop")
    return Results(
        version=__version__,
        at=results.today(),
        machine=results.machine(),
        subscriptions=size.subscriptions,
        cases={case.key: results.figures(case, rounds) for case in chosen},
    )


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a case needs before its server can start."""

    requests: Path
    store_url: str


def _prepare(
    chosen: tuple[Case, ...],
    size: Size,
    directory: Path,
    stack: ExitStack,
    tell: Callable[[str], None],
) -> dict[str, Prepared]:
    """Make keys, certificate, databases and requests."""
    place = world.Place(directory, int(time.time()))
    place.make_keys()
    rig.make_certificate(*place.certificate)
    tokens, sims = world.choose(size.subscriptions, size.tokens, size.sims)
    small = list(range(min(cases.SMALL, size.subscriptions)))
    urls: dict[str, str] = {}
    for database in sorted({case.database for case in chosen if case.database}):
        full = database in _FULL
        count = len(small) if full or database == "sqlite_small" else size.subscriptions
        tell(f"make {count:,} subscriptions ({database})")
        if database.startswith("postgres"):
            server = stack.enter_context(Postgres.start(settings=_POSTGRES))
            urls[database] = server.create_database()
        else:
            urls[database] = f"sqlite:///{directory / database}.db"
        with_sims = database == "sqlite" and any(case.kind == "auth" for case in chosen)
        config = place.configure(database, urls[database], policy=_policy(database))
        asyncio.run(
            world.populate(config, count, sims if with_sims else [], now=place.now, full=full)
        )
    tell("make tokens")
    loaded = load(place.configure("tokens", "sqlite:///none"), {})
    made = {
        "": directory / "token",
        "sqlite_small": directory / "small",
        "auth": directory / "auth",
    }
    for name, numbers in (("", tokens), ("sqlite_small", small)):
        requests = world.token_requests(loaded, numbers, now=place.now)
        write_requests(made[name], [Request(each) for each in requests])
    verifying = [case for case in chosen if case.kind == "verify"]
    for case in verifying:
        made[case.key] = directory / case.key
        numbers = list(itertools.islice(itertools.cycle(tokens), _VERIFIED))
        asked = world.verify_requests(loaded, numbers, now=place.now)
        write_requests(made[case.key], [Request(each) for each in asked])
    starts = world.start_requests(sims)
    write_requests(made["auth"], [Request(data, nai) for nai, data in starts])
    for case in chosen:
        if case.database in _FULL:
            made[case.key] = directory / case.key
            if case.kind == "chain":
                chained = world.chain_requests(loaded, small, now=place.now)
                write_requests(made[case.key], [Request(data, number) for number, data in chained])
                continue
            requests = world.token_requests(loaded, small, now=place.now, app=case.app)
            write_requests(made[case.key], [Request(each) for each in requests])

    def requests_of(case: Case) -> Path:
        if case.kind == "auth" or case.kind in _ALONE:
            return made["auth"]
        return made.get(case.key) or made.get(case.database) or made[""]

    return {case.key: Prepared(requests_of(case), urls.get(case.database, "")) for case in chosen}


def _policy(database: str) -> str:
    """Return the policy of the servers on a database; empty = the default one."""
    return services.policy() if database in _FULL else ""


def _hss(case: Case, jobs: dict[str, Prepared], directory: Path, cores: rig.Cores) -> rig.Serving:
    """Return the context in which a case's HSS runs, which is not measured."""
    port = free_port()
    return rig.serving(
        "bench.hss",
        f"--requests={jobs[case.key].requests}",
        f"--port={port}",
        f"--ready={_READY if case.hss == 'ready' else 0}",
        on=cores.rest,
        port=port,
        ready=(port, ""),
        log=directory / f"{case.key}-hss.log",
    )


def _bss(case: Case, directory: Path, cores: rig.Cores) -> rig.Serving:
    """Return the context in which a case's BSS runs, which is not measured."""
    port = free_port()
    return rig.serving(
        "bench.bss",
        f"--port={port}",
        on=cores.rest,
        port=port,
        ready=(port, ""),
        log=directory / f"{case.key}-bss.log",
    )


def _server(
    case: Case,
    jobs: dict[str, Prepared],
    directory: Path,
    cores: rig.Cores,
    hss: int,
    bss: int,
    partners: int,
) -> rig.Serving:
    """Return the context in which a case's server runs."""
    port, management = free_port(), free_port()
    place = world.Place(directory, 0)
    log = directory / f"{case.key}.log"
    if not case.database:
        certificate, key = place.certificate
        files = (f"--certificate={certificate}", f"--key={key}") if case.tls else ()
        return rig.serving(
            "bench.bare",
            f"--port={port}",
            *files,
            on={cores.server},
            port=port,
            ready=(port, ""),
            log=log,
        )
    config = place.configure(
        case.key,
        jobs[case.key].store_url,
        ports=(port, management),
        tls=case.tls,
        policy=_policy(case.database),
        hss=hss,
        bss=bss,
        camara=partners,
    )
    prf = (f"--prf={case.prf}",) if case.prf else ()
    return rig.serving(
        "bench.server",
        f"--config={config}",
        *prf,
        on={cores.server},
        port=port,
        ready=(management, "/readyz"),
        log=log,
    )


if __name__ == "__main__":
    sys.exit(main())
