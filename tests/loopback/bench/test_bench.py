"""The parts of the bench that could be wrong without anybody noticing."""

import asyncio
import gzip
import itertools
import os
import socket
import ssl
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import msgspec
import pytest
from rich.console import Console
from uvicorn.server import ServerState

from bench import cases, diameter, handset, load, results, rig, services, usage, world
from bench.cases import Case
from bench.count import pull_counts
from bench.load import Fault, Head, Job, Request, Result, write_requests
from bench.profile import Caller
from bench.results import Figures, Results, Round, Work
from simgrant.compose import server as compose
from simgrant.config.load import load as load_settings
from simgrant.eap.milenage import Milenage
from simgrant.fronts.device.protocol import Listener
from simgrant.identities import Imsi
from simgrant.services import SERVICES
from simgrant.sim.hss.auc import Auc
from simgrant.sim.hss.faults import Fault as HssFault
from simgrant.sim.hss.faults import Plan
from simgrant.sim.hss.server import HssServer
from simgrant.sim.sims import Sim
from simgrant.wire.diameter import swx
from simgrant.wire.diameter.message import pull_message
from simgrant.wire.diameter.vectors import Scheme, Wanted

ROLLUP = """\
55d0-7ffd ---p 00000000 00:00 0                          [rollup]
Rss:               30000 kB
Private_Clean:      1024 kB
Private_Dirty:     20480 kB
Private_Hugetlb:       0 kB
Pss_Dirty:         20480 kB
"""
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/vnd.wap.connectivity-xml\r\n"
    b"Content-Length: 17\r\n\r\nEntitlementStatus"
)


WORKER = """
import sys, threading, time

def work(seconds):
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass

print("ready", flush=True)
for line in sys.stdin:
    later, seconds = map(float, line.split())
    time.sleep(later)
    thread = threading.Thread(target=work, args=(seconds,))
    thread.start()
    thread.join()
    print(time.process_time(), flush=True)
"""


