"""`simgrant explain`: why a phone gets what it gets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from json import dumps
from typing import TYPE_CHECKING, Annotated, Any

import typer

from simgrant.cli.common import (
    BadUsage,
    Desk,
    ImsiArgument,
    JsonOption,
    Refused,
    TenantOption,
    desk,
    notice_line,
    paint,
    print_json,
    run,
    second_of,
    table,
)
from simgrant.nouns import replace

if TYPE_CHECKING:
    from simgrant.config.model import Settings
    from simgrant.domain.conditions import Failure
    from simgrant.domain.facts import Facts
    from simgrant.domain.order import Order
    from simgrant.domain.policy import Policy
    from simgrant.flows.ask_bss import Asked
    from simgrant.flows.explain import Explained, Explanation, Fitted, Inquiry
    from simgrant.flows.explain_esim import Supposed
    from simgrant.wire.document import Characteristic, Item

_SIGNS = {"+": "green", "-": "red"}
_COLORS = {"allowed": "green", "denied": "red", "pending": "yellow"}


class KindName(StrEnum):
    """What is to be done with an eSIM."""

    SUBSCRIBE = "subscribe"
    TRANSFER = "transfer"
    RECOVER = "recover"


class ProofName(StrEnum):
    """How somebody has proved whose line it is."""

    SIM = "sim"
    OIDC = "oidc"
    OTP = "otp"
    TEMPORARY_TOKEN = "temporary_token"  # noqa: S105 - a name


def explain(
    ctx: typer.Context,
    imsi: ImsiArgument,
    app: Annotated[str, typer.Argument(metavar="APP", help="ap2004, vowifi …")],
    *,
    entitlement_version: Annotated[
        str, typer.Option("--entitlement-version", help="TS.43 version of the client.")
    ] = "",
    terminal_id: Annotated[
        str, typer.Option("--terminal-id", help="IMEI or UUID of the device.")
    ] = "",
    language: Annotated[
        str, typer.Option("--language", metavar="TAG", help="Of the texts, such as de.")
    ] = "en",
    roaming: Annotated[
        str | None,
        typer.Option(
            "--roaming", metavar="PLMN", help="What if it were in that network; or: unknown."
        ),
    ] = None,
    at: Annotated[
        str,
        typer.Option(
            "--at", metavar="TIME", help="What if it were then; such as 2026-12-24T18:00+01:00."
        ),
    ] = "",
    boost_type: Annotated[
        int | None,
        typer.Option(
            "--boost-type", min=0, max=255, help="The boost it asks for, of ap2010; 0 is 166."
        ),
    ] = None,
    store: Annotated[
        str,
        typer.Option(
            "--store", metavar="VENDOR[:USER]", help="The app store that asks, for ap2012."
        ),
    ] = "",
    like: Annotated[
        str,
        typer.Option("--like", metavar="FAMILY", help="A client of this profile, such as samsung."),
    ] = "",
    user_agent: Annotated[
        str, typer.Option("--user-agent", metavar="TEXT", help="A client that says so of itself.")
    ] = "",
    app_name: Annotated[str, typer.Option("--app-name", help="Its app_name.")] = "",
    accept: Annotated[str, typer.Option("--accept", help="Its Accept header.")] = "",
    terminal_vendor: Annotated[
        str, typer.Option("--terminal-vendor", help="The device's maker.")
    ] = "",
    terminal_model: Annotated[str, typer.Option("--terminal-model", help="And its model.")] = "",
    kind: Annotated[
        KindName, typer.Option("--kind", help="What is to be done with an eSIM, of ap2006, ap2009.")
    ] = KindName.SUBSCRIBE,
    device_id: Annotated[
        str, typer.Option("--device-id", help="IMEI or UUID of the device that gets the eSIM.")
    ] = "",
    eid: Annotated[str, typer.Option("--eid", help="Its EID.")] = "",
    proof: Annotated[
        ProofName, typer.Option("--proof", help="How who asks for an eSIM has proved himself.")
    ] = ProofName.SIM,
    bare: Annotated[
        bool, typer.Option("--bare", help="It names neither terminal nor version, as microG.")
    ] = False,
    policy: Annotated[
        str,
        typer.Option(
            "--policy",
            metavar="FILE|VERSION",
            help="By this policy, in place of the one in force.",
        ),
    ] = "",
    ask: Annotated[
        bool,
        typer.Option(
            "--ask", help="Ask the BSS now, and show what it says; nothing of it is kept."
        ),
    ] = False,
    records: Annotated[
        int, typer.Option("--records", min=0, max=1000, help="Newest requests and notices to show.")
    ] = 5,
    json: JsonOption = False,
    tenant: TenantOption = "default",
) -> None:
    """Show what a phone with this SIM gets for a service, and why, rule by rule.

    Facts with source and age, every rule tried, the decision, the part of the document
    that the phone would get, and what was answered to its last requests. With --like, or what a
    client says of itself, also which profile of clients fits, why, and what it changes.
    """
    from simgrant.cli.services import app_id_of
    from simgrant.domain.plans import boost_meant
    from simgrant.flows import subscriptions
    from simgrant.flows.clients import Told
    from simgrant.flows.explain import Inquiry
    from simgrant.identities import Imei
    from simgrant.spec import version
    from simgrant.wire.negotiate import languages
    from simgrant.wire.request import StoreClaim

    store_vendor, _, user_id = store.partition(":")
    spec_version = version.parse(entitlement_version)
    if spec_version is None:
        raise BadUsage(f"--entitlement-version {entitlement_version!r} is no version such as 8.0")
    try:
        visited = subscriptions.visited_plmn("" if roaming == "unknown" else roaming or "")
    except subscriptions.BadRow as problem:
        raise BadUsage(str(problem)) from None
    says_something = any(
        (
            user_agent,
            app_name,
            accept,
            terminal_vendor,
            terminal_model,
            terminal_id,
            entitlement_version,
            bare,
        )
    )
    if like and (user_agent or app_name or accept or bare):
        raise BadUsage("--like says which profile it is: what the client says would change nothing")
    app_id = app_id_of(app)
    told = Told(
        user_agent,
        app_name,
        spec_version,
        bare,
        accept,
        terminal_vendor,
        terminal_model,
        Imei.tac_of(terminal_id),
        (app_id,),
    )
    inquiry = Inquiry(
        app_id,
        spec_version,
        terminal_id,
        languages(language),
        None if roaming is None else visited,
        records,
        boost_meant(boost_type),
        StoreClaim(store_vendor.lower(), user_id),
        told if says_something else None,
        like,
        _supposed(kind, device_id, eid, proof),
    )
    found, asked, settings, now = run(
        _ask(ctx, tenant, imsi, inquiry, policy, second_of("--at", at), ask=ask)
    )
    if json:
        from simgrant.flows.ask_bss import asked_data
        from simgrant.flows.explain_data import explained_data

        data = explained_data(found, settings, now)
        if asked is not None:
            data["bss"] = asked_data(asked)
        print_json(data)
    else:
        _print(found, settings, now)
        if asked is not None:
            _print_bss(asked, now)


def _supposed(kind: KindName, device_id: str, eid: str, proof: ProofName) -> Supposed:
    """Return the request for an eSIM that is supposed."""
    from simgrant.domain.order import Device, Kind
    from simgrant.domain.risk import Way
    from simgrant.flows.explain_esim import Supposed
    from simgrant.identities import Eid, InvalidIdentity

    try:
        of = Eid(eid) if eid else None
    except InvalidIdentity as error:
        raise BadUsage(f"--eid: {error}") from None
    device = Device(device_id, of) if device_id or of else None
    return Supposed(device, Kind(kind), Way(proof))


async def _ask(
    ctx: typer.Context,
    tenant: str,
    imsi: str,
    inquiry: Inquiry,
    which: str,
    at: int | None,
    *,
    ask: bool,
) -> tuple[Explanation, Asked | None, Settings, int]:
    from simgrant.cli.policy_choice import chosen
    from simgrant.compose import explaining
    from simgrant.compose.clock import CLOCK

    async with desk(ctx, tenant) as here:
        policy = (await chosen(here, which)).policy if which else await here.policy()
        supposed = here if at is None else replace(here, now=at)
        found = await explained(supposed, imsi, inquiry, policy)
        asked = None
        if ask:
            asked = await explaining.ask(
                here.loaded, found.subscription, policy=policy, store=here.store, clock=CLOCK
            )
            if asked is None:
                raise BadUsage("--ask: no BSS is asked about this tenant's subscriptions")
        return found, asked, here.loaded.settings, supposed.now


async def explained(here: Desk, imsi: str, inquiry: Inquiry, policy: Policy) -> Explanation:
    """Return what a policy says of a subscription, and why; raise BadUsage, Refused."""
    from simgrant.compose import explaining
    from simgrant.domain.problems import did_you_mean
    from simgrant.errors import Conflict
    from simgrant.flows import subscriptions

    profiles = here.loaded.settings.profiles
    if inquiry.like and inquiry.like not in profiles:
        raise BadUsage(f"no profile {inquiry.like!r}{did_you_mean(inquiry.like, profiles)}")
    try:
        return await explaining.explain(
            here.loaded,
            inquiry,
            await subscriptions.find(here.store, here.tenant.name, imsi),
            policy=policy,
            store=here.store,
            ring=here.keys().ring,
            now=here.now,
        )
    except subscriptions.BadRow as problem:
        raise BadUsage(str(problem)) from None
    except Conflict as conflict:
        raise Refused(f"{imsi}: {conflict.for_operator}") from None


# --- for people ------------------------------------------------------------------------------


def _print(found: Explanation, settings: Settings, at: int) -> None:
    from simgrant.flows.explain_data import is_told

    subscription = found.subscription
    number = f", {subscription.msisdn.e164}" if subscription.msisdn else ""
    typer.echo(
        paint(f"{subscription.imsi.digits}{number}, tenant {subscription.tenant}", bold=True)
    )
    if found.refusal:
        typer.echo(paint(f"Refused: {found.refusal}", "red", bold=True))
        typer.echo("What follows is what it would get otherwise.")
    _head("Facts")
    facts = [each for each in _facts(found.facts, at) if is_told(found, each[0])]
    width = max(len(value) for _, value, *_ in facts)
    for name, value, source, age in facts:
        typer.echo(f"  {name:<14}{value:<{width}}  {paint(source + age, dim=True)}")
    for explained in found.explained:
        _print_decision(explained)
    if found.limit:
        typer.echo(paint(f"  A limit is in the way: {found.limit}", "red", bold=True))
    if found.devices:
        _print_devices(found.devices, at)
    if found.fitted is not None:
        _print_client(found.fitted, settings)
    _head("The phone gets")
    for sign, line in _changed(found):
        typer.echo(paint(f"{sign} {line}", _SIGNS[sign]) if sign.strip() else f"  {line}")
    if found.fitted is None:
        typer.echo(
            paint("  to a client of no profile; suppose one by --like or --user-agent", dim=True)
        )
    _head("Last requests" if found.records else "No requests on record")
    for record in found.records:
        typer.echo(f"  {_record_line(record)}")


def _head(text: str) -> None:
    typer.echo(f"\n{paint(text, 'cyan', bold=True)}")


def _facts(facts: Facts, at: int) -> Iterable[tuple[str, str, str, str]]:
    from simgrant.telemetry.record import facts_record

    for name, entry in facts_record(facts, now=at).items():
        age = f", {_span(entry['age_s'])} old" if "age_s" in entry else ""
        yield name, _fact_text(getattr(facts, name).value), entry["source"], age


def _fact_text(value: Any) -> str:
    """Return a fact's value in few words."""
    from enum import IntEnum

    from simgrant.domain.facts import Device

    if isinstance(value, IntEnum):
        return value.name.lower()
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "not known"
    if isinstance(value, frozenset):
        return ", ".join(sorted(value)) or "nothing"
    if type(value) is tuple:
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, Device):
        return " ".join(filter(None, (value.tac, value.vendor, value.model))) or "not said"
    return str(value) or "not known"


