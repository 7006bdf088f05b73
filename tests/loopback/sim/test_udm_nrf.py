"""The simulated NRF: who it finds, and whom its tokens let in."""

from __future__ import annotations

from collections.abc import AsyncIterator

import jwt
import pytest

from simgrant.sim.udm.faults import Fault, Plan
from simgrant.sim.udm.nrf import Granted
from simgrant.wire.sbi.nrf import (
    DISCOVERY_PATH,
    TOKEN_PATH,
    Instance,
    discovery_query,
    pull_instances,
    token_form,
)
from tests.loopback.sim.core_world import SUPI, US, CoreWorld, Told, core_world

AV = f"/nudm-ueau/v1/{SUPI}/hss-security-information/eap-aka/generate-av"
GBA = f"/nhss-gba-ueau/v1/{SUPI}/security-information/generate-auth-data"
EAP_AKA = {"hssAuthType": "EAP_AKA", "numOfRequestedVectors": 1}
NOW = 1_800_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def world(clock: Clock) -> AsyncIterator[CoreWorld]:
    async with core_world(instances=3, oauth2=True, clock=clock) as made:
        yield made


def found(told: Told, service: str = "nudm-ueau") -> tuple[Instance, ...]:
    assert told.status == 200
    return pull_instances(told.body, service)[1]


# --- discovery ----------------------------------------------------------------------------


async def test_instances_are_found_with_all_that_says_who_is_asked(world: CoreWorld) -> None:
    core = world.core
    core.nrf.validity_s = 60
    second, third = core.instances[1:]
    second.priority, second.capacity, second.load = 1, 7, 80
    third.ranges = (("001010000000000", "001019999999999"),)
    told = await world.search(service_names="nudm-ueau")
    assert told.headers["cache-control"] == "max-age=60"
    assert pull_instances(told.body, "nudm-ueau") == (
        60,
        tuple(
            Instance(
                id=each.ids["UDM"],
                root=each.web.url,
                address="",
                port=each.web.port,
                priority=each.priority,
                capacity=each.capacity,
                load=each.load or 0,
                ranges=each.ranges or None,
            )
            for each in core.instances
        ),
    )


async def test_what_a_server_asks_is_what_is_described(world: CoreWorld) -> None:
    query = discovery_query(target="UDM", requester="AUSF", service="nudm-ueau")
    told = await world.ask_nrf("GET", f"{DISCOVERY_PATH}?{query}")
    assert len(found(told)) == 3
    form = token_form(instance=US, own="AUSF", target="UDM", scope="nudm-ueau")
    told = await world.ask_nrf("POST", TOKEN_PATH, form)
    assert (await with_token(world, told.content["access_token"])).status == 200


async def test_only_who_is_meant_is_found(world: CoreWorld) -> None:
    first, second, third = world.core.instances
    second.ranges = (("001010000000002", "001010000000003"),)
    ids = [each.ids["UDM"] for each in (first, second, third)]
    told = await world.search(supi=SUPI)
    assert [each.id for each in found(told)] == [ids[0], ids[2]]
    told = await world.search(supi="imsi-001010000000003")
    assert [each.id for each in found(told)] == ids
    told = await world.search(supi="imsi-001010000000004")
    assert [each.id for each in found(told)] == [ids[0], ids[2]]
    told = await world.search(target_nf_instance_id=ids[1])
    assert [each.id for each in found(told)] == [ids[1]]
    told = await world.search(target_nf_type="HSS")
    hsss = found(told, "nhss-ims-ueau")
    assert [each.id for each in hsss] == [each.ids["HSS"] for each in world.core.instances]
    assert [each.ranges for each in hsss] == [None, second.ranges, None]
    assert found(await world.search(service_names="nudm-sdm,nudm-uecm")) == ()
    assert found(await world.search(service_names="nudm-mt")) == ()
    assert found(await world.search(target_nf_type="SMF")) == ()


@pytest.mark.parametrize(
    ("query", "cause"),
    [
        ("", "MANDATORY_QUERY_PARAM_MISSING"),
        ("target-nf-type=UDM", "MANDATORY_QUERY_PARAM_MISSING"),
        ("target-nf-type=udm&requester-nf-type=AUSF", "MANDATORY_QUERY_PARAM_INCORRECT"),
        ("target-nf-type=UDM&requester-nf-type=AUSF&supi=a", "OPTIONAL_QUERY_PARAM_INCORRECT"),
    ],
)
async def test_a_search_that_makes_no_sense_is_refused(
    world: CoreWorld, query: str, cause: str
) -> None:
    target = f"/nnrf-disc/v1/nf-instances?{query}"
    told = await world.ask_nrf("GET", target, described=False)
    assert (told.status, told.cause) == (400, cause)


async def test_an_nrf_has_nothing_else(world: CoreWorld) -> None:
    told = await world.ask_nrf("GET", "/nnrf-nfm/v1/nf-instances", described=False)
    assert (told.status, told.cause) == (404, "RESOURCE_URI_STRUCTURE_NOT_FOUND")
    told = await world.ask_nrf("GET", "/oauth2/token", described=False)
    assert (told.status, told.cause) == (405, "")
    target = "/nnrf-disc/v1/nf-instances"
    told = await world.ask_nrf("POST", target, {"a": "b"}, described=False)
    assert (told.status, told.cause) == (405, "")


# --- tokens -------------------------------------------------------------------------------


async def with_token(world: CoreWorld, token: str, target: str = AV, *, instance: int = 0) -> Told:
    content = EAP_AKA if target == AV else {}
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return await world.ask(target, content, headers=headers, instance=instance)


