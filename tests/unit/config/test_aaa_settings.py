"""Settings of AAA servers: what they mean, and what check-config says of mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from simgrant.cli.app import app
from simgrant.config.aaa import aaa_of
from simgrant.config.load import Loaded, load
from simgrant.errors import StartRefused
from simgrant.sim.aaa.command import settings_for
from tests.docs.pages import page

US = '[diameter]\norigin_host = "ecs-%d.example.com"\n'
PEER = '[diameter_peers.dra]\nhost = "dra.example.com"\n'
AAA = '[aaa.home]\nrealm = "example.com"\npeers = ["dra"]\n'
RED = '[aaa.red]\ntenants = ["red"]\nrealm = "example.com"\npeers = ["dra"]\ninterface = "sta"\n'
TENANTS = '[tenants.red]\nplmns = ["001-02"]\n[tenants.blue]\nplmns = ["001-03"]\n'


def read(folder: Path, text: str) -> Loaded:
    file = folder / "simgrant.toml"
    file.write_text(text)
    return load(file, {})


def test_an_aaa_server_authenticates_for_every_tenant_that_no_other_names(tmp_path: Path) -> None:
    loaded = read(tmp_path, US + PEER + AAA + RED + TENANTS)
    served = {"red": "red", "blue": "home", "default": "home"}
    assert aaa_of(loaded.settings, loaded.tenants) == served
    loaded = read(tmp_path, US + PEER + RED + TENANTS)
    assert aaa_of(loaded.settings, loaded.tenants) == {"red": "red"}


def test_a_tenant_with_an_aaa_server_needs_no_route(tmp_path: Path) -> None:
    route = '[routes.all]\ntenants = ["blue", "default"]\nsources = ["local_auc"]\n'
    with pytest.raises(StartRefused, match=r"tenants\.red: there is no route for 001-02"):
        read(tmp_path, route + TENANTS)
    read(tmp_path, US + PEER + RED + route + TENANTS)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (PEER + AAA, "diameter.origin_host: must be set"),
        (US + AAA, "aaa.home.peers: there is no [diameter_peers.dra]"),
        (US + PEER + '[aaa.home]\npeers = ["dra"]\n', "aaa.home.realm: must be set"),
        (US + PEER + RED, "aaa.red: there is no tenant red"),
        (
            US + PEER + AAA + AAA.replace("home", "other"),
            "aaa.other: aaa.home has the tenants that no table names already",
        ),
        (
            US + PEER + RED + RED.replace("aaa.red", "aaa.pink") + TENANTS,
            "aaa.pink: aaa.red has the tenant red already",
        ),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(StartRefused) as raised:
        read(tmp_path, text)
    assert problem in str(raised.value)


def _checked(folder: Path, text: str) -> str:
    file = folder / "simgrant.toml"
    file.write_text(text)
    said = CliRunner().invoke(app, ["--config", str(file), "check-config", "--offline"]).output
    return " ".join(said.split())


def test_check_config_tells_whom_an_aaa_server_authenticates(tmp_path: Path) -> None:
    words = _checked(tmp_path, US + PEER + AAA)
    assert "home: example.com over swm by dra.example.com:3868, for default" in words
    assert "leads to no HSS or AAA server" not in words


def test_the_example_of_the_documentation_and_that_of_the_simulator_are_settings(
    tmp_path: Path,
) -> None:
    (text,) = page("aaa.md").fences("toml")
    assert "for default" in _checked(tmp_path, text)
    assert "sim: r.org over swm" in _checked(tmp_path, settings_for("a.r.org", "r.org", "[::1]:1"))
