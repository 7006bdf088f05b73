"""wpa_supplicant's EAP peer through the whole server: TS.43's relay, and whoever has the SIM's key.

The peer is told no keys, for the relay has none; whether it believes us, and we it, is all of it.
"""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from simgrant.eap.milenage import Milenage
from simgrant.eap.usim import SoftUsim
from simgrant.sim.aaa.server import AaaServer
from simgrant.sim.hss.auc import Auc
from simgrant.sim.hss.server import HssServer
from simgrant.sim.udm.server import Core
from simgrant.wire import relay
from tests.e2e.nodes import Site, ended
from tests.e2e.phones import RELAY, VOWIFI, XML
from tests.e2e.test_hss import REALM, THEIRS
from tests.interop import eapol
from tests.interop.radius_bridge import Reply, Verdict
from tests.interop.test_eapol import _card

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(
        eapol.EAPOL_TEST is None, reason="eapol_test is not installed (apt-get install eapoltest)"
    ),
]

SIM = THEIRS[0]
KEYS = Milenage(SIM.k, SIM.opc)
LEADING = {"AKA": "0", "AKA'": "6"}
both_methods = pytest.mark.parametrize("method", ["AKA", "AKA'"])


@dataclass
class Relayed:
    """One EAP conversation over HTTP, as a phone has it."""

    home: EntitlementServer
    identity: str
    cookie: str = ""

    def begin(self) -> Reply:
        asked = {
            "EAP_ID": self.identity,
            "terminal_id": "490154203237518",
            "app": VOWIFI,
            "terminal_vendor": "Goog",
            "terminal_model": "Pixel 9 Pr",
            "terminal_sw_version": "15",
            "vers": "0",
            "entitlement_version": "2.0",
        }
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in asked.items())
        return self._said("GET", f"/?{query}", b"", {"Accept": RELAY})

    def respond(self, packet: bytes) -> Reply:
        headers = {"Accept": f"{RELAY}, {XML}", "Content-Type": RELAY, "Cookie": self.cookie}
        return self._said("POST", "/", relay.push_relay(packet), headers)

    def _said(self, method: str, target: str, body: bytes, headers: dict[str, str]) -> Reply:
        where = urlsplit(self.home.url)
        line = http.client.HTTPConnection(str(where.hostname), where.port, timeout=20)
        try:
            line.request(method, target, body or None, headers)
            answer = line.getresponse()
            content = answer.read()
        finally:
            line.close()
        self.home.statuses.append(answer.status)
        if answer.status != 200:
            return Reply(Verdict.REJECT)
        if answer.headers["content-type"].startswith(RELAY):
            self.cookie = self.cookie or answer.headers["set-cookie"].partition(";")[0]
            return Reply(Verdict.CHALLENGE, relay.pull_relay(content))
        assert b"<wap-provisioningdoc" in content
        return Reply(Verdict.ACCEPT)


@dataclass
class EntitlementServer:
    """Our server as who authenticates."""

    url: str
    statuses: list[int] = field(default_factory=list)

    def converse(self, identity: bytes) -> Relayed:
        return Relayed(self, identity.decode())


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    site.fill()
    with ended(site):
        yield site


@asynccontextmanager
async def playing(source: str, method: str, site: Site) -> AsyncIterator[EntitlementServer]:
    """Start an HSS, AAA server or UDM, and ours that asks it."""
    async with CORES[source](method) as settings:
        settings = {**settings, "auth.aka_prime": method != "AKA"}
        node = await asyncio.to_thread(lambda: site.node(settings=settings))
        yield EntitlementServer(node.url)


@asynccontextmanager
async def _diameter(server: HssServer, section: str) -> AsyncIterator[dict[str, object]]:
    await server.up()
    try:
        yield {
            "diameter.origin_host": f"ecs-%d.{REALM}",
            "diameter_peers.sim.host": server.node.host,
            "diameter_peers.sim.address": f"127.0.0.1:{server.port}",
            f"{section}.sim.realm": REALM,
            f"{section}.sim.peers": ["sim"],
        }
    finally:
        await server.down()


@asynccontextmanager
async def _udm() -> AsyncIterator[dict[str, object]]:
    core = Core(THEIRS)
    await core.up()
    try:
        yield {"udm.sim.addresses": [core.instances[0].web.url]}
    finally:
        await core.down()


def _hss(_: str) -> AbstractAsyncContextManager[dict[str, object]]:
    return _diameter(HssServer(Auc(THEIRS), host=f"hss.{REALM}", realm=REALM), "hss")


def _aaa(method: str) -> AbstractAsyncContextManager[dict[str, object]]:
    prime = method != "AKA"
    return _diameter(AaaServer(Auc(THEIRS), host=f"aaa.{REALM}", realm=REALM, prime=prime), "aaa")


CORES: dict[str, Callable[[str], AbstractAsyncContextManager[dict[str, object]]]] = {
    "hss": _hss,
    "aaa": _aaa,
    "udm": lambda _: _udm(),
}
each_source = pytest.mark.parametrize("source", CORES)


async def run(home: EntitlementServer, usim: SoftUsim, method: str, *, flip: bool = False) -> bool:
    """Authenticate in a thread, with a loop of its own: its HTTP blocks."""
    identity = f"{LEADING[method]}{SIM.imsi.digits}@wlan.mnc001.mcc001.3gppnetwork.org"
    card = _card(usim, flip_res=flip)

    def authenticate() -> eapol.Ran:
        return asyncio.run(eapol.run(home, card, identity=identity, method=method, keys=False))

    return (await asyncio.to_thread(authenticate)).success


@each_source
@both_methods
async def test_it_gets_in(site: Site, source: str, method: str) -> None:
    async with playing(source, method, site) as home:
        assert await run(home, SoftUsim(KEYS), method)
        assert home.statuses == [200, 200]


@each_source
@both_methods
async def test_a_sim_that_is_ahead_resynchronises(site: Site, source: str, method: str) -> None:
    async with playing(source, method, site) as home:
        ahead = SoftUsim(KEYS, taken=[1 << 40 | ind for ind in range(32)])
        assert await run(home, ahead, method)
        assert home.statuses == [200, 200, 200]


@each_source
@both_methods
async def test_a_sim_with_another_key_or_another_answer_does_not_get_in(
    site: Site, source: str, method: str
) -> None:
    async with playing(source, method, site) as home:
        assert not await run(home, SoftUsim(Milenage(bytes(16), SIM.opc)), method)
        assert not await run(home, SoftUsim(KEYS), method, flip=True)
        assert home.statuses == [200, 403, 200, 403]
