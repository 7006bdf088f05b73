"""The port ``Orders`` over any ``Engine``: orders, their history and the stock of profiles."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Sequence

import msgspec

from simgrant.adapters.store.sql import rows, statements
from simgrant.adapters.store.sql.bss_events import companions_changed, due
from simgrant.adapters.store.sql.claims import claimed, counted
from simgrant.adapters.store.sql.engine import Body, Engine, Params, Row, Run
from simgrant.adapters.store.sql.order_rows import (
    FORGOTTEN,
    FREE,
    from_order,
    goes_on,
    let_go,
    order_row,
    taken,
    to_kept,
)
from simgrant.domain.companions import count, share
from simgrant.domain.line import has_moved
from simgrant.domain.order import Device, Order, OrderState, Source, Todo, aside_of
from simgrant.domain.owner import Enterprise, Owner, push_owner
from simgrant.domain.pace import Pace, Used
from simgrant.domain.visit import OrderChange
from simgrant.identities import Iccid, Imsi
from simgrant.nouns import replace
from simgrant.ports.orders import (
    IccidTaken,
    Kept,
    NoStock,
    Passed,
    Shelf,
    StockState,
    TokenOver,
    TooFast,
    TooMany,
)
from simgrant.ports.store import TokenState

_CANDIDATES = 64
"""Free profiles to choose one of: the more there are, the less two who order at once collide."""
_ADDED_AT_ONCE = 500
_LINE_MOVED = "line_moved"
"""Why phones are told that a line has left."""
_HOUR_S = 3_600
_BOUNDLESS = 2**62


class _Faster(Exception):
    """Somebody else made the order: nothing of the transaction is to stay."""


class SqlOrders:
    """Orders in tables (the ``Orders`` port)."""

    def __init__(self, engine: Engine, devices: Collection[str] = ()) -> None:
        """``devices`` are the tenants whose networks switch the services of devices."""
        self._engine = engine
        self._devices = devices

    def _kept(self, row: Row) -> Kept:
        return to_kept(row, self._devices)

    async def of(self, tenant: str, owner: Owner) -> Sequence[Order]:
        """Return every order of an owner, by place."""
        found = await self._engine.read(statements.ORDERS, (tenant, push_owner(owner)))
        orders = (self._kept(row).order for row in found)
        return [order for order in orders if not order.forget_at]

    async def at(self, tenant: str, owner: Owner, place: str) -> Order | None:
        """Return the order at one place."""
        found = await self._engine.read(statements.ORDER_AT, (tenant, push_owner(owner), place))
        return self._kept(found[0]).order if found else None

    async def live_of(self, tenant: str, enterprise: Enterprise) -> int:
        """Return how many orders of an enterprise have not ended."""
        key = (tenant, enterprise.enterprise_id)
        found = await self._engine.read(statements.ENTERPRISE_LIVE, key)
        return int(found[0][0]) if found else 0

    async def make(
        self,
        tenant: str,
        owner: Owner,
        order: Order,
        *,
        instead_of: Order | None,
        due_at: int | None,
        most: int | None = None,
        tell: bool = False,
        most_an_hour: int | None = None,
        pace: Pace | None = None,
        otherwise: Sequence[Source] = (),
    ) -> Order | None:
        """Write a new order, with an ICCID of our stock where its source is pooled."""

        def made() -> Body[Order]:
            new = order
            yield from _companions_first(tenant, owner, instead_of, order)
            # Who makes another order of this owner waits here, and then counts this one.
            if isinstance(owner, Imsi):
                spread = owner.digits
                yield from _counted(tenant, owner, order, most)
            else:
                spread = order.place  # a whole fleet would be too much for one shard
                yield from _admitted(tenant, owner, order, most, most_an_hour)
            if order.lent:
                use = _use(tenant, owner, order, TokenState.BOUND)
                if not (yield Run(statements.USE_BY_ORDER, use)):
                    raise TokenOver
            yield from claimed(tenant, owner, order, pace or Pace())
            chosen = order.state is not OrderState.AT_PORTAL and not order.reuses
            if order.source.pooled and order.iccid is None and chosen:
                # At the portal it is not said yet which kind of profile it will be.
                new = yield from _reserved(tenant, owner, order, otherwise)
            former = instead_of
            if former is not None and not (former.is_over or _is_of_same(former, new)):
                yield from _set_aside(tenant, owner, former)
                former = None
            row = order_row(tenant, owner, new, due_at)
            whole = (*row, statements.shard_of(spread))
            if former is None:
                found = yield Run(statements.ORDER_MADE, whole)
            else:
                same = (former.order_id, former.version)
                found = yield Run(statements.ORDER_MADE_INSTEAD, (*whole, *same))
                if former.iccid not in (None, new.iccid):
                    yield goes_on(tenant, former.iccid, taken(owner, new), FORGOTTEN)
            if not found:
                raise _Faster
            if order.iccid is not None and (former is None or former.iccid != order.iccid):
                yield from _taken_over(tenant, owner, new, order.iccid)
            yield _passed(tenant, owner, new, before=None, event="made")
            yield from _companions_counted(tenant, owner, instead_of, new)
            if tell:
                yield _told(tenant, owner, new)
            return new

        try:
            return await self._engine.transact(made)
        except _Faster:
            return None

    async def change(
        self,
        tenant: str,
        owner: Owner,
        after: Order,
        *,
        before: Order,
        event: str,
        due_at: int | None,
        keep_due: bool = False,
        tell: bool = False,
    ) -> bool:
        """Write an order after a transition, if nobody else had one since ``before``."""

        change = OrderChange(before, after, event, due_at, keep_due)
        return await self._engine.transact(lambda: _changed(tenant, owner, change, tell=tell))

    async def used(self, tenant: str, owner: Owner, device: Device, pace: Pace, *, at: int) -> Used:
        """Return what was made of a pace already."""
        return await self._engine.transact(lambda: counted(tenant, owner, device, pace, at=at))

    async def claim(self, *, now: int, again_at: int, limit: int) -> Sequence[Kept]:
        """Return orders that something is due for, which nobody else is given meanwhile."""
        shards = [s for (s,) in await self._engine.read(statements.ORDER_SHARDS_DUE, (now,))]
        # In no order: of several who look at once, each is to find something of its own.
        for shard in random.sample(shards, len(shards)):
            params = (shard, now, again_at, limit)
            if found := await self._engine.write(statements.ORDERS_CLAIMED, params):
                return [self._kept(row) for row in found]
        return []

    async def by_iccid(self, tenant: str, iccid: Iccid) -> Kept | None:
        """Return the order that has a profile."""
        found = await self._engine.read(statements.ORDER_OF_PROFILE, (tenant, iccid.digits))
        kept = self._kept(found[0]) if found else None
        return kept if kept is not None and kept.order.iccid == iccid else None

    async def by_id(self, tenant: str, start: str) -> Sequence[Kept]:
        """Return the orders whose id begins so, two at most."""
        # Ids are hexadecimal: what begins so comes before what goes on with a g.
        found = await self._engine.read(statements.ORDERS_BY_ID, (tenant, start, f"{start}g"))
        return [self._kept(row) for row in found]

    async def page(
        self, tenant: str, *, after: tuple[str, str], limit: int, waiting: bool
    ) -> Sequence[Kept]:
        """Return orders by owner and place, those behind ``after``."""
        sql = statements.ORDER_PAGE_WAITING if waiting else statements.ORDER_PAGE
        found = await self._engine.read(sql, (tenant, *after, limit), slow=True)
        return [self._kept(row) for row in found]

    async def history(self, tenant: str, owner: Owner) -> Sequence[Passed]:
        """Return every transition of an owner's orders, oldest first."""
        key = (tenant, push_owner(owner))
        found = await self._engine.read(statements.ORDER_HISTORY, key, slow=True)
        return [
            Passed(at, place, order_id, version, *msgspec.json.decode(body))
            for at, place, order_id, version, body in found
        ]

    async def forget(self, tenant: str, enterprise: Enterprise) -> int:
        """Delete every order of an enterprise and their history; return how many orders."""
        key = (tenant, push_owner(enterprise))

        def forgotten() -> Body[int]:
            yield Run(statements.PROFILES_FORGOTTEN, (*key, ""))
            yield Run(statements.CLAIMS_UNLOCKED, (*key, ""))
            yield Run(statements.CLAIMS_FORGOTTEN, key)
            found = yield Run(statements.ORDERS_FORGOTTEN, key)
            yield Run(statements.ORDER_HISTORY_FORGOTTEN, key)
            yield Run(statements.ENTERPRISE_FORGOTTEN, (tenant, enterprise.enterprise_id))
            return len(found)

        return await self._engine.transact(forgotten, slow=True)

    async def orphans(self, tenant: str) -> Sequence[Kept]:
        """Return orders of which the SM-DP+ may have a profile that nobody knows."""
        found = await self._engine.read(statements.ORPHANS, (tenant,), slow=True)
        return [self._kept(row) for row in found]

    async def stock(self, tenant: str) -> Sequence[Shelf]:
        """Return how many profiles there are of each type, free and taken."""
        found = await self._engine.read(statements.STOCK, (tenant,), slow=True)
        counted: dict[tuple[str, str], dict[str, int]] = {}
        for smdp, profile_type, state, many in found:
            counted.setdefault((smdp, profile_type), {})[state] = many
        return [
            Shelf(*key, states.get(StockState.FREE, 0), states.get(StockState.TAKEN, 0))
            for key, states in counted.items()
        ]

    async def add_stock(
        self, tenant: str, smdp: str, profile_type: str, iccids: Sequence[Iccid]
    ) -> int:
        """Add profiles that are ours to order; return how many were not known yet."""

        def added(some: Sequence[Iccid]) -> Body[int]:
            count = 0
            for iccid in some:
                params = (tenant, iccid.digits, smdp, profile_type, *FREE)
                count += len((yield Run(statements.PROFILE_KNOWN, params)))
            return count

        count = 0
        for start in range(0, len(iccids), _ADDED_AT_ONCE):
            some = iccids[start : start + _ADDED_AT_ONCE]
            count += await self._engine.transact(lambda some=some: added(some), slow=True)  # type: ignore[misc]
        return count


