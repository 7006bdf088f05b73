"""`simgrant tariff`: what answers of partner APIs cost, and whose the money is."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from simgrant.cli.common import (
    BadUsage,
    Desk,
    JsonOption,
    TenantOption,
    YesOption,
    desk,
    note,
    print_json,
    run,
    table,
)

if TYPE_CHECKING:
    from simgrant.flows.camara.consumer_desk import ConsumerDesk

app = typer.Typer(help="Tariffs of partner APIs.", no_args_is_help=True)


@app.callback()
def tariff() -> None:
    """Say what answers of partner APIs cost, and whose the money is.

    A tariff has versions, each in force from a moment on. One that is in force is never changed:
    add another one that begins later.
    """


@app.command("list")
def list_tariffs(
    ctx: typer.Context, *, json: JsonOption = False, tenant: TenantOption = "default"
) -> None:
    """List every version of all tariffs."""

    async def work() -> None:
        import msgspec

        from simgrant.flows.camara.consumer_desk import push_tariff

        async with desk(ctx, tenant) as here:
            found = [push_tariff(each) for each in await _desk(here).tariffs()]
        if json:
            print_json(msgspec.to_builtins(found))
            return
        head = (
            "NAME",
            "VALID_FROM",
            "CURRENCY",
            "OUTCOME",
            "OPERATION",
            "BY",
            "PRICE",
            "AGGREGATOR",
        )
        rows = [
            (
                each.name,
                each.valid_from,
                each.currency,
                price.outcome,
                price.operation or "any",
                price.method or "any",
                price.price,
                f"{each.aggregator_share} %",
            )
            for each in found
            for price in each.prices
        ]
        table(head, rows)

    run(work())


@app.command()
def add(
    ctx: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", dir_okay=False, help="A version, in TOML.")
    ],
    *,
    tenant: TenantOption = "default",
) -> None:
    """Add a version of a tariff. It cannot begin in the past: what was sold was sold."""
    import msgspec

    from simgrant.domain.misfit import misfit
    from simgrant.flows.camara.consumer_desk import push_tariff
    from simgrant.flows.camara.consumer_document import TariffDocument

    data: Any
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
        document = msgspec.convert(data, TariffDocument)
    except OSError as error:
        raise BadUsage(f"{file}: {error.strerror}") from None
    except msgspec.ValidationError as error:
        raise BadUsage(f"{file}: {misfit(error, TariffDocument)}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadUsage(f"{file}: {error}") from None

    async def work() -> None:
        async with desk(ctx, tenant) as here:
            tariffs = _desk(here, document.name, document.valid_from)
            made = push_tariff(await tariffs.add_tariff(document, now=here.now))
        note(f"{made.name}: in force from {made.valid_from} on")

    run(work())


@app.command()
def remove(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    valid_from: Annotated[
        str, typer.Argument(metavar="VALID_FROM", help="When the version begins.")
    ],
    *,
    yes: YesOption = False,
    tenant: TenantOption = "default",
) -> None:
    """Remove a version that is not in force yet."""

    async def work() -> None:
        async with desk(ctx, tenant) as here:
            if not yes:
                note(f"would remove {name} from {valid_from} on; say --yes to do it")
                return
            await _desk(here, name, valid_from).remove_tariff(name, valid_from, now=here.now)
        note(f"{name}: the version from {valid_from} on is removed")

    run(work())


def _desk(here: Desk, subject: str = "", detail: str = "") -> ConsumerDesk:
    """Return the desk; with ``subject``, one whose changes are written down as about it."""
    from simgrant.flows.camara.consumer_desk import ConsumerDesk

    store = here.doing(None, detail, subject=f"tariff {subject}") if subject else here.store
    return ConsumerDesk(store.consumers, here.tenant.name)
