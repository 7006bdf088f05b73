"""What commands have in common that play a server of the operator's until Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import sys
from collections.abc import Awaitable, Callable
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Protocol

import typer

from simgrant.nouns import named_noun
from simgrant.sim.sims import Sim, demo_sims, following, load_sims
from simgrant.sim.transcript import console

if TYPE_CHECKING:
    from simgrant.sim.web import WebServer

_MOST_SIMS: Final = 1_000_000

SimsOption = Annotated[
    Path | None, typer.Option("--sim", help="SIM file (TOML, JSON or CSV) of who it knows.")
]
CountOption = Annotated[
    int, typer.Option(min=1, max=_MOST_SIMS, help="How many demonstration SIMs it knows.")
]
PortOption = Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1.")]
HostOption = Annotated[str, typer.Option(help="Its Origin-Host.")]
RealmOption = Annotated[str, typer.Option(help="Its realm.")]
PeersOption = Annotated[
    list[str] | None,
    typer.Option("--peer", help="Origin-Host that is let in; repeat it. Else anybody."),
]
TimesOption = Annotated[int, typer.Option(help="To so many requests; -1 = to all.")]
DelayOption = Annotated[float, typer.Option(min=0, help="Seconds, for --fault slow.")]
ResultOption = Annotated[
    str, typer.Option(metavar="VENDOR:CODE", help="For --fault result: 0:5012, 10415:5001.")
]
CertificateOption = Annotated[
    Path | None, typer.Option(help="PEM file of its certificate: TLS 1.3 from the first byte.")
]
KeyOption = Annotated[Path | None, typer.Option(help="PEM file of the private key.")]
ClientCaOption = Annotated[
    Path | None, typer.Option(help="Let in who has a certificate of this CA (PEM) only.")
]
ControlOption = Annotated[
    int | None,
    typer.Option(min=0, max=65535, help="Port on 127.0.0.1 to switch faults on and off by."),
]
LinesOption = Annotated[bool, typer.Option("--json", help="One JSON object a request.")]


def sims_of(file: Path | None, count: int) -> tuple[Sim, ...]:
    """Return who is known: those of a file, else demonstration SIMs; raise ValueError."""
    return load_sims(file) if file else following(demo_sims()[0], count)


def server_tls(
    certificate: Path | None,
    key: Path | None,
    client_ca: Path | None,
    *,
    protocols: tuple[str, ...] = (),
) -> ssl.SSLContext | None:
    """Return what TLS 1.3 is spoken with, and the protocols in it; None = without. OSError."""
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(certificate, key)
    if protocols:
        context.set_alpn_protocols(protocols)
    if client_ca is not None:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def check_names(host: str, realm: str) -> None:
    """Raise ValueError where a Diameter node cannot be called so."""
    from simgrant.wire.diameter.avps import is_identity

    for option, name in (("--host", host), ("--realm", realm)):
        if not is_identity(name):
            raise ValueError(f"{option}: {name!r} is no name of a node")


def pull_result(text: str) -> tuple[int, int]:
    """Return vendor and code of a result; raise ValueError."""
    vendor, found, code = text.partition(":")
    if not (found and vendor.isdecimal() and code.isdecimal()):
        raise ValueError("--result must look like 0:5012")
    return int(vendor), int(code)


@named_noun
class Up:
    """What is said of a server once it listens."""

    what: str
    """Such as ``an HSS that knows 3 SIMs``."""
    settings: str
    """Of the entitlement server that asks it."""
    line: dict[str, Any] = field(hash=False)
    """All of it for a program."""


class Played(Protocol):
    """A server that is played."""

    async def up(self) -> None:
        """Listen; OSError."""

    async def down(self) -> None:
        """Listen no more."""


async def play(
    server: Played,
    say: Callable[[], Up],
    *,
    as_lines: bool,
    down: Callable[[], Awaitable[None]] | None = None,
    levers: WebServer | None = None,
    pulled: str = "requests and faults",
) -> None:
    """Let a server listen until somebody ends the command, and say first where; OSError.

    ``down`` is how it ends, if not as usual; ``pulled`` is what the levers are for.
    """
    ended = until_ended()
    try:
        await server.up()
        if levers is not None:
            await levers.up()
        up = say()
        if as_lines:
            write_line({"event": "up", **up.line})
        else:
            console().print(up.settings, markup=False, soft_wrap=True)
            write_remark(up.what)
            if levers is not None:
                write_remark(f"{pulled}: {levers.url}")
        await ended.wait()
    finally:
        await (down or server.down)()
        if levers is not None:
            await levers.down()


def until_ended() -> asyncio.Event:
    """Return what is set once somebody ends the command."""
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    return ended


def write_remark(text: str) -> None:
    """Write what happened as a remark, since what is written before it are settings."""
    console().print(f"# {text}", markup=False, soft_wrap=True)


def write_line(content: dict[str, Any]) -> None:
    """Write one JSON object, at once."""
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()
