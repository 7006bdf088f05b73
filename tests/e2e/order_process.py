"""A process that lives through an order and ends at one of its fault points, by SIGKILL.

What runs here is the server's own: `Ordering`, its store, its ES2+ client. Each case, a line of
JSON on standard input, is run by a fork, so that hundreds of processes are born and killed in the
time that one takes to import all this; a line of JSON says how each ended.

A fault point is before and after each call to the store and the SM-DP+, and with ``statements``
before each statement of a transaction and before its end, too.

What comes after a process that was killed is a `Life` in another, which knows what the rows say.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import importlib
import os
import signal
import ssl
import sys
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import structlog
import uvicorn
from prometheus_client import CollectorRegistry
from uvicorn.server import ServerState

from simgrant.adapters.bss.embedded import open_bss
from simgrant.compose.esims import open_es2plus, open_smdps
from simgrant.compose.store import open_store
from simgrant.config.load import Loaded, load
from simgrant.domain.order import (
    LINE,
    Activated,
    Answered,
    Deactivated,
    Delivered,
    Device,
    Inquiry,
    Kind,
    Order,
    OrderMode,
    OrderState,
    OutOfOrder,
    PlanChanged,
    Source,
    Unsubscribed,
    begin,
)
from simgrant.flows.order_desk import NotPossible, OrderDesk, profile_of
from simgrant.flows.ordering import Ordering, Rules
from simgrant.identities import Eid, Imsi
from simgrant.links.certified import CertifiedProtocol
from simgrant.ports.orders import Kept, Orders
from simgrant.ports.profile_events import INSTALLATION
from simgrant.ports.smdp import Smdp
from simgrant.ports.store import Store
from simgrant.serving import Certificate
from simgrant.sim.smdp.control import DELETION
from simgrant.sim.smdp.pool import State
from simgrant.telemetry.metrics import Metrics
from simgrant.wire.es2plus import Function
from tests.e2e.test_sim_smdp import ask
from tests.mortal import Mortal

T = "default"
METRICS = Metrics(CollectorRegistry())
START = 1_000_000
RULES = Rules(
    immediate_s=30,
    life_s=10 * 86_400,
    call_timeout_s=10,
    lease_s=60,
    first_pause_s=1,
    longest_pause_s=60,
    batch=20,
    in_flight=4,
    poll_s=0.005,
)


class Case(msgspec.Struct):
    """One life of an order."""

    settings: str
    """The configuration file: the store, and the SM-DP+ ``sim``."""
    control: str
    """Where that does what eUICCs do."""
    imsi: str
    number: int
    profile_type: str
    steps: list[str]
    pooled: bool = True
    bss: bool = False
    hold: bool = False
    reuses: bool = False
    """Whether an order that follows has the old profile, once that was deleted."""
    point: int = -1
    """The fault point at which it ends; -1 = it does not."""
    statements: bool = False


class Result(msgspec.Struct):
    """How a process ended."""

    killed: bool = False
    code: int = 0


# --- fault points ---------------------------------------------------------------------------


class Fuse:
    """Ends the process at one of the points that it comes by."""

    def __init__(self, at: int) -> None:
        self._left = at

    def point(self) -> None:
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)  # It comes at once, but not within this instruction.
        self._left -= 1


class MortalEngine:
    """A database with a fault point before each statement of a transaction, and before its end."""

    def __init__(self, engine: Any, fuse: Fuse) -> None:
        self._engine, self._fuse = engine, fuse

    async def transact(self, body: Callable[[], Any], *, slow: bool = False) -> Any:
        def mortal() -> Any:
            statements, rows = body(), None
            while True:
                try:
                    statement = statements.send(rows)
                except StopIteration as end:
                    self._fuse.point()
                    return end.value
                self._fuse.point()
                rows = yield statement

        return await self._engine.transact(mortal, slow=slow)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)


# --- a life -----------------------------------------------------------------------------------


class Clock:
    """Time that goes by as it is told to; deadlines are real."""

    def __init__(self) -> None:
        self.at = float(START)

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return time.monotonic()


class Life:
    """An order, and what its device, its operator and the workers do."""

    def __init__(self, case: Case, orders: Orders, smdps: Mapping[str, Smdp]) -> None:
        self.case, self.orders, self.clock = case, orders, Clock()
        self.imsi = Imsi(case.imsi)
        self.ordering = Ordering(
            orders,
            smdps={T: smdps},
            clock=self.clock,
            metrics=METRICS,
            rules=RULES,
            bss={T: open_bss()},
        )

    async def take(self, step: str) -> None:
        """Take a step, unless it was taken already, or does not fit any more."""
        with suppress(OutOfOrder, NotPossible):
            await STEPS[step](self)

    async def goes_on(self, steps: Sequence[str] = ()) -> None:
        """Do what is due, as time goes by, then take steps that fit, and do what is due then."""
        await self.until_nothing_is_due()
        for step in steps:
            await self.take(step)
        await self.until_nothing_is_due()

    async def order(self, order_id: str = "") -> Order | None:
        there = await self.orders.of(T, self.imsi)
        return next((each for each in there if each.order_id == (order_id or self.order_id)), None)

    async def kept(self, order_id: str = "") -> Kept:
        order = await self.order(order_id)
        if order is None:
            raise OutOfOrder("there is none")
        return Kept(T, self.imsi, order)

    @property
    def order_id(self) -> str:
        return f"{self.case.number:032x}"

    @property
    def next_id(self) -> str:
        """What an order is called that comes after the first."""
        return f"f{self.case.number:031x}"

    def desk(self) -> OrderDesk:
        return OrderDesk(self.orders, T, int(self.clock.at))

    async def make(self) -> None:
        if await self.order() is None:
            await self.ordering.make(T, self.imsi, self.new(), instead_of=None)

    def new(self) -> Order:
        return begin(self.wanted(), call_id=self.order_id)

    def wanted(self) -> Order:
        case = self.case
        source = Source("sim", case.profile_type, case.pooled, hold=case.hold)
        if case.bss:
            source = Source("", case.profile_type, pooled=False, mode=OrderMode.BSS)
        return Order(
            order_id=self.order_id,
            app_id="ap2006",
            kind=Kind.SUBSCRIBE,
            place="eid 1",
            state=OrderState.ORDERED,
            device=Device("350000000000017", Eid(f"8904903212345123451234{case.number:010d}")),
            source=source,
            matching_id=f"CODE-{case.number}",
            created_at=START,
            changed_at=START,
        )

    async def again(self) -> None:
        """Order anew for the same device, whose first order has ended."""
        first = (await self.kept()).order
        if first.state is OrderState.ENDED and not first.is_aside:
            again = f"AGAIN-{self.case.number}"
            new = replace(self.wanted(), order_id=self.next_id, matching_id=again)
            new = begin(new, call_id=self.next_id)
            await self.ordering.make(T, self.imsi, new, instead_of=first)

    async def in_use(self) -> None:
        """Install the profile, as an eUICC does; the device tells so."""
        kept = await self.kept()
        await self._is(State.DOWNLOADED, kept.order, after=State.RELEASED)
        await self._is(State.INSTALLED, kept.order, after=State.DOWNLOADED)
        await self.ordering.installed(kept)

    async def on_device(self, function: Function) -> None:
        """Install the profile, as an eUICC does; the SM-DP+ tells so, unless it was heard."""
        order = (await self.kept()).order
        if order.state is OrderState.RELEASED:
            await self._is(State.DOWNLOADED, order, after=State.RELEASED)
            await self._is(State.INSTALLED, order, after=State.DOWNLOADED)
            await self._tells(order, INSTALLATION, function)

    async def follow(self) -> None:
        """Order for another device, once the first has deleted its profile."""
        old = (await self.kept()).order
        if await self.order(self.next_id) is not None:
            return
        number = self.case.number
        new = replace(
            self.wanted(),
            order_id=self.next_id,
            kind=Kind.TRANSFER,
            place=LINE,
            device=Device("350000000000033", Eid(f"8904903212345123451235{number:010d}")),
            matching_id=f"NEXT-{number}",
            old_iccid=old.iccid,
            old_order_id=old.order_id,
            old_first=True,
            reuses=self.case.reuses,
        )
        new = begin(new, call_id=self.next_id)
        await self.ordering.make(T, self.imsi, new, instead_of=None)

    async def deleted(self, function: Function) -> None:
        """Delete the first profile, as its eUICC does; the SM-DP+ tells so, heard or not."""
        old = (await self.kept()).order
        await self._is(State.DELETED, old, after=State.INSTALLED)
        await self._tells(old, DELETION, function)

    async def _is(self, state: State, order: Order, *, after: State) -> None:
        """Have an eUICC bring a profile to ``state``, unless it has been there."""
        assert order.iccid is not None
        iccid = order.iccid.digits
        there = await ask(self.case.control, "GET", f"/profiles/{iccid}")
        if there["state"] == after:
            await ask(self.case.control, "POST", "/state", iccid=iccid, state=state)

    async def _tells(self, order: Order, point: int, function: Function) -> None:
        """Have the SM-DP+ tell, over the wire, what happened on the order's device."""
        assert order.iccid is not None
        assert order.device.eid is not None
        said = {"iccid": order.iccid.digits, "eid": order.device.eid.digits}
        async with self._listens():
            answer = await ask(
                self.case.control, "POST", "/progress", point=point, function=function, **said
            )
        assert answer == 204

    @asynccontextmanager
    async def _listens(self) -> AsyncIterator[None]:
        """Listen for what SM-DP+s tell."""
        loaded = _loaded(self.case.settings)
        store = cast("Store", SimpleNamespace(orders=self.orders))
        config = uvicorn.Config(
            open_es2plus(loaded, store, self.ordering, METRICS),
            http=CertifiedProtocol,
            lifespan="off",
            access_log=False,
            log_config=None,
        )
        config.load()
        server = ServerState()
        host, _, port = loaded.settings.es2plus.listen.rpartition(":")
        context = _context(self.case.settings)
        # uvicorn's own server looks ten times a second whether it is to end; hundreds do here.
        listener = await asyncio.get_running_loop().create_server(
            lambda: CertifiedProtocol(config, server, {}), host, int(port), ssl=context
        )
        try:
            yield
        finally:
            listener.close()
            for connection in list(server.connections):
                connection.transport.abort()
            await listener.wait_closed()

    async def work(self) -> None:
        """Take over what is due, as a worker does."""
        claimed = await self.orders.claim(
            now=int(self.clock.at), again_at=int(self.clock.at) + RULES.lease_s, limit=20
        )
        for kept in claimed:
            await self.ordering.wait(kept)

    async def until_nothing_is_due(self) -> None:
        for _ in range(60):
            if all(order.todo is None for order in await self.orders.of(T, self.imsi)):
                return
            self.clock.at += 120
            await self.work()
        raise AssertionError("something is due for ever")

    @property
    def handed(self) -> Delivered:
        """What a BSS hands in."""
        return profile_of(
            f"89446{self.case.number:014d}", activation_code="LPA:1$bss.example.net$CODE-9"
        )

    async def deliver(self) -> None:
        await self.desk().deliver(await self.kept(), self.handed)

    async def lies_ready(self) -> None:
        """Take a profile whose owner is asked before he may download it, as the desk does."""
        if await self.order() is None:
            order = replace(
                self.wanted(),
                state=OrderState.ASKED,
                iccid=self.handed.iccid,
                smdp_address=self.handed.smdp_address,
                matching_id=self.handed.matching_id,
                inquiry=Inquiry.CONFIRMATION,
            )
            await self.orders.make(T, self.imsi, order, instead_of=None, due_at=None, tell=True)


