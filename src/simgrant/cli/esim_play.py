"""What stories of eSIMs have in common: the house they are played in, and how scenes are told.

Everything is real but the radio and the eUICC: phones talk HTTP and EAP-AKA, the server orders of
an SM-DP+ over mutual TLS, and the SM-DP+ tells the server of installations. At the end both sides'
books are compared.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import field
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

from simgrant.nouns import noun

if TYPE_CHECKING:
    from pathlib import Path

    from rich.text import Text

    from simgrant.domain.order import Order
    from simgrant.identities import Imsi
    from simgrant.serving import Running
    from simgrant.sim.exchange import Outcome
    from simgrant.sim.smdp.certificates import Certificates
    from simgrant.sim.smdp.control import Control
    from simgrant.sim.smdp.server import SmdpServer

_WITHIN_S: Final = 30
_HIDDEN: Final = ("ProfileActivationCode", "CompanionTerminalEid", "TemporaryToken")


@noun
class House:
    """Where it is played: a server, an SM-DP+, and a stock of its profiles."""

    server: Running
    smdp: SmdpServer
    control: Control
    imsi: Imsi
    """Of the subscription that it is about."""
    profile_type: str
    stock: int

    async def orders(self) -> list[Order]:
        """Return the subscription's orders."""
        from simgrant.config.load import DEFAULT_TENANT

        found = await self.server.parts.store.orders.of(DEFAULT_TENANT, self.imsi)
        return sorted(found, key=lambda order: (order.created_at, order.place))

    async def until(self, state: str = "") -> None:
        """Return once no order has anything to be done, and one is in this state if it is named."""
        async with asyncio.timeout(_WITHIN_S):
            while True:
                orders = await self.orders()
                if all(each.todo is None for each in orders) and (
                    not state or any(each.state.value == state for each in orders)
                ):
                    return
                await asyncio.sleep(0.05)

    async def install(self, iccid: str) -> None:
        """Do what an eUICC does with a profile; the SM-DP+ tells the server."""
        told = await self.control.install(iccid)
        if told != [204, 204]:
            raise RuntimeError(f"the server answered {told}")

    async def notice(self) -> Mapping[str, Any]:
        """Return the record of the newest notice to a phone, once there is one."""
        from simgrant.config.load import DEFAULT_TENANT
        from simgrant.flows import subscriptions

        parts = self.server.parts
        async with asyncio.timeout(_WITHIN_S):
            while True:
                await parts.journal.flush()
                line = await subscriptions.find(parts.store, DEFAULT_TENANT, self.imsi.digits)
                if told := await subscriptions.notices_told(parts.store, line, parts.keys.ring):
                    return told[0]
                await asyncio.sleep(0.05)

    async def books(self, *, used: int) -> list[str]:
        """Return where the books of the SM-DP+ and of the server differ."""
        from simgrant.config.load import DEFAULT_TENANT

        (shelf,) = await self.server.parts.store.orders.stock(DEFAULT_TENANT)
        theirs = self.smdp.pool.stock()[self.profile_type].get("Available", 0)
        agreed = shelf.free == theirs == self.stock - used
        return [] if agreed else [f"{shelf.free} free, and {theirs} there"]


class Stage(Protocol):
    """Who plays, and where."""

    @property
    def house(self) -> House:
        """Return where it is played."""


S = TypeVar("S", bound=Stage)


@noun
class Scene(Generic[S]):
    """One thing that is shown, and what has to come of it."""

    title: str
    act: Callable[[S], Awaitable[Outcome | None]]
    parms: Mapping[str, str] = field(default_factory=dict)
    """What the document has to hold; ``*`` = anything."""
    calls: tuple[str, ...] = ()
    """What the SM-DP+ is asked for meanwhile."""
    states: tuple[str, ...] = ()
    """The states of the orders, the oldest first, once it is over."""
    status: int = 200
    """Of the last answer, where there is one."""


async def perform(stage: S, scenes: Collection[Scene[S]], *, used: int) -> list[str]:
    """Play every scene and show it; return what was not as expected.

    ``used`` are the profiles that are used up at the end, on both sides.
    """
    from rich.text import Text

    from simgrant.cli.demo import exchange_lines
    from simgrant.sim.transcript import console, write

    house, out, failures, requests = stage.house, console(), list[str](), 0
    head = f" serves phones at {house.server.device_url}, and orders of {house.smdp.web.url}\n"
    write(out, Text.assemble(("simgrant", "bold"), head))
    for number, scene in enumerate(scenes, start=1):
        before = len(house.smdp.seen)
        outcome = await scene.act(stage)
        calls = [each.function.value for each in list(house.smdp.seen)[before:]]
        orders = await house.orders()
        write(out, Text(f"{number:<2} {scene.title}", "bold cyan"))
        for seen in outcome.exchanges if outcome else ():
            requests += 1
            for line in exchange_lines(seen):
                write(out, line)
        for line in _told(outcome, calls, orders):
            write(out, line)
        write(out, Text())
        wrong = _judge(scene, outcome, calls, orders)
        failures += [f"scene {number}: {failure}" for failure in wrong]
    failures += await house.books(used=used)
    good = Text("✓ ", style="bold green") if not failures else Text("✗ ", style="bold red")
    good.append(f"{len(scenes)} scenes, {requests} requests, {len(failures)} surprises", "bold")
    if not failures:
        good.append("; the books of both sides agree", "bold")
    write(out, good)
    return failures


