"""A store with one subscription and some profiles, for tests of orders."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from simgrant.adapters.store import migrate
from tests.unit.flows.orders import World, opened


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file to copy: migrating takes longer than most tests."""
    path = tmp_path_factory.mktemp("orders") / "template.sqlite3"
    migrate.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
async def world(template: Path) -> AsyncIterator[World]:
    async with opened(template) as made:
        yield made
