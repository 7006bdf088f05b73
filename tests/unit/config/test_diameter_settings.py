"""Settings of Diameter peers and HSSs: what they mean, and what check-config says of mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from typer.testing import CliRunner

from simgrant.cli.app import app
from simgrant.compose import core_network
from simgrant.config.core_network_tables import Diameter, DiameterPeer
from simgrant.config.diameter import origin_host, origin_realm, place
from simgrant.config.load import Loaded, load
from simgrant.errors import StartRefused
from simgrant.links.diameter import sctp
from simgrant.telemetry.metrics import Metrics

US = '[diameter]\norigin_host = "ecs-%d.example.com"\n'
PEER = '[diameter_peers.dra]\nhost = "dra.example.com"\n'
HSS = '[hss.home]\nrealm = "example.com"\npeers = ["dra"]\n'
WHOLE = US + PEER + HSS
S6A = 'interface = "s6a"\n'
CX = 'interface = "cx"\n'
SH = 'tells_over = "sh"\n'
PLMN = 'visited_plmn = "310-410"\n'
DOMAIN = 'ims_domain = "ims.example.com"\n'
SERVER = 'server_name = "sip:ecs.example.com"\n'
SWX_ID, CX_ID, SH_ID, S6A_ID = 16777265, 16777216, 16777217, 16777251
BOTH = '[routes.all]\nsources = ["hss.home", "hss.red"]\n'
TENANTS = '[tenants.red]\nplmns = ["001-02"]\n[tenants.blue]\nplmns = ["001-03"]\n'


def read(folder: Path, text: str) -> Loaded:
    file = folder / "simgrant.toml"
    file.write_text(text)
    return load(file, {})


def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


@pytest.mark.parametrize(
    ("own", "applications"),
    [
        ("", (SWX_ID,)),
        (S6A + PLMN, (S6A_ID,)),
        (CX + DOMAIN + SERVER, (CX_ID,)),
        (
            CX + DOMAIN + SERVER + HSS.replace("home", "red") + BOTH,
            (CX_ID, SWX_ID),
        ),
    ],
)
async def test_an_hss_is_asked_over_its_interface_and_we_say_that_we_know_no_other(
    tmp_path: Path, own: str, applications: tuple[int, ...]
) -> None:
    loaded = read(tmp_path, WHOLE + own + TENANTS)
    node = core_network.open_diameter(loaded, metrics())
    assert node is not None
    assert node.node.applications == applications


async def test_without_an_hss_there_is_no_diameter(tmp_path: Path) -> None:
    loaded = read(tmp_path, US + PEER)
    assert core_network.open_diameter(loaded, metrics()) is None


async def test_each_worker_has_a_name_of_its_own(tmp_path: Path) -> None:
    loaded = read(tmp_path, WHOLE)
    node = core_network.open_diameter(loaded, metrics(), worker=3)
    assert node is not None
    assert (node.node.host, node.node.realm) == ("ecs-3.example.com", "example.com")
    one = read(tmp_path, WHOLE.replace("-%d", ""))
    assert core_network.open_diameter(one, metrics()) is not None
    with pytest.raises(StartRefused, match="several workers"):
        core_network.open_diameter(one, metrics(), worker=1)
    with pytest.raises(StartRefused, match="several workers"):
        core_network.refuse_one_name(one)
    core_network.refuse_one_name(loaded)


async def test_sctp_is_taken_where_the_kernel_has_it_and_refused_at_start_where_not(
    tmp_path: Path,
) -> None:
    loaded = read(tmp_path, WHOLE.replace(PEER, PEER + 'transport = "sctp"\n'))
    if sctp.is_there():
        assert core_network.open_diameter(loaded, metrics()) is not None
        return
    with pytest.raises(StartRefused) as raised:
        core_network.open_diameter(loaded, metrics())
    assert "diameter_peers.dra: transport: this kernel has no SCTP" in str(raised.value)
    file = str(tmp_path / "simgrant.toml")
    ran = CliRunner().invoke(app, ["--config", file, "check-config", "--offline"])
    assert ran.exit_code == 2
    assert "this kernel has no SCTP" in " ".join(ran.output.split())


def test_the_realm_is_what_follows_the_first_dot_unless_it_is_said() -> None:
    ours = Diameter(origin_host="ecs.epc.example.com")
    assert origin_realm(ours) == "epc.example.com"
    assert origin_host(ours, 7) == "ecs.epc.example.com"
    assert origin_realm(Diameter(origin_host="a.b", origin_realm="c.d")) == "c.d"


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({}, ("dra.example.com", 3868)),
        ({"tls": True}, ("dra.example.com", 5658)),
        ({"address": "10.0.0.1:3869"}, ("10.0.0.1", 3869)),
        ({"address": "10.0.0.1"}, ("10.0.0.1", 3868)),
        ({"address": "[2001:db8::1]:3869"}, ("2001:db8::1", 3869)),
        ({"address": "2001:db8::1"}, ("2001:db8::1", 3868)),
    ],
)
def test_a_peer_is_where_its_address_says(settings: dict[str, Any], found: tuple[str, int]) -> None:
    assert place(DiameterPeer(host="dra.example.com", **settings)) == found


@pytest.mark.parametrize(
    ("own", "applications"),
    [
        ('tells = ["number"]\n', (SWX_ID,)),
        ('tells = ["location"]\n' + SH + DOMAIN, (SH_ID, SWX_ID)),
        (S6A + PLMN + 'tells = ["number"]\n', (S6A_ID, SWX_ID)),
        (S6A + PLMN + SH, (S6A_ID,)),
    ],
)
def test_what_an_hss_tells_over_is_an_application_of_ours(
    own: str, applications: tuple[int, ...], tmp_path: Path
) -> None:
    node = core_network.open_diameter(read(tmp_path, WHOLE + own), metrics())
    assert node is not None
    assert node.node.applications == applications


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (PEER + HSS, "diameter.origin_host: must be set"),
        (WHOLE.replace("ecs-%d.", "ecs %d."), "diameter.origin_host: 'ecs 0.example.com' is no"),
        (WHOLE.replace("ecs-%d.example.com", "ecs"), "diameter.origin_host: 'ecs' is no name"),
        ("[server]\nworkers = 2\n" + WHOLE.replace("-%d", ""), "origin_host: with several workers"),
        (US + "watchdog_s = 5\n" + PEER + HSS, "diameter.watchdog_s: 5.0 is not within 6 to 600"),
        (US + 'key = "k.pem"\n' + PEER + HSS, "diameter: certificate and key go together"),
        (US + 'origin_realm = "a b"\n' + PEER + HSS, "diameter.origin_realm: 'a b' is no name"),
        (US + HSS, "hss.home.peers: there is no [diameter_peers.dra]"),
        (US + PEER + '[hss.home]\nrealm = "r"\n', "hss.home.peers: must be set"),
        (
            WHOLE.replace(PEER, PEER + 'transport = "sctp"\ntls = true\n'),
            "diameter_peers.dra.tls: there is no TLS over sctp",
        ),
        (WHOLE + "message_priority = 16\n", "hss.home.message_priority: 16 is not within 0 to 15"),
        (
            WHOLE + 'tells = ["location"]\n',
            "hss.home.tells: over swx an HSS tells numbers alone, not",
        ),
        (WHOLE + 'tells = ["number"]\n' + SH, "hss.home.ims_domain: must be set for sh"),
        (WHOLE + SH + DOMAIN, "hss.home.ims_domain: is for cx and sh, and the interface is swx"),
        (
            WHOLE + 'tells = ["number"]\n[network_data]\ntimeout_s = 10\n',
            "network_data.timeout_s: 10.0 leaves nothing of the 10.0 seconds",
        ),
        (WHOLE + "[network_data]\ntimeout_s = 0\n", "network_data.timeout_s: 0.0 is not within"),
        (
            WHOLE + "[network_data]\nlocation_fresh_s = -1\n",
            "network_data.location_fresh_s: -1 is not within",
        ),
        (WHOLE + 'redirects_to = ["x"]\n', "hss.home.redirects_to: there is no [diameter_peers.x]"),
        (US + PEER + '[hss.home]\npeers = ["dra"]\n', "hss.home.realm: must be set"),
        (WHOLE + 'host = "a b"\n', "hss.home.host: 'a b' is no name"),
        (WHOLE + "patience_s = 0\n", "hss.home.patience_s: 0.0 is not within"),
        (US + "[diameter_peers.dra]\n" + HSS, "diameter_peers.dra.host: must be set"),
        (US + PEER + 'address = "a:b"\n' + HSS, "diameter_peers.dra.address: 'a:b' is not"),
        (US + PEER + "weight = 0\n" + HSS, "diameter_peers.dra.weight: 0 is not within"),
        (US + PEER + "window = 0\n" + HSS, "diameter_peers.dra.window: 0 is not within"),
        (
            US + PEER + PEER.replace(".dra]", ".two]") + HSS,
            "diameter_peers.two: dra.example.com is also dra's",
        ),
        (WHOLE + 'interface = "s6b"\n', "Invalid enum value 's6b'"),
        (WHOLE + S6A, "hss.home.visited_plmn: must be set for s6a"),
        (WHOLE + S6A + 'visited_plmn = "00101"\n', "hss.home.visited_plmn: '00101' is no network"),
        (WHOLE + PLMN, "hss.home.visited_plmn: is for s6a, and the interface is swx"),
        (WHOLE + CX + SERVER, "hss.home.ims_domain: must be set for cx"),
        (WHOLE + CX + DOMAIN, "hss.home.server_name: must be set for cx"),
        (WHOLE + CX + SERVER + 'ims_domain = "a b"\n', "hss.home.ims_domain: 'a b' is no name"),
        (
            WHOLE + CX + DOMAIN + 'server_name = "ecs"\n',
            "hss.home.server_name: 'ecs' is no SIP URI",
        ),
        (
            "[auth]\naka_prime = true\n" + WHOLE + S6A + PLMN,
            "auth.aka_prime: hss.home has no vectors for EAP-AKA' over s6a",
        ),
        (
            "[auth]\naka_prime = true\n" + WHOLE + CX + DOMAIN + SERVER,
            "auth.aka_prime: hss.home has no vectors for EAP-AKA' over cx",
        ),
        (WHOLE + "relm = 1\n", 'unknown key hss.home.relm; did you mean "realm"?'),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(StartRefused) as raised:
        read(tmp_path, text)
    assert problem in str(raised.value)


def test_check_config_tells_of_hsss_and_asks_nobody(tmp_path: Path) -> None:
    file = tmp_path / "simgrant.toml"
    spare = '[diameter_peers.spare]\nhost = "spare.example.com"\n'
    behind = '[diameter_peers.behind]\nhost = "behind.example.com"\n'
    more = 'redirects_to = ["behind"]\ntells = ["number", "location"]\n' + SH + DOMAIN
    file.write_text(WHOLE + more + behind + spare)
    said = CliRunner().invoke(app, ["--config", str(file), "check-config", "--offline"]).output
    words = " ".join(said.split())
    assert "we are ecs-0.example.com" in words
    place = "dra.example.com:3868, which may redirect to behind"
    assert f"home: example.com over swx by {place}" in words
    assert "hss.home tells location and number" in words
    assert "diameter_peers.behind leads to no HSS" not in words
    assert "vectors travel in clear" in words
    assert "diameter_peers.spare leads to no HSS" in words


def test_check_config_tells_what_is_asked_or_told_in_vain(tmp_path: Path) -> None:
    file, policy = tmp_path / "simgrant.toml", tmp_path / "policy.toml"
    policy.write_text(
        '[[rule]]\nid = "a"\nwhen = { registration = "registered" }\nresult = "allowed"\n'
    )
    route = '[routes.all]\nsources = ["local_auc"]\n'
    for own, told in (("", False), ('tells = ["registration"]\n' + SH + DOMAIN, True)):
        tenant = '[tenants.default]\npolicy = "policy.toml"\n'
        file.write_text(WHOLE + own + route + tenant)
        said = CliRunner().invoke(app, ["--config", str(file), "check-config", "--offline"]).output
        words = " ".join(said.split())
        assert ("rules look at the registration, which nobody tells" in words) is not told
        assert ("no route leads to hss.home" in words) is told


def test_check_config_tells_of_a_certificate_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("none")
    file = tmp_path / "simgrant.toml"
    file.write_text(US + 'certificate = "bad.pem"\nkey = "bad.pem"\n' + PEER + "tls = true\n" + HSS)
    ran = CliRunner().invoke(app, ["--config", str(file), "check-config", "--offline"])
    assert ran.exit_code == 2
    assert "diameter: " in ran.output
