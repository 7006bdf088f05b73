"""Connections to a 5G core that end under many requests, as when it restarts: nobody notices."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from simgrant.adapters.authn import udm
from simgrant.eap.packet import Variant
from simgrant.errors import EcsError
from simgrant.identities import Imsi
from simgrant.ports.vectors import VectorRequest, Vectors
from simgrant.sim.sims import demo_sims
from simgrant.sim.udm.faults import Fault, Plan
from simgrant.wire.sbi.ueau import Operation
from tests.loopback.links.sbi.core_world import core_world

AT_ONCE = 50
IMSI = Imsi(demo_sims()[0].imsi.digits)
ENDS = [
    Fault.DRAIN,
    Fault.GOAWAY,
    Fault.REFUSE_STREAM,
    Fault.RESET_STREAM,
    Fault.RESET,
    Fault.HALF,
]


async def outcomes(source: Vectors) -> Counter[str]:
    async def ask() -> str:
        deadline = asyncio.get_running_loop().time() + 20
        try:
            await source.fetch(VectorRequest("default", IMSI, Variant.AKA), deadline=deadline)
        except EcsError as error:
            return error.reason
        return "a vector"

    return Counter(await asyncio.gather(*(ask() for _ in range(AT_ONCE))))


@pytest.mark.parametrize("instances", [1, 2])
@pytest.mark.parametrize("fault", ENDS)
async def test_a_connection_that_ends_takes_no_request_along(fault: Fault, instances: int) -> None:
    """Where there is one instance it is asked again, since there may be many behind its address."""
    async with core_world(Operation.GENERATE_AV, instances=instances) as (core, service):
        source = udm.open_vectors(udm.Config(), service=service)
        for _ in range(2):
            core.misbehave(Plan(fault=fault, times=1))
            assert await outcomes(source) == {"a vector": AT_ONCE}
            assert [each.fault for each in core.seen].count(fault) == 1
            core.seen.clear()
            assert await outcomes(source) == {"a vector": AT_ONCE}
