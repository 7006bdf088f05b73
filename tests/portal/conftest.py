"""Fixtures of the portal's tests: those of the device tests, and a browser."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser as Chromium

from tests.device.conftest import bench, template
from tests.device.harness import Server, Workbench
from tests.portal.browser import Browser
from tests.portal.chromium import open_chromium

__all__ = ["bench", "template"]


@pytest.fixture
async def server(bench: Workbench) -> AsyncIterator[Server]:
    """A server with the default settings."""
    async with bench.opened() as opened:
        yield opened


@pytest.fixture
def browser(server: Server) -> Browser:
    """The web view of a phone."""
    return Browser(server)


@pytest.fixture
async def chromium() -> AsyncIterator[Chromium]:
    """A real browser."""
    async with open_chromium() as browser:
        yield browser
