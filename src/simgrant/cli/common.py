"""What the commands share: settings, tenant, store, and how things are printed.

Data goes to standard output, everything said about it to standard error, so that
a pipe carries nothing but data.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeVar

import typer

from simgrant.nouns import noun, replace

if TYPE_CHECKING:
    from simgrant.adapters.keyring.file import FileKeys
    from simgrant.config.load import Loaded
    from simgrant.domain.policy import Policy
    from simgrant.domain.tenant import Tenant
    from simgrant.flows.subscriptions import Context, Wrap
    from simgrant.identities import Imsi
    from simgrant.ports.store import Store

T = TypeVar("T")

CONFIG_NAME = "simgrant.toml"
"""The configuration that is found in the current directory."""


class BadUsage(Exception):
    """The arguments or the configuration are wrong; the message is the line to show."""


class Refused(Exception):
    """It could not be done; the message is the line to show."""


@dataclass(slots=True)
class Globals:
    """What was said before the command."""

    config: Path | None

    @property
    def file(self) -> Path | None:
        """The configuration file, given or found; None = built-in defaults."""
        if self.config is not None:
            return self.config
        found = Path(CONFIG_NAME)
        return found if found.exists() else None

    def load(self) -> Loaded:
        """Return the checked settings; raise StartRefused."""
        from simgrant.config.load import load

        return load(self.file, os.environ)


JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
YesOption = Annotated[
    bool, typer.Option("--yes", help="Do it; without this, only say what would be done.")
]
TenantOption = Annotated[str, typer.Option("--tenant", metavar="NAME", help="Which tenant.")]
ImsiArgument = Annotated[str, typer.Argument(metavar="IMSI", help="IMSI, or an MSISDN with +.")]


def settings(ctx: typer.Context) -> Loaded:
    """Return the checked settings of this call."""
    return ctx.ensure_object(Globals).load() if ctx.obj else Globals(None).load()


def now() -> int:
    """Return Unix seconds."""
    from simgrant.compose.clock import CLOCK

    return int(CLOCK.now())


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run the asynchronous part of a command."""
    import asyncio

    return asyncio.run(coroutine)


# --- what commands work with ----------------------------------------------------------------


@noun
class Desk:
    """An open store, seen from one tenant."""

    loaded: Loaded
    tenant: Tenant
    store: Store
    now: int
    command: str
    """What is done, for the audit."""

    def doing(self, imsi: Imsi | None, detail: str = "", *, subject: str = "") -> Store:
        """Return the store for changing something, which is written down (ADR 0047).

        ``imsi`` is whose it is; else ``subject`` names it. ``detail`` says what of it.
        """
        from simgrant.flows.management.audit import deed

        ring = self.keys().ring
        who = deed(ring, self.tenant.name, self.now, self.command, imsi, detail, subject)
        return self.store.doing(replace(who, client="cli", actor=user()))

    def keys(self) -> FileKeys:
        """Return the key ring; raise StartRefused."""
        from simgrant.compose.store import open_keys

        return open_keys(self.loaded)

    async def policy(self) -> Policy:
        """Return the policy that the tenant's requests are decided by; raise StartRefused."""
        from simgrant.compose.policies import in_force

        return await in_force(self.loaded, self.store, self.tenant.name, self.keys)

    def sms_apps(self) -> tuple[str, ...]:
        """Return the applications that SIMs are told of by SMS, where no client registered."""
        from simgrant.compose.push import sms_apps as sms_apps_of

        return sms_apps_of(self.loaded, self.tenant.name)

    def switched(self) -> frozenset[str]:
        """Return the services of the tenant's lines that are switched in the network."""
        from simgrant.compose.activation import switched_services
        from simgrant.ports.switching import NO_SERVICES

        return switched_services(self.loaded).get(self.tenant.name, NO_SERVICES)

    async def context(self) -> Context:
        """Return what rows are checked against."""
        from simgrant.flows.subscriptions import Context

        return Context(self.tenant, (await self.policy()).plans, self.now)

    def wrap(self) -> Wrap:
        """Return how SIM keys are wrapped."""
        from simgrant.compose.sim_keys import wrapper

        return wrapper(self.keys(), self.tenant.name, self.now)


@asynccontextmanager
async def desk(ctx: typer.Context, tenant: str) -> AsyncIterator[Desk]:
    """Open the store for one tenant; raise BadUsage for one that is not configured."""
    from simgrant.compose.clock import CLOCK

    loaded = settings(ctx)
    found = find_tenant(loaded, tenant)
    async with open_store(loaded) as store:
        command = ctx.command_path.partition(" ")[2]
        yield Desk(loaded, found, store, int(CLOCK.now()), command)


