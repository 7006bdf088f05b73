"""eSIM profiles that a BSS orders, by product orders (TMF622).

What is ordered for one of our orders is found again by ``externalId``: the order's own id for what
is added, the id with a word behind it for what follows. Before anything is ordered the BSS is asked
whether it has that, so that a call that comes again, from whatever process, orders nothing twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import field
from typing import Final
from urllib.parse import quote, urlencode

from simgrant.adapters.bss.tmf.answers import read_answer
from simgrant.domain.order import Delivered, Order, OrderState
from simgrant.domain.owner import Enterprise, push_owner
from simgrant.errors import EcsError, PeerUnavailable
from simgrant.identities import Iccid, InvalidIdentity
from simgrant.links.api import ApiLink
from simgrant.links.http import Repeat, Reply, Unsent
from simgrant.nouns import named_noun
from simgrant.ports.bss_orders import Declined, NotReached, UnknownOutcome, Wanted
from simgrant.ports.clock import Clock
from simgrant.wire.tmf import order as wire
from simgrant.wire.tmf.order import Action, CancelProductOrder, ProductOrder, TaskState

_OK: Final = frozenset({200, 206})
_TAKEN: Final = frozenset({200, 201, 202})
_NOT_FOUND: Final = 404
_SURELY_NOT: Final = frozenset({"credentials_refused", "credentials_unavailable", "peer_throttles"})
"""Reasons for which nothing was done, though an answer came."""
_LONGEST_ADDRESS: Final = 253
_LONGEST_ID: Final = 255
_STATES: Final[Mapping[OrderState, str]] = {
    OrderState.RELEASED: "pendingActive",
    OrderState.ACTIVE: "active",
    OrderState.INACTIVE: "suspended",
    OrderState.ENDED: "terminated",
}
"""What the status of a product says of an order's state."""


@named_noun
class Names:
    """Characteristics, as the operator calls them; one with an empty name is not sent."""

    imsi: str = "imsi"
    enterprise: str = "enterpriseId"
    eid: str = "eid"
    imei: str = "imei"
    """The terminal's id: IMEI or UUID."""
    kind: str = "orderKind"
    """``subscribe``, ``transfer`` or ``recover``."""
    service: str = "companionService"
    profile_type: str = "profileType"
    old_iccid: str = "oldIccid"
    version: str = "version"
    """Counts what becomes of an order: of two changes the higher one is the later."""
    iccid: str = "iccid"
    """This and the following are read, too."""
    smdp_address: str = "smdpAddress"
    matching_id: str = "matchingId"


@named_noun
class Config:
    """How products are ordered."""

    path: str
    """What addresses of the API begin with."""
    category: str = "eSIM"
    """Of the orders; empty = none."""
    offerings: Mapping[str, str] = field(default_factory=dict, hash=False)
    """The offering of a plan; of one that is not named it is the plan's own name."""
    offering: str = "esim"
    """The offering of an order without a plan."""
    names: Names = Names()
    patience_s: float = 5.0
    """Seconds for which an order is watched before it is left to come later."""
    poll_s: float = 0.5
    """Seconds between two looks at it."""