def _told(
    happens: Callable[[Life, Function], Awaitable[Any]], function: Function
) -> Callable[[Life], Awaitable[Any]]:
    return lambda life: happens(life, function)


def _happens(event: Any) -> Callable[[Life], Awaitable[Any]]:
    async def happens(life: Life) -> None:
        await life.ordering.happens(await life.kept(), event())

    return happens


async def _unsubscribed(life: Life) -> None:
    await life.ordering.begins(await life.kept(), Unsubscribed())


async def _installed(life: Life) -> None:
    await life.ordering.installed(await life.kept())


async def _released(life: Life) -> None:
    await life.desk().release(await life.kept())


async def _failed(life: Life) -> None:
    await life.desk().fail(await life.kept(), "no_credit")


async def _ended(life: Life) -> None:
    await life.desk().end(await life.kept())


async def _left(life: Life) -> None:
    await life.ordering.begins(await life.kept(life.next_id), Unsubscribed())


async def _returned(life: Life) -> None:
    await life.desk().taken_back(await life.kept())


STEPS: Mapping[str, Callable[[Life], Awaitable[Any]]] = {
    "make": Life.make,
    "again": Life.again,
    "on device": _told(Life.on_device, Function.HANDLE_PROGRESS),
    "on device, notified": _told(Life.on_device, Function.HANDLE_NOTIFICATION),
    "in use": Life.in_use,
    "follow": Life.follow,
    "deleted": _told(Life.deleted, Function.HANDLE_PROGRESS),
    "deleted, notified": _told(Life.deleted, Function.HANDLE_NOTIFICATION),
    "leave": _left,
    "work": Life.work,
    "deliver": Life.deliver,
    "lies ready": Life.lies_ready,
    "yes": _happens(lambda: Answered(accepted=True)),
    "no": _happens(lambda: Answered(accepted=False)),
    "plan": _happens(lambda: PlanChanged("large")),
    "unsubscribe": _unsubscribed,
    "installed": _installed,
    "on": _happens(Activated),
    "off": _happens(Deactivated),
    "release": _released,
    "fail": _failed,
    "end": _ended,
    "returned": _returned,
}
"""What can happen to an order; whoever adds something to its machine adds it here."""


