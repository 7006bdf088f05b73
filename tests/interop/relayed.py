"""freeDiameter as relays between our node and our HSS, in a network of its own; prints what it saw.

It runs inside a network namespace that `relays.py` makes, as freeDiameter listens on no address of
127.0.0.0/8, and nothing of a test may listen anywhere else.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from simgrant.adapters.authn import cx, s6a, swx
from simgrant.eap.milenage import Milenage
from simgrant.eap.packet import Variant
from simgrant.eap.usim import SoftUsim, UsimSuccess, UsimSyncFailure
from simgrant.eap.vector import AuthVector, Resync
from simgrant.errors import EcsError
from simgrant.identities import Imsi
from simgrant.links.diameter.node import DiameterNode, RouteConfig
from simgrant.links.diameter.peer import PeerConfig, State
from simgrant.links.diameter.watchdog import WatchdogRules
from simgrant.links.retry import RetryRules
from simgrant.ports.vectors import VectorRequest
from simgrant.sim.hss.auc import Auc
from simgrant.sim.hss.faults import Fault, Plan
from simgrant.sim.hss.server import HssServer
from simgrant.sim.sims import DEMO_K, DEMO_OPC, demo_sims
from simgrant.wire.diameter.base import Node, pull_result
from simgrant.wire.diameter.overload import Report
from simgrant.wire.diameter.swx import Command
from tests.clocks import MachineClock

REALM = "epc.mnc001.mcc001.3gppnetwork.org"
HSS, HSS_ADDRESS = f"hss.{REALM}", "10.99.0.9"
RELAYS = {"dra1": "10.99.0.1", "dra2": "10.99.0.2"}
IMSI = Imsi("001010000000001")
KEYS = Milenage(DEMO_K, DEMO_OPC)
HANDLERS = {**swx.HANDLERS, **s6a.HANDLERS, **cx.HANDLERS}
APPLICATIONS = tuple(sorted({application for application, _ in HANDLERS}))
_WAIT_S = 60.0


class Diary:
    """What became of peers and requests."""

    def __init__(self) -> None:
        self.news = asyncio.Event()
        self.states: list[tuple[str, str, str]] = []
        self.results: list[tuple[str, str]] = []

    def changed(self, peer: str, state: State, reason: str) -> None:
        self.states.append((peer, state.value, reason))
        self.news.set()

    def answered(self, peer: str, result: str, seconds: float) -> None:
        del seconds
        self.results.append((peer, result))
        self.news.set()

    def overloaded(self, hss: str, whose: str, report: Report) -> None:
        raise AssertionError(f"{hss}: {whose}: {report}")

    def spared(self, hss: str) -> None:
        raise AssertionError(hss)


def self_signed(name: str) -> dict[str, bytes]:
    """Return certificate and key of a node."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)  # noqa: TID251 - a certificate is good as of now
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    form, bare = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return {
        "cert.pem": certificate.public_bytes(pem),
        "key.pem": key.private_bytes(pem, form, bare),
    }


def relay(folder: Path, name: str) -> subprocess.Popen[bytes]:
    """Start a freeDiameter that lets everybody of the realm in and connects to the HSS."""
    place = folder / name
    place.mkdir()
    # It wants a certificate of its name, and is then told to use none.
    for file, content in self_signed(f"{name}.{REALM}").items():
        (place / file).write_bytes(content)
    (place / "acl.conf").write_text(f"ALLOW_IPSEC *.{REALM}\n")
    config = place / "freeDiameter.conf"
    config.write_text(f"""
Identity = "{name}.{REALM}";
Realm = "{REALM}";
Port = 3868;
SecPort = 0;
No_SCTP;
No_IPv6;
ListenOn = "{RELAYS[name]}";
TcTimer = 1;
TwTimer = 6;
TLS_Cred = "{place}/cert.pem", "{place}/key.pem";
TLS_CA = "{place}/cert.pem";
LoadExtension = "acl_wl.fdx" : "{place}/acl.conf";
ConnectPeer = "{HSS}" {{ ConnectTo = "{HSS_ADDRESS}"; Port = 3868; No_TLS; }};
""")
    with (place / "log").open("wb") as log:
        return subprocess.Popen(["freeDiameterd", "-c", config], stdout=log, stderr=log)


