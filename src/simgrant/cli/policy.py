"""`simgrant policy`: look through, try, compare, publish and take back what decides."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from simgrant.cli import policy_sweep
from simgrant.cli.common import (
    BadUsage,
    Desk,
    ImsiArgument,
    JsonOption,
    Refused,
    TenantOption,
    desk,
    note,
    paint,
    print_json,
    run,
    table,
    warn,
)
from simgrant.cli.policy_choice import IN_FORCE, Chosen, chosen, of_file

if TYPE_CHECKING:
    from simgrant.domain.lint import Finding
    from simgrant.flows.explain import Explanation
    from simgrant.flows.policies import Entry, PolicyDesk
    from simgrant.ports.policies import Published

app = typer.Typer(help="Policies: try, compare, publish, take back.", no_args_is_help=True)
app.command()(policy_sweep.sweep)

WhichArgument = Annotated[
    str,
    typer.Argument(
        metavar="FILE|VERSION",
        help="A policy file, a version that was published (3, v3), or: current, what is in force.",
    ),
]
FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", dir_okay=False, help="The policy, in TOML.")
]
CommentOption = Annotated[str, typer.Option("--comment", help="Why; kept with the change.")]
ByOption = Annotated[
    str, typer.Option("--by", metavar="NAME", help="Who does it; else whoever is logged in.")
]
DaysOption = Annotated[
    float, typer.Option("--days", min=0, help="How old requests may be that are looked at.")
]
LimitOption = Annotated[
    int,
    typer.Option("--limit", min=1, max=10_000_000, help="How many requests, the newest first."),
]
YesOption = Annotated[bool, typer.Option("--yes", help="Do it, and do not ask.")]

_DAYS = 7.0
_LIMIT = 100_000


@app.callback()
def policy() -> None:
    """Look through policies, try them, compare them over recorded requests, publish them.

    A tenant's policy is that of its file until one is published; from then on it is what was
    published last. Every worker of every node takes it over within a second.
    """


@app.command()
def check(
    ctx: typer.Context,
    file: FileArgument,
    *,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 where something is odd, too.")
    ] = False,
    json: JsonOption = False,
    tenant: TenantOption = "default",
) -> None:
    """Look through a policy file: every mistake at once, and what was probably not meant.

    Nothing is written, and the database is not asked. Exits with 2 where the policy has mistakes.
    """
    from simgrant.cli.common import find_tenant, settings
    from simgrant.domain.policy import PolicyError

    loaded = settings(ctx)
    find_tenant(loaded, tenant)
    problems: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    try:
        read = of_file(loaded, tenant, file)
    except PolicyError as error:
        problems = tuple(map(str, error.problems))
    else:
        findings = _odd(read)
    if json:
        print_json(
            {
                "version": "" if problems else read.policy.version,
                "problems": problems,
                "findings": [
                    {"severity": each.severity, "where": each.where, "what": each.what}
                    for each in findings
                ],
            }
        )
    if problems:
        raise BadUsage("\n".join(f"{file}: {problem}" for problem in problems))
    if not json:
        for each in findings:
            warn(f"{file}: {each}")
        found = read.policy
        rules, plans = len(found.rules), len(found.plans)
        note(f"{file}: {found.version}, {rules} rules, {plans} plans; no mistakes")
    if strict and findings:
        raise typer.Exit(1)


@app.command("list")
def list_changes(
    ctx: typer.Context, *, json: JsonOption = False, tenant: TenantOption = "default"
) -> None:
    """Show what was published and taken back, by whom and why, the newest first.

    Each change is signed together with the one before it. One that is not as it was signed is
    shown as such, and so is the one after a gap.
    """

    async def work() -> None:
        async with desk(ctx, tenant) as here:
            if not await here.store.policies.history(tenant, limit=1):
                if json:
                    print_json([])
                found = await chosen(here, IN_FORCE)
                note(f"tenant {tenant} never published a policy: {found.where}")
                return
            entries = await _policies(here).history()
        if json:
            print_json([_entry_data(each) for each in entries])
        else:
            _print_history(entries)

    run(work())


@app.command()
def show(
    ctx: typer.Context,
    which: Annotated[
        str, typer.Argument(metavar="[VERSION]", help="A version; else what is in force.")
    ] = IN_FORCE,
    *,
    tenant: TenantOption = "default",
) -> None:
    """Print a policy as it was published, or what is in force."""

    async def work() -> None:
        async with desk(ctx, tenant) as here:
            found = await chosen(here, which)
        typer.echo(found.text, nl=not found.text.endswith("\n"))
        note(f"{found.where}: {found.policy.version}")

    run(work())


@app.command("try")
def try_(
    ctx: typer.Context,
    which: WhichArgument,
    imsi: ImsiArgument,
    app_name: Annotated[
        str, typer.Argument(metavar="[APP]", help="ap2004, vowifi …; else every service.")
    ] = "",
    *,
    json: JsonOption = False,
    tenant: TenantOption = "default",
) -> None:
    """Show what a policy would say of a subscription, beside the one in force.

    Nothing is written. `simgrant explain --policy` shows every rule, and takes what is supposed of
    the request.
    """
    from simgrant.cli.services import app_id_of

    app_ids = [app_id_of(app_name)] if app_name else []

    async def work() -> None:
        from simgrant.cli.explain import explained
        from simgrant.flows.explain import Inquiry
        from simgrant.services import SERVICES

        async with desk(ctx, tenant) as here:
            tried, now = await chosen(here, which), await chosen(here, IN_FORCE)
            pairs: list[tuple[str, Explanation, Explanation]] = []
            for app_id in app_ids or sorted(SERVICES):
                inquiry = Inquiry(app_id, records=0)
                before = await explained(here, imsi, inquiry, now.policy)
                pairs.append((app_id, before, await explained(here, imsi, inquiry, tried.policy)))
        rows = [row for pair in pairs for row in _tried(*pair)]
        if json:
            print_json(
                {
                    "in_force": now.policy.version,
                    "tried": tried.policy.version,
                    "refusal": pairs[0][1].refusal or None,
                    "decisions": rows,
                }
            )
        else:
            _print_tried(rows, pairs[0][1].refusal, now, tried)

    run(work())


@app.command()
def diff(
    ctx: typer.Context,
    before: WhichArgument,
    after: WhichArgument,
    *,
    days: DaysOption = _DAYS,
    limit: LimitOption = _LIMIT,
    json: JsonOption = False,
    tenant: TenantOption = "default",
) -> None:
    """Compare two policies over recorded requests: who gains, who loses, how many.

    What was asked, and on which facts it was decided, is on record. Both policies decide it anew;
    features and offers of plans are those of each policy. Subscribers are named by their keyed
    references, as in the log. Nothing is written; Ctrl-C ends it.
    """
    from simgrant.cli.policy_report import print_report, report_data

    async def work() -> None:
        from simgrant.cli.policy_report import compare

        async with desk(ctx, tenant) as here:
            one, other = await chosen(here, before), await chosen(here, after)
            report = await compare(here, one.policy, other.policy, days=days, limit=limit)
        if json:
            print_json(report_data(report, one.policy.version, other.policy.version))
        else:
            print_report(report, one.where, other.where)

    run(work())


@app.command()
def replay(
    ctx: typer.Context,
    which: WhichArgument = IN_FORCE,
    *,
    days: DaysOption = _DAYS,
    limit: LimitOption = _LIMIT,
    json: JsonOption = False,
    tenant: TenantOption = "default",
) -> None:
    """Compare a policy with what was decided then, whichever version decided.

    With the version that decided then nothing differs: where something does, it is not the policy
    that changed it.
    """
    from simgrant.cli.policy_report import print_report, report_data

    async def work() -> None:
        from simgrant.cli.policy_report import compare

        async with desk(ctx, tenant) as here:
            found = await chosen(here, which)
            report = await compare(here, None, found.policy, days=days, limit=limit)
        if json:
            print_json(report_data(report, "", found.policy.version))
        else:
            print_report(report, "what was decided then", found.where)

    run(work())


@app.command()
def publish(
    ctx: typer.Context,
    file: FileArgument,
    *,
    comment: CommentOption,
    by: ByOption = "",
    yes: YesOption = False,
    days: DaysOption = _DAYS,
    limit: LimitOption = _LIMIT,
    tenant: TenantOption = "default",
) -> None:
    """Put a policy in force, on every worker of every node, within a second.

    A file with mistakes is refused; what is odd is said. Before anything is written it is compared
    with what is in force, over recorded requests, and you are asked. Whoever published something
    meanwhile makes this one be refused.
    """

    async def work() -> None:
        async with desk(ctx, tenant) as here:
            policies = _policies(here)
            newest = await policies.newest()
            new = await chosen(here, str(file)) if file.is_file() else _missing(file)
            for each in _odd(new):
                warn(f"{file}: {each}")
            await _ask(here, new, f"publish {file}?", yes=yes, days=days, limit=limit)
            published = await policies.publish(
                new.text,
                author=by or _user(),
                comment=comment,
                seen=newest.change.change if newest is not None else 0,
                at=here.now,
            )
        _say_done(published, tenant)

    run(work())


@app.command()
def rollback(
    ctx: typer.Context,
    version: Annotated[
        str, typer.Argument(metavar="[VERSION]", help="Which one; else the one before.")
    ] = "",
    *,
    comment: CommentOption,
    by: ByOption = "",
    yes: YesOption = False,
    days: DaysOption = _DAYS,
    limit: LimitOption = _LIMIT,
    tenant: TenantOption = "default",
) -> None:
    """Put a version in force again that was published before: one more change, likewise signed."""

    async def work() -> None:
        from simgrant.flows.policies import number_of

        async with desk(ctx, tenant) as here:
            policies = _policies(here)
            newest = await policies.newest()
            if newest is None:
                raise Refused(f"tenant {tenant} never published a policy")
            number = number_of(version) if version else await _before(policies)
            if number is None:
                raise BadUsage(f"{version!r} is no version such as 3")
            old = await chosen(here, f"v{number}")
            question = f"go back to version {number}?"
            await _ask(here, old, question, yes=yes, days=days, limit=limit)
            published = await policies.roll_back(
                number,
                author=by or _user(),
                comment=comment,
                seen=newest.change.change,
                at=here.now,
            )
        _say_done(published, tenant)

    run(work())


# --- what they share -------------------------------------------------------------------------


def _policies(here: Desk) -> PolicyDesk:
    from simgrant.compose.policies import policy_desk

    store = here.doing(None, subject="policy")
    return policy_desk(here.loaded, store, here.tenant.name, here.keys())


def _odd(found: Chosen) -> tuple[Finding, ...]:
    from simgrant.domain.lint import lint

    return lint(found.policy, tomllib.loads(found.text))


def _missing(file: Path) -> Chosen:
    raise BadUsage(f"{file}: is no file")


def _user() -> str:
    from simgrant.cli.common import user

    return user()


async def _before(policies: PolicyDesk) -> int:
    """Return the version that was in force before the one that is."""
    entries = await policies.history()
    newest = entries[0].published.version.number
    for entry in entries:
        if entry.published.version.number != newest:
            return entry.published.version.number
    raise Refused("there was no other version before; publish the file that decided until then")


async def _ask(
    here: Desk, new: Chosen, question: str, *, yes: bool, days: float, limit: int
) -> None:
    """Show what would change, and ask whether to go on; Refused where the answer is no."""
    from simgrant.cli.policy_report import compare, print_report
    from simgrant.errors import EcsError

    try:
        old = await chosen(here, IN_FORCE)
    except (EcsError, Refused) as error:
        # What is to be put right by this very change.
        warn(f"not compared with what is in force: {getattr(error, 'for_operator', error)}")
    else:
        report = await compare(here, old.policy, new.policy, days=days, limit=limit)
        print_report(report, old.where, new.where, most=10)
    if yes:
        return
    if not sys.stdin.isatty():
        raise Refused("nothing was changed: say --yes to do it without being asked")
    if not typer.confirm(question):
        raise Refused("nothing was changed")


def _say_done(published: Published, tenant: str) -> None:
    from simgrant.flows.policies import name_of

    number = published.version.number
    note(
        f"version {number} ({name_of(published.version)}) of tenant {tenant} is in force: "
        f"change {published.change.change}, by {published.change.author}"
    )


# --- for people, and for programs ---------------------------------------------------------------


def _print_history(entries: Iterable[Entry]) -> None:
    from simgrant.flows.moments import moment

    rows = []
    for place, entry in enumerate(entries):
        change, version = entry.published.change, entry.published.version
        what = "published" if entry.is_new else "rolled back to"
        if not entry.genuine:
            what += ", NOT GENUINE"
        rows.append(
            (
                "►" if place == 0 else " ",
                str(change.change),
                f"v{version.number}-{version.sha256[:12]}",
                what,
                change.author,
                str(moment(change.at)),
                change.comment,
            )
        )
    table(("", "CHANGE", "VERSION", "WHAT", "BY", "AT", "COMMENT"), rows)


def _entry_data(entry: Entry) -> dict[str, Any]:
    from simgrant.flows.moments import moment
    from simgrant.flows.policies import name_of

    change, version = entry.published.change, entry.published.version
    return {
        "change": change.change,
        "version": version.number,
        "name": name_of(version),
        "sha256": version.sha256,
        "made_from": version.made_from or None,
        "new": entry.is_new,
        "genuine": entry.genuine,
        "by": change.author,
        "at": moment(change.at),
        "comment": change.comment,
    }


def _tried(app_id: str, before: Explanation, after: Explanation) -> Iterable[dict[str, Any]]:
    """Yield what is decided of each question by both policies."""
    both = [
        {
            (each.decision.question.feature, each.decision.question.area.value): each.decision
            for each in found.explained
        }
        for found in (before, after)
    ]
    for asked in sorted(both[0].keys() | both[1].keys()):
        said = [
            None
            if decision is None
            else {"result": decision.result, "reason": decision.reason, "rule": decision.rule}
            for decision in (decisions.get(asked) for decisions in both)
        ]
        feature, area = asked
        yield {
            "app_id": app_id,
            "feature": feature,
            "area": area,
            "in_force": said[0],
            "tried": said[1],
        }


def _print_tried(rows: Iterable[dict[str, Any]], refusal: str, now: Chosen, tried: Chosen) -> None:
    def said(found: dict[str, str] | None) -> str:
        if found is None:
            return "not asked"
        return f"{found['result']} ({found['reason']}, rule {found['rule'] or 'none'})"

    if refusal:
        typer.echo(paint(f"Refused by either: {refusal}", "red", bold=True))
    typer.echo(f"in force: {now.where} ({now.policy.version})")
    typer.echo(f"tried:    {tried.where} ({tried.policy.version})\n")
    lines = []
    for row in rows:
        same = row["in_force"] == row["tried"]
        mark = " " if same else "≠"
        after = "the same" if same else said(row["tried"])
        lines.append(
            (mark, row["app_id"], row["feature"], row["area"], said(row["in_force"]), after)
        )
    table(("", "APP", "FEATURE", "AREA", "IN FORCE", "TRIED"), lines)
