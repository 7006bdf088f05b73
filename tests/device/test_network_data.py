"""What a phone gets where its network knows better than the operator's systems where it is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from simgrant.compose import core_network
from simgrant.domain.subscription import PushRegistration
from simgrant.flows.explain import Inquiry, Rules, explain
from simgrant.ports.store import Change
from simgrant.sim.hss.auc import Auc
from simgrant.sim.hss.control import tell_changed
from simgrant.sim.hss.faults import Fault, Plan
from simgrant.sim.hss.server import HssServer
from simgrant.sim.places import Place
from simgrant.sim.sims import demo_sims
from simgrant.sim.udm.server import Core
from tests.clocks import set_clock
from tests.device.harness import HOME_ONLY, START, Answer, Phone, Server, Workbench

REALM = "epc.mnc001.mcc001.3gppnetwork.org"
SIM = next(sim for sim in demo_sims() if sim.imsi == HOME_ONLY)
ABROAD = Place(mcc="262", mnc="01")
TELLS = 'tells = ["location", "registration"]\ntells_over = "sh"\nims_domain = "ims.example.net"\n'
FRESH_S = 300


class Clock:
    """The time of the bench's state directory, which goes on, and is moved ahead."""

    def __init__(self) -> None:
        self.began, self.ahead = time.monotonic(), 0.0

    def now(self) -> float:
        return START + time.monotonic() - self.began + self.ahead

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


@dataclass
class World:
    """A server, its HSS, and a phone whose plan is good at home only."""

    server: Server
    hss: HssServer
    clock: Clock
    phone: Phone

    @property
    def asked(self) -> list[str]:
        """What the HSS was asked for besides vectors."""
        return [each.scheme for each in self.hss.seen if each.interface == "sh"]

    async def record(self) -> dict[str, Any]:
        return (await self.server.records())[-1]

    def move(self, place: Place | None) -> None:
        self.hss.users.places[HOME_ONLY.digits] = place


def vowifi(answer: Answer) -> str:
    assert answer.status == 200, answer
    return answer.phone.get("ap2004", "EntitlementStatus") or ""


@asynccontextmanager
async def world(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, own: str = TELLS, *, timeout_s: int = 9
) -> AsyncIterator[World]:
    clock = Clock()
    set_clock(monkeypatch, clock)
    hss = HssServer(Auc(demo_sims()), host=f"hss.{REALM}", realm=REALM)
    await hss.up()
    settings = (
        f'[diameter]\norigin_host = "ecs-%d.{REALM}"\n'
        f'[diameter_peers.sim]\nhost = "hss.{REALM}"\naddress = "127.0.0.1:{hss.port}"\n'
        f'[hss.home]\nrealm = "{REALM}"\npeers = ["sim"]\n{own}\n'
        f"[network_data]\ntimeout_s = {timeout_s}\n"
    )
    try:
        async with bench.opened(settings) as server:
            assert server.parts.diameter is not None
            running = asyncio.create_task(server.parts.diameter.run())
            try:
                yield World(server, hss, clock, Phone(server, HOME_ONLY))
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
    finally:
        await hss.down()


