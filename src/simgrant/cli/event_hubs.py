"""`simgrant event hubs`, `hook` and `unhook`: our registrations at hubs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from simgrant.cli.common import (
    BadUsage,
    JsonOption,
    Refused,
    logged_aside,
    note,
    open_store,
    print_json,
    run,
    settings,
    table,
)

if TYPE_CHECKING:
    from simgrant.flows.event_hubs import HubVisitor
    from simgrant.ports.event_hubs import HubRow

HubArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="Which: what the settings call it.")
]


def hubs(ctx: typer.Context, *, json: JsonOption = False) -> None:
    """Show where we register for events, and how that is."""

    async def work() -> None:
        loaded = settings(ctx)
        async with open_store(loaded) as store:
            rows = {row.name: row for row in await store.hubs.listed()}
        wanted = loaded.settings.event_hubs
        found = [
            _shown(name, rows.get(name), wanted[name].url if name in wanted else "")
            for name in sorted({*rows, *wanted})
        ]
        if json:
            print_json(found)
        elif not found:
            note("there are no [event_hubs.NAME]")
        else:
            table(
                ("HUB", "STATE", "ID", "REGISTERED", "SEEN", "REASON"),
                (
                    [
                        str((each | _said(each))[name] or "-")
                        for name in ("hub", "shown", "id", "registered_at", "seen_at", "reason")
                    ]
                    for each in found
                ),
            )

    run(work())


def hook(ctx: typer.Context, name: HubArgument) -> None:
    """Register at a hub now, also where somebody had taken that away by hand."""

    async def work() -> None:
        from simgrant.ports.event_hubs import Hurry

        async with _visitor(ctx, name) as visitor:
            note(
                f"registered as {_done(await visitor.see_to(Hurry.NOW)).hub_id or 'it did not say'}"
            )

    run(work())


def unhook(
    ctx: typer.Context,
    name: HubArgument,
    *,
    forget: Annotated[
        bool,
        typer.Option("--forget", help="Ask nobody: forget what is known of one that is gone."),
    ] = False,
) -> None:
    """Take our registration at a hub away; servers leave it so until `event hook`."""

    async def forgotten() -> None:
        async with open_store(settings(ctx)) as store:
            if not await store.hubs.drop(name):
                raise Refused(f"nothing is known of a hub {name}")
        note("forgotten")

    async def work() -> None:
        async with _visitor(ctx, name) as visitor:
            _done(await visitor.unhook())
        note("taken away")

    run(forgotten() if forget else work())


@asynccontextmanager
async def _visitor(ctx: typer.Context, name: str) -> AsyncIterator[HubVisitor]:
    from simgrant.compose.event_hubs import open_visitor
    from simgrant.domain.problems import did_you_mean

    loaded = settings(ctx)
    known = loaded.settings.event_hubs
    if name not in known:
        raise BadUsage(f"there is no [event_hubs.{name}]{did_you_mean(name, known)}")
    with logged_aside():
        async with open_store(loaded) as store:
            visitor = open_visitor(loaded, name, store.hubs)
            try:
                yield visitor
            finally:
                await visitor.close()


def _done(row: HubRow | None) -> HubRow:
    if row is None:
        raise Refused("a server is at it right now; come again in a minute")
    if row.reason:
        raise Refused(f"it could not be done: {row.reason.replace('_', ' ')}")
    return row


def _shown(name: str, row: HubRow | None, url: str) -> dict[str, Any]:
    from simgrant.flows.moments import moment

    if row is None:
        return dict.fromkeys(_MEMBERS) | {
            "hub": name,
            "state": "new",
            "configured": True,
            "url": url,
            "failures": 0,
        }
    registered = row.registered
    return {
        "hub": name,
        "state": row.state.value,
        "configured": bool(url),
        "id": row.hub_id or None,
        "url": registered.url or url or None,
        "callback": registered.callback or None,
        "query": registered.query or None,
        "registered_at": moment(row.registered_at) if row.registered_at else None,
        "seen_at": moment(row.looked_at) if row.looked_at else None,
        "next_at": moment(row.due_at),
        "failures": row.failures,
        "reason": row.reason or None,
    }


def _said(data: dict[str, Any]) -> dict[str, str]:
    return {"shown": data["state"] + ("" if data["configured"] else ", in no settings")}


_MEMBERS = (
    "hub",
    "state",
    "configured",
    "id",
    "url",
    "callback",
    "query",
    "registered_at",
    "seen_at",
    "next_at",
    "failures",
    "reason",
)
