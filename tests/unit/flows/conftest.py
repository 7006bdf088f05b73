"""A store with one subscription and some profiles, for tests of orders."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.databases import make_database
from tests.unit.flows.orders import World, opened


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file to copy: migrating takes longer than most tests."""
    return make_database(tmp_path_factory.mktemp("orders") / "template.sqlite3")


@pytest.fixture
async def world(template: Path) -> AsyncIterator[World]:
    async with opened(template) as made:
        yield made
