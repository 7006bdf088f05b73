"""What an answer of a UDM or an HSS means: a vector, a no, or that it makes no sense."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from simgrant.adapters.authn import hss_sbi, udm
from simgrant.eap.packet import Variant
from simgrant.eap.vector import Resync
from simgrant.errors import (
    AuthenticationRejected,
    EcsError,
    PeerMisbehaved,
    PeerUnavailable,
    UnknownIdentity,
)
from simgrant.identities import Imsi
from simgrant.links.sbi.vectors import SbiVectors
from simgrant.ports.vectors import VectorRequest
from simgrant.sim.web import Answer
from tests.loopback.links.sbi.core import Core, Node, said

IMSI = Imsi("001010000000001")
RESYNC = Resync(bytes(16), bytes(14))
GOOD = {
    "rand": "01" * 16,
    "autn": "02" * 6 + "8000" + "02" * 8,
    "xres": "03" * 8,
    "ck": "04" * 16,
    "ik": "05" * 16,
}
PRIME = {
    "avType": "EAP_AKA_PRIME",
    "ckPrime": "04" * 16,
    "ikPrime": "05" * 16,
    **{name: GOOD[name] for name in ("rand", "autn", "xres")},
}


@pytest.fixture
async def core() -> AsyncIterator[Core]:
    found = Core()
    await found.up(Node())
    yield found
    await found.nodes[0].web.down()


def as_hss(core: Core) -> SbiVectors:
    return udm.open_vectors(udm.Config(), service=core.service(core.nodes))


def as_ausf(core: Core) -> SbiVectors:
    config = udm.Config(as_ausf=True, network="5G:NSWO", instance="x")
    return udm.open_vectors(config, service=core.service(core.nodes))


def gba(core: Core) -> SbiVectors:
    return hss_sbi.open_vectors(hss_sbi.Config(), service=core.service(core.nodes))


async def fetch(
    core: Core,
    vectors: SbiVectors,
    *answers: Answer,
    variant: Variant = Variant.AKA,
    resync: Resync | None = None,
) -> Any:
    core.nodes[0].answers = list(answers)
    request = VectorRequest("default", IMSI, variant, resync)
    return await vectors.fetch(request, deadline=core.deadline())


async def refused(*args: Any, **more: Any) -> EcsError:
    with pytest.raises(EcsError) as raised:
        await fetch(*args, **more)
    assert IMSI.digits not in raised.value.for_operator
    return raised.value


def told(body: Any) -> Answer:
    return Answer(200, (("content-type", "application/json"),), json.dumps(body).encode())


def problem(status: int, cause: str | None = None) -> Answer:
    body = {"status": status} | ({} if cause is None else {"cause": cause})
    kind = ("content-type", "application/problem+json")
    return said(status, kind, body=json.dumps(body).encode())


@pytest.mark.spec("TS.43 Table 7")
@pytest.mark.parametrize(
    ("answer", "kind", "reason"),
    [
        (problem(404, "USER_NOT_FOUND"), UnknownIdentity, "udm_user_unknown"),
        (problem(404), UnknownIdentity, "udm_user_unknown"),
        (problem(404, "CONTEXT_NOT_FOUND"), PeerMisbehaved, "udm_refused_request"),
        (said(404, body=b"404 page not found"), PeerMisbehaved, "udm_refused_request"),
        (problem(403, "AUTHENTICATION_REJECTED"), AuthenticationRejected, "udm_rejected"),
        (
            problem(403, "SERVING_NETWORK_NOT_AUTHORIZED"),
            PeerMisbehaved,
            "udm_refused_request",
        ),
        (said(403), PeerMisbehaved, "udm_refused_request"),
        (problem(400, "MANDATORY_IE_INCORRECT"), PeerMisbehaved, "udm_refused_request"),
        (said(401), PeerMisbehaved, "udm_refused_request"),
        (problem(429, "NF_CONGESTION"), PeerUnavailable, "udm_busy"),
        (problem(503), PeerUnavailable, "udm_busy"),
        (problem(501, "AV_GENERATION_PROBLEM"), PeerUnavailable, "udm_no_vector"),
        (problem(500, "SYSTEM_FAILURE"), PeerUnavailable, "udm_error"),
        (said(204), PeerUnavailable, "udm_error"),
        (said(302, ("location", "http://evil.example/")), PeerUnavailable, "udm_error"),
        (told({"hssAuthenticationVectors": []}), PeerMisbehaved, "udm_malformed"),
        (said(200, body=b"<html>"), PeerMisbehaved, "udm_malformed"),
        (
            told({"hssAuthenticationVectors": [{**GOOD, "avType": "EPS_AKA"}]}),
            PeerMisbehaved,
            "udm_other_kind",
        ),
        (
            told({"hssAuthenticationVectors": [{**GOOD, "ck": ""} | {"ck": GOOD["ck"][:-2]}]}),
            PeerMisbehaved,
            "udm_malformed",
        ),
        (
            told({"hssAuthenticationVectors": [{n: GOOD[n] for n in ("rand", "autn", "xres")}]}),
            PeerMisbehaved,
            "udm_malformed",
        ),
    ],
)
async def test_each_answer_is_the_error_that_it_means(
    core: Core, answer: Answer, kind: type[EcsError], reason: str
) -> None:
    error = await refused(core, as_hss(core), answer)
    assert (type(error), error.reason) == (kind, reason)


async def test_a_rejected_resynchronisation_is_of_the_sim(core: Core) -> None:
    answer = problem(403, "AUTHENTICATION_REJECTED")
    error = await refused(core, as_hss(core), answer, resync=RESYNC)
    assert (type(error), error.reason) == (AuthenticationRejected, "auts_not_verified")


async def test_a_subscriber_of_5g_aka_is_of_no_use(core: Core) -> None:
    vector = {"avType": "5G_HE_AKA", "rand": GOOD["rand"], "autn": GOOD["autn"]}
    vector |= {"xresStar": "06" * 16, "kausf": "07" * 32}
    answer = told({"authType": "5G_AKA", "authenticationVector": vector})
    error = await refused(core, as_ausf(core), answer, variant=Variant.AKA_PRIME)
    assert error.reason == "udm_other_kind"
    answer = told({"authType": "EAP_TLS"})
    error = await refused(core, as_ausf(core), answer, variant=Variant.AKA_PRIME)
    assert error.reason == "udm_other_kind"


async def test_a_vector_of_another_user_is_refused(core: Core) -> None:
    body = {"authType": "EAP_AKA_PRIME", "authenticationVector": PRIME}
    for user, good in (("imsi-001010000000001", True), ("imsi-001010000000002", False)):
        answer = told({**body, "supi": user})
        if good:
            await fetch(core, as_ausf(core), answer, variant=Variant.AKA_PRIME)
        else:
            error = await refused(core, as_ausf(core), answer, variant=Variant.AKA_PRIME)
            assert error.reason == "udm_other_user"
    error = await refused(core, gba(core), told({"impi": "1@ims", "3gAkaAv": GOOD}))
    assert error.reason == "udm_other_user"


async def test_a_vector_for_aka_prime_has_the_separation_bit(core: Core) -> None:
    flat = {**PRIME, "autn": "02" * 16}
    answer = told({"hssAuthenticationVectors": [flat]})
    error = await refused(core, as_hss(core), answer, variant=Variant.AKA_PRIME)
    assert error.reason == "amf_without_separation_bit"


@pytest.mark.parametrize(
    ("opened", "variant"),
    [(as_ausf, Variant.AKA), (gba, Variant.AKA_PRIME)],
)
async def test_what_an_operation_has_no_vectors_for_is_not_asked(
    core: Core, opened: Any, variant: Variant
) -> None:
    error = await refused(core, opened(core), told({}), variant=variant)
    assert (type(error), error.reason) == (PeerMisbehaved, "udm_variant_unsupported")
    assert core.nodes[0].seen == []
