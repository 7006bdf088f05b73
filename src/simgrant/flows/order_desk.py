"""What people and the BSS do with eSIM orders: hand profiles in, release them, end and settle.

This is the management plane's side of orders; devices' is ``flows.ordering``, whose workers go on
with what is to be done here. Everything may be said twice: what is so already changes nothing.
"""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from typing import Final

from simgrant.domain.order import (
    Awaited,
    Cancelled,
    Cleared,
    CompanionService,
    Declined,
    Delivered,
    Device,
    Event,
    Found,
    GivenUp,
    Inquiry,
    Kind,
    Order,
    OrderMode,
    OrderState,
    OutOfOrder,
    Source,
    Todo,
    place_of,
    step,
)
from simgrant.domain.subscription import Subscription
from simgrant.errors import Conflict
from simgrant.identities import Eid, Iccid, Imsi, InvalidIdentity
from simgrant.nouns import noun
from simgrant.ports.orders import IccidTaken, Kept, Orders
from simgrant.spec.ids import AppId
from simgrant.wire.activation_code import ActivationCode, BadActivationCode, pull_activation_code

_STATE: Final[Mapping[Inquiry | None, OrderState]] = {
    None: OrderState.RELEASED,
    Inquiry.CONFIRMATION: OrderState.ASKED,
    Inquiry.PIN: OrderState.ASKED,
    Inquiry.PAGE: OrderState.AT_PORTAL,
}
"""Where an order begins whose profile is there, by what is asked before."""
_HAS_PROFILE = (OrderState.RELEASED, OrderState.ACTIVE, OrderState.INACTIVE)
_MOST_RACES = 20
_MOST_REASON = 64
_ID_DIGITS = 32
_MOST_LETTERS = 64


class NoSuchOrder(Exception):
    """No order is meant, or several; the text says which."""


class NotPossible(Exception):
    """It does not fit where the order is; the text says why."""


class BadProfile(ValueError):
    """What is handed in is no profile; the text never repeats it, since codes are credentials."""


