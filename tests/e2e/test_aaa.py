"""SIMs that a 3GPP AAA server authenticates, with processes: a server, the AAA server, and phones.

No AAA server of others is to be had for a test. The simulated one shares the codecs with the
server, and the EAP machine, which the server does not use where it relays.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from simgrant.sim.aaa.faults import Fault, Plan
from simgrant.sim.aaa.server import AaaServer
from simgrant.sim.hss.auc import Auc
from tests.e2e.nodes import Node, Site, until
from tests.e2e.phones import ENABLED, cookie_of, packet_of, vowifi_of
from tests.e2e.test_hss import REALM, THEIRS, phone

pytestmark = pytest.mark.e2e

AAA = f"aaa.{REALM}"


def settings(port: int, **more: object) -> dict[str, object]:
    return {
        "diameter.origin_host": f"ecs-%d.{REALM}",
        "diameter_peers.sim.host": AAA,
        "diameter_peers.sim.address": f"127.0.0.1:{port}",
        "aaa.sim.realm": REALM,
        "aaa.sim.peers": ["sim"],
        "auth.vector_timeout_s": 1.0,
        **more,
    }


@asynccontextmanager
async def server() -> AsyncIterator[AaaServer]:
    made = AaaServer(Auc(THEIRS), host=AAA, realm=REALM)
    await made.up()
    try:
        yield made
    finally:
        await made.down()


@pytest.fixture
def site(sqlite_site: Site) -> Site:
    """What holds of one store holds of the other here."""
    return sqlite_site


async def start(site: Site, port: int, *arguments: str, **more: object) -> Node:
    return await asyncio.to_thread(site.node, *arguments, settings=settings(port, **more))


@pytest.mark.parametrize(
    ("interface", "application"), [("swm", 16777264), ("sta", 16777250), ("eap", 5)]
)
@pytest.mark.conforms("aaa.1001", "aaa.2001")
async def test_a_phone_gets_its_document_over_each_interface(
    site: Site, interface: str, application: int
) -> None:
    async with server() as aaa, phone() as ours, phone(1, ahead=True) as late:
        node = await start(site, aaa.port, **{"aaa.sim.interface": interface})
        assert vowifi_of(await ours.full(node)) == ENABLED
        assert [seen.shown for seen in aaa.heard] == ["1001 MULTI_ROUND_AUTH", "2001 SUCCESS"]
        assert {seen.application for seen in aaa.heard} == {application}
        assert vowifi_of(await late.full(node)) == ENABLED
        assert [seen.result[1] for seen in aaa.heard][2:] == [1001, 1001, 2001]
        assert vowifi_of(await ours.fast(node)) == ENABLED
        assert await asyncio.to_thread(node.stop) == 0
        text = node.out.read_text()
        assert not [sim for sim in (ours.sim, late.sim) if sim.imsi.digits in text]


async def test_any_worker_and_any_node_goes_on_with_a_conversation(site: Site) -> None:
    async with server() as aaa:
        node = await start(site, aaa.port, "--workers", "2")
        other = await start(site, aaa.port, **{"diameter.origin_host": f"other-%d.{REALM}"})
        changed = False
        for number in range(40):
            aaa.heard.clear()
            async with phone(number, ahead=number % 2 == 0) as ours:
                assert vowifi_of(await ours.full(node, other)) == ENABLED
            async with phone(number + 40) as ours:
                assert vowifi_of(await ours.full(node)) == ENABLED
            of_session: dict[str, set[str]] = {}
            for seen in aaa.heard:
                of_session.setdefault(seen.session_id, set()).add(seen.peer)
            peers = set().union(*of_session.values())
            if len(peers) == 3:
                changed = True
                break
        assert changed
        assert any(len(found) == 2 for found in of_session.values())


async def test_the_answer_posted_again_gets_the_document_again_and_is_not_relayed_twice(
    site: Site,
) -> None:
    async with server() as aaa, phone() as ours:
        node = await start(site, aaa.port)
        challenge = await ours.begin(node)
        reply, cookie = ours.reply(challenge), cookie_of(challenge)
        assert vowifi_of(await ours.finish(node, reply, cookie)) == ENABLED
        heard = len(aaa.heard)
        assert vowifi_of(await ours.finish(node, reply, cookie)) == ENABLED
        assert len(aaa.heard) == heard


def _outcomes(node: Node) -> list[str]:
    return [line["outcome"] for line in node.requests()]


WAYS = [
    (Plan(fault=Fault.IDENTITY_ROUNDS), 200, "document"),
    (Plan(fault=Fault.ENDLESS_IDENTITY), 403, "aaa_identity_rounds"),
    (Plan(fault=Fault.OTHER_METHOD), 403, "aaa_other_method"),
    (Plan(fault=Fault.NOTIFICATION), 403, "aaa_notification"),
    (Plan(fault=Fault.REJECT), 403, "aaa_rejected"),
    (Plan(fault=Fault.RESULT, vendor=10415, code=5001), 403, "aaa_user_unknown"),
    *(
        (Plan(fault=Fault.RESULT, vendor=10415, code=code), 403, "aaa_no_subscription")
        for code in (5420, 5421, 5450, 5451, 5452)
    ),
    (Plan(fault=Fault.RESULT, vendor=10415, code=5003), 403, "aaa_not_registered"),
    (Plan(fault=Fault.RESULT, vendor=0, code=3002), 503, "aaa_unreachable"),
    *(
        (Plan(fault=Fault.RESULT, vendor=0, code=code), 503, "aaa_not_routed")
        for code in (3001, 3003, 3005, 3007, 3008, 3009, 3010)
    ),
    (Plan(fault=Fault.RESULT, vendor=0, code=3006), 503, "diameter_redirect_malformed"),
    (Plan(fault=Fault.RESULT, vendor=0, code=5001), 503, "aaa_refused_request"),
    (Plan(fault=Fault.RESULT, vendor=0, code=5002), 503, "aaa_session_lost"),
    (Plan(fault=Fault.RESULT, vendor=0, code=2002), 503, "aaa_error"),
    (Plan(fault=Fault.BUSY), 503, "aaa_busy"),
    (Plan(fault=Fault.SUCCESS), 503, "aaa_success_unearned"),
    (Plan(fault=Fault.NO_PAYLOAD), 503, "aaa_malformed"),
    (Plan(fault=Fault.GARBAGE), 503, "aaa_malformed"),
    (Plan(fault=Fault.LONG_STATE), 503, "aaa_state_too_long"),
    (Plan(fault=Fault.OTHER_SESSION), 503, "aaa_other_session"),
    (Plan(fault=Fault.OTHER_USER), 503, "aaa_other_user"),
    (Plan(fault=Fault.SILENT), 503, "diameter_timeout"),
    (Plan(fault=Fault.NONSENSE), 503, "diameter_lost"),
]


@pytest.mark.spec("TS.43 §2.8.1")
@pytest.mark.conforms(
    "aaa.4001", "aaa.5001", "aaa.5003", "aaa.others", "aaa.no-usable-subscription"
)
async def test_what_a_phone_is_told_of_an_aaa_server_that_goes_its_own_way(site: Site) -> None:
    async with server() as aaa:
        node = await start(site, aaa.port)
        for number, (plan, status, outcome) in enumerate(WAYS):
            await until(
                lambda: node.metric("simgrant_diameter_peers", peer="sim", state="okay") == 1,
                what="the connection",
            )
            aaa.wrong = plan
            async with phone(number % len(THEIRS)) as ours:
                assert (await ours.full(node)).status == status, plan
            await until(
                lambda: _outcomes(node)[-1:] == [outcome],  # noqa: B023
                what=f"{outcome}, not {_outcomes(node)}",
            )
        aaa.wrong = None


async def test_a_wrong_answer_ends_the_session_and_bytes_that_are_none_do_not(site: Site) -> None:
    async with server() as aaa, phone() as ours:
        node = await start(site, aaa.port)
        challenge = await ours.begin(node)
        reply, cookie = ours.reply(challenge), cookie_of(challenge)
        assert (await ours.finish(node, reply[:-1], cookie)).status == 400
        assert len(aaa.heard) == 1
        wrong = reply[:-1] + bytes((reply[-1] ^ 1,))
        assert (await ours.finish(node, wrong, cookie)).status == 403
        assert aaa.heard[-1].shown.startswith("4001")
        assert (await ours.finish(node, reply, cookie)).status == 511
        other = await ours.begin(node)
        reply = ours.reply(other)
        reply = bytes((reply[0], reply[1] ^ 1)) + reply[2:]
        assert (await ours.finish(node, reply, cookie_of(other))).status == 403
        wanted = ["eap_malformed", "aaa_rejected", "session_over", "wrong_header"]
        await until(
            lambda: [each for each in _outcomes(node) if each != "challenge"] == wanted,
            what="the records",
        )


async def test_who_is_unknown_to_it_is_challenged_all_the_same_where_that_is_hidden(
    site: Site,
) -> None:
    async with server() as aaa, phone() as ours:
        node = await start(site, aaa.port, **{"auth.hide_unknown": True})
        aaa.wrong = Plan(fault=Fault.RESULT, vendor=10415, code=5001)
        challenge = await ours.begin(node)
        assert challenge.status == 200
        reject = b"\x02" + packet_of(challenge)[1:2] + bytes.fromhex("000817020000")
        assert (await ours.finish(node, reject, cookie_of(challenge))).status == 403
        assert len(aaa.heard) == 1
