"""Services of lines switched on and off in the network, as their subscribers and plans have them.

A row says which service of which line is to be looked at, and stays until all is as it should be:
whatever dies or is away meanwhile, it is tried again. What is wanted is found out each time, by the
`Wishes` of that service (ADR 0049).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import field
from itertools import chain
from typing import Final

import structlog

from simgrant.errors import EcsError, PeerMisbehaved
from simgrant.flows.for_ever import KeepsActing
from simgrant.flows.switch_wishes import Wish, Wishes
from simgrant.nouns import named_noun, replace
from simgrant.ports.activation import Activation, Switched
from simgrant.ports.clock import Clock
from simgrant.ports.switching import LEFT_FOR_S, DueSwitch, SwitchRows, UnderWay
from simgrant.spec.ids import ProvStatus
from simgrant.telemetry.log import say_fault

_POLL_S: Final = 1.0
_AT_ONCE: Final = 8
_CALL_S: Final = 8.0
_LEASE_S: Final = 30
"""Seconds after which a line that somebody looks at is another's; longer than looking takes."""
_FIRST_WAIT_S: Final = 5.0
_LONGEST_WAIT_S: Final = 900.0


@named_noun
class Desk:
    """Who switches a tenant's lines, and how."""

    name: str
    """As the settings name it: ``bss.main``."""
    activations: Mapping[str, Activation] = field(repr=False, hash=False)
    """By service."""
    look_every_s: float
    """Seconds between two looks at what is under way."""


class Switching:
    """The lines of all tenants whose BSS switches them; every worker runs it."""

    def __init__(
        self,
        rows: SwitchRows,
        desks: Mapping[str, Desk],
        wishes: Callable[[str], Wishes],
        *,
        clock: Clock,
        chance: Callable[[], float],
    ) -> None:
        """``desks`` are the tenants'; ``wishes`` says who knows what is wanted of a service."""
        self._rows = rows
        self._desks = desks
        self._wishes = wishes
        self._clock = clock
        self._chance = chance

    async def run(self) -> None:
        """Look until cancelled."""
        await KeepsActing(self._look, poll_s=_POLL_S, failed="switching").run()

    async def close(self) -> None:
        """Let go of every connection."""
        activations = chain.from_iterable(
            desk.activations.values() for desk in self._desks.values()
        )
        for each in {id(each): each for each in activations}.values():
            await each.close()

    async def look(self) -> int:
        """Look at lines that are due; return at how many. PeerUnavailable: the store is away."""
        now = int(self._clock.now())
        found = await self._rows.claim(now=now, again_at=now + _LEASE_S, limit=_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for due in found:
                group.create_task(self._look_at(due))
        return len(found)

    async def _look(self) -> bool:
        return await self.look() == _AT_ONCE

    async def _look_at(self, due: DueSwitch) -> None:
        """Bring one line further, and note how far it is."""
        desk, then, wait_s = self._desks.get(due.tenant), None, 0.0
        activation = None if desk is None else desk.activations.get(due.service)
        try:
            if desk is not None and activation is not None:
                then, wait_s = await self._further(due, desk, activation)
                if then is not None and then.until and then.until <= self._clock.now():
                    structlog.get_logger().error(
                        "switching", bss=desk.name, tenant=due.tenant, reason="left_on"
                    )
                    then = None
            now = int(self._clock.now())
            await self._rows.settle(due, then, due_at=now + round(wait_s), now=now)
        except EcsError as error:
            # Its lease runs out, and somebody looks again.
            structlog.get_logger().warning("switching", reason=error.reason)
        except Exception as error:
            say_fault(error)

    async def _further(
        self, due: DueSwitch, desk: Desk, activation: Activation
    ) -> tuple[UnderWay | None, float]:
        """Return how far a service is, and after how many seconds to look again."""
        was, wishes = due.under_way, self._wishes(due.service)
        then: UnderWay | None
        try:
            wish = await wishes.of(due, deadline=self._clock.monotonic() + _CALL_S)
        except EcsError as error:
            then, wait_s = self._later(desk, was, on=was is None or was.on, error=error)
            return replace(then, until=0 if was is None else was.until), wait_s
        if wish is None:
            return None, 0
        then, wait_s = await self._bring(due, desk, activation, wishes, wish)
        if then is not None and wish.before is None:
            # It is nobody's any more, and nobody's for ever it is not to be.
            known = 0 if was is None else was.until
            then = replace(then, until=known or int(self._clock.now()) + LEFT_FOR_S)
        return then, wait_s

    async def _bring(
        self, due: DueSwitch, desk: Desk, activation: Activation, wishes: Wishes, wish: Wish
    ) -> tuple[UnderWay | None, float]:
        """Have a service as is wanted, or look how far that is; return as `_further` does."""
        was = due.under_way
        try:
            told = await self._ask(activation, was, wish)
        except EcsError as error:
            return self._later(desk, was, on=wish.on, error=error)
        if told.status is ProvStatus.IN_PROGRESS:
            if wish.on:
                await wishes.tell(due, wish, ProvStatus.IN_PROGRESS)
            return UnderWay(wish.on, 0, told.watch), self._spread(desk.look_every_s)
        await wishes.tell(due, wish, told.status)
        if told.failed:
            structlog.get_logger().warning(
                "switching", bss=desk.name, tenant=due.tenant, reason="given_up"
            )
            return self._again(was, on=wish.on, watch="")
        if await wishes.changed(due, wish):
            # What was done may have come after what somebody else did for that change.
            return UnderWay(wish.on), 0
        if was is not None and was.watch and was.on is not wish.on:
            # What was under way before that may be done after it.
            return UnderWay(wish.on), self._spread(desk.look_every_s)
        return None, 0

    async def _ask(self, activation: Activation, was: UnderWay | None, wish: Wish) -> Switched:
        deadline, on = self._clock.monotonic() + _CALL_S, wish.on
        if was is not None and was.watch and was.on == on:
            return await activation.progress(was.watch, on=on, deadline=deadline)
        return await activation.switch(wish.who, on=on, deadline=deadline)

    def _later(
        self, desk: Desk, was: UnderWay | None, *, on: bool, error: EcsError
    ) -> tuple[UnderWay, float]:
        """Return what is left to be done where nobody knows whether anything was."""
        structlog.get_logger().warning(
            "switching", bss=desk.name, reason=error.reason, detail=error.for_operator
        )
        # What makes no sense is not asked about again: it is switched anew.
        lost = was is None or was.on != on or isinstance(error, PeerMisbehaved)
        return self._again(was, on=on, watch="" if lost or was is None else was.watch)

    def _again(self, was: UnderWay | None, *, on: bool, watch: str) -> tuple[UnderWay, float]:
        tries = was.tries + 1 if was is not None and was.on == on else 1
        wait_s = min(_FIRST_WAIT_S * 2 ** min(tries - 1, 10), _LONGEST_WAIT_S)
        return UnderWay(on, tries, watch), self._spread(wait_s)

    def _spread(self, seconds: float) -> float:
        return max(1.0, seconds * (0.8 + 0.4 * self._chance()))
