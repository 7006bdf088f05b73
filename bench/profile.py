"""Where the time of one request goes: `python -m bench.profile token` (or `auth`, `chain`).

The server runs in this process and is called without a socket. First the requests are
timed as they are; then they run under cProfile, whose figures are scaled back to the time that was
measured without it (calls of cheap functions still look dearer than they are). With `--sample` a
timer looks at the stack instead, which distorts nothing but sees Python lines only.

Times differ by a fifth from one run to the next. What differs by a few per cent is the number of
instructions: `--count` runs the requests under valgrind, which has to be installed, a hundred times
slower, and prints that number, with the functions in C that have most of them.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import cProfile
import itertools
import os
import pstats
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table
from uvicorn.server import ServerState

from bench import count, handset, services, world
from bench.load import Chain, Request, pull_head
from simgrant.compose import server as compose
from simgrant.config.load import load
from simgrant.eap import prf
from simgrant.fronts.device.protocol import Connection, Listener, partners

_SUBSCRIPTIONS = 20_000
_FEW = 1_000
"""Subscriptions to run among only: making them costs more than running."""
_WARM = 300
_PARTNERS = 8083
"""Of the issuer's address; nobody listens there."""
_SAMPLE_S = 0.001

Operation = Callable[[], Awaitable[None]]