def _print_decision(explained: Explained) -> None:
    decision = explained.decision
    question = decision.question
    _head(f"Rules for {question.feature}, {question.area} (policy {decision.policy_version})")
    for trace in explained.tried:
        if trace.failed is None:
            said = paint(f"{trace.result}: {trace.reason}", _COLORS[trace.result], bold=True)
            typer.echo(f"  {paint('►', bold=True)} {trace.rule or '(end)':<16} {trace.when}")
            typer.echo(f"    {'':<16} {said}")
            if trace.error:
                typer.echo(f"    {'':<16} its expression failed: {trace.error}")
            if trace.allowance.text:
                typer.echo(f"    {'':<16} with {trace.allowance.text}")
            if trace.care:
                typer.echo(f"    {'':<16} for you: {trace.care}")
        else:
            typer.echo(paint(f"    {trace.rule:<16} {_why_not(trace.failed)}", dim=True))


def _print_devices(devices: Iterable[Order], at: int) -> None:
    from simgrant.flows.explain_data import on_its_way

    _head("Devices")
    for each in devices:
        # The device says it of itself.
        told = each.device.name or each.device.model or "no name"
        named = "".join(char for char in told if char.isprintable())
        goes = f", going {on_its_way(each)}" if each.going else ""
        reason = f" ({each.reason})" if each.reason else ""
        age = paint(f"for {_span(at - each.changed_at)}", dim=True)
        typer.echo(f"  {each.order_id[:8]}  {named}: {each.state}{goes}{reason}  {age}")


