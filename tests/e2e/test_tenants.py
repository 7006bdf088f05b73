"""The same IMSI in two tenants, on two nodes: two subscriptions that know nothing of each other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.e2e.nodes import SIMS, Node, Site
from tests.e2e.phones import ENABLED, INCOMPATIBLE, Phone, cookie_of, token_of, vowifi_of

pytestmark = pytest.mark.e2e

RED, BLUE = "red.example", "blue.example:443"
OTHERS_IMEI = "353270040000006"


@pytest.fixture
def tenants(site: Site) -> Site:
    """A site with two tenants told apart by host, and one IMSI in both: blue's has no VoWiFi."""
    site.settings = {
        **site.settings,
        "tenants.red.hosts": ["red.example"],
        "tenants.red.plmns": ["001-01"],
        "tenants.blue.hosts": ["blue.example"],
        "tenants.blue.plmns": ["001-01"],
    }
    asyncio.run(site.provision(SIMS[:1], tenant="red"))
    asyncio.run(site.provision(SIMS[:1], tenant="blue", plan="basic"))
    return site


@pytest.fixture
async def red() -> AsyncIterator[Phone]:
    async with Phone(host=RED) as phone:
        yield phone


@pytest.fixture
async def blue() -> AsyncIterator[Phone]:
    async with Phone(host=BLUE, terminal_id=OTHERS_IMEI) as phone:
        yield phone


async def test_one_imsi_in_two_tenants_is_two_subscriptions_everywhere(
    tenants: Site, red: Phone, blue: Phone
) -> None:
    nodes = tenants.started(2)
    one, other = nodes
    for first, second in ((one, other), (other, one)):
        assert vowifi_of(await red.full(first, second)) == ENABLED
        assert vowifi_of(await blue.full(first, second)) == INCOMPATIBLE

    # No token of one works for the other.
    reds, blues = red.token, blue.token
    red_with_blues = Phone(host=RED, terminal_id=OTHERS_IMEI)
    blue_with_reds = Phone(host=BLUE)
    async with red_with_blues, blue_with_reds:
        for node in nodes:
            assert (await red_with_blues.fast(node, blues)).status == 511
            assert (await blue_with_reds.fast(node, reds)).status == 511
            assert vowifi_of(await red.fast(node, reds)) == ENABLED
            assert vowifi_of(await blue.fast(node, blues)) == INCOMPATIBLE

        # No session begun with one is finished with the other, and trying spoils nothing.
        for mine, stranger, status in (
            (red, blue_with_reds, ENABLED),
            (blue, red_with_blues, INCOMPATIBLE),
        ):
            challenge = await mine.begin(one)
            reply, cookie = mine.reply(challenge), cookie_of(challenge)
            for node in nodes:
                assert (await stranger.finish(node, reply, cookie)).status == 511
            assert vowifi_of(await mine.finish(other, reply, cookie)) == status
            assert (await stranger.finish(one, reply, cookie)).status == 511

    await _assert_told_apart(tenants, nodes, red, blue)


async def _assert_told_apart(site: Site, nodes: list[Node], red: Phone, blue: Phone) -> None:
    """What is kept of one is not shown with the other, and ends without it."""
    for node in nodes:
        assert node.stop() == 0  # every record is written by then
    lines = [line for node in nodes for line in node.requests()]
    by_tenant: dict[str, set[str]] = {"red": set(), "blue": set()}
    references: dict[str, set[str]] = {"red": set(), "blue": set()}
    for line in lines:
        if not line["tenant"]:
            # Tried with the other's host: nobody's, and it names nobody.
            assert (line["status"], line["subscriber_ref"]) == (511, "")
            continue
        by_tenant[line["tenant"]].add(line["request_id"])
        references[line["tenant"]].add(line["subscriber_ref"])
    assert not references["red"] & references["blue"]

    held = {name: await asyncio.to_thread(_export, site, name) for name in by_tenant}
    for name, phone in (("red", red), ("blue", blue)):
        data = held[name]
        assert {record["request_id"] for record in data["records"]} == by_tenant[name]
        assert {each["terminal_id"] for each in data["terminals"]} == {phone.terminal_id}
        assert {record["tenant"] for record in data["records"]} == {name}


def _export(site: Site, tenant: str) -> dict[str, Any]:
    done = site.command("subscription", "export", SIMS[0].imsi.digits, "--tenant", tenant)
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


async def test_revoking_in_one_tenant_leaves_the_other_alone(
    tenants: Site, red: Phone, blue: Phone
) -> None:
    node = tenants.node()
    reds, blues = token_of(await red.full(node)), token_of(await blue.full(node))
    await asyncio.to_thread(
        tenants.command, "token", "revoke", SIMS[0].imsi.digits, "--tenant", "red"
    )
    assert (await red.fast(node, reds)).status == 511
    assert (await blue.fast(node, blues)).status == 200