@contextmanager
def worker() -> Iterator[subprocess.Popen[bytes]]:
    """A process that idles, and works in a thread that then ends: so long, so late, as told."""
    with subprocess.Popen(
        [sys.executable, "-c", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            heard(process)
            yield process
        finally:
            process.kill()


def order(process: subprocess.Popen[bytes], *, later: float = 0, seconds: float) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{later} {seconds}\n".encode())
    process.stdin.flush()


def heard(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    return process.stdout.readline()


def figures(
    cpu_us: float = 100.0,
    *,
    ratio: float | None = None,
    spread: tuple[float, float] | None = None,
    uss_mb: float = 60.0,
    rounds_us: tuple[float, ...] = (),
) -> Figures:
    return Figures(
        cpu_us=cpu_us,
        rps=9,
        p50_ms=1,
        p99_ms=2,
        uss_mb=uss_mb,
        ratio=ratio,
        spread=spread,
        rounds_us=rounds_us,
    )


def one_round(cpu_us: float) -> Round:
    return Round(cpu_us=cpu_us, rps=9, p50_ms=1, p99_ms=2, uss_mb=60)


def run_of(found: dict[str, Figures]) -> Results:
    return Results(version="1", at="2026-01-01", machine="m", subscriptions=5, cases=found)


class TestUsage:
    def test_cpu_time_is_that_of_the_whole_process(self) -> None:
        before = time.process_time()
        found = usage.cpu_seconds(os.getpid())
        assert before <= found <= time.process_time()

    def test_cpu_time_of_another_with_its_ended_threads(self) -> None:
        with worker() as process:
            order(process, seconds=0.05)
            told = float(heard(process))
            assert 0.05 < told <= usage.cpu_seconds(process.pid) < told + 0.05

    def test_no_such_process(self) -> None:
        with pytest.raises(usage.NoClock, match="no CPU clock of process 4194304"):
            usage.cpu_seconds(2**22)

    def test_private_memory_is_clean_and_dirty(self) -> None:
        assert usage.pull_private_kb(ROLLUP) == 21504

    def test_private_memory_of_this_process(self) -> None:
        assert usage.private_mb(os.getpid()) > 1

    def test_settles_when_nobody_works(self) -> None:
        with worker() as idle:
            began = time.monotonic()
            usage.settle([idle.pid], longest=20)
            assert time.monotonic() - began < 10

    def test_does_not_settle_while_one_works(self) -> None:
        with worker() as idle, worker() as busy:
            order(busy, seconds=20)
            began = time.monotonic()
            usage.settle([idle.pid, busy.pid], longest=0.3)
            assert time.monotonic() - began >= 0.3


class TestHttp:
    def test_head(self) -> None:
        head = load.pull_head(ANSWER)
        assert head == Head(200, ANSWER.index(b"Ent"), len(ANSWER))

    def test_nothing_before_the_head_is_whole(self) -> None:
        end = ANSWER.index(b"\r\n\r\n") + 4
        assert all(load.pull_head(ANSWER[:size]) is None for size in range(end))

    def test_body_may_still_be_coming(self) -> None:
        head = load.pull_head(ANSWER[:-5])
        assert head is not None
        assert head.end == len(ANSWER)

    @pytest.mark.parametrize(
        "data",
        [
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"SSH-2.0\r\nContent-Length: 1\r\n\r\n",
        ],
    )
    def test_what_it_does_not_understand_is_a_fault(self, data: bytes) -> None:
        with pytest.raises(Fault):
            load.pull_head(data)


class TestExchanges:
    def exchange(self) -> load._Token:
        return load._Token(
            itertools.cycle([Request(b"GET")]), itertools.count(), b"EntitlementStatus"
        )

    def test_good_answer_ends_the_operation(self) -> None:
        data = ANSWER.replace(b"Content-Type", b"content-type")
        head = load.pull_head(data)
        assert head is not None
        assert self.exchange().answered(data, head) == b""

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            (b"200 OK", b"503 Service Unavailable"),
            (b"connectivity-xml", b"nothing"),
            (b"EntitlementStatus", b"EntitlementNothing"),
        ],
    )
    def test_bad_answer_is_a_fault(self, old: bytes, new: bytes) -> None:
        data = ANSWER.replace(b"Content-Type", b"content-type").replace(old, new)
        data = data.replace(b"Length: 17", b"Length: %d" % len(data.partition(b"\r\n\r\n")[2]))
        head = load.pull_head(data)
        assert head is not None
        with pytest.raises(Fault):
            self.exchange().answered(data, head)

    def test_challenge_is_answered_as_android_does(self) -> None:
        """Vector B of our notes on Android's client: Milenage set 1."""
        before = (
            b'{"eap-relay-packet":"AQEARBcBAAABBQAAI1U8vpY3qJ0hiuZNrke/NQIFAACqaJxkg1CAAJBMu0UbZd'
            b'74CwUAAJFNU1IIFFvSRKNVqWwWGM0="}'
        )
        after = b'{"eap-relay-packet":"AgEAKBcBAAADAwBApUIR1eO6UL8LBQAA+ZNo8Erza2B+vRs2qxj6wQ=="}'
        nai = f"0001010000000001@{world.REALM}"
        assert handset.answer_relay(before, nai, Milenage(world.K, world.OPC)) == after


class Site:
    """A server that answers everything, but may reset a connection at its n-th request."""

    def __init__(self) -> None:
        self.connections = 0
        self.requests = 0
        self.open: set[asyncio.StreamWriter] = set()
        self.reset_at: int | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open.add(writer)
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.requests += 1
                if self.requests == self.reset_at:
                    lingering = struct.pack("ii", 1, 0)
                    writer.get_extra_info("socket").setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, lingering
                    )
                    writer.transport.abort()
                    return
                writer.write(ANSWER.replace(b"Content-Type", b"content-type"))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open.discard(writer)
            writer.close()

    async def hang_up(self) -> None:
        """Close what is open, and let the other side see it."""
        for writer in self.open:
            writer.close()
        await asyncio.sleep(0.05)


