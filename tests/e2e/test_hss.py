"""Vectors from an HSS over Diameter, with processes: a server, an HSS, and phones.

The subscriptions' own keys are in the database too, and are not the HSS's: what a SIM accepts came
from there.
"""

from __future__ import annotations

import asyncio
import json
import re
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from simgrant.identities import Imsi, Msisdn
from simgrant.links.diameter import sctp
from simgrant.ports.network_events import Effect, NetworkEvent
from simgrant.sim.hss.auc import Auc
from simgrant.sim.hss.control import tell_changed, tell_ended
from simgrant.sim.hss.faults import Fault, Plan
from simgrant.sim.hss.server import HssServer
from simgrant.sim.sims import Sim
from simgrant.wire.diameter.base import pull_result
from simgrant.wire.diameter.told import DeregistrationReason
from tests.e2e.nodes import SIMS, Node, Site, until
from tests.e2e.phones import ENABLED, RELAY, Phone, cookie_of, vowifi_of
from tests.servers.process import SIMGRANT, child, free_port, json_line

pytestmark = pytest.mark.e2e

REALM = "epc.mnc001.mcc001.3gppnetwork.org"
HSS = f"hss.{REALM}"
KEY = bytes(range(16))
THEIRS = tuple(replace(sim, k=KEY) for sim in SIMS)
"""The SIMs as they really are: the database has other keys."""


def settings(port: int, **more: object) -> dict[str, object]:
    return {
        "diameter.origin_host": f"ecs-%d.{REALM}",
        "diameter_peers.sim.host": HSS,
        "diameter_peers.sim.address": f"127.0.0.1:{port}",
        "hss.sim.realm": REALM,
        "hss.sim.peers": ["sim"],
        "auth.vector_timeout_s": 1.0,
        **more,
    }


def sim_file(folder: Path) -> Path:
    file = folder / "sims.json"
    rows = [
        {
            "imsi": sim.imsi.digits,
            "k": sim.k.hex(),
            "opc": sim.opc.hex(),
            "msisdn": sim.msisdn.digits if sim.msisdn else "",
        }
        for sim in THEIRS
    ]
    file.write_text(json.dumps(rows))
    return file


@dataclass
class Played:
    """A running `simgrant sim hss`."""

    process: Process

    async def line(self) -> dict[str, Any]:
        """Return the next thing that it prints."""
        return await json_line(self.process)


@asynccontextmanager
async def played(folder: Path, port: int, *options: str) -> AsyncIterator[Played]:
    own = ("--port", str(port), "--sim", str(sim_file(folder)), "--json", *options)
    async with child(*SIMGRANT, "sim", "hss", *own, cwd=folder) as process:
        made = Played(process)
        assert (await made.line())["event"] == "up"
        yield made


@pytest.fixture
def site(sqlite_site: Site) -> Site:
    """What holds of one store holds of the other here."""
    return sqlite_site


async def start(site: Site, port: int, *arguments: str, **more: object) -> Node:
    return await asyncio.to_thread(site.node, *arguments, settings=settings(port, **more))


def _outcomes(node: Node) -> list[str]:
    return [line["outcome"] for line in node.requests()]


def phone(number: int = 0, *, ahead: bool = False) -> Phone:
    sim: Sim = THEIRS[number]
    return Phone(sim, ahead=ahead)


async def test_a_phone_gets_its_document_with_a_vector_of_the_hss(site: Site) -> None:
    port = free_port()
    async with played(site.directory, port) as hss, phone() as ours, phone(1, ahead=True) as late:
        node = await start(site, port)
        assert vowifi_of(await ours.full(node)) == ENABLED
        seen = await hss.line()
        assert seen["peer"] == f"ecs-0.{REALM}"
        assert (seen["scheme"], seen["result"]) == ("EAP-AKA", "2001 SUCCESS")
        assert vowifi_of(await late.full(node)) == ENABLED
        assert [(await hss.line())["resync"] for _ in range(2)] == [False, True]
        assert node.metric("simgrant_diameter_requests_total", peer="sim", result="2001") == 3
        assert node.metric("simgrant_diameter_peers", peer="sim", state="okay") == 1
        assert node.stop() == 0
        # No identity and no key is in the log.
        text = node.out.read_text()
        for sim in (ours.sim, late.sim):
            assert sim.imsi.digits not in text
        assert KEY.hex() not in text


