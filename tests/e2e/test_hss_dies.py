"""The active HSS is killed while phones authenticate: who notices, and for how long.

Run it with `-s` to read the figures. The HSSs share keys and no sequence numbers, so a SIM that the
standby knows nothing of resynchronises, as real ones do where two HSSs are not in step.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.e2e.nodes import NO_LIMITS, Node, Site, ended
from tests.e2e.phones import ENABLED, Phone, vowifi_of
from tests.e2e.test_hss import REALM, THEIRS, Played, played
from tests.servers.process import free_port

pytestmark = pytest.mark.e2e

PHONES, EACH = 16, 30
KILLED_AFTER = 150
BEHIND_ONE_REALM = {"hss.sim.realm": REALM, "hss.sim.peers": ["hss0", "hss1"]}
IN_A_ROUTE = {
    "hss.first.realm": REALM,
    "hss.first.peers": ["hss0"],
    "hss.second.realm": REALM,
    "hss.second.peers": ["hss1"],
    "routes.all.sources": ["hss.first", "hss.second"],
}


@dataclass
class Seen:
    """What phones got, and when."""

    node: Node
    hsss: list[Played]
    under_way: int = 0
    killed_at: float = 0.0
    lost: int = 0
    """How many were under way when the HSS was killed."""
    statuses: Counter[int] = field(default_factory=Counter)
    late: list[float] = field(default_factory=list)
    """Seconds from the kill to each answer that was no document."""
    longest_s: float = 0.0

    async def authenticate(self, phone: Phone) -> None:
        """Prove the SIM again and again."""
        for _ in range(EACH):
            began = time.monotonic()
            self.under_way += 1
            answer = await phone.full(self.node)
            self.under_way -= 1
            now = time.monotonic()
            self.longest_s = max(self.longest_s, now - began)
            self.statuses[answer.status] += 1
            if answer.status == 200:
                assert vowifi_of(answer) == ENABLED
            else:
                self.late.append(now - self.killed_at)
            if not self.killed_at and self.statuses.total() >= KILLED_AFTER:
                self.killed_at, self.lost = now, self.under_way
                self.hsss[0].process.kill()


async def _drained(hss: Played) -> int:
    """Return how many requests it said that it got, once it has ended."""
    lines = 0
    assert hss.process.stdout is not None
    while await hss.process.stdout.readline():
        lines += 1
    return lines


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    site.fill()
    with ended(site):
        yield site


@pytest.mark.parametrize("own", [BEHIND_ONE_REALM, IN_A_ROUTE], ids=["one-realm", "route"])
async def test_who_is_under_way_fails_over_and_nobody_gets_a_wrong_answer(
    own: dict[str, object], site: Site
) -> None:
    ports = [free_port(), free_port()]
    settings: dict[str, object] = {"diameter.origin_host": f"ecs-%d.{REALM}", **NO_LIMITS, **own}
    for number, port in enumerate(ports):
        settings[f"diameter_peers.hss{number}.host"] = f"hss{number}.{REALM}"
        settings[f"diameter_peers.hss{number}.address"] = f"127.0.0.1:{port}"
        settings[f"diameter_peers.hss{number}.priority"] = number + 1
    async with AsyncExitStack() as stack:
        hsss = [
            await stack.enter_async_context(
                played(site.directory, port, "--host", f"hss{number}.{REALM}")
            )
            for number, port in enumerate(ports)
        ]
        node = await asyncio.to_thread(site.node, settings=settings)
        counts = [asyncio.create_task(_drained(hss)) for hss in hsss]
        phones = [await stack.enter_async_context(Phone(sim)) for sim in THEIRS[:PHONES]]
        seen = Seen(node, hsss)
        began = time.monotonic()
        await asyncio.gather(*(seen.authenticate(phone) for phone in phones))
        took = time.monotonic() - began
        hsss[1].process.kill()
        first, second = await asyncio.gather(*counts)
    assert node.stop() == 0
    print(
        f"\n{seen.statuses.total()} authentications, {seen.statuses.total() / took:.0f} a second;"
        f" {seen.lost} under way when the HSS died; refused {len(seen.late)},"
        f" the last {max(seen.late, default=0) * 1000:.0f} ms later;"
        f" the longest took {seen.longest_s * 1000:.0f} ms; asked: {first}, then {second}"
    )
    assert first >= KILLED_AFTER
    assert second >= PHONES * EACH - KILLED_AFTER - PHONES
    assert seen.statuses.keys() <= {200, 503}
    # At most those that were under way: whoever came later was led to the other one.
    assert seen.statuses[503] <= seen.lost
