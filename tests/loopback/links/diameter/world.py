"""Our Diameter node and the HSSs that it is connected to, on loopback, in one event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from simgrant.adapters.authn import aaa_relay, cx, s6a
from simgrant.adapters.authn import swx as adapter
from simgrant.links.diameter.node import DiameterNode, Route, RouteConfig, Told
from simgrant.links.diameter.peer import PeerConfig, State
from simgrant.links.diameter.watchdog import WatchdogRules
from simgrant.links.retry import RetryRules
from simgrant.ports.network_events import NetworkEvents
from simgrant.sim.hss.auc import Auc
from simgrant.sim.hss.server import HssServer
from simgrant.sim.sims import demo_sims
from simgrant.wire.diameter import sh, swx
from simgrant.wire.diameter.avps import SESSION_ID
from simgrant.wire.diameter.base import Node
from simgrant.wire.diameter.overload import Report
from simgrant.wire.diameter.vectors import Scheme, Wanted
from tests.clocks import MovableClock

REALM = "epc.mnc001.mcc001.3gppnetwork.org"
HANDLERS = {
    **adapter.HANDLERS,
    **cx.HANDLERS,
    **s6a.HANDLERS,
    **aaa_relay.handlers("swm"),
    **aaa_relay.handlers("eap"),
}
APPLICATIONS = {sh.APPLICATION} | {application for application, _ in HANDLERS}
US = Node(f"ecs-0.{REALM}", REALM, "simgrant", tuple(sorted(APPLICATIONS)), 1)
IMSI = "001010000000001"
QUICK = RetryRules(first_wait_s=0.002, longest_wait_s=0.01)
USUAL = RetryRules(reserve=100)
NEVER_AGAIN = RetryRules(first_wait_s=3600, longest_wait_s=3600)
CALM = WatchdogRules(tw_s=600, doubt_s=600)
"""A watchdog that does not bark while a test runs."""
EAGER = WatchdogRules(tw_s=0.1, doubt_s=0.001)


@dataclass
class Diary:
    """Who is told what becomes of peers and requests."""

    news: asyncio.Event
    states: list[tuple[str, State, str]] = field(default_factory=list)
    results: list[tuple[str, str]] = field(default_factory=list)
    reports: list[tuple[str, str, int]] = field(default_factory=list)
    not_sent: list[str] = field(default_factory=list)

    def changed(self, peer: str, state: State, reason: str) -> None:
        self.states.append((peer, state, reason))
        self.news.set()

    def answered(self, peer: str, result: str, seconds: float) -> None:
        assert seconds >= 0
        self.results.append((peer, result))
        self.news.set()

    def overloaded(self, hss: str, whose: str, report: Report) -> None:
        self.reports.append((hss, whose, report.percent))
        self.news.set()

    def spared(self, hss: str) -> None:
        self.not_sent.append(hss)


@dataclass
class World:
    """Both sides."""

    node: DiameterNode
    route: Route
    hsses: list[HssServer]
    diary: Diary
    clock: MovableClock
    running: asyncio.Task[None]

    @property
    def hss(self) -> HssServer:
        return self.hsses[0]

    def reasons(self, peer: str = "hss0") -> list[str]:
        return [reason for name, _, reason in self.diary.states if name == peer]

    async def ask(
        self, *, within: float = 10.0, imsi: str = IMSI, host: str = "", **more: Any
    ) -> Told:
        avps = (
            SESSION_ID.push(self.node.session_id())
            + swx.push_fixed(REALM, host)
            + US.push_origin()
            + swx.push_request(Wanted(imsi, Scheme.AKA))
        )
        return await self.node.request(
            self.route,
            swx.Command.MULTIMEDIA_AUTH,
            swx.APPLICATION,
            avps,
            deadline=self.clock.monotonic() + within,
            **more,
        )

    async def until(self, condition: Callable[[], object]) -> None:
        """Return once something holds that comes with news of either side."""
        async with asyncio.timeout(20):
            while not condition():
                self.diary.news.clear()
                await self.diary.news.wait()

    async def until_state(self, state: State, peer: str = "hss0") -> None:
        await self.until(lambda: self.node.states()[peer] is state)

    async def stop(self) -> None:
        self.running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.running


def hss_server(number: int, **options: Any) -> HssServer:
    return HssServer(Auc(demo_sims()), host=f"hss{number}.{REALM}", realm=REALM, **options)


def peer_config(hss: HssServer, number: int, **changes: Any) -> PeerConfig:
    made = PeerConfig(
        name=f"hss{number}",
        host=f"hss{number}.{REALM}",
        address="127.0.0.1",
        port=hss.port,
        watchdog=CALM,
        retry=QUICK,
    )
    return replace(made, **changes)


@asynccontextmanager
async def world(
    *hsses: HssServer,
    peers: tuple[dict[str, Any], ...] = (),
    patience_s: float = 5.0,
    route_retry: RetryRules = USUAL,
    wait: bool = True,
    events: NetworkEvents | None = None,
    asked: int | None = None,
    heeds_overload: bool = True,
    **of_all: Any,
) -> AsyncIterator[World]:
    """Run HSSs and a node that is connected to all of them. ``peers`` changes each's settings.

    The first ``asked`` of them lead to what is asked for, the others may be redirected to.
    """
    found = list(hsses) or [hss_server(0)]
    news = asyncio.Event()
    clock, diary = MovableClock(), Diary(news)
    for hss in found:
        hss.changed = news
        await hss.up()
    configs = [
        peer_config(hss, number, **{**of_all, **(peers[number] if peers else {})})
        for number, hss in enumerate(found)
    ]
    node = DiameterNode(
        US,
        configs,
        watcher=diary,
        clock=clock,
        handlers=HANDLERS,
        events=events,
        heeds_overload=heeds_overload,
    )
    route = RouteConfig(
        name="home",
        peers=tuple(each.name for each in configs[:asked]),
        redirects_to=tuple(each.name for each in configs[asked:]) if asked else (),
        patience_s=patience_s,
        retry=route_retry,
    )
    running = asyncio.create_task(node.run())
    made = World(node, node.route(route), found, diary, clock, running)
    try:
        if wait:
            await made.until(lambda: set(node.states().values()) == {State.OKAY})
        yield made
    finally:
        await made.stop()
        for hss in found:
            await hss.down()