OVER = [
    (
        {
            "hss.sim.interface": "cx",
            "hss.sim.ims_domain": "ims.mnc001.mcc001.3gppnetwork.org",
            "hss.sim.server_name": "sip:ecs.ims.mnc001.mcc001.3gppnetwork.org",
        },
        "Digest-AKAv1-MD5",
    ),
    ({"hss.sim.interface": "s6a", "hss.sim.visited_plmn": "001-01"}, "UTRAN"),
]


@pytest.mark.parametrize(("own", "scheme"), OVER, ids=["cx", "s6a"])
async def test_a_phone_gets_its_document_over_each_interface(
    site: Site, own: dict[str, str], scheme: str
) -> None:
    port = free_port()
    async with played(site.directory, port) as hss, phone() as ours, phone(1, ahead=True) as late:
        node = await start(site, port, **own)
        assert vowifi_of(await ours.full(node)) == ENABLED
        seen = await hss.line()
        assert (seen["interface"], seen["scheme"]) == (own["hss.sim.interface"], scheme)
        assert vowifi_of(await late.full(node)) == ENABLED
        assert [(await hss.line())["resync"] for _ in range(2)] == [False, True]
        assert vowifi_of(await ours.fast(node)) == ENABLED
        assert node.stop() == 0


async def test_a_phone_gets_its_document_over_sctp_or_the_server_says_that_there_is_none(
    site: Site,
) -> None:
    port, own = free_port(), {"diameter_peers.sim.transport": "sctp"}
    if not sctp.is_there():
        node = site.prepared(settings=settings(port, **own))
        node.launch()
        assert node.wait(30) == 2
        assert "this kernel has no SCTP" in node.err.read_text()
        return
    async with played(site.directory, port, "--sctp") as hss, phone() as ours:
        node = await start(site, port, **own)
        assert vowifi_of(await ours.full(node)) == ENABLED
        assert (await hss.line())["result"] == "2001 SUCCESS"
        assert node.stop() == 0


async def test_each_worker_is_a_peer_of_its_own(site: Site) -> None:
    port = free_port()
    async with played(site.directory, port) as hss:
        node = await start(site, port, "--workers", "2")
        peers = set()
        for number in range(40):
            async with phone(number) as ours:
                assert vowifi_of(await ours.full(node)) == ENABLED
            peers.add((await hss.line())["peer"])
            if len(peers) == 2:
                break
        assert peers == {f"ecs-{worker}.{REALM}" for worker in range(2)}
        assert node.metric("simgrant_diameter_peers", peer="sim", state="okay") == 2
        assert "\nhss.sim: okay 2; " in node.get("readyz")[1]


async def test_an_hss_that_is_gone_is_503_and_whoever_has_a_token_does_not_notice(
    site: Site,
) -> None:
    port = free_port()
    async with phone() as ours, phone(1) as other:
        async with played(site.directory, port):
            node = await start(site, port)
            assert vowifi_of(await ours.full(node)) == ENABLED
        await until(
            lambda: node.metric("simgrant_diameter_peers", peer="sim", state="closed") == 1,
            what="the connection lost",
        )
        refused = await other.full(node)
        assert refused.status == 503
        assert int(refused.first("retry-after")) > 0
        await until(lambda: _outcomes(node)[-1:] == ["diameter_no_peer"], what="the record")
        assert vowifi_of(await ours.fast(node)) == ENABLED
        status, told = node.get("readyz")
        assert (status, told.splitlines()[0]) == (200, "ready")
        assert re.fullmatch(
            r"hss\.sim: okay 1; \S+ ms; vector 1, unavailable 1", told.splitlines()[1]
        )
        async with played(site.directory, port) as hss:
            await until(
                lambda: node.metric("simgrant_diameter_peers", peer="sim", state="closed") == 0,
                what="the connection back",
            )
            assert vowifi_of(await other.full(node)) == ENABLED
            assert (await hss.line())["result"] == "2001 SUCCESS"


NOS = [
    (Plan(fault=Fault.UNKNOWN_USER), 403, "hss_user_unknown"),
    (Plan(fault=Fault.RESULT, vendor=10415, code=5450), 403, "hss_no_subscription"),
    (Plan(fault=Fault.BUSY), 503, "hss_busy"),
    (Plan(fault=Fault.NO_KEYS), 503, "hss_vector_malformed"),
    (Plan(fault=Fault.SILENT), 503, "diameter_timeout"),
    (Plan(fault=Fault.CLOSE), 503, "diameter_lost"),
]


