"""Settings of a 5G core: what they mean, and what check-config says of mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from simgrant.cli.app import app
from simgrant.config.load import Loaded, load
from simgrant.config.sbi import operation_of, producers_of
from simgrant.errors import StartRefused
from simgrant.wire.sbi.ueau import Operation

US = '[sbi]\nnf_instance_id = "7f9a2b1c-5a0e-4c39-9a51-0d2c8e0f4b6e"\n'
NRF = '[nrf.home]\naddresses = ["https://nrf.example.com"]\n'
UDM = '[udm.home]\naddresses = ["https://udm.example.com"]\n'
HSS = '[hss_sbi.home]\naddresses = ["https://hss.example.com"]\n'
AUSF = (
    '[udm.home]\noperation = "generate-auth-data"\naddresses = ["https://udm.example.com"]\n'
    '[auth]\naka_prime = true\naka_prime_network = "5G:NSWO"\n'
)
ROUTES = '[routes.all]\nsources = ["udm.home", "hss_sbi.home"]\n'


def read(folder: Path, text: str) -> Loaded:
    file = folder / "simgrant.toml"
    file.write_text(text)
    return load(file, {})


@pytest.mark.parametrize(
    ("text", "operation"),
    [
        (UDM, Operation.GENERATE_AV),
        (US + AUSF, Operation.GENERATE_AUTH_DATA),
        (HSS, Operation.GBA),
        (HSS + 'ims_domain = "ims.example"\nserver_name = "sip:ecs.example"\n', Operation.IMS),
    ],
)
def test_each_table_has_its_operation(tmp_path: Path, text: str, operation: Operation) -> None:
    ((_, table),) = producers_of(read(tmp_path, text).settings)
    assert operation_of(table) is operation


def test_a_core_without_tokens_needs_nothing_but_an_address(tmp_path: Path) -> None:
    read(tmp_path, UDM)
    read(tmp_path, US + NRF + '[udm.home]\nnrf = "home"\noauth2 = true\n')
    read(tmp_path, UDM + HSS + ROUTES)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[sbi]\nnf_instance_id = "x"\n', "sbi.nf_instance_id: 'x' is no UUID"),
        ('[sbi]\nnf_type = "au sf"\n', "sbi.nf_type: 'au sf' is no NF type"),
        ('[sbi]\nkey = "k"\n', "sbi: certificate and key go together"),
        ("[nrf.home]\n", "nrf.home.addresses: must be set"),
        (NRF.replace("https", "ftp"), "nrf.home.addresses: 'ftp://nrf.example.com' is no http"),
        ("[udm.home]\n", "udm.home: addresses must be set, or nrf"),
        ('[udm.home]\nnrf = "x"\n', "udm.home.nrf: there is no [nrf.x]"),
        (US + UDM + "oauth2 = true\n", "udm.home.oauth2: nrf must be set"),
        (NRF + '[udm.home]\nnrf = "home"\noauth2 = true\n', "udm.home wants tokens"),
        (UDM.replace(".com", ".com/a?b"), "is more than an API root"),
        (UDM.replace("https://", "https://a@"), "is no http:// or https:// address"),
        (UDM.replace(".com", ".com:99999"), "is no http:// or https:// address"),
        (
            UDM.replace('"]', '", "https://udm.example.com/"]'),
            "udm.home.addresses: one is named twice",
        ),
        (UDM + "patience_s = 0\n", "udm.home.patience_s: 0.0 is not within"),
        (UDM + "window = 0\n", "udm.home.window: 0 is not within"),
        (HSS + 'ims_domain = "ims.example"\n', "ims_domain and server_name go together"),
        (
            HSS + 'ims_domain = "a b"\nserver_name = "sip:x"\n',
            "hss_sbi.home.ims_domain: 'a b' is no name of a domain",
        ),
        (
            HSS + 'ims_domain = "ims.example"\nserver_name = "x"\n',
            "hss_sbi.home.server_name: 'x' is no SIP URI",
        ),
        (HSS + "[auth]\naka_prime = true\n", "auth.aka_prime: hss_sbi.home has no vectors"),
        (AUSF, "sbi.nf_instance_id: must be set: udm.home is told which AUSF asks"),
        (US + AUSF.replace("true", "false"), "auth.aka_prime: must be on"),
        (US + AUSF.replace("5G:NSWO", "WLAN"), "auth.aka_prime_network: udm.home binds keys"),
        (UDM + HSS, "routes: udm.home, hss_sbi.home: a [routes.NAME] has to say"),
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


def test_check_config_tells_who_is_asked_and_what_travels_in_clear(tmp_path: Path) -> None:
    words = _checked(tmp_path, UDM)
    assert "udm.home: nudm-ueau at https://udm.example.com, as AUSF" in words
    assert "in clear" not in words
    words = _checked(tmp_path, UDM.replace("https", "http") + NRF)
    assert "udm.home: vectors travel in clear" in words
    assert "nrf.home is asked for nothing" in words


def test_check_config_looks_names_up_and_says_where_they_are(tmp_path: Path) -> None:
    text = US + UDM.replace("udm.example.com", "nowhere.invalid") + HSS + ROUTES
    text = text.replace("hss.example.com", "localhost") + NRF.replace("nrf.example.com", "[::1]")
    file = tmp_path / "simgrant.toml"
    file.write_text(text)
    arguments = ["--config", str(file), "check-config", "--json"]
    said = json.loads(CliRunner().invoke(app, arguments).stdout)["findings"]
    (told,) = [each["text"] for each in said if each["topic"] == "names"]
    assert told.startswith("udm.home.addresses: nowhere.invalid has no address: ")
    assert told.endswith("(line 4)")
    said = json.loads(CliRunner().invoke(app, [*arguments, "--offline"]).stdout)["findings"]
    assert not [each for each in said if each["topic"] == "names"]
