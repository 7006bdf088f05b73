"""A key ring that is replaced while phones are busy: no token is refused, no node is restarted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import pytest

from simgrant.adapters.keyring.file import new_key, read_keys, write_keys
from simgrant.keyring.ring import Use
from tests.e2e.nodes import NO_LIMITS, SIMS, Node, Site, until
from tests.e2e.phones import Crowd, Phone, busy, key_of, phones, pick, token_of

pytestmark = pytest.mark.e2e

PHONES = 20
PAUSE_S = 0.4


@pytest.fixture
def nodes(site: Site) -> list[Node]:
    """Two nodes that let phones ask as often as they like."""
    return site.started(2, NO_LIMITS)


class Sealed:
    """Which keys each node has sealed tokens by, as the phones see it."""

    def __init__(self) -> None:
        self.by: dict[str, set[bytes]] = {}

    def acting(self, nodes: Sequence[Node]) -> Callable[[Phone, Crowd], Awaitable[None]]:
        """Return what a phone does again and again, with any node for each leg."""

        async def act(phone: Phone, crowd: Crowd) -> None:
            node = pick(nodes)
            answer = await phone.full(pick(nodes), node)
            if answer.status == 200:
                self.by.setdefault(node.name, set()).add(key_of(token_of(answer)))
            await crowd.note(answer)
            for _ in range(3):
                await crowd.note(await phone.fast(pick(nodes)))

        return act

    def reached(self, keys: int) -> bool:
        """Say whether both nodes have sealed by so many keys."""
        return len(self.by) == 2 and all(len(found) == keys for found in self.by.values())


async def _run(site: Site, *arguments: str) -> None:
    """Run a command while the test's own phones go on."""
    await asyncio.to_thread(site.command, *arguments)


async def test_a_rotation_under_load_refuses_nobody(site: Site, nodes: list[Node]) -> None:
    sealed = Sealed()
    async with phones(SIMS[:PHONES]) as many:
        async with busy(many, sealed.acting(nodes), pause=PAUSE_S) as crowd:
            await crowd.until(partial(sealed.reached, 1))
            await _run(site, "keys", "rotate")
            # Waits until the key is active, and then wraps every SIM key anew.
            await _run(site, "keys", "rotate", "--use", "wrapping", "--yes")
            await _run(site, "keys", "rotate", "--use", "hashing")
            await crowd.until(partial(sealed.reached, 2))
            await _run(site, "keys", "prune", "--yes")
            await crowd.more(4 * PHONES)
        assert crowd.statuses[200] > 10 * PHONES
        await _assert_nobody_refused(nodes, crowd)
    _assert_renewed(nodes)


async def test_a_rotation_at_once_under_load_refuses_nobody(site: Site, nodes: list[Node]) -> None:
    sealed = Sealed()
    async with phones(SIMS[:PHONES]) as many:
        async with busy(many, sealed.acting(nodes), pause=PAUSE_S) as crowd:
            for keys in (1, 2, 3):
                await crowd.until(partial(sealed.reached, keys))
                if keys < 3:
                    await _run(site, "keys", "rotate", "--at-once")
            await crowd.more(4 * PHONES)
        await _assert_nobody_refused(nodes, crowd)


async def test_a_key_is_known_as_soon_as_a_token_comes_that_it_sealed(site: Site) -> None:
    """Whatever a node looked for a moment ago: a stranger's token must not blind it."""
    one, other = site.started(2, RARELY_LOOKING)
    async with Phone() as phone, Phone(SIMS[-1]) as stranger:
        assert (await phone.full(one, other)).status == 200
        # An unknown key makes the other node look at the ring, in vain.
        assert (await stranger.fast(other, "A" * 150)).status == 511
        await _renew_ring_of(site, one)
        answer = await phone.full(one)
        assert (await phone.fast(other, token_of(answer))).status == 200


async def test_a_ring_that_was_taken_over_for_a_token_is_counted_and_logged(site: Site) -> None:
    one, other = site.started(2, RARELY_LOOKING)
    async with Phone() as phone:
        await _renew_ring_of(site, one)
        answer = await phone.full(one)
        assert (await phone.fast(other, token_of(answer))).status == 200
    _assert_renewed([one, other])


RARELY_LOOKING = {**NO_LIMITS, "keys.poll_s": 60}
"""So that a node looks at the ring when it has a reason to, and not by the way."""


async def _renew_ring_of(site: Site, node: Node) -> None:
    """Put a sealing key on the ring that is active at once, and tell one node only."""
    now = int(time.time())
    write_keys(site.ring, [*read_keys(site.ring), new_key(Use.SEALING, now=now, active=now)])
    node.hang_up()
    await until(lambda: node.metric("simgrant_key_reloads_total") > 0, what="a new ring")


async def _assert_nobody_refused(nodes: Sequence[Node], crowd: Crowd) -> None:
    """Everybody got 200; where not, show what the nodes say that it was for."""

    def reasons() -> list[str]:
        return [line["outcome"] for node in nodes for line in node.requests() if not _good(line)]

    if set(crowd.statuses) != {200}:
        await until(lambda: bool(reasons()), what="reasons in the log")
    assert not reasons(), crowd.statuses


def _good(line: dict[str, Any]) -> bool:
    return bool(line["status"] == 200)


def _assert_renewed(nodes: Sequence[Node]) -> None:
    """Every node took the new ring over by itself, and says so."""
    for node in nodes:
        assert node.metric("simgrant_key_reloads_total") >= 1
        assert "key_ring_renewed" in {line["event"] for line in node.lines()}
