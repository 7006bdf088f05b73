"""What a phone gets while the core network fails, for each kind of source and each fault.

Everything is real but the other end, which is the simulator over a socket on loopback. A phone that
has a token asks all the while. docs/core-faults.md has the same table and is held against it.

A kind of source joins by a line in ``KINDS``.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

import pytest

from simgrant.compose import server as compose
from simgrant.links.gsup import Hlr, HlrState
from simgrant.sim.aaa import faults as aaa_faults
from simgrant.sim.aaa.server import AaaServer
from simgrant.sim.hlr import faults as hlr_faults
from simgrant.sim.hlr.server import HlrServer
from simgrant.sim.hss import faults as hss_faults
from simgrant.sim.hss.auc import Auc
from simgrant.sim.hss.server import HssServer
from simgrant.sim.sims import demo_sims
from simgrant.sim.udm import faults as udm_faults
from simgrant.sim.udm.server import Core
from tests.clocks import set_clock
from tests.device.harness import HOME_ONLY, START, Phone, Server, Workbench
from tests.servers.process import free_port

REALM = "epc.mnc001.mcc001.3gppnetwork.org"
PAGE = Path(__file__).parents[2] / "docs/core-faults.md"
SHORT_S, LONG_S = 1.0, 20.0
"""``auth.vector_timeout_s``, where a fault lasts until then, and where none may."""


_BEGAN = time.monotonic()


class Fault(StrEnum):
    """What is wrong with the core network."""

    REFUSED = "refused"
    BLACK_HOLE = "black hole"
    SLOW = "slow"
    BUSY = "busy"
    GARBAGE = "garbage"
    FLAPPING = "flapping"
    HALF_DEAD = "half dead"


MEANS = {
    Fault.REFUSED: "nobody listens",
    Fault.BLACK_HOLE: "connected, and not a byte comes back",
    Fault.SLOW: "the answer comes after a minute",
    Fault.BUSY: "it says that it is too busy",
    Fault.GARBAGE: "what comes is no proper message",
    Fault.FLAPPING: "each request ends the connection",
    Fault.HALF_DEAD: "one of two is gone",
}
WAITS = frozenset({Fault.BLACK_HOLE, Fault.SLOW})
"""Those that take all the time there is. All others are known at once."""


class RunningClock:
    """The time of the test's state directory, which goes on as time does."""

    def now(self) -> float:
        return START + time.monotonic() - _BEGAN

    def monotonic(self) -> float:
        return time.monotonic()


class Ends(Protocol):
    """The other ends of a server: two of them, of which the second stands by."""

    settings: str

    @property
    def servers(self) -> Sequence[End]:
        """Both."""

    def connected(self, parts: compose.Parts) -> list[bool]:
        """Return for each end whether the server is connected to it."""

    def play(self, fault: Fault | None) -> None:
        """Have both misbehave, or behave again."""


class End(Protocol):
    """One of them."""

    async def up(self) -> None:
        """Listen."""

    async def down(self) -> None:
        """Break all connections and listen no more."""


class Hsss:
    """Two HSSs behind one realm."""

    faults: Mapping[Fault, hss_faults.Plan] = {
        Fault.BLACK_HOLE: hss_faults.Plan(fault=hss_faults.Fault.DEAF),
        Fault.SLOW: hss_faults.Plan(fault=hss_faults.Fault.SLOW, delay_s=60),
        Fault.BUSY: hss_faults.Plan(fault=hss_faults.Fault.BUSY),
        Fault.GARBAGE: hss_faults.Plan(fault=hss_faults.Fault.MALFORMED),
        Fault.FLAPPING: hss_faults.Plan(fault=hss_faults.Fault.CLOSE),
    }

    def __init__(self, own: str) -> None:
        auc = Auc(demo_sims())
        ports = free_port(), free_port()
        self.servers = [
            HssServer(auc, host=f"hss{number}.{REALM}", realm=REALM, port=port)
            for number, port in enumerate(ports)
        ]
        self.settings = f'[diameter]\norigin_host = "ecs-%d.{REALM}"\n' + "".join(
            f'[diameter_peers.hss{number}]\nhost = "hss{number}.{REALM}"\n'
            f'address = "127.0.0.1:{port}"\npriority = {number + 1}\n'
            for number, port in enumerate(ports)
        )
        self.settings += f'[hss.home]\nrealm = "{REALM}"\npeers = ["hss0", "hss1"]\n{own}'

    def connected(self, parts: compose.Parts) -> list[bool]:
        assert parts.diameter is not None
        return [state != "closed" for state in parts.diameter.states().values()]

    def play(self, fault: Fault | None) -> None:
        for server in self.servers:
            server.plan = self.faults.get(fault) if fault else None


