"""Asking a BSS anew about whom an event is about."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from simgrant.domain.eligibility import Aspect, Aspects, Eligibility
from simgrant.errors import EcsError, PeerMisbehaved, PeerUnavailable
from simgrant.flows.asked_anew import Anew, AskedAnew
from simgrant.flows.eligibility import Desk, Eligibilities
from simgrant.identities import Imsi
from simgrant.ports.network_data import Subscriber
from simgrant.telemetry.metrics import Metrics
from tests.unit.flows.lives import IMSI, START, T, opened


class Source:
    """A BSS that says what it is set to."""

    tells: Aspects = frozenset({Aspect.PLAN, Aspect.STATUS})

    def __init__(self) -> None:
        self.says: Eligibility | EcsError | None = Eligibility(plan="standard")

    async def look_up(
        self, who: Subscriber, wants: Aspects, *, deadline: float
    ) -> Eligibility | None:
        assert who.imsi == IMSI
        assert wants == {Aspect.PLAN}
        assert (deadline - START) % 100 <= 0.5
        if isinstance(self.says, EcsError):
            raise self.says
        return self.says

    async def close(self) -> None:
        pass


@pytest.mark.parametrize(
    "error", [PeerUnavailable("bss_down"), PeerMisbehaved("bss_wrong")], ids=lambda e: e.reason
)
async def test_it_is_asked_whatever_was_known(template: Path, error: EcsError) -> None:
    async with opened(template) as world:
        source = Source()
        desk = Desk(name="bss.main", source=source, timeout_s=3, freshness={})
        asks = AskedAnew(
            world.store,
            Eligibilities(
                world.store.told,
                {T: desk},
                looks_at={T: frozenset({Aspect.PLAN})},
                clock=world.clock,
                metrics=Metrics(CollectorRegistry()),
            ),
            clock=world.clock,
        )
        first = await asks.of(T, IMSI)
        assert first is not None
        assert first.before is None
        assert first.after is not None
        assert first.after.eligibility == Eligibility(plan="standard")
        source.says = Eligibility(plan="basic")
        world.clock.time += 100
        second = await asks.of(T, IMSI)
        assert second is not None
        assert second.before is not None
        assert second.before.eligibility == Eligibility(plan="standard")
        assert second.after is not None
        assert second.after.eligibility == Eligibility(plan="basic")
        source.says = None
        world.clock.time -= 100
        gone = await asks.of(T, IMSI)
        assert gone is not None
        assert (gone.after, gone.gone, gone.unknown) == (None, True, False)
        source.says = error
        away = await asks.of(T, IMSI)
        assert away is not None
        assert (away.gone, away.unknown) == (False, True)
        assert await asks.of(T, Imsi("001010000000009")) is None
        assert await asks.of("green", IMSI) is None
        assert isinstance(away, Anew)