def user() -> str:
    """Return whose process this is, as the operating system knows him."""
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


@asynccontextmanager
async def open_store(loaded: Loaded) -> AsyncIterator[Store]:
    """Open the store and close it again."""
    from simgrant.compose.store import open_store as open_store_of

    store = await open_store_of(loaded)
    try:
        yield store
    finally:
        await store.close()


def sqlite_file(loaded: Loaded) -> Path | None:
    """Return the file of the configured SQLite database; None where it is another engine."""
    scheme, _, rest = loaded.store_url.partition("://")
    return loaded.path(rest.removeprefix("/")) if scheme == "sqlite" else None


def find_tenant(loaded: Loaded, name: str) -> Tenant:
    """Return a configured tenant; raise BadUsage with what was probably meant."""
    from simgrant.compose.store import tenancy
    from simgrant.domain.problems import did_you_mean

    known = tenancy(loaded).by_name
    if name not in known:
        raise BadUsage(f"no tenant {name!r}{did_you_mean(name, known)}")
    return known[name]


# --- printing -------------------------------------------------------------------------------


def paint(text: str, color: str = "", *, bold: bool = False, dim: bool = False) -> str:
    """Return a text in colour; whoever prints it strips that where there is no terminal."""
    if "NO_COLOR" in os.environ:
        return text
    return typer.style(text, fg=color or None, bold=bold or None, dim=dim or None)


def say_error(text: str) -> None:
    """Print what went wrong: a line for each problem, on standard error."""
    for line in text.splitlines() or [""]:
        typer.echo(f"{paint('error:', 'red', bold=True)} {line}", err=True)


def warn(text: str) -> None:
    """Print what is worth a second look, on standard error."""
    typer.echo(f"{paint('warning:', 'yellow', bold=True)} {text}", err=True)


def note(text: str) -> None:
    """Print what happened, on standard error."""
    typer.echo(text, err=True)


@contextmanager
def logged_aside() -> Iterator[None]:
    """Have what is logged meanwhile on standard error: standard output is for who reads it."""
    import structlog

    before = structlog.get_config()
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
    try:
        yield
    finally:
        structlog.configure(**before)


def print_json(data: Any) -> None:
    """Print data for a program."""
    typer.echo(json.dumps(data, indent=2, ensure_ascii=False))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print columns, as wide as they have to be."""
    lines = [tuple(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        return "  ".join(padded).rstrip()

    typer.echo(paint(line(head), bold=True))
    for cells in lines:
        typer.echo(line(cells))


def pairs(values: Iterable[tuple[str, str]]) -> None:
    """Print names and values, aligned."""
    found = list(values)
    width = max((len(name) for name, _ in found), default=0)
    for name, value in found:
        typer.echo(f"{paint(name.ljust(width), dim=True)}  {value}")


def notice_line(record: Mapping[str, Any]) -> str:
    """Return the record of a notice in a line."""
    apps, channel, tries = ",".join(record["apps"]), record["channel"], record["attempts"]
    why = record.get("reason") or record.get("reference")
    cause = f" ({record['cause']})" if record.get("cause") else ""
    return (
        f"{record['at']}  {record['outcome']}  {apps}{f' by {channel}' if channel else ''}, "
        f"changed {record['changed_at']}{cause}, {tries} {'try' if tries == 1 else 'tries'}"
        f"{f': {why}' if why else ''}"
    )


class Advance(Protocol):
    """Tells a progress bar how far it is."""

    def __call__(self, done: int) -> None:
        """Take the number of steps done so far."""


@contextmanager
def progress(title: str, total: int | None) -> Iterator[Advance]:
    """Show a progress bar on standard error, if that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda done: None  # noqa: ARG005 - the bar that nobody sees
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Remaining())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done: bar.update(task, completed=done)


def second_of(option: str, text: str) -> int | None:
    """Return the Unix second that an option such as ``--until`` names; None where it was left out.

    A time is in UTC unless it says otherwise. Raise BadUsage for what is none.
    """
    from simgrant.wire.instant import pull_instant

    if not text:
        return None
    try:
        return pull_instant(text)
    except ValueError:
        raise BadUsage(
            f"{option} {text!r}: no time, such as 2027-11-01 or 2027-11-01T12:00:00Z"
        ) from None
