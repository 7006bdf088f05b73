"""A server's state, made once for each worker of the tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.management.world import World, make_template, opened


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_template(tmp_path_factory.mktemp("management"))


@pytest.fixture
async def world(template: Path) -> AsyncIterator[World]:
    async with opened(template) as world:
        yield world
