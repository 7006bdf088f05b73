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

from tests.e2e.lean import LeanPhone
from tests.e2e.nodes import NO_LIMITS, Site, ended
from tests.e2e.phones import Phone
from tests.e2e.test_hss import REALM, THEIRS, Played, played
from tests.servers.process import free_port

pytestmark = pytest.mark.e2e

RATE = 500
"""Full authentications a second, if the machine can."""
PHONES, TIMES, KILLED_AFTER = 64, 1500, 500
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

    active: Played
    """The HSS that is killed."""
    began: float = field(default_factory=time.monotonic)
    started: int = 0
    under_way: int = 0
    killed_at: float = 0.0
    lost: int = 0
    """How many were under way when the HSS was killed."""
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: int = 0
    """Answers 200 with a document that does not say what it should."""
    longest_s: float = 0.0
    lost_until: float = 0.0
    """When the last of those under way was answered."""
    served_at: float = 0.0
    """When the first document came to one who began after the kill."""

    async def authenticate(self, phone: LeanPhone) -> None:
        """Prove the SIM again and again, each time when it is somebody's turn."""
        while self.started < TIMES:
            turn = self.began + self.started / RATE
            self.started += 1
            await asyncio.sleep(turn - time.monotonic())
            began = time.monotonic()
            self.under_way += 1
            status, good = await phone.full()
            self.under_way -= 1
            now = time.monotonic()
            self.longest_s = max(self.longest_s, now - began)
            self.statuses[status] += 1
            self.wrong += status == 200 and not good
            if not self.killed_at:
                if self.statuses.total() >= KILLED_AFTER:
                    self.killed_at, self.lost = time.monotonic(), self.under_way
                    self.active.process.kill()
            elif began < self.killed_at:
                self.lost_until = now
            elif status == 200 and not self.served_at:
                self.served_at = now

    def __str__(self) -> str:
        took = time.monotonic() - self.began
        until, served = (at - self.killed_at for at in (self.lost_until, self.served_at))
        return (
            f"{self.statuses.total()} authentications, {self.statuses.total() / took:.0f} a second"
            f" ({RATE} were wanted); {self.lost} under way when the HSS died, the last of them"
            f" answered {until * 1000:.0f} ms later; refused {self.statuses[503]}, wrong"
            f" {self.wrong}; recovered after {served * 1000:.0f} ms, when the first who came later"
            f" had a document; the longest took {self.longest_s * 1000:.0f} ms"
        )


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
        phones = [
            await stack.enter_async_context(LeanPhone(Phone(sim), node)) for sim in THEIRS[:PHONES]
        ]
        seen = Seen(hsss[0])
        await asyncio.gather(*(seen.authenticate(phone) for phone in phones))
        print(f"\n{seen}", end="")
        hsss[1].process.kill()
        first, second = await asyncio.gather(*counts)
    assert node.stop() == 0
    print(f"; asked: {first}, then {second}")
    assert first >= KILLED_AFTER
    assert second >= TIMES - KILLED_AFTER - PHONES
    assert seen.statuses.keys() <= {200, 503}
    assert not seen.wrong
    # At most those that were under way: whoever came later was led to the other one.
    assert seen.statuses[503] <= seen.lost
