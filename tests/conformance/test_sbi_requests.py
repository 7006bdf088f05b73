"""What is asked of a 5G core, as it went over the wire, held against the definitions of 3GPP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from simgrant.adapters.authn import hss_sbi, udm
from simgrant.eap.packet import Variant
from simgrant.eap.vector import Resync
from simgrant.errors import EcsError
from simgrant.identities import Imsi
from simgrant.links.sbi.nrf import Nrf
from simgrant.links.sbi.vectors import SbiVectors
from simgrant.ports.vectors import VectorRequest
from tests.loopback.links.sbi.core import US, Core, Node, said
from tests.openapi import Api

IMSI = Imsi("001010000000001")
FILES = {
    "nudm-ueau": "TS29503_Nudm_UEAU",
    "nhss-gba-ueau": "TS29562_Nhss_gbaUEAU",
    "nhss-ims-ueau": "TS29562_Nhss_imsUEAU",
    "nnrf-disc": "TS29510_Nnrf_NFDiscovery",
    "oauth2": "TS29510_Nnrf_AccessToken",
}


@pytest.fixture
async def core() -> AsyncIterator[Core]:
    found = Core()
    await found.up(Node(said(404)))
    yield found
    await found.nodes[0].web.down()


def _held(core: Core) -> None:
    """Hold the one request that was made against the file of its service."""
    (seen,) = core.nodes[0].seen
    api = Api(FILES[seen.target.split("/")[1]])
    api.request(seen.method, seen.target, seen.headers, seen.body)


AUSF = udm.Config(as_ausf=True, network="5G:mnc001.mcc001.3gppnetwork.org", instance=US.instance)
OFFLOAD = udm.Config(as_ausf=True, network="5G:NSWO", instance=US.instance)
CSCF = hss_sbi.Config(ims_domain="ims.mnc001.mcc001.3gppnetwork.org", server_name="sip:ecs.x.org")


@pytest.mark.parametrize("resync", [None, Resync(bytes(16), bytes(14))])
@pytest.mark.parametrize(
    ("module", "config", "variant"),
    [
        (udm, udm.Config(), Variant.AKA),
        (udm, udm.Config(), Variant.AKA_PRIME),
        (udm, AUSF, Variant.AKA_PRIME),
        (udm, OFFLOAD, Variant.AKA_PRIME),
        (hss_sbi, hss_sbi.Config(), Variant.AKA),
        (hss_sbi, CSCF, Variant.AKA),
    ],
)
async def test_a_question_for_a_vector_is_one_that_is_described(
    core: Core, module: Any, config: Any, variant: Variant, resync: Resync | None
) -> None:
    vectors: SbiVectors = module.open_vectors(config, service=core.service(core.nodes))
    request = VectorRequest("default", IMSI, variant, resync)
    with pytest.raises(EcsError):
        await vectors.fetch(request, deadline=core.deadline())
    _held(core)


async def test_questions_to_an_nrf_are_those_that_are_described(core: Core) -> None:
    nrf = Nrf(core.producers(core.nodes), US)
    with pytest.raises(EcsError):
        await nrf.discover("nudm-ueau", "UDM", version="v1", deadline=core.deadline())
    _held(core)
    core.nodes[0].seen.clear()
    with pytest.raises(EcsError):
        await nrf.token("nudm-ueau", "UDM", deadline=core.deadline())
    _held(core)
