"""`simgrant subscription`: what a care agent or a provisioning script does with subscriptions.

IMSIs are shown in clear here, on the management plane, and are never logged.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from simgrant.cli.common import (
    BadUsage,
    Desk,
    ImsiArgument,
    JsonOption,
    Refused,
    TenantOption,
    YesOption,
    desk,
    note,
    notice_line,
    paint,
    pairs,
    print_json,
    progress,
    run,
    say_error,
    table,
    warn,
)

if TYPE_CHECKING:
    from simgrant.cli.rows import Row
    from simgrant.domain.holdings import Holding
    from simgrant.domain.subscription import Subscription
    from simgrant.errors import EcsError
    from simgrant.flows.subscriptions import Checked, Context, Draft

app = typer.Typer(help="Subscriptions.", no_args_is_help=True)

_SHOWN_PROBLEMS: Final = 20
_MOST_BYTES: Final = 1 << 30
_FORGET: Final = ("unknown", "none", "")


class StatusName(StrEnum):
    """A status that can be set."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    BARRED = "barred"


class AnyStatusName(StrEnum):
    """A status that can be asked for."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    BARRED = "barred"
    REMOVED = "removed"


class ConsentName(StrEnum):
    """How far a consent is."""

    GIVEN = "given"
    MISSING = "missing"
    NOT_REQUIRED = "not_required"
    IN_PROGRESS = "in_progress"


class AlgorithmName(StrEnum):
    """The SIM's algorithm set."""

    MILENAGE = "milenage"
    TUAK = "tuak"


class ProvisioningName(StrEnum):
    """State of VoWiFi in the network."""

    NOT_REQUIRED = "not_required"
    NOT_PROVISIONED = "not_provisioned"
    PROVISIONED = "provisioned"
    IN_PROGRESS = "in_progress"


class YesNoName(StrEnum):
    """Whether something is so."""

    YES = "yes"
    NO = "no"


class NumberTypeName(StrEnum):
    """What kind of number a line has."""

    UNKNOWN = "unknown"
    MOBILE = "mobile"
    FIXED = "fixed"
    VOIP = "voip"
    DATA_ONLY = "data_only"
    M2M = "m2m"


class FormName(StrEnum):
    """How a file of rows is written."""

    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"


MsisdnOption = Annotated[str, typer.Option("--msisdn", help="Telephone number, E.164.")]
PlanOption = Annotated[str, typer.Option("--plan", help="Plan of the tenant's policy.")]
Gid1Option = Annotated[str, typer.Option("--gid1", help="GID1 of the SIM, hexadecimal.")]
TermsOption = Annotated[
    ConsentName | None, typer.Option("--terms", help="Terms and conditions (TC_Status).")
]
AddressOption = Annotated[
    ConsentName | None, typer.Option("--address", help="Emergency address (AddrStatus).")
]
TermsVersionOption = Annotated[
    str, typer.Option("--terms-version", help="Which text was agreed to.")
]
AddressIdOption = Annotated[
    str, typer.Option("--address-id", help="Identifier of the address on file.")
]
VisitedOption = Annotated[
    str | None,
    typer.Option(
        "--visited-plmn", metavar="DIGITS", help="Network it is in, such as 26201; or: unknown."
    ),
]
ProvisioningOption = Annotated[
    ProvisioningName | None, typer.Option("--provisioning", help="VoWiFi in the network.")
]


IccidOption = Annotated[str, typer.Option("--iccid", help="ICCID of the SIM.")]
SimSinceOption = Annotated[
    str,
    typer.Option(
        "--sim-since", metavar="TIME", help="When the line got its SIM, such as 2026-11-01."
    ),
]
PortFreezeOption = Annotated[
    YesNoName | None,
    typer.Option("--port-freeze", help="Whether it is locked against being moved."),
]
PrepaidOption = Annotated[
    YesNoName | None, typer.Option("--prepaid", help="Whether it is a prepaid line.")
]
NumberTypeOption = Annotated[
    NumberTypeName | None, typer.Option("--number-type", help="What kind of number it has.")
]


