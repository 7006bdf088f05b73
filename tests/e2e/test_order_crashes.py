"""An order's process is killed (SIGKILL) at every fault point there is, and the books agree.

For each way an order may go, fault points are counted off until there is none left: a process runs
up to the point and is killed there; another, this one, comes after it and does what is due; then
whoever asked asks again, as devices and operators do. After each of the two, what the simulated
SM-DP+ gave away is what orders have, and at the end the order is where it would be had nobody been
killed.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from simgrant.compose.esims import open_smdps
from simgrant.domain.order import LINE, Awaited, Order, OrderState
from simgrant.domain.owner import push_owner
from simgrant.identities import Iccid, Imsi
from simgrant.ports.smdp import Smdp
from simgrant.ports.store import Store
from simgrant.sim.smdp.control import DELETION
from tests.e2e.nodes import Site, environment
from tests.e2e.order_process import Case, Life, Result
from tests.e2e.test_sim_smdp import Played, played
from tests.folders import in_memory
from tests.servers.process import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

T = "default"
_numbers = itertools.count(1)
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Way:
    """What happens to an order, and where that leads."""

    steps: tuple[str, ...]
    state: OrderState
    awaits: Awaited | None = None
    hold: bool = False
    bss: bool = False
    fault: str = ""
    """What befalls the first call at the SM-DP+ of ``function``."""
    function: str = ""
    least: int = 8
    """Fault points that there are at least."""
    before: tuple[str, ...] = ()
    """What happened before, which nobody was killed at."""
    reuses: bool = False
    gone: bool = False
    """Whether the profile is on no device any more."""

    def is_over(self, orders: Sequence[Order]) -> bool:
        """Whether nothing of it is left to happen."""
        ends = sorted(
            (order.place == LINE, order.state, order.awaits, order.gone) for order in orders
        )
        follows = "follow" in self.steps
        replaced = [(False, S.ENDED, None, False)] if follows else []
        return ends == [*replaced, (follows, self.state, self.awaits, self.gone)]


S = OrderState
OF_THE_SMDP = (
    Way(("make", "installed", "off", "on"), S.ACTIVE, least=20),
    Way(("make", "unsubscribe", "again"), S.RELEASED, least=30),
    Way(("make", "end", "work"), S.ENDED, fault="lost", function="confirmOrder", least=18),
    Way(("make", "work"), S.RELEASED, fault="lost", function="downloadOrder"),
    Way(("make", "release", "work"), S.RELEASED, hold=True, least=20),
    Way(("make", "end", "work"), S.ENDED, hold=True, least=20),
)
TOLD_BY_THE_SMDP = (
    Way(("make", "on device", "deleted"), S.ENDED, gone=True, least=20),
    Way(("make", "on device, notified", "deleted, notified"), S.ENDED, gone=True, least=20),
)
INSTALLED = ("make", "in use")
FOLLOWS = ("follow", "deleted, notified", "work")
DELETION_FIRST = (
    Way(("follow", "deleted", "work"), S.RELEASED, before=INSTALLED, least=30),
    Way(FOLLOWS, S.RELEASED, before=INSTALLED, reuses=True, least=36),
    Way((*FOLLOWS, "leave", "work"), S.ENDED, before=INSTALLED, reuses=True, least=48),
)
ANSWERS_LOST = tuple(
    replace(DELETION_FIRST[1], fault="lost", function=function, least=25)
    for function in ("cancelOrder", "downloadOrder")
)
OF_THE_BSS = (
    Way(("make", "deliver", "installed", "work", "off", "work"), S.INACTIVE, bss=True),
    Way(("make", "fail"), S.ENDED, bss=True),
    Way(("make", "unsubscribe"), S.ENDED, bss=True),
    Way(("make", "deliver", "end", "work", "returned"), S.ENDED, bss=True),
    Way(("make", "deliver", "plan", "work"), S.RELEASED, bss=True),
    Way(("lies ready", "yes", "installed", "work"), S.ACTIVE, bss=True),
    Way(("lies ready", "no", "work", "returned"), S.ENDED, bss=True),
)
ON_POSTGRESQL = (
    *OF_THE_SMDP[1:],
    Way(("make", "on device, notified", "off", "on", "deleted"), S.ENDED, gone=True, least=26),
    DELETION_FIRST[0],
    DELETION_FIRST[2],
    ANSWERS_LOST[0],
    *OF_THE_BSS,
)
"""Ways that together make every transition of the others."""
IN_A_TRANSACTION = Way(("make", "work"), S.RELEASED, least=20)
WHERE_THE_SMDP_CHOOSES = (OF_THE_SMDP[1], OF_THE_SMDP[3])


@dataclass
class World:
    """A store, an SM-DP+, and a process whose forks live and die."""

    store: Store
    smdps: Mapping[str, Smdp]
    smdp: Played
    zygote: Process
    settings: str
    remembers: bool

    async def lives(self, case: Case) -> Result:
        """Run one process to its end, which may be a violent one."""
        assert self.zygote.stdin is not None
        assert self.zygote.stdout is not None
        self.zygote.stdin.write(msgspec.json.encode(case) + b"\n")
        async with asyncio.timeout(60):
            line = await self.zygote.stdout.readline()
        result = msgspec.json.decode(line, type=Result)
        assert result.code == 0, f"{case}: see the standard error"
        return result

    async def after(self, case: Case, *steps: str) -> list[Order]:
        """Do what is due, take steps, and see that the books agree; return the orders."""
        life = Life(case, self.store.orders, {} if case.bss else self.smdps)
        await life.goes_on(steps)
        return await self.agree(case)

    async def agree(self, case: Case) -> list[Order]:
        """Check the SM-DP+'s books, and our stock, against the orders."""
        orders = list(await self.store.orders.of(T, Imsi(case.imsi)))
        assert all(order.todo is None for order in orders), orders
        of_type = f"/profiles?profile_type={case.profile_type}"
        states = {each["iccid"]: each["state"] for each in await self.smdp.ask("GET", of_type)}
        given = Counter(
            iccid for iccid, state in states.items() if state not in ("Available", "Deleted")
        )
        held: Counter[str] = Counter()
        reserved = {iccid for iccid, state in states.items() if state == "Deleted"}
        for order in orders:
            if order.iccid is None or order.state is S.ENDED or case.bss:
                continue
            if order.state is S.DELETING:
                reserved.add(order.iccid.digits)
            elif order.state is not S.ACTIVE or order.iccid.digits not in reserved:
                # One that is installed may have been deleted without our having been told.
                held[order.iccid.digits] += 1
        assert len(held) <= 1
        if given != held:
            # What nobody names, an operator is told to look for.
            assert not self.remembers
            assert not case.pooled
            assert held <= given
            assert (given - held).total() == 1
            suspected = [push_owner(kept.owner) for kept in await self.store.orders.orphans(T)]
            assert case.imsi in suspected
        shelves = await self.store.orders.stock(T)
        taken = sum(shelf.taken for shelf in shelves if shelf.profile_type == case.profile_type)
        if case.pooled and not case.bss:
            assert taken == len({*held, *reserved})
        waiting = await self.store.orders.page(T, after=("", ""), limit=1_000, waiting=True)
        assert {kept.order.order_id for kept in waiting if push_owner(kept.owner) == case.imsi} == {
            order.order_id for order in orders if order.awaits
        }
        return orders

    async def enumerate(
        self, way: Way, *, pooled: bool = True, statements: bool = False, every: int = 1
    ) -> int:
        """Kill a process at each fault point of a way, or some of them; return how many there were.

        Which some is another matter for each way, so that together they are of every kind.
        """
        for point in itertools.count(next(_numbers) % every, every):
            number = next(_numbers)
            case = Case(
                settings=self.settings,
                control=self.smdp.up["control"],
                imsi=f"00101{number:010d}",
                number=number,
                profile_type=f"watch-{number}",
                steps=list(way.steps),
                pooled=pooled,
                bss=way.bss,
                hold=way.hold,
                reuses=way.reuses,
                point=point,
                statements=statements,
            )
            if not way.bss:
                await self._stock(case)
            if way.before:
                await self.after(case, *way.before)
            if way.fault:
                await self.smdp.ask(
                    "PUT", "/fault", fault=way.fault, function=way.function, times=1
                )
            result = await self.lives(case)
            if way.fault:
                await self.smdp.ask("DELETE", "/fault")
            orders = await self.after(case)
            if not way.is_over(orders):
                orders = await self.after(case, *way.steps)
            assert way.is_over(orders), (way, point, orders)
            if not result.killed:
                assert point >= way.least
                return point
        raise AssertionError

    async def _stock(self, case: Case) -> None:
        new = {"profile_type": case.profile_type, "count": 3}
        iccids = [Iccid(each) for each in await self.smdp.ask("POST", "/profiles", **new)]
        if case.pooled:
            await self.store.orders.add_stock(T, "sim", case.profile_type, iccids)


