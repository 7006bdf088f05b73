"""Our side of a 5G core and the simulated one behind it, on loopback, in one event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from simgrant.links.sbi.service import SbiService
from simgrant.sim.sims import demo_sims
from simgrant.sim.udm.server import Core as SimulatedCore
from simgrant.wire.sbi.ueau import Operation, service_of
from tests.loopback.links.sbi.core import Core


@asynccontextmanager
async def core_world(
    operation: Operation, **changes: Any
) -> AsyncIterator[tuple[SimulatedCore, SbiService]]:
    """Run a core and what asks its first instance; ``changes`` are settings of the core."""
    simulated = SimulatedCore(demo_sims(), **changes)
    await simulated.up()
    ours = Core()
    producers = ours.producers([each.web for each in simulated.instances])
    service = ours.plain_service(producers, service_of(operation))
    try:
        yield simulated, service
    finally:
        await producers.close()
        await simulated.down()
