"""Of whose subscriptions a Diameter peer is heard: those that its HSS serves by the routes."""

from __future__ import annotations

from pathlib import Path

from simgrant.compose.core_network import told_of
from simgrant.config.load import load
from simgrant.identities import Imsi

SETTINGS = """
[diameter]
origin_host = "ecs-%d.example.org"
[diameter_peers.ours]
host = "a.example.org"
[diameter_peers.theirs]
host = "b.example.org"
[diameter_peers.behind]
host = "c.example.org"
[hss.home]
peers = ["ours"]
redirects_to = ["behind"]
realm = "example.org"
[hss.partner]
peers = ["theirs"]
realm = "example.net"
[tenants.blue]
imsi_ranges = ["001020000000000-001029999999999"]
[routes.home]
sources = ["hss.home"]
[routes.partner]
tenants = ["blue"]
imsis = ["00102"]
sources = ["hss.partner"]
"""


def test_a_peer_tells_of_whom_its_hss_serves_and_of_nobody_else(tmp_path: Path) -> None:
    file = tmp_path / "simgrant.toml"
    file.write_text(SETTINGS)
    of = told_of(load(file, {}))
    assert sorted(of("ours", Imsi("001010000000001"))) == ["blue", "default"]
    assert of("behind", Imsi("001010000000001")) == of("ours", Imsi("001010000000001"))
    assert of("ours", Imsi("001020000000001")) == ["default"]
    assert of("theirs", Imsi("001020000000001")) == ["blue"]
    assert of("theirs", Imsi("001010000000001")) == []
    assert of("strangers", Imsi("001010000000001")) == []
