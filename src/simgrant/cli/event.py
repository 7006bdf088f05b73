"""`simgrant event`: what nobody could use of what the operator's systems told, and telling by hand.

IMSIs and numbers are shown in clear here, on the management plane, and are never logged.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from simgrant.cli import event_hubs
from simgrant.cli.common import (
    BadUsage,
    Desk,
    ImsiArgument,
    JsonOption,
    Refused,
    TenantOption,
    desk,
    logged_aside,
    note,
    print_json,
    run,
    second_of,
    table,
)

if TYPE_CHECKING:
    from simgrant.domain.bss_events import BssEvent
    from simgrant.flows.bss_inbox import BssInbox
    from simgrant.flows.event_reading import Unread
    from simgrant.identities import Imsi
    from simgrant.ports.bss_events import Taken
    from simgrant.ports.life import Aside

app = typer.Typer(help="Events of the operator's systems.", no_args_is_help=True)
for command in (event_hubs.hubs, event_hubs.hook, event_hubs.unhook):
    app.command()(command)
_BY_HAND = "by-hand"
"""The source of what is told here."""
_MOST_NAMED = 20
"""Events of a list that are named by themselves where they cannot be read."""

IdArgument = Annotated[
    str, typer.Argument(metavar="ID", help="Which: the id that `event list` shows, or its start.")
]


class ChangeName(StrEnum):
    """What happened, as `domain.bss_events` has it, which no command is to wait for."""

    PLAN_CHANGED = "plan_changed"
    OPTION_STARTED = "option_started"
    OPTION_ENDED = "option_ended"
    CONSENT_GIVEN = "consent_given"
    CONSENT_WITHDRAWN = "consent_withdrawn"
    SUSPENDED = "suspended"
    RESUMED = "resumed"
    SIM_SWAPPED = "sim_swapped"
    IMSI_CHANGED = "imsi_changed"
    MSISDN_CHANGED = "msisdn_changed"
    PORTED_OUT = "ported_out"
    DEVICE_LOST = "device_lost"
    ROAMING_ENTERED = "roaming_entered"
    ROAMING_LEFT = "roaming_left"
    PROFILE_READY = "profile_ready"
    CHANGED = "changed"


@app.callback()
def event() -> None:
    """See what could not be used of what was told, have it done once more, and tell by hand."""


@app.command("list")
def list_(
    ctx: typer.Context,
    *,
    tenant: TenantOption = "default",
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many.")] = 100,
    json: JsonOption = False,
) -> None:
    """Show what was set aside, the newest first."""

    async def work() -> None:
        from simgrant.flows.bss_inbox import aside_data

        async with _inbox(ctx, tenant) as (_, inbox):
            found = [aside_data(each) for each in await inbox.listed(tenant, limit=limit)]
        if json:
            print_json(found)
        elif not found:
            note("nothing was set aside")
        else:
            table(
                ("ID", "SET ASIDE", "SOURCE", "EVENT", "CHANGE", "REASON"),
                (
                    (
                        each["id"],
                        each["set_aside_at"],
                        each["source"],
                        each["event_id"] or "-",
                        each["change"] or "-",
                        each["reason"],
                    )
                    for each in found
                ),
            )

    run(work())


@app.command()
def show(
    ctx: typer.Context,
    event_id: IdArgument,
    *,
    tenant: TenantOption = "default",
    json: JsonOption = False,
) -> None:
    """Show one that was set aside: whom it is about and what it tells, or what came."""

    async def work() -> None:
        from simgrant.flows.bss_inbox import aside_data

        async with _inbox(ctx, tenant) as (_, inbox):
            data = aside_data(await inbox.find(tenant, event_id), whole=True)
        if json:
            print_json(data)
        else:
            # What came is somebody else's text: it must not move the cursor.
            table(
                ("", ""),
                ((name, _plain(value)) for name, value in data.items() if value is not None),
            )

    run(work())


@app.command()
def replay(ctx: typer.Context, event_id: IdArgument, *, tenant: TenantOption = "default") -> None:
    """Have one that was set aside done now, as after its subscription or a rule for it was added.

    It stays where it is if it still can not be used.
    """

    async def work() -> None:
        async with _inbox(ctx, tenant) as (here, inbox):
            aside = await inbox.find(tenant, event_id)
            doing = _doing_with(here, aside)
            try:
                taken = await doing.replay(aside, lambda source, raw: _read(here, source, raw))
            except ValueError as error:
                raise Refused(f"it still cannot be read: {error}") from None
        _say(taken)

    run(work())


@app.command()
def drop(ctx: typer.Context, event_id: IdArgument, *, tenant: TenantOption = "default") -> None:
    """Forget one that was set aside."""

    async def work() -> None:
        async with _inbox(ctx, tenant) as (here, inbox):
            aside = await inbox.find(tenant, event_id)
            if not await _doing_with(here, aside).drop(aside):
                raise Refused("somebody dropped it already")
        note("dropped")

    run(work())


@app.command()
def send(
    ctx: typer.Context,
    whose: ImsiArgument,
    change: Annotated[ChangeName, typer.Argument(help="What happened.")],
    *,
    plan: Annotated[str, typer.Option("--plan", help="The plan that it has since then.")] = "",
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option", metavar="NAME", help="An option since then; all of them, one each."
        ),
    ] = None,
    status: Annotated[
        str, typer.Option("--status", help="Its status since then: active, suspended, barred.")
    ] = "",
    new_imsi: Annotated[
        str, typer.Option("--new-imsi", metavar="IMSI", help="The IMSI that it has since then.")
    ] = "",
    msisdn: Annotated[
        str, typer.Option("--msisdn", metavar="NUMBER", help="The number that it has since then.")
    ] = "",
    iccid: Annotated[str, typer.Option("--iccid", help="ICCID of the SIM that it has now.")] = "",
    terminal: Annotated[
        str, typer.Option("--terminal", metavar="ID", help="The device that is lost.")
    ] = "",
    consumer: Annotated[
        str,
        typer.Option(
            "--consumer",
            metavar="NAME",
            help="A consent about this consumer of partner APIs, with --purpose and --api.",
        ),
    ] = "",
    application: Annotated[
        str, typer.Option("--application", help="Only about this application of the consumer's.")
    ] = "",
    purpose: Annotated[
        str, typer.Option("--purpose", help="For what: a W3C DPV purpose, no prefix.")
    ] = "",
    api: Annotated[
        list[str] | None,
        typer.Option("--api", metavar="NAME", help="About which API; several, one each."),
    ] = None,
    until: Annotated[
        str, typer.Option("--until", metavar="TIME", help="Given until then, such as 2027-11-01.")
    ] = "",
    evidence: Annotated[
        str,
        typer.Option("--evidence", help="What shows it: version of the text, number of a call."),
    ] = "",
    event_id: Annotated[
        str, typer.Option("--id", metavar="ID", help="Its id; the same is done once.")
    ] = "",
    tenant: TenantOption = "default",
    json: JsonOption = False,
) -> None:
    """Tell by hand what one of the operator's systems did not."""

    async def work() -> None:
        import msgspec

        from simgrant.wire.tmf_events import plain_event

        about = {
            "application": application,
            "expires_at": second_of("--until", until),
            "evidence": evidence,
        }
        consent = {"client_id": consumer, "purpose": purpose, "apis": api or []} | {
            name: value for name, value in about.items() if value
        }
        told = {"plan": plan, "options": option, "status": status, "msisdn": msisdn}
        name = event_id or _new_id()
        async with _inbox(ctx, tenant) as (here, _):
            made = plain_event(
                name,
                change.value,
                at=here.now,
                imsi="" if whose.startswith("+") else whose,
                msisdn=whose if whose.startswith("+") else "",
                new_imsi=new_imsi,
                iccid=iccid,
                terminal_id=terminal,
                told={aspect: value for aspect, value in told.items() if value},
                # Without a consumer it is no consent of that kind, and is to say so.
                api_consent=consent if any(consent.values()) else None,
            )
            try:
                events = _read(here, _BY_HAND, msgspec.json.encode(made))
            except ValueError as error:
                raise BadUsage(f"it is no event: {error}") from None
            found = await here.store.find(tenant, imsi=events[0].imsi, msisdn=events[0].msisdn)
            imsi = events[0].imsi if found is None else found.imsi
            detail = " ".join(filter(None, (change.value, consumer, purpose)))
            taken = await _doing(here, imsi, detail).take(tenant, _BY_HAND, events)
        if json:
            print_json({"id": name, "taken": [each.value for each in taken]})
        _say(taken)

    run(work())


