"""Telling devices that another policy decides: those that are told something else by it.

A published policy may concern every subscription of a tenant. They are looked at some at a time, in
the background: what each device of one was told by the policy before is compared with what it is
told now, as after an event (`flows/lifecycle.py`). One worker does it, and another goes on where it
was should he die.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeAlias

import structlog

from simgrant.domain.bss_events import BssEvent, Change
from simgrant.domain.life import Done
from simgrant.domain.network_facts import NOTHING_HEARD
from simgrant.domain.policy import Policy
from simgrant.flows.answers import Answers
from simgrant.flows.eligibility import Eligibilities
from simgrant.flows.for_ever import KeepsActing
from simgrant.flows.lifecycle import devices_of, differing
from simgrant.flows.live_policies import LivePolicies
from simgrant.flows.network_data import NetworkFacts
from simgrant.nouns import named_noun, noun
from simgrant.ports.clock import Clock
from simgrant.ports.life import POLICY, Judge, Judged, Present, Waiting
from simgrant.ports.sweeps import Sweep, SweepRows
from simgrant.ports.switching import VOWIFI, ServicesOf

Answering: TypeAlias = Callable[[str, Policy], Answers]
"""Returns the answers of a tenant by a policy."""


@named_noun
class Rules:
    """How fast it goes."""

    batch: int = 32
    """Subscriptions in one transaction."""
    pause_s: float = 0.05
    """Seconds between two of them: nobody else is to wait for it."""
    lease_s: float = 10.0
    """Seconds after which what a worker began is another's."""
    poll_s: float = 1.0
    """Seconds between two looks for a policy that was published."""


@noun
class _Judge:
    """What compares, and whether it looks at how many companions there are."""

    judge: Judge
    counts: bool


class PolicySweeps:
    """Compares what devices are told by two policies; every worker runs it."""

    def __init__(
        self,
        rows: SweepRows,
        policies: LivePolicies,
        *,
        answering: Answering,
        sms_apps: Mapping[str, Sequence[str]],
        switched: ServicesOf,
        note: Callable[[str, Judged], None],
        clock: Clock,
        eligibilities: Eligibilities | None = None,
        network: NetworkFacts | None = None,
        rules: Rules | None = None,
    ) -> None:
        """``note`` writes down for people what became of a subscription.

        Without ``eligibilities`` no BSS is asked, without ``network`` no core network; neither is
        asked here: what they said last counts.
        """
        self._rows = rows
        self._policies = policies
        self._answering = answering
        self._sms_apps = sms_apps
        self._switched = switched
        self._note = note
        self._clock = clock
        self._eligibilities = eligibilities
        self._network = network
        self._rules = rules or Rules()

    async def run(self) -> None:
        """Look for what is to be done, for ever."""
        await KeepsActing(self.act, poll_s=self._rules.poll_s, failed="policy_sweep").run()

    async def act(self) -> bool:
        """Do a sweep that is due, to its end or until it is another's; say whether there was one.

        PeerUnavailable where the store is away: the sweep goes on after its lease.
        """
        sweep = await self._rows.claim(now_ms=self._ms(), again_ms=self._ms(self._rules.lease_s))
        if sweep is None:
            return False
        judge = await self._judge(sweep)
        if judge is None:
            structlog.get_logger().error(
                "policy_not_compared", tenant=sweep.tenant, change=sweep.change
            )
            await self._rows.drop(sweep)
            return True
        self._say("policy_compared_from", sweep)
        while True:
            swept = await self._rows.step(
                sweep,
                judge.judge,
                now=self._clock.now(),
                again_ms=self._ms(self._rules.lease_s),
                limit=self._rules.batch,
                counts=judge.counts,
            )
            if swept is None:
                return True
            sweep = swept.sweep
            for judged in swept.judged:
                self._note(sweep.tenant, judged)
            if swept.is_done:
                self._say("policy_compared", sweep)
                return True
            await asyncio.sleep(self._rules.pause_s)

    def _ms(self, later_s: float = 0.0) -> int:
        return int((self._clock.now() + later_s) * 1000)

    def _say(self, event: str, sweep: Sweep) -> None:
        structlog.get_logger().info(
            event, tenant=sweep.tenant, change=sweep.change, looked=sweep.looked, told=sweep.told
        )

    async def _judge(self, sweep: Sweep) -> _Judge | None:
        """Return what compares; None where one of the policies is not to be had."""
        tenant = sweep.tenant
        if tenant not in self._policies:
            return None
        before = await self._policies.at(tenant, sweep.change - 1)
        after = await self._policies.at(tenant, sweep.change)
        if before is None or after is None:
            return None
        event = BssEvent(
            event_id=f"policy:{sweep.change}",
            change=Change.CHANGED,
            at=int(self._clock.now()),
        )
        answering = self._answering(tenant, before), self._answering(tenant, after)
        waiting = Waiting(POLICY, event, event.at * 1_000_000)
        return _Judge(
            partial(self._compared, tenant, waiting, answering),
            any(each.counts for each in answering),
        )

    def _compared(
        self, tenant: str, waiting: Waiting, answering: tuple[Answers, Answers], present: Present
    ) -> Judged:
        life = present.life
        told, heard = None, NOTHING_HEARD
        if self._eligibilities is not None and self._eligibilities.asks(tenant):
            told = present.told
        if self._network is not None and self._network.wanted[tenant]:
            heard = self._network.as_learned(life.subscription, present.learned)
        terminals, now = devices_of(present), self._clock.now()
        counted = present.counted
        old, new = (
            each.of(life, terminals, now=now, told=told, heard=heard, counted=counted)
            for each in answering
        )
        return differing(
            Judged(life, life, ((waiting, Done.APPLIED),)),
            present,
            [old],
            new,
            sms_apps=self._sms_apps.get(tenant, ()),
            switched=VOWIFI in self._switched.get(tenant, ()),
        )
