"""The HSS of the bench: a simulated one that knows the SIMs of a file of requests."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

import uvloop

from bench import world
from bench.load import read_requests
from simgrant.identities import Imsi
from simgrant.sim.hss.auc import Auc
from simgrant.sim.hss.server import HssServer
from simgrant.sim.sims import Sim


async def _play(requests: Path, port: int, ready: int) -> None:
    """Be the HSS until the process is ended."""
    imsis = {request.nai[1:16] for request in read_requests(requests)}
    auc = Auc([Sim(imsi=Imsi(imsi), k=world.K, opc=world.OPC) for imsi in imsis], ready=ready)
    await HssServer(auc, host=world.HSS, realm=world.HSS_REALM, port=port).up()
    await asyncio.Event().wait()


def main() -> None:
    """Play until a signal ends it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ready", type=int, default=0)
    arguments = parser.parse_args()
    uvloop.run(_play(arguments.requests, arguments.port, arguments.ready))


if __name__ == "__main__":
    main()
