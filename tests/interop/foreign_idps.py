"""OpenID providers that are not ours, each in its own venv and on loopback."""

import json
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.servers.process import Unavailable, attended, free_port, launch

_TOOLS = Path(__file__).parents[2] / ".venv-tools"
"""The venvs that `make tools` makes."""
_DISCOVERY = "/.well-known/openid-configuration"


@dataclass(frozen=True)
class ForeignIdp:
    """A running provider."""

    issuer: str
    form: bytes
    """What its page sends when somebody signs in; empty = it has no page."""
    public: str = _DISCOVERY
    """What anybody may ask it."""

    def is_ready(self) -> bool:
        with suppress(OSError), urllib.request.urlopen(self.issuer + self.public, timeout=5):
            return True
        return False

    def rotate(self) -> None:
        """Let it sign with another key (`idpyoidc_op.py`)."""
        with urllib.request.urlopen(f"{self.issuer}/rotate", timeout=5) as answer:
            assert answer.status == 200


@contextmanager
def oidc_provider_mock(place: Path, number: str) -> Iterator[ForeignIdp]:
    """Run `oidc-provider-mock`; raise Unavailable where it is not installed."""
    port = free_port()
    claims = {"sub": "person", "phone_number": number, "phone_number_verified": True}
    options = ["--port", str(port), "--require-nonce", "true", "--user-claims", json.dumps(claims)]
    command: list[str | Path] = [_python("oidcmock"), "-m", "oidc_provider_mock", *options]
    with _running(command, place, ForeignIdp(f"http://127.0.0.1:{port}", b"sub=person")) as idp:
        yield idp


@contextmanager
def idpyoidc(place: Path, redirect_uri: str, secret: str, number: str) -> Iterator[ForeignIdp]:
    """Run a provider made of `idpyoidc`; raise Unavailable where it is not installed."""
    port = free_port()
    script = Path(__file__).with_name("idpyoidc_op.py")
    command: list[str | Path] = [
        _python("idpyoidc"),
        script,
        str(port),
        redirect_uri,
        secret,
        number,
    ]
    with _running(command, place, ForeignIdp(f"http://127.0.0.1:{port}", b"")) as idp:
        yield idp


@contextmanager
def idpyoidc_issuer(place: Path) -> Iterator[ForeignIdp]:
    """Run an authorization server made of `idpyoidc`, for the clients in ``clients.json``."""
    port = free_port()
    script = Path(__file__).with_name("idpyoidc_as.py")
    command: list[str | Path] = [_python("idpyoidc"), script, str(port), place / "clients.json"]
    idp = ForeignIdp(f"http://127.0.0.1:{port}", b"", "/jwks")
    with _running(command, place, idp) as running:
        yield running


def _python(tool: str) -> Path:
    python = _TOOLS / tool / "bin/python"
    if not python.exists():
        raise Unavailable(f"{tool} is not installed (make tools)")
    return python


@contextmanager
def _running(command: Sequence[str | Path], place: Path, idp: ForeignIdp) -> Iterator[ForeignIdp]:
    log = place / "idp.log"
    process = launch(command, log=log, signal="TERM", inside=["env", f"--chdir={place}"])
    with attended(process, idp.is_ready, what="the provider answers", log=log):
        yield idp
