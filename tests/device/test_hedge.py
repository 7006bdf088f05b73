"""The next source is asked besides, with a server and two HLRs: what is recorded and counted."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clocks import set_clock
from tests.device.harness import HOME_ONLY, Phone, Workbench
from tests.device.test_core_faults import (
    LONG_S,
    Fault,
    Hlrs,
    Kind,
    RunningClock,
    World,
    opened_world,
)

ENOUGH = 50
"""Answers after which it is known how long they take."""


def _hedging() -> Hlrs:
    made = Hlrs()
    made.settings += 'hedge = "p95"\n[limits]\nimsi_source_burst = 0\nimsi_burst = 0\n'
    return made


async def _recorded(world: World) -> list[tuple[str, str]]:
    """Return who was asked besides and who gave the vector, of each authentication's start."""
    records: list[dict[str, Any]] = await world.server.records()
    starts = (each for each in records if each["leg"] == "start")
    return [(each.get("hedged_to", ""), each.get("vector_source", "")) for each in starts]


async def test_a_phone_does_not_wait_for_an_hlr_that_is_slow_for_once(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, RunningClock())
    async with opened_world(bench, Kind(_hedging, {}), LONG_S) as world:
        phone = Phone(world.server, HOME_ONLY)
        for _ in range(ENOUGH):
            assert (await phone.begin()).status == 200
        world.ends.play(Fault.SLOW)
        second = world.ends.servers[1]
        second.plan = None  # type: ignore[attr-defined]
        before = await _recorded(world)
        assert (await phone.full()).status == 200
        assert (await _recorded(world))[len(before) :] == [("hlr.hlr1", "hlr.hlr1")]
        won = {"source": "hlr.hlr1", "result": "won"}
        registry = world.server.parts.metrics.registry
        assert registry.get_sample_value("simgrant_vector_hedges_total", won) == 1
        # Nobody is blamed for an answer that nobody waited for.
        away = {"source": "hlr.hlr0", "state": "away"}
        assert registry.get_sample_value("simgrant_vector_sources", away) == 0
        world.ends.play(None)
        assert (await phone.full()).status == 200
