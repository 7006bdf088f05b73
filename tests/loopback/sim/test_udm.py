"""The simulated 5G core: vectors, subscribers, and what it refuses, as 3GPP describes them."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given
from pyreqwest.client import ClientBuilder

from simgrant.eap.algorithm import make_auts
from simgrant.eap.keys import bind_to_network
from simgrant.eap.milenage import Milenage
from simgrant.eap.usim import SoftUsim, UsimSuccess
from simgrant.sim.places import Place
from simgrant.sim.udm.server import Core
from simgrant.sim.udm.vectors import kausf, xres_star
from simgrant.sim.web import Answer, Request
from simgrant.wire.diameter import vectors as hss_vectors
from simgrant.wire.sbi import subscriber
from simgrant.wire.sbi.headers import pull_loads, push_max_rsp_time, push_timestamp
from simgrant.wire.sbi.ueau import Asked, Brought, Operation, path, pull, push
from tests import openapi
from tests.loopback.sim.core_world import (
    IMSI,
    JSON,
    NETWORK,
    OPC,
    SIM,
    SUPI,
    US,
    CoreWorld,
    K,
    core_world,
)

UNKNOWN = "imsi-001010999999999"
AV = f"/nudm-ueau/v1/{SUPI}/hss-security-information/{{}}/generate-av"
AUTH_DATA = f"/nudm-ueau/v1/{SUPI}/security-information/generate-auth-data"
GBA = f"/nhss-gba-ueau/v1/{SUPI}/security-information/generate-auth-data"
EAP_AKA = {"hssAuthType": "EAP_AKA", "numOfRequestedVectors": 1}
PRIME = {"hssAuthType": "EAP_AKA_PRIME", "numOfRequestedVectors": 1, "anId": "WLAN"}
AUSF = {"servingNetworkName": NETWORK, "ausfInstanceId": US}
SEPARATED = 0x80


@pytest.fixture
async def world() -> AsyncIterator[CoreWorld]:
    async with core_world(instances=2) as made:
        yield made


def test_there_is_something_to_hold_messages_against() -> None:
    openapi.Api("TS29503_Nudm_UEAU")


# --- vectors ------------------------------------------------------------------------------


def asked(*, prime: bool = False, auts: bytes = b"", rand: bytes = b"", network: str = "") -> Asked:
    return Asked(
        imsi=IMSI,
        prime=prime,
        network=network or ("WLAN" if prime else ""),
        rand=rand,
        auts=auts,
        ausf=US,
        ims_domain="ims.mnc001.mcc001.3gppnetwork.org",
        server_name="sip:ecs.example.com",
    )


async def vector_of(world: CoreWorld, operation: Operation, question: Asked) -> Brought:
    told = await world.ask(path(operation, question), json.loads(push(operation, question)))
    assert told.status == 200
    return pull(operation, told.body)


QUESTIONS = [
    (Operation.GENERATE_AV, asked()),
    (Operation.GENERATE_AV, asked(prime=True)),
    (Operation.GENERATE_AUTH_DATA, asked(prime=True, network=NETWORK)),
    (Operation.GENERATE_AUTH_DATA, asked(prime=True, network="5G:NSWO")),
    (Operation.GBA, asked()),
    (Operation.IMS, asked()),
]
NAMES = ["aka", "prime", "ausf", "nswo", "gba", "ims"]


@pytest.mark.parametrize(("operation", "question"), QUESTIONS, ids=NAMES)
async def test_a_sim_accepts_the_vector_of_every_operation(
    world: CoreWorld, operation: Operation, question: Asked
) -> None:
    vector = await vector_of(world, operation, question)
    answer = SoftUsim(Milenage(K, OPC)).authenticate(vector.rand, vector.autn)
    assert isinstance(answer, UsimSuccess)
    keys = (answer.ck, answer.ik)
    if question.prime:
        keys = bind_to_network(*keys, autn=vector.autn, network_name=question.network.encode())
    assert (vector.ck, vector.ik) == keys
    assert vector.xres == answer.res
    assert bool(vector.autn[6] & SEPARATED) is question.prime


@pytest.mark.parametrize(("operation", "question"), QUESTIONS, ids=NAMES)
async def test_a_sim_that_is_ahead_resynchronises(
    world: CoreWorld, operation: Operation, question: Asked
) -> None:
    vector = await vector_of(world, operation, question)
    auts = make_auts(Milenage(K, OPC), vector.rand, sqn=0x20000000)
    again = asked(prime=question.prime, network=question.network, rand=vector.rand, auts=auts)
    second = await vector_of(world, operation, again)
    usim = SoftUsim(Milenage(K, OPC), taken=(0x20000000,))
    assert isinstance(usim.authenticate(second.rand, second.autn), UsimSuccess)
    wrong = asked(
        prime=question.prime,
        network=question.network,
        rand=vector.rand,
        auts=auts[:-1] + bytes([auts[-1] ^ 1]),
    )
    told = await world.ask(path(operation, wrong), json.loads(push(operation, wrong)))
    assert (told.status, told.cause) == (403, "AUTHENTICATION_REJECTED")
    assert [each.resync for each in world.core.seen] == [False, True, True]


@pytest.mark.parametrize(
    ("kind", "more", "members"),
    [
        ("eap-aka", {}, {"ck", "ik"}),
        ("ims-aka", {}, {"ck", "ik"}),
        ("gba-aka", {}, {"ck", "ik"}),
        ("umts-aka", {}, {"ck", "ik"}),
        ("eap-aka-prime", {"anId": "WLAN"}, {"ckPrime", "ikPrime"}),
        ("eps-aka", {"servingNetworkId": {"mcc": "001", "mnc": "01"}}, {"kasme"}),
    ],
)
async def test_each_kind_of_vector_comes_as_often_as_it_is_asked_for(
    world: CoreWorld, kind: str, more: dict[str, Any], members: set[str]
) -> None:
    body = {"hssAuthType": kind.upper().replace("-", "_"), "numOfRequestedVectors": 3, **more}
    told = await world.ask(AV.format(kind), body)
    vectors = told.content["hssAuthenticationVectors"]
    assert len({each["rand"] for each in vectors}) == 3
    assert all(set(each) == {"avType", "rand", "autn", "xres", *members} for each in vectors)


async def test_a_network_of_5g_aka_gives_an_ausf_vectors_for_that() -> None:
    async with core_world(five_g_aka=True) as world:
        told = await world.ask(AUTH_DATA, AUSF)
    assert told.content["authType"] == "5G_AKA"
    vector = told.content["authenticationVector"]
    assert vector["avType"] == "5G_HE_AKA"
    assert set(vector) == {"avType", "rand", "autn", "xresStar", "kausf"}
    assert bytes.fromhex(vector["autn"])[6] & SEPARATED


async def test_what_follows_a_resynchronisation_is_newer_and_newer(world: CoreWorld) -> None:
    vector = await vector_of(world, *QUESTIONS[0])
    auts = make_auts(Milenage(K, OPC), vector.rand, sqn=0x20000000)
    again = {"rand": vector.rand.hex(), "auts": auts.hex()}
    body = {**EAP_AKA, "numOfRequestedVectors": 3, "resynchronizationInfo": again}
    told = await world.ask(AV.format("eap-aka"), body)
    usim = SoftUsim(Milenage(K, OPC), taken=(0x20000000,))
    for each in told.content["hssAuthenticationVectors"]:
        answer = usim.authenticate(bytes.fromhex(each["rand"]), bytes.fromhex(each["autn"]))
        assert isinstance(answer, UsimSuccess)


def made(
    *, rand: bytes = b"", autn: bytes = b"", xres: bytes = b"", ck: bytes, ik: bytes
) -> hss_vectors.Brought:
    return hss_vectors.Brought("", "", rand, autn, xres, ck, ik)


def test_the_keys_of_5g_aka_are_those_of_others() -> None:
    """XRES* and KAUSF as two programs print them that are not ours (TS 33.501 §A.2, §A.4)."""
    item = made(
        rand=bytes.fromhex("00112233445566778899aabbccddeeff"),
        xres=bytes.fromhex("700eb2300b2c4799"),
        ck=bytes.fromhex("b379874b3d183d2a21291d439e7761e1"),
        ik=bytes.fromhex("f4706f66629cf7ddf881d80025bf1255"),
    )
    assert xres_star(item, NETWORK).hex() == "31b6d938a5290ccc65bc829f9820a8d9"
    item = made(
        autn=bytes.fromhex("0304050607f7") + bytes(10),
        ck=bytes.fromhex("0102030405060708090a0b0c0d0e0f00"),
        ik=bytes.fromhex("02030405060708090a0b0c0d0e0f0001"),
    )
    assert kausf(item, NETWORK).hex() == (
        "20de4eb2b75c8dac301ad52773e2e37bd7b4b0c2fdb1c3751b98dd0df846aed5"
    )


async def test_a_udm_of_gba_answers_too(world: CoreWorld) -> None:
    target = f"/nudm-ueau/v1/{SUPI}/gba-security-information/generate-av"
    told = await world.ask(target, {"authType": "DIGEST_AKAV1_MD5"})
    assert set(told.content["3gAkaAv"]) == {"rand", "autn", "xres", "ck", "ik"}


# --- subscribers --------------------------------------------------------------------------


async def test_a_udm_tells_a_number_and_where_a_phone_is(world: CoreWorld) -> None:
    assert SIM.msisdn
    number = f"msisdn-{SIM.msisdn.digits}"
    for user in (SUPI, number):
        told = await world.ask(f"/nudm-sdm/v2/{user}/id-translation-result")
        assert told.content == {"supi": SUPI, "gpsi": number}
    told = await world.ask(f"/nudm-sdm/v2/{SUPI}/am-data")
    assert told.content == {"gpsis": [number]}
    told = await world.ask(f"/nudm-uecm/v1/{SUPI}/registrations/amf-3gpp-access")
    assert told.content["guami"]["plmnId"] == {"mcc": "001", "mnc": "01"}
    world.core.subscribers.places[IMSI] = Place.pull("208-011")
    names = "registration-dataset-names=AMF_3GPP,SMSF_3GPP"
    told = await world.ask(f"/nudm-uecm/v1/{SUPI}/registrations?{names}")
    assert told.content["amf3Gpp"]["guami"]["plmnId"] == {"mcc": "208", "mnc": "011"}


async def test_what_it_tells_is_what_is_read(world: CoreWorld) -> None:
    assert SIM.msisdn
    told = await world.ask(subscriber.number_path(IMSI))
    assert subscriber.pull_number(told.body, IMSI) == SIM.msisdn.digits
    world.core.subscribers.places[IMSI] = Place.pull("208-01", since=1_800_000_000.0)
    told = await world.ask(subscriber.place_path(IMSI))
    assert subscriber.pull_network(told.body, IMSI) == "20801"
    assert told.content["registrationTime"] == "2027-01-15T08:00:00+00:00"
    world.core.subscribers.places[IMSI] = Place.pull("208-01", purged=True)
    told = await world.ask(subscriber.place_path(IMSI))
    assert subscriber.pull_network(told.body, IMSI) == ""


async def test_a_sim_without_a_number_has_none() -> None:
    async with core_world(sims=[replace(SIM, msisdn=None)]) as world:
        told = await world.ask(f"/nudm-sdm/v2/{SUPI}/id-translation-result")
        assert told.content == {"supi": SUPI}
        assert (await world.ask(f"/nudm-sdm/v2/{SUPI}/am-data")).content == {}


async def test_a_phone_that_is_nowhere_is_not_found(world: CoreWorld) -> None:
    world.core.subscribers.places[IMSI] = None
    told = await world.ask(f"/nudm-uecm/v1/{SUPI}/registrations/amf-3gpp-access")
    assert (told.status, told.cause) == (404, "CONTEXT_NOT_FOUND")
    names = "registration-dataset-names=SMSF_3GPP,IP_SM_GW"
    told = await world.ask(f"/nudm-uecm/v1/{SUPI}/registrations?{names}")
    assert (told.status, told.cause) == (404, "CONTEXT_NOT_FOUND")


# --- refusals -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "content", "status", "cause"),
    [
        (AV.format("eap-aka").replace(SUPI, UNKNOWN), EAP_AKA, 404, "USER_NOT_FOUND"),
        (AV.format("eap-aka").replace(SUPI, "nai-joe"), EAP_AKA, 404, "USER_NOT_FOUND"),
        (AUTH_DATA.replace(SUPI, UNKNOWN), AUSF, 404, "USER_NOT_FOUND"),
        (f"/nudm-sdm/v2/{UNKNOWN}/am-data", None, 404, "USER_NOT_FOUND"),
        ("/nudm-sdm/v2/msisdn-1/am-data", None, 404, "USER_NOT_FOUND"),
    ],
)
async def test_who_is_not_known_is_not_found(
    world: CoreWorld, target: str, content: Any, status: int, cause: str
) -> None:
    told = await world.ask(target, content)
    assert (told.status, told.cause) == (status, cause)


@pytest.mark.parametrize(
    ("target", "content", "status", "cause"),
    [
        (AV.format("eap-aka"), PRIME, 400, "MANDATORY_IE_INCORRECT"),
        (AV.format("eap-aka"), {"hssAuthType": "EAP_AKA"}, 400, "MANDATORY_IE_INCORRECT"),
        (AV.format("eap-aka"), {**EAP_AKA, "numOfRequestedVectors": 6}, 400,
         "MANDATORY_IE_INCORRECT"),
        (AV.format("eap-aka-prime"), {**PRIME, "anId": None}, 400, "MANDATORY_IE_MISSING"),
        (AV.format("eps-aka"), {**EAP_AKA, "hssAuthType": "EPS_AKA"}, 400,
         "MANDATORY_IE_MISSING"),
        (AV.format("eps-aka"), {**EAP_AKA, "hssAuthType": "EPS_AKA",
                                "servingNetworkId": {"mcc": "1", "mnc": "1"}}, 400,
         "MANDATORY_IE_INCORRECT"),
        (AV.format("eap-tls"), {**EAP_AKA, "hssAuthType": "EAP_TLS"}, 501, ""),
        (AUTH_DATA, {**AUSF, "servingNetworkName": "WLAN"}, 400, "MANDATORY_IE_INCORRECT"),
        (AUTH_DATA, [], 400, "MANDATORY_IE_INCORRECT"),
        (GBA, {"resynchronizationInfo": {"rand": "00", "auts": "00"}}, 400,
         "MANDATORY_IE_INCORRECT"),
        (f"/nudm-uecm/v1/{SUPI}/registrations", None, 400, "MANDATORY_QUERY_PARAM_MISSING"),
        (AUTH_DATA.replace("v1", "v2"), AUSF, 400, "INVALID_API"),
        ("/nudm-mt/v1/joe", None, 400, "INVALID_API"),
        ("/", None, 400, "INVALID_API"),
        (f"/nudm-ueau/v1/{SUPI}/auth-events", {}, 404, "RESOURCE_URI_STRUCTURE_NOT_FOUND"),
        (f"/nudm-sdm/v2/{SUPI}", None, 404, "RESOURCE_URI_STRUCTURE_NOT_FOUND"),
        (AUTH_DATA, None, 405, ""),
        (f"/nudm-sdm/v2/{SUPI}/am-data", {}, 405, ""),
    ],
)  # fmt: skip
async def test_what_makes_no_sense_is_refused(
    world: CoreWorld, target: str, content: Any, status: int, cause: str
) -> None:
    told = await world.ask(target, content, described=False)
    assert (told.status, told.cause) == (status, cause)


async def test_what_is_no_json_is_refused(world: CoreWorld) -> None:
    root, headers = world.core.instances[0].web.url, {"content-type": "text/plain"}
    told = await world.send(root, "POST", AUTH_DATA, headers, b"{}", described=False)
    assert (told.status, told.cause) == (415, "")
    told = await world.send(root, "POST", AUTH_DATA, JSON, b'{"', described=False)
    assert (told.status, told.cause) == (400, "INVALID_MSG_FORMAT")


async def test_networks_may_be_barred() -> None:
    async with core_world(networks=frozenset({"5G:NSWO"})) as world:
        told = await world.ask(AUTH_DATA, AUSF)
        assert (told.status, told.cause) == (403, "SERVING_NETWORK_NOT_AUTHORIZED")
        told = await world.ask(AUTH_DATA, {**AUSF, "servingNetworkName": "5G:NSWO"})
        assert told.status == 200


async def test_a_core_may_know_nothing_of_eap_aka_prime() -> None:
    async with core_world(knows_prime=False) as world:
        told = await world.ask(AV.format("eap-aka-prime"), PRIME)
        assert (told.status, told.cause) == (403, "AUTHENTICATION_REJECTED")
        assert (await world.ask(AV.format("eap-aka"), EAP_AKA)).status == 200


async def test_an_hss_gives_vectors_for_akav1_alone(world: CoreWorld) -> None:
    target = "/nhss-ims-ueau/v1/joe@example.com/security-information/generate-sip-auth-data"
    body = {"cscfServerName": "sip:a", "sipAuthenticationScheme": "DIGEST-HTTP"}
    told = await world.ask(target, body)
    assert (told.status, told.cause) == (403, "AUTHENTICATION_REJECTED")


async def test_they_speak_http2_alone(world: CoreWorld) -> None:
    async with ClientBuilder().build() as older:
        for web in (world.core.instances[0].web, world.core.nrf_web):
            assert (await older.get(web.url).build().send()).status == 505


PARTS = ["nudm-ueau", "nudm-sdm", "nudm-uecm", "nhss-gba-ueau", "nhss-ims-ueau", "v1", "v2", SUPI]
PARTS += ["%ff", "", "security-information", "generate-auth-data", "registrations", "eap-aka"]


@given(
    parts=st.lists(st.sampled_from(PARTS) | st.text(max_size=8), max_size=7),
    query=st.text(max_size=20),
    body=st.binary(max_size=60) | st.builds(json.dumps, st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: st.dictionaries(st.sampled_from([*EAP_AKA, *AUSF, "rand"]), inner),
        max_leaves=5,
    )).map(str.encode),
    headers=st.dictionaries(
        st.sampled_from(["3gpp-sbi-max-rsp-time", "3gpp-sbi-sender-timestamp", "authorization"]),
        st.text(max_size=40),
    ),
)  # fmt: skip
def test_whatever_comes_is_answered(
    parts: list[str], query: str, body: bytes, headers: dict[str, str]
) -> None:
    core = Core([SIM], oauth2="authorization" in headers)
    target = f"/{'/'.join(parts)}?{query}"
    for method in ("GET", "POST"):
        request = Request(method, target, {**JSON, **headers}, body, "h2")
        for answer in (core.answer(core.instances[0], request), core.answer_nrf(request)):
            assert isinstance(answer, Answer)
            assert answer.status < 500 or answer.status in (501, 504)


# --- headers ------------------------------------------------------------------------------


async def test_what_is_said_besides_is_noted(world: CoreWorld) -> None:
    told = {
        "3gpp-sbi-max-rsp-time": push_max_rsp_time(1.5),
        "3gpp-sbi-sender-timestamp": push_timestamp(time.time()),
        "3gpp-sbi-correlation-info": SUPI,
    }
    assert (await world.ask(AV.format("eap-aka"), EAP_AKA, headers=told)).status == 200
    (seen,) = world.core.questions()
    assert (seen.max_rsp_time_ms, seen.correlation, seen.imsi) == (1500, SUPI, IMSI)
    assert seen.sent_at == pytest.approx(time.time(), abs=60)
    assert IMSI not in json.dumps(seen.as_json())
    assert IMSI not in repr(seen)


async def test_who_waits_no_more_is_told_so(world: CoreWorld) -> None:
    told = {
        "3gpp-sbi-max-rsp-time": "100",
        "3gpp-sbi-sender-timestamp": push_timestamp(time.time() - 1),
    }
    late = await world.ask(AV.format("eap-aka"), EAP_AKA, headers=told, described=False)
    assert (late.status, late.cause) == (504, "TIMED_OUT_REQUEST")


async def test_an_instance_tells_of_its_load(world: CoreWorld) -> None:
    world.core.instances[0].load = 80
    told = await world.ask(AV.format("eap-aka"), EAP_AKA)
    (load,) = pull_loads(told.headers["3gpp-sbi-lci"])
    assert (load.instance, load.percent) == (world.core.instances[0].ids["UDM"], 80)
    assert (
        "3gpp-sbi-lci" not in (await world.ask(AV.format("eap-aka"), EAP_AKA, instance=1)).headers
    )