@functools.cache
def _loaded(settings: str) -> Loaded:
    return load(Path(settings), {})


@functools.cache
def _context(settings: str) -> ssl.SSLContext:
    table = _loaded(settings).settings.es2plus
    files = (Path(table.tls_certificate), Path(table.tls_key))
    return Certificate(files, Path(table.client_ca)).context


@asynccontextmanager
async def _opened(case: Case) -> AsyncIterator[Life]:
    loaded = _loaded(case.settings)
    fuse = Fuse(case.point)
    store = await open_store(loaded)
    smdps = {} if case.bss else open_smdps(loaded)[T]
    if case.statements:
        inner = cast("Any", store.orders)
        inner._engine = MortalEngine(inner._engine, fuse)
    mortal = {name: cast("Smdp", Mortal(smdp, fuse)) for name, smdp in smdps.items()}
    try:
        yield Life(case, cast("Orders", Mortal(store.orders, fuse)), mortal)
    finally:
        for smdp in smdps.values():
            await smdp.close()
        await store.close()


async def _live(case: Case) -> None:
    async with _opened(case) as life:
        for step in case.steps:
            await life.take(step)


def _run(case: Case) -> Result:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
            asyncio.run(_live(case))
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return Result(killed=os.WTERMSIG(status) == signal.SIGKILL)
    return Result(code=os.WEXITSTATUS(status))


def main() -> None:
    """Run the cases that come."""
    # What a fork would have to import or to make, or its collector to touch, costs each of them.
    for name in ("smdp.es2plus", "store.postgres"):
        importlib.import_module(f"simgrant.adapters.{name}")
    _context(sys.argv[1])
    gc.collect()
    gc.freeze()
    for line in sys.stdin.buffer:
        result = _run(msgspec.json.decode(line, type=Case))
        sys.stdout.buffer.write(msgspec.json.encode(result) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
