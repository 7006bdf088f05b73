"""The root command: global options, where the commands hang, and how every error ends.

Exit codes: 0 done, 1 refused or failed, 2 wrong usage or configuration, 130
interrupted, 141 whoever read our output went away.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Final

import typer

from simgrant import __version__
from simgrant.cli import (
    audit,
    check,
    consent,
    consumer,
    db,
    demo,
    event,
    explain,
    identity,
    keys,
    order,
    page,
    policy,
    serve,
    services,
    subscription,
    tariff,
    token,
    usage,
)
from simgrant.cli.common import BadUsage, Globals, Refused, say_error
from simgrant.errors import EcsError, StartRefused
from simgrant.late import Hung, Late

_ELSEWHERE: Final[Mapping[str, str]] = MappingProxyType({"sim": "simgrant.sim.cli"})
"""Commands whose module is imported when they are called: they bring much along."""

_INTERRUPTED: Final = 130
_NOBODY_READS: Final = 141


class Root(Late):
    """The root: `--config` anywhere, commands from elsewhere, errors as one line."""

    hung: ClassVar[Mapping[str, Hung]] = MappingProxyType(
        {
            "serve": serve.serve,
            "demo": demo.demo,
            "check-config": check.check_config,
            "explain": explain.explain,
            "page": page.page,
            "services": services.services,
            "keys": keys.app,
            "subscription": subscription.app,
            "token": token.app,
            "audit": audit.app,
            "identity": identity.app,
            "order": order.app,
            "event": event.app,
            "consent": consent.app,
            "consumer": consumer.app,
            "tariff": tariff.app,
            "usage": usage.app,
            "policy": policy.app,
            "db": db.app,
        }
    )

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take `--config FILE` wherever it stands among a command's own options."""
        return super().parse_args(ctx, _with_config_first(args))

    def list_commands(self, ctx: Any) -> list[str]:
        """Return every command, those from elsewhere last."""
        return [*super().list_commands(ctx), *_ELSEWHERE]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command, imported now if it is from elsewhere."""
        if cmd_name in _ELSEWHERE:
            module = importlib.import_module(_ELSEWHERE[cmd_name])
            command = typer.main.get_command(module.app)
            command.name = cmd_name
            return command
        return super().get_command(ctx, cmd_name)

    def invoke(self, ctx: Any) -> Any:
        """Run a command and turn what it raises into a line and an exit code."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except (BadUsage, StartRefused) as error:
            say_error(str(error))
            raise typer.Exit(2) from None
        except Refused as error:
            say_error(str(error))
            raise typer.Exit(1) from None
        except EcsError as error:
            say_error(error.for_operator or error.reason.replace("_", " "))
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            typer.echo("\ninterrupted", err=True)
            raise typer.Exit(_INTERRUPTED) from None
        except BrokenPipeError:
            # Whatever is still buffered has nowhere to go; the interpreter must not try at exit.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            raise typer.Exit(_NOBODY_READS) from None
        return result


def _with_config_first(args: list[str]) -> list[str]:
    """Return the arguments with `--config FILE` in front of the command."""
    found: list[str] = []
    rest: list[str] = []
    waiting = iter(args)
    for arg in waiting:
        if arg == "--" or (arg in _ELSEWHERE and not _has_command(rest)):
            return [*found, *rest, arg, *waiting]
        if arg == "--config":
            file = next(waiting, None)
            if file is None:
                return [arg]  # The parser says what is missing.
            found += [arg, file]
        elif arg.startswith("--config="):
            found.append(arg)
        else:
            rest.append(arg)
    return [*found, *rest]


def _has_command(args: list[str]) -> bool:
    return any(not arg.startswith("-") for arg in args)


app = typer.Typer(
    name="simgrant",
    cls=Root,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Every setting can also be given as SIMGRANT__SECTION__KEY in the environment.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"simgrant {__version__}")
        raise typer.Exit


@app.callback()
def root(
    ctx: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            help="Configuration file; without it, simgrant.toml in the current directory, "
            "else the built-in defaults.",
        ),
    ] = None,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_version, is_eager=True),
    ] = False,
) -> None:
    """Decide which services a SIM may use, and tell the phone: a GSMA TS.43 entitlement server.

    New here? `simgrant demo` shows everything in a few seconds, `simgrant serve` stays.
    """
    del version
    ctx.obj = Globals(config)


def main() -> None:
    """Run the command line."""
    app(prog_name="simgrant")
