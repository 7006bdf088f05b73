"""A change reaches a handset, with processes all round: `serve`, `sim push`, `sim handset`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from simgrant.sim.sims import Sim
from tests.e2e.nodes import SIMS, Node, Site, environment, until
from tests.e2e.pushing import Services, services

pytestmark = pytest.mark.e2e


@asynccontextmanager
async def handset(
    node: Node, push: Services, sim: Sim, *options: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a handset that waits for a notice; what it says after that is still to be read."""
    command = ["-m", "simgrant", "sim", "handset", node.url, "--json", "--push"]
    keys = ["--imsi", sim.imsi.digits, "--k", sim.k.hex(), "--opc", sim.opc.hex()]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        *keys,
        *("--push-service", push.phones, "--wait", "60", *options),
        stdout=asyncio.subprocess.PIPE,
        env=environment(),
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def said(process: asyncio.subprocess.Process, *, up_to: str = "") -> list[dict[str, Any]]:
    """Return what a handset says, up to an event or to its end."""
    assert process.stdout is not None
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(60):
        async for line in process.stdout:
            found.append(json.loads(line))
            if up_to and found[-1].get("event") == up_to:
                return found
    assert not up_to, found
    await process.wait()
    return found


FAMILIES = [
    # What it is, by which channel, what it asks for again at a notice, and by which legs.
    ("android-ims", "fcm", ["ap2004"], ["token"]),
    ("samsung", "apns", ["ap2003", "ap2004", "ap2005"], ["token"]),
    ("rfc", "wns", ["ap2004"], ["token"]),
    ("android-satellite", "fcm", ["ap2016"], ["start", "answer"]),
    ("android-ims-provisioning", "sms", ["ap2004", "ap2003", "ap2005"], ["token"]),
]


async def test_each_family_is_told_of_a_change_and_gets_its_new_document(
    site: Site, tmp_path: Path
) -> None:
    with services(tmp_path) as push:
        # The commands too have to know that there is a way by SMS.
        site.settings = {**site.settings, **push.settings()}
        node = site.node()
        async with AsyncExitStack() as stack:
            waiting = []
            for sim, (family, channel, _, _) in zip(SIMS, FAMILIES, strict=False):
                number = ["--msisdn", sim.msisdn.digits if sim.msisdn else ""]
                wishes = ["--like", family, "--channel", channel, *number]
                waiting.append(await stack.enter_async_context(handset(node, push, sim, *wishes)))
            for phone in waiting:
                before = await said(phone, up_to="waiting")
                assert before[-2]["result"] == "document"
            for sim in SIMS[: len(FAMILIES)]:
                site.command("subscription", "suspend", sim.imsi.digits)
            for phone, (family, channel, apps, legs) in zip(waiting, FAMILIES, strict=True):
                notice, *exchanges, changes = await said(phone)
                assert phone.returncode == 0, (family, notice)
                assert notice["channel"] == channel
                assert notice["asks_for"] == apps
                assert [each["leg"] for each in exchanges] == legs
                assert set(exchanges[-1]["document"]["applications"]) == set(apps)
                changed = {
                    (each["app"], each["new"])
                    for each in changes["changes"]
                    if each["parameter"].endswith("EntitlementStatus")
                }
                assert changed >= {(app, "2") for app in apps if app != "ap2016"}, family
        taken = [line for line in push.lines() if line.get("event") == "taken"]
        assert sorted(line["channel"] for line in taken) == sorted(each[1] for each in FAMILIES)
        text = push.log.read_text()
    for sim in SIMS[: len(FAMILIES)]:
        assert sim.imsi.digits not in text
        assert sim.msisdn is not None
        assert sim.msisdn.digits not in text


async def test_switches_are_thrown_while_it_runs(site: Site, tmp_path: Path) -> None:
    with services(tmp_path) as push:
        node = site.node(settings=push.settings())
        sim = SIMS[0]
        async with handset(node, push, sim) as phone:
            await said(phone, up_to="waiting")
            push.switch("fcm", "fault", "throttled 1")
            site.command("subscription", "set", sim.imsi.digits, "--plan", "basic")
            after = await said(phone)
            assert phone.returncode == 0
        assert after[0]["event"] == "notice"
        told = [line["event"] for line in push.lines()[1:]]
        assert told == ["turned_away", "taken"]
        # One that is down takes nothing, and the server goes on trying.
        push.switch("fcm", "fault", "down")
        site.command("subscription", "set", sim.imsi.digits, "--plan", "standard")
        failed = partial(node.metric, "simgrant_notices_total", result="failed")
        await until(lambda: failed() > 0, what="tried in vain")
        assert len(push.lines()) == 3
