"""A server that cannot do its work does not start, and says why in one line."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib.resources import files
from pathlib import Path

import apsw
import pytest

from tests.e2e.nodes import Node, Site, ended
from tests.servers.postgres import Postgres
from tests.servers.process import free_port

pytestmark = pytest.mark.e2e

Spoil = Callable[[Site], dict[str, object]]
"""Spoils a site and returns settings that go with it."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A filled site on SQLite, to be copied and spoilt."""
    site = Site(tmp_path_factory.mktemp("whole"))
    site.fill()
    return site


@pytest.fixture
def spoilt(whole: Site, tmp_path: Path) -> Iterator[Site]:
    shutil.copytree(whole.directory / "state", tmp_path / "state")
    with ended(Site(tmp_path)) as site:
        yield site


def _database(site: Site) -> Path:
    return site.directory / "state" / "simgrant.db"


def _records(site: Site) -> Path:
    path = site.directory / "state" / "simgrant-records.db"
    assert path.exists()
    return path


def _overwritten(site: Site) -> dict[str, object]:
    """Rubbish where pages were, the first one left as it is."""
    with _database(site).open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * 8 * 4096)
    return {}


def _cut_off(site: Site) -> dict[str, object]:
    data = _database(site).read_bytes()
    _database(site).write_bytes(data[: len(data) // 3])
    return {}


def _no_database_at_all(site: Site) -> dict[str, object]:
    _database(site).write_text("This is a shopping list, and not a database.\n" * 100)
    return {}


def _records_overwritten(site: Site) -> dict[str, object]:
    """Rubbish where the newest records were."""
    with _records(site).open("r+b") as file:
        file.seek(16_384)
        file.write(b"\xa5" * 16_384)
    return {}


def _records_of_another_release(site: Site) -> dict[str, object]:
    with closing(apsw.Connection(str(_records(site)))) as connection:
        connection.execute("PRAGMA user_version = 99")
    return {}


def _absent(site: Site) -> dict[str, object]:
    _database(site).unlink()
    return {}


def _without_tables(site: Site) -> dict[str, object]:
    _database(site).unlink()
    with closing(apsw.Connection(str(_database(site)))) as connection:
        connection.execute("CREATE TABLE something_else (n int)")
    _database(site).chmod(0o600)
    return {}


def _of_an_older_release(site: Site) -> dict[str, object]:
    with closing(apsw.Connection(str(_database(site)))) as connection, connection:
        connection.execute("UPDATE schema_version SET version_num = '0000'")
    return {}


def _wide_open_ring(site: Site) -> dict[str, object]:
    site.ring.chmod(0o644)
    return {}


def _broken_ring(site: Site) -> dict[str, object]:
    site.ring.write_text(site.ring.read_text()[:100])
    return {}


def _unreadable_ring(site: Site) -> dict[str, object]:
    # Not by its mode, which does not keep root out.
    site.ring.unlink()
    site.ring.mkdir(mode=0o700)
    return {}


def _no_ring(site: Site) -> dict[str, object]:
    site.ring.unlink()
    return {}


def _broken_policy(site: Site) -> dict[str, object]:
    policy = site.directory / "policy.toml"
    policy.write_text("[plans.standard\nfeatures = [\n")
    return {"tenants.default.policy": str(policy)}


def _senseless_policy(site: Site) -> dict[str, object]:
    policy = site.directory / "policy.toml"
    default = files("simgrant.domain").joinpath("default_policy.toml").read_text()
    policy.write_text(f'surprise = "yes"\n{default}')
    return {"tenants.default.policy": str(policy)}


def _no_policy(site: Site) -> dict[str, object]:
    return {"tenants.default.policy": str(site.directory / "nowhere.toml")}


def _unknown_setting(_: Site) -> dict[str, object]:
    return {"server.wokers": 2}


def _no_certificate(site: Site) -> dict[str, object]:
    return {
        "device.tls_certificate": str(site.directory / "nowhere.pem"),
        "device.tls_key": str(site.directory / "nowhere.key"),
    }


def _nobody_there(_: Site) -> dict[str, object]:
    return {"store.url": f"postgresql://simgrant@127.0.0.1:{free_port()}/nothing"}


CASES: list[tuple[Spoil, str]] = [
    (_overwritten, "simgrant.db"),
    (_cut_off, "simgrant.db"),
    (_no_database_at_all, "not a database"),
    (_records_overwritten, "simgrant-records.db"),
    (_records_of_another_release, "move it away"),
    (_absent, "simgrant db upgrade"),
    (_without_tables, "simgrant db upgrade"),
    (_of_an_older_release, "simgrant db upgrade"),
    (_wide_open_ring, "0600"),
    (_broken_ring, "keys.json"),
    (_unreadable_ring, "keys.json"),
    (_no_ring, "simgrant keys init"),
    (_broken_policy, "policy.toml"),
    (_senseless_policy, "policy.toml"),
    (_no_policy, "nowhere.toml"),
    (_unknown_setting, "workers"),
    (_no_certificate, "nowhere.pem"),
    (_nobody_there, "cannot be reached"),
]


@pytest.mark.parametrize(
    ("spoil", "said"), [pytest.param(*case, id=case[0].__name__.strip("_")) for case in CASES]
)
def test_a_start_that_cannot_succeed_is_refused_in_one_line(
    spoilt: Site, spoil: Spoil, said: str
) -> None:
    node = spoilt.prepared(settings=spoil(spoilt))
    _assert_refused(node, said)


@pytest.mark.parametrize("spoil", [_wide_open_ring, _broken_policy])
def test_a_start_with_workers_is_refused_in_one_line_too(spoilt: Site, spoil: Spoil) -> None:
    node = spoilt.prepared("--workers", "2", settings=spoil(spoilt))
    _assert_refused(node, "error")


@pytest.mark.parametrize(("listener", "workers"), [("device", "1"), ("management", "2")])
def test_a_port_in_use_is_refused_in_one_line(spoilt: Site, listener: str, workers: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        taken = f"127.0.0.1:{holder.getsockname()[1]}"
        node = spoilt.prepared("--workers", workers, settings={f"{listener}.listen": taken})
        _assert_refused(node, taken)


def test_postgresql_without_tables_is_refused_in_one_line(spoilt: Site, postgres: Postgres) -> None:
    node = spoilt.prepared(settings={"store.url": postgres.create_database()})
    _assert_refused(node, "simgrant db upgrade")


def test_a_refused_start_says_nothing_else(spoilt: Site) -> None:
    node = spoilt.prepared(settings=_wide_open_ring(spoilt))
    _assert_refused(node, "0600")
    (line,) = node.err.read_text().splitlines()
    assert line.startswith("error: ")


GREETING = ("settings ", "database ", "devices ", "operations ")


def _assert_refused(node: Node, said: str) -> None:
    node.launch()
    assert node.wait(30) in (1, 2)
    error = node.err.read_text()
    assert "Traceback" not in error
    assert node.out.read_text() == ""
    (line,) = [line for line in error.splitlines() if not line.startswith(GREETING)]
    assert line.startswith("error: ")
    assert said in line