def _print_bss(asked: Asked, at: int) -> None:
    """Print what a BSS says now beside what it said when it was asked for a device."""
    _head(f"{asked.bss} says now")
    color = {"told": "green", "unknown": "yellow"}.get(asked.outcome, "red")
    said = "it has no such subscription" if asked.outcome == "unknown" else asked.outcome
    detail = "".join(char for char in asked.detail if char.isprintable())
    typer.echo(f"  {paint(said, color, bold=True)} after {asked.ms:.0f} ms  {detail}")
    if asked.outcome not in ("told", "unknown"):
        known = "what it said last, for last_known_s, and then " if asked.before_at else ""
        typer.echo(
            f"  while that is so, phones that it is asked for get {known}503: come back later"
        )
    since = "never before"
    if asked.before_at:
        since = f"{_span(at - asked.before_at)} ago{', doubtful' if asked.doubtful else ''}"
    rows = [
        (each.aspect.value, each.now or "-", each.before or "-", "" if same else "differs")
        for each in asked.said
        for same in (each.now == each.before or not asked.before_at,)
    ]
    table(("ASPECT", "NOW", f"KNOWN ({since})", ""), rows)


def _why_not(failed: Failure) -> str:
    if [name for name, *_ in failed.values] == ["during"]:
        return f"out of schedule: {failed.condition}"
    values = ", ".join(f"{name} is {value}" for name, value, *_ in failed.values)
    return f"not so: {failed.condition} ({values})" if values else f"not so: {failed.condition}"