class World:
    """Our node, two relays, our HSS."""

    def __init__(self, node: DiameterNode, diary: Diary, hss: HssServer) -> None:
        self.node = node
        self.diary = diary
        self.hss = hss
        route = RouteConfig(name="home", peers=tuple(RELAYS), patience_s=2.0)
        config = swx.Config(route=route, realm=REALM, host=HSS)
        self.vectors = swx.open_vectors(config, node=node)
        sgsn = s6a.Config(route=route, realm=REALM, host=HSS, visited_plmn="001-01")
        cscf = cx.Config(
            route=route,
            realm=REALM,
            host=HSS,
            domain="ims.mnc001.mcc001.3gppnetwork.org",
            server_name="sip:ecs.example.com",
        )
        self.others = {
            "s6a": s6a.open_vectors(sgsn, node=node),
            "cx": cx.open_vectors(cscf, node=node),
        }

    async def until(self, condition: Any) -> None:
        async with asyncio.timeout(_WAIT_S):
            while not condition():
                self.diary.news.clear()
                await self.diary.news.wait()

    async def fetch(self, variant: Variant = Variant.AKA, **more: Any) -> AuthVector:
        request = VectorRequest("default", more.pop("imsi", IMSI), variant, **more)
        return await self.vectors.fetch(request, deadline=time.monotonic() + 10)

    async def outcome(self, **more: Any) -> str:
        """Return the reason of a fetch, ``vector`` where it brought one."""
        try:
            await self.fetch(**more)
        except EcsError as error:
            return error.reason
        return "vector"


async def scenes(world: World, relays: dict[str, subprocess.Popen[bytes]]) -> dict[str, Any]:
    """Play one scene after another, and return what was seen in each."""
    found: dict[str, Any] = {}
    hss, diary = world.hss, world.diary

    async with asyncio.timeout(_WAIT_S):
        # It has the HSS a moment after the HSS has it, and until then says that it cannot deliver.
        while not hss.seen or hss.seen[-1].peer != f"dra1.{REALM}":
            await world.outcome()
    card = SoftUsim(KEYS)
    vector = await world.fetch()
    found["vector"] = isinstance(card.authenticate(vector.rand, vector.autn), UsimSuccess)
    found["through"] = hss.seen[-1].peer
    vector = await world.fetch(Variant.AKA_PRIME)
    found["prime"] = isinstance(card.authenticate(vector.rand, vector.autn), UsimSuccess)

    for name, vectors in world.others.items():
        asked = VectorRequest("default", IMSI, Variant.AKA)
        vector = await vectors.fetch(asked, deadline=time.monotonic() + 10)
        found[name] = isinstance(card.authenticate(vector.rand, vector.autn), UsimSuccess)
    found["interfaces"] = [each.interface for each in list(hss.seen)[-2:]]

    ahead = SoftUsim(KEYS, taken=[1 << 46 | ind for ind in range(32)])
    refused = ahead.authenticate(vector.rand, vector.autn)
    assert isinstance(refused, UsimSyncFailure)
    again = await world.fetch(resync=Resync(vector.rand, refused.auts))
    found["resync"] = isinstance(ahead.authenticate(again.rand, again.autn), UsimSuccess)

    found["unknown"] = await world.outcome(imsi=Imsi("001010099999999"))
    many = await asyncio.gather(*(world.outcome() for _ in range(200)))
    found["many"] = sorted(set(many))

    hss.plan = Plan(fault=Fault.BUSY, times=1)
    before = len(hss.seen)
    found["busy"] = await world.outcome()
    found["busy_seen"] = [asdict_of(seen) for seen in list(hss.seen)[before:]]

    hss.push(Command.PUSH_PROFILE, IMSI.digits, to=world.node.node.host)
    await world.until(lambda: hss.told)
    found["pushed"] = pull_result(hss.told[0].avps)

    # The active relay dies as processes do, with requests under way.
    hss.plan = Plan(fault=Fault.SLOW, delay_s=1.0)
    before = len(hss.seen)
    asking = [asyncio.create_task(world.outcome()) for _ in range(50)]
    await world.until(lambda: len(hss.seen) - before == 50)
    hss.plan = None
    relays["dra1"].kill()
    found["failover"] = sorted(set(await asyncio.gather(*asking)))
    seen = list(hss.seen)[before:]
    first = {each.end_to_end for each in seen if each.peer.startswith("dra1")}
    second = {each.end_to_end for each in seen if each.peer.startswith("dra2")}
    found["failover_same_ids"] = first == second and len(first) == 50
    found["failover_flagged"] = all(e.repeated for e in seen if e.peer.startswith("dra2"))
    await world.until(lambda: world.node.states()["dra1"] is State.CLOSED)

    # The other one stops in good order: it says good-bye, and comes back.
    relays["dra2"].terminate()
    await world.until(lambda: world.node.states()["dra2"] is State.CLOSED)
    found["stopped"] = [reason for peer, state, reason in diary.states if peer == "dra2"][-1]
    found["nobody"] = await world.outcome()
    return found


