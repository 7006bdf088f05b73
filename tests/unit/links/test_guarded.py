"""What of a source of vectors counts as a failure in a row. The rest is tried with routes."""

from __future__ import annotations

import asyncio

import pytest

from simgrant.eap.packet import Variant
from simgrant.eap.vector import AuthVector
from simgrant.errors import EcsError, PeerTimeout, PeerUnavailable
from simgrant.identities import Imsi
from simgrant.links.guarded import Config, Guarded, Result, SourceState
from simgrant.ports.vectors import VectorRequest
from tests.virtual_time import LoopClock, run

REQUEST = VectorRequest("red", Imsi("001010000000001"), Variant.AKA)


class Source:
    """Fails as it is told, for everybody at once."""

    def __init__(self, error: EcsError) -> None:
        self.error = error
        self.states: list[SourceState] = []

    async def fetch(self, request: VectorRequest, *, deadline: float) -> AuthVector:
        del request, deadline
        await asyncio.sleep(0.1)
        raise self.error

    def changed(self, source: str, state: SourceState, reason: str) -> None:
        del source, reason
        self.states.append(state)

    def answered(self, source: str, result: Result, seconds: float) -> None: ...


@pytest.mark.parametrize(
    ("error", "times"), [(PeerUnavailable("hss_lost"), 5), (PeerTimeout("hss_timeout"), 1)]
)
def test_many_that_a_connection_takes_along_are_one_failure(error: EcsError, times: int) -> None:
    """Each that waits in vain is one."""
    source = Source(error)

    async def fetch(guarded: Guarded) -> None:
        with pytest.raises(type(error)):
            await guarded.fetch(REQUEST, deadline=asyncio.get_running_loop().time() + 1)

    async def fail() -> None:
        guarded = Guarded(
            Config(name="hss.home"),
            source,
            watcher=source,
            clock=LoopClock(),
            chance=lambda: 0.5,
        )
        for _ in range(times):
            assert source.states == [SourceState.OKAY]
            await asyncio.gather(*(fetch(guarded) for _ in range(20)))
        assert source.states == [SourceState.OKAY, SourceState.AWAY]

    run(fail())
