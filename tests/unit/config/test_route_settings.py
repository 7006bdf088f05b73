"""Settings of routes: what they mean, and what check-config says of mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from simgrant.cli.app import app
from simgrant.compose import core_network
from simgrant.config.load import Loaded, load
from simgrant.config.routes import KINDS, asked_for, limits_of, routes, source_names
from simgrant.domain.route import LOCAL_AUC, Routes
from simgrant.errors import StartRefused
from simgrant.identities import Imsi

HSS = (
    '[diameter]\norigin_host = "ecs-%d.example.com"\n'
    '[diameter_peers.dra]\nhost = "dra.example.com"\n'
    '[hss.home]\nrealm = "example.com"\npeers = ["dra"]\n'
)
HLR = '[hlr.old]\naddress = "10.0.0.1"\nunit_name = "ecs-%d"\n'
TENANTS = (
    '[tenants.red]\nplmns = ["001-02"]\n[tenants.mvno]\nimsi_ranges = ["001013000-001013999"]\n'
)
ALL = '[routes.all]\nsources = ["hss.home", "hlr.old"]\n'
IMSI = Imsi("001010000000001")


def read(folder: Path, text: str) -> Loaded:
    file = folder / "simgrant.toml"
    file.write_text(text)
    return load(file, {})


def problem(folder: Path, text: str) -> str:
    with pytest.raises(StartRefused) as raised:
        read(folder, text)
    return str(raised.value)


def test_each_kind_of_source_can_be_opened() -> None:
    assert tuple(core_network.SOURCES) == KINDS


@pytest.mark.parametrize(
    ("text", "sources"),
    [("", (LOCAL_AUC,)), (HSS, ("hss.home",)), (HLR, ("hlr.old",))],
)
def test_without_routes_everything_goes_to_the_only_source_there_is(
    tmp_path: Path, text: str, sources: tuple[str, ...]
) -> None:
    loaded = read(tmp_path, text + TENANTS)
    found = Routes(routes(loaded.settings))
    for tenant in loaded.tenants:
        assert found.of(tenant, IMSI) == sources


def test_the_most_specific_route_wins(tmp_path: Path) -> None:
    text = (
        HSS
        + HLR
        + TENANTS
        + ALL
        + '[routes.red]\ntenants = ["red"]\nsources = ["hlr.old"]\n'
        + '[routes.lab]\nplmns = ["001-01"]\nimsis = ["0010155-0010157"]\nsources = ["local_auc"]\n'
        + '[routes.one]\nimsis = ["001015612345678"]\nsources = ["hlr.old", "local_auc"]\n'
    )
    settings = read(tmp_path, text).settings
    found = Routes(routes(settings))
    assert found.of("default", Imsi("001020000000001")) == ("hss.home", "hlr.old")
    assert found.of("red", Imsi("001015612345678")) == ("hlr.old",)
    assert found.of("default", Imsi("001010000000001")) == ("local_auc",)
    assert found.of("default", Imsi("001015612345678")) == ("hlr.old", "local_auc")
    assert found.of("default", Imsi("001015612345679")) == ("local_auc",)
    assert source_names(settings) == ("hss.home", "hlr.old")
    assert asked_for(settings, "hlr.old") == "route all, after hss.home; route red; route one"
    assert asked_for(settings, "hss.none") == ""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HSS + HLR, "routes: hss.home, hlr.old: a [routes.NAME] has to say which is asked"),
        ("[routes.a]\n", "routes.a.sources: must be set"),
        ('[routes.a]\nsources = ["hss.home"]\n', "routes.a.sources: there is no 'hss.home'"),
        (HSS + '[routes.a]\nsources = ["hss.home", "hss.home"]', "one is named twice"),
        (HSS + HLR + ALL + 'tenants = ["blue"]\n', "routes.all: there is no tenant blue"),
        (HSS + HLR + ALL + 'plmns = ["00101"]\n', "routes.all.plmns: '00101' must look like"),
        (HSS + HLR + ALL + 'imsis = ["0010"]\n', "routes.all.imsis: '0010' is neither"),
        (HSS + HLR + ALL + 'imsis = ["00101-001"]\n', "is neither"),
        (HSS + HLR + ALL + 'imsis = ["00102-00101"]\n', "is neither"),
        (HSS + HLR + ALL + 'imsis = ["00101-001011"]\n', "is neither"),
        (HSS + HLR + ALL + ALL.replace("all", "b"), "routes.b: routes.all has every IMSI of every"),
        (
            HSS
            + HLR
            + TENANTS
            + ALL
            + '[routes.b]\ntenants = ["red"]\nimsis = ["001021-001025"]\nsources = ["hlr.old"]\n'
            + '[routes.c]\ntenants = ["red"]\nimsis = ["001024"]\nsources = ["hlr.old"]\n',
            "routes.c: routes.b has IMSIs 001024… of tenant red already",
        ),
        (
            HSS + HLR + TENANTS + ALL + 'tenants = ["default", "mvno"]\n',
            "tenants.red: there is no route for 001-02",
        ),
        (
            HSS + HLR + TENANTS + ALL + 'imsis = ["00101", "001020-001024", "001026-001029"]\n',
            "tenants.red: there is no route for 001-02",
        ),
        (
            HSS + HLR + TENANTS + ALL + 'plmns = ["001-02"]\nimsis = ["0010130", "00101300"]\n',
            "tenants.mvno: there is no route for 001013000-001013999",
        ),
        (
            HSS + '[routes.a]\nsources = ["hss.home"]\nhedge = "p95"\n',
            "routes.a.hedge: there is no other source that might be asked",
        ),
        ("[auth]\nfallback_on_core_failure = true\n", "on_core_failure: there is no other way"),
        ('[source_limits."hss.home"]\n', 'source_limits."hss.home": there is no such source'),
        (HSS + '[source_limits."hss.home"]\npause_s = 0\n', 'home".pause_s: 0.0 is not within'),
        (HSS + '[source_limits."hss.home"]\nin_flight = 0\n', "in_flight: 0 is not within"),
        (HSS + '[source_limits."hss.home"]\ntimeout_s = 60\n', "timeout_s: 60.0 is not within"),
        (HSS + '[source_limits."hss.home"]\nfailures = -1\n', "failures: -1 is not within"),
    ],
)
def test_what_is_wrong_with_a_route_is_said(tmp_path: Path, text: str, says: str) -> None:
    assert says in problem(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "share"), [("", 0.0), ('hedge = "p95"\n', 0.95), ('hedge = "p99"\n', 0.99)]
)
def test_a_second_source_is_asked_besides_only_if_that_is_set(
    tmp_path: Path, text: str, share: float
) -> None:
    settings = read(tmp_path, HSS + HLR + ALL + text).settings
    [route] = routes(settings)
    assert route.hedge == share
    assert ("besides" in asked_for(settings, "hlr.old")) == bool(text)
    assert "besides" not in asked_for(settings, "hss.home")


def test_ranges_that_make_up_a_network_together_are_a_route_for_it(tmp_path: Path) -> None:
    text = (
        HSS + HLR + TENANTS + ALL + 'imsis = ["00101", "001020-001024", "001025-001029", "99999"]\n'
    )
    assert read(tmp_path, text).settings.routes


def test_our_own_auc_is_never_left_alone_unless_it_is_said(tmp_path: Path) -> None:
    settings = read(tmp_path, HSS).settings
    assert limits_of(settings, LOCAL_AUC).failures == 0
    assert limits_of(settings, "hss.home").failures == 5
    settings = read(tmp_path, '[source_limits."local_auc"]\nfailures = 2\n').settings
    assert limits_of(settings, LOCAL_AUC).failures == 2


def test_check_config_says_for_whom_each_source_is(tmp_path: Path) -> None:
    spare = HSS[HSS.index("[hss.home]") :].replace("home", "spare")
    read(tmp_path, HSS + spare + HLR + ALL)
    said = CliRunner().invoke(
        app, ["check-config", "--offline", "--config", str(tmp_path / "simgrant.toml")]
    )
    text = " ".join(said.output.split())
    assert "hss.home: for route all" in text
    assert "hlr.old: for route all, after hss.home" in text
    assert "hss.spare is in no route" in text
