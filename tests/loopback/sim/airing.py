"""The played push services with their phones' port, on loopback, for one test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from simgrant.sim.http import Url
from simgrant.sim.push.air import Air
from simgrant.sim.push.services import Services


@asynccontextmanager
async def aired(folder: Path) -> AsyncIterator[tuple[Services, Air, Url]]:
    """Run them, with their credentials in a folder; the address is that of the phones' port."""
    services = Services(folder)
    air = Air(services)
    await services.up()
    await air.up()
    try:
        yield services, air, Url.parse(air.web.url)
    finally:
        await air.down()
        await services.down()