class Aaas(Hsss):
    """Two AAA servers behind one realm, each with conversations of its own."""

    wrongs: Mapping[Fault, aaa_faults.Plan] = {
        Fault.BLACK_HOLE: aaa_faults.Plan(fault=aaa_faults.Fault.SILENT),
        Fault.SLOW: aaa_faults.Plan(fault=aaa_faults.Fault.SLOW, delay_s=60),
        Fault.BUSY: aaa_faults.Plan(fault=aaa_faults.Fault.BUSY),
        Fault.GARBAGE: aaa_faults.Plan(fault=aaa_faults.Fault.GARBAGE),
        Fault.FLAPPING: aaa_faults.Plan(fault=aaa_faults.Fault.CLOSE),
    }

    def __init__(self) -> None:
        super().__init__("")
        self.settings = self.settings.replace("[hss.home]", "[aaa.home]")
        auc = Auc(demo_sims())
        self.aaas = [
            AaaServer(auc, host=server.node.host, realm=REALM, port=server.port)
            for server in self.servers
        ]
        self.servers = [*self.aaas]

    def play(self, fault: Fault | None) -> None:
        for server in self.aaas:
            server.wrong = self.wrongs.get(fault) if fault else None


class Hlrs:
    """Two HLRs, one after the other in a route."""

    faults: Mapping[Fault, hlr_faults.Plan] = {
        Fault.BLACK_HOLE: hlr_faults.Plan(fault=hlr_faults.Fault.DEAF),
        Fault.SLOW: hlr_faults.Plan(fault=hlr_faults.Fault.SLOW, delay_s=60),
        Fault.BUSY: hlr_faults.Plan(fault=hlr_faults.Fault.CAUSE, cause=22),
        Fault.GARBAGE: hlr_faults.Plan(fault=hlr_faults.Fault.MALFORMED),
        Fault.FLAPPING: hlr_faults.Plan(fault=hlr_faults.Fault.CLOSE),
    }

    def __init__(self) -> None:
        ports = free_port(), free_port()
        self.servers = [HlrServer(demo_sims(), port=port) for port in ports]
        self.settings = "".join(
            f'[hlr.hlr{number}]\naddress = "127.0.0.1:{port}"\nunit_name = "ecs-%d"\n'
            for number, port in enumerate(ports)
        )
        self.settings += '[routes.all]\nsources = ["hlr.hlr0", "hlr.hlr1"]\n'

    def connected(self, parts: compose.Parts) -> list[bool]:
        return [link.state is HlrState.OKAY for link in parts.links if isinstance(link, Hlr)]

    def play(self, fault: Fault | None) -> None:
        for server in self.servers:
            server.plan = self.faults.get(fault) if fault else None


class Udms:
    """Two instances of a UDM, the first before the other."""

    faults: Mapping[Fault, udm_faults.Plan] = {
        Fault.BLACK_HOLE: udm_faults.Plan(fault=udm_faults.Fault.SILENT),
        Fault.SLOW: udm_faults.Plan(fault=udm_faults.Fault.SLOW, delay_s=60),
        Fault.BUSY: udm_faults.Plan(fault=udm_faults.Fault.STATUS, status=503),
        Fault.GARBAGE: udm_faults.Plan(fault=udm_faults.Fault.GARBAGE),
        Fault.FLAPPING: udm_faults.Plan(fault=udm_faults.Fault.RESET),
    }

    def __init__(self, section: str, own: str = "") -> None:
        # A request that was sent long ago, as both their clocks say, would be refused.
        self.core = Core(demo_sims(), instances=2, clock=RunningClock().now)
        self.servers = [each.web for each in self.core.instances]
        for each in self.servers:
            each.port = free_port()
        urls = ", ".join(f'"{each.url}"' for each in self.servers)
        self.settings = f"[{section}.home]\naddresses = [{urls}]\n{own}"

    def connected(self, parts: compose.Parts) -> list[bool]:  # noqa: ARG002 - it has no state
        return [not each.is_down for each in self.servers]

    def play(self, fault: Fault | None) -> None:
        self.core.plan = self.faults.get(fault) if fault else None


_DIAMETER = {
    Fault.REFUSED: "diameter_no_peer",
    Fault.BLACK_HOLE: "diameter_timeout",
    Fault.SLOW: "diameter_timeout",
    Fault.BUSY: "hss_busy",
    Fault.GARBAGE: "diameter_malformed",
    Fault.FLAPPING: "diameter_lost",
}
_AAA = {**_DIAMETER, Fault.BUSY: "aaa_busy", Fault.GARBAGE: "aaa_malformed"}
_GSUP = {
    Fault.REFUSED: "hlr_not_connected",
    Fault.BLACK_HOLE: "hlr_timeout",
    Fault.SLOW: "hlr_timeout",
    Fault.BUSY: "hlr_busy",
    Fault.GARBAGE: "hlr_malformed",
    Fault.FLAPPING: "hlr_lost",
}
_SBI = {
    Fault.REFUSED: "sbi_unreachable",
    Fault.BLACK_HOLE: "sbi_timeout",
    Fault.SLOW: "sbi_timeout",
    Fault.BUSY: "udm_busy",
    Fault.GARBAGE: "udm_malformed",
    Fault.FLAPPING: "sbi_lost",
}


@dataclass(frozen=True)
class Kind:
    """A kind of source: how its ends are made, and the reason that is recorded of each fault."""

    made: Callable[[], Ends]
    reasons: Mapping[Fault, str]