@asynccontextmanager
async def opened(site: Site, *habits: str) -> AsyncIterator[World]:
    """Play an SM-DP+, and start the process that forks."""
    ports = ("--port", str(free_port()), "--control-port", str(free_port()))
    told = f"127.0.0.1:{free_port()}"
    options = (*ports, "--stock", "x=1", "--callback-url", f"https://{told}")
    async with played(site.directory, *options, *habits) as smdp:
        remembers = "--forgets-calls" not in habits
        tls = {f"smdp.sim.{key}": value for key, value in smdp.up["settings"].items()}
        tls["smdp.sim.profile_types"] = []
        site.settings = {
            **site.settings,
            **tls,
            "smdp.sim.remembers_calls": remembers,
            "smdp.sim.deletion_point": DELETION,
            "smdp.sim.tells_sha256": [smdp.up["fingerprint"]],
            "es2plus.listen": told,
            "es2plus.tls_certificate": smdp.up["settings"]["certificate"],
            "es2plus.tls_key": smdp.up["settings"]["key"],
            "es2plus.client_ca": smdp.up["settings"]["ca_file"],
        }
        settings = str(site.config())
        program = (sys.executable, "-m", "tests.e2e.order_process", settings)
        zygote = await asyncio.create_subprocess_exec(
            *("setpriv", "--pdeathsig", "KILL", *program),
            stdin=PIPE,
            stdout=PIPE,
            cwd=_ROOT,
            # A client reads every authority that it trusts; one is enough.
            env=environment() | {"SSL_CERT_FILE": smdp.up["settings"]["ca_file"]},
        )
        heard = asyncio.create_task(_hear(smdp))
        smdps = open_smdps(site.loaded())[T]
        try:
            async with site.store() as store:
                yield World(store, smdps, smdp, zygote, settings, remembers)
        finally:
            for each in smdps.values():
                await each.close()
            heard.cancel()
            zygote.kill()
            await zygote.wait()


