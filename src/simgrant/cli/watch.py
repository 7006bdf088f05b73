"""The story of a watch: it gets an eSIM, and its service goes off, on, and back (TS.43 §7.4).

Everything is real but the radio and the eUICC: the phone talks HTTP and EAP-AKA, the server orders
of an SM-DP+ over mutual TLS, and the SM-DP+ tells the server of the installation. At the end both
sides' books are compared.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from simgrant.nouns import noun

if TYPE_CHECKING:
    from rich.text import Text

    from simgrant.domain.order import Order
    from simgrant.serving import Running
    from simgrant.sim.companion import CompanionClient
    from simgrant.sim.exchange import Outcome
    from simgrant.sim.smdp.certificates import Certificates
    from simgrant.sim.smdp.control import Control
    from simgrant.sim.smdp.server import SmdpServer

_TYPE: Final = "watch"
_STOCK: Final = 3
_EIDS: Final = ("89049032123451234512345678901235", "89049032123451234512345678901243")
_LIST: Final = "CompanionConfigurations/CompanionConfiguration"
_HIDDEN: Final = ("ProfileActivationCode", "CompanionTerminalEid")


@noun
class Stage:
    """Who plays."""

    server: Running
    smdp: SmdpServer
    control: Control
    watch: CompanionClient
    second: CompanionClient


@noun
class Scene:
    """One thing that is shown, and what has to come of it."""

    title: str
    act: Callable[[Stage], Awaitable[Outcome | None]]
    parms: Mapping[str, str] = field(default_factory=dict)
    """What the document has to hold; ``*`` = anything."""
    calls: tuple[str, ...] = ()
    """What the SM-DP+ is asked for meanwhile."""
    states: tuple[str, ...] = ()
    """The states of the orders, by place, once it is over."""


async def _install(stage: Stage) -> None:
    told = await stage.control.install(stage.watch.iccid)
    if told != [204, 204]:
        raise RuntimeError(f"the server answered {told}")


async def _order_in_bad_weather(stage: Stage) -> Outcome:
    """Order a second watch's profile while the SM-DP+ loses an answer."""
    from simgrant.sim.smdp.faults import Fault, Plan

    stage.smdp.play(Plan(fault=Fault.LOST, times=1))
    return await stage.second.subscribe()


async def _wait_and_ask(stage: Stage) -> Outcome:
    """Ask again once there is something new."""
    await _until(stage, "released")
    return await stage.second.configuration()


async def _give_both_up(stage: Stage) -> Outcome:
    await stage.watch.give_up()
    outcome = await stage.second.give_up()
    await _until(stage, "")
    return outcome


SCENES: Final = (
    Scene(
        "Somebody buys a watch. The phone proves its SIM, and asks whether the line may have one",
        lambda stage: stage.watch.check(),
        {"CompanionAppEligibility": "1", "CompanionDeviceServices": "SharedNumber"},
    ),
    Scene(
        "It may. The phone orders a profile for the watch's eSIM; the server reserves an ICCID of\n"
        "   its stock, writes the order down, and orders of the SM-DP+",
        lambda stage: stage.watch.subscribe(),
        {"SubscriptionResult": "2", "DownloadInfo/ProfileActivationCode": "*"},
        ("downloadOrder", "confirmOrder"),
        ("released",),
    ),
    Scene(
        "The phone lost the answer, and asks once more: the same profile, and nothing is ordered",
        lambda stage: stage.watch.subscribe(),
        {"SubscriptionResult": "2"},
        (),
        ("released",),
    ),
    Scene(
        "The watch downloads and installs it; the SM-DP+ tells the server, which knows its\n"
        "   certificate",
        _install,
        {},
        (),
        ("active",),
    ),
    Scene(
        "The phone says so too, which is no news",
        lambda stage: stage.watch.installed(),
        {"SubscriptionResult": "3"},
        (),
        ("active",),
    ),
    Scene(
        "The watch stays in a drawer for a while: its service goes off …",
        lambda stage: stage.watch.service(on=False),
        {"ServiceStatus": "3"},
        (),
        ("inactive",),
    ),
    Scene(
        "… and on again",
        lambda stage: stage.watch.service(on=True),
        {"ServiceStatus": "1"},
        (),
        ("active",),
    ),
    Scene(
        "A second watch, while the SM-DP+ executes what it is asked and its answer is lost: the\n"
        "   phone is told to come again",
        _order_in_bad_weather,
        {"SubscriptionResult": "4"},
        ("downloadOrder",),
    ),
    Scene(
        "The server makes the same call again, for the same ICCID, and the profile is ready",
        _wait_and_ask,
        {f"{_LIST}/ServiceStatus": "1", f"{_LIST}/DownloadInfo/ProfileActivationCode": "*"},
        (),
        ("active", "released"),
    ),
    Scene(
        "Both are given up. The second was never downloaded: the SM-DP+ has it back",
        _give_both_up,
        {"SubscriptionResult": "3"},
        ("cancelOrder",),
        ("ended", "ended"),
    ),
)
"""What the story tells, in order."""


