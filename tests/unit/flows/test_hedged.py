"""The next source is asked besides where one takes long: who counts, when, and how often.

Time is virtual: what takes seconds here takes none, and is exact.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from simgrant.flows.vector_sources import HedgeResult, VectorSources
from simgrant.identities import Imsi
from simgrant.links.guarded import Config, Guarded, Result, SourceState
from simgrant.links.retry import RetryBudget, RetryRules
from simgrant.ports.vectors import VectorRequest
from tests.virtual_time import LoopClock, run

REQUEST = VectorRequest("red", Imsi("001010000000001"), Variant.AKA)
SILENT = 1e6
USUAL = 1 / 128
"""Seconds of every answer before a test begins; so also of the percentile."""
VECTOR = None
NO, BARRED = UnknownIdentity("nobody"), AuthenticationRejected("barred")
GONE, NONSENSE = PeerUnavailable("gone"), PeerMisbehaved("nonsense")


class Source:
    """Answers after a time, with its name in XRES or with what it is told to raise."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.takes = USUAL
        self.fails: EcsError | None = None
        self.under_way = 0
        self.asked: list[float] = []
        self.given_up: list[float] = []
        """When requests were cancelled."""

    def will(self, takes: float, fails: EcsError | None = VECTOR) -> None:
        self.takes, self.fails = takes, fails

    async def fetch(self, request: VectorRequest, *, deadline: float) -> AuthVector:
        assert request.tenant == "red"
        loop = asyncio.get_running_loop()
        self.asked.append(loop.time())
        self.under_way += 1
        late = loop.time() + self.takes > deadline
        try:
            await asyncio.sleep(min(self.takes, deadline - loop.time()))
        except asyncio.CancelledError:
            self.given_up.append(loop.time())
            raise
        finally:
            self.under_way -= 1
        if late:
            raise PeerTimeout("late")
        if self.fails is not None:
            raise self.fails
        rand = self.name.encode() * 3 + len(self.asked).to_bytes(4, "big")
        return AuthVector(rand, bytes(16), self.name.encode(), bytes(16), bytes(16))