# --- one subscription --------------------------------------------------------------------------


@app.command()
def add(
    ctx: typer.Context,
    imsi: Annotated[str, typer.Argument(metavar="IMSI")],
    *,
    plan: PlanOption,
    msisdn: MsisdnOption = "",
    status: Annotated[StatusName, typer.Option("--status")] = StatusName.ACTIVE,
    ki_file: Annotated[
        Path | None, typer.Option("--ki-file", metavar="FILE", help="File with Ki, mode 0600.")
    ] = None,
    opc_file: Annotated[
        Path | None, typer.Option("--opc-file", metavar="FILE", help="File with OPc or TOPc.")
    ] = None,
    op_file: Annotated[
        Path | None, typer.Option("--op-file", metavar="FILE", help="File with OP or TOP.")
    ] = None,
    ki: Annotated[str, typer.Option("--ki", help="Ki; better in a file or at the prompt.")] = "",
    opc: Annotated[str, typer.Option("--opc", help="OPc; better in a file or at the prompt.")] = "",
    op: Annotated[str, typer.Option("--op", help="OP; better in a file or at the prompt.")] = "",
    no_key: Annotated[
        bool, typer.Option("--no-key", help="The local AuC gets no key of this SIM.")
    ] = False,
    algorithm: Annotated[
        AlgorithmName, typer.Option("--algorithm", help="The SIM's algorithm set.")
    ] = AlgorithmName.MILENAGE,
    amf: Annotated[str, typer.Option("--amf", help="AMF, 4 hexadecimal digits.")] = "8000",
    sqn: Annotated[str, typer.Option("--sqn", help="SQN the SIM has seen, hexadecimal.")] = "0",
    res_length: Annotated[int, typer.Option("--res-length", help="Bytes of RES.")] = 8,
    terms: TermsOption = None,
    terms_version: TermsVersionOption = "",
    address: AddressOption = None,
    address_id: AddressIdOption = "",
    gid1: Gid1Option = "",
    provisioning: ProvisioningOption = None,
    visited_plmn: VisitedOption = None,
    iccid: IccidOption = "",
    sim_since: SimSinceOption = "",
    port_freeze: PortFreezeOption = None,
    prepaid: PrepaidOption = None,
    number_type: NumberTypeOption = None,
    tenant: TenantOption = "default",
) -> None:
    """Add one subscription. On a terminal, keys that were not given are asked for."""
    if ki or opc or op:
        warn("a key on the command line stays in the shell's history: prefer --ki-file, --opc-file")
    values = {
        "imsi": imsi,
        "msisdn": msisdn,
        "plan": plan,
        "status": status.value,
        "gid1": gid1,
        "provisioning": provisioning.value if provisioning else "",
        "visited_plmn": _visited(visited_plmn) or "",
        "terms": terms.value if terms else "",
        "terms_version": terms_version,
        "address": address.value if address else "",
        "address_id": address_id,
        **_line(iccid, sim_since, port_freeze, prepaid, number_type),
    }
    keys = {
        "k": ki or _key_from(ki_file),
        "opc": opc or _key_from(opc_file),
        "op": op or _key_from(op_file),
    }
    if not any(keys.values()) and not no_key:
        keys = _asked_keys()
    if any(keys.values()):
        values |= keys | {
            "algorithm": algorithm.value,
            "amf": amf,
            "sqn": sqn,
            "res_length": str(res_length),
        }

    async def work() -> Subscription:
        from simgrant.errors import Conflict
        from simgrant.flows import subscriptions

        async with desk(ctx, tenant) as here:
            context = await here.context()
            made = _checked(lambda: subscriptions.draft(values, context))
            try:
                store = here.doing(made.subscription.imsi)
                return await subscriptions.add(store, made, here.wrap())
            except Conflict as conflict:
                raise Refused(_in_the_way(made, conflict)) from None

    added = run(work())
    note(f"{added.imsi.digits} added to tenant {tenant}, plan {added.plan}")
    if not any(keys.values()):
        note("it has no SIM key: the local AuC cannot authenticate it")


