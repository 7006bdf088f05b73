"""One subscription's life against a simple model: whatever comes, in whatever order, whoever dies.

The model knows what happened, in which order, and nothing of rows. A phone asks when it is told to,
or when it likes. Whatever the sequence: a while after everything came, the subscription is what the
model says, tokens of an old SIM are dead, and the phone knows what it would be told now.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from simgrant.domain.bss_events import BssEvent, Change
from simgrant.domain.eligibility import Eligibility
from simgrant.domain.holdings import HeldBoost, Purchase
from simgrant.domain.life import Life
from simgrant.domain.subscription import (
    Consent,
    ConsentKind,
    ConsentStatus,
    SubscriptionStatus,
    Terminal,
)
from simgrant.ports.bss_events import Taken
from tests.examples import examples
from tests.unit.flows.lives import (
    IMSI,
    PHONE,
    SOURCE,
    START,
    T,
    World,
    another_worker,
    opened,
    registration,
)

R = TypeVar("R")
APPS = ("ap2003", "ap2004", "ap2010")
PLANS = ("basic", "standard", "premium", "data")
BOUND = 13.0
"""Seconds: the lease of a worker that died, the wait for those that follow closely, and some."""
STATUS = {
    Change.SUSPENDED: SubscriptionStatus.SUSPENDED,
    Change.RESUMED: SubscriptionStatus.ACTIVE,
}


class Lives(RuleBasedStateMachine):
    """Events, requests, deaths and time, in any order."""

    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.world: World = self.run(self.stack.enter_async_context(opened(self.template)))
        self.run(self.world.store.register_push(T, IMSI, [registration(PHONE, a) for a in APPS]))
        self.under_way: list[BssEvent] = []
        self.plan, self.plan_at = "basic", 0
        self.status, self.status_at = SubscriptionStatus.ACTIVE, 0
        self.swapped_at = 0
        self.dead_epoch = -1
        """The newest epoch of tokens that belong to a SIM that is no more."""
        self.known = self.run(self.answers())

    def run(self, what: Coroutine[Any, Any, R]) -> R:
        return self.runner.run(what)

    # --- what happens ----------------------------------------------------------------------

    def happens(self, change: Change, **members: Any) -> None:
        """Let something happen; its event is under way from now on."""
        self.world.clock.time += 1
        at = int(self.world.clock.now())
        self.under_way.append(
            BssEvent(event_id=f"e{at}", change=change, at=at, imsi=IMSI, **members)
        )

    @rule(plan=st.sampled_from(PLANS))
    def the_plan_changes(self, plan: str) -> None:
        self.happens(Change.PLAN_CHANGED, told=Eligibility(plan=plan))

    @rule(change=st.sampled_from([Change.SUSPENDED, Change.RESUMED]))
    def the_line_is_suspended_or_resumed(self, change: Change) -> None:
        self.happens(change, told=Eligibility(status=STATUS[change]))

    @rule()
    def the_sim_is_swapped(self) -> None:
        self.happens(Change.SIM_SWAPPED)

    @rule(lasts=st.integers(1, 30))
    def a_boost_is_bought(self, lasts: int) -> None:
        now = int(self.world.clock.now())
        boost = HeldBoost(166, Purchase.ACTIVE, now + lasts, at=now)
        self.run(self.world.store.set_holding(T, IMSI, boost))

    @rule(lasts=st.integers(1, 30), kind=st.sampled_from(list(ConsentKind)))
    def a_consent_is_given_on_a_page(self, lasts: int, kind: ConsentKind) -> None:
        now = int(self.world.clock.now())
        consent = Consent(kind, ConsentStatus.GIVEN, "1", now, now + lasts)
        self.run(self.world.store.set_consent(T, IMSI, consent))

    # --- how it comes ----------------------------------------------------------------------

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), stays=st.booleans())
    def an_event_comes(self, data: st.DataObject, stays: bool) -> None:
        """Any of them, in any order; one that stays under way comes again."""
        place = data.draw(st.integers(0, len(self.under_way) - 1))
        self.deliver(self.under_way[place] if stays else self.under_way.pop(place))

    @rule(plans=st.permutations(PLANS), seconds=st.sampled_from([0, 1, 3]))
    def news_overtakes_older_news(self, plans: list[str], seconds: int) -> None:
        """They are common enough, and rarely found by chance."""
        self.the_plan_changes(plans[0])
        self.the_plan_changes(plans[1])
        self.deliver(self.under_way.pop())
        self.run(self.world.pass_time(seconds))
        self.deliver(self.under_way.pop())

    def deliver(self, event: BssEvent) -> None:
        epoch = self.run(self.world.state()).token_epoch
        (taken,) = self.run(self.world.inbox.take(T, SOURCE, [event]))
        if taken is Taken.KNOWN:
            return
        assert taken is Taken.KEPT
        told = event.told
        if told.plan is not None and event.at > self.plan_at:
            self.plan, self.plan_at = told.plan, event.at
        if told.status is not None and event.at > self.status_at:
            self.status, self.status_at = told.status, event.at
        if event.change is Change.SIM_SWAPPED and event.at > self.swapped_at:
            self.swapped_at, self.dead_epoch = event.at, epoch

    # --- what is done ----------------------------------------------------------------------

    @rule()
    def a_worker_acts(self) -> None:
        self.run(self.world.act())

    @rule()
    def a_worker_claims_and_dies(self) -> None:
        now = self.world.clock.now()
        self.run(
            self.world.store.life.claim(
                now_ms=int(now * 1000), again_ms=int(now * 1000) + 10_000, limit=10
            )
        )
        self.world.life = another_worker(self.world)

    @rule()
    def several_act_at_once(self) -> None:
        async def all_of_them() -> None:
            workers = [another_worker(self.world) for _ in range(3)]
            await asyncio.gather(*(worker.act() for worker in workers))

        self.run(all_of_them())

    @rule(seconds=st.floats(0.1, 5))
    def time_passes(self, seconds: float) -> None:
        self.world.clock.time += seconds

    @rule()
    def the_phone_asks(self) -> None:
        self.known = self.run(self.answers())

    # --- what holds ------------------------------------------------------------------------

    @rule()
    def a_while_later(self) -> None:
        """Whatever came is done by now."""
        for _ in range(2):
            self.run(self.world.pass_time(BOUND))
        state = self.run(self.world.state())
        assert (state.plan, state.status) == (self.plan, self.status)
        assert state.token_epoch > self.dead_epoch
        if self.run(self.world.told()):
            self.known = self.run(self.answers())
        assert self.known == self.run(self.answers()), "the phone was not told"
        assert self.run(self.world.inbox.listed(T)) == []

    async def answers(self) -> dict[str, Any]:
        """Return what the phone is told now of what it registered for."""
        store = self.world.store
        profile = await store.profile(T, IMSI, PHONE, "app")
        assert profile is not None
        held = await store.holdings(T, IMSI)
        life = Life(profile.subscription, profile.terms, profile.address, held)
        answers = self.world.life._answers[T]
        terminal = Terminal(PHONE, "Vendor", "Model", "1", START, START)
        found = answers.of(life, [terminal], now=self.world.clock.now())
        return {app: found[PHONE, app].told for app in APPS}

    def teardown(self) -> None:
        try:
            while self.under_way:
                self.deliver(self.under_way.pop())
            self.a_while_later()
            for _ in range(3):
                # What ends by itself has ended, too.
                self.run(self.world.pass_time(BOUND))
            assert self.run(self.world.store.life.waits()) == 0
        finally:
            self.run(self.stack.aclose())
            self.runner.close()


def test_who_saw_what_was_over_at_once_is_told(template: Path) -> None:
    life = type("OneLife", (Lives,), {"template": template})()
    try:
        life.a_consent_is_given_on_a_page(lasts=1, kind=ConsentKind.TERMS)
        life.the_phone_asks()
    finally:
        life.teardown()


@pytest.mark.slow
def test_no_sequence_leaves_a_phone_with_what_it_may_not_have(template: Path) -> None:
    machine = type("OneLife", (Lives,), {"template": template})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples(30),
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