class Caller(asyncio.Transport):
    """One connection without a socket: the server's end of it, and what it answered."""

    def __init__(self, listener: Listener) -> None:
        super().__init__({"peername": ("127.0.0.1", 50_000)})
        self._connection = Connection(listener)
        self._connection.connection_made(self)
        self._answered = asyncio.Event()
        self.head = b""
        self.body = b""

    async def request(self, raw: bytes) -> None:
        """Send the bytes that the load generator would send, and wait for the answer."""
        self._answered.clear()
        self._connection.data_received(raw)
        await self._answered.wait()

    def write(self, data: Any) -> None:
        """Take the answer."""
        self.head, _, self.body = data.partition(b"\r\n\r\n")
        self._answered.set()

    def is_closing(self) -> bool:
        """Stay open."""
        return False

    def expect(self, content_type: str) -> None:
        """Raise SystemExit where the answer is not what it should be."""
        line = f"\r\ncontent-type: {content_type}\r\n".encode()
        if not self.head.startswith(b"HTTP/1.1 200 ") or line not in self.head:
            raise SystemExit(f"answer {self.head!r}: {self.body[:300]!r}")

    @property
    def cookie(self) -> bytes:
        """Name and value of the cookie that the last answer set."""
        return self.head.partition(b"\r\nset-cookie: ")[2].partition(b";")[0]


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    parser.add_argument("what", choices=("token", "auth", "chain"))
    parser.add_argument("-n", type=int, default=5000, help="requests (authentications) to make")
    parser.add_argument("--top", type=int, default=45, help="lines of the table")
    parser.add_argument("--sort", choices=("own", "total"), default="own")
    parser.add_argument("--sample", action="store_true", help="sample the stack, no cProfile")
    parser.add_argument("--lines", action="store_true", help="with --sample: by line of code")
    parser.add_argument(
        "--count", action="store_true", help="count instructions with valgrind, a few minutes"
    )
    parser.add_argument("--only-run", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--prf", choices=("ctypes", "python"), default=prf.IMPLEMENTATION)
    parser.add_argument("--store", default="", help="postgresql:// URL of an empty database")
    parser.add_argument(
        "--app", default="", choices=services.apps(), help="a service, with a plan that has all"
    )
    parser.add_argument("--bss", type=int, default=0, help="port of a `bench.bss`, asked each time")
    parser.add_argument("--show", action="store_true", help="print the last answer's head and body")
    arguments = parser.parse_args()
    if arguments.count:
        count.show(arguments.top)
        return
    prf.use(arguments.prf)
    with (
        tempfile.TemporaryDirectory(prefix="simgrant-profile-") as directory,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(_run(Path(directory), arguments))


async def _run(directory: Path, arguments: argparse.Namespace) -> None:
    console = Console(width=max(120, Console().width))
    place = world.Place(directory, int(time.time()))
    place.make_keys()
    url = arguments.store or f"sqlite:///{directory / 'bench.db'}"
    chain = arguments.what == "chain"
    full = bool(arguments.app) or chain
    config = place.configure(
        "profile",
        url,
        policy=services.policy() if full else "",
        bss=arguments.bss,
        camara=_PARTNERS if chain else 0,
    )
    total = _FEW if arguments.only_run else _SUBSCRIPTIONS
    tokens, sims = world.choose(total, total * 2 // 5, total * 2 // 5)
    await world.populate(
        config,
        total,
        sims if arguments.what == "auth" else [],
        now=place.now,
        full=full,
    )
    loaded = load(config, {})
    with quiet():
        async with compose.opened(loaded) as parts:
            upkeep = asyncio.create_task(parts.journal.run())
            caller = Caller(Listener(parts.device, parts.bounds, ServerState()))
            if chain:
                assert parts.camara is not None
                listener = Listener(parts.camara, parts.camara_bounds, ServerState(), partners)
                chained = world.chain_requests(loaded, tokens, now=place.now)
                phones = [Request(data, number) for number, data in chained]
                operate = _chain(caller, Caller(listener), itertools.cycle(phones))
            elif arguments.what == "token":
                app = arguments.app or services.BASE
                requests = world.token_requests(loaded, tokens, now=place.now, app=app)
                operate = _token(caller, requests)
            else:
                operate = _auth(caller, world.start_requests(sims))
            if arguments.only_run:
                await _repeat(operate, arguments.n)
                return
            await _repeat(operate, _WARM)
            plain = await _best(operate, arguments.n)
            if arguments.sample:
                lines = await _sampled(operate, arguments)
            else:
                lines = await _profiled(operate, arguments, plain)
            upkeep.cancel()
    console.print(
        f"[bold]{plain.own:.1f} us[/] of CPU in the event loop and {plain.others:.1f} us in other "
        f"threads ({plain.wall:.1f} us of wall) per {arguments.what}: the best tenth of "
        f"{arguments.n}, without a socket; answer of {len(caller.body)} bytes"
    )
    if arguments.show:
        console.print(caller.head, caller.body, markup=False)
    console.print(lines)


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds of one operation."""

    wall: float
    own: float
    """CPU time of the event loop's thread."""
    others: float
    """CPU time of the other threads, such as the one that writes."""


async def _best(operate: Operation, times: int) -> Cost:
    """Return what one operation took in the best tenth: the others shared the processor."""
    costs = [await _repeat(operate, times // 10) for _ in range(10)]
    return min(costs, key=lambda cost: cost.own + cost.others)


async def _repeat(operate: Operation, times: int) -> Cost:
    """Return what one operation took."""
    cpu, own, wall = time.process_time(), time.thread_time(), time.perf_counter()
    for number in range(times):
        await operate()
        if number % 64 == 0:
            await asyncio.sleep(0)
    wall = (time.perf_counter() - wall) / times * 1e6
    own = (time.thread_time() - own) / times * 1e6
    return Cost(wall, own, (time.process_time() - cpu) / times * 1e6 - own)


def _token(caller: Caller, requests: list[bytes]) -> Operation:
    following = itertools.cycle(requests)

    async def operate() -> None:
        await caller.request(next(following))
        caller.expect(world.XML)

    return operate


def _auth(caller: Caller, requests: list[tuple[str, bytes]]) -> Operation:
    following = itertools.cycle(requests)
    head = world.answer_head()

    async def operate() -> None:
        nai, first = next(following)
        await caller.request(first)
        caller.expect(world.RELAY)
        body = handset.answer_relay(caller.body, nai, world.CARD)
        line = b"Cookie: %b\r\nContent-Length: %d\r\n\r\n" % (caller.cookie, len(body))
        await caller.request(head + line + body)
        caller.expect(world.XML)

    return operate


def _chain(phone: Caller, bank: Caller, requests: Iterator[Request]) -> Operation:
    async def operate() -> None:
        exchange = Chain(requests, _PARTNERS)
        caller, sent = phone, exchange.begin()
        while sent:
            await caller.request(sent)
            answer = caller.head + b"\r\n\r\n" + caller.body
            head = pull_head(answer)
            assert head is not None
            sent, caller = exchange.answered(answer, head), bank

    return operate


async def _profiled(operate: Operation, arguments: argparse.Namespace, plain: Cost) -> Table:
    profile = cProfile.Profile(time.thread_time)
    profile.enable()
    slow = await _repeat(operate, arguments.n)
    profile.disable()
    scale = plain.own / slow.own
    stats: dict[tuple[str, int, str], tuple[int, int, float, float, Any]]
    stats = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    rows = [
        (calls, own, total, _where(*where)) for where, (_, calls, own, total, _) in stats.items()
    ]
    by = 1 if arguments.sort == "own" else 2
    table = Table("own us", "total us", "calls", "function", title="per operation, scaled")
    for calls, own, total, where in sorted(rows, key=lambda row: -float(row[by]))[: arguments.top]:
        per = 1e6 / arguments.n * scale
        table.add_row(f"{own * per:.2f}", f"{total * per:.2f}", f"{calls / arguments.n:.1f}", where)
    return table


async def _sampled(operate: Operation, arguments: argparse.Namespace) -> Table:
    own: collections.Counter[str] = collections.Counter()
    total: collections.Counter[str] = collections.Counter()

    def look(_: int, frame: FrameType | None) -> None:
        names = list(_names(frame, by_line=arguments.lines))
        if names:
            own[names[0]] += 1
            total.update(set(names))

    before = signal.signal(signal.SIGPROF, look)
    signal.setitimer(signal.ITIMER_PROF, _SAMPLE_S, _SAMPLE_S)
    try:
        took = await _repeat(operate, arguments.n)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    looks = max(1, own.total())
    table = Table("own us", "total us", "where", title=f"per operation, {looks} samples")
    ranked = own if arguments.sort == "own" else total
    for name, _ in ranked.most_common(arguments.top):
        table.add_row(
            f"{own[name] / looks * took.own:.2f}", f"{total[name] / looks * took.own:.2f}", name
        )
    return table


def _names(frame: FrameType | None, *, by_line: bool) -> Iterator[str]:
    while frame is not None:
        code = frame.f_code
        line = frame.f_lineno if by_line else code.co_firstlineno
        yield _where(code.co_filename, line, code.co_qualname)
        frame = frame.f_back


def _where(file: str, line: int, name: str) -> str:
    if file == "~":
        return name
    path = Path(file)
    inside = path.parts[path.parts.index("src") + 2 :] if "src" in path.parts else path.parts[-2:]
    return f"{'/'.join(inside)}:{line} {name}"


@contextmanager
def quiet() -> Iterator[None]:
    """Let the server's log lines be written, to nowhere."""
    sys.stdout.flush()
    kept = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


if __name__ == "__main__":
    main()
