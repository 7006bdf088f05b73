"""Options that several commands of the simulator have, and what they make of them."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

from simgrant.identities import Imsi, InvalidIdentity
from simgrant.sim.follow_up import WebEnd
from simgrant.sim.http import Url, tls_context
from simgrant.sim.sims import Sim, demo_sims, following, key_from, load_sims
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
WebViewOption = Annotated[
    WebEnd | None,
    typer.Option(help="Open the page that an answer names: look, finish its forms, dismiss."),
]
FillOption = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="What to write or choose on the page."),
]
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


def sims_of(
    *,
    imsi: str,
    k: str,
    opc: str,
    any_plmn: bool,
    file: Path | None = None,
    mnc_digits: int = 2,
    count: int = 1,
) -> tuple[Sim, ...]:
    """Return the SIMs that the options name; raise ValueError, and BadSimFile for a file."""
    sims = _named(imsi=imsi, file=file, k=k, opc=opc, mnc_digits=mnc_digits, count=count)
    for sim in sims:
        if not (any_plmn or sim.is_test):
            raise ValueError(
                f"a SIM of network {sim.mcc}-{sim.mnc}, which is no test network "
                "(001-01, 999-xx); say --any-plmn if that is meant"
            )
    return sims


def _named(
    *, imsi: str, file: Path | None, k: str, opc: str, mnc_digits: int, count: int
) -> tuple[Sim, ...]:
    if bool(k) != bool(opc):
        raise ValueError("--k and --opc go together")
    if k:
        if file is not None:
            raise ValueError("--sim brings its own keys; leave out --k and --opc")
        if not imsi:
            raise ValueError("--k and --opc need an --imsi")
        first = Sim(
            imsi=_imsi(imsi),
            k=key_from(k, name="--k"),
            opc=key_from(opc, name="--opc"),
            mnc_digits=mnc_digits,
        )
        return following(first, count)
    if file is not None:
        return _chosen(load_sims(file), imsi, count, f"{file} has")
    demo = demo_sims()
    if imsi and _imsi(imsi).digits[:-4] == demo[0].imsi.digits[:-4]:
        return following(_demo(demo[0], imsi), count)
    if imsi:
        raise ValueError("--imsi names no demonstration SIM; give its --k and --opc, or --sim")
    return following(demo[0], count)


def _demo(first: Sim, imsi: str) -> Sim:
    """Return a SIM of the demonstration range, which all have the same keys."""
    steps = int(imsi) - int(first.imsi.digits)
    if steps < 0:
        raise ValueError("the demonstration SIMs begin with 001010000000001")
    return following(first, steps + 1)[-1]


def _chosen(sims: tuple[Sim, ...], imsi: str, count: int, whose: str) -> tuple[Sim, ...]:
    start = 0
    if imsi:
        wanted = _imsi(imsi)
        start = next((at for at, sim in enumerate(sims) if sim.imsi == wanted), -1)
        if start < 0:
            raise ValueError(f"{whose} no such IMSI")
    found = sims[start : start + count]
    if len(found) < count:
        raise ValueError(f"{whose} {len(found)} SIMs from there on, not {count}")
    return found


def _imsi(text: str) -> Imsi:
    try:
        return Imsi(text)
    except InvalidIdentity as error:
        raise ValueError(f"--imsi: {error}") from None


def pairs_of(texts: Iterable[str], separator: str, form: str) -> tuple[tuple[str, str], ...]:
    """Return names and values; raise ValueError where something is not of that form."""
    pairs = []
    for text in texts:
        name, found, value = text.partition(separator)
        if not found or not name.strip():
            raise ValueError(f"{text!r} is not of the form {form}")
        pairs.append((name.strip(), value.strip()))
    return tuple(pairs)


def stop(message: str, *, code: int = _USAGE) -> NoReturn:
    """Say what is wrong, mostly with the command line, and end."""
    console(stderr=True).print(f"Error: {message}", style="red", markup=False)
    raise typer.Exit(code)
