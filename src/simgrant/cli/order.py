"""`simgrant order`: eSIM orders, what became of each, and the stock of profiles (ADR 0028).

ICCIDs, EIDs and IMSIs are shown in clear here, on the management plane, and are never logged.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simgrant.cli.common import (
    BadUsage,
    JsonOption,
    Refused,
    TenantOption,
    YesOption,
    desk,
    note,
    print_json,
    progress,
    run,
    settings,
)
from simgrant.cli.common import table as show_table
from simgrant.cli.order_work import commands, order_table

if TYPE_CHECKING:
    from simgrant.domain.owner import Owner
    from simgrant.identities import Iccid
    from simgrant.ports.store import Store

app = typer.Typer(help="eSIM orders.", no_args_is_help=True)
WhoseArgument = Annotated[
    str,
    typer.Argument(metavar="WHOSE", help="IMSI, MSISDN with +, or enterprise:ID."),
]
_AT_ONCE = 5_000


@app.callback()
def order() -> None:
    """Look at orders, do what they wait for, and keep the stock of profiles."""


@app.command()
def show(
    ctx: typer.Context,
    whose: WhoseArgument,
    *,
    tenant: TenantOption = "default",
    json: JsonOption = False,
) -> None:
    """Show the orders of a subscription, or an enterprise, and everything that happened to them."""

    async def work() -> None:
        from simgrant.flows.order_data import order_data, passed_data

        async with desk(ctx, tenant) as here:
            owner = await _owner(here.store, tenant, whose)
            orders = await here.store.orders.of(tenant, owner)
            history = await here.store.orders.history(tenant, owner)
        passed = [passed_data(one) for one in history]
        if json:
            print_json({"orders": [order_data(each) for each in orders], "history": passed})
            return
        if not orders:
            note("there are no orders")
            return
        order_table(orders)
        note("")
        show_table(
            ("AT", "ORDER", "WHAT HAPPENED", "STATE", "TO DO", "REASON"),
            (
                (
                    one["at"],
                    one["order"][:8],
                    one["event"],
                    one["after"],
                    one["todo"] or "-",
                    one["reason"] or "-",
                )
                for one in passed
            ),
        )

    run(work())


@app.command()
def orphans(
    ctx: typer.Context, *, tenant: TenantOption = "default", json: JsonOption = False
) -> None:
    """Show orders of which an SM-DP+ may have a profile that nobody knows of.

    Look for them at the SM-DP+ by the EID and the time, give them back there, and settle each with
    `order found`. The order itself may be in use.
    """

    async def work() -> None:
        from simgrant.domain.owner import push_owner
        from simgrant.flows.order_data import order_data

        async with desk(ctx, tenant) as here:
            found = await here.store.orders.orphans(tenant)
        if json:
            print_json(
                [{"whose": push_owner(kept.owner), **order_data(kept.order)} for kept in found]
            )
        elif found:
            order_table([kept.order for kept in found])
        else:
            note("no orphan is suspected")

    run(work())


@app.command()
def forget(
    ctx: typer.Context,
    enterprise: Annotated[
        str, typer.Argument(metavar="ENTERPRISE", help="Whose: the enterprise_id.")
    ],
    *,
    tenant: TenantOption = "default",
    yes: YesOption = False,
) -> None:
    """Delete the orders of an enterprise and their history; `subscription erase` is for the others.

    What its devices have installed stays there, and their ICCIDs are never used again.
    """

    async def work() -> None:
        from simgrant.domain.order import OrderState
        from simgrant.domain.owner import Enterprise, push_owner

        owner = Enterprise(enterprise.lower())
        async with desk(ctx, tenant) as here:
            orders = await here.store.orders.of(tenant, owner)
            if any(each.todo or each.awaits for each in orders):
                raise Refused("something is still to be done for one: see `order show`")
            live = sum(each.state is not OrderState.ENDED for each in orders)
            if not yes:
                note(f"would delete {len(orders)} orders, {live} of them live; do it with --yes")
                return
            deed = here.doing(None, f"{len(orders)} orders", subject=push_owner(owner))
            count = await deed.orders.forget(tenant, owner)
        note(f"{count} orders deleted")

    run(work())


@app.command()
def stock(
    ctx: typer.Context,
    *,
    add: Annotated[
        Path | None,
        typer.Option("--add", metavar="FILE", help="File with an ICCID on each line, to add."),
    ] = None,
    smdp: Annotated[
        str, typer.Option("--smdp", metavar="NAME", help="The `[smdp.NAME]` that has them.")
    ] = "",
    profile_type: Annotated[
        str, typer.Option("--type", metavar="TYPE", help="What the SM-DP+ calls them.")
    ] = "",
    tenant: TenantOption = "default",
    json: JsonOption = False,
) -> None:
    """Show how many profiles are left of each type, or add some that are ours to order."""

    async def work() -> None:
        async with desk(ctx, tenant) as here:
            if add is not None:
                if not (smdp and profile_type):
                    raise BadUsage("--add needs --smdp and --type")
                if smdp not in settings(ctx).settings.smdp:
                    raise BadUsage(f"--smdp: there is no [smdp.{smdp}] in the settings")
                iccids = list(_iccids(add))
                added = 0
                with progress("profiles", len(iccids)) as advance:
                    for start in range(0, len(iccids), _AT_ONCE):
                        some = iccids[start : start + _AT_ONCE]
                        detail = f"{profile_type}, {len(some)} profiles"
                        deed = here.doing(None, detail, subject=f"stock {smdp}")
                        added += await deed.orders.add_stock(tenant, smdp, profile_type, some)
                        advance(start + len(some))
                note(f"{added} profiles added, {len(iccids) - added} were known")
            shelves = await here.store.orders.stock(tenant)
        if json:
            print_json(
                [
                    {
                        "smdp": shelf.smdp,
                        "type": shelf.profile_type,
                        "free": shelf.free,
                        "taken": shelf.taken,
                    }
                    for shelf in shelves
                ]
            )
            return
        show_table(
            ("SM-DP+", "TYPE", "FREE", "TAKEN"),
            (
                (shelf.smdp, shelf.profile_type, str(shelf.free), str(shelf.taken))
                for shelf in shelves
            ),
        )

    run(work())


async def _owner(store: Store, tenant: str, whose: str) -> Owner:
    """Return whose orders are meant; raise BadRow or Conflict for nobody."""
    from simgrant.domain.owner import is_enterprise, pull_owner
    from simgrant.flows import subscriptions

    if is_enterprise(whose):
        return pull_owner(whose)
    return (await subscriptions.find(store, tenant, whose)).imsi


def _iccids(path: Path) -> Iterator[Iccid]:
    from simgrant.identities import Iccid, InvalidIdentity

    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadUsage(f"--add {path}: {getattr(error, 'strerror', '') or error}") from None
    for number, line in enumerate(lines, start=1):
        text = line.partition("#")[0].strip().upper().removesuffix("F")
        if text:
            try:
                yield Iccid(text)
            except InvalidIdentity as error:
                raise BadUsage(f"--add {path}, line {number}: {error}") from None


for _name, _command in commands():
    app.command(_name)(_command)