def _checked(work: Callable[[], Draft]) -> Draft:
    from simgrant.flows.subscriptions import BadRow

    try:
        return work()
    except BadRow as problem:
        raise BadUsage(str(problem)) from None


def _in_the_way(made: Draft, conflict: EcsError) -> str:
    """Say what exists already, in clear: an error from the store masks it."""
    subscription = made.subscription
    said = conflict.for_operator or conflict.reason
    if conflict.reason == "exists":
        said = f"{subscription.imsi.digits} exists already"
    elif conflict.reason == "msisdn_taken" and subscription.msisdn:
        said = f"{subscription.msisdn.e164} is the number of another subscription"
    return f"{said}; nothing was written"


def _key_from(file: Path | None) -> str:
    """Return the key in a file that only its owner can read."""
    if file is None:
        return ""
    try:
        found = file.stat()
        if file.is_file() and found.st_mode & 0o077:
            raise BadUsage(f"{file}: mode is {found.st_mode & 0o777:04o}, must be 0600")
        return file.read_text(encoding="ascii").strip()
    except OSError as error:
        raise BadUsage(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadUsage(f"{file}: must hold digits alone") from None


def _asked_keys() -> dict[str, str]:
    """Ask for the keys, unseen, if there is somebody to ask."""
    if not sys.stdin.isatty():
        return {}
    ki = typer.prompt("Ki (empty: no SIM key)", hide_input=True, default="", show_default=False)
    if not ki:
        return {}
    return {"k": ki, "opc": typer.prompt("OPc", hide_input=True)}


def _line(
    iccid: str,
    sim_since: str,
    port_freeze: YesNoName | None,
    prepaid: YesNoName | None,
    number_type: NumberTypeName | None,
) -> dict[str, str]:
    """Return what is to be noted about the line, as columns of an import."""
    found = {
        "iccid": iccid,
        "sim_since": sim_since,
        "port_freeze": port_freeze,
        "prepaid": prepaid,
        "number_type": number_type,
    }
    return {name: str(value) for name, value in found.items() if value}


def _visited(text: str | None) -> str | None:
    """Return the digits, empty for a network that shall be forgotten, None for no change."""
    return "" if text is not None and text.lower() in _FORGET else text


@app.command()
def show(
    ctx: typer.Context,
    imsi: ImsiArgument,
    *,
    json: JsonOption = False,
    tenant: TenantOption = "default",
) -> None:
    """Show one subscription: consents, terminals, push registrations, and what became of notices.

    Notices that wait come with their tries and why the last one failed; of those that ended, the
    newest are shown.
    """

    async def work() -> None:
        from simgrant.flows import subscriptions

        async with desk(ctx, tenant) as here:
            found = await _find(here, imsi)
            held = await here.store.export(tenant, found.imsi)
            data = subscriptions.as_data(found)
            consents = [subscriptions.consent_data(each) for each in held.consents] if held else []
            terminals = held.terminals if held else ()
            data["has_sim_key"] = held.has_sim_key if held else False
            data["has_account_pin"] = await here.store.pins.find(tenant, found.imsi) is not None
            push = subscriptions.registered_data(held) if held else []
            pending = subscriptions.pending_data(held) if held else []
            told = await subscriptions.notices_told(here.store, found, here.keys().ring)
            line = subscriptions.marks_data(held.marks) if held else []
        if json:
            print_json(
                data
                | {
                    "consents": consents,
                    "line": line,
                    "terminals": len(terminals),
                    "push_registrations": push,
                    "pending_notices": pending,
                    "notices": told,
                }
            )
            return
        pairs((name, _cell(value)) for name, value in data.items())
        pairs((each["kind"], f"{each['status']} since {each['at']}") for each in consents)
        pairs(
            (each["mark"], f"{each['value']} since {each['since'] or 'it is known'}")
            for each in line
        )
        pairs(
            ("terminal", f"{each.terminal_id} {each.vendor} {each.model}".rstrip())
            for each in terminals
        )
        pairs(
            ("push", f"{each['app_id']} {_client(each)} by {each['channel']} since {each['at']}")
            for each in push
        )
        pairs(("waiting", _waiting(each)) for each in pending)
        pairs(("notice", notice_line(each)) for each in told)

    run(work())


def _client(of: Mapping[str, Any]) -> str:
    """Return which client on which terminal it is; without one it is the SIM."""
    return " on ".join(filter(None, (of["app_name"], of["terminal_id"]))) or "the SIM"


def _waiting(notice: Mapping[str, Any]) -> str:
    """Return a notice that is still to be told in a line."""
    tries, why = notice["attempts"], notice["last_failure"]
    return (
        f"{notice['app_id']} {_client(notice)} by {notice['channel'] or 'nothing'} since "
        f"{notice['since']}, {tries} {'try' if tries == 1 else 'tries'}"
        f"{f', last {why}' if why else ''}, next {notice['next_attempt']}"
    )


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value in (None, "") else str(value)


@app.command("list")
def list_subscriptions(
    ctx: typer.Context,
    *,
    status: Annotated[
        AnyStatusName | None, typer.Option("--status", help="Only these; removed ones on demand.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 100,
    after: Annotated[
        str, typer.Option("--after", metavar="IMSI", help="Only those after this IMSI.")
    ] = "",
    json: JsonOption = False,
    tenant: TenantOption = "default",
) -> None:
    """List subscriptions in order of IMSI."""

    async def work() -> None:
        from simgrant.domain.subscription import SubscriptionStatus
        from simgrant.flows import subscriptions

        wanted = SubscriptionStatus(status) if status else None
        async with desk(ctx, tenant) as here:
            found = subscriptions.listed(
                here.store, tenant, status=wanted, after=after, limit=limit + 1
            )
            rows = [subscriptions.as_data(each) async for each in found]
        more = len(rows) > limit
        if json:
            print_json(rows[:limit])
        else:
            names = ("imsi", "msisdn", "status", "plan", "visited_plmn", "changed_at")
            table(
                [name.upper() for name in names],
                ([_cell(row[name]) for name in names] for row in rows[:limit]),
            )
        if more:
            note(f"there are more: --after {rows[limit - 1]['imsi']}")

    run(work())


@app.command("set")
def set_fields(
    ctx: typer.Context,
    imsi: ImsiArgument,
    *,
    plan: PlanOption = "",
    msisdn: MsisdnOption = "",
    visited_plmn: VisitedOption = None,
    gid1: Annotated[str | None, typer.Option("--gid1", help="GID1, hexadecimal.")] = None,
    status: Annotated[StatusName | None, typer.Option("--status")] = None,
    provisioning: ProvisioningOption = None,
    terms: TermsOption = None,
    terms_version: TermsVersionOption = "",
    address: AddressOption = None,
    address_id: AddressIdOption = "",
    iccid: IccidOption = "",
    sim_since: SimSinceOption = "",
    port_freeze: PortFreezeOption = None,
    prepaid: PrepaidOption = None,
    number_type: NumberTypeOption = None,
    pin_file: Annotated[
        Path | None,
        typer.Option(
            "--pin-file", metavar="FILE", help="File with the PIN of the account, mode 0600."
        ),
    ] = None,
    no_pin: Annotated[bool, typer.Option("--no-pin", help="The account has no PIN.")] = False,
    tenant: TenantOption = "default",
) -> None:
    """Change one subscription, at once. A PIN that is set anew may be tried again."""
    given = {
        "plan": plan or None,
        "msisdn": msisdn or None,
        "visited_plmn": _visited(visited_plmn),
        "gid1": gid1,
        "status": status,
        "provisioning": provisioning,
        "terms": terms,
        "terms_version": terms_version or None,
        "address": address,
        "address_id": address_id or None,
        **_line(iccid, sim_since, port_freeze, prepaid, number_type),
    }
    values = {name: str(value) for name, value in given.items() if value is not None}
    if not values and pin_file is None and not no_pin:
        raise BadUsage("nothing to set; see: simgrant subscription set --help")
    if pin_file is not None and no_pin:
        raise BadUsage("--pin-file and --no-pin: which of them?")
    pin = None if no_pin else _key_from(pin_file)
    if values:
        _change(ctx, imsi, values, tenant)
    if pin_file is not None or no_pin:
        _set_pin(ctx, imsi, pin, tenant)


def _set_pin(ctx: typer.Context, imsi: str, pin: str | None, tenant: str) -> None:
    async def work() -> None:
        from simgrant.adapters.account_pins.embedded import NoPin
        from simgrant.compose.store import open_account_pins
        from simgrant.errors import Conflict

        async with desk(ctx, tenant) as here:
            found = await _find(here, imsi, live=True)
            store = here.doing(found.imsi, "account_pin")
            pins = open_account_pins(here.loaded, store, here.keys())
            try:
                await pins.set(tenant, found.imsi, pin, at=here.now)
            except NoPin as problem:
                raise BadUsage(str(problem)) from None
            except Conflict as conflict:
                raise Refused(f"{found.imsi.digits}: {conflict.for_operator}") from None
        note(f"{found.imsi.digits}: the account has {'no' if pin is None else 'a'} PIN now")

    run(work())


@app.command()
def suspend(ctx: typer.Context, imsi: ImsiArgument, *, tenant: TenantOption = "default") -> None:
    """Suspend: the SIM still authenticates and is told "no service" in a document."""
    _change(ctx, imsi, {"status": "suspended"}, tenant)


@app.command()
def resume(ctx: typer.Context, imsi: ImsiArgument, *, tenant: TenantOption = "default") -> None:
    """Make it active again after suspend or bar."""
    _change(ctx, imsi, {"status": "active"}, tenant)


@app.command()
def bar(ctx: typer.Context, imsi: ImsiArgument, *, tenant: TenantOption = "default") -> None:
    """Bar: every request is refused with 403, every token with 511."""
    _change(ctx, imsi, {"status": "barred"}, tenant)


def _change(ctx: typer.Context, imsi: str, values: Mapping[str, str], tenant: str) -> None:
    async def work() -> None:
        from simgrant.errors import Conflict
        from simgrant.flows import subscriptions

        async with desk(ctx, tenant) as here:
            context = await here.context()
            try:
                edit = subscriptions.edit(values, context)
            except subscriptions.BadRow as problem:
                raise BadUsage(str(problem)) from None
            found = await _find(here, imsi, live=True)
            try:
                store = here.doing(found.imsi, ",".join(values))
                new = await subscriptions.apply(store, found, edit, now=here.now)
            except Conflict as conflict:
                raise Refused(f"{found.imsi.digits}: {conflict.for_operator}") from None
        said = ", ".join(f"{name} {text or 'unknown'}" for name, text in values.items())
        note(f"{new.imsi.digits}: {said}")

    run(work())


@app.command()
def boost(
    ctx: typer.Context,
    imsi: ImsiArgument,
    boost_type: Annotated[int, typer.Argument(min=1, max=255, help="TS 24.526 §5.2, such as 166.")],
    *,
    purchase: Annotated[
        str, typer.Option(help="How far it is: in_progress, active or untracked.")
    ] = "active",
    hours: Annotated[
        float | None, typer.Option(min=0, help="Hours after which it ends by itself.")
    ] = None,
    end: Annotated[bool, typer.Option("--end", help="It is over.")] = False,
    tenant: TenantOption = "default",
) -> None:
    """Say that a data boost was bought, or is over."""
    from simgrant.domain.holdings import HeldBoost, Purchase

    bought = [each.value for each in Purchase if each is not Purchase.EXPIRED]
    if purchase not in bought:
        raise BadUsage(f"--purchase must be one of {', '.join(bought)}")

    def made(now: int) -> HeldBoost:
        until = None if hours is None else now + int(hours * 3600)
        return HeldBoost(boost_type, Purchase(purchase), until, now)

    _hold(ctx, imsi, tenant, made, f"boost {boost_type}", end=end)


@app.command()
def usage(
    ctx: typer.Context,
    imsi: ImsiArgument,
    counter: Annotated[str, typer.Argument(help="Its name under [usage] in the policy.")],
    used: Annotated[int, typer.Argument(min=0, help="Bytes used in this cycle.")] = 0,
    *,
    allowance: Annotated[int | None, typer.Option(min=0, help="Bytes; none = no limit.")] = None,
    days: Annotated[
        float | None, typer.Option(min=0, help="Days until the cycle ends; none = it has no end.")
    ] = None,
    end: Annotated[bool, typer.Option("--end", help="There is no such counter any more.")] = False,
    tenant: TenantOption = "default",
) -> None:
    """Say how much data was used."""
    from simgrant.domain.holdings import HeldUsage

    def made(now: int) -> HeldUsage:
        cycle_end = None if days is None else now + int(days * 86_400)
        return HeldUsage(counter, used, allowance, cycle_end, now)

    _hold(ctx, imsi, tenant, made, f"usage of {counter}", end=end)


@app.command()
def satellite(
    ctx: typer.Context,
    imsi: ImsiArgument,
    status: Annotated[
        str, typer.Argument(help="given, missing or in_progress: whether it is switched on.")
    ] = "given",
    *,
    end: Annotated[bool, typer.Option("--end", help="Forget what was said.")] = False,
    tenant: TenantOption = "default",
) -> None:
    """Say whether the subscriber has switched satellite service on."""
    from simgrant.domain.holdings import HeldSatellite
    from simgrant.domain.subscription import ConsentStatus

    known = [each.value for each in ConsentStatus]
    if status not in known:
        raise BadUsage(f"the status must be one of {', '.join(known)}")
    _hold(
        ctx,
        imsi,
        tenant,
        lambda now: HeldSatellite(ConsentStatus(status), now),
        f"satellite service {status}",
        end=end,
    )


def _hold(
    ctx: typer.Context,
    imsi: str,
    tenant: str,
    made: Callable[[int], Holding],
    what: str,
    *,
    end: bool,
) -> None:
    async def work() -> None:
        from simgrant.errors import Conflict

        async with desk(ctx, tenant) as here:
            found = await _find(here, imsi, live=True)
            try:
                await here.doing(found.imsi, what).set_holding(
                    tenant, found.imsi, made(here.now), ended=end
                )
            except Conflict as conflict:
                raise Refused(f"{found.imsi.digits}: {conflict.for_operator}") from None
        note(f"{found.imsi.digits}: {what}{' is over' if end else ''}")

    run(work())


@app.command()
def notify(
    ctx: typer.Context,
    imsi: ImsiArgument,
    *,
    app_ids: Annotated[
        list[str] | None,
        typer.Option("--app", help="Only of this AppID; may be repeated."),
    ] = None,
    tenant: TenantOption = "default",
) -> None:
    """Tell its phones to ask again, though nothing changed."""

    async def work() -> None:
        from simgrant.services import SERVICES

        for app_id in app_ids or ():
            if app_id not in SERVICES:
                raise BadUsage(f"no service answers {app_id}; there are {', '.join(SERVICES)}")
        async with desk(ctx, tenant) as here:
            found = await _find(here, imsi, live=True)
            count = await here.doing(found.imsi).tell(
                tenant, found.imsi, at=here.now, apps=app_ids or None, sms_apps=here.sms_apps()
            )
        if not count:
            raise Refused(f"{found.imsi.digits}: no client has registered to be told")
        note(f"{found.imsi.digits}: {count} notice{'s' if count > 1 else ''} to be sent")

    run(work())


@app.command()
def remove(ctx: typer.Context, imsi: ImsiArgument, *, tenant: TenantOption = "default") -> None:
    """Remove: its tokens end and its SIM key is forgotten; its records stay (see erase)."""

    async def work() -> None:
        async with desk(ctx, tenant) as here:
            found = await _find(here, imsi, live=True)
            await here.doing(found.imsi).remove(
                tenant, found.imsi, now=here.now, switched=here.switched()
            )
            note(f"{found.imsi.digits} removed")

    run(work())


@app.command()
def purchases(
    ctx: typer.Context,
    *,
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help="ISO 8601, such as 2026-11-01; in UTC.")
    ] = "",
    tenant: TenantOption = "default",
) -> None:
    """Print what was bought on the portal, a line of JSON each, for who charges for it."""
    import json
    from datetime import UTC, datetime

    try:
        began = datetime.fromisoformat(since) if since else datetime.fromtimestamp(0, UTC)
    except ValueError:
        raise BadUsage(f"--since {since!r} is no time such as 2026-11-01") from None
    began = began if began.tzinfo else began.replace(tzinfo=UTC)

    async def work() -> None:
        from simgrant.flows import subscriptions

        async with desk(ctx, tenant) as here:
            bought = subscriptions.purchases(here.store, tenant, since=int(began.timestamp()))
            async for imsi, receipt in bought:
                line = {"imsi": imsi.digits, **subscriptions.receipt_data(receipt)}
                typer.echo(json.dumps(line, ensure_ascii=False))

    run(work())


@app.command("export")
def export_data(
    ctx: typer.Context, imsi: ImsiArgument, *, tenant: TenantOption = "default"
) -> None:
    """Print everything held about one subscriber as JSON, less the SIM's keys."""

    async def work() -> None:
        from simgrant.flows import subscriptions

        async with desk(ctx, tenant) as here:
            found = await _find(here, imsi)
            print_json(await subscriptions.export(here.store, found, here.keys().ring))

    run(work())


@app.command()
def erase(
    ctx: typer.Context,
    imsi: ImsiArgument,
    *,
    yes: YesOption = False,
    tenant: TenantOption = "default",
) -> None:
    """Delete every row of one subscriber, request records and tombstone included, for good."""

    async def work() -> None:
        from simgrant.flows import subscriptions

        async with desk(ctx, tenant) as here:
            found = await _find(here, imsi)
            ring = here.keys().ring
            if not yes:
                held = await subscriptions.export(here.store, found, ring)
                note(
                    f"would delete {found.imsi.digits}: {len(held['terminals'])} terminals, "
                    f"{len(held['consents'])} consents, {len(held['records'])} records"
                )
                note("Nothing was changed. Do it with --yes.")
                return
            gone = await subscriptions.erase(
                here.doing(found.imsi), found, ring, now=here.now, switched=here.switched()
            )
            note(
                f"{found.imsi.digits} erased: {gone.terminals} terminals, "
                f"{gone.sessions} sessions, {gone.records} records"
            )
            if gone.left:
                note(
                    f"still to end in the network: {gone.left} (services, eSIM orders); what names "
                    "them there is kept until they have ended, for 30 days at most"
                )

    run(work())


async def _find(here: Desk, imsi: str, *, live: bool = False) -> Subscription:
    """Return the named subscription; raise BadUsage or Refused."""
    from simgrant.errors import Conflict
    from simgrant.flows import subscriptions

    find = subscriptions.find_live if live else subscriptions.find
    try:
        return await find(here.store, here.tenant.name, imsi)
    except subscriptions.BadRow as problem:
        raise BadUsage(str(problem)) from None
    except Conflict as conflict:
        raise Refused(f"{imsi}: {conflict.for_operator}") from None


# --- many --------------------------------------------------------------------------------------


@app.command("columns")
def columns() -> None:
    """List the columns of an import file, which may come in any order."""
    from simgrant.flows.subscriptions import COLUMNS

    table(("COLUMN", "MEANING"), COLUMNS.items())


@app.command("import")
def import_file(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="CSV, JSON or JSONL; - for stdin.")],
    *,
    form: Annotated[
        FormName | None, typer.Option("--format", help="How it is written; else by its name.")
    ] = None,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Overwrite those that exist, keeping their token epoch."),
    ] = False,
    yes: YesOption = False,
    tenant: TenantOption = "default",
) -> None:
    """Import subscriptions from a file: all of them, or none if a single row is bad.

    The columns are listed by `simgrant subscription columns`; imsi and plan must be
    there. Without --yes the file is checked, and nothing is written.
    """
    text = _text_of(file)

    async def work() -> None:
        from simgrant.cli.rows import form_of

        async with desk(ctx, tenant) as here:
            shape = form.value if form else form_of(file, text)
            checked = _check_rows(text, shape, await here.context())
            if checked.problems:
                _refuse(checked)
            if not checked.drafts:
                raise Refused(f"{file}: no rows in it")
            if yes:
                await _import(here, checked, replace=replace)
            else:
                await _preview(here, checked, replace=replace)

    run(work())


