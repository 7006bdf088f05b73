"""The SM-DP+s that a worker has by name, for as long as it runs."""

from __future__ import annotations

import pytest

from simgrant.ports.smdp import NotReached
from tests.device.harness import Workbench

SETTINGS = """
[smdp.north]
url = "http://127.0.0.1:1"
address = "smdp.example.net"
requester = "ECS1"
"""


async def test_a_worker_has_them_until_it_ends(bench: Workbench) -> None:
    async with bench.opened(SETTINGS) as server:
        smdp = server.parts.smdps["default"]["north"]
        with pytest.raises(NotReached):
            await smdp.download_order("1", profile_type="a", deadline=bench.clock.monotonic() + 10)
    with pytest.raises(NotReached, match="closed"):
        await smdp.download_order("2", profile_type="a", deadline=bench.clock.monotonic() + 10)
