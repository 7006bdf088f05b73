"""Whoever knows subscribers of a network: the port ``NetworkData``, over each interface."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from simgrant.adapters import network_data
from simgrant.adapters.network_data import sh, swx, udm
from simgrant.domain.network_facts import Kind, Kinds, Registration
from simgrant.errors import EcsError, PeerMisbehaved, PeerTimeout, PeerUnavailable
from simgrant.identities import Imsi, Msisdn
from simgrant.links.diameter.node import RouteConfig
from simgrant.ports.network_data import Known, NetworkData, Subscriber
from simgrant.sim.hss.auc import Auc
from simgrant.sim.hss.faults import Fault, Plan
from simgrant.sim.hss.server import HssServer
from simgrant.sim.places import Place
from simgrant.sim.sims import demo_sims
from simgrant.sim.udm.faults import Fault as CoreFault
from simgrant.sim.udm.faults import Plan as CorePlan
from simgrant.sim.udm.server import Core
from simgrant.wire.sbi.subscriber import NUMBERS, PLACES
from tests.loopback.links.diameter.world import REALM, World, world
from tests.loopback.links.sbi.core import Core as OurCore

NUMBERED, BARE = demo_sims()[:2]
UNNUMBERED = replace(BARE, msisdn=None)
NOBODY = Imsi("001019999999999")
ABROAD = Place(mcc="262", mnc="01")
DOMAIN = "ims.mnc001.mcc001.3gppnetwork.org"


@dataclass
class Network:
    """A network, and how it is asked."""

    data: NetworkData
    monotonic: Callable[[], float]
    places: dict[str, Place | None]
    fail: Callable[[str], None]
    """Makes it do something wrong, by a word of ``FAULTS``."""
    own: Any = None

    async def ask(
        self,
        imsi: Imsi = NUMBERED.imsi,
        *kinds: Kind,
        msisdn: Msisdn | None = None,
        within: float = 10.0,
    ) -> Known:
        wants = Kinds(kinds) or self.data.tells
        who = Subscriber(imsi, msisdn)
        return await self.data.ask(who, wants, deadline=self.monotonic() + within)


HSS_FAULTS = {
    "unknown": Plan(fault=Fault.UNKNOWN_USER),
    "refused": Plan(fault=Fault.RESULT, vendor=10415, code=5101),
    "busy": Plan(fault=Fault.BUSY),
    "broken": Plan(fault=Fault.RESULT, vendor=0, code=5012),
    "another user": Plan(fault=Fault.OTHER_USER),
    "malformed": Plan(fault=Fault.MALFORMED),
    "silent": Plan(fault=Fault.SILENT),
    "closed": Plan(fault=Fault.CLOSE),
}


@asynccontextmanager
async def hss_network(made: Callable[[World, RouteConfig], NetworkData]) -> AsyncIterator[Network]:
    hss = HssServer(Auc([NUMBERED, UNNUMBERED]), host=f"hss0.{REALM}", realm=REALM)
    async with world(hss) as there:
        route = RouteConfig(name="home", peers=("hss0",))

        def fail(what: str) -> None:
            hss.plan = HSS_FAULTS.get(what)

        data = made(there, route)
        yield Network(data, there.clock.monotonic, hss.users.places, fail, hss)


def over_swx() -> AbstractAsyncContextManager[Network]:
    def made(there: World, route: RouteConfig) -> NetworkData:
        return swx.open_data(swx.Config(route=route, realm=REALM), node=there.node)

    return hss_network(made)


def over_sh() -> AbstractAsyncContextManager[Network]:
    def made(there: World, route: RouteConfig) -> NetworkData:
        config = sh.Config(route=route, realm=REALM, domain=DOMAIN)
        return sh.open_data(config, node=there.node)

    return hss_network(made)


CORE_FAULTS = {
    "unknown": CorePlan(fault=CoreFault.STATUS, status=404, cause="USER_NOT_FOUND"),
    "refused": CorePlan(fault=CoreFault.STATUS, status=403, cause="OPERATION_NOT_ALLOWED"),
    "busy": CorePlan(fault=CoreFault.BUSY, retry_after_s=None),
    "broken": CorePlan(fault=CoreFault.STATUS, status=500),
    "another user": CorePlan(fault=CoreFault.OTHER_USER),
    "malformed": CorePlan(fault=CoreFault.GARBAGE),
    "silent": CorePlan(fault=CoreFault.SILENT),
    "closed": CorePlan(fault=CoreFault.RESET),
}


@asynccontextmanager
async def of_udm() -> AsyncIterator[Network]:
    core = Core([NUMBERED, UNNUMBERED])
    await core.up()
    ours = OurCore()
    producers = ours.producers([each.web for each in core.instances])

    def fail(what: str) -> None:
        core.plan = CORE_FAULTS.get(what)

    numbers, places = (ours.plain_service(producers, name) for name in (NUMBERS, PLACES))
    data = udm.open_data(numbers, places)
    try:
        yield Network(data, ours.clock.monotonic, core.subscribers.places, fail, core)
    finally:
        await producers.close()
        await core.down()


WORLDS: Mapping[str, Callable[[], AbstractAsyncContextManager[Network]]] = {
    "swx": over_swx,
    "sh": over_sh,
    "udm": of_udm,
}
TELLS = {"swx": Kinds({Kind.NUMBER}), "sh": Kinds(Kind), "udm": Kinds(Kind)}


def test_every_adapter_has_a_world() -> None:
    found = {module.name for module in pkgutil.iter_modules(network_data.__path__)}
    assert found == set(WORLDS)
    for name in found:
        module = importlib.import_module(f"{network_data.__name__}.{name}")
        assert callable(module.open_data)


@pytest.fixture(params=WORLDS)
async def network(request: pytest.FixtureRequest) -> AsyncIterator[Network]:
    async with WORLDS[request.param]() as made:
        assert made.data.tells == TELLS[request.param]
        yield made


def telling(kind: Kind) -> pytest.MarkDecorator:
    """Let a test be for those alone that tell something."""
    names = [name for name, tells in TELLS.items() if kind in tells]
    return pytest.mark.parametrize("network", names, indirect=True)


# --- what is told ----------------------------------------------------------------------------


@telling(Kind.NUMBER)
async def test_a_number_is_told(network: Network) -> None:
    assert (await network.ask(NUMBERED.imsi, Kind.NUMBER)).number == NUMBERED.msisdn


@telling(Kind.NUMBER)
async def test_who_has_no_number_has_none(network: Network) -> None:
    assert (await network.ask(UNNUMBERED.imsi, Kind.NUMBER)).number is None


@telling(Kind.LOCATION)
async def test_a_phone_is_where_the_network_has_it(network: Network) -> None:
    assert (await network.ask(NUMBERED.imsi, Kind.LOCATION)).visited_plmn == "00101"
    network.places[NUMBERED.imsi.digits] = ABROAD
    told = await network.ask(NUMBERED.imsi, Kind.LOCATION)
    assert (told.visited_plmn, told.located_s) == ("26201", 0)


@telling(Kind.LOCATION)
async def test_it_is_the_sim_s_place_and_not_only_the_number_s(network: Network) -> None:
    network.places[NUMBERED.imsi.digits] = ABROAD
    told = await network.ask(NUMBERED.imsi, Kind.LOCATION, msisdn=NUMBERED.msisdn)
    assert told.visited_plmn == "26201"
    assert (await network.ask(UNNUMBERED.imsi, Kind.LOCATION)).visited_plmn == "00101"


@telling(Kind.LOCATION)
async def test_a_phone_that_is_nowhere_has_no_place(network: Network) -> None:
    network.places[NUMBERED.imsi.digits] = None
    assert (await network.ask(NUMBERED.imsi, Kind.LOCATION)).visited_plmn == ""


@telling(Kind.REGISTRATION)
async def test_a_phone_is_registered_or_not(network: Network) -> None:
    told = await network.ask(NUMBERED.imsi, Kind.REGISTRATION)
    assert told.registration is Registration.REGISTERED
    network.places[NUMBERED.imsi.digits] = None
    told = await network.ask(NUMBERED.imsi, Kind.REGISTRATION)
    # That no AMF serves it does not say that no MME does.
    of_5g = isinstance(network.data, udm.UdmData)
    assert told.registration is (Registration.UNKNOWN if of_5g else Registration.NOT_REGISTERED)


async def test_only_what_is_asked_for_is_told(network: Network) -> None:
    for kind in network.data.tells:
        told = await network.ask(NUMBERED.imsi, kind)
        assert bool(told.number) <= (kind is Kind.NUMBER)
        assert bool(told.visited_plmn) <= (kind is Kind.LOCATION)


async def test_everything_is_told_at_once(network: Network) -> None:
    told = await network.ask()
    assert bool(told.number) == (Kind.NUMBER in network.data.tells)
    assert bool(told.visited_plmn) == (Kind.LOCATION in network.data.tells)


async def test_of_whom_it_does_not_know_it_tells_nothing(network: Network) -> None:
    assert await network.ask(NOBODY) == Known()
    network.fail("unknown")
    assert await network.ask() == Known()


# --- what goes wrong -------------------------------------------------------------------------

FAULTS = [
    ("refused", PeerUnavailable, "_data_refused"),
    ("broken", PeerUnavailable, "_data_refused"),
    ("another user", PeerMisbehaved, "_data_malformed"),
    ("malformed", PeerMisbehaved, "_data_malformed"),
    ("busy", PeerUnavailable, ""),
]


@pytest.mark.parametrize(("what", "error", "reason"), FAULTS)
async def test_what_is_of_no_use_is_an_error_that_names_nobody(
    network: Network, what: str, error: type[EcsError], reason: str
) -> None:
    network.fail(what)
    with pytest.raises(error) as raised:
        await network.ask(within=1.0)
    assert raised.value.reason.endswith(reason)
    assert NUMBERED.msisdn is not None
    for secret in (NUMBERED.imsi.digits, NUMBERED.msisdn.digits):
        assert secret not in raised.value.for_operator
    network.fail("")
    assert await network.ask() != Known()


async def test_a_network_that_hangs_up_is_away(network: Network) -> None:
    network.fail("closed")
    with pytest.raises(PeerUnavailable):
        await network.ask(within=1.0)


async def test_a_network_that_is_silent_is_not_waited_for(network: Network) -> None:
    network.fail("silent")
    with pytest.raises(PeerTimeout):
        await network.ask(within=0.1)


# --- what is each one's own ------------------------------------------------------------------


async def test_nobody_is_registered_for_a_number_over_swx() -> None:
    async with over_swx() as there:
        await there.ask()
        assert [each.scheme for each in there.own.seen] == ["Server-Assignment 12"]


@pytest.mark.parametrize("code", [5001, 5003, 5007])
async def test_an_hss_that_does_not_tell_is_no_fault(code: int) -> None:
    async with over_swx() as there:
        there.own.plan = Plan(fault=Fault.RESULT, vendor=10415, code=code)
        assert await there.ask() == Known()


@pytest.mark.parametrize("code", [4100, 5001, 5106])
async def test_data_that_are_not_there_are_no_fault(code: int) -> None:
    async with over_sh() as there:
        there.own.plan = Plan(fault=Fault.RESULT, vendor=10415, code=code)
        assert await there.ask() == Known()


async def test_one_request_is_for_all_that_is_wanted_over_sh() -> None:
    async with over_sh() as there:
        await there.ask(NUMBERED.imsi, Kind.LOCATION, Kind.REGISTRATION)
        assert [each.scheme for each in there.own.seen] == [
            "User-Data location_information, user_state"
        ]


async def test_a_number_that_is_another_s_finds_nobody_over_sh() -> None:
    async with over_sh() as there:
        with pytest.raises(PeerUnavailable) as raised:
            await there.ask(UNNUMBERED.imsi, Kind.LOCATION, msisdn=NUMBERED.msisdn)
        assert raised.value.for_operator == "home: 3GPP 5002 ERROR_IDENTITIES_DONT_MATCH"


async def test_who_was_purged_is_nowhere_of_a_udm() -> None:
    async with of_udm() as there:
        there.places[NUMBERED.imsi.digits] = replace(ABROAD, purged=True)
        told = await there.ask(NUMBERED.imsi, Kind.LOCATION, Kind.REGISTRATION)
        assert told == Known()


async def test_an_hss_tells_where_somebody_was_last_who_is_gone() -> None:
    async with over_sh() as there:
        there.places[NUMBERED.imsi.digits] = replace(ABROAD, purged=True)
        told = await there.ask(NUMBERED.imsi, Kind.LOCATION, Kind.REGISTRATION)
        assert told == Known(visited_plmn="26201", registration=Registration.NOT_REGISTERED)
