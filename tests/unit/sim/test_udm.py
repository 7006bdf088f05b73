"""The simulated 5G core: vectors, subscribers, the NRF and its tokens, as 3GPP describes them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from simgrant.eap.algorithm import make_auts
from simgrant.eap.keys import bind_to_network
from simgrant.eap.milenage import Milenage
from simgrant.eap.usim import SoftUsim, UsimSuccess
from simgrant.wire.sbi.ueau import Asked, Brought, Operation, path, pull, push
from tests import openapi
from tests.unit.sim.core_world import (
    IMSI,
    NETWORK,
    OPC,
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


async def test_a_udm_of_gba_answers_too(world: CoreWorld) -> None:
    target = f"/nudm-ueau/v1/{SUPI}/gba-security-information/generate-av"
    told = await world.ask(target, {"authType": "DIGEST_AKAV1_MD5"})
    assert set(told.content["3gAkaAv"]) == {"rand", "autn", "xres", "ck", "ik"}
