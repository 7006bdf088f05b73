"""A policy that is published while phones ask: each answer is by one, and the next by the new."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from simgrant.compose.policies import policy_desk
from simgrant.domain.policy import default_policy_text
from simgrant.flows.policies import name_of
from simgrant.identities import Imsi
from tests.device import esim
from tests.device.harness import (
    NO_VOWIFI,
    Phone,
    Server,
    Workbench,
    new_subscription,
    service,
)
from tests.portal import browser

PREMIUM = Imsi("001010000000020")
RULE = (
    '[[rule]]\nid = "closed"\nfeatures = ["{feature}"]\nwhen = {{ status = "active" }}\n'
    'result = "denied"\n'
)


def closed(feature: str) -> str:
    return RULE.format(feature=feature) + default_policy_text()


async def publish(server: Server, text: str) -> str:
    """Publish a policy as a command does, and have the worker look; return the version's name."""
    parts = server.parts
    desk = policy_desk(server.loaded, server.store.real, "default", parts.keys)
    newest = await desk.newest()
    seen = newest.change.change if newest is not None else 0
    done = await desk.publish(text, author="ann", comment="why", seen=seen, at=int(server.clock.at))
    await parts.policies.look()
    return name_of(done.version)


async def test_the_next_request_is_decided_by_what_was_published(bench: Workbench) -> None:
    async with bench.opened() as server:
        phone = Phone(server)
        token = await phone.token()
        for text, status in ((closed("vowifi"), "2"), (default_policy_text(), "1")):
            version = await publish(server, text)
            answer = service(await phone.fast(token), "ap2004")
            assert answer["EntitlementStatus"] == status
            assert (await server.records())[-1]["policy"] == version


async def test_a_change_of_a_plan_is_seen_like_one_of_a_rule(bench: Workbench) -> None:
    async with bench.opened() as server:
        phone = Phone(server, NO_VOWIFI)
        token = await phone.token()
        assert service(await phone.fast(token), "ap2004")["EntitlementStatus"] == "2"
        more = default_policy_text().replace('["volte", "smsoip"]', '["volte", "vowifi"]')
        await publish(server, more)
        assert service(await phone.fast(token), "ap2004")["EntitlementStatus"] == "1"


async def test_who_starts_decides_by_what_was_published(bench: Workbench) -> None:
    async with bench.opened() as server:
        version = await publish(server, closed("vowifi"))
    async with bench.opened() as server:
        phone = Phone(server)
        assert service(await phone.full(), "ap2004")["EntitlementStatus"] == "2"
        assert server.parts.policies["default"].version == version


@pytest.mark.parametrize("app", ["ap2010", "ap2016"])
async def test_a_request_under_way_ends_by_the_policy_it_began_with(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, app: str
) -> None:
    """It waits for the store while another is published, in which its plan has nothing."""
    async with bench.opened() as server:
        await server.add(new_subscription(PREMIUM, server.parts.keys.ring, plan="premium"))
        phone = Phone(server, PREMIUM, apps=(app,), entitlement_version="12.0")
        token = await phone.token()
        before = server.parts.policies["default"].version
        first = await phone.fast(token)
        asked, go = asyncio.Event(), asyncio.Event()
        real = server.store.real.holdings

        async def slow(*arguments: Any) -> Any:
            asked.set()
            await go.wait()
            return await real(*arguments)

        monkeypatch.setattr(server.store.real, "holdings", slow)
        under_way = asyncio.create_task(phone.fast(token))
        await asked.wait()
        after = await publish(server, nothing_in_premium())
        go.set()
        assert (await under_way).unsealed == first.unsealed
        assert (await server.records())[-1]["policy"] == before
        assert (await phone.fast(token)).unsealed != first.unsealed
        assert (await server.records())[-1]["policy"] == after


def nothing_in_premium() -> str:
    head, _, rest = default_policy_text().partition("[plans.premium]\n")
    _, mark, tail = rest.partition("# Data boosts")
    return f"{head}[plans.premium]\nfeatures = []\n\n{mark}{tail}"


async def test_esims_are_decided_on_by_what_was_published(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with esim.opened(bench, monkeypatch) as world:
        assert (await world.subscribe())["OperationResult"] == "1"
        await publish(world.server, closed("companion"))
        other = {"companion_terminal_id": "350000000000099"}
        told = await world.ask("CheckEligibility", **(esim.WATCH | other))
        assert told["CompanionAppEligibility"] == "0"


async def test_pages_are_decided_on_by_what_was_published(bench: Workbench) -> None:
    async with bench.opened() as server:
        link = await browser.link(server)
        await publish(server, closed("vowifi"))
        page = await browser.Browser(server).open(link)
        assert page.forms == []
