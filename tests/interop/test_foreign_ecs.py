"""Our handset against a server that is not ours: what it cannot read, it must not invent."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from simgrant.identities import Imsi
from simgrant.sim.card import Card
from simgrant.sim.exchange import Leg, Outcome, Result
from simgrant.sim.faults import Fault
from simgrant.sim.handset import Handset
from simgrant.sim.http import Limits
from simgrant.sim.profiles import PROFILES, Accept, Method, Profile, ProfileName, Speaks
from simgrant.sim.sims import Sim, demo_sims
from simgrant.wire.document import CharacteristicList, Parm
from tests.interop import foreign_ecs
from tests.interop.foreign_ecs import ForeignEcs
from tests.servers.process import Unavailable

pytestmark = pytest.mark.interop

IMS = PROFILES[ProfileName.ANDROID_IMS]
VOICE = replace(PROFILES[ProfileName.ANDROID_IMS_PROVISIONING], accept=Accept.XML)
VERSIONS = ["2.0", "8.0", "9.0", "13.0"]
"""It speaks these and no other."""


@pytest.fixture(scope="module")
def ecs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForeignEcs]:
    try:
        with foreign_ecs.running(tmp_path_factory.mktemp("ts43-test-ecs")) as server:
            yield server
    except Unavailable as missing:
        pytest.skip(str(missing))


@pytest.fixture
def sim(ecs: ForeignEcs, request: pytest.FixtureRequest) -> Sim:
    """A SIM that the server knows and no other test uses."""
    number = 1000 + request.session.items.index(request.node)
    sim = replace(demo_sims()[0], imsi=Imsi(f"00101{number:010}"))
    ecs.provision(sim)
    return sim


def _handset(
    ecs: ForeignEcs, sim: Sim, profile: Profile = IMS, fault: Fault | None = None
) -> Handset:
    return Handset(sim, ecs.url, profile, fault=fault, limits=Limits(connect_s=5, read_s=10))


def _legs(outcome: Outcome) -> list[tuple[Leg, int | None]]:
    return [(seen.leg, seen.status) for seen in outcome.exchanges]


@pytest.mark.parametrize("method", list(Method))
@pytest.mark.parametrize("version", VERSIONS)
async def test_full_authentication_then_token(
    ecs: ForeignEcs, sim: Sim, version: str, method: Method
) -> None:
    profile = replace(IMS, entitlement_version=version, method=method)
    async with _handset(ecs, sim, profile) as phone:
        first = await phone.ask()
        second = await phone.ask()
    assert _legs(first) == [(Leg.START, 200), (Leg.ANSWER, 200)]
    assert _legs(second) == [(Leg.TOKEN, 200)]
    for outcome in (first, second):
        assert outcome.document is not None
        (vowifi,) = outcome.document.applications
        assert vowifi.app_id == "ap2004"
        assert Parm("EntitlementStatus", "1") in vowifi.items
    assert phone.token is not None


async def test_three_applications_are_read_with_their_lists(ecs: ForeignEcs, sim: Sim) -> None:
    async with _handset(ecs, sim, VOICE) as phone:
        outcome = await phone.ask()
    assert outcome.document is not None
    assert outcome.missing == ()
    voice = next(app for app in outcome.document.applications if app.app_id == "ap2003")
    (rats,) = (item for item in voice.items if isinstance(item, CharacteristicList))
    assert [entry.type for entry in rats.entries] == 2 * ["RATVoiceEntitleInfoDetails"]


async def _in_json(ecs: ForeignEcs, sim: Sim, profile: Profile) -> tuple[Outcome, Outcome]:
    """Ask for XML and then, with the token, for JSON.

    After EAP the server goes by the Accept of the first request, which names the relay alone, so
    that there is no JSON to be had from it by a full authentication.
    """
    async with _handset(ecs, sim, profile) as phone:
        xml = await phone.ask()
        async with _handset(ecs, sim, replace(profile, accept=Accept.JSON)) as other:
            other.token = phone.token
            return xml, await other.ask()


async def test_a_json_document_says_the_same_as_the_xml_one(ecs: ForeignEcs, sim: Sim) -> None:
    xml, json = await _in_json(ecs, sim, replace(VOICE, apps=("ap2004", "ap2005")))
    assert xml.document is not None
    assert json.document is not None
    assert {app.app_id: set(app.items) for app in xml.document.applications} == {
        app.app_id: set(app.items) for app in json.document.applications
    }


async def test_its_json_lists_are_not_those_of_ts_43(ecs: ForeignEcs, sim: Sim) -> None:
    """It writes a list as an object with an array, TS.43's samples an array of objects (§4)."""
    xml, json = await _in_json(ecs, sim, replace(VOICE, apps=("ap2003",)))
    assert xml.result is Result.DOCUMENT
    assert b'"VoiceOverCellularEntitleInfo":{"RATVoiceEntitleInfoDetails":[{' in json.last.body
    assert json.result is Result.NOT_UNDERSTOOD


async def test_a_sim_that_is_ahead_resynchronises(ecs: ForeignEcs, sim: Sim) -> None:
    async with _handset(ecs, sim, fault=Fault.SQN_AHEAD) as phone:
        outcome = await phone.ask()
    assert outcome.result is Result.DOCUMENT
    assert _legs(outcome) == [(Leg.START, 200), (Leg.RESYNC, 200), (Leg.ANSWER, 200)]


async def test_the_full_peer_speaks_aka_prime_with_it(ecs: ForeignEcs, sim: Sim) -> None:
    profile = replace(
        PROFILES[ProfileName.RFC], speaks=Speaks.RFC_PRIME, entitlement_version="13.0"
    )
    async with _handset(ecs, sim, profile) as phone:
        outcome = await phone.ask()
    assert outcome.result is Result.DOCUMENT, outcome.why
    assert outcome.exchanges[0].challenge is not None
    assert outcome.exchanges[0].challenge.network_name == b"WLAN"


async def test_expired_tokens_bring_511_and_a_full_authentication(
    ecs: ForeignEcs, sim: Sim
) -> None:
    async with _handset(ecs, sim) as phone:
        await phone.ask()
        ecs.expire_tokens(sim)
        outcome = await phone.ask()
    assert outcome.result is Result.DOCUMENT
    assert _legs(outcome) == [(Leg.TOKEN, 511), (Leg.START, 200), (Leg.ANSWER, 200)]


async def test_a_version_it_does_not_speak_is_refused(ecs: ForeignEcs, sim: Sim) -> None:
    async with _handset(ecs, sim, replace(IMS, entitlement_version="12.0")) as phone:
        outcome = await phone.ask()
    assert _legs(outcome) == [(Leg.START, 406)]


@pytest.mark.parametrize("fault", [Fault.WRONG_RES, Fault.WRONG_MAC, Fault.WRONG_AUTS])
async def test_a_failed_sim_gets_no_document(ecs: ForeignEcs, sim: Sim, fault: Fault) -> None:
    async with _handset(ecs, sim, fault=fault) as phone:
        outcome = await phone.ask()
    assert outcome.document is None
    assert phone.token is None


async def test_a_sim_with_another_key_does_not_believe_it(ecs: ForeignEcs, sim: Sim) -> None:
    phone = Handset(sim, ecs.url, IMS, card=Card(replace(sim, k=bytes(16))))
    async with phone:
        outcome = await phone.ask()
    assert outcome.result is Result.SIM_FAILED
