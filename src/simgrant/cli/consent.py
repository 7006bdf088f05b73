"""`simgrant consent`: what subscribers said about consumers of partner APIs.

For the care desk, for whoever takes consents over from elsewhere, and for proving what was said.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from simgrant.cli.common import (
    BadUsage,
    ImsiArgument,
    JsonOption,
    Refused,
    TenantOption,
    desk,
    note,
    print_json,
    run,
    second_of,
    table,
)

app = typer.Typer(help="Consents to partner APIs.", no_args_is_help=True)


class SaidName(StrEnum):
    """What can be said, as `domain.camara.consent` has it, which no command is to wait for."""

    REQUESTED = "requested"
    GIVEN = "given"
    DENIED = "denied"
    WITHDRAWN = "withdrawn"


@app.callback()
def consent() -> None:
    """Say what a subscriber said about a consumer, and show what he said.

    Whether it matters depends on the legal basis in the settings (`camara_purposes`).
    """


@app.command("list")
def list_consents(
    ctx: typer.Context,
    imsi: ImsiArgument,
    *,
    json: JsonOption = False,
    tenant: TenantOption = "default",
) -> None:
    """Show all that a subscriber said; with --json, what proves it to somebody else."""

    async def work() -> None:
        from simgrant.flows import subscriptions
        from simgrant.flows.camara.consents import entry_data

        async with desk(ctx, tenant) as here:
            found = await subscriptions.find(here.store, tenant, imsi)
            keys = here.keys()
            entries = await here.store.api_consents.of(tenant, found.imsi)
        data = [entry_data(entry, tenant, keys) for entry in entries]
        if json:
            print_json(data)
        elif not data:
            note("nothing was said")
        else:
            head = ("AT", "CONSUMER", "PURPOSE", "API", "SAID", "UNTIL", "SOURCE", "GENUINE")
            table(head, map(_row, data))

    run(work())


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    application = f"/{entry['application']}" if entry["application"] else ""
    return (
        entry["at"],
        f"{entry['client_id']}{application}",
        entry["purpose"],
        entry["api"],
        entry["said"],
        entry["expires_at"] or "-",
        entry["source"],
        "yes" if entry["genuine"] else "NO",
    )


@app.command()
def say(
    ctx: typer.Context,
    imsi: ImsiArgument,
    said: Annotated[SaidName, typer.Argument(help="What the subscriber said.")],
    client_id: Annotated[str, typer.Argument(metavar="CONSUMER", help="About which consumer.")],
    purpose: Annotated[
        str, typer.Argument(metavar="PURPOSE", help="For what: a W3C DPV purpose, no prefix.")
    ],
    apis: Annotated[list[str], typer.Argument(metavar="API…", help="About which APIs.")],
    *,
    application: Annotated[
        str, typer.Option("--application", help="Only about this application of the consumer's.")
    ] = "",
    until: Annotated[
        str, typer.Option("--until", metavar="TIME", help="Given until then, such as 2027-11-01.")
    ] = "",
    source: Annotated[str, typer.Option("--source", help="By which way it was said.")] = "care",
    evidence: Annotated[
        str,
        typer.Option("--evidence", help="What shows it: version of the text, number of a call."),
    ] = "",
    tenant: TenantOption = "default",
) -> None:
    """Write down what a subscriber said; it holds from the next call on, on every node."""

    async def work() -> None:
        from simgrant.domain.camara.consent import ConsentEntry, Said
        from simgrant.errors import Conflict
        from simgrant.flows import subscriptions
        from simgrant.flows.camara.consents import UnknownProcessing
        from simgrant.flows.camara.consents import say as say_so

        async with desk(ctx, tenant) as here:
            found = await subscriptions.find(here.store, tenant, imsi)
            consumers = here.store.consumers
            rows = here.doing(found.imsi, f"{client_id} {purpose} {said.value}").api_consents
            entries = [
                ConsentEntry(
                    client_id=client_id,
                    application=application,
                    purpose=purpose.removeprefix("dpv:"),
                    api=api,
                    said=Said(said.value),
                    at=here.now,
                    expires_at=second_of("--until", until),
                    source=source,
                    evidence=evidence,
                )
                for api in apis
            ]
            try:
                await say_so(rows, consumers, entries, found, here.keys().ring, now=here.now)
            except UnknownProcessing as unknown:
                raise Refused(str(unknown)) from None
            except ValueError as problem:
                raise BadUsage(str(problem)) from None
            except Conflict as conflict:
                raise Refused(conflict.for_operator or conflict.reason) from None
        note(f"{said.value}: {client_id}, {purpose}, {', '.join(apis)}")

    run(work())