def asdict_of(seen: Any) -> dict[str, Any]:
    return {key: value for key, value in asdict(seen).items() if key in ("peer", "repeated")}


async def main(folder: Path) -> dict[str, Any]:
    hss = HssServer(Auc(demo_sims()), host=HSS, realm=REALM, address=HSS_ADDRESS, port=3868)
    diary = Diary()
    hss.changed = diary.news
    await hss.up()
    relays = {name: relay(folder, name) for name in RELAYS}
    peers = [
        PeerConfig(
            name=name,
            host=f"{name}.{REALM}",
            address=address,
            priority=number,
            watchdog=WatchdogRules(tw_s=6),
            retry=RetryRules(first_wait_s=0.2, longest_wait_s=1.0),
        )
        for number, (name, address) in enumerate(RELAYS.items())
    ]
    us = Node(f"ecs-0.{REALM}", REALM, "simgrant", APPLICATIONS, int(time.time()))
    node = DiameterNode(us, peers, watcher=diary, clock=MachineClock(), handlers=HANDLERS)
    running = asyncio.create_task(node.run())
    world = World(node, diary, hss)
    try:
        await world.until(lambda: len(hss.connections) == len(RELAYS))
        await world.until(lambda: set(node.states().values()) == {State.OKAY})
        found = await scenes(world, relays)
        # One of them anew: doubtful at first, since it was lost without a good-bye.
        relays["anew"] = relay(folder / "anew", "dra1")
        await world.until(lambda: node.states()["dra1"] is State.OKAY)
        await world.until(lambda: hss.connections)
        found["back"] = [state for peer, state, _ in diary.states if peer == "dra1"]
        found["served_again"] = await world.outcome()
        found["watchdog_of_the_relay"] = await _watched(world)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await hss.leave()
        for process in relays.values():
            process.kill()
            process.wait()
    return found


async def _watched(world: World) -> bool:
    """Say whether relay and HSS exchange watchdogs, and ours stays connected meanwhile."""
    before = world.hss.watchdogs
    await world.until(lambda: world.hss.watchdogs >= before + 2)
    return world.node.states()["dra1"] is State.OKAY


if __name__ == "__main__":
    place = Path(sys.argv[1])
    (place / "anew").mkdir()
    for command in (
        ["ip", "link", "set", "lo", "up"],
        *(
            ["ip", "addr", "add", f"{each}/32", "dev", "lo"]
            for each in (*RELAYS.values(), HSS_ADDRESS)
        ),
    ):
        subprocess.run(command, check=True)
    print(json.dumps(asyncio.run(main(place))))
