"""Runs python-diameter, which is not ours, beside a node of ours."""

from __future__ import annotations

import asyncio
import os
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from simgrant.links.diameter.node import DiameterNode
from tests.interop.test_diameter_dictionary import PYTHON
from tests.servers.process import child, json_line

HERE = Path(__file__).parent


@asynccontextmanager
async def python_diameter(script: str, *arguments: str, log: Path) -> AsyncIterator[Process]:
    """Run a script of this directory until it says that it is up, and then as long as it takes."""
    with log.open("wb") as errors:
        running = child(
            PYTHON,
            HERE / script,
            *arguments,
            stdin=PIPE,
            stderr=errors,
            env={**os.environ, "PYTHONPATH": ""},
        )
        async with running as process:
            assert await json_line(process) == {"event": "up"}
            yield process


@asynccontextmanager
async def connecting(node: DiameterNode) -> AsyncIterator[None]:
    """Let our node connect, and stay so."""
    running = asyncio.create_task(node.run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
