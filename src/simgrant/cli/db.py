"""`simgrant db`: bring the database to this release's schema, or say how far it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simgrant.cli.common import JsonOption, note, paint, print_json, settings, sqlite_file
from simgrant.errors import StartRefused

if TYPE_CHECKING:
    from simgrant.config.load import Loaded

app = typer.Typer(help="The database's schema.", no_args_is_help=True)


@app.command()
def upgrade(
    ctx: typer.Context,
    *,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show every statement.")] = False,
) -> None:
    """Make the tables, or bring them to this release. Run it before the release that needs it.

    One that was cut short may be repeated.
    """
    loaded = settings(ctx)
    before, after, statements = bring_up(loaded)
    if verbose:
        for statement in statements:
            typer.echo(statement)
    where = loaded.store_shown
    if before == after:
        note(f"{where}: already at revision {after}")
    else:
        count = f"{len(statements)} statements"
        note(f"{where}: from {before or 'nothing'} to revision {after} ({count})")


@app.command()
def status(ctx: typer.Context, *, json: JsonOption = False) -> None:
    """Say which revision the database has and which one this release needs."""
    from simgrant.adapters.store import migrate

    loaded = settings(ctx)
    current, head = migrate.current(store_url(loaded)), migrate.head()
    if json:
        print_json({"store": loaded.store_shown, "revision": current, "needed": head})
    else:
        good = current == head
        said = paint("up to date", "green") if good else paint("run: simgrant db upgrade", "yellow")
        typer.echo(f"{loaded.store_shown}: revision {current or 'none'}, needed {head}: {said}")
    if current != head:
        raise typer.Exit(1)


def bring_up(loaded: Loaded) -> tuple[str | None, str, list[str]]:
    """Upgrade the store; return the revision before and after, and the statements run."""
    from simgrant.adapters.store import migrate

    url = store_url(loaded)
    before, after = migrate.current(url), migrate.head()
    statements: list[str] = []
    path = sqlite_file(loaded)
    if path is not None:
        make_directory(path.parent)
    migrate.upgrade(url, statements.append)
    return before, after, statements


def make_directory(path: Path) -> None:
    """Make a directory for state, its owner's alone; raise StartRefused."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StartRefused(f"{path}: {error.strerror}") from None


def store_url(loaded: Loaded) -> str:
    """Return the store's URL, a relative SQLite path made absolute as the server does."""
    path = sqlite_file(loaded)
    return loaded.store_url if path is None else f"sqlite:///{path}"
