"""Sites for the end-to-end tests: one filled once, and copies of it for each test."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from simgrant.sim.sims import Sim
from tests.e2e.nodes import PATIENT, SIMS, Node, Site, ended
from tests.e2e.phones import Phone
from tests.servers.postgres import Postgres
from tests.servers.process import Unavailable

TEMPLATE = "e2e_template"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def template(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A filled site on PostgreSQL that nobody runs on, to be copied."""
    postgres.sql(f"CREATE DATABASE {TEMPLATE}")
    site = Site(tmp_path_factory.mktemp("template"), {"store.url": postgres.url(TEMPLATE)})
    site.fill()
    return site


@pytest.fixture
def site(template: Site, postgres: Postgres, tmp_path: Path) -> Iterator[Site]:
    """A filled site of the test's own on the shared PostgreSQL."""
    with _copied(template, postgres, tmp_path) as site:
        yield site


@pytest.fixture(scope="module")
def shared_site(
    template: Site, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A filled site that the tests of a file share; each takes SIMs of its own."""
    with _copied(template, postgres, tmp_path_factory.mktemp("shared")) as site:
        yield site


@contextmanager
def _copied(template: Site, postgres: Postgres, directory: Path) -> Iterator[Site]:
    name = f"e2e_{next(_numbers)}"
    postgres.sql(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    site = Site(directory, {"store.url": postgres.url(name)})
    site.copy_ring(template)
    with ended(site):
        yield site


@pytest.fixture(scope="module")
def nodes(shared_site: Site) -> list[Node]:
    """Two nodes on one database with one key ring, which the tests of a file share."""
    return shared_site.started(2, PATIENT)


@pytest.fixture(scope="module")
def sims() -> Iterator[Sim]:
    """SIMs that no other test of the file has."""
    return iter(SIMS)


@pytest.fixture
async def phone(sims: Iterator[Sim]) -> AsyncIterator[Phone]:
    """A phone with a SIM that no other test of the file has."""
    async with Phone(next(sims)) as phone:
        yield phone


@pytest.fixture
def sqlite_site(tmp_path: Path) -> Iterator[Site]:
    """A filled site on one SQLite file."""
    site = Site(tmp_path)
    site.fill()
    with ended(site):
        yield site


@pytest.fixture
def durable() -> Iterator[Postgres]:
    """A PostgreSQL server that may be crashed."""
    try:
        server = Postgres.start(durable=True)
    except Unavailable as missing:
        pytest.skip(str(missing))
    with server:
        yield server


@pytest.fixture
def durable_site(durable: Postgres, tmp_path: Path) -> Iterator[Site]:
    """A filled site on a PostgreSQL server of its own."""
    site = Site(tmp_path, {"store.url": durable.create_database()})
    site.fill()
    with ended(site):
        yield site