class TmfOrders:
    """A BSS that orders profiles (the ports ``BssOrders`` and ``TellsLater``)."""

    def __init__(self, link: ApiLink, config: Config, clock: Clock) -> None:
        self._link = link
        self._config = config
        self._clock = clock

    async def order(self, call_id: str, wanted: Wanted, *, deadline: float) -> Delivered | None:
        """Have a profile ordered, and return it if it is there in a while (see the port)."""
        del call_id
        order, name = wanted.order, wanted.order_id
        found = await self._find(name, deadline)
        if found is None:
            body = wire.push_order(
                name,
                Action.ADD,
                offering=self._offering(order),
                values=self._values(wanted),
                category=self._config.category,
            )
            found = await self._post(body, deadline)
        return self._outcome(await self._watched(found, name, deadline))

    async def outcome(self, wanted: Wanted, *, deadline: float) -> Delivered | None:
        """Return the profile, if it is there by now (see the port `TellsLater`)."""
        found = await self._find(wanted.order_id, deadline)
        return None if found is None else self._outcome(found)

    async def is_taken_back(self, wanted: Wanted, *, deadline: float) -> bool:
        """Say whether what was to be taken back is by now (see the port `TellsLater`)."""
        ended = await self._find(f"{wanted.order_id}-end", deadline)
        if ended is not None:
            if ended.state in wire.REFUSED:
                raise Declined(str(ended.state))
            return ended.state in wire.OVER
        added = await self._find(wanted.order_id, deadline)
        return added is None or added.state in wire.REFUSED

    async def cancel(self, call_id: str, wanted: Wanted, *, deadline: float) -> bool:
        """Have an order, or the profile that came of it, taken back (see the port)."""
        del call_id
        name = wanted.order_id
        added = await self._find(name, deadline)
        if added is None and wanted.order.iccid is None:
            return True
        if added is not None and added.state not in wire.DONE:
            return added.state in wire.REFUSED or await self._cancelled(added, deadline)
        ended = await self._find(f"{name}-end", deadline)
        if ended is None:
            body = wire.push_order(
                f"{name}-end",
                Action.DELETE,
                product=added.product.id if added else "",
                values=self._identity(wanted),
                category=self._config.category,
            )
            ended = await self._post(body, deadline)
        if ended.state in wire.REFUSED:
            raise Declined(str(ended.state))
        return ended.state in wire.OVER

    async def changed(self, call_id: str, wanted: Wanted, *, deadline: float) -> None:
        """Tell the state and the plan of an order whose profile is there (see the port)."""
        del call_id
        order, names = wanted.order, self._config.names
        name = f"{wanted.order_id}-{order.version}"
        if await self._find(name, deadline) is not None:
            return
        added = await self._find(wanted.order_id, deadline)
        values = self._identity(wanted)
        if names.version:
            values[names.version] = str(order.version)
        body = wire.push_order(
            name,
            Action.MODIFY,
            offering=self._offering(order),
            product=added.product.id if added else "",
            status=_STATES.get(order.state, ""),
            values=values,
            category=self._config.category,
        )
        told = await self._post(body, deadline)
        if told.state in wire.REFUSED:
            raise Declined(str(told.state))

    async def close(self) -> None:
        """Let go of every connection; calls under way end with `UnknownOutcome`."""
        await self._link.close()

    # --- what is said -----------------------------------------------------------------

    def _offering(self, order: Order) -> str:
        if not order.plan:
            return self._config.offering
        return self._config.offerings.get(order.plan, order.plan)

    def _values(self, wanted: Wanted) -> dict[str, str]:
        names, order, device = self._config.names, wanted.order, wanted.order.device
        values = self._identity(wanted) | {
            names.eid: device.eid.digits if device.eid else "",
            names.imei: device.terminal_id,
            names.kind: order.kind,
            names.service: order.service or "",
            names.profile_type: order.source.profile_type,
            names.old_iccid: order.old_iccid.digits if order.old_iccid else "",
        }
        return {name: value for name, value in values.items() if name and value}

    def _identity(self, wanted: Wanted) -> dict[str, str]:
        """Return whose it is, and which profile."""
        names, owner = self._config.names, wanted.owner
        name = names.enterprise if isinstance(owner, Enterprise) else names.imsi
        text = owner.enterprise_id if isinstance(owner, Enterprise) else push_owner(owner)
        iccid = wanted.order.iccid
        values = {name: text, names.iccid: iccid.digits if iccid else ""}
        return {name: value for name, value in values.items() if name and value}

    def _outcome(self, found: ProductOrder) -> Delivered | None:
        """Return the profile that came of an order; None = it comes later; Declined."""
        if found.state in wire.REFUSED:
            raise Declined(str(found.state))
        names, values = self._config.names, found.product.values
        if found.state != wire.OrderState.COMPLETED or not values.get(names.iccid):
            return None
        address, matching = values.get(names.smdp_address, ""), values.get(names.matching_id, "")
        try:
            iccid = Iccid(values[names.iccid])
        except InvalidIdentity:
            raise UnknownOutcome(for_operator=f"{self._link.peer}: the ICCID is none") from None
        if not address or len(address) > _LONGEST_ADDRESS or len(matching) > _LONGEST_ID:
            raise UnknownOutcome(
                for_operator=f"{self._link.peer}: the profile has no address that can be told"
            )
        return Delivered(iccid, address, matching)

    # --- what is asked ----------------------------------------------------------------

    async def _watched(self, found: ProductOrder, name: str, deadline: float) -> ProductOrder:
        """Return an order once it is over, or as it is after a while."""
        until = min(self._clock.monotonic() + self._config.patience_s, deadline)
        while found.state not in wire.OVER:
            if self._clock.monotonic() + self._config.poll_s >= until:
                break
            await asyncio.sleep(self._config.poll_s)
            try:
                found = await self._find(name, until) or found
            except NotReached:
                # It is ordered: what becomes of it is found out later.
                break
        return found

    async def _find(self, name: str, deadline: float) -> ProductOrder | None:
        """Return what was ordered by that name; `NotReached` where nobody can say."""
        query = urlencode(
            {"externalId": name, "fields": ",".join(wire.FIELDS), "limit": "10"},
            quote_via=quote,
            safe=",",
        )
        try:
            reply = await self._link.send(
                "GET",
                f"{self._config.path}/productOrder?{query}",
                repeat=Repeat.STRUGGLING,
                deadline=deadline,
            )
            if reply.status == _NOT_FOUND:
                return None
            if reply.status not in _OK:
                raise self._not_reached(f"it answers {reply.status}", None)
            orders = read_answer(reply, tuple[ProductOrder, ...], self._link.peer)
        except NotReached:
            raise
        except EcsError as error:
            raise self._not_reached(error.for_operator, error.retry_after) from None
        # Some servers pass over filters that they do not know.
        found = [each for each in orders if each.external_id == name]
        if orders and not found:
            raise self._not_reached("it tells of other orders than the one asked about", None)
        return found[0] if found else None

    async def _post(self, body: bytes, deadline: float) -> ProductOrder:
        """Order something, and return the order as it is now; Declined, UnknownOutcome …"""
        reply = await self._sent("productOrder", body, deadline)
        try:
            return read_answer(reply, ProductOrder, self._link.peer)
        except EcsError as error:
            raise UnknownOutcome(for_operator=error.for_operator) from None

    async def _cancelled(self, added: ProductOrder, deadline: float) -> bool:
        """Have an order cancelled that is under way; say whether it is.

        `NotReached` where that cannot be done now: once it is over, its product can be ended.
        """
        if added.state in wire.BEING_CANCELLED:
            return False
        body = wire.push_cancel(added.id, "not wanted any more")
        try:
            reply = await self._sent("cancelProductOrder", body, deadline)
        except Declined as error:
            raise self._not_reached(f"it cancels nothing: {error.reason}", None) from None
        try:
            task = read_answer(reply, CancelProductOrder, self._link.peer)
        except EcsError as error:
            raise UnknownOutcome(for_operator=error.for_operator) from None
        if task.state == TaskState.TERMINATED_WITH_ERROR:
            raise self._not_reached("the order is not to be cancelled now", None)
        return task.state == TaskState.DONE

    async def _sent(self, resource: str, body: bytes, deadline: float) -> Reply:
        try:
            reply = await self._link.send(
                "POST", f"{self._config.path}/{resource}", body, deadline=deadline
            )
        except Unsent as error:
            raise self._not_reached(error.for_operator, error.retry_after) from None
        except PeerUnavailable as error:
            if error.reason in _SURELY_NOT:
                raise self._not_reached(error.for_operator, error.retry_after) from None
            raise UnknownOutcome(for_operator=error.for_operator) from None
        except EcsError as error:
            raise UnknownOutcome(for_operator=error.for_operator) from None
        if reply.status in _TAKEN:
            return reply
        if reply.status >= 500:
            raise UnknownOutcome(for_operator=f"{self._link.peer}: it answers {reply.status}")
        raise Declined(f"status_{reply.status}")

    def _not_reached(self, why: str, retry_after: int | None) -> NotReached:
        return NotReached(for_operator=f"{self._link.peer}: {why}", retry_after=retry_after)