def _text_of(file: str) -> str:
    try:
        if file == "-":
            data = sys.stdin.buffer.read(_MOST_BYTES + 1)
        else:
            path = Path(file)
            if path.is_file() and path.stat().st_mode & 0o077:
                warn(f"{file} can be read by others; if it has SIM keys in it, chmod 600 it")
            data = path.read_bytes()
        if len(data) > _MOST_BYTES:
            raise BadUsage(f"{file}: larger than {_MOST_BYTES >> 30} GiB; import it in parts")
        return data.decode("utf-8-sig")
    except OSError as error:
        raise BadUsage(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadUsage(f"{file}: not UTF-8") from None


def _check_rows(text: str, form: str, context: Context) -> Checked:
    from simgrant.cli.rows import BadFile, read_rows
    from simgrant.flows.subscriptions import check

    with progress("checking", text.count("\n")) as advance:

        def rows() -> Iterator[Row]:
            for line, row in read_rows(text, form):
                if line % 1000 == 0:
                    advance(line)
                yield line, row

        try:
            return check(rows(), context)
        except BadFile as bad:
            raise Refused(f"the file {bad}") from None


def _refuse(checked: Checked) -> None:
    for line, problem in checked.problems[:_SHOWN_PROBLEMS]:
        say_error(f"line {line}: {problem}")
    count = len(checked.problems)
    more = f", the first {_SHOWN_PROBLEMS} shown" if count > _SHOWN_PROBLEMS else ""
    raise Refused(f"{count} bad rows{more}; nothing was written")


async def _preview(here: Desk, checked: Checked, *, replace: bool) -> None:
    from simgrant.flows.subscriptions import existing

    there = await existing(here.store, here.tenant.name, checked.drafts)
    count = len(checked.drafts)
    keyed = sum(draft.secrets is not None for draft in checked.drafts)
    verb = f"overwrite {len(there)} and add {count - len(there)}" if replace else f"add {count}"
    note(f"would {verb} subscriptions of tenant {here.tenant.name}, {keyed} of them with SIM keys")
    if there and not replace:
        first, more = there[0].digits, len(there) - 1
        named = f"{first} and {more} more exist" if more else f"{first} exists"
        raise Refused(f"{named} already; --replace overwrites what exists")
    note("Nothing was written. Do it with --yes.")


async def _import(here: Desk, checked: Checked, *, replace: bool) -> None:
    import asyncio

    from simgrant.flows.subscriptions import add_all
    from simgrant.ports.store import RowConflict

    wrap = here.wrap()
    with progress("writing", len(checked.drafts)) as advance:
        try:
            store = here.doing(None, f"{len(checked.drafts)} rows", subject="import")
            count = await add_all(store, checked.drafts, wrap, replace=replace, progress=advance)
        except RowConflict as conflict:
            said = _in_the_way(checked.drafts[conflict.index], conflict)
            hint = "" if replace else "; --replace overwrites what exists"
            raise Refused(f"line {checked.lines[conflict.index]}: {said}{hint}") from None
        except asyncio.CancelledError:
            warn(
                "interrupted: either every row was written or none, see: simgrant subscription list"
            )
            raise
    note(f"{paint(str(count), bold=True)} subscriptions written to tenant {here.tenant.name}")
