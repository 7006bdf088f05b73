"""A partner's server with processes all round: `serve`, `sim issuer` and `sim partner`."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tests.interop.our_server import SIMGRANT, OurServer, running
from tests.servers.process import free_port, launch, wait_until

pytestmark = pytest.mark.e2e
AUDIENCE = "https://ecs.example.net"


@contextmanager
def issuer(place: Path, *options: str) -> Iterator[str]:
    """Run an issuer that grants tokens to whoever has ``partner.pem``, and return its address."""
    key, port = ec.generate_private_key(ec.SECP256R1()), free_port()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (place / "partner.pem").write_bytes(private)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (place / "partner.pub").write_bytes(public)
    url, log = f"http://127.0.0.1:{port}", place / "issuer.log"
    command: list[str | Path] = [SIMGRANT, "sim", "issuer", "--port", str(port), *options]
    command += ["--client-id", "bank", "--client-key", place / "partner.pub"]
    command += ["--secret-file", place / "secret", "--audience", AUDIENCE]
    process = launch(command, log=log, signal="TERM")

    def ready() -> bool:
        assert process.poll() is None, log.read_text()[-2000:]
        with suppress(OSError), urllib.request.urlopen(f"{url}/jwks", timeout=5):
            return True
        return False

    try:
        wait_until(ready, what="the issuer answers")
        yield url
    finally:
        process.terminate()
        process.wait(15)


@contextmanager
def server(place: Path, url: str, **settings: str) -> Iterator[OurServer]:
    named = {f"ISSUERS__LOGIN__{name.upper()}": value for name, value in settings.items()}
    with running(
        place,
        ISSUERS__LOGIN__ISSUER=url,
        ISSUERS__LOGIN__AUDIENCE=AUDIENCE,
        PARTNERS__BANK__REQUESTOR_IDS='["bank-1"]',
        PARTNERS__BANK__CLIENT_IDS='["bank"]',
        PARTNERS__BANK__ENTERPRISES='["acme", "other"]',
        PARTNERS__BANK__OPERATIONS='["GetPhoneNumber", "CheckEligibility"]',
        **named,
    ) as ours:
        yield ours


def sim(*arguments: str | Path) -> tuple[int, list[dict[str, Any]], str]:
    """Return exit code, exchanges and all that was printed."""
    command = [str(SIMGRANT), "sim", *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stdout


def lent(url: str) -> str:
    """Let a handset acquire a temporary token."""
    wish = ("--operation", "AcquireTemporaryToken", "--targets", "GetPhoneNumber")
    profile = ("--profile", "android-number", "--reveal")
    code, seen, said = sim("handset", url, *profile, *wish)
    assert code == 0, said
    return str(seen[-1]["document"]["applications"]["ap2014"]["TemporaryToken"])


@pytest.mark.parametrize("opaque", [False, True])
def test_a_partner_gets_a_number_with_a_token_that_it_signed_for(
    tmp_path: Path, opaque: bool
) -> None:
    options = ("--opaque",) if opaque else ()
    with issuer(tmp_path, *options) as url:
        asked = {
            "introspection": f"{url}/introspect",
            "client_id": "simgrant",
            "secret_file": str(tmp_path / "secret"),
        }
        with server(tmp_path, url, **(asked if opaque else {"jwks": f"{url}/jwks"})) as ours:
            request = ("partner", ours.url, "--requestor-id", "bank-1", "--temporary-token")
            proof = ("--token-url", f"{url}/token", "--client-id", "bank", "--client-key")
            code, _, said = sim(*request, lent(ours.url))
            assert code == 1, said
            code, seen, said = sim(*request, lent(ours.url), *proof, tmp_path / "partner.pem")
            assert code == 0, said
            assert [each["leg"] for each in seen] == ["grant", "lent"]
            assert seen[-1]["document"]["applications"]["ap2014"]["MSISDN"]
            logged = ours.log.read_text()
    shown = dict(map(tuple, seen[0]["parameters"]))
    assert len(shown["client_assertion"]) < 20, "what it signed is not shown"
    assert (tmp_path / "secret").read_text().strip() not in logged


def test_whom_the_issuer_does_not_know_asks_nothing(tmp_path: Path) -> None:
    with issuer(tmp_path) as url:
        stranger = tmp_path / "stranger.pem"
        key = ec.generate_private_key(ec.SECP256R1())
        stranger.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        proof = ("--token-url", f"{url}/token", "--client-id", "bank", "--client-key", stranger)
        code, seen, said = sim("partner", "http://127.0.0.1:9/", "--temporary-token", "x", *proof)
    assert code == 1, said
    assert [(each["leg"], each["status"]) for each in seen] == [("grant", 401)]


def test_a_system_goes_on_with_the_token_it_got_for_its_proof(tmp_path: Path) -> None:
    with issuer(tmp_path) as url, server(tmp_path, url, jwks=f"{url}/jwks") as ours:
        request = ["partner", ours.url, "--app", "ap2011", "--operation", "", "--reveal"]
        request += ["--requestor-id", "bank-1", "--param", "enterprise_id=acme"]
        proof = ("--token-url", f"{url}/token", "--client-id", "bank", "--client-key")
        code, seen, said = sim(*request, *proof, tmp_path / "partner.pem")
        assert code == 0, said
        token = seen[-1]["document"]["token"]["token"]
        code, seen, said = sim(*request, "--token", token)
        assert code == 0, said
        assert seen[-1]["document"]["token"]["token"] == token
        code, seen, said = sim(*request, "--token", token, "--param", "enterprise_id=other")
        assert (code, seen[-1]["status"]) == (1, 511), said
