"""`simgrant audit`: who changed what, on the command line and by the management API."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from simgrant.cli.common import (
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
    from simgrant.ports.deeds import Entry

app = typer.Typer(help="Who changed what.", no_args_is_help=True)


@app.command("list")
def list_entries(
    ctx: typer.Context,
    *,
    subscription: Annotated[
        str, typer.Option("--subscription", metavar="IMSI", help="Only what was done to this one.")
    ] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many.")] = 50,
    json: JsonOption = False,
    tenant: TenantOption = "default",
) -> None:
    """List the newest changes, the newest first; of one subscription, the oldest first.

    A subscription that was erased is found by its IMSI.
    """

    async def work() -> None:
        from simgrant.flows.management import audit

        async with desk(ctx, tenant) as here:
            subjects: Sequence[str] = ()
            if subscription:
                ring = here.keys().ring
                subjects = await audit.subjects(here.store, tenant, subscription, ring)
            found = await here.store.deeds.entries(tenant, after=-1, subjects=subjects, limit=limit)
        if json:
            print_json([audit.entry_data(entry) for entry in found])
            return
        head = ("NUMBER", "AT", "CLIENT", "BY", "CALL", "DETAIL", "SUBJECT")
        table(head, map(_row, found))

    run(work())


def _row(entry: Entry) -> tuple[str, ...]:
    from simgrant.flows.moments import moment

    return (
        str(entry.number),
        moment(entry.at) or "-",
        entry.client,
        entry.actor or "-",
        entry.call,
        entry.detail or "-",
        entry.subject or "-",
    )


@app.command()
def check(ctx: typer.Context, *, tenant: TenantOption = "default") -> None:
    """Look whether an entry is missing, or not as it was written."""

    async def work() -> None:
        from simgrant.flows.management import audit

        async with desk(ctx, tenant) as here:
            digest = partial(audit.digest, here.keys().ring, tenant)
            found = await audit.check(here.store, tenant, digest)
        if found.wrong is not None:
            raise Refused(f"entry {found.wrong}: {found.said}")
        since = f", from number {found.first} on" if found.first > 1 else ""
        note(f"{found.entries} entries{since}; none is missing, all are as they were written")

    run(work())
