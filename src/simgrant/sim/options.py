"""What several commands of the simulator make of their options."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import typer

from simgrant.sim.http import Url, tls_context
from simgrant.sim.transcript import console

if TYPE_CHECKING:
    from simgrant.sim.applicant import Applicant

_USAGE: Final = 2


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
