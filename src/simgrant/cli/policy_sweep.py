"""`simgrant policy sweep`: how far telling devices of another policy is."""

from __future__ import annotations

import asyncio
import json as json_
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from simgrant.cli.common import (
    Desk,
    JsonOption,
    TenantOption,
    desk,
    note,
    print_json,
    progress,
    run,
    table,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from simgrant.ports.sweeps import Sweep

_LOOK_S: Final = 0.5


def sweep(
    ctx: typer.Context,
    *,
    watch: Annotated[
        bool, typer.Option("--watch", help="Wait until everybody was looked at.")
    ] = False,
    json: JsonOption = False,
    tenant: TenantOption = "default",
) -> None:
    """Show how far devices are told of a policy that was published or taken back.

    Servers look at all subscriptions, those of one change after the other, and tell devices whose
    answers differ. With --watch there is a bar on a terminal, and with --json a line each time it
    got on.
    """

    async def work() -> None:
        async with desk(ctx, tenant) as here:
            total = await here.store.count(tenant)
            if watch:
                await _watch(here, total, lines=json)
                return
            found = [_data(each, total) for each in await here.store.sweeps.under_way(tenant)]
        if json:
            print_json(found)
        elif found:
            table(
                ("CHANGE", "LOOKED AT", "OF", "TOLD"),
                ([str(value) for value in each.values()] for each in found),
            )
        else:
            _nobody_is_left()

    run(work())


async def _watch(here: Desk, total: int, *, lines: bool) -> None:
    async def look() -> Sequence[Sweep]:
        return await here.store.sweeps.under_way(here.tenant.name)

    async def pause() -> None:
        await asyncio.sleep(_LOOK_S)

    await watched(look, total, lines=lines, pause=pause)
    if lines:
        typer.echo(json_.dumps([]))
    else:
        _nobody_is_left()


async def watched(
    look: Callable[[], Awaitable[Sequence[Sweep]]],
    total: int,
    *,
    lines: bool,
    pause: Callable[[], Awaitable[None]],
) -> None:
    """Show how sweeps get on, of ``total`` subscriptions each, until a look finds none.

    With ``lines`` print one each time they did. What begins meanwhile has a bar of its own.
    """
    said: list[dict[str, Any]] = []
    found = await look()
    while found:
        changes = {each.change for each in found}
        with progress("looked at", total * len(changes)) as advance:
            while left := [each.looked for each in found if each.change in changes]:
                # Of those that ended meanwhile everybody was looked at.
                advance((len(changes) - len(left)) * total + sum(left))
                now = [_data(each, total) for each in found]
                if lines and now != said:
                    typer.echo(json_.dumps(now))
                said = now
                await pause()
                found = await look()


def _nobody_is_left() -> None:
    note("everybody was looked at; whoever is told something else was told")


def _data(found: Sweep, total: int) -> dict[str, Any]:
    return {"change": found.change, "looked": found.looked, "of": total, "told": found.told}