@asynccontextmanager
async def _inbox(ctx: typer.Context, tenant: str) -> AsyncIterator[tuple[Desk, BssInbox]]:
    from simgrant.compose.clock import CLOCK
    from simgrant.flows.bss_inbox import BssInbox

    with logged_aside():
        async with desk(ctx, tenant) as here:
            yield here, BssInbox(here.store.life, clock=CLOCK, keys=here.keys())


def _doing(here: Desk, imsi: Imsi | None, detail: str, *, subject: str = "") -> BssInbox:
    """Return the inbox for changing something, which is written down."""
    from simgrant.compose.clock import CLOCK
    from simgrant.flows.bss_inbox import BssInbox

    life = here.doing(imsi, detail, subject=subject).life
    return BssInbox(life, clock=CLOCK, keys=here.keys())


def _doing_with(here: Desk, aside: Aside) -> BssInbox:
    imsi = None if aside.event is None else aside.event.imsi
    named = f"event {aside.aside_id}"
    return _doing(here, imsi, named, subject="" if imsi is not None else named)


def _read(here: Desk, source: str, raw: bytes) -> Sequence[BssEvent]:
    """Return the events in what a source brought; ValueError with the reason where it is none."""
    from simgrant.compose.events import event_reader

    reading = event_reader(here.loaded).read(source, raw, now=here.now)
    if reading.unread:
        raise ValueError(_wrong(reading.unread))
    return reading.events


def _wrong(unread: Sequence[Unread]) -> str:
    """Return why something cannot be read; of a list, which of it."""
    if len(unread) == 1 and unread[0].place == 1:
        return _words(unread[0])
    named = [f"{each.place}. {_words(each)}" for each in unread[:_MOST_NAMED]]
    more = len(unread) - len(named)
    return ", ".join([*named, *([f"and {more} more"] if more else [])])


def _words(unread: Unread) -> str:
    return unread.reason.value.replace("_", " ")


def _say(taken: Sequence[Taken]) -> None:
    from simgrant.ports.bss_events import Taken as Became

    if Became.SET_ASIDE in taken:
        raise Refused("it was set aside: `simgrant event list` says why")
    note("it was known already" if Became.KEPT not in taken else "taken; servers act upon it now")


def _new_id() -> str:
    import uuid

    return uuid.uuid4().hex


def _plain(value: object) -> str:
    text = str(value)
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
