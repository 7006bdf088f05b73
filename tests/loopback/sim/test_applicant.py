"""A client that signs for an access token: what it sends, what it makes of answers, who refuses."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from typer.testing import CliRunner

from simgrant.sim.applicant import Applicant, Grant, apply
from simgrant.sim.cli import app
from simgrant.sim.exchange import Leg, Outcome, Result
from simgrant.sim.http import Url
from simgrant.sim.issuer import INTROSPECTION, TOKEN, AuthorizationServer
from simgrant.sim.oauth import Client
from simgrant.sim.transcript import Mask, as_json
from tests.loopback.sim.scripted import CLOSE, Says, ScriptedServer, answer

JSON = "application/json"
NOW = 1_800_000_000.0
SECRET = b"a secret of at least 32 characters\n"
EC, RSA = ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)


def pem(key: Any) -> bytes:
    found: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return found


def public(key: Any) -> str:
    found: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return found.decode()


def applicant(url: str, key: bytes = SECRET, **changes: Any) -> Applicant:
    return Applicant(token_url=Url.parse(url), client_id="bank", key=key, **changes)


async def _run(*script: Says) -> Grant | Outcome:
    async with ScriptedServer(*script) as server:
        return await apply(applicant(str(server.url())), now=lambda: NOW)


async def test_it_sends_what_ts43_says() -> None:
    granted = answer("200 OK", b'{"access_token":"secret-access","token_type":"Bearer"}', JSON)
    async with ScriptedServer(granted) as server:
        url = str(server.url())
        one = applicant(url, pem(EC), key_id="k7", scope="a b")
        found = await apply(one, now=lambda: NOW)
    (seen,) = server.seen
    form = {name: value for name, (value,) in parse_qs(seen.body.decode()).items()}
    head, claims, _ = form.pop("client_assertion").split(".")
    assert form == {
        "grant_type": "client_credentials",
        "client_id": "bank",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "scope": "a b",
    }
    assert json.loads(base64.urlsafe_b64decode(head + "==")) == {
        "alg": "ES256",
        "kid": "k7",
        "typ": "JWT",
    }
    told = json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert told.pop("jti")
    assert told == {"iss": "bank", "sub": "bank", "aud": url, "iat": NOW, "exp": NOW + 60}
    assert isinstance(found, Grant)
    assert (found.access_token, found.exchange.leg) == ("secret-access", Leg.GRANT)
    shown = Outcome(result=Result.DOCUMENT, exchanges=(found.exchange,))
    text = repr(found) + json.dumps(as_json(shown, mask=Mask(), sim=None))
    assert "secret-access" not in text
    assert claims not in text


@pytest.mark.parametrize(
    ("says", "result"),
    [
        (answer("401 Unauthorized", b'{"error":"invalid_client"}', JSON), Result.REFUSED),
        (answer("503 Service Unavailable"), Result.LATER),
        (answer("200 OK", b"{", JSON), Result.NOT_UNDERSTOOD),
        (answer("200 OK", b'{"access_token":7}', JSON), Result.NOT_UNDERSTOOD),
        (answer("200 OK", b"[]", JSON), Result.NOT_UNDERSTOOD),
        (b"nonsense\r\n\r\n", Result.NOT_UNDERSTOOD),
        (CLOSE, Result.UNREACHABLE),
    ],
)
async def test_without_a_token_it_says_how_it_ended(says: bytes, result: Result) -> None:
    ended = await _run(says)
    assert isinstance(ended, Outcome)
    assert (ended.result, bool(ended.why)) == (result, True)


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (pem(EC), Client("bank", "", public(EC))),
        (pem(RSA), Client("bank", "", public(RSA))),
        (SECRET, Client("bank", SECRET.decode().strip())),
    ],
    ids=["EC", "RSA", "secret"],
)
async def test_an_issuer_grants_to_whoever_signs_well(mine: bytes, theirs: Client) -> None:
    server = AuthorizationServer(audience="us", clients=[theirs], now=lambda: NOW)
    await server.up()
    try:
        url = server.issuer + TOKEN
        for changes in ({}, {"audience": server.issuer}):
            found = await apply(applicant(url, mine, **changes), now=lambda: NOW)
            assert isinstance(found, Grant), found
        for bad, at in (
            (applicant(url, mine, audience="https://login.example.org"), NOW),
            (applicant(url, mine), NOW - 60),
            (applicant(url, mine), NOW + 60),
            (applicant(url, pem(ec.generate_private_key(ec.SECP256R1()))), NOW),
            (applicant(server.issuer + INTROSPECTION, mine), NOW),
        ):
            refused = await apply(bad, now=lambda at=at: at)  # type: ignore[misc]
            assert isinstance(refused, Outcome)
            assert refused.last.status == 401
    finally:
        await server.down()


async def test_an_assertion_is_good_once() -> None:
    class Repeating(Applicant):
        def assertion(self, *, now: float) -> str:
            del now
            return signed

    server = AuthorizationServer(
        audience="us", clients=[Client("bank", "", public(EC))], now=lambda: NOW
    )
    await server.up()
    try:
        url = server.issuer + TOKEN
        signed = applicant(url, pem(EC)).assertion(now=NOW)
        one = Repeating(token_url=Url.parse(url), client_id="bank", key=b"")
        assert isinstance(await apply(one), Grant)
        assert isinstance(await apply(one), Outcome)
    finally:
        await server.down()


def test_a_key_that_cannot_sign_is_said_at_once(tmp_path: Any) -> None:
    (tmp_path / "key").write_bytes(pem(ed25519.Ed25519PrivateKey.generate()))
    url = "http://127.0.0.1:9/"
    proof = ["--client-id", "bank", "--client-key", str(tmp_path / "key")]
    for wrong in (
        ["--token-url", url, *proof],
        ["--token-url", url],
        proof,
        ["--token-url", url, "--access-token", "x", *proof],
        ["--token-url", url, "--client-id", "bank", "--client-key", str(tmp_path / "absent")],
    ):
        done = CliRunner().invoke(app, ["partner", url, *wrong], env={"NO_COLOR": "1"})
        assert done.exit_code == 2, done.output
        assert "Traceback" not in done.output
