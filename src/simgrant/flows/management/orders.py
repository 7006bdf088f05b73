"""Calls on eSIM orders: the twins of `simgrant order`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec

from simgrant.domain.access import Scope
from simgrant.domain.order import Delivered, Order
from simgrant.domain.owner import push_owner
from simgrant.flows.management.audit import of_order
from simgrant.flows.management.call import (
    Asked,
    Call,
    Desk,
    Done,
    PageQuery,
    Query,
    pull_cursor,
    push_cursor,
)
from simgrant.flows.management.problem import Code, Problem
from simgrant.flows.order_data import order_data
from simgrant.flows.order_desk import (
    BadProfile,
    NoSuchOrder,
    NotPossible,
    OrderDesk,
    device_of,
    make_up,
    profile_of,
)
from simgrant.ports.orders import Kept

PATH: Final = "/v1/orders"
_ONE: Final = PATH + "/{order}"
_SHORT: Final = msgspec.Meta(max_length=64)
_CODE: Final = msgspec.Meta(max_length=1024)


class Profile(msgspec.Struct, forbid_unknown_fields=True):
    """A profile that is handed in, by its code or by its SM-DP+."""

    iccid: Annotated[str, _SHORT]
    activation_code: Annotated[str, _CODE] = ""
    smdp_address: Annotated[str, msgspec.Meta(max_length=255)] = ""

    def delivered(self) -> Delivered:
        """Return it, checked; raise `BadProfile`."""
        return profile_of(
            self.iccid, activation_code=self.activation_code, smdp_address=self.smdp_address
        )


class Failure(msgspec.Struct, forbid_unknown_fields=True):
    """Why there will be no profile."""

    reason: Annotated[str, _SHORT] = "declined"


class NewOrder(Profile, forbid_unknown_fields=True, kw_only=True):
    """An order that another system made, with its profile (TS.43 §7.5)."""

    subscription: Annotated[str, _SHORT]
    """IMSI, or an MSISDN with ``+``."""
    app: Literal["companion", "primary"]
    eid: Annotated[str, _SHORT] = ""
    terminal_id: Annotated[str, _SHORT] = ""
    name: Annotated[str, _SHORT] = ""
    vendor: Annotated[str, _SHORT] = ""
    model: Annotated[str, _SHORT] = ""
    service: Literal["SharedNumber", "DiffNumber", "FamilyNumber"] = "SharedNumber"
    plan: Annotated[str, _SHORT] = ""
    ask: Literal["nothing", "confirmation", "pin", "page"] = "nothing"
    """What the subscriber is asked before he may have it."""


class OrderPage(msgspec.Struct):
    """Some orders."""

    items: list[dict[str, Any]]
    next: str | None
    """`after` of the next page; null = there is none."""


class _ListQuery(PageQuery, kw_only=True):
    waiting: bool = False
    """Only those for which something is to be done."""


Act: TypeAlias = Callable[[OrderDesk, Kept, Any], Awaitable[Order]]
ACTS: Final[dict[str, tuple[Act, Any, str]]] = {
    "deliver": (
        lambda desk, kept, body: desk.deliver(kept, body.delivered()),
        Profile,
        "Hand the profile in that the BSS was asked for",
    ),
    "fail": (
        lambda desk, kept, body: desk.fail(kept, body.reason),
        Failure,
        "Say that there will be no profile",
    ),
    "release": (
        lambda desk, kept, _: desk.release(kept),
        type(None),
        "Say that a profile on hold may be downloaded",
    ),
    "returned": (
        lambda desk, kept, _: desk.taken_back(kept),
        type(None),
        "Say that a profile that nobody uses is back where it came from",
    ),
    "found": (
        lambda desk, kept, _: desk.found(kept),
        type(None),
        "Say that an orphan was looked for, and that is settled",
    ),
    "end": (
        lambda desk, kept, _: desk.end(kept),
        type(None),
        "End an order; what is left is done by itself",
    ),
}
"""What can be done for an order: how, what is said with it, and in words."""


def shown(kept: Kept) -> dict[str, Any]:
    """Return an order as plain data, with whose it is."""
    return {"whose": push_owner(kept.owner), **order_data(kept.order)}


async def make(desk: OrderDesk, line: Any, add: NewOrder) -> Order:
    """Write down an order that another system made."""
    return await make_up(
        desk,
        line,
        app=add.app,
        device=device_of(
            terminal_id=add.terminal_id,
            eid=add.eid,
            name=add.name,
            vendor=add.vendor,
            model=add.model,
        ),
        profile=add.delivered(),
        service=add.service,
        plan=add.plan,
        ask=add.ask,
    )


@contextmanager
def _told() -> Iterator[None]:
    """Raise what orders are refused for as `Problem`."""
    try:
        yield
    except BadProfile as error:
        raise Problem(Code.INVALID, str(error)) from None
    except NoSuchOrder as error:
        raise Problem(Code.NOT_FOUND, str(error)) from None
    except NotPossible as error:
        raise Problem(Code.CONFLICT, str(error)) from None


def _looking(desk: Desk) -> OrderDesk:
    return OrderDesk(desk.store.orders, desk.tenant, desk.now)


async def _list(asked: Asked[_ListQuery, None]) -> Done:
    desk, query = asked.desk, asked.query
    after = pull_cursor(query.after, 2)
    found = await desk.store.orders.page(
        desk.tenant, after=(after[0], after[1]), limit=query.limit, waiting=query.waiting
    )
    more = None
    if len(found) == query.limit:
        more = push_cursor(push_owner(found[-1].owner), found[-1].order.place)
    return Done(content=OrderPage([shown(kept) for kept in found], more))


async def _get(asked: Asked[Query, None]) -> Done:
    with _told():
        return Done(content=shown(await _looking(asked.desk).find(asked.path["order"])))


async def _create(asked: Asked[Query, NewOrder]) -> Done:
    desk, add = asked.desk, asked.body
    with _told():
        line = await desk.one(add.subscription)
        store = desk.doing(line.imsi, f"order,{add.app}")
        order = await make(OrderDesk(store.orders, desk.tenant, desk.now), line, add)
    kept = Kept(desk.tenant, line.imsi, order)
    return Done(content=shown(kept), location=f"{PATH}/{order.order_id}")


def _acting(act: Act) -> Callable[[Asked[Query, Any]], Awaitable[Done]]:
    async def run(asked: Asked[Query, Any]) -> Done:
        desk = asked.desk
        with _told():
            kept = await _looking(desk).find(asked.path["order"])
            imsi, detail, subject = of_order(kept)
            store = desk.doing(imsi, detail, subject=subject)
            changed = await act(OrderDesk(store.orders, desk.tenant, desk.now), kept, asked.body)
        return Done(content=shown(Kept(kept.tenant, kept.owner, changed)))

    return run


CALLS: Final = (
    Call(
        name="list_orders",
        group="orders",
        method="GET",
        path=PATH,
        scope=Scope.ORDERS_READ,
        about="List eSIM orders",
        run=_list,
        query=_ListQuery,
        answer=OrderPage,
    ),
    Call(
        name="create_order",
        group="orders",
        method="POST",
        path=PATH,
        scope=Scope.ORDERS_WRITE,
        about="Write down an order that another system made, with its profile",
        run=_create,
        body=NewOrder,
        answer=dict[str, Any],
        status=201,
        makes={"order": "$response.body#/order"},
    ),
    Call(
        name="get_order",
        group="orders",
        method="GET",
        path=_ONE,
        scope=Scope.ORDERS_READ,
        about="Get an order by its id, or by how that begins",
        run=_get,
        answer=dict[str, Any],
    ),
    *(
        Call(
            name=f"{verb}_order" if verb not in ("returned", "found") else f"order_{verb}",
            group="orders",
            method="POST",
            path=f"{_ONE}/{verb}",
            scope=Scope.ORDERS_WRITE,
            about=about,
            run=_acting(act),
            body=body,
            optional=body is Failure,
            answer=dict[str, Any],
        )
        for verb, (act, body, about) in ACTS.items()
    ),
)
