"""Who may have an eSIM where the BSS judges it: the same answer before and when it is ordered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from simgrant.sim.bss.faults import Fault, Plan
from simgrant.sim.bss.server import Bss
from tests.device.esim import World
from tests.device.harness import ALLOWED, Workbench
from tests.device.partner import operate
from tests.device.test_esim_rules import GOOD, REFUSED, eligible, last, ruled
from tests.tmf import running

SETTINGS = """
[bss.sim]
url = "{url}"
timeout_s = 0.5
[bss.sim.qualification]
on = true
"""


@asynccontextmanager
async def judged(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, rules: str = ""
) -> AsyncIterator[tuple[World, Bss]]:
    async with running() as bss:
        more = SETTINGS.format(url=bss.web.url)
        async with ruled(bench, monkeypatch, rules, more=more) as world:
            yield world, bss


async def test_who_qualifies_gets_it_and_who_does_not_gets_nothing(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with judged(bench, monkeypatch) as (world, bss):
        bss.market.unqualified[ALLOWED.digits] = "it owes us money"
        assert await eligible(world, **GOOD) == "2"
        assert await world.subscribe() == REFUSED
        assert (await last(world))["detail"] == "bss_unqualified"
        bss.market.unqualified.clear()
        assert await eligible(world, **GOOD) == "1"
        assert (await world.subscribe())["SubscriptionResult"] == "2"
        assert {each.resource for each in bss.seen} == {"checkProductOfferingQualification"}


@pytest.mark.parametrize("fault", [Fault.BUSY, Fault.GARBAGE, Fault.OTHER_SUBSCRIBER, Fault.SILENT])
async def test_while_nobody_can_say_nobody_gets_one(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    async with judged(bench, monkeypatch) as (world, bss):
        bss.plan = Plan(fault=fault)
        answer = await operate(world.phone, world.token, "CheckEligibility", **GOOD)
        assert answer.status == 503
        assert answer.header("retry-after")


async def test_somebody_that_the_bss_does_not_know_gets_none(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with judged(bench, monkeypatch) as (world, bss):
        bss.plan = Plan(fault=Fault.NOBODY)
        assert await eligible(world, **GOOD) == "2"
