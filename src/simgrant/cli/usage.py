"""`simgrant usage`: what consumers of partner APIs used, and what it costs them."""

from __future__ import annotations

import csv
import json as codec
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from simgrant.cli.common import (
    BadUsage,
    Desk,
    JsonOption,
    Refused,
    TenantOption,
    desk,
    note,
    print_json,
    run,
    table,
    warn,
)

if TYPE_CHECKING:
    from msgspec import Struct

    from simgrant.domain.camara.month import Month
    from simgrant.domain.camara.usage import Usage
    from simgrant.flows.camara.statements import StatementLine
    from simgrant.ports.camara_usage import Total

app = typer.Typer(help="What partners used.", no_args_is_help=True)

MonthArgument = Annotated[str, typer.Argument(metavar="MONTH", help="Such as 2026-11; in UTC.")]
ConsumerOption = Annotated[
    str, typer.Option("--consumer", metavar="CLIENT_ID", help="Only what this one used.")
]
CsvOption = Annotated[bool, typer.Option("--csv", help="Print CSV.")]
_SETTLED_S = 60


@app.callback()
def usage() -> None:
    """Show what consumers of partner APIs used, and what it costs them."""


@app.command()
def statement(
    ctx: typer.Context,
    month: MonthArgument,
    *,
    consumer: ConsumerOption = "",
    check: Annotated[
        bool, typer.Option("--check", help="Add up every row, too, and compare.")
    ] = False,
    csv: CsvOption = False,
    json: JsonOption = False,
    tenant: TenantOption = "default",
) -> None:
    """Print what was used in a month: a line for each kind of answer, and whose the money is.

    Amounts are exact: nothing is rounded. A sandbox pays nothing, and has lines of its own.
    """
    if csv and json:
        raise BadUsage("--csv or --json, not both")
    wanted = _month(month)

    async def work() -> None:
        from msgspec import to_builtins

        from simgrant.flows.camara import statements

        async with desk(ctx, tenant) as here:
            rows = here.store.usage
            found = await statements.statement(rows, tenant, wanted, client_id=consumer)
            if not found:
                await _warn_of_nobody(here, consumer)
            if here.now < wanted.until + _SETTLED_S:
                warn(f"{wanted} is not over yet: there will be more")
            if check:
                totals: list[Total] = []
                count = 0
                span = statements.span_of(wanted)
                pages = statements.exported(rows, tenant, span, client_id=consumer)
                async for page, _ in pages:
                    count += len(page)
                    added = (statements.total_of(each) for each in page)
                    totals = list(statements.added_up([*totals, *added]))
                if totals != list(found):
                    raise Refused(f"{count} rows do not add up to it, or there were more meanwhile")
                note(f"{count} rows add up to it exactly")
        lines = list(map(statements.line_of, found))
        if json:
            print_json(to_builtins(lines))
        elif csv:
            _csv(statements.StatementLine, lines, head=True)
        else:
            _print(found, lines)

    run(work())


@app.command()
def export(
    ctx: typer.Context,
    month: MonthArgument,
    *,
    consumer: ConsumerOption = "",
    csv: CsvOption = False,
    tmf635: Annotated[
        bool, typer.Option("--tmf635", help="Print Usage of TM Forum's API, a line each.")
    ] = False,
    after: Annotated[
        str, typer.Option("--after", metavar="PLACE", help="Go on where an export ended.")
    ] = "",
    limit: Annotated[
        int, typer.Option("--limit", min=0, help="At most about so many rows; 0 = all.")
    ] = 0,
    tenant: TenantOption = "default",
) -> None:
    """Print every row of a month, as it is read: JSON, a line each, unless something else is said.

    Whoever ends it early, or is cut off, goes on with the place that was said last.
    """
    if csv and tmf635:
        raise BadUsage("--csv or --tmf635, not both")
    wanted = _month(month)

    async def work() -> None:
        from simgrant.flows.camara import statements

        try:
            place = statements.pull_place(after) if after else None
        except ValueError as error:
            raise BadUsage(f"--after: {error}") from None
        count = 0
        async with desk(ctx, tenant) as here:
            span = statements.span_of(wanted)
            rows = here.store.usage
            pages = statements.exported(rows, tenant, span, client_id=consumer, after=place)
            first = not after
            async for page, place in pages:
                if csv:
                    _csv(statements.UsageRow, map(statements.row_of, page), head=first)
                    first = False
                else:
                    _lines(page, tmf635=tmf635)
                sys.stdout.flush()
                count += len(page)
                if place is not None and page:
                    note(f"--after {statements.push_place(place)}")
                if limit and count >= limit and place is not None:
                    note(f"{count} rows, and there may be more")
                    return
            if not count:
                await _warn_of_nobody(here, consumer)
        note(f"{count} rows")

    run(work())


async def _warn_of_nobody(here: Desk, consumer: str) -> None:
    """Name a consumer that there is not, and there was not."""
    if consumer and await here.store.consumers.find(here.tenant.name, consumer) is None:
        warn(f"there is no consumer '{consumer}'")


def _month(text: str) -> Month:
    from simgrant.domain.camara.month import pull_month

    try:
        return pull_month(text)
    except ValueError as error:
        raise BadUsage(str(error)) from None


def _lines(page: Sequence[Usage], *, tmf635: bool) -> None:
    from simgrant.flows.camara import statements

    shape = statements.tmf635 if tmf635 else statements.plain
    for each in page:
        typer.echo(codec.dumps(shape(each), ensure_ascii=False))


def _csv(kind: type[Struct], rows: Iterable[Struct], *, head: bool) -> None:
    """Print rows as CSV (RFC 4180), none of which a spreadsheet takes for a formula."""
    writer = csv.writer(sys.stdout)
    if head:
        writer.writerow(kind.__struct_fields__)
    for each in rows:
        writer.writerow(_cell(getattr(each, name)) for name in kind.__struct_fields__)


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return (
        f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t") else value
    )


def _print(found: Sequence[Total], lines: Sequence[StatementLine]) -> None:
    from simgrant.flows.camara.statements import amount

    head = (
        "CONSUMER",
        "APPLICATION",
        "API",
        "OPERATION",
        "BY",
        "OUTCOME",
        "COUNT",
        "PRICE",
        "OPERATOR",
    )
    rows = [
        (
            each.consumer + (" (sandbox)" if each.sandbox else ""),
            each.application or "-",
            each.api,
            each.operation,
            each.method,
            each.outcome,
            str(each.count),
            f"{each.price} {each.currency}".strip(),
            f"{each.operator} {each.currency}".strip(),
        )
        for each in lines
    ]
    table(head, rows)
    for currency in sorted({each.currency for each in found if each.currency}):
        mine = [each for each in found if each.currency == currency]
        price, share = (
            sum(each.price_micros for each in mine),
            sum(each.share_micros for each in mine),
        )
        note(
            f"{amount(price)} {currency}: {amount(price - share)} the operator's, "
            f"{amount(share)} aggregators'"
        )