async def test_what_a_phone_is_told_of_an_hss_that_says_no(site: Site) -> None:
    hss = HssServer(Auc(THEIRS), host=HSS, realm=REALM)
    await hss.up()
    node = await start(site, hss.port)
    for number, (plan, status, outcome) in enumerate(NOS):
        hss.plan = plan
        async with phone(number) as ours:
            assert (await ours.full(node)).status == status, plan
        await until(lambda: len(node.requests()) > number, what="the record")  # noqa: B023
        assert node.requests()[-1]["outcome"] == outcome
    hss.plan = None
    await until(
        lambda: node.metric("simgrant_diameter_peers", peer="sim", state="closed") == 0,
        what="the connection back",
    )
    async with phone(len(NOS)) as ours:
        assert vowifi_of(await ours.full(node)) == ENABLED
    assert await asyncio.to_thread(node.stop) == 0
    assert hss.left == [f"ecs-0.{REALM}"]
    await hss.down()


async def test_while_an_hss_is_spared_phones_come_back_later_and_tokens_are_good(
    site: Site,
) -> None:
    hss = HssServer(Auc(THEIRS), host=HSS, realm=REALM)
    await hss.up()
    hss.plan = Plan(fault=Fault.OVERLOAD, percent=100, seconds=60, times=1)
    node = await start(site, hss.port)
    async with phone() as ours, phone(1) as other:
        assert vowifi_of(await ours.full(node)) == ENABLED
        refused = await other.full(node)
        assert refused.status == 503
        # What is left of the report, and as much again as spreads phones.
        assert 50 <= int(refused.first("retry-after")) <= 80
        assert vowifi_of(await ours.fast(node)) == ENABLED
    await until(lambda: "diameter_overloaded" in _outcomes(node), what="the record")
    assert node.metric("simgrant_diameter_spared_total", hss="sim") == 1
    (told,) = [line for line in node.lines() if line["event"] == "diameter_overload"]
    assert (told["hss"], told["host"], told["percent"], told["seconds"]) == ("sim", HSS, 100, 60)
    assert "hss.sim: okay 1" in node.get("readyz")[1]
    assert len(hss.seen) == 1
    assert await asyncio.to_thread(node.stop) == 0
    await hss.down()


async def test_phones_are_served_by_an_hss_behind_an_slf(site: Site) -> None:
    slf, hss = (
        HssServer(Auc(THEIRS), host=f"{name}.{REALM}", realm=REALM) for name in ("slf", "hss")
    )
    for each in (slf, hss):
        await each.up()
    slf.plan = Plan(fault=Fault.REDIRECT, to=(f"aaa://{HSS}",), usage=6, seconds=60)
    node = await start(
        site,
        hss.port,
        **{
            "diameter_peers.slf.host": f"slf.{REALM}",
            "diameter_peers.slf.address": f"127.0.0.1:{slf.port}",
            "hss.sim.peers": ["slf"],
            "hss.sim.redirects_to": ["sim"],
        },
    )
    async with phone() as ours, phone(1, ahead=True) as late:
        for _ in range(2):
            assert vowifi_of(await ours.full(node)) == ENABLED
        assert vowifi_of(await late.full(node)) == ENABLED
    # It was asked about each user once, and a resynchronisation goes to where he is.
    assert [len(slf.seen), len(hss.seen)] == [2, 4]
    assert await asyncio.to_thread(node.stop) == 0
    for each in (slf, hss):
        await each.down()


async def test_several_workers_with_one_name_do_not_start(site: Site) -> None:
    node = site.prepared(
        "--workers",
        "2",
        settings=settings(free_port(), **{"diameter.origin_host": f"ecs.{REALM}"}),
    )
    node.launch()
    assert await node.ended(within=60) != 0
    assert "with several workers it needs %d" in node.err.read_text()