def _print_client(fitted: Fitted, settings: Settings) -> None:
    """Print which profile it is, by what, and what that does differently."""
    from simgrant.flows.explain_data import switches

    profile = fitted.client.profile
    _head(f"The client is of profile {profile.name}")
    for name, conditions in fitted.tried:
        failed = next((each for each in conditions if not each.holds), None)
        if failed is not None:
            said = f"{failed.name} {failed.said or 'nothing'}, not {failed.wanted}"
            typer.echo(paint(f"    {name:<16} not so: {said}", dim=True))
            continue
        why = [f"{each.name} {each.said} fits {each.wanted}" for each in conditions]
        typer.echo(f"  {paint('►', bold=True)} {name:<16} {'; '.join(why) or 'fits everybody'}")
    for key, value in switches(settings, profile.name).items():
        typer.echo(f"    {key} = {dumps(value)}")
    typer.echo(f"    answered in version {fitted.client.version}")


def _changed(found: Explanation) -> Iterable[tuple[str, str]]:
    """Yield each line of the document with a sign: ``+`` and ``-`` where the profile changed it."""
    from difflib import SequenceMatcher

    app_id = found.application.app_id
    now = list(_lines(found.application.items, "", app_id))
    was = now if found.fitted is None else list(_lines(found.fitted.plain.items, "", app_id))
    for kind, a, b, c, d in SequenceMatcher(None, was, now, autojunk=False).get_opcodes():
        if kind == "equal":
            yield from ((" ", line) for line in now[c:d])
        else:
            yield from (("-", line) for line in was[a:b])
            yield from (("+", line) for line in now[c:d])