_CX = (
    'interface = "cx"\nims_domain = "ims.mnc001.mcc001.3gppnetwork.org"\n'
    'server_name = "sip:ecs.example.com"\n'
)
KINDS: Mapping[str, Kind] = {
    "SWx": Kind(lambda: Hsss(""), _DIAMETER),
    "S6a": Kind(lambda: Hsss('interface = "s6a"\nvisited_plmn = "001-01"\n'), _DIAMETER),
    "Cx": Kind(lambda: Hsss(_CX), _DIAMETER),
    "AAA": Kind(Aaas, _AAA),
    "UDM": Kind(lambda: Udms("udm"), _SBI),
    "HSS (SBI)": Kind(lambda: Udms("hss_sbi"), _SBI),
    "GSUP": Kind(Hlrs, _GSUP),
}


async def _until(condition: Callable[[], Any]) -> None:
    """Return once the server has seen something of its connections."""
    async with asyncio.timeout(20):
        # Nothing tells us: who is told are the log and the metrics.
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


@dataclass
class World:
    """A server that is connected to both ends, and a phone that has a token."""

    ends: Ends
    server: Server
    token: str
    owner: Phone
    newcomer: Phone = field(init=False)

    def __post_init__(self) -> None:
        self.newcomer = Phone(self.server, HOME_ONLY)

    async def start(self, fault: Fault) -> None:
        """Have the fault, and the server see it where it can be seen."""
        gone = {Fault.REFUSED: (0, 1), Fault.HALF_DEAD: (0,)}.get(fault, ())
        for index in gone:
            await self.ends.servers[index].down()
        self.ends.play(fault)
        await self.states([index not in gone for index in range(2)])

    async def end(self) -> None:
        """Have it no more."""
        self.ends.play(None)
        for index in range(2):
            await self.ends.servers[index].down()
            await self.ends.servers[index].up()
        await self.states([True, True])

    async def states(self, wanted: list[bool]) -> None:
        async def reached() -> bool:
            return self.ends.connected(self.server.parts) == wanted

        await _until(reached)


@asynccontextmanager
async def opened_world(bench: Workbench, kind: Kind, timeout_s: float) -> AsyncIterator[World]:
    ends = kind.made()
    for index in range(2):
        await ends.servers[index].up()
    settings = f"[auth]\nvector_timeout_s = {timeout_s}\n[server]\nrequest_timeout_s = 29\n"
    try:
        async with bench.opened(settings + ends.settings) as server:
            parts = server.parts
            running = [asyncio.create_task(link.run()) for link in parts.links]
            if parts.diameter is not None:
                running.append(asyncio.create_task(parts.diameter.run()))
            try:
                made = World(ends, server, "", Phone(server))
                await made.states([True, True])
                made.token = await made.owner.token()
                yield made
            finally:
                for task in running:
                    task.cancel()
                await asyncio.gather(*running, return_exceptions=True)
    finally:
        for index in range(2):
            await ends.servers[index].down()


async def _asked_with_the_token(world: World, done: asyncio.Event) -> int:
    """Ask until told otherwise; return how often it was answered."""
    times = 0
    while not done.is_set() or times < 3:
        assert (await world.owner.fast(world.token)).status == 200
        times += 1
        await asyncio.sleep(0.01)
    return times


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("kind", KINDS)
async def test_what_a_phone_gets_while_the_core_fails(
    kind: str, fault: Fault, bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, RunningClock())
    opened: AbstractAsyncContextManager[World] = opened_world(
        bench, KINDS[kind], SHORT_S if fault in WAITS else LONG_S
    )
    async with opened as world:
        await world.start(fault)
        done = asyncio.Event()
        others = asyncio.create_task(_asked_with_the_token(world, done))
        began = time.monotonic()
        answer = await world.newcomer.full()
        took = time.monotonic() - began
        done.set()
        assert await others >= 3
        reason = KINDS[kind].reasons.get(fault)
        if reason is None:
            assert answer.status == 200
        else:
            assert answer.status == 503
            assert int(answer.header("retry-after")) > 0
            records = await world.server.records()
            said = [each["outcome"] for each in records if each["status"] == 503]
            assert said == [reason]
        if fault in WAITS:
            # Nearly all the time there is, and far less than the minute that the answer takes.
            assert SHORT_S / 2 <= took < LONG_S
        else:
            assert took < LONG_S / 2
        await world.end()
        assert (await world.newcomer.full()).status == 200


# --- the page ----------------------------------------------------------------------------------


def _table() -> list[list[str]]:
    rows = [["fault", "that is", *KINDS, "status", "known"]]
    for fault in Fault:
        reasons = [KINDS[kind].reasons.get(fault, "") for kind in KINDS]
        rows.append(
            [
                fault.value,
                MEANS[fault],
                *(f"`{reason}`" if reason else "" for reason in reasons),
                "503" if any(reasons) else "200",
                "at the deadline" if fault in WAITS else "at once",
            ]
        )
    return rows


def test_the_page_has_what_is_tested() -> None:
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    rows = [row for row in found if not re.fullmatch(r"[-: ]+", row[0])]
    assert rows[: len(Fault) + 1] == _table()
