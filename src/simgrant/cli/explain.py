"""`simgrant explain`: why a phone gets what it gets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from simgrant.cli.common import (
    BadUsage,
    ImsiArgument,
    JsonOption,
    Refused,
    TenantOption,
    desk,
    paint,
    print_json,
    run,
)

if TYPE_CHECKING:
    from simgrant.domain.conditions import Failure
    from simgrant.domain.facts import Facts
    from simgrant.domain.policy import RuleTrace
    from simgrant.flows.explain import Explained, Explanation
    from simgrant.wire.document import Characteristic, Item

_COLORS = {"allowed": "green", "denied": "red", "pending": "yellow"}


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
    records: Annotated[
        int, typer.Option("--records", min=0, max=1000, help="Newest requests to show.")
    ] = 5,
    json: JsonOption = False,
    tenant: TenantOption = "default",
) -> None:
    """Show what a phone with this SIM gets for a service, and why, rule by rule.

    Facts with source and age, every rule tried, the decision, the part of the document
    that the phone would get, and what was answered to its last requests.
    """
    found, at = run(
        _ask(
            ctx,
            tenant,
            imsi,
            app,
            entitlement_version,
            terminal_id,
            language,
            roaming,
            records,
            boost_type,
            store,
        )
    )
    if json:
        print_json(_data(found, at))
    else:
        _print(found, at)


async def _ask(
    ctx: typer.Context,
    tenant: str,
    imsi: str,
    app: str,
    version_text: str,
    terminal_id: str,
    language: str,
    roaming: str | None,
    records: int,
    boost_type: int | None,
    store: str,
) -> tuple[Explanation, int]:
    from simgrant.cli.services import app_id_of
    from simgrant.domain.plans import boost_meant
    from simgrant.errors import Conflict
    from simgrant.flows import explain as flow
    from simgrant.flows import subscriptions
    from simgrant.flows.answer import Portal
    from simgrant.spec import version
    from simgrant.spec.ids import PrivateUserIdType
    from simgrant.wire.negotiate import languages
    from simgrant.wire.request import StoreClaim

    vendor, _, user_id = store.partition(":")
    spec_version = version.parse(version_text)
    if spec_version is None:
        raise BadUsage(f"--entitlement-version {version_text!r} is no version such as 8.0")
    try:
        visited = subscriptions.visited_plmn("" if roaming == "unknown" else roaming or "")
        inquiry = flow.Inquiry(
            app_id_of(app),
            spec_version,
            terminal_id,
            languages(language),
            None if roaming is None else visited,
            records,
            boost_meant(boost_type),
            StoreClaim(vendor.lower(), user_id),
        )
        async with desk(ctx, tenant) as here:
            settings = here.loaded.settings
            found = await flow.explain(
                inquiry,
                await subscriptions.find(here.store, tenant, imsi),
                tenant=here.tenant,
                policy=here.policy(),
                portal=Portal(
                    here.loaded.tenants[tenant].portal_url or here.loaded.portal_url,
                    settings.portal.user_data_life_s,
                ),
                store=here.store,
                ring=here.keys().ring,
                rules=flow.Rules(settings.roaming.max_age_s),
                now=here.now,
                identities=PrivateUserIdType.OTHER
                if here.loaded.tenants[tenant].identity_key
                else PrivateUserIdType.PSEUDONYM,
            )
            return found, here.now
    except subscriptions.BadRow as problem:
        raise BadUsage(str(problem)) from None
    except Conflict as conflict:
        raise Refused(f"{imsi}: {conflict.for_operator}") from None


# --- for people ------------------------------------------------------------------------------


def _print(found: Explanation, at: int) -> None:
    subscription = found.subscription
    number = f", {subscription.msisdn.e164}" if subscription.msisdn else ""
    typer.echo(
        paint(f"{subscription.imsi.digits}{number}, tenant {subscription.tenant}", bold=True)
    )
    if found.refusal:
        typer.echo(paint(f"Refused: {found.refusal}", "red", bold=True))
        typer.echo("What follows is what it would get otherwise.")
    _head("Facts")
    facts = list(_facts(found.facts, at))
    width = max(len(value) for _, value, *_ in facts)
    for name, value, source, age in facts:
        typer.echo(f"  {name:<14}{value:<{width}}  {paint(source + age, dim=True)}")
    for explained in found.explained:
        _print_decision(explained)
    _head("The phone gets")
    app_id = found.application.app_id
    for line in _lines(found.application.items, "  ", app_id):
        typer.echo(line)
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
        else:
            typer.echo(paint(f"    {trace.rule:<16} not so: {_why_not(trace.failed)}", dim=True))


def _why_not(failed: Failure) -> str:
    values = ", ".join(f"{name} is {value}" for name, value, *_ in failed.values)
    return f"{failed.condition} ({values})" if values else failed.condition


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
    """Return one request in a line."""
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


def _span(seconds: int) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{max(0, seconds)} s"


# --- for programs ----------------------------------------------------------------------------


def _data(found: Explanation, at: int) -> dict[str, Any]:
    from simgrant.flows.subscriptions import as_data
    from simgrant.telemetry.record import decision_record, facts_record

    facts = facts_record(found.facts, now=at)
    for name, entry in facts.items():
        value = getattr(found.facts, name).value
        if isinstance(value, frozenset):
            entry["value"] = sorted(value)
        elif name in ("offer", "wish", "store"):
            entry["value"] = str(value)
        elif type(value) is tuple:
            entry["value"] = list(map(str, value))
        elif name == "device":
            entry["value"] = {part: getattr(value, part) for part in value.__slots__}
        elif name == "provisioning":
            entry["value"] = value.name.lower()
    return {
        "subscription": as_data(found.subscription),
        "refusal": found.refusal or None,
        "facts": facts,
        "decisions": [
            decision_record(each.decision)
            | {
                "policy": each.decision.policy_version,
                "tried": [_trace_data(trace) for trace in each.tried],
            }
            for each in found.explained
        ],
        "application": {
            "app_id": found.application.app_id,
            "items": _items_data(found.application.items),
        },
        "records": list(found.records),
    }


def _trace_data(trace: RuleTrace) -> dict[str, Any]:
    failed = trace.failed and {
        "condition": trace.failed.condition,
        "values": {name: value for name, value, *_ in trace.failed.values},
    }
    return {"rule": trace.rule, "when": trace.when, "held": trace.held, "failed": failed}


def _items_data(items: Iterable[Item]) -> dict[str, Any]:
    from simgrant.wire.document import Characteristic, Parm

    found: dict[str, Any] = {}
    for item in items:
        if isinstance(item, Parm):
            found[item.name] = item.value
        elif isinstance(item, Characteristic):
            found[item.type] = _items_data(item.items)
        else:
            found[item.type] = [{entry.type: _items_data(entry.items)} for entry in item.entries]
    return found