def _lines(items: Iterable[Item], indent: str, app_id: str) -> Iterable[str]:
    """Yield the parameters, each with the specification's name of its value."""
    from simgrant.wire.document import Characteristic, Parm

    for item in items:
        if isinstance(item, Parm):
            yield f"{indent}{item.name:<24} {item.value}{paint(_meaning(item, app_id), dim=True)}"
        elif isinstance(item, Characteristic):
            yield from _group(item, indent, app_id)
        else:
            yield f"{indent}{item.type}"
            for entry in item.entries:
                yield from _group(entry, indent + "  ", app_id)


def _group(group: Characteristic, indent: str, app_id: str) -> Iterable[str]:
    yield f"{indent}{group.type}"
    yield from _lines(group.items, indent + "  ", app_id)


def _meaning(parm: Any, app_id: str) -> str:
    from simgrant.sim.transcript import value_name

    name = value_name(parm.name, parm.value, app_id=app_id)
    return f"  {name.replace('_', ' ').lower()}" if name else ""


def _record_line(record: Mapping[str, Any]) -> str:
    """Return one record in a line: of a request, a notice, or of what happened to the line."""
    if record.get("event") == "network":
        cause = f" ({record['cause']})" if record.get("cause") else ""
        return f"{record['at']}  network  {record['told']}{cause}  {record['outcome']}"
    if record.get("event") == "notice":
        return f"{record['at']}  notice  {notice_line(record).partition('  ')[2]}"
    if record.get("event") == "life":
        return f"{record['at']}  life    {_life_line(record)}"
    reasons = ", ".join(
        f"{each['feature']} {each['result']} ({each['reason']})"
        for each in record.get("decisions", ())
    )
    apps = ",".join(record.get("apps", ())) or "-"
    if operation := record.get("operation"):
        apps += f" {operation} {record.get('operation_result', '')}".rstrip()
    return (
        f"{record['at']}  {record['status']}  {record['leg']:<6}  {apps}  "
        f"{record['outcome']}  {reasons or record.get('detail', '')}"
    ).rstrip()


def _life_line(record: Mapping[str, Any]) -> str:
    """Return what happened, who told it, and of each application what is decided since."""
    after = record.get("after") or {}
    said = [f"{app} {was} → {after[app]}" for app, was in (record.get("before") or {}).items()]
    if record.get("revoked"):
        said.append("tokens revoked")
    if record.get("detail"):
        said.append(record["detail"])
    return (
        f"{record['change']} by {record['peer']}  {record['outcome']}  {'; '.join(said)}".rstrip()
    )


def _span(seconds: int) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{max(0, seconds)} s"