async def _hear(smdp: Played) -> None:
    """Take what it prints, so that it is never held up."""
    assert smdp.process.stdout is not None
    while await smdp.process.stdout.read(65_536):
        pass


@contextmanager
def empty_site() -> Iterator[Site]:
    """Make a site on SQLite without subscriptions: orders need none.

    Who is killed by SIGKILL leaves to the kernel what he wrote: no disk has to be waited for.
    """
    with in_memory() as directory:
        site = Site(directory)
        site.make()
        yield site


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[World]:
    """The world of most ways here; each case has a line and a type of profiles of its own."""
    with empty_site() as site:
        async with opened(site) as made:
            yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def on_postgresql(shared_site: Site) -> AsyncIterator[World]:
    """The same on PostgreSQL."""
    # A process has one thing to do at a time.
    shared_site.settings = {**shared_site.settings, "store.pool_min": 1, "store.pool_max": 2}
    async with opened(shared_site) as made:
        yield made


async def test_whoever_is_killed_while_ordering(world: World) -> None:
    for way in OF_THE_SMDP:
        await world.enumerate(way)


async def test_whoever_is_killed_while_the_smdp_tells(world: World) -> None:
    for way in TOLD_BY_THE_SMDP:
        await world.enumerate(way)


async def test_whoever_is_killed_while_an_old_profile_goes(world: World) -> None:
    for way in (*DELETION_FIRST, *ANSWERS_LOST):
        await world.enumerate(way)
    await world.enumerate(DELETION_FIRST[1], pooled=False)


async def test_whoever_is_killed_where_the_smdp_chooses(world: World) -> None:
    for way in WHERE_THE_SMDP_CHOOSES:
        await world.enumerate(way, pooled=False)


async def test_whoever_is_killed_while_the_bss_orders(world: World) -> None:
    for way in OF_THE_BSS:
        await world.enumerate(way)


async def test_an_smdp_that_forgets_calls_leaves_no_orphan_unsuspected() -> None:
    with empty_site() as site:
        async with opened(site, "--forgets-calls") as world:
            await world.enumerate(OF_THE_SMDP[3], pooled=False)


async def test_whoever_is_killed_in_a_transaction(world: World) -> None:
    for way in (IN_A_TRANSACTION, DELETION_FIRST[1]):
        await world.enumerate(way, statements=True)


# What an order does between two fault points is the same on both stores, and every point was tried
# on SQLite: here it is about what one transaction is on PostgreSQL.


async def test_whoever_is_killed_over_postgresql(on_postgresql: World) -> None:
    for way in ON_POSTGRESQL:
        await on_postgresql.enumerate(way, every=5)


async def test_whoever_is_killed_in_a_transaction_over_postgresql(on_postgresql: World) -> None:
    await on_postgresql.enumerate(IN_A_TRANSACTION, pooled=False, statements=True, every=2)
    await on_postgresql.enumerate(DELETION_FIRST[1], statements=True, every=4)
