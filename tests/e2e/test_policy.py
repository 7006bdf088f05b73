"""Policies published while servers run: every node decides by them, whatever dies in between."""

from __future__ import annotations

import asyncio
import contextlib
import re
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from simgrant.compose.policies import policy_desk
from simgrant.compose.store import open_keys
from simgrant.config.load import DEFAULT_TENANT
from simgrant.domain.policy import default_policy_text
from simgrant.flows.policies import name_of
from tests.e2e.nodes import PATIENT, SIMS, Node, Site, environment
from tests.e2e.phones import ENABLED, INCOMPATIBLE, Phone, vowifi_of

pytestmark = pytest.mark.e2e

STRICT = (
    '[[rule]]\nid = "no-wifi-today"\nfeatures = ["vowifi"]\n'
    'when = { status = "active" }\nresult = "denied"\n' + default_policy_text()
)
GENEROUS_S = 15
"""Longer than anything may take here; how long it took is printed, not asserted."""


def published(site: Site, text: str, comment: str = "a test") -> None:
    file = site.directory / "new.toml"
    file.write_text(text)
    site.command("policy", "publish", str(file), "--comment", comment, "--by", "ann", "--yes")


async def told(phone: Phone, node: Node, status: str) -> float:
    """Ask until a node answers so; return when it did."""
    async with asyncio.timeout(GENEROUS_S):
        while vowifi_of(await phone.fast(node)) != status:
            pass
    return time.monotonic()


def killed_after(site: Site, command: list[str], seconds: float) -> None:
    """Run a command, and kill it unless it has ended by then."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(
            command,
            check=False,
            capture_output=True,
            timeout=seconds,
            cwd=site.directory,
            env=environment(),
        )


@asynccontextmanager
async def phone_with_token(node: Node, number: int = 0) -> AsyncIterator[Phone]:
    async with Phone(SIMS[number]) as phone:
        assert vowifi_of(await phone.full(node)) == ENABLED
        yield phone


async def test_what_is_published_both_nodes_decide_by_within_a_second_or_so(site: Site) -> None:
    nodes = site.started(2, PATIENT)
    keys = open_keys(site.loaded())
    async with phone_with_token(nodes[0]) as phone, site.store() as store:
        desk = policy_desk(site.loaded(), store, DEFAULT_TENANT, keys)
        at = int(time.time())
        for seen, (text, status) in enumerate(
            [(STRICT, INCOMPATIBLE), (default_policy_text(), ENABLED), ("", INCOMPATIBLE)]
        ):
            if text:
                done = await desk.publish(text, author="ann", comment="why", seen=seen, at=at)
            else:
                done = await desk.roll_back(1, author="ann", comment="why", seen=seen, at=at)
            began = time.monotonic()
            for node in nodes:
                print(f"{node.name}: {await told(phone, node, status) - began:.3f} s")
                assert f"policy default: {name_of(done.version)} 1\n" in node.get("readyz")[1]
    for node in nodes:
        changes = [line for line in node.lines() if line["event"] == "policy_taken"]
        assert [line["version"][:2] for line in changes] == ["v1", "v2", "v1"]
        assert node.stop() == 0
        assert node.requests()[-1]["policy"] == name_of(done.version)


async def test_every_worker_of_a_node_decides_by_it(site: Site) -> None:
    node = site.node("--workers", "2", settings=PATIENT)
    async with phone_with_token(node) as phone:
        await asyncio.to_thread(published, site, STRICT)
        await told(phone, node, INCOMPATIBLE)
        async with asyncio.timeout(GENEROUS_S):
            while node.metric("simgrant_policies", tenant="default") != 2:
                await phone.fast(node)
        assert re.search(r"^policy default: v1-\w+ 2$", node.get("readyz")[1], re.MULTILINE)
        # Which worker takes a connection is the kernel's choice: of twenty, each gets some.
        for _ in range(20):
            async with Phone(phone.sim, token=phone.token) as again:
                assert vowifi_of(await again.fast(node)) == INCOMPATIBLE


async def test_a_publication_that_is_killed_happened_or_did_not(site: Site) -> None:
    """Whenever the command dies, what is in force is one of both, whole, and signed."""
    node = site.node(settings=PATIENT)
    texts = [default_policy_text() + f"# {number}\n" for number in range(1, 13)]
    published(site, STRICT)
    for number, text in enumerate(texts):
        file = site.directory / "new.toml"
        file.write_text(text)
        command = site.command_line(
            "policy", "publish", str(file), "--comment", f"try {number}", "--by", "ann", "--yes"
        )
        await asyncio.to_thread(killed_after, site, command, 0.6 + 0.12 * number)
        async with site.store() as store:
            current = await store.policies.current()
            history = await store.policies.history(DEFAULT_TENANT, limit=100)
            assert [each.change.change for each in history] == list(
                range(current[DEFAULT_TENANT], 0, -1)
            )
            for each in history:
                assert await store.policies.text(DEFAULT_TENANT, each.version.number) is not None
    assert "NOT GENUINE" not in site.command("policy", "list").stdout
    async with Phone(SIMS[1]) as phone:
        await phone.full(node)
        await told(phone, node, INCOMPATIBLE if history[0].version.number == 1 else ENABLED)


async def test_a_node_that_was_killed_comes_back_with_what_is_in_force(site: Site) -> None:
    nodes = site.started(2, PATIENT)
    async with phone_with_token(nodes[0]) as phone:
        nodes[1].kill()
        await asyncio.to_thread(published, site, STRICT)
        await told(phone, nodes[0], INCOMPATIBLE)
        nodes[1].start()
        assert vowifi_of(await phone.fast(nodes[1])) == INCOMPATIBLE


async def test_on_sqlite_it_is_the_same(sqlite_site: Site) -> None:
    node = sqlite_site.node(settings=PATIENT)
    async with phone_with_token(node) as phone:
        await asyncio.to_thread(published, sqlite_site, STRICT)
        done = time.monotonic()
        print(f"{await told(phone, node, INCOMPATIBLE) - done:.3f} s")
        report = await asyncio.to_thread(
            sqlite_site.command, "policy", "replay", "current", "--json"
        )
        assert '"records"' in report.stdout
