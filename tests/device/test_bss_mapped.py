"""What phones get where the BSS is one that settings describe: the shipped examples, as they are.

Over sockets, with the simulator as the BSS.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from simgrant.ports.network_data import Subscriber
from simgrant.ports.store import Outcome
from simgrant.sim.bss.faults import Fault, Plan
from simgrant.sim.bss.lines import Line
from simgrant.sim.bss.server import Bss
from simgrant.sim.sims import demo_sims
from simgrant.wire.tmf.inventory import ProductStatus
from tests.bss_examples import settings_of
from tests.device.harness import ALLOWED, Answer, Phone, Server, Workbench, flip, service

VOLTE, VOWIFI = "ap2003", "ap2004"
DENIED = "2"
"""EntitlementStatus of a service that a line may not have: incompatible."""


@dataclass
class World:
    """A server, its BSS, and a phone with a token."""

    server: Server
    bss: Bss
    line: Line
    phone: Phone
    token: str

    async def ask(self, app: str = VOWIFI) -> Answer:
        return await self.phone.fast(self.token, apps=(app,))

    async def status(self, app: str = VOWIFI) -> str:
        """Return whether a service is on, as the phone is told."""
        return service(await self.ask(app), app)["EntitlementStatus"]


@asynccontextmanager
async def world(bench: Workbench, name: str) -> AsyncIterator[World]:
    async with bench.opened() as server:
        token = await Phone(server, ALLOWED).but(apps=(VOLTE, VOWIFI)).token()
    bss = Bss([sim for sim in demo_sims() if sim.imsi == ALLOWED])
    await bss.up()
    (line,) = bss.lines
    line.msisdn = f"4477009{ALLOWED.digits[-5:]}"
    line.options |= {"vowifi"}
    settings = settings_of(name, bss.web.url)
    # Every request asks, so that what changes is seen at once.
    often = f"fresh_s = {{ {VOLTE} = 0, {VOWIFI} = 0 }}\nlast_known_s = {{ {VOWIFI} = 0 }}\n"
    settings = settings.replace("timeout_s = 1.0\n", f"timeout_s = 5.0\n{often}")
    settings = settings.replace('[tenants.default]\nplmns = ["001-01"]\n', "")
    loaded = bench.loaded()
    (loaded.base / "bss.password").write_text("s3cret\n")
    try:
        async with bench.opened(settings) as server:
            yield World(server, bss, line, Phone(server, ALLOWED), token)
    finally:
        await bss.down()


@pytest.mark.parametrize("name", ["bss-rest", "bss-ses"])
async def test_a_phone_gets_what_the_bss_says(bench: Workbench, name: str) -> None:
    async with world(bench, name) as here:
        assert await here.status() == "1"
        here.line.state = ProductStatus.SUSPENDED
        assert await here.status() == DENIED
        here.line.state = ProductStatus.ACTIVE
        assert await here.status() == "1"
        here.bss.plan = Plan(fault=Fault.NOBODY)
        assert (await here.ask()).status == 403
        here.bss.plan = None
        assert await here.status() == "1"


@pytest.mark.parametrize("name", ["bss-rest", "bss-ses"])
@pytest.mark.parametrize(
    "fault", [Fault.OTHER_SUBSCRIBER, Fault.ODD_STATE, Fault.NONSENSE, Fault.HUGE]
)
async def test_a_wrong_answer_switches_nothing_off(
    bench: Workbench, name: str, fault: Fault
) -> None:
    async with world(bench, name) as here:
        assert await here.status() == "1"
        here.bss.plan = Plan(fault=fault)
        answer = await here.ask()
        assert answer.status == 503
        assert int(answer.header("retry-after")) > 0
        here.bss.plan = None
        assert await here.status() == "1"


async def test_an_option_makes_the_plan_more(bench: Workbench) -> None:
    async with world(bench, "bss-rest") as here:
        here.line.plan, here.line.options = "basic", set()
        assert await here.status() == DENIED
        here.line.options = {"vowifi", "ringtone"}
        assert await here.status() == "1"


async def test_an_entitlement_that_is_not_given_is_a_refusal(bench: Workbench) -> None:
    async with world(bench, "bss-ses") as here:
        here.line.options = set()
        assert await here.status() == DENIED
        decisions = (await here.server.records())[-1]["decisions"]
        assert "refused_by_bss" in {each["reason"] for each in decisions}
        assert await here.status(VOLTE) == "1"


async def test_it_is_asked_while_it_is_written_that_a_sim_is_proved(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(bench, "bss-rest") as here:
        source = here.server.parts.entitle._bss._desks["default"].source
        look_up, decide, asked = source.look_up, here.server.store.real.decide_session, []
        is_asked = asyncio.Event()

        async def looking_up(who: Subscriber, *told: Any, **more: Any) -> Any:
            asked.append(who.imsi)
            is_asked.set()
            return await look_up(who, *told, **more)

        async def deciding(*told: Any, **more: Any) -> bool:
            if told[3].outcome is Outcome.ACCEPTED:
                async with asyncio.timeout(10):
                    await is_asked.wait()
            return await decide(*told, **more)

        monkeypatch.setattr(source, "look_up", looking_up)
        monkeypatch.setattr(here.server.store.real, "decide_session", deciding)
        # Who proves nothing has nobody asked.
        challenge = await here.phone.begin()
        wrong = flip(here.phone.reply(challenge), 300)
        assert (await here.phone.post(wrong, challenge.cookie)).status != 200
        assert asked == []
        assert (await here.phone.full()).status == 200
        assert asked == [ALLOWED], "once, for both"
