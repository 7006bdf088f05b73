"""Settings of HLRs: what they mean, and what check-config says of mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from typer.testing import CliRunner

from simgrant.cli.app import app
from simgrant.compose import core_network
from simgrant.config.core_network_tables import Hlr
from simgrant.config.hlr import place, shares_a_name, unit_name
from simgrant.config.load import Loaded, load
from simgrant.errors import StartRefused
from simgrant.telemetry.metrics import Metrics

HLR = '[hlr.home]\naddress = "10.0.0.1"\nunit_name = "ecs-%d"\n'
RED = '[hlr.red]\naddress = "10.0.0.2:4223"\nunit_name = "ecs-%d"\n'
BOTH = '[routes.all]\nsources = ["hlr.home", "hlr.red"]'


def read(folder: Path, text: str) -> Loaded:
    file = folder / "simgrant.toml"
    file.write_text(text)
    return load(file, {})


def problem(folder: Path, text: str) -> str:
    with pytest.raises(StartRefused) as raised:
        read(folder, text)
    return str(raised.value)


async def test_each_hlr_is_connected_to_by_its_own_name(tmp_path: Path) -> None:
    loaded = read(tmp_path, HLR + RED + BOTH)
    hlrs = core_network.open_hlrs(loaded, Metrics(CollectorRegistry()), worker=3)
    assert {name: each.config.unit_name for name, each in hlrs.items()} == {
        "home": "ecs-3",
        "red": "ecs-3",
    }
    assert (hlrs["red"].config.address, hlrs["red"].config.port) == ("10.0.0.2", 4223)


def test_without_an_hlr_there_is_none(tmp_path: Path) -> None:
    loaded = read(tmp_path, "")
    assert core_network.open_hlrs(loaded, Metrics(CollectorRegistry())) == {}


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("hlr.example", ("hlr.example", 4222)),
        ("10.0.0.1:1", ("10.0.0.1", 1)),
        ("[::1]:5", ("::1", 5)),
        ("::1", ("::1", 4222)),
    ],
)
def test_where_an_hlr_listens(address: str, found: tuple[str, int]) -> None:
    assert place(Hlr(address=address)) == found


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HLR.replace('"10.0.0.1"', '""'), "hlr.home.address: must be set"),
        (HLR.replace("0.1", "0.1:x"), "is not address:port"),
        (HLR.replace("ecs-%d", ""), "hlr.home.unit_name: must be set"),
        (HLR.replace("ecs-%d", "my ecs"), "is no name"),
        (HLR.replace("-%d", "") + "[server]\nworkers = 2\n", "it needs %d"),
        (HLR + "window = 0\n", "hlr.home.window: 0 is not within"),
        (HLR + "ping_s = 0\n", "hlr.home.ping_s: 0"),
        (HLR + "connect_timeout_s = 99\n", "hlr.home.connect_timeout_s: 99"),
        (HLR + RED.replace("10.0.0.2:4223", "10.0.0.1") + BOTH, "one table is enough"),
    ],
)
def test_what_is_wrong_with_an_hlr_is_said(tmp_path: Path, text: str, says: str) -> None:
    assert says in problem(tmp_path, text)


def test_each_worker_has_a_name_of_its_own(tmp_path: Path) -> None:
    assert unit_name(Hlr(unit_name="ecs-a-%d"), 2) == "ecs-a-2"
    one = read(tmp_path, HLR.replace("-%d", ""))
    assert shares_a_name(one.settings) == "hlr.home.unit_name"
    with pytest.raises(StartRefused, match="needs %d"):
        core_network.refuse_one_name(one)
    with pytest.raises(StartRefused, match="needs %d"):
        core_network.open_hlrs(one, Metrics(CollectorRegistry()), worker=1)
    core_network.refuse_one_name(read(tmp_path, HLR))


def test_check_config_says_where_an_hlr_is(tmp_path: Path) -> None:
    read(tmp_path, RED)
    said = CliRunner().invoke(
        app, ["check-config", "--offline", "--config", str(tmp_path / "simgrant.toml")]
    )
    text = " ".join(said.output.split())
    assert "red: at 10.0.0.2:4223 we are ecs-0" in text
    assert "GSUP has no TLS" in text