@dataclass
class World:
    """Sources ``aaaa``, ``bbbb`` and ``cccc`` of one route, with a hedge at p95."""

    hedge: float = 0.95
    share: float = 0.05
    reserve: int = 10
    names: tuple[str, ...] = ("aaaa", "bbbb", "cccc")
    results: list[tuple[str, Result]] = field(default_factory=list)
    hedges: list[tuple[str, HedgeResult]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sources = {name: Source(name) for name in self.names}
        self.a, self.b, *_ = self.sources.values()

    def changed(self, source: str, state: SourceState, reason: str) -> None: ...

    def answered(self, source: str, result: Result, seconds: float) -> None:
        assert seconds >= 0
        self.results.append((source, result))

    def hedged(self, source: str, result: HedgeResult) -> None:
        self.hedges.append((source, result))

    async def opened(self, *, warm: int = 60, **limits: float) -> VectorSources:
        """Return the sources after so many usual answers of the first."""
        clock = LoopClock()
        found = {
            name: Guarded(
                Config(name=name, **limits),  # type: ignore[arg-type]
                source,
                watcher=self,
                clock=clock,
                chance=lambda: 0.5,
            )
            for name, source in self.sources.items()
        }
        route = Route(name="all", sources=self.names, tenants=("red",), hedge=self.hedge)
        self.vectors = VectorSources(
            Routes([route]),
            found,
            clock=clock,
            budget=RetryBudget(RetryRules(reserve=10_000)),
            hedges=RetryBudget(RetryRules(share=self.share, reserve=self.reserve)),
            watcher=self,
        )
        usual = (
            self.vectors.fetch(REQUEST, deadline=clock.monotonic() + 3, trail=Trail("r"))
            for _ in range(warm)
        )
        await asyncio.gather(*usual)
        for source in self.sources.values():
            source.asked.clear()
        self.results.clear()
        return self.vectors

    async def ask(self, within: float = 3.0, request: VectorRequest = REQUEST) -> Asked:
        """Ask as a phone's request does, and see that nobody is left waiting."""
        loop = asyncio.get_running_loop()
        began, trail = loop.time(), Trail("r")
        outcome: str | EcsError
        try:
            vector = await self.vectors.fetch(request, deadline=began + within, trail=trail)
            outcome = vector.xres.decode()
        except EcsError as error:
            outcome = error
        assert not any(each.under_way for each in self.sources.values())
        return Asked(outcome, loop.time() - began, trail)


@dataclass
class Asked:
    outcome: str | EcsError
    took: float
    trail: Trail

    @property
    def said(self) -> str:
        """Return who gave the vector, or the reason why nobody did."""
        return self.outcome if isinstance(self.outcome, str) else self.outcome.reason


def asked(
    first: tuple[float, EcsError | None],
    second: tuple[float, EcsError | None] = (USUAL, VECTOR),
    **world: object,
) -> tuple[Asked, World]:
    """Return what comes of one request after many usual ones."""
    made = World(**world)  # type: ignore[arg-type]

    async def main() -> Asked:
        await made.opened()
        made.a.will(*first)
        made.b.will(*second)
        return await made.ask()

    return run(main()), made


def test_the_next_is_asked_after_the_percentile_and_its_vector_counts() -> None:
    found, world = asked((SILENT, VECTOR))
    assert (found.outcome, found.took) == ("bbbb", 2 * USUAL)
    assert world.b.asked == [world.a.asked[0] + USUAL]
    assert world.a.given_up == [world.a.asked[0] + 2 * USUAL]
    assert world.hedges == [("bbbb", HedgeResult.WON)]
    # The first is not blamed: nobody knows what it would have said.
    assert world.results == [("bbbb", Result.VECTOR)]
    assert (found.trail.hedged_to, found.trail.vector_source) == ("bbbb", "bbbb")


def test_the_first_counts_where_it_answers_before_and_the_other_is_given_up() -> None:
    found, world = asked((1.5 * USUAL, VECTOR), (SILENT, VECTOR))
    assert (found.outcome, found.took) == ("aaaa", 1.5 * USUAL)
    assert world.b.given_up == [world.a.asked[0] + 1.5 * USUAL]
    assert world.hedges == [("bbbb", HedgeResult.LOST)]
    assert (found.trail.hedged_to, found.trail.vector_source) == ("bbbb", "")


def test_nobody_else_is_asked_before_the_percentile() -> None:
    found, world = asked((0.75 * USUAL, VECTOR))
    assert (found.outcome, world.b.asked, world.hedges) == ("aaaa", [], [])
    assert found.trail.hedged_to == ""


@pytest.mark.parametrize("no", [NO, BARRED], ids=lambda each: each.reason)
def test_a_no_of_the_first_counts_at_once(no: EcsError) -> None:
    found, world = asked((1.5 * USUAL, no), (SILENT, VECTOR))
    assert (found.outcome, found.took) == (no, 1.5 * USUAL)
    assert world.hedges == [("bbbb", HedgeResult.LOST)]


@pytest.mark.parametrize("no", [NO, BARRED], ids=lambda each: each.reason)
def test_a_no_of_the_second_refuses_nobody_while_the_first_may_answer(no: EcsError) -> None:
    found, world = asked((20 * USUAL, VECTOR), (USUAL, no))
    assert (found.outcome, found.took) == ("aaaa", 20 * USUAL)
    assert world.hedges == [("bbbb", HedgeResult.LOST)]


def test_where_the_first_fails_after_all_who_is_unknown_to_the_second_comes_later() -> None:
    found, world = asked((20 * USUAL, GONE), (USUAL, NO))
    assert isinstance(found.outcome, PeerUnavailable)
    assert world.hedges == [("bbbb", HedgeResult.FAILED)]
    found, _ = asked((20 * USUAL, GONE), (USUAL, BARRED))
    assert found.outcome is BARRED


def test_where_the_first_fails_the_second_is_waited_for() -> None:
    found, world = asked((1.5 * USUAL, GONE), (10 * USUAL, VECTOR))
    assert (found.outcome, found.took) == ("bbbb", 11 * USUAL)
    assert world.hedges == [("bbbb", HedgeResult.WON)]


@pytest.mark.parametrize("fails", [GONE, NONSENSE], ids=lambda each: each.reason)
def test_where_both_fail_the_third_is_asked_at_once(fails: EcsError) -> None:
    found, world = asked((3 * USUAL, fails), (USUAL, fails))
    assert (found.outcome, found.took) == ("cccc", 4 * USUAL)
    assert found.trail.hedged_to == "bbbb"
    assert world.hedges == [("bbbb", HedgeResult.FAILED)]


def test_the_deadline_holds_and_both_silent_is_said() -> None:
    found, world = asked((SILENT, VECTOR), (SILENT, VECTOR), names=("aaaa", "bbbb"))
    assert isinstance(found.outcome, PeerTimeout)
    assert found.took == pytest.approx(2.8)
    assert found.outcome.for_operator == "late; late"
    assert world.results == [("aaaa", Result.TIMEOUT), ("bbbb", Result.TIMEOUT)]


def test_without_the_setting_it_is_waited_for() -> None:
    found, world = asked((20 * USUAL, VECTOR), hedge=0.0)
    assert (found.outcome, world.b.asked) == ("aaaa", [])


def test_a_source_of_which_little_is_known_is_waited_for() -> None:
    world = World()

    async def main() -> Asked:
        await world.opened(warm=49)
        world.a.will(0.5)
        return await world.ask()

    assert run(main()).outcome == "aaaa"
    assert not world.hedges


@pytest.mark.parametrize("given_by_second", [False, True])
def test_a_resynchronisation_is_its_giver_s_alone(*, given_by_second: bool) -> None:
    world = World()

    async def main() -> Asked:
        vectors = await world.opened()
        world.a.will(USUAL / 2, GONE if given_by_second else VECTOR)
        given = await vectors.fetch(REQUEST, deadline=LoopClock().monotonic() + 3, trail=Trail("r"))
        world.a.will(0.5)
        world.b.will(0.5)
        return await world.ask(request=replace(REQUEST, resync=Resync(given.rand, bytes(14))))

    found = run(main())
    assert (found.outcome, found.took) == ("bbbb" if given_by_second else "aaaa", 0.5)
    assert not world.hedges


async def _fail(world: World, times: int) -> None:
    """Let the first and the second source fail so often, at once."""
    world.a.will(0, GONE)
    world.b.will(0, GONE)
    requests = (
        world.vectors.fetch(REQUEST, deadline=LoopClock().monotonic() + 3, trail=Trail("r"))
        for _ in range(times)
    )
    await asyncio.gather(*requests)


def test_a_source_that_is_away_is_not_asked_not_even_to_see_whether_it_is_back() -> None:
    world = World()

    async def main() -> Asked:
        await world.opened(failures=3, pause_s=5)
        await _fail(world, 3)
        world.b.will(USUAL)
        # The pauses of both are over. The first is tried, answers, and is slow the next time.
        await asyncio.sleep(10)
        world.a.will(USUAL / 2)
        assert (await world.ask()).outcome == "aaaa"
        world.b.asked.clear()
        world.a.will(0.5)
        return await world.ask()

    found = run(main())
    assert (found.outcome, found.took) == ("aaaa", 0.5)
    assert (world.b.asked, world.hedges, found.trail.hedged_to) == ([], [], "")


def test_a_source_that_is_full_is_not_asked() -> None:
    world = World()

    async def main() -> Asked:
        await world.opened(in_flight=60, failures=0)
        world.a.will(0, GONE)
        world.b.will(0.5)
        there = [
            asyncio.create_task(
                world.vectors.fetch(REQUEST, deadline=LoopClock().monotonic() + 3, trail=Trail("r"))
            )
            for _ in range(60)
        ]
        await asyncio.sleep(USUAL)
        assert world.b.under_way == 60
        world.a.will(0.5)
        slow = asyncio.create_task(world.ask())
        await asyncio.wait([*there, slow])
        return slow.result()

    found = run(main())
    assert (found.outcome, found.took) == ("aaaa", 0.5)
    assert not world.hedges


def test_one_phone_has_one_second_request() -> None:
    world = World(names=("aaaa", "bbbb", "cccc", "dddd"))
    third, fourth = world.sources["cccc"], world.sources["dddd"]

    async def main() -> list[Asked]:
        await world.opened(failures=0)
        await _fail(world, 60)
        third.will(0.5)
        alone = await world.ask()
        fourth.asked.clear()
        world.a.will(3 * USUAL, GONE)
        return [alone, await world.ask()]

    alone, found = run(main())
    assert (alone.outcome, alone.trail.hedged_to) == ("dddd", "dddd")
    assert (found.outcome, found.trail.hedged_to) == ("cccc", "bbbb")
    assert not fourth.asked


def test_failures_do_not_make_it_impatient() -> None:
    world = World()

    async def main() -> Asked:
        await world.opened(failures=0)
        await _fail(world, 600)
        world.a.will(0.75 * USUAL)
        return await world.ask()

    assert run(main()).outcome == "aaaa"
    assert not [each for each in world.hedges if each[0] == "bbbb"]


def test_a_caller_who_goes_away_leaves_nobody_waiting() -> None:
    world = World()

    async def main() -> None:
        await world.opened()
        world.a.will(SILENT)
        world.b.will(SILENT)
        task = asyncio.create_task(world.ask())
        await asyncio.sleep(2 * USUAL)
        assert (world.a.under_way, world.b.under_way) == (1, 1)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert (world.a.under_way, world.b.under_way) == (0, 0)

    run(main())


def test_second_requests_are_a_share_of_all_however_slow_the_first_becomes() -> None:
    world = World(reserve=3)

    async def main() -> list[Asked]:
        await world.opened(warm=100)
        world.b.will(0.1)
        found = []
        for _ in range(400):
            world.a.will(chance.uniform(0.3, 0.5))
            found.append(await world.ask())
            if len(found) == 100:
                # So far it was slow; from now on that is how long its answers take.
                world.hedges.clear()
        return found

    chance = random.Random(7)
    found = run(main())
    first, later = found[:100], found[100:]
    # Three to begin with, and one for every twenty.
    assert 3 < sum(bool(each.trail.hedged_to) for each in first) <= 3 + 0.05 * 100
    assert sum(bool(each.trail.hedged_to) for each in later) <= 0.05 * 300 + 1
    assert len(world.hedges) <= 0.1 * 300


OUTCOMES = st.tuples(
    st.sampled_from([0.125, 0.5, 0.75, 1.5, 3, 40, 400]).map(lambda each: each * USUAL),
    st.sampled_from([VECTOR, NO, BARRED, GONE, NONSENSE]),
)


@given(first=OUTCOMES, second=OUTCOMES)
def test_two_sources_say_what_one_after_the_other_would_have_said_or_a_vector(
    first: tuple[float, EcsError | None], second: tuple[float, EcsError | None]
) -> None:
    """A hedge changes when a phone is answered, and never turns a vector into a refusal."""
    hedged, world = asked(first, second)
    plain, _ = asked(first, second, hedge=0.0)
    assert hedged.took <= plain.took
    if hedged.said != plain.said:
        assert hedged.outcome == "bbbb"
        assert HedgeResult.WON in {result for _, result in world.hedges}
        assert first[0] > USUAL
    assert len(world.hedges) == bool(hedged.trail.hedged_to)


def test_of_a_tail_little_is_left() -> None:
    """One answer in forty takes a second: with a hedge hardly a phone waits for it."""
    chance = random.Random(7)

    async def main(world: World) -> list[float]:
        await world.opened(warm=200)
        took = []
        for _ in range(2000):
            usual = chance.uniform(0.5, 1) * USUAL
            world.a.will(1.0 if chance.random() < 1 / 40 else usual)
            world.b.will(usual)
            took.append((await world.ask()).took)
        return sorted(took)

    plain, hedged = (run(main(World(hedge=share))) for share in (0.0, 0.95))
    assert plain[-20] > 0.9
    assert hedged[-20] < 2 * USUAL