@asynccontextmanager
async def site(context: ssl.SSLContext | None = None) -> AsyncIterator[tuple[Site, int]]:
    answering = Site()
    server = await asyncio.start_server(answering.serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield answering, server.sockets[0].getsockname()[1]
        await answering.hang_up()


class TestConnections:
    """What is kept from one turn to the next, so that short turns measure requests alone."""

    async def turn(
        self, port: int, kept: list[load._Connection], *, tls: bool = False, connections: int = 3
    ) -> Result:
        job = Job(
            port=port, kind="token", requests="", seconds=0.05, connections=connections, tls=tls
        )
        return await load.run(job, itertools.repeat(Request(b"GET / HTTP/1.1\r\n\r\n")), kept)

    async def test_are_used_again(self) -> None:
        kept: list[load._Connection] = []
        async with site() as (answering, port):
            turns = [await self.turn(port, kept) for _ in range(3)]
            assert answering.connections == len(kept) == 3
            assert answering.requests == sum(len(turn.took_ms) for turn in turns)
        assert [turn.fault for turn in turns] == ["", "", ""]
        assert all(turn.took_ms and turn.seconds >= 0.05 for turn in turns)

    async def test_closed_meanwhile_are_opened_anew(self) -> None:
        kept: list[load._Connection] = []
        async with site() as (answering, port):
            await self.turn(port, kept)
            await answering.hang_up()
            result = await self.turn(port, kept)
            assert answering.connections == 6
            assert len(kept) == 3
        assert result.took_ms
        assert not result.fault

    async def test_lost_just_when_taken_up_are_opened_anew(self) -> None:
        kept: list[load._Connection] = []
        async with site() as (answering, port):
            await self.turn(port, kept, connections=1)
            answering.reset_at = answering.requests + 1
            result = await self.turn(port, kept, connections=1)
            assert answering.connections == 2
        assert result.took_ms
        assert not result.fault

    async def test_lost_later_is_a_fault(self) -> None:
        kept: list[load._Connection] = []
        async with site() as (answering, port):
            await self.turn(port, kept, connections=1)
            answering.reset_at = answering.requests + 2
            result = await self.turn(port, kept, connections=1)
        assert result.fault.startswith("connection lost")

    async def test_that_get_what_nobody_asked_for_are_dropped(self) -> None:
        kept: list[load._Connection] = []
        async with site() as (answering, port):
            await self.turn(port, kept)
            for writer in answering.open:
                writer.write(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
            await asyncio.sleep(0.05)
            result = await self.turn(port, kept)
            assert answering.connections == 6
        assert not result.fault

    async def test_with_tls_each_is_for_one_request(self, tmp_path: Path) -> None:
        certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
        rig.make_certificate(certificate, key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        kept: list[load._Connection] = []
        async with site(context) as (answering, port):
            count = 0
            while count <= 3:
                result = await self.turn(port, kept, tls=True)
                assert not result.fault
                count += len(result.took_ms)
            assert answering.connections == answering.requests == count
        assert not kept


class TestRounds:
    def entry(
        self, key: str, process: subprocess.Popen[bytes], run: Callable[[Job], Result]
    ) -> rig.Entry:
        case = next(case for case in cases.CASES if case.key == key)
        job = Job(port=ord(key), kind="token", requests="", seconds=1, connections=1)
        return rig.Entry(case, process.pid, job, run)

    def test_work_behind_the_answers_counts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Records are written up to a second later, and that takes its time."""
        # However busy the machine is: it is waited for until the work is done.
        monkeypatch.setattr(rig, "_SETTLE_S", 60)
        told: list[str] = []
        ran: list[int] = []
        with worker() as bare, worker() as ours:

            def run(job: Job) -> Result:
                ran.append(job.port)
                if len(ran) == 4:
                    order(ours, later=0.9, seconds=0.6)
                return Result(seconds=1, took_ms=[1, 2])

            def tell(case: Case) -> None:
                told.append(case.key)

            entries = [self.entry("a", bare, run), self.entry("b", ours, run)]
            found = rig.measure(entries, 2, tell)
        assert told == ["a", "b", "a", "b"]
        assert ran == [ord(key) for key in told]
        assert found["a"].cpu_us < 0.1e6 / 4
        assert 0.6e6 / 4 < found["b"].cpu_us < 0.7e6 / 4

    def test_fault_names_the_case(self) -> None:
        def run(_job: Job) -> Result:
            raise rig.BenchFailed("no answer")

        with (
            worker() as bare,
            pytest.raises(rig.BenchFailed, match=r"\(a\) bare server.*no answer"),
        ):
            rig.measure([self.entry("a", bare, run)], 1, lambda _case: None)

    def test_turns_are_one_sample(self) -> None:
        turns = [
            Result(seconds=0.5, took_ms=[float(each) for each in range(50, 100)]),
            Result(seconds=1.5, took_ms=[float(each) for each in range(50)]),
        ]
        found = results.round_of(turns, cpu_s=0.02, uss_mb=7)
        assert found == Round(cpu_us=200, rps=50, p50_ms=50, p99_ms=99, uss_mb=7)

    def test_a_time_may_be_the_mean_of_many(self) -> None:
        turns = [Result(seconds=0.5, took_ms=[2, 4], times=100)] * 2
        found = results.round_of(turns, cpu_s=0.04, uss_mb=7)
        assert found == Round(cpu_us=100, rps=400, p50_ms=4, p99_ms=4, uss_mb=7)

    def test_percentile(self) -> None:
        assert results.percentile(range(100), 0.5) == 50
        assert results.percentile(range(100), 0.99) == 99
        assert results.percentile(range(100), 1.0) == 99
        assert results.percentile([], 0.5) == 0


def test_instructions_are_summed_by_function() -> None:
    lines = [
        "events: Ir",
        "fl=a.c",
        "fn=one",
        "12 300",
        "+1 4",
        "fn=two",
        "9 5",
        "fl=b.c",
        "fn=one",
        "7 1",
    ]
    assert pull_counts(lines) == {"one": 305, "two": 5}


def test_subscriptions_are_chosen_once_each() -> None:
    tokens, sims = world.choose(100, 60, 30)
    assert (len(tokens), len(sims)) == (60, 30)
    assert not set(tokens) & set(sims)
    assert world.choose(100, 60, 30) == [tokens, sims]


class TestCases:
    def test_a_letter_stands_for_its_family(self) -> None:
        assert [case.key for case in cases.chosen("d")] == ["a", "d", "d0"]

    def test_references_come_along(self) -> None:
        assert [case.key for case in cases.chosen("e, b0")] == ["a", "b0", "e0", "e"]

    def test_and_theirs(self) -> None:
        assert [case.key for case in cases.chosen("h")] == ["a", "d", "h"]

    def test_none_named_is_all(self) -> None:
        assert cases.chosen("") == cases.CASES

    def test_unknown(self) -> None:
        with pytest.raises(ValueError, match="no case 'x'"):
            cases.chosen("x")

    def test_every_service_has_a_case_and_its_target(self) -> None:
        assert {case.app for case in cases.chosen("s")} == set(SERVICES)
        of_service = [case for case in cases.CASES if case.key[0] == "s" and case.reference]
        assert {case.reference for case in of_service} == {"s04"}
        dear = {case.app for case in of_service if case.target == 1 / 1.6}
        assert dear == {"ap2010", "ap2016"}
        assert {case.target for case in of_service} == {1 / 1.3, 1 / 1.6}

    def test_references_are_cases(self) -> None:
        keys = [case.key for case in cases.CASES]
        assert len(set(keys)) == len(keys)
        for number, case in enumerate(cases.CASES):
            assert case.reference in {"", *keys[:number]}, "what it is compared with comes first"


class TestDiameter:
    """What is measured without a server."""

    def test_what_is_read_is_what_was_written(self) -> None:
        asked = swx.pull_request(pull_message(diameter.builder()()).avps)
        assert asked == Wanted(world.imsi_of(1), Scheme.AKA)
        assert len(diameter.reader()().xres) == 8

    def test_the_codec_is_timed_in_batches(self) -> None:
        done = itertools.count()
        found = diameter.repeated(lambda: next(done), 0.01)
        assert next(done) == len(found.took_ms) * found.times
        assert found.seconds >= 0.01

    async def test_vectors_are_fetched_for_all_sims_at_once(self, tmp_path: Path) -> None:
        sims = [Sim(imsi=Imsi(world.imsi_of(n)), k=world.K, opc=world.OPC) for n in range(3)]
        write_requests(tmp_path / "auth", [Request(b"", sim.nai()) for sim in sims])
        hss = HssServer(Auc(sims, ready=2), host=world.HSS, realm=world.HSS_REALM)
        job = Job(kind="vector", port=0, requests=f"{tmp_path}/auth", seconds=0.05, connections=2)
        await hss.up()
        async with diameter.opened(hss.port) as vectors:
            found = await diameter.fetched(job, vectors)
            hss.plan = Plan(fault=HssFault.UNKNOWN_USER)
            refused = await diameter.fetched(job, vectors)
        await hss.down()
        assert found.fault == ""
        assert 2 <= len(found.took_ms) == len(hss.seen) - 2
        assert "UnknownIdentity" in refused.fault
        assert not refused.took_ms


async def test_every_service_answers_the_benchs_request_in_full(tmp_path: Path) -> None:
    """One that refused, or had nothing to say, would be cheap for nothing."""
    place = world.Place(tmp_path, int(time.time()))
    place.make_keys()
    config = place.configure(
        "services", f"sqlite:///{tmp_path / 'services.db'}", policy=services.policy()
    )
    await world.populate(config, 3, [], now=place.now, full=True)
    loaded = load_settings(config, {})
    async with compose.opened(loaded) as parts:
        caller = Caller(Listener(parts.device, parts.bounds, ServerState()))
        for app in services.apps():
            for request in world.token_requests(loaded, [0, 2], now=place.now, app=app):
                await caller.request(request)
                caller.expect(world.XML)
                body = caller.body
                if body[:2] == b"\x1f\x8b":
                    body = gzip.decompress(body)
                assert services.enquiry_of(app).sees in body.decode(), app


class TestFigures:
    def test_ratio_is_the_median_of_the_rounds_ratios(self) -> None:
        """A slow spell of the machine meets both sides of one round's ratio."""
        case = next(case for case in cases.CASES if case.key == "b")
        rounds = {
            "a": [one_round(40), one_round(400), one_round(40)],
            "b": [one_round(100), one_round(1000), one_round(80)],
        }
        found = results.figures(case, rounds)
        assert found.ratio == 0.4
        assert found.spread == (0.4, 0.5)
        assert found.cpu_us == 100
        assert found.rounds_us == (100, 1000, 80)

    def test_no_ratio_without_reference(self) -> None:
        found = results.figures(cases.CASES[0], {"a": [one_round(40)]})
        assert found.ratio is None
        assert found.spread is None

    def test_growth_is_the_median_of_the_rounds_growths(self) -> None:
        found = {
            "b0": figures(200, rounds_us=(100, 200, 400)),
            "b": figures(300, rounds_us=(120, 300, 440)),
        }
        assert results.growth(found) == 1.2

    @pytest.mark.parametrize(
        ("changed", "more_is_better", "style"),
        [
            (None, True, ""),
            (0.15, True, ""),
            (-0.15, True, ""),
            (0.16, True, "green"),
            (-0.16, True, "red"),
            (0.16, False, "red"),
            (-0.16, False, "green"),
        ],
    )
    def test_colour(self, changed: float | None, *, more_is_better: bool, style: str) -> None:
        assert results.style(changed, more_is_better=more_is_better) == style

    def test_change(self) -> None:
        assert results.change(0.3, 0.4) == pytest.approx(-0.25)
        assert results.change(0.3, None) is None
        assert results.change(None, 0.3) is None

    def test_targets_in_the_page(self) -> None:
        found = {
            "a": figures(40),
            "b0": figures(100, ratio=0.4),
            "b": figures(130, ratio=0.31, uss_mb=130),
        }
        text = results.markdown(run_of(found))
        assert (
            "| b | token request, SQLite, 1,000,000 subscriptions | 130.0 | 0.310 | 0.35 ✗" in text
        )
        assert "1.30 times what a thousand do (at most 1.2) ✗" in text
        assert "130 MB at most (below 120) ✗" in text

    def test_targets_that_are_no_ratios(self) -> None:
        found = {"v": figures(109.9), "v0": figures(15), "h": figures(ratio=0.75)}
        text = results.markdown(run_of(found))
        assert "| 109.9 |  | < 110 µs ✓ | 9 ✗ |" in text
        assert "| 15.0 |  | < 15 µs ✗ | 9 |" in text
        assert "| 100.0 | 0.750 | 0.75 ✓ | 9 |" in text

    def test_spread_is_shown_beside_the_ratio(self) -> None:
        found = run_of({"a": figures(40), "c": figures(130, ratio=0.31, spread=(0.291, 0.34))})
        assert "| 130.0 | 0.310 (0.291–0.340) | 0.22 ✓ |" in results.markdown(found)  # noqa: RUF001
        console = Console(width=140)
        with console.capture() as shown:
            console.print(results.table(found, None))
        assert "│ 0.310 │ 0.291–0.340 │" in shown.get()  # noqa: RUF001

    def test_files_from_before_the_spread_are_read(self, tmp_path: Path) -> None:
        new = run_of({"b": figures(300, ratio=0.3, spread=(0.2, 0.4), rounds_us=(300,))})
        old = msgspec.to_builtins(new)
        del old["cases"]["b"]["spread"], old["cases"]["b"]["rounds_us"]
        (tmp_path / "new.json").write_bytes(msgspec.json.encode(new))
        (tmp_path / "old.json").write_bytes(msgspec.json.encode(old))
        assert results.read(tmp_path / "new.json") == new
        assert results.read(tmp_path / "old.json") == run_of({"b": figures(300, ratio=0.3)})

    def test_page_keeps_what_is_around_the_marks(self) -> None:
        page = f"before\n{results.BEGIN}\nold\n{results.END}\nafter\n"
        assert results.replaced(page, "new") == (
            f"before\n{results.BEGIN}\n\nnew\n\n{results.END}\nafter\n"
        )
        with pytest.raises(ValueError, match="lacks"):
            results.replaced("nothing", "new")

    def test_committed_figures_and_page_agree(self) -> None:
        committed = results.read()
        assert committed is not None
        assert results.markdown(committed) in results.PAGE.read_text("utf-8")

    def test_the_dearest_service_is_told_beside_its_target(self) -> None:
        found = {
            "s04": figures(200),
            "s03": figures(200, ratio=1.0),
            "s05": figures(200, ratio=0.8),
            "s10": figures(200, ratio=0.5),
        }
        told = results.remarks(run_of(found))
        assert "ap2003, ap2005 cost at most 1.25 times what ap2004 does (at most 1.3) ✓" in told
        assert "ap2010 cost at most 2.00 times what ap2004 does (at most 1.6) ✗" in told

    def test_work_behind_requests_is_told_with_its_target(self) -> None:
        made = msgspec.structs.replace(
            run_of({}),
            works=(
                Work("events drained", 4.06, "s", 10),
                Work("an event is in effect", 1200.4, "ms", 1000),
                Work("an event is in effect, p50", 286, "ms"),
            ),
        )
        assert results.remarks(made) == [
            "Events drained: 4.1 s (below 10) ✓",
            "An event is in effect: 1200 ms (below 1,000) ✗",
            "An event is in effect, p50: 286 ms",
        ]