def _counted(tenant: str, imsi: Imsi, order: Order, most: int | None) -> Body[None]:
    """Wait for whoever makes an order of this subscription, and count what it has."""
    yield Run(statements.TOUCHED, (tenant, imsi.digits, order.changed_at))
    if most is not None:
        found = yield Run(statements.ORDERS, (tenant, imsi.digits))
        _count(map(to_kept, found), order, most)


def _admitted(
    tenant: str, enterprise: Enterprise, order: Order, most: int | None, most_an_hour: int | None
) -> Body[None]:
    """Count one order more of an enterprise, in its row; its orders are too many to be read."""
    key = (tenant, enterprise.enterprise_id)
    bounds = (_BOUNDLESS if bound is None else bound for bound in (most, most_an_hour))
    if (yield Run(statements.ENTERPRISE_MAY, (*key, order.changed_at // _HOUR_S, *bounds))):
        return
    ((live,),) = yield Run(statements.ENTERPRISE_LIVE, key)
    if most is not None and live >= most:
        raise TooMany(for_operator=f"{live} devices are the most")
    raise TooFast(retry_after=_HOUR_S - order.changed_at % _HOUR_S)


def decided(tenant: str, owner: Imsi, change: OrderChange) -> Body[bool]:
    """Write what was decided on a page about an order; say whether nobody was faster.

    A profile is reserved where one is to be ordered now; raise `NoStock`.
    """
    after = change.after
    yield from _companions_first(tenant, owner, change.before, after)
    yield Run(statements.TOUCHED, (tenant, owner.digits, after.changed_at))
    wanted = after.todo is Todo.DOWNLOAD or after.state is OrderState.DELETING
    if wanted and after.source.pooled and after.iccid is None and not after.reuses:
        # Before the order's row, as for one that is made; from then on it is this order's.
        after = yield from _reserved(tenant, owner, after, change.otherwise)
        change = replace(change, before=replace(change.before, iccid=after.iccid), after=after)
    return (yield from _goes_to(tenant, owner, change))


def _changed(tenant: str, owner: Owner, change: OrderChange, *, tell: bool = False) -> Body[bool]:
    yield from _companions_first(tenant, owner, change.before, change.after)
    return (yield from _goes_to(tenant, owner, change, tell=tell))


def _goes_to(tenant: str, owner: Owner, change: OrderChange, *, tell: bool = False) -> Body[bool]:
    before, after = change.before, change.after
    row = order_row(tenant, owner, after, change.due_at)
    if not (yield Run(statements.ORDER_CHANGED, (*row, before.version, int(change.keep_due)))):
        return False
    if not after.forget_at:
        yield _passed(tenant, owner, after, before=before, event=change.event)
    yield from _companions_counted(tenant, owner, before, after)
    if after.iccid is not None and before.iccid is None:
        yield from _taken_over(tenant, owner, after, after.iccid)
    if after.iccid is not None and after.spared:
        if after.source.pooled:
            yield goes_on(tenant, after.iccid, taken(owner, after), FREE)
        else:
            gone = (tenant, after.iccid.digits, *taken(owner, after))
            yield Run(statements.PROFILE_NO_LONGER_KNOWN, gone)
    if after.is_aside and after.is_over:
        # Nothing is left of it but its history.
        done = (tenant, push_owner(owner), after.place, after.order_id)
        yield Run(statements.ORDER_DONE_WITH, done)
        yield from let_go(tenant, owner, after)
    has_ended = after.state is OrderState.ENDED and before.state is not OrderState.ENDED
    if isinstance(owner, Enterprise) and has_ended:
        yield Run(statements.ENTERPRISE_HAS_LESS, (tenant, owner.enterprise_id))
    if tell:
        yield _told(tenant, owner, after)
    if has_moved(before, after):
        yield from _left(tenant, owner, after)
    elif after.lent and has_ended:
        yield Run(statements.USE_FOLLOWS, _use(tenant, owner, after, TokenState.CONSUMED))
    return True


def _companions_first(tenant: str, owner: Owner, before: Order | None, after: Order) -> Body[None]:
    """Where there are more companions by it, or fewer, lock what comes before the subscription."""
    if isinstance(owner, Imsi) and share(before) != share(after):
        yield due(tenant, [owner.digits], now=after.changed_at)


def _companions_counted(
    tenant: str, owner: Owner, before: Order | None, after: Order
) -> Body[None]:
    """Where there are, have what devices are told compared with what they were told before."""
    if isinstance(owner, Imsi) and share(before) != share(after):
        found = yield Run(statements.ORDERS, (tenant, owner.digits))
        there = [order for row in found if (order := to_kept(row).order).order_id != after.order_id]
        had = count(there if before is None else [*there, before])
        yield from companions_changed(tenant, owner, had, now=after.changed_at)


def _count(there: Iterable[Kept], order: Order, most: int) -> None:
    live = sum(
        kept.order.app_id == order.app_id
        and kept.order.place != order.place
        and kept.order.state is not OrderState.ENDED
        for kept in there
    )
    if live >= most:
        raise TooMany(for_operator=f"{live} devices are the most")


def _left(tenant: str, owner: Owner, after: Order) -> Body[None]:
    """End what phones hold that the line has left, and tell them."""
    to = (after.device.terminal_id, after.asked_by)
    yield Run(statements.TERMINALS_LEFT, (tenant, push_owner(owner), *to))
    change = rows.change_params(tenant, push_owner(owner), after.changed_at)
    yield Run(statements.NOTICES_TO_OTHERS, (*change, after.app_id, *to, _LINE_MOVED))
    if after.lent:
        yield Run(statements.USE_FOLLOWS, _use(tenant, owner, after, TokenState.MOVED))


def _use(tenant: str, owner: Owner, order: Order, state: TokenState) -> Params:
    return (tenant, push_owner(owner), bytes.fromhex(order.lent), state.value, order.changed_at)


def _is_of_same(former: Order, new: Order) -> bool:
    """Whether both are of one profile, which has one order at a time."""
    return former.iccid is not None and former.iccid == new.iccid


def _set_aside(tenant: str, owner: Owner, order: Order) -> Body[None]:
    """Let an unfinished order have a place of its own."""
    aside = replace(order, place=aside_of(order.order_id))
    key = (tenant, push_owner(owner), order.place)
    same = (order.order_id, order.version)
    if not (yield Run(statements.ORDER_SET_ASIDE, (*key, aside.place, from_order(aside), *same))):
        raise _Faster
    if order.iccid is not None:
        yield goes_on(tenant, order.iccid, taken(owner, order), taken(owner, aside))


def _taken_over(tenant: str, owner: Owner, order: Order, iccid: Iccid) -> Body[None]:
    """Note that an order has a profile that others chose; raise `IccidTaken`."""
    holder = taken(owner, order)
    known = (tenant, iccid.digits, order.source.smdp, order.source.profile_type, *holder)
    if (yield Run(statements.PROFILE_KNOWN, known)):
        return
    moved = (tenant, iccid.digits, push_owner(owner), order.place)
    if order.reuses and (yield Run(statements.PROFILE_MOVES, moved)):
        return
    # It may be one of our own stock that somebody else hands out, or was reserved for it before.
    if not (
        (yield goes_on(tenant, iccid, FREE, holder))
        or (yield goes_on(tenant, iccid, holder, holder))
    ):
        raise IccidTaken(for_operator="another order has a profile with this ICCID")


def _reserved(tenant: str, owner: Owner, order: Order, otherwise: Sequence[Source]) -> Body[Order]:
    """Return an order with a profile of the first source that has one; raise `NoStock`.

    A source that is not pooled has one, for all we know.
    """
    for source in (order.source, *otherwise):
        if not source.pooled:
            return replace(order, source=source)
        shelf = (tenant, source.smdp, source.profile_type, StockState.FREE.value, _CANDIDATES)
        while free := (yield Run(statements.PROFILES_FREE, shelf)):
            iccid = Iccid(random.choice(free)[0])  # noqa: S311 - to keep out of each other's way
            if (yield goes_on(tenant, iccid, FREE, taken(owner, order))):
                return replace(order, source=source, iccid=iccid)
    raise NoStock(for_operator=f"no profile of type {order.source.profile_type} is left")


def _told(tenant: str, owner: Owner, order: Order) -> Run:
    change = rows.change_params(tenant, push_owner(owner), order.changed_at)
    return Run(statements.NOTICES_OF_APP, (*change, order.app_id))


def _passed(tenant: str, owner: Owner, after: Order, *, before: Order | None, event: str) -> Run:
    told = (event, before.state if before else "", after.state, after.todo or "", after.reason)
    return Run(
        statements.ORDER_PASSED,
        (
            tenant,
            push_owner(owner),
            after.place,
            after.order_id,
            after.version,
            after.changed_at,
            msgspec.json.encode(told),
        ),
    )