@noun
class OrderDesk:
    """The orders of one tenant, at one moment."""

    orders: Orders
    tenant: str
    now: int
    """Unix seconds."""

    async def find(self, start: str) -> Kept:
        """Return the order whose id begins so; raise `NoSuchOrder`."""
        start = start.lower()
        is_one = 0 < len(start) <= _ID_DIGITS and set(start) <= set("0123456789abcdef")
        found = await self.orders.by_id(self.tenant, start) if is_one else ()
        if len(found) != 1:
            raise NoSuchOrder("several orders begin so" if found else "there is no such order")
        return found[0]

    async def deliver(self, kept: Kept, profile: Delivered) -> Order:
        """Hand a profile in that the BSS was asked for; raise `NotPossible`."""
        order = kept.order
        if order.state in _HAS_PROFILE and _is_profile_of(order, profile):
            return order
        if order.source.mode is not OrderMode.BSS:
            raise NotPossible("its profile is ordered of an SM-DP+, not by the BSS")
        if order.state is not OrderState.ORDERED:
            raise NotPossible(f"it is {order.state}: take the profile back")
        return await self._happens(kept, profile, "delivered by the BSS")

    async def fail(self, kept: Kept, reason: str) -> Order:
        """Say that the BSS gives no profile; raise `NotPossible`."""
        declined = Declined(reason[:_MOST_REASON] or "declined")
        return await self._happens(kept, declined, "declined by the BSS")

    async def release(self, kept: Kept) -> Order:
        """Say that a profile on hold may be downloaded; raise `NotPossible`."""
        order = kept.order
        if order.cleared or (order.source.hold and order.state in _HAS_PROFILE):
            return order
        return await self._happens(kept, Cleared(), "released by an operator")

    async def end(self, kept: Kept) -> Order:
        """End an order; a worker does what is left to be done. Raise `NotPossible`."""
        return await self._happens(kept, GivenUp("operator"), "ended by an operator")

    async def taken_back(self, kept: Kept) -> Order:
        """Say that a profile that nobody uses is back where it came from; raise `NotPossible`."""
        if kept.order.awaits is not Awaited.RETURN:
            raise NotPossible(f"nothing is to be taken back: it is {_where(kept.order)}")
        return await self._happens(kept, Cancelled(), "taken back by the BSS")

    async def found(self, kept: Kept) -> Order:
        """Say that an orphan was looked for, and that is settled; raise `NotPossible`."""
        return await self._happens(kept, Found(), "orphan settled by an operator")

    async def add(
        self,
        imsi: Imsi,
        *,
        app_id: str,
        device: Device,
        profile: Delivered,
        service: CompanionService | None,
        plan: str,
        inquiry: Inquiry | None = None,
    ) -> Order:
        """Write down an order that another system made, with its profile (TS.43 §7.5).

        ``inquiry`` is what the subscriber is asked before he may have it (§8.12); companions have
        no message. Return the order, or the one that this device has with the same profile. Raise
        `NotPossible`.
        """
        if inquiry not in (None, Inquiry.PAGE) and app_id != AppId.ODSA_PRIMARY:
            raise NotPossible("a companion's owner can be asked on a page alone")
        place = place_of(device)
        there = {order.place: order for order in await self.orders.of(self.tenant, imsi)}.get(place)
        if there is not None and there.state is not OrderState.ENDED:
            if there.app_id == app_id and _is_profile_of(there, profile):
                return there
            raise NotPossible("this device has an order already")
        order = Order(
            order_id=os.urandom(_ID_DIGITS // 2).hex(),
            app_id=app_id,
            kind=Kind.SUBSCRIBE,
            place=place,
            state=_STATE[inquiry],
            device=device,
            source=Source("", "", pooled=False, mode=OrderMode.BSS),
            matching_id=profile.matching_id,
            created_at=self.now,
            changed_at=self.now,
            iccid=profile.iccid,
            smdp_address=profile.smdp_address,
            plan=plan,
            service=service,
            code_oid=profile.oid,
            code_confirmed=profile.needs_confirmation,
            inquiry=inquiry,
        )
        try:
            made = await self.orders.make(
                self.tenant, imsi, order, instead_of=there, due_at=None, tell=True
            )
        except IccidTaken:
            raise NotPossible("another order has a profile with this ICCID") from None
        if made is None:
            raise NotPossible("something happens to this device's order right now: try again")
        return made

    async def _happens(self, kept: Kept, event: Event, said: str) -> Order:
        """Let something happen to an order; raise `NotPossible`, and what the store raises."""
        before = kept.order
        for _ in range(_MOST_RACES):
            try:
                after = step(before, event, at=self.now, call_id=_call_id())
            except OutOfOrder:
                raise NotPossible(f"this does not fit: it is {_where(before)}") from None
            # Whoever makes a call, or waits to, keeps the order.
            same = (after.state, after.todo) == (before.state, before.todo)
            news = after.state is not before.state
            try:
                if await self.orders.change(
                    kept.tenant,
                    kept.owner,
                    after,
                    before=before,
                    event=said,
                    due_at=self.now if after.todo else None,
                    keep_due=same or (before.begun and after.todo is not None),
                    tell=news and after.waiting,
                ):
                    return after
            except IccidTaken:
                raise NotPossible("another order has a profile with this ICCID") from None
            before = (await self.find(before.order_id)).order
        raise Conflict("order_busy", for_operator="something happens to it now: try again")


def profile_of(iccid: str, *, activation_code: str = "", smdp_address: str = "") -> Delivered:
    """Return a profile that is handed in, by its code or by its SM-DP+; raise `BadProfile`."""
    if bool(activation_code) == bool(smdp_address):
        raise BadProfile("either an activation code or the address of the SM-DP+ is needed")
    try:
        checked = Iccid(iccid.strip().upper().removesuffix("F"))
    except InvalidIdentity:
        raise BadProfile("the ICCID is none") from None
    try:
        if smdp_address:
            code = ActivationCode(smdp_address)
        else:
            code = pull_activation_code(activation_code.strip())
    except BadActivationCode as error:
        raise BadProfile(str(error)) from None
    return Delivered(
        checked, code.smdp_address, code.matching_id, code.oid, code.needs_confirmation
    )


def device_of(
    *, terminal_id: str = "", eid: str = "", name: str = "", vendor: str = "", model: str = ""
) -> Device:
    """Return a device that somebody else names; raise `BadProfile`."""
    if not (eid or terminal_id):
        raise BadProfile("the device has to have an EID, or an IMEI or UUID")
    try:
        checked = Eid(eid.strip()) if eid else None
    except InvalidIdentity:
        raise BadProfile("the EID is none") from None
    longest = max(map(len, (terminal_id, name, vendor, model)))
    if longest > _MOST_LETTERS:
        raise BadProfile(f"more than {_MOST_LETTERS} letters")
    return Device(terminal_id.strip(), checked, vendor, model, "", name)


async def make_up(
    desk: OrderDesk,
    line: Subscription,
    *,
    app: str,
    device: Device,
    profile: Delivered,
    service: str = CompanionService.SHARED,
    plan: str = "",
    ask: str = "nothing",
) -> Order:
    """Write down what another system ordered for a line.

    ``app`` is companion or primary; ``ask`` is an `Inquiry`, or nothing.
    """
    companion = app == "companion"
    return await desk.add(
        line.imsi,
        app_id=AppId.ODSA_COMPANION if companion else AppId.ODSA_PRIMARY,
        device=device,
        profile=profile,
        service=CompanionService(service) if companion else None,
        plan=plan or line.plan,
        inquiry=None if ask == "nothing" else Inquiry(ask),
    )


def left_to_do(order: Order) -> str:
    """Return in words what follows for an order that somebody has just changed."""
    match order.todo:
        case Todo.CANCEL:
            return "its profile is given back"
        case Todo.TAKE_BACK | Todo.TELL_BSS:
            return "the BSS is told"
        case Todo.RELEASE:
            return "its profile is released"
    return "nothing is left to be done"


def _is_profile_of(order: Order, profile: Delivered) -> bool:
    return (order.iccid, order.smdp_address, order.matching_id) == (
        profile.iccid,
        profile.smdp_address,
        profile.matching_id,
    )


def _where(order: Order) -> str:
    return f"{order.state}, and waits for {order.awaits}" if order.awaits else order.state.value


def _call_id() -> str:
    return f"{random.SystemRandom().getrandbits(128):032x}"
