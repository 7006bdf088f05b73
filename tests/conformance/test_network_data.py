"""Whoever knows subscribers of a network: the port ``NetworkData``, over each interface."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from simgrant.adapters.network_data import swx
from simgrant.errors import EcsError, PeerMisbehaved, PeerTimeout, PeerUnavailable
from simgrant.identities import Imsi, Msisdn
from simgrant.links.diameter.node import RouteConfig
from simgrant.ports.network_data import NetworkData
from simgrant.sim.hss.auc import Auc
from simgrant.sim.hss.faults import Fault, Plan
from simgrant.sim.hss.server import HssServer
from simgrant.sim.sims import demo_sims
from tests.unit.links.diameter.world import REALM, World, world

NUMBERED, BARE = demo_sims()[:2]
UNNUMBERED = replace(BARE, msisdn=None)


@dataclass
class Network:
    """A network, and how it is asked."""

    data: NetworkData
    hss: HssServer
    made: World

    async def number(self, imsi: Imsi, *, within: float = 10.0) -> Msisdn | None:
        return await self.data.number(imsi, deadline=self.made.clock.monotonic() + within)


@asynccontextmanager
async def network() -> AsyncIterator[Network]:
    hss = HssServer(Auc([NUMBERED, UNNUMBERED]), host=f"hss0.{REALM}", realm=REALM)
    async with world(hss) as made:
        config = swx.Config(route=RouteConfig(name="home", peers=("hss0",)), realm=REALM)
        yield Network(swx.open_data(config, node=made.node), hss, made)


async def test_a_number_is_told_and_nobody_is_registered_for_it() -> None:
    async with network() as there:
        assert NUMBERED.msisdn is not None
        assert await there.number(NUMBERED.imsi) == NUMBERED.msisdn
        assert [each.scheme for each in there.hss.seen] == ["Server-Assignment 12"]


async def test_who_has_no_number_has_none() -> None:
    async with network() as there:
        assert await there.number(UNNUMBERED.imsi) is None


@pytest.mark.parametrize("code", [5001, 5003, 5007])
async def test_a_network_that_does_not_tell_is_no_fault(code: int) -> None:
    async with network() as there:
        there.hss.plan = Plan(fault=Fault.RESULT, vendor=10415, code=code)
        assert await there.number(NUMBERED.imsi) is None
        there.hss.plan = None
        assert await there.number(Imsi("001019999999999")) is None


FAULTS = [
    (Plan(fault=Fault.RESULT, vendor=0, code=5012), PeerUnavailable, "hss_data_refused"),
    (Plan(fault=Fault.RESULT, vendor=0, code=3004), PeerUnavailable, "hss_data_refused"),
    (Plan(fault=Fault.OTHER_USER), PeerMisbehaved, "hss_data_malformed"),
    (Plan(fault=Fault.MALFORMED), PeerMisbehaved, "hss_data_malformed"),
]


@pytest.mark.parametrize(("plan", "error", "reason"), FAULTS)
async def test_what_is_of_no_use_is_an_error_that_names_nobody(
    plan: Plan, error: type[EcsError], reason: str
) -> None:
    async with network() as there:
        there.hss.plan = plan
        with pytest.raises(error) as raised:
            await there.number(NUMBERED.imsi)
        assert raised.value.reason == reason
        assert NUMBERED.imsi.digits not in raised.value.for_operator


async def test_a_network_that_is_silent_is_not_waited_for() -> None:
    async with network() as there:
        there.hss.plan = Plan(fault=Fault.SILENT)
        with pytest.raises(PeerTimeout):
            await there.number(NUMBERED.imsi, within=0.1)