async def test_a_phone_is_judged_by_where_the_network_has_it(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(bench, monkeypatch) as there:
        there.move(ABROAD)
        answer = await there.phone.full()
        assert vowifi(answer) == "2"
        record = await there.record()
        source = "location, hss.home"
        assert record["facts"]["area"] == ["roaming", source]
        assert record["facts"]["visited_plmn"] == ["26201", source]
        assert record["ages"][source] == 0
        assert record["peers_us"]["network"] > 0
        # The rules of this policy look at places, and at nothing else that a network tells.
        assert there.asked == ["User-Data location_information"]

        there.move(None)
        there.clock.ahead += FRESH_S - 60
        assert vowifi(await there.phone.fast(answer.token)) == "2"
        assert (await there.record())["ages"][source] >= FRESH_S - 60
        assert len(there.asked) == 1

        there.move(Place(mcc="001", mnc="01"))
        there.clock.ahead += 120
        assert vowifi(await there.phone.fast(answer.token)) == "1"
        assert (await there.record())["facts"]["area"] == ["home", source]
        assert len(there.asked) == 2


async def test_it_is_asked_for_beside_the_vector(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(bench, monkeypatch) as there:
        there.move(ABROAD)
        challenge = await there.phone.begin()
        async with asyncio.timeout(20):
            while not there.asked:
                there.hss.changed.clear()
                await there.hss.changed.wait()
        assert vowifi(await there.phone.end(challenge)) == "2"
        assert len(there.asked) == 1


@pytest.mark.parametrize(
    "plan",
    [
        Plan(fault=Fault.SILENT),
        Plan(fault=Fault.BUSY),
        Plan(fault=Fault.MALFORMED),
        Plan(fault=Fault.UNKNOWN_USER),
        Plan(fault=Fault.RESULT, vendor=10415, code=5101),
    ],
    ids=lambda plan: plan.fault.value,
)
@pytest.mark.parametrize(("place", "status"), [(ABROAD, "2"), (None, "1")])
async def test_a_network_that_fails_changes_nothing(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, plan: Plan, place: Place | None, status: str
) -> None:
    timeout_s = 2 if plan.fault is Fault.SILENT else 9
    async with world(bench, monkeypatch, timeout_s=timeout_s) as there:
        there.move(place)
        first = await there.phone.full()
        assert vowifi(first) == status
        facts = (await there.record())["facts"]
        there.move(Place(mcc="208", mnc="01"))
        there.hss.plan = plan
        there.clock.ahead += FRESH_S + 1
        assert vowifi(await there.phone.fast(first.token)) == status
        assert (await there.record())["facts"] == facts


async def test_nothing_is_asked_that_is_not_switched_on(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(bench, monkeypatch, "") as there:
        there.move(ABROAD)
        assert vowifi(await there.phone.full()) == "1"
        assert there.asked == []
        assert "network" not in (await there.record())["peers_us"]


async def test_the_newer_of_two_reports_counts(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(bench, monkeypatch) as there:
        there.move(ABROAD)
        answer = await there.phone.full()
        assert vowifi(answer) == "2"
        change = Change(visited_plmn="00101")
        now = int(there.clock.now()) + 1
        await there.server.store.real.change("default", HOME_ONLY, change, now=now)
        there.clock.ahead += 2
        assert vowifi(await there.phone.fast(answer.token)) == "1"
        assert (await there.record())["facts"]["area"] == ["home", "location"]


async def test_explain_says_who_told_it_and_asks_nobody(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(bench, monkeypatch) as there:
        there.move(ABROAD)
        await there.phone.full()
        there.clock.ahead += 12
        profile = await there.server.store.profile("default", HOME_ONLY, "", "")
        for supposed, plmn, source in (
            (None, "26201", "location, hss.home"),
            ("20801", "20801", "location"),
        ):
            explained = await explain(
                Inquiry("ap2004", visited_plmn=supposed),
                profile.subscription,
                tenant=there.server.parts.tenancy.by_name["default"],
                policy=there.server.parts.policies["default"],
                portal=there.server.parts.portals["default"],
                store=there.server.store.real,
                ring=there.server.ring,
                rules=Rules(86_400, core_network.tellers(there.server.loaded)),
                now=there.clock.now(),
            )
            fact = explained.facts.visited_plmn
            assert (fact.value, fact.source) == (plmn, source)
            assert fact.at is not None
        assert len(there.asked) == 1


async def test_a_phone_is_told_to_ask_where_its_hss_tells_that_it_moved(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(bench, monkeypatch) as there:
        there.move(ABROAD)
        answer = await there.phone.full()
        assert vowifi(answer) == "2"
        store, parts, now = there.server.store.real, there.server.parts, int(there.clock.now())
        registered = PushRegistration(there.phone.terminal_id, "ap2004", "ims", 2, "token", now)
        await store.register_push("default", HOME_ONLY, [registered])

        async def tells() -> list[str]:
            """Have the HSS tell, act upon it, and return of what devices are told."""
            there.hss.told.clear()
            tell_changed(there.hss, HOME_ONLY.digits, "swx")
            async with asyncio.timeout(20):
                while not there.hss.told:
                    there.hss.changed.clear()
                    await there.hss.changed.wait()
            there.clock.ahead += 3
            assert await parts.network._act()
            assert await parts.lifecycle.act()
            at = int(there.clock.now())
            notices = await store.claim_notices(now=at, again_at=at + 600, limit=5)
            return [notice.app_id for notice in notices]

        assert await tells() == []
        there.move(Place(mcc="001", mnc="01"))
        assert await tells() == ["ap2004"]
        assert len(there.asked) == 3
        assert vowifi(await there.phone.fast(answer.token)) == "1"
        assert len(there.asked) == 3, "what it was told of is known"


@pytest.mark.parametrize("found", ["by addresses", "by an NRF, with tokens"])
async def test_a_udm_tells_it_too(
    found: str, bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    set_clock(monkeypatch, clock)
    by_nrf = found != "by addresses"
    core = Core(demo_sims(), oauth2=by_nrf, clock=clock.now)
    core.subscribers.places[HOME_ONLY.digits] = ABROAD
    await core.up()
    own = f'addresses = ["{core.instances[0].web.url}"]\n'
    settings = ""
    if by_nrf:
        own = 'nrf = "home"\noauth2 = true\n'
        settings = (
            f'[sbi]\nnf_instance_id = "{uuid4()}"\n[nrf.home]\naddresses = ["{core.nrf_web.url}"]\n'
        )
    settings += f'[udm.home]\n{own}tells = ["number", "location"]\n'
    settings += "[network_data]\ntimeout_s = 9\n"
    try:
        async with bench.opened(settings) as server:
            running = [asyncio.create_task(link.run()) for link in server.parts.links]
            try:
                assert vowifi(await Phone(server, HOME_ONLY).full()) == "2"
                record = (await server.records())[-1]
                assert record["facts"]["visited_plmn"] == ["26201", "location, udm.home"]
                asked = [each.service for each in core.questions()]
                assert sorted(asked) == ["nudm-ueau", "nudm-uecm"]
            finally:
                for task in running:
                    task.cancel()
                await asyncio.gather(*running, return_exceptions=True)
    finally:
        await core.down()
