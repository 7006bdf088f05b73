"""Fixtures of the device tests: a state directory made once, and a server over a copy of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.clocks import set_clock
from tests.device.harness import START, Phone, Server, SetClock, Workbench, make_template


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory with keys and the usual subscriptions; copy it, never use it."""
    directory = tmp_path_factory.mktemp("device-template")
    with pytest.MonkeyPatch.context() as patched:
        set_clock(patched, SetClock(START - 1000))
        asyncio.run(make_template(directory))
    return directory


@pytest.fixture
def bench(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workbench:
    """Where servers are opened with settings of the test's own."""
    return Workbench.copy_of(template, tmp_path, monkeypatch)


@pytest.fixture
async def server(bench: Workbench) -> AsyncIterator[Server]:
    """A server with the default settings."""
    async with bench.opened() as opened:
        yield opened


@pytest.fixture
def phone(server: Server) -> Phone:
    """A phone whose subscription may do everything."""
    return Phone(server)
