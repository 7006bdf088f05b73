"""Our side of an HLR and the simulated one behind it, on loopback, in one event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from simgrant.links.gsup import Hlr, HlrConfig, HlrState
from simgrant.links.retry import RetryRules
from simgrant.sim.hlr.server import HlrServer
from simgrant.sim.sims import demo_sims
from simgrant.wire.gsup import AuthInfoAnswer
from tests.clocks import MovableClock

IMSI = "001010000000001"
QUICK = RetryRules(first_wait_s=0.002, longest_wait_s=0.01)


@dataclass
class Diary:
    """Who is told what becomes of the HLR and of requests."""

    news: asyncio.Event
    states: list[tuple[str, HlrState, str]] = field(default_factory=list)
    results: list[str] = field(default_factory=list)

    def changed(self, hlr: str, state: HlrState, reason: str) -> None:
        self.states.append((hlr, state, reason))
        self.news.set()

    def answered(self, hlr: str, result: str, seconds: float) -> None:
        assert hlr == "home"
        assert seconds >= 0
        self.results.append(result)
        self.news.set()


@dataclass
class World:
    """Both sides."""

    hlr: Hlr
    server: HlrServer
    diary: Diary
    clock: MovableClock
    running: asyncio.Task[None]

    @property
    def reasons(self) -> list[str]:
        return [reason for _, _, reason in self.diary.states]

    async def ask(self, *, imsi: str = IMSI, within: float = 10.0) -> AuthInfoAnswer:
        deadline = self.clock.monotonic() + within
        return await self.hlr.ask(imsi, separated=False, rand=b"", auts=b"", deadline=deadline)

    async def until(self, condition: Callable[[], object]) -> None:
        """Return once something holds that comes with news of either side."""
        async with asyncio.timeout(20):
            while not condition():
                self.diary.news.clear()
                await self.diary.news.wait()

    async def until_state(self, state: HlrState) -> None:
        await self.until(lambda: self.hlr.state is state)

    async def stop(self) -> None:
        self.running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.running


@asynccontextmanager
async def world(*, wait: bool = True, up: bool = True, **changes: Any) -> AsyncIterator[World]:
    """Run an HLR and a connection to it, with other settings if told so."""
    news = asyncio.Event()
    clock, diary = MovableClock(), Diary(news)
    server = HlrServer(demo_sims())
    server.changed = news
    await server.up()
    if not up:
        await server.down()
    config = HlrConfig(
        name="home",
        address="127.0.0.1",
        port=server.port,
        unit_name="ecs-0",
        ping_s=600,
        retry=QUICK,
    )
    hlr = Hlr(replace(config, **changes), watcher=diary, clock=clock)
    made = World(hlr, server, diary, clock, asyncio.create_task(hlr.run()))
    try:
        if wait:
            await made.until_state(HlrState.OKAY)
        yield made
    finally:
        await made.stop()
        await server.down()