async def test_who_has_ended_at_the_hss_has_no_good_token_any_more(site: Site) -> None:
    hss = HssServer(Auc(THEIRS), host=HSS, realm=REALM, port=free_port())
    await hss.up()
    try:
        async with phone() as ours, phone(1) as other:
            node = await start(site, hss.port)
            for each in (ours, other):
                assert vowifi_of(await each.full(node)) == ENABLED
            told = "swx_registration_termination"
            tell_changed(hss, ours.sim.imsi.digits, "swx")
            tell_ended(hss, ours.sim.imsi.digits, "swx", DeregistrationReason.NEW_SERVER_ASSIGNED)
            await until(lambda: _done(node, "swx_push_profile") == 1, what="the change")
            await until(lambda: _done(node, told) == 1, what="the other server")
            assert vowifi_of(await ours.fast(node)) == ENABLED
            tell_ended(hss, ours.sim.imsi.digits, "swx")
            await until(lambda: _done(node, told) == 2, what="the end")
            assert not (await ours.fast(node)).body.count(b"VoWiFi")
            assert vowifi_of(await other.fast(node)) == ENABLED
            assert [pull_result(each.avps) for each in hss.told] == [(0, 2001)] * 3
            await until(lambda: bool(_revoked(node)), what="the log line")
            (line,) = _revoked(node)
            assert (line["event"], line["told"], line["peer"]) == ("network", told, "sim")
            assert ours.sim.imsi.digits not in node.out.read_text()
            assert node.stop() == 0
    finally:
        await hss.down()


async def test_what_a_killed_server_had_acknowledged_is_done_by_the_next(site: Site) -> None:
    async with phone() as ours, played(site.directory, port := free_port()):
        node = await start(site, port)
        assert vowifi_of(await ours.full(node)) == ENABLED
        node.kill()
        # What it had written when it acknowledged, and not acted upon when it was killed.
        told = "swx_registration_termination"
        event = NetworkEvent(ours.sim.imsi, told, "permanent_termination", Effect.REVOKE)
        async with site.store() as store:
            assert await store.inbox.put(["default"], event, peer="sim", at=1) == 1
        node = await start(site, port)
        await until(lambda: _done(node, told) == 1, what="the end")
        assert not (await ours.fast(node)).body.count(b"VoWiFi")


async def test_a_number_that_the_database_lacks_is_the_hss_s(site: Site) -> None:
    bare = replace(SIMS[0], imsi=Imsi("001010000000999"), msisdn=None)
    await site.provision((bare,), tenant="default")
    known = replace(bare, k=KEY, msisdn=Msisdn("447700900999"))
    hss = HssServer(Auc([known]), host=HSS, realm=REALM, port=free_port())
    await hss.up()
    try:
        node = await start(site, hss.port, **{"hss.sim.tells": ["number"]})
        for _ in range(2):
            async with Phone(known) as ours:
                query = ours.query(("EAP_ID", known.nai())).replace(
                    "app=ap2004", "app=ap2014&operation=GetPhoneNumber"
                )
                query = query.replace("entitlement_version=2.0", "entitlement_version=12.0")
                first = await ours._send(node, "GET", f"/?{query}", (("Accept", RELAY),))
                answer = await ours.finish(node, ours.reply(first), cookie_of(first))
                assert b"+447700900999" in answer.body
        asked = [each.scheme for each in hss.seen if each.scheme != "EAP-AKA"]
        assert asked == ["Server-Assignment 12"]
        assert "447700900999" not in node.out.read_text()
        assert node.stop() == 0
    finally:
        await hss.down()


async def test_a_phone_is_where_the_hss_has_it(site: Site) -> None:
    port = free_port()
    own = {
        "hss.sim.tells": ["location"],
        "hss.sim.tells_over": "sh",
        "hss.sim.ims_domain": "ims.example.net",
        "network_data.timeout_s": 9,
    }
    imsi = SIMS[0].imsi.digits
    abroad = ("--at", f"{imsi}=262-01")
    async with played(site.directory, port, *abroad) as hss, phone() as ours:
        site.settings = settings(port, **own)
        node = await asyncio.to_thread(site.node)
        assert vowifi_of(await ours.full(node)) == ENABLED
        # One is for a vector, the other beside it.
        seen = [(await hss.line())["interface"] for _ in range(2)]
        assert sorted(seen) == ["sh", "swx"]
        assert vowifi_of(await ours.fast(node)) == ENABLED
        assert node.metric("simgrant_network_data_total", source="hss.sim", result="told") == 1
        shown = await asyncio.to_thread(site.command, "explain", imsi, "vowifi")
        assert re.search(r"visited_plmn +26201 +location, hss\.sim, \d+ s old", shown.stdout)
        assert node.stop() == 0
        told = node.requests()[-1]
        assert told["facts"]["visited_plmn"] == ["26201", "location, hss.sim"]
        node.assert_no_accident()
        assert imsi not in node.out.read_text()


def _revoked(node: Node) -> list[dict[str, Any]]:
    return [each for each in node.lines() if each.get("outcome") == "revoke"]


def _done(node: Node, event: str) -> float:
    return node.metric("simgrant_network_events_total", event=event, result="done")
