"""Sources of vectors, each behind its guard: who is asked, who is passed over, what is told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from simgrant.domain.route import Route, Routes
from simgrant.domain.trail import Trail
from simgrant.eap.packet import Variant
from simgrant.eap.vector import AuthVector, Resync
from simgrant.errors import (
    AuthenticationRejected,
    EcsError,
    PeerMisbehaved,
    PeerTimeout,
    PeerUnavailable,
    UnknownIdentity,
)
from simgrant.flows.vector_sources import HedgeResult, Rules, VectorSources
from simgrant.identities import Imsi
from simgrant.links.guarded import Config, Guarded, Result, SourceState
from simgrant.links.retry import RetryBudget, RetryRules
from simgrant.ports.vectors import VectorRequest
from tests.clocks import StillClock

REQUEST = VectorRequest("red", Imsi("001010000000001"), Variant.AKA)
AWAY = PeerUnavailable("gone", for_operator="it is gone")


class Source:
    """Says who it is in its XRES, or raises what it is told to."""

    def __init__(self, name: str, fails: EcsError | None = None) -> None:
        self.name = name
        self.fails = fails
        self.asked: list[float] = []
        self.waits: asyncio.Event | None = None

    async def fetch(self, request: VectorRequest, *, deadline: float) -> AuthVector:
        assert request.tenant == "red"
        self.asked.append(deadline)
        if self.waits is not None:
            await self.waits.wait()
        if self.fails is not None:
            raise self.fails
        rand = self.name.encode() * 3 + len(self.asked).to_bytes(4, "big")
        return AuthVector(rand, bytes(16), self.name.encode(), bytes(16), bytes(16))


@dataclass
class World:
    """Sources ``aaaa``, ``bbbb`` and ``cccc``, asked in this order."""

    clock: StillClock = field(default_factory=StillClock)
    states: list[tuple[str, SourceState, str]] = field(default_factory=list)
    results: list[tuple[str, Result]] = field(default_factory=list)
    a: Source = field(default_factory=lambda: Source("aaaa"))
    b: Source = field(default_factory=lambda: Source("bbbb"))
    c: Source = field(default_factory=lambda: Source("cccc"))
    budget: RetryBudget = field(default_factory=lambda: RetryBudget(RetryRules(reserve=1000)))

    def changed(self, source: str, state: SourceState, reason: str) -> None:
        self.states.append((source, state, reason))

    def answered(self, source: str, result: Result, seconds: float) -> None:
        assert seconds >= 0
        self.results.append((source, result))

    def hedged(self, source: str, result: HedgeResult) -> None:
        raise AssertionError(source, result)

    def opened(self, **limits: float) -> VectorSources:
        found = {
            each.name: Guarded(
                Config(name=each.name, **limits),  # type: ignore[arg-type]
                each,
                watcher=self,
                clock=self.clock,
                chance=lambda: 0.5,
            )
            for each in (self.a, self.b, self.c)
        }
        routes = Routes([Route(name="all", sources=("aaaa", "bbbb", "cccc"), tenants=("red",))])
        return VectorSources(
            routes,
            found,
            clock=self.clock,
            budget=self.budget,
            hedges=RetryBudget(RetryRules()),
            watcher=self,
            rules=Rules(first_retry_s=15, longest_retry_s=100),
        )


async def ask(sources: VectorSources, within: float = 3.0) -> str:
    deadline = 1000.0 + within
    return (await sources.fetch(REQUEST, deadline=deadline, trail=Trail("r"))).xres.decode()


async def refused(sources: VectorSources, kind: type[EcsError] = EcsError) -> EcsError:
    with pytest.raises(kind) as raised:
        await ask(sources)
    return raised.value


async def test_the_first_source_is_asked_and_has_its_share_of_the_time() -> None:
    world = World()
    assert await ask(world.opened()) == "aaaa"
    assert world.a.asked == [pytest.approx(1000 + 2.8 / 3)]
    assert not world.b.asked
    assert world.results == [("aaaa", Result.VECTOR)]


async def test_a_longest_wait_of_its_own_is_kept() -> None:
    world = World()
    assert await ask(world.opened(timeout_s=0.25)) == "aaaa"
    assert world.a.asked == [1000.25]


@pytest.mark.parametrize(
    "fails", [AWAY, PeerTimeout("late"), PeerMisbehaved("nonsense")], ids=lambda each: each.reason
)
async def test_the_next_is_asked_where_one_cannot_answer(fails: EcsError) -> None:
    world = World()
    world.a.fails = fails
    assert await ask(world.opened()) == "bbbb"
    assert world.b.asked == [pytest.approx(1000 + 2.8 / 2)]
    assert not world.c.asked


@pytest.mark.parametrize(
    "fails", [UnknownIdentity("nobody"), AuthenticationRejected("no")], ids=lambda each: each.reason
)
async def test_a_no_is_an_answer_and_nobody_else_is_asked(fails: EcsError) -> None:
    world = World()
    world.a.fails = fails
    assert await refused(world.opened()) is fails
    assert not world.b.asked
    assert world.results == [("aaaa", Result.REFUSED)]


async def test_who_is_unknown_to_the_second_may_be_known_to_the_first_that_is_away() -> None:
    world = World()
    world.a.fails, world.b.fails = AWAY, UnknownIdentity("nobody")
    sources = world.opened(failures=1)
    for reason in ("gone", "circuit_open"):
        error = await refused(sources, PeerUnavailable)
        assert error.reason == reason
    assert not world.c.asked
    world.b.fails = AuthenticationRejected("no")
    assert await refused(sources) is world.b.fails


async def test_where_all_fail_the_error_is_the_last_one_s_and_tells_of_each() -> None:
    world = World()
    world.a.fails, world.b.fails, world.c.fails = AWAY, PeerTimeout("late"), AWAY
    error = await refused(world.opened(), PeerUnavailable)
    assert (error.reason, error.for_operator) == ("gone", "it is gone; late; it is gone")
    assert error.retry_after is None


async def test_who_has_no_route_is_told_to_come_later_and_nobody_is_asked() -> None:
    world = World()
    other = VectorRequest("blue", REQUEST.imsi, Variant.AKA)
    with pytest.raises(PeerUnavailable) as raised:
        await world.opened().fetch(other, deadline=1003.0, trail=Trail("r"))
    assert raised.value.reason == "no_route"
    assert not world.results


async def test_a_source_that_fails_is_left_alone_and_tried_after_a_pause() -> None:
    world = World()
    sources = world.opened(failures=3, pause_s=5)
    world.a.fails = AWAY
    for _ in range(10):
        assert await ask(sources) == "bbbb"
    assert len(world.a.asked) == 3
    assert world.states[3:] == [("aaaa", SourceState.AWAY, "gone")]
    world.a.fails = None
    world.clock.time += 5.1
    assert await ask(sources) == "aaaa"
    assert world.states[4:] == [("aaaa", SourceState.OKAY, "it answers")]
    assert await ask(sources) == "aaaa"


@pytest.mark.parametrize(
    "fails",
    [PeerMisbehaved("one_sim"), UnknownIdentity("nobody"), AuthenticationRejected("no")],
    ids=lambda each: each.reason,
)
async def test_no_sim_alone_makes_a_source_be_left_alone(fails: EcsError) -> None:
    world = World()
    sources = world.opened(failures=1)
    world.a.fails = fails
    for _ in range(5):
        with contextlib.suppress(EcsError):
            await ask(sources)
    assert len(world.a.asked) == 5


async def test_the_longer_all_are_away_the_later_is_come_back_told() -> None:
    world = World()
    sources = world.opened(failures=1, pause_s=5)
    world.a.fails = world.b.fails = world.c.fails = AWAY
    assert (await refused(sources)).retry_after == 15
    world.clock.time += 4
    error = await refused(sources)
    assert (error.reason, error.retry_after) == ("circuit_open", 19)
    world.clock.time += 10_000
    assert (await refused(sources)).retry_after == 100
    world.b.fails = None
    world.clock.time += 6
    sources_deadline = world.clock.time + 3
    vector = await sources.fetch(REQUEST, deadline=sources_deadline, trail=Trail("r"))
    assert vector.xres == b"bbbb"


async def test_a_source_that_has_enough_to_do_is_passed_over() -> None:
    world = World()
    world.a.waits = asyncio.Event()
    sources = world.opened(in_flight=2)
    waiting = [asyncio.create_task(ask(sources)) for _ in range(2)]
    await asyncio.sleep(0)
    assert len(world.a.asked) == 2
    assert await ask(sources) == "bbbb"
    world.a.waits.set()
    assert await asyncio.gather(*waiting) == ["aaaa", "aaaa"]
    assert await ask(sources) == "aaaa"
    assert ("aaaa", Result.NOT_ASKED) in world.results


async def test_a_source_that_says_nothing_costs_its_share_and_no_more() -> None:
    world = World()
    world.a.waits = asyncio.Event()
    assert await ask(world.opened(), within=0.03) == "bbbb"
    assert world.results == [("aaaa", Result.TIMEOUT), ("bbbb", Result.VECTOR)]


async def test_a_caller_who_goes_away_holds_nothing_up_and_blames_nobody() -> None:
    world = World()
    world.a.waits = asyncio.Event()
    sources = world.opened(in_flight=1, failures=1)
    task = asyncio.create_task(ask(sources))
    await asyncio.sleep(0)
    assert world.a.asked
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    world.a.waits.set()
    assert await ask(sources) == "aaaa"
    assert len(world.states) == 3


async def test_requests_sent_again_are_a_share_of_all_and_those_never_sent_are_free() -> None:
    world = World(budget=RetryBudget(RetryRules(share=0.1, reserve=2)))
    world.a.fails = AWAY
    sources = world.opened(failures=5, pause_s=5)
    told: list[str] = []
    for _ in range(8):
        try:
            told.append(await ask(sources))
        except PeerUnavailable as error:
            told.append(error.reason)
    # Two from the reserve; then none; and as soon as the first is left alone, every one again.
    assert told == ["bbbb", "bbbb", "gone", "gone", "gone", "bbbb", "bbbb", "bbbb"]


@pytest.mark.parametrize("late", [PeerTimeout, PeerUnavailable])
def test_what_is_told_keeps_its_kind(late: Callable[[str], EcsError]) -> None:
    world = World()
    world.a.fails = world.b.fails = world.c.fails = late("x")
    error = asyncio.run(refused(world.opened()))
    assert type(error) is late


async def test_a_resynchronisation_goes_to_where_its_vector_came_from() -> None:
    world = World()
    sources = world.opened()
    world.a.fails = AWAY
    refused_by_sim = await sources.fetch(REQUEST, deadline=1003.0, trail=Trail("r"))
    assert refused_by_sim.xres == b"bbbb"
    world.a.fails = None
    asked = len(world.a.asked)
    again = replace(REQUEST, resync=Resync(refused_by_sim.rand, bytes(14)))
    assert (await sources.fetch(again, deadline=1003.0, trail=Trail("r"))).xres == b"bbbb"
    assert len(world.a.asked) == asked
    # That of a vector of the first, or of another worker's, is asked for as usual.
    first = await sources.fetch(REQUEST, deadline=1003.0, trail=Trail("r"))
    for rand in (first.rand, bytes(16)):
        other = replace(REQUEST, resync=Resync(rand, bytes(14)))
        assert (await sources.fetch(other, deadline=1003.0, trail=Trail("r"))).xres == b"aaaa"


async def test_where_the_giver_is_away_a_resynchronisation_goes_on_in_the_order() -> None:
    world = World()
    sources = world.opened()
    world.a.fails = AWAY
    given = await sources.fetch(REQUEST, deadline=1003.0, trail=Trail("r"))
    world.a.fails, world.b.fails = None, AWAY
    again = replace(REQUEST, resync=Resync(given.rand, bytes(14)))
    assert (await sources.fetch(again, deadline=1003.0, trail=Trail("r"))).xres == b"aaaa"


async def test_a_source_that_asked_to_be_spared_works_and_the_next_is_asked_for_free() -> None:
    world = World(budget=RetryBudget(RetryRules(reserve=0, share=0.0)))
    sources = world.opened(failures=2)
    spared = PeerUnavailable("diameter_overloaded", for_operator="aaaa", retry_after=30)
    world.a.fails = spared
    for _ in range(5):
        assert await ask(sources) == "bbbb"
    assert world.results[:2] == [("aaaa", Result.NOT_ASKED), ("bbbb", Result.VECTOR)]
    assert all(state is SourceState.OKAY for _, state, _ in world.states)
    world.b.fails = world.c.fails = spared
    assert (await refused(sources)).retry_after == 30
