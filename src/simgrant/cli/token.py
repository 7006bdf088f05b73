"""`simgrant token`: end fast-authentication tokens (TS.43 §2.8.5)."""

from __future__ import annotations

from typing import Annotated

import typer

from simgrant.cli.common import ImsiArgument, TenantOption, desk, note, run

app = typer.Typer(help="Fast-authentication tokens.", no_args_is_help=True)


@app.callback()
def token() -> None:
    """End fast-authentication tokens; the phone then authenticates in full again."""


@app.command()
def revoke(
    ctx: typer.Context,
    imsi: ImsiArgument,
    *,
    terminal: Annotated[
        str | None,
        typer.Option("--terminal", metavar="ID", help="Only those of this terminal_id."),
    ] = None,
    tenant: TenantOption = "default",
) -> None:
    """Revoke every token of a subscription, or of one of its terminals, at once."""

    async def work() -> None:
        from simgrant.flows import subscriptions

        async with desk(ctx, tenant) as here:
            found = await subscriptions.find(here.store, tenant, imsi)
            await here.doing(found.imsi).revoke_tokens(tenant, found.imsi, terminal)
            whose = f"of terminal {terminal} " if terminal else ""
            note(f"every token {whose}of {found.imsi.digits} is revoked")

    run(work())
