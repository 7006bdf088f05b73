"""What a worker decides by, while others publish, and while the store lies or is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from simgrant.adapters.store.sql.store import SqlStore
from simgrant.domain.policy import Policy
from simgrant.errors import PeerUnavailable, StartRefused
from simgrant.flows.derived import Derived
from simgrant.flows.for_ever import Pace
from simgrant.flows.live_policies import LivePolicies, Rules
from simgrant.ports.policies import PolicyChange, PolicyVersion
from simgrant.telemetry.metrics import Metrics
from simgrant.telemetry.policy_lines import policy_lines
from tests.clocks import StillClock
from tests.unit.flows.published import (
    ALLOWING,
    DENYING,
    Keys,
    T,
    compiled,
    desk_of,
    key_ring,
    publish,
    rules,
    store_at,
)

FILE = rules('result = "pending"')


@dataclass
class World:
    store: SqlStore
    keys: Keys = field(default_factory=Keys)
    clock: StillClock = field(default_factory=StillClock)
    metrics: Metrics = field(default_factory=lambda: Metrics(CollectorRegistry()))

    def unloaded(self, rows: Any = None) -> LivePolicies:
        def of_file(tenant: str) -> Policy:
            return compiled(tenant, FILE, "file")

        return LivePolicies(
            rows or self.store.policies,
            keys=self.keys,
            of_file={name: (lambda name=name: of_file(name)) for name in (T, "other")},  # type: ignore[misc]
            compile_=compiled,
            clock=self.clock,
            metrics=self.metrics,
            rules=Rules(pace=Pace(every_s=0.001, away_s=0.001), again_s=10),
        )

    async def live(self) -> LivePolicies:
        policies = self.unloaded()
        await policies.load()
        return policies

    def lines(self) -> str:
        return policy_lines(self.metrics.registry)

    async def alter(self, sql: str, *params: object) -> None:
        await self.store.policies._engine.write(sql, params)


@pytest.fixture
async def world(template: Path, tmp_path: Path) -> AsyncIterator[World]:
    async with store_at(template, tmp_path) as store:
        yield World(store)


def number(policies: LivePolicies, tenant: str = T) -> str:
    return policies[tenant].version.partition("-")[0]


async def test_a_file_decides_until_something_is_published(world: World) -> None:
    live = await world.live()
    await live.look()
    assert dict(live) == {T: live[T], "other": live["other"]}
    assert len(live) == 2
    assert number(live) == "file"
    assert world.lines() == ""


async def test_what_is_published_is_taken_over_by_who_runs_and_by_who_starts(world: World) -> None:
    running = await world.live()
    with capture_logs() as logs:
        await publish(desk_of(world.store), ALLOWING)
        await running.look()
    started = await world.live()
    assert number(running) == number(started) == "v1"
    assert number(running, "other") == "file"
    assert [log for log in logs if log["event"] == "policy_taken"] == [
        {
            "event": "policy_taken",
            "log_level": "info",
            "tenant": T,
            "version": running[T].version,
            "before": "file",
            "change": 1,
            "by": "ann",
        }
    ]
    assert world.lines() == f"policy default: {running[T].version} 1\n"


async def test_a_policy_stays_the_same_object_until_another_is_published(world: World) -> None:
    await publish(desk_of(world.store), ALLOWING)
    live = await world.live()
    before = live[T]
    await live.look()
    assert live[T] is before
    await publish(desk_of(world.store), DENYING)
    await publish(desk_of(world.store), ALLOWING + "\n")
    await live.look()
    assert number(live) == "v3"
    assert world.lines() == f"policy default: {live[T].version} 1\n"


async def test_a_rollback_is_taken_over(world: World) -> None:
    desk = desk_of(world.store)
    await publish(desk, ALLOWING)
    await publish(desk, DENYING)
    live = await world.live()
    await desk.roll_back(1, author="ann", comment="c", seen=2, at=1)
    await live.look()
    assert number(live) == "v1"


ALTERATIONS = {
    "another text": ("UPDATE policy_version SET body = ?1 WHERE number = 2", (ALLOWING,)),
    "another version": ("UPDATE policy_change SET number = 1 WHERE change = ?1", (2,)),
    "another author": ("UPDATE policy_change SET author = ?1 WHERE change = 2", ("eve",)),
    "no signature": ("UPDATE policy_change SET signature = ?1 WHERE change = 2", (b"",)),
    "another past": ("UPDATE policy_change SET signature = ?1 WHERE change = 1", (b"x",)),
}


@pytest.mark.parametrize("kind", ALTERATIONS)
async def test_what_is_not_genuine_is_not_taken_and_that_is_said(world: World, kind: str) -> None:
    desk = desk_of(world.store)
    await publish(desk, ALLOWING)
    live = await world.live()
    await publish(desk, DENYING)
    sql, params = ALTERATIONS[kind]
    await world.alter(sql, *params)
    with capture_logs() as logs:
        await live.look()
        await live.look()
        world.clock.time += 11
        await live.look()
    assert number(live) == "v1"
    (said,) = logs
    assert (said["event"], said["reason"]) == ("policy_not_taken", "not_genuine")
    assert said["in_force"] == live[T].version
    assert world.lines() == (
        f"policy default: {live[T].version} 1; newest not taken over: not genuine 1\n"
    )
    # Once somebody puts it right, nothing is left of it.
    await publish(desk, DENYING + "\n")
    await live.look()
    assert number(live) == "v3"
    assert world.lines() == f"policy default: {live[T].version} 1\n"


async def test_who_starts_goes_back_to_what_others_go_on_with(world: World) -> None:
    desk = desk_of(world.store)
    await publish(desk, ALLOWING)
    await publish(desk, DENYING)
    await world.alter("UPDATE policy_version SET body = ?1 WHERE number = 2", ALLOWING)
    live = await world.live()
    assert number(live) == "v1"
    assert "not genuine" in world.lines()


async def test_a_server_does_not_start_where_nothing_published_can_be_had(world: World) -> None:
    await publish(desk_of(world.store), ALLOWING)
    world.keys = Keys(key_ring(9))
    with pytest.raises(StartRefused, match=r"tenant default.*not genuine"):
        await world.live()


async def test_nor_falls_back_to_the_file_where_the_row_that_is_polled_is_gone(
    world: World,
) -> None:
    await publish(desk_of(world.store), ALLOWING)
    await world.alter("DELETE FROM policy_current WHERE tenant = ?1", T)
    assert number(await world.live()) == "v1"


@pytest.mark.parametrize("table", ["policy_current", "policy_change", "policy_version"])
async def test_rows_that_are_gone_change_nothing(world: World, table: str) -> None:
    desk = desk_of(world.store)
    await publish(desk, ALLOWING)
    live = await world.live()
    await publish(desk, DENYING)
    await world.alter(f"DELETE FROM {table} WHERE tenant = ?1", T)  # noqa: S608 - of this test
    with capture_logs() as logs:
        await live.look()
        await live.look()
    assert number(live) == "v1"
    (said,) = logs
    assert said["reason"] == ("went_back" if table == "policy_current" else "gone")


async def test_what_only_a_newer_release_reads_leaves_the_old_one_in_force(world: World) -> None:
    desk = desk_of(world.store)
    await publish(desk, ALLOWING)
    live = await world.live()
    desk._compile = lambda _, text, version: compiled(T, ALLOWING, f"{version}{text[:0]}")
    await publish(desk, ALLOWING + '[novelty]\nx = "1"\n')
    with capture_logs() as logs:
        await live.look()
    assert number(live) == "v1"
    (said,) = logs
    assert said["reason"] == "not_readable"
    assert "novelty" in said["said"]
    assert number(await world.live()) == "v1"


async def test_a_ring_that_is_older_than_the_signature_is_read_again(world: World) -> None:
    live = await world.live()
    await publish(desk_of(world.store, Keys(key_ring(3, 4))), ALLOWING)
    world.keys.newer = key_ring(3, 4)
    await live.look()
    assert number(live) == "v1"


async def test_what_was_refused_is_tried_again_after_a_while(world: World) -> None:
    live = await world.live()
    await publish(desk_of(world.store, Keys(key_ring(4))), ALLOWING)
    await live.look()
    world.keys.ring = key_ring(3, 4)
    await live.look()
    assert number(live) == "file"
    world.clock.time += 10
    await live.look()
    assert number(live) == "v1"
    assert "not taken" not in world.lines()


class Shaky:
    """Rows that are away, or in which somebody of ours made a mistake, when told to."""

    def __init__(self, rows: Any) -> None:
        self.rows = rows
        self.error: Exception | None = None
        self.asked = asyncio.Event()

    async def current(self) -> Any:
        self.asked.set()
        if self.error is not None:
            raise self.error
        return await self.rows.current()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rows, name)

    async def is_asked(self) -> None:
        for _ in range(2):
            self.asked.clear()
            await self.asked.wait()


@asynccontextmanager
async def ran(policies: LivePolicies) -> AsyncIterator[None]:
    running = asyncio.create_task(policies.run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.wait({running})


@pytest.mark.parametrize(
    ("error", "event"),
    [
        (PeerUnavailable("store_unreachable"), "policies_not_read"),
        (ZeroDivisionError(), "internal_error"),
    ],
)
async def test_while_the_store_is_away_the_policy_goes_on(
    world: World, error: Exception, event: str
) -> None:
    await publish(desk_of(world.store), ALLOWING)
    shaky = Shaky(world.store.policies)
    live = world.unloaded(shaky)
    await live.load()
    with capture_logs() as logs:
        async with ran(live), asyncio.timeout(10):
            await shaky.is_asked()
            shaky.error = error
            await shaky.is_asked()
            await publish(desk_of(world.store), DENYING)
            await shaky.is_asked()
            assert number(live) == "v1"
            shaky.error = None
            while number(live) != "v2":
                await shaky.is_asked()
    events = [log["event"] for log in logs]
    assert event in events
    if event == "policies_not_read":
        assert events == ["policies_not_read", "policy_taken", "policies_read_again"]


async def test_a_server_does_not_start_without_the_store(world: World) -> None:
    shaky = Shaky(world.store.policies)

    async def away(*_: object, **__: object) -> None:
        raise PeerUnavailable("store_unreachable", for_operator="it is away")

    shaky.history = away  # type: ignore[attr-defined]
    with pytest.raises(StartRefused, match="it is away"):
        await world.unloaded(shaky).load()


async def test_a_change_without_a_version_is_refused_at_the_start(world: World) -> None:
    bare = PolicyChange(1, 1, "ann", 1, "why", b"x")
    assert await world.store.policies.put(T, bare, PolicyVersion(1, "sha", 0), ALLOWING)
    with pytest.raises(StartRefused, match="not genuine"):
        await world.live()


def test_what_is_derived_is_made_once_for_each_value() -> None:
    source, made = {"a": [1]}, []

    def make(key: str, value: list[int]) -> tuple[str, int]:
        made.append(value)
        return key, len(made)

    derived = Derived(source, make)
    assert (derived["a"], derived["a"]) == (("a", 1), ("a", 1))
    source["a"] = [1]  # equal, and another one all the same
    assert derived["a"] == ("a", 2)
    source["b"] = source["a"]
    assert dict(derived) == {"a": ("a", 2), "b": ("b", 3)}
    assert len(derived) == 2
    with pytest.raises(KeyError):
        derived["c"]
