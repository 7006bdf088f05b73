"""What a policy changes, over recorded requests: compared with a progress bar, and printed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import typer

from simgrant.cli.common import Desk, paint, progress, table

if TYPE_CHECKING:
    from simgrant.domain.policy import Policy
    from simgrant.flows.replay import Affected, Change, Report
    from simgrant.spec.version import SpecVersion

_DAY_S: Final = 86_400
_HEADS: Final[Mapping[str, tuple[str, str]]] = {
    "gains": ("Gains", "green"),
    "loses": ("Loses", "red"),
    "otherwise": ("The same, for another reason", "yellow"),
}
_WHY_NOT: Final[Mapping[str, str]] = {
    "unreadable": "written by a release that knows other facts",
    "unknown_app": "of a service that is not here any more",
    "consent_not_on_record": "a consent is asked for that was not asked for then",
    "satellite_not_on_record": "whether satellite is switched on is asked, and was not then",
    "store_not_on_record": "an app store has other terms or limits than then",
    "device_not_on_record": "rules look at the device that gets an eSIM, which is not on record",
    "network_not_asked": "rules look at what networks tell, and none was asked then",
    "bss_not_asked": "rules look at what a BSS tells when asked, and it was not asked then",
    "companions_not_counted": "rules look at how many companions there are, and none was counted",
    "rollout_not_drawn": "a roll-out has another share, and who was in does not say who would be",
}


async def compare(
    here: Desk, before: Policy | None, after: Policy, *, days: float, limit: int
) -> Report:
    """Return what differs between two policies, over what is on record; None = what was decided."""
    from simgrant.compose import core_network
    from simgrant.flows.replay import Comparison

    comparison = Comparison(
        before,
        after,
        origin_of=await _origins(here),
        version_of=_versions(here),
        told=core_network.tellers(here.loaded).all,
        bss_tells=bool(here.loaded.settings.bss),
    )
    since_us = int((here.now - days * _DAY_S) * 1_000_000)
    done = 0
    with progress("reading records", None) as advance:
        tenant = here.tenant.name
        async for batch in here.store.recorded(tenant, since_us=since_us, limit=limit):
            comparison.take(batch)
            done += len(batch)
            advance(done)
    return comparison.report()


async def _origins(here: Desk) -> Callable[[str], Policy | None]:
    """Return what finds the policy that a record names: of those published, or of the file."""
    from functools import cache

    from simgrant.compose.policies import compiler, policy_of
    from simgrant.domain.policy import PolicyError, digest_of
    from simgrant.errors import StartRefused
    from simgrant.flows.policies import name_of

    tenant, rows = here.tenant.name, here.store.policies
    texts: dict[str, str] = {}
    for published in await rows.history(tenant, limit=_ORIGINS):
        name = name_of(published.version)
        if name not in texts:
            text = await rows.text(tenant, published.version.number)
            if text is not None and digest_of(text) == published.version.sha256:
                texts[name] = text
    compile_ = compiler(here.loaded)
    try:
        file = policy_of(here.loaded, tenant)
    except StartRefused:
        file = None

    @cache
    def origin_of(name: str) -> Policy | None:
        if file is not None and name == file.version:
            return file
        try:
            return compile_(tenant, texts[name], name) if name in texts else None
        except PolicyError:
            return None

    return origin_of


_ORIGINS: Final = 50
"""Changes whose versions records are looked up in."""


def _versions(here: Desk) -> Callable[[str, str], SpecVersion]:
    """Return what says in which version of TS.43 a client was answered."""
    from functools import cache

    from simgrant.compose.clients import profiles
    from simgrant.flows.clients import Clients, client_of
    from simgrant.spec.version import DEFAULT, parse

    clients = Clients(profiles(here.loaded))

    @cache
    def version_of(profile_name: str, said: str) -> SpecVersion:
        version = parse(said) or DEFAULT
        profile = clients.named(profile_name)
        return version if profile is None else client_of(profile, version).version

    return version_of


# --- for people ------------------------------------------------------------------------------


def print_report(report: Report, before: str, after: str, *, most: int = 30) -> None:
    """Print what differs, at most so many lines of a kind."""
    from simgrant.flows.replay import Kind

    typer.echo(f"before: {before}\nafter:  {after}")
    if not report.decided:
        typer.echo(f"\nNothing was decided in the {report.read:,} records that were read.")
        return
    typer.echo(
        f"{report.decided:,} requests ({report.read:,} records), {_span(report)}, "
        f"in {report.circumstances:,} different circumstances"
    )
    for kind in Kind:
        changes = [(each, who) for each, who in report.changes.items() if each.kind is kind]
        if not changes:
            continue
        head, color = _HEADS[kind]
        total = report.affected(kind)
        typer.echo(f"\n{paint(head, color, bold=True)}: {_many(total)}")
        table(
            ("SUBSCRIBERS", "REQUESTS", "FEATURE", "AREA", "PLAN", "BEFORE", "AFTER", "SUCH AS"),
            [_row(change, who) for change, who in changes[:most]],
        )
        if len(changes) > most:
            typer.echo(paint(f"and {len(changes) - most} more: --json has all", dim=True))
    typer.echo(f"\nUnchanged: {report.unchanged:,} requests")
    for missing, count in report.missing.items():
        typer.echo(paint(f"Not known: {count:,} requests; {_WHY_NOT[missing]}", "yellow"))


def _row(change: Change, who: Affected) -> tuple[str, ...]:
    was, is_ = change.before, change.after
    rule = f", {is_.rule}" if is_.rule else ""
    return (
        f"{len(who.refs):,}",
        f"{who.requests:,}",
        change.feature,
        change.area,
        change.plan,
        f"{was.result} ({was.reason})" if was.result else "not asked",
        f"{is_.result} ({is_.reason}{rule})" if is_.result else "not asked",
        " ".join(each[:12] for each in who.samples),
    )


def _many(who: Affected) -> str:
    return f"{len(who.refs):,} subscribers, {who.requests:,} answers"


def _span(report: Report) -> str:
    from simgrant.flows.moments import moment

    first, last = (moment(each // 1_000_000) for each in (report.first_us, report.last_us))
    return f"{first} to {last}"


# --- for programs ------------------------------------------------------------------------------


def report_data(report: Report, before: str, after: str) -> dict[str, Any]:
    """Return all that was found, as plain data; ``before`` empty is what was decided then."""
    from simgrant.flows.moments import moment
    from simgrant.flows.replay import Kind

    return {
        "before": before or None,
        "after": after,
        "records": report.read,
        "requests": report.decided,
        "circumstances": report.circumstances,
        "from": moment(report.first_us // 1_000_000),
        "to": moment(report.last_us // 1_000_000),
        "policies": dict(report.policies),
        "unchanged": report.unchanged,
        "not_known": dict(report.missing),
        **{
            kind.value: {
                "subscribers": len(total.refs),
                "answers": total.requests,
                "changes": [
                    _change_data(change, who)
                    for change, who in report.changes.items()
                    if change.kind is kind
                ],
            }
            for kind, total in ((kind, report.affected(kind)) for kind in Kind)
        },
    }


def _change_data(change: Change, who: Affected) -> dict[str, Any]:
    return {
        "feature": change.feature,
        "area": change.area,
        "plan": change.plan,
        "before": change.before._asdict(),
        "after": change.after._asdict(),
        "subscribers": len(who.refs),
        "requests": who.requests,
        "samples": who.samples,
    }
