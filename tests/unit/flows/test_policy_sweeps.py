"""Telling devices that another policy decides: those that are told something else, once each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from simgrant.domain.eligibility import Aspect, Eligibility
from simgrant.domain.policy import Policy, default_policy_text, parse_policy
from simgrant.domain.subscription import SubscriptionStatus, Terminal
from simgrant.domain.tenant import Plmn, Tenant
from simgrant.domain.told import Told
from simgrant.flows.answer import Portal
from simgrant.flows.answers import Answers
from simgrant.flows.live_policies import LivePolicies
from simgrant.flows.policies import PolicyDesk
from simgrant.flows.policy_sweeps import PolicySweeps, Rules
from simgrant.identities import Imsi
from simgrant.ports.life import Judged
from simgrant.ports.store import NewSubscription, Outcome, SessionRow
from simgrant.telemetry.metrics import Metrics
from tests.unit.flows.lives import (
    START,
    Keys,
    T,
    World,
    opened,
    registration,
    subscription,
    the_policy,
)
from tests.unit.flows.orders import an_order

TENANT = Tenant(T, plmns=(Plmn("001", "01"),))
OPEN = default_policy_text()
_SHUT = '[[rule]]\nid = "shut"\nfeatures = ["vowifi"]\nwhen = { plan = "%s" }\nresult = "denied"\n'
SHUT, SHUTS_NOBODY = (f"{_SHUT % plan}\n{OPEN}" for plan in ("standard", "home"))
HAVE_IT = [Imsi(f"0010100000001{number:02d}") for number in range(5)]
"""Subscriptions with Wi-Fi calling; the one of `opened` has none."""


class Desk:
    """Publishes, and makes workers."""

    def __init__(self, world: World) -> None:
        self.world, self.keys = world, Keys()
        self.policies = LivePolicies(
            world.store.policies,
            keys=self.keys,
            of_file={T: the_policy},
            compile_=compiled,
            clock=world.clock,
            metrics=Metrics(CollectorRegistry()),
        )
        self._desk = PolicyDesk(world.store.policies, T, keys=self.keys, compile_=compiled)
        self.noted: list[Imsi] = []

    def worker(self, **more: Any) -> PolicySweeps:
        def note(tenant: str, judged: Judged) -> None:
            self.noted.append(judged.before.subscription.imsi)
            self.world.life.note(tenant, judged)

        members: dict[str, Any] = {"note": note, "rules": Rules(batch=2, pause_s=0)} | more
        return PolicySweeps(
            self.world.store.sweeps,
            self.policies,
            answering=lambda _, policy: Answers(
                TENANT,
                lambda: policy,
                Portal("https://portal.example", 600),
                ring=lambda: self.keys.ring,
                roaming_max_age_s=86_400,
            ),
            sms_apps={},
            switched={},
            clock=self.world.clock,
            **members,
        )

    async def publish(self, text: str) -> None:
        newest = await self._desk.newest()
        at, seen = int(self.world.clock.now()), newest.change.change if newest else 0
        await self._desk.publish(text, author="ann", comment="why", seen=seen, at=at)

    async def take_over(self) -> None:
        await self.policies.load()
        self.world.clock.time += 2

    async def sweep(self, **more: Any) -> set[str]:
        """Do all that is due; return the subscriptions whose devices are told."""
        await self.take_over()
        while await self.worker(**more).act():
            pass
        return await self.told()

    async def told(self) -> set[str]:
        now = int(self.world.clock.now())
        found = set()
        while some := await self.world.store.claim_notices(now=now, again_at=2**40, limit=50):
            found |= {(each.imsi.digits, each.app_id) for each in some}
        assert {app for _, app in found} <= {"ap2004"}
        return {imsi for imsi, _ in found}


def compiled(tenant: str, text: str, version: str) -> Policy:
    assert tenant == T
    return parse_policy(text, version=version)


@pytest.fixture
async def desk(template: Path) -> AsyncIterator[Desk]:
    async with opened(template) as world:
        for imsi in HAVE_IT:
            row = replace(subscription("standard"), imsi=imsi, msisdn=None)
            await world.store.add(NewSubscription(row))
            terminal = f"49015420323{imsi.digits[-2:]}00"
            await world.store.decide_session(
                T,
                imsi,
                bytes(16),
                SessionRow(Outcome.ACCEPTED, START),
                expected=None,
                terminal=Terminal(terminal, "Vendor", "Model", "1", START, START),
                client="app",
            )
            push = [registration(terminal, app) for app in ("ap2004", "ap2005")]
            await world.store.register_push(T, imsi, push)
        yield Desk(world)


EVERYBODY = {imsi.digits for imsi in HAVE_IT}


async def test_who_loses_and_who_gains_is_told_and_nobody_else(desk: Desk) -> None:
    before = await desk.world.state(), await desk.world.state(HAVE_IT[0])
    await desk.publish(SHUT)
    with capture_logs() as logs:
        assert await desk.sweep() == EVERYBODY
    assert (logs[-1]["event"], logs[-1]["looked"], logs[-1]["told"]) == ("policy_compared", 6, 5)
    assert await desk.world.state() == before[0]
    after = await desk.world.state(HAVE_IT[0])
    assert after == replace(before[1], changed_at=START + 2)
    record = desk.world.records[0]
    assert (record["change"], record["event_id"], record["apps"]) == (
        "policy",
        "policy:1",
        ["ap2004"],
    )
    assert record["before"]["ap2004"] != record["after"]["ap2004"] == "denied shut"
    await desk.publish(SHUTS_NOBODY)
    assert await desk.sweep() == EVERYBODY
    await desk.publish(OPEN)
    assert await desk.sweep() == set(), "no answer differs"
    assert not await desk.worker().act()


async def test_it_begins_once_every_worker_decides_by_it(desk: Desk) -> None:
    await desk.publish(SHUT)
    desk.world.clock.time += 1.9
    assert not await desk.worker().act()


async def test_what_is_taken_back_at_once_is_told_all_the_same(desk: Desk) -> None:
    """Whoever asked in between was told by it."""
    await desk.publish(SHUT)
    await desk.publish(OPEN)
    await desk.take_over()
    assert await desk.worker().act()
    assert await desk.told() == EVERYBODY
    assert await desk.sweep() == EVERYBODY
    assert not await desk.worker().act()


class Died(Exception):
    """A worker ended, at any instruction."""


async def test_who_dies_is_followed_by_another_who_goes_on_where_he_was(desk: Desk) -> None:
    await desk.publish(SHUT)
    await desk.take_over()

    def note(tenant: str, judged: Judged) -> None:
        assert tenant == T
        desk.noted.append(judged.before.subscription.imsi)
        raise Died

    for count in range(1, 1 + len(HAVE_IT)):
        with pytest.raises(Died):
            await desk.worker(note=note, rules=Rules(batch=1, pause_s=0)).act()
        assert len(desk.noted) == count
        assert not await desk.worker().act(), "it is his until his lease is over"
        desk.world.clock.time += 10
    assert await desk.worker().act()
    assert desk.noted == HAVE_IT, "each once, and in order"
    assert await desk.told() == EVERYBODY


async def test_companions_are_counted_where_a_policy_looks_at_them(desk: Desk) -> None:
    has_one = HAVE_IT[1]
    order = replace(an_order(pooled=False), todo=None)
    await desk.world.store.orders.make(T, has_one, order, instead_of=None, due_at=None)
    await desk.world.act()
    assert await desk.told() == set()
    when = 'when = { companions = { at_least = 1 } }\nresult = "denied"\n'
    await desk.publish(f'[[rule]]\nid = "one"\nfeatures = ["vowifi"]\n{when}\n{OPEN}')
    assert await desk.sweep() == {has_one.digits}


async def test_how_far_it_is_can_be_looked_at(desk: Desk) -> None:
    sweeps = desk.world.store.sweeps
    assert await sweeps.under_way(T) == []
    await desk.publish(SHUT)
    (waits,) = await sweeps.under_way(T)
    assert (waits.looked, waits.told) == (0, 0)
    await desk.take_over()

    def note(_tenant: str, _judged: Judged) -> None:
        raise Died

    with pytest.raises(Died):
        await desk.worker(note=note).act()
    (begun,) = await sweeps.under_way(T)
    assert (begun.change, begun.looked) == (waits.change, 2)
    assert 0 < begun.told <= 2
    assert await sweeps.under_way("another") == []


async def test_of_several_workers_one_does_it(desk: Desk) -> None:
    await desk.publish(SHUT)
    await desk.take_over()
    done = await asyncio.gather(*(desk.worker().act() for _ in range(4)))
    assert sum(done) == 1
    assert sorted(desk.noted, key=str) == HAVE_IT


async def test_what_cannot_be_decided_by_is_compared_with_nothing(desk: Desk) -> None:
    await desk.publish(SHUT)
    await desk.policies.load()
    desk.world.clock.time += 2
    desk.policies._keys = Keys()
    desk.policies._compile = broken
    with capture_logs() as logs:
        assert await desk.worker().act()
    assert logs[0]["event"] == "policy_not_compared"
    assert await desk.told() == set()
    assert not await desk.worker().act()


def broken(tenant: str, text: str, version: str) -> Policy:
    assert tenant
    assert text
    return parse_policy("[[rule]]\n", version=version)


class Asks:
    """A BSS's desk that asks about everybody."""

    def asks(self, tenant: str) -> bool:
        return tenant == T


async def test_what_a_bss_said_last_counts_on_both_sides(desk: Desk) -> None:
    for imsi in HAVE_IT[:2]:
        told = Told(
            eligibility=Eligibility(plan="basic", status=SubscriptionStatus.ACTIVE),
            asked=frozenset({Aspect.PLAN, Aspect.STATUS}),
            source="bss.main",
            changed_at=START,
            asked_at=START,
        )
        await desk.world.store.told.keep(T, imsi, told)
    await desk.publish(SHUT)
    assert await desk.sweep(eligibilities=Asks()) == {imsi.digits for imsi in HAVE_IT[2:]}
