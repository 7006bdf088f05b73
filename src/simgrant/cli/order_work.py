"""What `simgrant order` does with single orders: see what they wait for, and do it (ADR 0033).

Each has a twin in JSON on the management listener (`fronts/management/orders.py`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from simgrant.cli.common import (
    BadUsage,
    Desk,
    ImsiArgument,
    JsonOption,
    Refused,
    TenantOption,
    desk,
    note,
    print_json,
    run,
    table,
)

if TYPE_CHECKING:
    from simgrant.domain.order import Delivered, Order
    from simgrant.flows.order_desk import OrderDesk
    from simgrant.ports.orders import Kept

_AT_ONCE = 500

OrderArgument = Annotated[
    str, typer.Argument(metavar="ORDER", help="The order's id, or its first letters.")
]
IccidOption = Annotated[str, typer.Option("--iccid", help="The profile's ICCID.")]
CodeOption = Annotated[
    str,
    typer.Option(
        "--activation-code", metavar="CODE", help="What it is downloaded by: `LPA:1$…`; or:"
    ),
]
AddressOption = Annotated[
    str,
    typer.Option(
        "--smdp-address", metavar="NAME", help="The SM-DP+ that knows it by the device's EID."
    ),
]


class AppName(StrEnum):
    """For whom an order is."""

    COMPANION = "companion"
    PRIMARY = "primary"


class AskName(StrEnum):
    """What the subscriber is asked before he may have what is there already."""

    NOTHING = "nothing"
    CONFIRMATION = "confirmation"
    PIN = "pin"
    PAGE = "page"


class ServiceName(StrEnum):
    """Whose number a companion has."""

    SHARED = "SharedNumber"
    DIFFERENT = "DiffNumber"
    FAMILY = "FamilyNumber"


def commands() -> Iterator[tuple[str, Callable[..., None]]]:
    """Yield the commands by their names."""
    yield "list", list_orders
    yield "deliver", deliver
    yield "fail", fail
    yield "release", release
    yield "returned", returned
    yield "found", found
    yield "end", end
    yield "add", add


def list_orders(
    ctx: typer.Context,
    *,
    waiting: Annotated[
        bool, typer.Option("--waiting", help="Only those that wait for somebody.")
    ] = False,
    tenant: TenantOption = "default",
    json: JsonOption = False,
) -> None:
    """Show every order, or those that wait for somebody.

    What an order waits for: `profile`, the BSS is to hand one in (`order deliver`, `order fail`);
    `release`, somebody is to say that it may be downloaded (`order release`); `return`, a profile
    that nobody uses is to be taken back (`order returned`).
    """

    async def work() -> None:
        from simgrant.domain.owner import push_owner
        from simgrant.flows.order_data import order_data

        shown: list[Kept] = []
        async with desk(ctx, tenant) as here:
            after, orders = ("", ""), here.store.orders
            while page := await orders.page(tenant, after=after, limit=_AT_ONCE, waiting=waiting):
                shown += page
                after = (push_owner(page[-1].owner), page[-1].order.place)
        if json:
            print_json(
                [{"whose": push_owner(kept.owner), **order_data(kept.order)} for kept in shown]
            )
        elif shown:
            order_table([kept.order for kept in shown], [push_owner(kept.owner) for kept in shown])
        else:
            note("no order waits for anybody" if waiting else "there are no orders")

    run(work())


def deliver(
    ctx: typer.Context,
    order_id: OrderArgument,
    *,
    iccid: IccidOption,
    activation_code: CodeOption = "",
    smdp_address: AddressOption = "",
    tenant: TenantOption = "default",
) -> None:
    """Hand a profile in, for an order that the BSS was asked for.

    The device that waits for it is told.
    """
    profile = _profile(iccid, activation_code, smdp_address)

    async def work() -> None:
        async with _work(ctx, tenant) as (here, orders):
            kept = await orders.find(order_id)
            done = await _doing(here, kept).deliver(kept, profile)
        note(f"order {done.order_id[:8]} is {done.state}: its device may download the profile")

    run(work())


def fail(
    ctx: typer.Context,
    order_id: OrderArgument,
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why, in a word.")] = "declined",
    tenant: TenantOption = "default",
) -> None:
    """Say that the BSS gives no profile: the order ends, and its device is told."""
    _change(ctx, tenant, order_id, lambda orders, kept: orders.fail(kept, reason))


def release(
    ctx: typer.Context, order_id: OrderArgument, *, tenant: TenantOption = "default"
) -> None:
    """Let the device download a profile that is on hold, since it was paid for, say."""
    _change(ctx, tenant, order_id, lambda orders, kept: orders.release(kept))


def returned(
    ctx: typer.Context, order_id: OrderArgument, *, tenant: TenantOption = "default"
) -> None:
    """Say that the profile of an order that ended is back where it came from."""
    _change(ctx, tenant, order_id, lambda orders, kept: orders.taken_back(kept))


def found(ctx: typer.Context, order_id: OrderArgument, *, tenant: TenantOption = "default") -> None:
    """Say that a suspected orphan was looked for at the SM-DP+, and that is settled."""
    _change(ctx, tenant, order_id, lambda orders, kept: orders.found(kept))


def end(ctx: typer.Context, order_id: OrderArgument, *, tenant: TenantOption = "default") -> None:
    """End an order: what it has at the SM-DP+, or of the BSS, and nobody uses is given back."""
    _change(ctx, tenant, order_id, lambda orders, kept: orders.end(kept))


def add(
    ctx: typer.Context,
    imsi: ImsiArgument,
    *,
    app: Annotated[AppName, typer.Option("--app", help="For a companion, or for the phone.")],
    iccid: IccidOption,
    activation_code: CodeOption = "",
    smdp_address: AddressOption = "",
    eid: Annotated[str, typer.Option("--eid", help="The device's EID.")] = "",
    terminal_id: Annotated[
        str,
        typer.Option("--terminal-id", help="Its IMEI or UUID, beside an EID or alone."),
    ] = "",
    name: Annotated[str, typer.Option("--name", help="What its owner calls it.")] = "",
    vendor: Annotated[str, typer.Option("--vendor", help="Its maker.")] = "",
    model: Annotated[str, typer.Option("--model", help="Its model.")] = "",
    service: Annotated[
        ServiceName, typer.Option("--service", help="Whose number a companion has.")
    ] = ServiceName.SHARED,
    plan: Annotated[str, typer.Option("--plan", help="Its plan; else the line's.")] = "",
    ask: Annotated[
        AskName, typer.Option("--ask", help="What its user is asked before he may download it.")
    ] = AskName.NOTHING,
    tenant: TenantOption = "default",
) -> None:
    """Write down an order that another system made: the device finds its profile at once."""
    profile = _profile(iccid, activation_code, smdp_address)

    async def work() -> None:
        from simgrant.flows import subscriptions
        from simgrant.flows.order_desk import BadProfile, OrderDesk, device_of, make_up

        try:
            device = device_of(
                terminal_id=terminal_id, eid=eid, name=name, vendor=vendor, model=model
            )
        except BadProfile as error:
            raise BadUsage(str(error)) from None
        async with _work(ctx, tenant) as (here, _):
            line = await subscriptions.find_live(here.store, tenant, imsi)
            store = here.doing(line.imsi, f"order,{app.value}")
            made = await make_up(
                OrderDesk(store.orders, tenant, here.now),
                line,
                app=app.value,
                device=device,
                profile=profile,
                service=service.value,
                plan=plan,
                ask=ask.value,
            )
        may = "may download the profile" if made.inquiry is None else "is asked first"
        note(f"order {made.order_id[:8]} is {made.state}: its device {may}")

    run(work())


def order_table(orders: Iterable[Order], whose: Iterable[str] | None = None) -> None:
    """Print orders, and whose they are where that is not plain."""
    from simgrant.flows.moments import moment

    rows = [
        (
            each.order_id[:8],
            each.app_id,
            each.state.value,
            each.todo.value if each.todo else "-",
            each.awaits.value if each.awaits else "-",
            each.iccid.digits if each.iccid else "-",
            each.device.eid.digits if each.device.eid else "-",
            str(moment(each.created_at)),
            each.reason or "-",
        )
        for each in orders
    ]
    head = ("ORDER", "APP", "STATE", "TO DO", "AWAITS", "ICCID", "EID", "SINCE", "REASON")
    if whose is None:
        table(head, rows)
    else:
        table(("WHOSE", *head), [(one, *row) for one, row in zip(whose, rows, strict=True)])


def _profile(iccid: str, activation_code: str, smdp_address: str) -> Delivered:
    from simgrant.flows.order_desk import BadProfile, profile_of

    try:
        return profile_of(iccid, activation_code=activation_code, smdp_address=smdp_address)
    except BadProfile as error:
        raise BadUsage(str(error)) from None


@asynccontextmanager
async def _work(ctx: typer.Context, tenant: str) -> AsyncIterator[tuple[Desk, OrderDesk]]:
    """Open the orders of a tenant; what does not fit is `Refused`."""
    from simgrant.flows.order_desk import NoSuchOrder, NotPossible, OrderDesk

    async with desk(ctx, tenant) as here:
        try:
            yield here, OrderDesk(here.store.orders, tenant, here.now)
        except (NoSuchOrder, NotPossible) as error:
            raise Refused(str(error)) from None


def _doing(here: Desk, kept: Kept) -> OrderDesk:
    """Return the desk for changing an order, which is written down."""
    from simgrant.flows.management.audit import of_order
    from simgrant.flows.order_desk import OrderDesk

    imsi, detail, subject = of_order(kept)
    store = here.doing(imsi, detail, subject=subject)
    return OrderDesk(store.orders, kept.tenant, here.now)


def _change(
    ctx: typer.Context, tenant: str, order_id: str, do: Callable[[OrderDesk, Kept], Any]
) -> None:
    async def work() -> None:
        from simgrant.flows.order_desk import left_to_do

        async with _work(ctx, tenant) as (here, orders):
            kept = await orders.find(order_id)
            after: Order = await do(_doing(here, kept), kept)
        note(f"order {after.order_id[:8]} is {after.state}; {left_to_do(after)}")

    run(work())
