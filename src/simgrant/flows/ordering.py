"""Orders of eSIM profiles: made, driven to their end, and told of (ADR 0028).

Whoever makes an order sets it going and waits a little; what is not ready by then goes on without
him. What a process leaves undone comes again by itself: a worker takes over every order for which
something is due. Before each call at an SM-DP+ it stands in the order's row that it is made, and
what became of it is written in one step with what comes next.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeAlias

import structlog

from simgrant.domain.order import (
    UNDER_WAY,
    Begun,
    Cancelled,
    Confirmed,
    Delayed,
    Device,
    Downloaded,
    Event,
    Failed,
    Forgotten,
    GivenUp,
    Installed,
    OldDeleted,
    Opened,
    Order,
    OrderMode,
    OrderState,
    OutOfOrder,
    PlanChanged,
    Replaced,
    Settled,
    Source,
    Switched,
    SwitchedLate,
    Switching,
    Todo,
    Trouble,
    Unsubscribed,
    aside_of,
    step,
)
from simgrant.domain.owner import Enterprise, Owner
from simgrant.domain.pace import Pace, Used
from simgrant.domain.visit import OrderChange
from simgrant.errors import Conflict, EcsError
from simgrant.flows.bss_calls import call_bss
from simgrant.flows.for_ever import KeepsTaking
from simgrant.flows.order_switches import NO_DESKS, SwitchDesk, switch
from simgrant.identities import Iccid, Imsi
from simgrant.nouns import noun, replace
from simgrant.ports.bss_orders import BssOrders
from simgrant.ports.clock import Clock
from simgrant.ports.orders import IccidTaken, Kept, Orders
from simgrant.ports.smdp import Cause, NotReached, Refused, Smdp
from simgrant.telemetry.log import say_fault
from simgrant.telemetry.metrics import Metrics

Smdps: TypeAlias = Mapping[str, Mapping[str, Smdp]]
"""The SM-DP+s of each tenant, by their names."""
Choose: TypeAlias = Callable[[str, Order], Sequence[Source]]
"""Says where a new order of a tenant gets its profile, best first."""

_TROUBLES = {
    Cause.OUT_OF_STOCK: Trouble.OUT_OF_STOCK,
    Cause.IN_USE: Trouble.IN_USE,
    Cause.ALREADY_RELEASED: Trouble.DONE_ALREADY,
    Cause.WRONG_STATE: Trouble.DONE_ALREADY,
    Cause.OTHER_EID: Trouble.OTHER_EID,
    # We name no discovery server, so it is the SM-DP+'s own that is down: for a while, one hopes.
    Cause.SMDS_DOWN: Trouble.NOT_REACHED,
    Cause.CONFIGURATION: Trouble.REFUSED,
    Cause.OTHER: Trouble.REFUSED,
}
_UNDECIDED_S = 7200
"""Seconds after which an order ends that nobody decides about on its page: longer than any page."""
_MOST_RACES = 20
"""How often a transition is tried anew because another was faster."""


@noun
class Rules:
    """How long things may take."""

    immediate_s: float
    """Seconds that a device is kept waiting for its profile, before it is told to come again."""
    life_s: int
    """Seconds after which an order that is not ready is given up."""
    call_timeout_s: float
    """Seconds for one call to an SM-DP+."""
    lease_s: int
    """Seconds that an order belongs to who drives it: longer than any call takes."""
    first_pause_s: float
    """Seconds before a call is made again for the first time; then twice as long each time."""
    longest_pause_s: float
    batch: int
    """Orders claimed at a time."""
    in_flight: int
    """Orders driven at a time."""
    poll_s: float
    """Seconds between two looks for orders when there were none."""


class Ordering:
    """Makes orders and drives them; ``run`` takes over what others left, until it is cancelled."""

    def __init__(
        self,
        orders: Orders,
        *,
        smdps: Smdps,
        clock: Clock,
        metrics: Metrics,
        rules: Rules,
        bss: Mapping[str, BssOrders] | None = None,
        choose: Choose | None = None,
        switches: Mapping[str, SwitchDesk] = NO_DESKS,
    ) -> None:
        """Take ``bss``, the BSS of each tenant that has one; without ``choose`` the source of an
        order is where it gets its profile. ``switches`` says in whose network services of devices
        go on and off."""
        self._orders = orders
        self._switches = switches
        self._bss = bss or {}
        self._choose = choose
        self._metrics = metrics
        self._smdps = smdps
        self._clock = clock
        self._rules = rules
        self._places = asyncio.Semaphore(rules.in_flight)
        self._taking = KeepsTaking[Order](
            self._take_some, poll_s=rules.poll_s, last_s=rules.call_timeout_s
        )

    def smdp(self, tenant: str, name: str) -> Smdp | None:
        """Return an SM-DP+ of a tenant."""
        return self._smdps.get(tenant, {}).get(name)

    async def of(self, tenant: str, owner: Owner) -> dict[str, Order]:
        """Return the orders of a subscription by their places; an enterprise has too many."""
        return {order.place: order for order in await self._orders.of(tenant, owner)}

    async def at(self, tenant: str, owner: Owner, place: str) -> Order | None:
        """Return the order at one place."""
        return await self._orders.at(tenant, owner, place)

    async def with_profile(self, tenant: str, owner: Owner, iccid: Iccid) -> Order | None:
        """Return the order of this owner that has a profile."""
        kept = await self._orders.by_iccid(tenant, iccid)
        return kept.order if kept is not None and kept.owner == owner else None

    async def live_of(self, tenant: str, enterprise: Enterprise) -> int:
        """Return how many orders of an enterprise have not ended."""
        return await self._orders.live_of(tenant, enterprise)

    async def used(self, tenant: str, owner: Owner, device: Device, pace: Pace, *, at: int) -> Used:
        """Return what was made of a pace already."""
        return await self._orders.used(tenant, owner, device, pace, at=at)

    async def by_iccid(self, tenant: str, iccid: Iccid) -> Kept | None:
        """Return the order that has a profile."""
        return await self._orders.by_iccid(tenant, iccid)

    async def make(
        self,
        tenant: str,
        owner: Owner,
        order: Order,
        *,
        instead_of: Order | None,
        most: int | None = None,
        most_an_hour: int | None = None,
        pace: Pace | None = None,
    ) -> Order | None:
        """Write an order, and return how far it is after a short while.

        None where another request was faster. Raise NoStock, TooMany, TooFast, TooOften,
        TokenOver, or what
        the store raises; then there is no order.
        """
        now = int(self._clock.now())
        order, otherwise = self._sourced(tenant, order)
        due_at = now + self._rules.lease_s if order.todo else self._ends_at(order)
        made = await self._orders.make(
            tenant,
            owner,
            order,
            instead_of=instead_of,
            due_at=due_at,
            most=most,
            tell=order.state is OrderState.DELETING,
            most_an_hour=most_an_hour,
            pace=pace,
            otherwise=otherwise,
        )
        if made is not None:
            self._say(tenant, made)
            _say_source(tenant, made, order.source)
        if made is None or made.todo is None:
            return made
        return await self.wait(Kept(tenant, owner, made))

    async def wait(self, kept: Kept, *, within: float = math.inf) -> Order:
        """Set an order going whose lease is ours, and return how far it is after a short while.

        It takes no more than ``within`` seconds.
        """
        driving = self._taking.go(self._drive(kept))
        await asyncio.wait([driving], timeout=max(0.0, min(self._rules.immediate_s, within)))
        order = driving.result() if driving.done() else kept.order
        if order.todo is None and order.state is not OrderState.ORDERED:
            return order
        try:
            return await self.happens(Kept(kept.tenant, kept.owner, order), Delayed())
        except OutOfOrder:
            # It is ready by now, or it has ended, and nobody waits for what is left to be done.
            return await self._again(kept)

    async def happens(self, kept: Kept, event: Event, *, mine: bool = False) -> Order:
        """Let something happen to an order and return it; raise `OutOfOrder` if it does not fit.

        Where something else happened meanwhile, it happens after that. What is to be done next is
        the worker's, or with ``mine`` the caller's. Raise Conflict if the order is no more.
        """
        before = kept.order
        for _ in range(_MOST_RACES):
            after = step(before, event, at=int(self._clock.now()), call_id=_call_id())
            if await self._change(kept, after, before, event, mine=mine):
                return after
            before = await self._again(kept)
        raise Conflict("order_busy")

    def change(self, tenant: str, order: Order, event: Event) -> OrderChange:
        """Return what an event makes of an order, for who writes it together with something else.

        What is to be done next is then his: see `changed`. Raise `OutOfOrder` if it does not fit.
        """
        after = step(order, event, at=int(self._clock.now()), call_id=_call_id())
        otherwise: Sequence[Source] = ()
        if order.state is OrderState.AT_PORTAL:
            after, otherwise = self._sourced(tenant, after)
        due_at, keep = self._due(after, order, event, mine=after.todo is not order.todo)
        return OrderChange(
            order, after, _named(event), due_at, keep_due=keep, otherwise=tuple(otherwise)
        )

    def _sourced(self, tenant: str, order: Order) -> tuple[Order, Sequence[Source]]:
        """Return an order with where it gets its profile, once it is said what it will be.

        And where else, if none is left there.
        """
        if self._choose is None or order.state is OrderState.AT_PORTAL:
            return order, ()
        source, *otherwise = self._choose(tenant, order)
        return replace(order, source=source), otherwise

    async def changed(
        self, tenant: str, owner: Owner, change: OrderChange, *, within: float
    ) -> None:
        """Go on with an order after its change was written, for ``within`` seconds at most."""
        self._say(tenant, change.after)
        if change.after.todo is None or change.keep_due:
            return
        order = await self._again(Kept(tenant, owner, change.after))
        _say_source(tenant, order, change.after.source)
        if order.version == change.after.version:
            await self.wait(Kept(tenant, owner, order), within=within)

    async def installed(self, kept: Kept) -> Order:
        """Note that a device has its profile; the one that it takes the place of is over now.

        Raise `OutOfOrder` if it cannot have it.
        """
        by_network = kept.tenant in self._switches and isinstance(kept.owner, Imsi)
        after = await self.happens(kept, Installed(by_network))
        await self.replaces(Kept(kept.tenant, kept.owner, after))
        return after

    async def replaces(self, kept: Kept) -> None:
        """End the order whose profile an installed one takes the place of; again, it is no error.

        It comes after the installation and not with it: where a process ends in between, whoever
        says once more that it is installed makes up for it.
        """
        after = kept.order
        if after.old_order_id:
            await self._end_old(kept)
        if after.old_iccid is None or after.old_iccid == after.iccid:
            return
        former = await self.with_profile(kept.tenant, kept.owner, after.old_iccid)
        if former is not None:
            with contextlib.suppress(OutOfOrder):  # it is over already
                await self.happens(Kept(kept.tenant, kept.owner, former), Unsubscribed())

    async def old_is_gone(self, kept: Kept, *, wait: bool = False) -> Order:
        """Let an order go on whose old profile was deleted; the order of that one is over now.

        With ``wait`` return as `begins` does. Raise `OutOfOrder` if it does not wait for that.
        """
        # In this order: a profile that is used again is found by its new order after that.
        await self._end_old(kept)
        return await (self.begins if wait else self.happens)(kept, OldDeleted())

    async def _end_old(self, kept: Kept) -> None:
        """End the order whose profile had to be deleted for this one, unless it is over already."""
        for other in (await self.of(kept.tenant, kept.owner)).values():
            if other.order_id == kept.order.old_order_id:
                with contextlib.suppress(OutOfOrder):
                    await self.happens(Kept(kept.tenant, kept.owner, other), Replaced())

    async def begins(self, kept: Kept, event: Event) -> Order:
        """Let something happen that the SM-DP+ has to hear of, and return as `make` does."""
        after = await self.happens(kept, event, mine=True)
        if after.todo is None:
            return after
        return await self.wait(Kept(kept.tenant, kept.owner, after))

    def switch_until(self, tenant: str) -> int:
        """Return by when (Unix seconds) the network has to have a device's service on or off.

        0 where it has no part in that.
        """
        desk = self._switches.get(tenant)
        return 0 if desk is None else int(self._clock.now()) + desk.within_s

    async def run(self) -> None:
        """Take over orders for ever; at the end, finish the calls under way."""
        await self._taking.run()

    # --- driving ---------------------------------------------------------------------

    async def _take_some(self) -> bool:
        """Claim some orders and set them going; say whether there were any."""
        now = int(self._clock.now())
        try:
            claimed = await self._orders.claim(
                now=now, again_at=now + self._rules.lease_s, limit=self._rules.batch
            )
        except EcsError as error:
            structlog.get_logger().warning("orders_not_read", reason=error.reason)
            return False
        for kept in claimed:
            self._taking.go(self._drive(kept))
        return bool(claimed)

    async def _drive(self, kept: Kept) -> Order:
        """Do what is to be done for an order until nothing is, or not now; return it."""
        order = kept.order
        async with self._places:
            try:
                if order.forget_at and self._clock.now() >= order.forget_at:
                    structlog.get_logger().error(
                        "order", tenant=kept.tenant, order=order.order_id, state="left_undone"
                    )
                    return await self.happens(kept, Forgotten(), mine=True)
                if order.state in UNDER_WAY and self._clock.now() >= self._ends_at(order):
                    at_portal = order.state is OrderState.AT_PORTAL
                    reason = "undecided" if at_portal else "too_old"
                    order = await self.happens(kept, GivenUp(reason), mine=True)
                while order.todo is not None:
                    order, going_on = await self._do(Kept(kept.tenant, kept.owner, order))
                    if not going_on:
                        break
            except (EcsError, OutOfOrder) as error:
                # The lease ends by itself, and somebody tries again.
                reason = error.reason if isinstance(error, EcsError) else str(error)
                structlog.get_logger().warning(
                    "order_left", tenant=kept.tenant, order=order.order_id, reason=reason
                )
            except Exception as error:
                say_fault(error)
        return order

    def _ends_at(self, order: Order) -> int:
        """Return when an order is given up that is still under way then."""
        life_s = self._rules.life_s
        if order.state is OrderState.AT_PORTAL:
            life_s = min(life_s, _UNDECIDED_S)
        return order.created_at + life_s

    async def _do(self, kept: Kept) -> tuple[Order, bool]:
        """Do the next thing; return the order and whether to go on with it at once."""
        if kept.order.todo is Todo.SWITCH:
            return await self._switch(kept)
        if kept.order.source.mode is OrderMode.BSS:
            return await self._do_at_bss(kept)
        smdp = self.smdp(kept.tenant, kept.order.source.smdp)
        if smdp is None:
            return await self._ends(kept, Failed(Trouble.NOT_REACHED, "smdp_not_configured")), False
        if kept.order.todo is Todo.SETTLE:
            left = kept.order.changed_at + smdp.terms.post_confirm_delay_s - self._clock.now()
            if left > 0:
                await asyncio.sleep(min(left, self._rules.lease_s / 2))
                if left > self._rules.lease_s / 2:
                    return kept.order, False
            return await self.happens(kept, Settled(), mine=True), True
        return await self._calls(kept, lambda begun: self._call(smdp, begun.order))

    async def _switch(self, kept: Kept) -> tuple[Order, bool]:
        desk = self._switches.get(kept.tenant)
        if kept.order.state is OrderState.ENDED:
            if await self._is_used_again(kept):
                return await self._ends(kept, Switched()), True
        elif self._clock.now() >= kept.order.going_until:
            late = SwitchedLate(self.switch_until(kept.tenant))
            return await self.happens(kept, late, mine=True), True
        if desk is None:
            return await self._ends(kept, Failed(Trouble.REFUSED, "not_switched_any_more")), False
        deadline = self._clock.monotonic() + self._rules.call_timeout_s
        order, going_on = await self._calls(
            kept, lambda begun: switch(desk, begun, deadline=deadline)
        )
        # What is under way is looked at later.
        return order, going_on and order.todo is not None and not order.watch

    async def _is_used_again(self, kept: Kept) -> bool:
        """Say whether another order has the profile of one that ended, and its service by that."""
        iccid = kept.order.iccid
        found = None if iccid is None else await self._orders.by_iccid(kept.tenant, iccid)
        return (
            found is not None
            and found.order.order_id != kept.order.order_id
            and found.order.state is not OrderState.ENDED
        )

    async def _do_at_bss(self, kept: Kept) -> tuple[Order, bool]:
        bss = self._bss.get(kept.tenant)
        if bss is None:
            return await self._ends(kept, Failed(Trouble.NOT_REACHED, "bss_not_configured")), False
        deadline = self._clock.monotonic() + self._rules.call_timeout_s
        return await self._calls(kept, lambda begun: call_bss(bss, begun, deadline=deadline))

    async def _calls(
        self, kept: Kept, call: Callable[[Kept], Awaitable[Event]]
    ) -> tuple[Order, bool]:
        """Make a call once it is written that it is made, and write what became of it."""
        begun = step(kept.order, Begun(), at=int(self._clock.now()), call_id=_call_id())
        if not await self._change(kept, begun, kept.order, Begun(), mine=True):
            # Somebody else has it, or it is about something else by now.
            return await self._again(kept), False
        if not begun.begun:
            return begun, begun.todo is not None
        now = Kept(kept.tenant, kept.owner, begun)
        event = await call(now)
        order = await self._ends(now, event)
        return order, not isinstance(event, Failed) or order.tries == 0

    async def _ends(self, kept: Kept, event: Event) -> Order:
        """Write what became of a call, unless the order is about something else by now."""
        calling, before = kept.order, kept.order
        for _ in range(_MOST_RACES):
            after = step(before, event, at=int(self._clock.now()), call_id=_call_id())
            try:
                if await self._change(kept, after, before, event, mine=True):
                    return after
            except IccidTaken as error:
                # Somebody else's profile: nothing of it is ours to use, or to cancel.
                if isinstance(event, Failed):
                    raise
                event = Failed(Trouble.IN_USE, error.reason)
                continue
            before = await self._again(kept)
            late = before.orphan and isinstance(event, Downloaded)
            if before.call_id != calling.call_id and not late:
                return before
        raise Conflict("order_busy")

    async def _call(self, smdp: Smdp, order: Order) -> Event:
        deadline = self._clock.monotonic() + self._rules.call_timeout_s
        eid, iccid, source = order.device.eid, order.iccid, order.source
        try:
            if order.todo is Todo.DOWNLOAD:
                profile_type = "" if iccid else source.profile_type
                found = await smdp.download_order(
                    order.call_id,
                    iccid=iccid,
                    profile_type=profile_type,
                    eid=eid,
                    deadline=deadline,
                )
                return Downloaded(found, smdp.terms.remembers_calls)
            if iccid is None:
                return Failed(Trouble.REFUSED, "no_iccid")
            if order.todo is Todo.RETURN:
                # It is known there by the eUICC that it was deleted from.
                await smdp.cancel_order(order.call_id, iccid=iccid, deadline=deadline)
                return Cancelled()
            if order.todo is Todo.CONFIRM:
                confirmed = await smdp.confirm_order(
                    order.call_id,
                    iccid=iccid,
                    release=not source.hold,
                    eid=eid,
                    matching_id=order.matching_id,
                    deadline=deadline,
                )
                delay = smdp.terms.post_confirm_delay_s > 0
                return Confirmed(confirmed.smdp_address, confirmed.matching_id, delay)
            if order.todo is Todo.RELEASE:
                await smdp.release_profile(order.call_id, iccid=iccid, deadline=deadline)
                return Opened(smdp.terms.post_confirm_delay_s > 0)
            await smdp.cancel_order(
                order.call_id,
                iccid=iccid,
                eid=eid,
                matching_id=order.matching_id,
                deadline=deadline,
            )
        except Refused as error:
            return Failed(_TROUBLES[error.cause], error.reason)
        except NotReached as error:
            return Failed(Trouble.NOT_REACHED, error.reason)
        except Exception as error:
            # UnknownOutcome, and whatever else: nobody can say that it was not done.
            return Failed(Trouble.UNKNOWN, getattr(error, "reason", type(error).__name__))
        return Cancelled()

    # --- writing ---------------------------------------------------------------------

    async def _change(
        self, kept: Kept, after: Order, before: Order, event: Event, *, mine: bool
    ) -> bool:
        due_at, keep = self._due(after, before, event, mine=mine)
        # Of what is left to be done for one that has ended, no device has to know.
        switched = (
            before.todo is Todo.SWITCH
            and before.state is not OrderState.ENDED
            and (after.todo is not Todo.SWITCH or after.state is OrderState.ENDED)
        )
        news = after.state is not before.state and after.state in (
            OrderState.DELETING,
            OrderState.RELEASED,
            OrderState.ENDED,
        )
        changed = await self._orders.change(
            kept.tenant,
            kept.owner,
            after,
            before=before,
            event=_named(event),
            due_at=due_at,
            keep_due=keep,
            tell=switched or (news and after.waiting),
        )
        if changed and after.state is not before.state:
            self._say(kept.tenant, after)
        if changed and after.orphan and not before.orphan:
            self._say(kept.tenant, after, orphan=True)
        return changed

    def _say(self, tenant: str, order: Order, *, orphan: bool = False) -> None:
        """Count an order that is somewhere else now, and log it; an orphan is for the operator."""
        state = "orphan_suspected" if orphan else order.state.value
        self._metrics.count_order(tenant, order.app_id, state)
        log = structlog.get_logger()
        (log.warning if orphan else log.info)(
            "order", tenant=tenant, order=order.order_id, state=state, reason=order.reason
        )

    def _due(
        self, after: Order, before: Order, event: Event, *, mine: bool
    ) -> tuple[int | None, bool]:
        """Return when something is due for an order, and whether that is as it was."""
        now = int(self._clock.now())
        if after.todo is None:
            if after.forget_at:
                return after.forget_at, False
            waits = after.state in UNDER_WAY
            return (self._ends_at(after) if waits else None), False
        if isinstance(event, Failed):
            return now + self._pause(after.tries), False
        if isinstance(event, Switching):
            return now + math.ceil(event.again_s), False
        if mine:
            return now + self._rules.lease_s, False
        # Whoever makes a call, or waits to, keeps the order.
        return now, before.begun or after.todo is before.todo

    def _pause(self, tries: int) -> int:
        rules = self._rules
        pause = min(rules.longest_pause_s, rules.first_pause_s * 2.0 ** min(tries - 1, 30))
        return math.ceil(pause * random.uniform(1, 1.3))  # noqa: S311 - jitter

    async def _again(self, kept: Kept) -> Order:
        """Return the order as it is now."""
        for place in (kept.order.place, aside_of(kept.order.order_id)):
            order = await self.at(kept.tenant, kept.owner, place)
            if order is not None and order.order_id == kept.order.order_id:
                return order
        raise Conflict("order_gone")


def _say_source(tenant: str, order: Order, wanted: Source) -> None:
    """Log that an order's profile had to come from elsewhere: it is time to fill up a shelf."""
    if order.source != wanted:
        structlog.get_logger().warning(
            "order_from_next_source",
            tenant=tenant,
            order=order.order_id,
            empty=f"{wanted.smdp}/{wanted.profile_type}",
            source=f"{order.source.smdp}/{order.source.profile_type}",
        )


def _named(event: Event) -> str:
    """Return what a history calls an event."""
    name = type(event).__name__
    return f"{name}: {event.plan}" if isinstance(event, PlanChanged) else name


def _call_id() -> str:
    """Return a function call identifier that nobody has used."""
    return f"{random.SystemRandom().getrandbits(128):032x}"
