"""Options that several commands of the simulator have, and what they make of them."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

from simgrant.sim.http import Url, tls_context
from simgrant.sim.transcript import console

if TYPE_CHECKING:
    from simgrant.sim.applicant import Applicant

_USAGE: Final = 2

UrlArgument = Annotated[
    str, typer.Argument(help="The server's address, such as http://127.0.0.1:8080/")
]
KOption = Annotated[str, typer.Option("--k", help="The SIM's key, 32 hexadecimal digits.")]
OpcOption = Annotated[str, typer.Option(help="The SIM's OPc, 32 hexadecimal digits.")]
EidOption = Annotated[str, typer.Option(help="Its eSIM's EID, 32 digits.")]
TokenUrlOption = Annotated[
    str, typer.Option(help="Where it is granted such a proof, for an assertion that it signs.")
]
ClientIdOption = Annotated[str, typer.Option(help="Which client it is there.")]
ClientKeyOption = Annotated[
    Path | None, typer.Option(help="Its private key (PEM; P-256 or RSA), or its secret.")
]
KeyIdOption = Annotated[str, typer.Option(help="kid of the assertion.")]
AudienceOption = Annotated[str, typer.Option(help="aud of the assertion, in place of --token-url.")]
ScopeOption = Annotated[str, typer.Option(help="Scope to be granted.")]
RequestorOption = Annotated[str, typer.Option(help="Who asks.")]
InsecureOption = Annotated[
    bool, typer.Option("--insecure", help="Do not check the server's certificate.")
]
CaOption = Annotated[Path | None, typer.Option(help="CA certificates to trust (PEM).")]
TimeoutOption = Annotated[float, typer.Option(min=0.1, max=300, help="Seconds to wait.")]
AnyPlmnOption = Annotated[bool, typer.Option("--any-plmn", help="Take SIMs of real networks too.")]
LinesOption = Annotated[bool, typer.Option("--json", help="One JSON object an exchange.")]


def applicant_of(
    token_url: str, client_id: str, key: Path | None, key_id: str, audience: str, scope: str
) -> Applicant | None:
    """Return what a server signs for its proof; None where it does not."""
    if not token_url or key is None:
        return None
    from simgrant.sim.applicant import Applicant

    applicant = Applicant(
        token_url=Url.parse(token_url),
        client_id=client_id,
        key=key.read_bytes(),
        key_id=key_id,
        audience=audience,
        scope=scope,
    )
    applicant.assertion(now=0)  # Whether it can sign at all.
    return applicant


def tls_of(ca: Path | None, *, insecure: bool) -> ssl.SSLContext:
    """Return what TLS is spoken with; raise ValueError for a file that is of no use."""
    try:
        return tls_context(ca=str(ca) if ca else None, insecure=insecure)
    except OSError as error:
        raise ValueError(f"--ca {ca}: {error.strerror or error}") from None


def stop(message: str) -> NoReturn:
    """Say what is wrong with the command line, and end."""
    console(stderr=True).print(f"Error: {message}", style="red", markup=False)
    raise typer.Exit(_USAGE)
