"""What a server writes in a whole run: a line for each request, and nothing about anybody."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from simgrant.config.load import DEFAULT_TENANT
from simgrant.identities import Imsi
from simgrant.sim.sims import DEMO_K, DEMO_OPC, Sim
from tests.e2e.nodes import NO_LIMITS, SIMS, Node, Site
from tests.e2e.phones import IMEI, Phone, cookie_of
from tests.servers.postgres import Postgres

pytestmark = pytest.mark.e2e


async def _live(phone: Phone, nodes: list[Node], site: Site) -> None:
    """Let a phone see all there is: good answers, refusals, and an end of its token."""
    one, other = nodes
    assert (await phone.full(one, other)).status == 200
    assert (await phone.fast(one)).status == 200
    challenge = await phone.begin(other)
    reply, cookie = phone.reply(challenge), cookie_of(challenge)
    wrong = reply[:-1] + bytes((reply[-1] ^ 1,))
    assert (await phone.finish(one, wrong, cookie)).status == 403
    assert (await phone.finish(other, reply, cookie)).status == 511
    assert (await phone.finish(other, reply, cookie[:-3])).status == 511
    assert (await phone.finish(other, reply[:-5], cookie)).status in (400, 511)
    assert (await phone.fast(one, phone.token[:-2])).status == 511
    async with site.store() as store:
        await store.revoke_tokens(DEFAULT_TENANT, phone.sim.imsi, None)
    assert (await phone.fast(other)).status == 511
    assert (await phone.full(other)).status == 200


async def test_a_whole_run_leaves_one_line_for_each_request_and_no_name_of_anybody(
    durable: Postgres, durable_site: Site
) -> None:
    site = durable_site
    nodes = [site.node(settings=NO_LIMITS), site.node("--workers", "2", settings=NO_LIMITS)]
    phones = [
        Phone(SIMS[0]),
        Phone(SIMS[1], ahead=True),
        Phone(SIMS[2], terminal_id="3f2504e0-4f89-11d3-9a0c-0305e82c3301"),
    ]
    for phone in phones:
        await _live(phone, nodes, site)
    async with Phone(Sim(imsi=_stranger(), k=DEMO_K, opc=DEMO_OPC)) as unknown:
        assert (await unknown.full(nodes[0])).status == 403
        phones.append(unknown)

    # Where things go wrong, more is said: it must be as discreet.
    durable.kill()
    for node in nodes:
        assert (await phones[0].fast(node)).status == 503
        assert (await phones[0].begin(node)).status == 503
    durable.restart()
    for node in nodes:
        await asyncio.to_thread(node.await_ready)
        node.hang_up()
        assert (await phones[0].full(node)).status == 200
    for phone in phones:
        await phone.__aexit__()
    for node in nodes:
        assert await asyncio.to_thread(node.stop) == 0

    _assert_one_line_each(nodes, phones)
    _assert_discreet(nodes, phones)


def _stranger() -> Imsi:
    return Imsi("001010000009999")


def _assert_one_line_each(nodes: list[Node], phones: list[Phone]) -> None:
    """The lines are those of the answers, each once, with the status that the phone saw."""
    answered = Counter(
        (answer.first("x-request-id"), answer.status) for phone in phones for answer in phone.seen
    )
    logged = Counter(
        (line["request_id"], line["status"]) for node in nodes for line in node.requests()
    )
    assert logged == answered
    assert set(logged.values()) == {1}
    for node in nodes:
        for line in node.lines():
            assert "uvicorn.access" not in str(line.get("logger"))


def _assert_discreet(nodes: list[Node], phones: list[Phone]) -> None:
    """Neither log nor standard error names a subscriber, a device or a secret."""
    written = {file: file.read_text() for node in nodes for file in (node.out, node.err)}
    secrets = {IMEI, DEMO_K.hex(), DEMO_OPC.hex()}
    for phone in phones:
        secrets |= {phone.sim.imsi.digits, phone.terminal_id, *phone.secrets}
        # Any readable part of a sealed value would be too much.
        secrets |= {secret[:24] for secret in phone.secrets}
        if phone.sim.msisdn:
            secrets.add(phone.sim.msisdn.digits)
    for file, text in written.items():
        for secret in secrets:
            assert secret.lower() not in text.lower(), f"{secret} in {file}"
        for word in ("GET /", "POST /", "HTTP/1.1", "ECSSID"):
            assert word not in text