async def play() -> list[str]:
    """Play every scene; return what was not as expected."""
    from rich.text import Text

    from simgrant.cli.demo import exchange_lines
    from simgrant.sim.transcript import console, write

    out = console()
    failures: list[str] = []
    requests = 0
    with TemporaryDirectory(prefix="simgrant-demo-") as state:
        async with _stage(Path(state)) as stage:
            head = (
                f" serves phones at {stage.server.device_url}, and orders of {stage.smdp.web.url}\n"
            )
            write(out, Text.assemble(("simgrant", "bold"), head))
            for number, scene in enumerate(SCENES, start=1):
                before = len(stage.smdp.seen)
                outcome = await scene.act(stage)
                calls = [each.function.value for each in list(stage.smdp.seen)[before:]]
                orders = await _orders(stage)
                write(out, Text(f"{number:<2} {scene.title}", "bold cyan"))
                for seen in outcome.exchanges if outcome else ():
                    requests += 1
                    for line in exchange_lines(seen):
                        write(out, line)
                for line in _told(outcome, calls, orders):
                    write(out, line)
                write(out, Text())
                failures += [
                    f"scene {number}: {failure}"
                    for failure in _judge(scene, outcome, calls, orders)
                ]
            failures += await _books(stage)
    good = Text("✓ ", style="bold green") if not failures else Text("✗ ", style="bold red")
    good.append(f"{len(SCENES)} scenes, {requests} requests, {len(failures)} surprises", "bold")
    if not failures:
        good.append("; the books of both sides agree", "bold")
    write(out, good)
    return failures


@asynccontextmanager
async def _stage(state: Path) -> AsyncIterator[Stage]:
    """Open an SM-DP+ and a server that orders of it, with a stock of its profiles."""
    from dataclasses import replace

    from simgrant.cli.common import now
    from simgrant.cli.demo import stage
    from simgrant.config.load import DEFAULT_TENANT
    from simgrant.identities import Iccid
    from simgrant.sim.companion import APP, Companion, CompanionClient
    from simgrant.sim.handset import Handset
    from simgrant.sim.http import Url
    from simgrant.sim.profiles import PROFILES, ProfileName
    from simgrant.sim.sims import demo_sims
    from simgrant.sim.smdp.caller import Caller
    from simgrant.sim.smdp.certificates import Certificates
    from simgrant.sim.smdp.control import Control
    from simgrant.sim.smdp.pool import Pool
    from simgrant.sim.smdp.server import SmdpServer

    certificates = Certificates(state / "tls", now=now())
    pool = Pool(address="smdp.example.com", books=None)
    iccids = pool.add(_TYPE, _STOCK)
    smdp = SmdpServer(pool, certificates.server_context())
    async with AsyncExitStack() as stack:
        await smdp.up()
        stack.push_async_callback(smdp.down)
        server = await stack.enter_async_context(
            stage(state, _settings(smdp.web.url, certificates))
        )
        orders = server.parts.store.orders
        await orders.add_stock(DEFAULT_TENANT, "sim", _TYPE, [Iccid(each) for each in iccids])
        caller = Caller(server.es2plus_url, tls=certificates.caller_context())
        stack.push_async_callback(caller.close)
        phone = replace(PROFILES[ProfileName.ANDROID_NUMBER], apps=(APP,), app_name="Watch")
        handset = await stack.enter_async_context(
            Handset(demo_sims()[0], Url.parse(server.device_url), phone)
        )
        watches = (
            CompanionClient(handset, Companion(terminal_id=imei, eid=eid, name=name))
            for imei, eid, name in (
                ("350000000000017", _EIDS[0], "My watch"),
                ("350000000000025", _EIDS[1], "My other watch"),
            )
        )
        yield Stage(server, smdp, Control(smdp, caller), *watches)


def _settings(url: str, certificates: Certificates) -> dict[str, str]:
    """Return the settings of orders, as variables of the environment."""
    smdp: dict[str, object] = {
        "url": url,
        "address": "smdp.example.com",
        "requester": "demo",
        "certificate": str(certificates.operator),
        "key": str(certificates.operator_key),
        "ca_file": str(certificates.ca),
        "tells_sha256": [certificates.fingerprint()],
    }
    tables: dict[str, dict[str, object]] = {
        "smdp__sim": smdp,
        "esim__watch": {"smdp": "sim", "profile_type": _TYPE},
        "es2plus": {
            "listen": "127.0.0.1:0",
            "tls_certificate": str(certificates.operator),
            "tls_key": str(certificates.operator_key),
            "client_ca": str(certificates.ca),
        },
        "orders": {"immediate_s": 1.5},
    }
    return {
        f"SIMGRANT__{section}__{key}".upper(): json.dumps(value)
        for section, table in tables.items()
        for key, value in table.items()
    }


async def _orders(stage: Stage) -> list[Order]:
    from simgrant.config.load import DEFAULT_TENANT

    store = stage.server.parts.store
    imsi = stage.watch.handset.sim.imsi
    return list(await store.orders.of(DEFAULT_TENANT, imsi))


async def _until(stage: Stage, state: str) -> None:
    """Return once no order has anything to be done, and one is in this state if it is named."""
    import asyncio

    async with asyncio.timeout(30):
        while True:
            orders = await _orders(stage)
            if all(each.todo is None for each in orders) and (
                not state or any(each.state.value == state for each in orders)
            ):
                return
            await asyncio.sleep(0.05)


async def _books(stage: Stage) -> list[str]:
    """Return where the books of the SM-DP+ and of the server differ."""
    from simgrant.config.load import DEFAULT_TENANT

    (shelf,) = await stage.server.parts.store.orders.stock(DEFAULT_TENANT)
    theirs = stage.smdp.pool.stock()[_TYPE].get("Available", 0)
    # The installed one is used up on both sides, though its order has ended.
    return [] if shelf.free == theirs == _STOCK - 1 else [f"{shelf.free} free, and {theirs} there"]


def _judge(
    scene: Scene, outcome: Outcome | None, calls: list[str], orders: list[Order]
) -> Iterator[str]:
    """Yield what was not as it has to be."""
    from simgrant.sim.companion import parms

    told = parms(outcome) if outcome else {}
    for name, value in scene.parms.items():
        if name not in told or value not in ("*", told[name]):
            yield f"{name} is not {value}"
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