@asynccontextmanager
async def house(
    state: Path,
    *,
    profile_type: str,
    stock: int,
    more: Mapping[str, Mapping[str, object]] | None = None,
) -> AsyncIterator[House]:
    """Open an SM-DP+ and a server that orders of it; ``more`` are tables of its settings."""
    from simgrant.cli.common import now
    from simgrant.cli.demo import stage
    from simgrant.config.load import DEFAULT_TENANT
    from simgrant.identities import Iccid
    from simgrant.sim.sims import demo_sims
    from simgrant.sim.smdp.caller import Caller
    from simgrant.sim.smdp.certificates import Certificates
    from simgrant.sim.smdp.control import Control
    from simgrant.sim.smdp.pool import Pool
    from simgrant.sim.smdp.server import SmdpServer

    certificates = Certificates(state / "tls", now=now())
    pool = Pool(address="smdp.example.com", books=None)
    iccids = pool.add(profile_type, stock)
    smdp = SmdpServer(pool, certificates.server_context())
    async with AsyncExitStack() as stack:
        await smdp.up()
        stack.push_async_callback(smdp.down)
        tables = {**_settings(smdp.web.url, certificates), **(more or {})}
        server = await stack.enter_async_context(stage(state, _variables(tables)))
        orders = server.parts.store.orders
        stocked = [Iccid(each) for each in iccids]
        await orders.add_stock(DEFAULT_TENANT, "sim", profile_type, stocked)
        caller = Caller(server.es2plus_url, tls=certificates.caller_context())
        stack.push_async_callback(caller.close)
        control, imsi = Control(smdp, caller), demo_sims()[0].imsi
        yield House(server, smdp, control, imsi, profile_type, stock)


def _settings(url: str, certificates: Certificates) -> dict[str, Mapping[str, object]]:
    """Return the tables that point a server at the SM-DP+, and let it be told."""
    return {
        "smdp.sim": {
            "url": url,
            "address": "smdp.example.com",
            "requester": "demo",
            "certificate": str(certificates.operator),
            "key": str(certificates.operator_key),
            "ca_file": str(certificates.ca),
            "tells_sha256": [certificates.fingerprint()],
        },
        "es2plus": {
            "listen": "127.0.0.1:0",
            "tls_certificate": str(certificates.operator),
            "tls_key": str(certificates.operator_key),
            "client_ca": str(certificates.ca),
        },
        "orders": {"immediate_s": 1.5},
    }


def _variables(tables: Mapping[str, Mapping[str, object]]) -> dict[str, str]:
    """Return settings as variables of the environment."""
    return {
        f"SIMGRANT__{table.replace('.', '__')}__{key}".upper(): json.dumps(value)
        for table, values in tables.items()
        for key, value in values.items()
    }


def _judge(
    scene: Scene[S], outcome: Outcome | None, calls: list[str], orders: list[Order]
) -> Iterator[str]:
    """Yield what was not as it has to be."""
    from simgrant.sim.companion import parms

    told = parms(outcome) if outcome else {}
    for name, value in scene.parms.items():
        if name not in told or value not in ("*", told[name]):
            yield f"{name} is not {value}"
    if outcome is not None and outcome.last.status != scene.status:
        yield f"status {outcome.last.status} and not {scene.status}"
    if not set(scene.calls) <= set(calls):
        yield f"the SM-DP+ was asked for {calls}"
    states = tuple(each.state.value for each in orders)
    if scene.states and states != scene.states:
        yield f"the orders are {states}"


def _told(outcome: Outcome | None, calls: list[str], orders: list[Order]) -> Iterator[Text]:
    """Yield what the phone was told, what the SM-DP+ was asked, and how far the orders are."""
    from rich.text import Text

    from simgrant.sim.companion import parms

    if outcome is not None:
        line = Text("     ")
        for path, value in parms(outcome).items():
            name = path.rpartition("/")[2]
            shown = f"{value[:4]}…" if name in _HIDDEN else value
            line.append(f"{name} ", "dim").append(f"{shown}  ", "green")
        yield line
    if calls:
        yield Text("     SM-DP+: ", "dim").append(", ".join(calls), "magenta")
    if orders:
        states = ", ".join(each.state.value for each in orders)
        yield Text("     orders: ", "dim").append(states, "yellow")
