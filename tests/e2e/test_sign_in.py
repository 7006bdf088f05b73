"""Signing in with processes all round: `serve`, `sim idp`, `sim handset --auth oidc`."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from simgrant.sim.sims import demo_sims
from tests.interop.our_server import SIMGRANT, OurServer, running
from tests.servers.process import free_port, launch, wait_until

pytestmark = pytest.mark.e2e
SIM = demo_sims()[0]
BACK = "https://ecs.example.net/"


@contextmanager
def provider(place: Path, *options: str) -> Iterator[str]:
    """Run a provider and return its issuer."""
    assert SIM.msisdn is not None
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    wishes = ["--port", str(port), "--redirect-uri", BACK, "--secret-file", str(place / "secret")]
    number = ["--phone-number", SIM.msisdn.e164]
    log = place / "idp.log"
    process = launch([SIMGRANT, "sim", "idp", *wishes, *number, *options], log=log, signal="TERM")

    def ready() -> bool:
        assert process.poll() is None, log.read_text()[-2000:]
        with suppress(OSError), urllib.request.urlopen(f"{issuer}/jwks", timeout=5):
            return True
        return False

    try:
        wait_until(ready, what="the provider answers")
        yield issuer
    finally:
        process.terminate()
        process.wait(15)


@contextmanager
def server(place: Path, issuer: str) -> Iterator[OurServer]:
    name = "IDENTITY_PROVIDERS__HOME__"
    settings = {
        f"{name}ISSUER": issuer,
        f"{name}CLIENT_ID": "simgrant",
        f"{name}SECRET_FILE": str(place / "secret"),
        f"{name}REDIRECT_URI": BACK,
        f"{name}APPS": '["ap2004"]',
    }
    with running(place, **settings) as ours:
        yield ours


def sign_in(url: str, *options: str) -> tuple[int, list[dict[str, Any]], str]:
    """Return exit code, exchanges and all that was printed."""
    command = [str(SIMGRANT), "sim", "handset", url, "--auth", "oidc", "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stdout


def test_a_handset_signs_in_and_asks_again_with_its_token(tmp_path: Path) -> None:
    with provider(tmp_path) as issuer, server(tmp_path, issuer) as ours:
        code, seen, said = sign_in(ours.url, "--repeat", "token")
        assert code == 0, said
        assert [each["leg"] for each in seen] == ["sign-in", "callback", "token"]
        assert [each["status"] for each in seen] == [302, 200, 200]
        logged = ours.log.read_text()
    # Neither what the handset shows nor what the server logs can be used by who reads it.
    secret = (tmp_path / "secret").read_text().strip()
    assert secret not in logged
    assert "code=" not in said
    assert "nonce=" not in said


def test_who_says_no_gets_a_document_that_says_so(tmp_path: Path) -> None:
    with provider(tmp_path, "--lie", "denied") as issuer, server(tmp_path, issuer) as ours:
        code, seen, said = sign_in(ours.url)
    assert code == 0, said
    assert "GeneralErrorText" in said
    assert seen[-1]["document"]["token"] is None