async def test_a_token_is_good_at_every_instance_for_its_service(world: CoreWorld) -> None:
    told = await world.token()
    token = told.content["access_token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims == {
        "iss": world.core.nrf.id,
        "sub": US,
        "aud": "UDM",
        "scope": "nudm-ueau",
        "exp": NOW + 3600,
    }
    assert jwt.get_unverified_header(token)["alg"] == "ES256"
    for index in range(3):
        assert (await with_token(world, token, instance=index)).status == 200
    assert list(world.core.nrf.granted) == [Granted(US, "nudm-ueau", "UDM")]
    assert all(each.authorized for each in world.core.questions())


async def test_without_a_token_nobody_is_let_in(world: CoreWorld) -> None:
    told = await with_token(world, "")
    assert (told.status, told.headers["www-authenticate"]) == (401, 'Bearer realm="nudm-ueau"')
    told = await world.ask(AV, EAP_AKA, headers={"authorization": "Basic abc"})
    assert told.status == 401


async def test_a_token_ends(world: CoreWorld, clock: Clock) -> None:
    world.core.nrf.token_life_s = 10
    token = (await world.token()).content["access_token"]
    clock.now += 9
    assert (await with_token(world, token)).status == 200
    clock.now += 1
    assert (await with_token(world, token)).status == 401


@pytest.mark.parametrize("fault", [Fault.STALE_TOKEN, Fault.OTHER_KEY])
async def test_a_token_of_no_use_is_refused(world: CoreWorld, fault: Fault) -> None:
    world.core.nrf.plan = Plan(fault=fault, times=1)
    token = (await world.token()).content["access_token"]
    told = await with_token(world, token)
    assert told.status == 401
    assert told.headers["www-authenticate"].endswith('error="invalid_token"')
    token = (await world.token()).content["access_token"]
    assert (await with_token(world, token)).status == 200
    world.core.nrf.renew_key()
    assert (await with_token(world, token)).status == 401


@pytest.mark.parametrize("token", ["", "a", "a.b.c", "é", "eyJhbGciOiJub25lIn0.e30."])
async def test_what_is_no_token_is_refused(world: CoreWorld, token: str) -> None:
    told = await world.ask(AV, EAP_AKA, headers={"authorization": f"Bearer {token}x"})
    assert told.status == 401


async def test_a_token_for_another_service_is_not_enough(world: CoreWorld) -> None:
    token = (await world.token(scope="nudm-sdm nudm-uecm")).content["access_token"]
    told = await with_token(world, token)
    assert told.status == 403
    assert 'error="insufficient_scope"' in told.headers["www-authenticate"]
    token = (
        await world.token(scope="nudm-ueau:hss-security-information:generate-av:invoke")
    ).content
    assert (await with_token(world, token["access_token"])).status == 200


async def test_a_token_for_another_kind_of_producer_is_refused(world: CoreWorld) -> None:
    for_udm = (await world.token()).content["access_token"]
    assert (await with_token(world, for_udm, GBA)).status == 401
    for_hss = (await world.token(targetNfType="HSS", scope="nhss-gba-ueau")).content
    assert (await with_token(world, for_hss["access_token"], GBA)).status == 200


async def test_a_token_may_be_for_one_instance(world: CoreWorld) -> None:
    first = world.core.instances[0].ids["UDM"]
    told = await world.token(targetNfInstanceId=first, nfType="", targetNfType="")
    token = told.content["access_token"]
    assert (await with_token(world, token)).status == 200
    assert (await with_token(world, token, instance=1)).status == 401


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"nfInstanceId": "joe"}, "invalid_request"),
        ({"nfInstanceId": ""}, "invalid_request"),
        ({"nfType": ""}, "invalid_request"),
        ({"targetNfType": ""}, "invalid_request"),
        ({"scope": ""}, "invalid_request"),
        ({"scope": "nudm-ueau  a"}, "invalid_request"),
        ({"scope": "nudm-mt"}, "invalid_scope"),
        ({"targetNfType": "HSS"}, "invalid_scope"),
        ({"targetNfType": "", "targetNfInstanceId": US}, "invalid_scope"),
    ],
)
async def test_nobody_gets_a_token_for_what_makes_no_sense(
    world: CoreWorld, form: dict[str, str], error: str
) -> None:
    told = await world.token(described=False, **form)
    assert (told.status, told.content) == (400, {"error": error})
    assert told.headers["cache-control"] == "no-store"
    assert not world.core.nrf.granted


async def test_who_is_not_registered_gets_no_token() -> None:
    async with core_world(oauth2=True, consumers=frozenset({US})) as world:
        assert (await world.token()).status == 200
        told = await world.token(nfInstanceId=US.replace("5", "6"))
        assert (told.status, told.content) == (400, {"error": "invalid_client"})


async def test_an_nrf_misbehaves_for_itself(world: CoreWorld) -> None:
    world.core.nrf.plan = Plan(fault=Fault.NOBODY, times=1)
    assert found(await world.search()) == ()
    world.core.misbehave(Plan(fault=Fault.NOBODY, times=1))
    assert found(await world.search()) == ()
    world.core.nrf.plan = Plan(fault=Fault.BUSY, times=1)
    told = await world.search()
    assert (told.status, told.cause, told.headers["retry-after"]) == (503, "NF_CONGESTION", "1")
    assert len(found(await world.search())) == 3
    assert [(each.service, each.operation, each.status) for each in world.core.seen] == [
        ("nnrf-disc", "nf-instances", 200),
        ("nnrf-disc", "nf-instances", 200),
        ("nnrf-disc", "nf-instances", 503),
        ("nnrf-disc", "nf-instances", 200),
    ]
    assert world.core.questions() == []
