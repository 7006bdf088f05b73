"""The authorization server as consumers meet it: what they get, and what they are refused."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import pytest
from joserfc import jwt

from simgrant.domain.camara.access_token import Method
from simgrant.domain.camara.consumer import Application, Bound, GrantType, Permission
from simgrant.identities import Msisdn
from simgrant.ports.store import TokenState
from simgrant.wire.jwt import pull_keys
from tests.camara.bank import (
    CHECK,
    CIBA,
    FRAUD,
    ISSUER,
    JWT_BEARER,
    PLAIN,
    READ,
    TOKEN_URL,
    VERIFY,
    Bank,
    basic,
    consumer,
    enrol,
    error,
    members,
    opened,
)
from tests.camara.listener import CAMARA, send
from tests.device.harness import ALLOWED, Answer, Request, Server, Workbench
from tests.device.partner import NUMBER, Partner, app_of, number_phone, temporary
from tests.jwts import EcSigner, SharedSigner, b64

NV = f"dpv:{FRAUD} {VERIFY}"
VERIFY_PATH = "/number-verification/v2/verify"
CHECK_PATH = "/sim-swap/v2/check"
UNLIMITED = """
[camara_limits]
per_number_and_hour = 0
per_number_and_consumer = 0
per_device_and_hour = 0
"""


@pytest.fixture
async def server(bench: Workbench) -> AsyncIterator[Server]:
    """A server that partners may use, as often as tests want."""
    async with bench.opened(CAMARA + "refusals_burst = 0\n" + UNLIMITED) as found:
        yield found


@pytest.fixture
async def bank(server: Server) -> Bank:
    """A consumer that may do everything by contract."""
    found = Bank(server)
    await enrol(server, consumer(found.signer, subjects=frozenset({"operatortoken", "tel"})))
    return found


async def token_of(server: Server, targets: str = "GetPhoneNumber", **more: str) -> str:
    """Return a temporary token that a phone got with its SIM."""
    phone = number_phone(server)
    return await temporary(phone, await phone.token(), targets, **more)


async def reason(server: Server) -> str:
    """Return the last record's outcome."""
    return str((await server.records())[-1]["outcome"])


async def many(server: Server, count: int, **more: str) -> list[str]:
    """Return so many temporary tokens of one phone."""
    phone = number_phone(server)
    token = await phone.token()
    return [await temporary(phone, token, "GetPhoneNumber", **more) for _ in range(count)]


# --- what it says of itself --------------------------------------------------------------------


async def test_what_is_published(server: Server) -> None:
    said = await send(server, Request(path="/.well-known/openid-configuration"))
    found = members(said)
    assert found["issuer"] == ISSUER
    assert found["token_endpoint"] == TOKEN_URL
    assert found["token_endpoint_auth_methods_supported"][0] == "private_key_jwt"
    assert found["subject_types_supported"] == ["pairwise"]
    assert not {"none", "HS256"} & set(found["token_endpoint_auth_signing_alg_values_supported"])
    assert "authorization_code" not in found["grant_types_supported"]
    assert {VERIFY, READ, CHECK} <= set(found["scopes_supported"])
    same = await send(server, Request(path="/.well-known/oauth-authorization-server"))
    assert same.body == said.body
    keys = members(await send(server, Request(path="/oauth2/jwks")))["keys"]
    assert [each["kty"] for each in keys] == ["EC"]
    assert "d" not in keys[0]
    for path in ("/oauth2/token", "/oauth2/revoke"):
        answer = await send(server, Request(path=path))
        assert (answer.status, answer.header("allow")) == (405, "POST")
    assert (await send(server, Request("POST", path="/oauth2/jwks"))).header("allow") == "GET"
    assert (await send(server, Request(path="/oauth2/nothing"))).status == 404


async def test_nobody_gets_a_code_where_connections_are_not_known(server: Server) -> None:
    place = "https://bank.example/back"
    await enrol(server, consumer(EcSigner("k"), redirect_uris=frozenset({place})))
    query = urlencode(
        {
            "client_id": "bank",
            "redirect_uri": place,
            "response_type": "code",
            "scope": NV,
            "state": "s",
            "nonce": "n",
        }
    )
    answer = await send(server, Request("GET", query.encode(), path="/oauth2/authorize"))
    assert answer.status == 302
    assert answer.header("location").startswith(f"{place}?error=login_required&")


# --- Google's contract, both flavours (camara.md section 4) ---------------------------------------


async def test_the_camara_flavour(server: Server) -> None:
    firebase = Bank(server, client_id="firebase")
    await enrol(server, consumer(firebase.signer, client_id="firebase"))
    temp = await token_of(server)
    assert len(temp) < 4096
    resource = f"{ISSUER}/number-verification/v2"
    answer = await firebase.bearer(
        f"operatortoken:{temp}", f"dpv:{FRAUD} {READ}", resource=resource
    )
    said = members(answer)
    assert answer.header("cache-control") == "no-store"
    assert {**said, "access_token": ""} == {
        "access_token": "",
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": f"dpv:{FRAUD} {READ}",
        "aud": resource,
    }
    token = opened(server, answer)
    assert token.subject is not None
    assert (token.subject.imsi, token.subject.msisdn) == (ALLOWED, Msisdn(NUMBER))
    assert (token.method, token.single_use) == (Method.SIM, True)
    assert (token.scopes, token.purpose) == (frozenset({READ}), FRAUD)
    assert token.expires - token.issued <= 300
    # Neither the number nor the SIM can be read in it.
    for secret in (NUMBER, ALLOWED.digits):
        assert secret.encode() not in answer.body
    # It is spent: for the token endpoint, and for whoever asks the ECS.
    assert error(await firebase.bearer(f"operatortoken:{temp}")) == "invalid_grant"
    assert await reason(server) == "exchanged_before"
    shown = await Partner(server).ask("GetPhoneNumber", temporary_token=temp)
    assert shown.status == 401
    shown = await Partner(server).ask(
        "GetPhoneNumber", temporary_token=temp, access_token=said["access_token"]
    )
    assert shown.status == 401


async def test_the_plain_flavour(server: Server) -> None:
    pnv = Bank(server, client_id="google-pnv")
    await enrol(
        server,
        consumer(pnv.signer, client_id="google-pnv", subjects=frozenset({"temptoken"})),
    )
    ecs = "https://ecs.example.net/"
    temp, other = await many(server, 2)
    answer = await pnv.bearer(f"temptoken:{temp}", f"dpv:{FRAUD} {READ}", resource=ecs)
    said = members(answer)
    assert (said["aud"], said["expires_in"]) == (ecs, 300)
    access = said["access_token"]
    ask = Partner(server).ask
    # It was redeemed: without its access token, or with another, nobody gets anything.
    assert (await ask("GetPhoneNumber", temporary_token=temp)).status == 401
    another = members(await pnv.bearer(f"temptoken:{other}", f"dpv:{FRAUD} {READ}"))
    wrong = another["access_token"]
    refused = await ask("GetPhoneNumber", temporary_token=temp, access_token=wrong)
    assert refused.status == 401
    found = await ask("GetPhoneNumber", temporary_token=temp, access_token=access)
    assert app_of(found, "ap2014")["MSISDN"] == NUMBER
    again = await ask("GetPhoneNumber", temporary_token=temp, access_token=access)
    assert again.status == 401
    # One that is for partner APIs is no good here, nor is one that is over.
    third, fourth = await many(server, 2)
    for api, reason_ in ((f"{ISSUER}/number-verification/v2", "access_token_for_another"),):
        bound = members(await pnv.bearer(f"temptoken:{third}", resource=api))["access_token"]
        refused = await ask("GetPhoneNumber", temporary_token=third, access_token=bound)
        assert (refused.status, await reason(server)) == (401, reason_)
    late = members(await pnv.bearer(f"temptoken:{fourth}"))["access_token"]
    server.clock.advance(299)
    assert (await ask("GetPhoneNumber", temporary_token=fourth, access_token=late)).status == 200


async def test_the_plain_flavour_with_a_secret(server: Server, bank: Bank) -> None:
    await enrol(server, consumer(bank.signer, **PLAIN))
    form = {"grant_type": "client_credentials", "resource": "https://ecs.example.net/"}
    said = members(await bank.post("/oauth2/token", form, basic()))
    assert said["expires_in"] <= 3600
    temp = await token_of(server)
    found = await Partner(server).ask(
        "GetPhoneNumber", temporary_token=temp, access_token=said["access_token"]
    )
    assert app_of(found, "ap2014")["MSISDN"] == NUMBER
    for header in (basic(secret="other"), basic("bank"), basic("nobody"), ("x", "y")):
        answer = await bank.post("/oauth2/token", form, header)
        assert error(answer, 401) == "invalid_client"


# --- assertions --------------------------------------------------------------------------------


async def test_claims_of_an_assertion(bank: Bank) -> None:
    now = bank.now
    tel = f"tel:{NUMBER}"
    refusals: dict[str, list[object]] = {
        "aud": ["https://other.example", [f"{ISSUER}/other"], None, 5],
        "exp": [None, now - 31, now + 331, "x", True, now + 301, 2**60],
        "iat": [None, now + 31, now - 1, "x", -5],
        "nbf": [now + 31, "x"],
        "jti": [None, "", 5, "x" * 257],
        "iss": ["shop", None, 5],
        "scope": [None, 5],
        "sub": [None, 5, ""],
    }
    form = {"grant_type": JWT_BEARER}
    for claim, values in refusals.items():
        for value in values:
            text = bank.assertion(**{"sub": tel, "scope": NV, claim: value})
            answer = await bank.post("/oauth2/token", form | {"assertion": text})
            word = error(answer, 401 if claim == "iss" else 400)
            expected = {"iss": "invalid_client", "scope": "invalid_request"}
            expected["sub"] = "invalid_request"
            assert word == expected.get(claim, "invalid_grant"), (claim, value)
    for aud in (ISSUER, TOKEN_URL, ["https://x.example", ISSUER]):
        assert (await bank.bearer(tel, aud=aud)).status == 200
    # Clocks that differ, to the edge.
    for issued in (now + 29, now - 329):
        assert (await bank.bearer(tel, iat=issued, exp=issued + 300)).status == 200


async def test_an_assertion_is_good_once(server: Server, bank: Bank) -> None:
    tel = f"tel:{NUMBER}"
    assert (await bank.bearer(tel, jti="same")).status == 200
    assert error(await bank.bearer(tel, jti="same")) == "invalid_grant"
    assert await reason(server) == "assertion_replayed"
    server.clock.advance(400)
    assert error(await bank.bearer(tel, jti="same")) == "invalid_grant"


def forged(bank: Bank, claims: dict[str, Any]) -> dict[str, str]:
    """Return texts with these claims that nobody of a contract has signed, by what they are."""
    thief = EcSigner("bank-1")
    shared = SharedSigner("bank-1", json.dumps(bank.signer.jwk).encode())
    head, body, _ = bank.signer.sign(claims).split(".")
    none = b64(json.dumps({"alg": "none"}).encode())
    return {
        "another key of that name": thief.sign(claims),
        "its own key in the header": thief.sign(claims, jwk=thief.jwk),
        "an address of keys": thief.sign(claims, jku="https://thief.example/jwks"),
        "an address of certificates": thief.sign(claims, x5u="https://thief.example/x5"),
        "none": f"{none}.{body}.",
        "none signed": f"{none}.{body}.{b64(bytes(64))}",
        "the public key as a secret": shared.sign(claims),
        "no signature": f"{head}.{body}.",
        "cut": f"{head}.{body}",
        "an unknown kid": bank.signer.sign(claims, kid="other"),
        "critical": bank.signer.sign(claims, crit=["b64"], b64=False),
        "rubbish": "a.b.c",
        "deep": b64(b"[" * 3000) + "." + body + ".x",
        "too long": bank.signer.sign(claims | {"x": "x" * 9000}),
        "an id of none": bank.signer.sign(claims | {"iss": "nobody"}),
    }


async def test_whoever_signs_otherwise_is_nobody(bank: Bank) -> None:
    claims = bank.claims(sub=f"tel:{NUMBER}", scope=NV)
    texts = forged(bank, claims)
    for name, text in texts.items():
        answer = await bank.post("/oauth2/token", {"grant_type": JWT_BEARER, "assertion": text})
        assert error(answer, 401) == "invalid_client", name
    bodies = set()
    for text in (texts["another key of that name"], texts["an id of none"]):
        answer = await bank.post("/oauth2/token", {"grant_type": JWT_BEARER, "assertion": text})
        bodies.add(answer.body)
    assert len(bodies) == 1
    good = bank.signer.sign(claims)
    assert (
        await bank.post("/oauth2/token", {"grant_type": JWT_BEARER, "assertion": good})
    ).status == 200


async def test_ten_megabytes_are_not_read(server: Server) -> None:
    answer = await send(
        server,
        Request(
            "POST",
            b"",
            (
                ("content-type", "application/x-www-form-urlencoded"),
                ("content-length", "10000000"),
            ),
            [b"assertion=" + b"x" * 10_000],
            "/oauth2/token",
        ),
    )
    assert error(answer, 413) == "invalid_request"


async def test_algorithms_are_of_the_contract(server: Server, bank: Bank) -> None:
    await enrol(
        server, consumer(bank.signer, algorithms=frozenset({"PS256"}), subjects=frozenset({"tel"}))
    )
    assert error(await bank.bearer(f"tel:{NUMBER}"), 401) == "invalid_client"


async def test_a_source_that_fails_too_often_has_to_wait(bench: Workbench) -> None:
    async with bench.opened(CAMARA + "refusals_burst = 3\n") as server:
        bank = Bank(server)
        await enrol(server, consumer(bank.signer, subjects=frozenset({"tel"})))
        for _ in range(3):
            assert error(await bank.bearer("tel:+1", iss="nobody"), 401) == "invalid_client"
        answer = await bank.bearer(f"tel:{NUMBER}")
        assert error(answer, 429) == "temporarily_unavailable"
        assert int(answer.header("retry-after")) >= 1
        bank.source = "198.51.100.10"
        assert (await bank.bearer(f"tel:{NUMBER}")).status == 200


# --- what a contract has -------------------------------------------------------------------------


async def test_scopes_and_purposes(server: Server, bank: Bank) -> None:
    tel = f"tel:{NUMBER}"
    refused = (
        "",
        VERIFY,
        f"dpv:{FRAUD}",
        f"dpv:{FRAUD} dpv:RequestedServiceProvision {VERIFY}",
        f"dpv:Marketing {VERIFY}",
        f"dpv:RequestedServiceProvision {CHECK}",
        f"dpv:{FRAUD} number-recycling:check",
        f"dpv:{FRAUD}  {VERIFY}",
        f"dpv:{FRAUD} {VERIFY}\\",
        f"dpv:{FRAUD} ä",
        " ".join([f"dpv:{FRAUD}", VERIFY, *(f"x{number}" for number in range(40))]),
    )
    for scope in refused:
        assert error(await bank.bearer(tel, scope)) == "invalid_scope", scope
    token = opened(server, await bank.bearer(tel, f"{CHECK} dpv:{FRAUD}"))
    assert (token.single_use, token.method) == (False, Method.CLAIMED)
    token = opened(server, await bank.bearer(tel, f"{CHECK} {VERIFY} dpv:{FRAUD} openid"))
    assert (token.single_use, token.scopes) == (True, frozenset({CHECK, VERIFY}))


async def test_a_mistake_burns_no_temporary_token(server: Server, bank: Bank) -> None:
    temp = await token_of(server, "VerifyPhoneNumber")
    hint = f"operatortoken:{temp}"
    shop = Bank(server, client_id="shop")
    await enrol(
        server,
        consumer(shop.signer, client_id="shop", grants=frozenset({GrantType.CIBA})),
    )
    assert error(await bank.bearer(hint, f"dpv:Marketing {VERIFY}")) == "invalid_scope"
    assert error(await bank.bearer(hint, f"dpv:{FRAUD} {READ}")) == "invalid_scope"
    assert await reason(server) == "temporary_token_of_another_operation"
    assert error(await bank.bearer(hint, aud="https://x.example")) == "invalid_grant"
    assert error(await bank.bearer(hint, resource="https://x.example/")) == "invalid_target"
    assert error(await bank.bearer(hint, resource=f"{ISSUER}.evil/")) == "invalid_target"
    assert error(await shop.bearer(hint)) == "unauthorized_client"
    assert error(await bank.bearer(f"temptoken:{temp}")) == "unauthorized_client"
    answer = await bank.post(
        "/oauth2/token",
        {
            "grant_type": JWT_BEARER,
            "assertion": bank.assertion(sub=hint, scope=NV),
            "scope": NV,
        },
    )
    assert error(answer) == "invalid_request"
    assert opened(server, await bank.bearer(hint)).subject is not None


async def test_whose_a_temporary_token_is(server: Server, bank: Bank) -> None:
    mine = await token_of(server, requestor_id="Bank-App-1")
    assert error(await bank.bearer(f"operatortoken:{mine}")) == "invalid_grant"
    assert await reason(server) == "temporary_token_of_another_requestor"
    known = consumer(bank.signer, requestor_ids=frozenset({"bank-app-1"}))
    await enrol(server, known)
    assert (await bank.bearer(f"operatortoken:{mine}")).status == 200


@pytest.mark.parametrize("what", ["revoked", "moved", "removed", "over", "again"])
async def test_a_temporary_token_of_before(server: Server, bank: Bank, what: str) -> None:
    temp = await token_of(server)
    real = server.store.real
    if what == "revoked":
        await real.revoke_tokens("default", ALLOWED, None)
    elif what == "moved":
        await real.revoke_tokens("default", ALLOWED, "490154203237518")
    elif what == "removed":
        await real.remove("default", ALLOWED, now=bank.now)
    elif what == "over":
        server.clock.advance(301)
    else:
        temp = temp[:-4] + "AAAA"
    assert error(await bank.bearer(f"operatortoken:{temp}")) == "invalid_grant"
    assert not any(use == "exchange" for use in server.store.calls)


async def test_hints(bank: Bank) -> None:
    for hint in (
        "",
        "tel",
        "tel:",
        f"tel:{NUMBER[1:]}",
        "tel:+1",
        "tel:+0123456",
        "x:y",
        "ipport:1.2.3.4:5",
        "operatortoken:abc",
        "operatortoken:" + "x" * 5000,
        f"tel:{NUMBER}9",
        "tel:+49ä",
    ):
        word = error(await bank.bearer(hint))
        assert word in (
            "invalid_grant",
            "invalid_request",
            "unauthorized_client",
            "invalid_client",
        ), hint


async def test_applications(server: Server, bank: Bank) -> None:
    apps = (Application(id="one", name="One"), Application(id="two", name="Two"))
    known = consumer(
        bank.signer, application_claim="azp", applications=apps, subjects=frozenset({"tel"})
    )
    await enrol(server, known)
    tel = f"tel:{NUMBER}"
    assert opened(server, await bank.bearer(tel, azp="two")).application == "two"
    for azp in (None, "three", 5, ["one"]):
        assert error(await bank.bearer(tel, azp=azp)) == "unauthorized_client"
    await enrol(server, replace(known, application_claim="act"))
    assert opened(server, await bank.bearer(tel, act={"sub": "one"})).application == "one"


# --- who comes at the same time ------------------------------------------------------------------


async def test_of_fifty_with_one_temporary_token_one_wins(server: Server, bank: Bank) -> None:
    temp = await token_of(server)
    answers = await asyncio.gather(*(bank.bearer(f"operatortoken:{temp}") for _ in range(50)))
    assert sorted(each.status for each in answers) == [200, *[400] * 49]
    assert {error(each) for each in answers if each.status == 400} == {"invalid_grant"}
    use = await server.store.real.token_use("default", ALLOWED, _token_id(server, temp))
    assert use is not None
    assert use.state is TokenState.CONSUMED


def _token_id(server: Server, temp: str) -> bytes:
    from simgrant.flows.lent_tokens import pull_lent
    from simgrant.keyring.ring import Purpose

    found = pull_lent(Purpose.TEMPORARY_TOKEN, temp, server.parts.keys, now=server.clock.now())
    assert found is not None
    return found[1].token_id


async def test_of_fifty_with_one_assertion_one_wins(bank: Bank) -> None:
    text = bank.assertion(sub=f"tel:{NUMBER}", scope=NV)
    form = {"grant_type": JWT_BEARER, "assertion": text}
    answers = await asyncio.gather(*(bank.post("/oauth2/token", form) for _ in range(50)))
    assert sorted(each.status for each in answers) == [200, *[400] * 49]


# --- two legs ------------------------------------------------------------------------------------


async def test_client_credentials(server: Server, bank: Bank) -> None:
    form = {"grant_type": "client_credentials", "scope": CHECK}
    token = opened(server, await bank.proved("/oauth2/token", form))
    assert (token.subject, token.method, token.purpose) == (None, Method.NONE, "")
    assert token.expires - token.issued == 3600
    assert error(await bank.post("/oauth2/token", form), 401) == "invalid_client"
    for changes in ({"sub": "other"}, {"aud": "https://x.example"}, {"exp": bank.now - 31}):
        answer = await bank.proved("/oauth2/token", form, **changes)
        assert error(answer, 401) == "invalid_client"
    proof = bank.proof()
    assert (await bank.post("/oauth2/token", form | proof)).status == 200
    assert error(await bank.post("/oauth2/token", form | proof), 401) == "invalid_client"
    assert error(await bank.proved("/oauth2/token", {**form, "scope": ""})) == "invalid_scope"
    wrong = {**form, **bank.proof(), "client_assertion_type": "x"}
    assert error(await bank.post("/oauth2/token", wrong)) == "invalid_request"
    two = await bank.post("/oauth2/token", form | bank.proof(), basic())
    assert error(two) == "invalid_request"
    other = await bank.proved("/oauth2/token", form | {"client_id": "shop"})
    assert error(other, 401) == "invalid_client"


@pytest.mark.parametrize(
    ("body", "kind", "word"),
    [
        (b"", "application/x-www-form-urlencoded", "invalid_request"),
        (b"grant_type=password", "application/x-www-form-urlencoded", "unsupported_grant_type"),
        (b"grant_type=a&grant_type=a", "application/x-www-form-urlencoded", "invalid_request"),
        (b"grant_type=%ff", "application/x-www-form-urlencoded", "invalid_request"),
        (b"grant_type=%00", "application/x-www-form-urlencoded", "invalid_request"),
        (b"a=1&" * 40, "application/x-www-form-urlencoded", "invalid_request"),
        (b"{}", "application/json", "invalid_request"),
        (b"grant_type=client_credentials", "", "invalid_request"),
    ],
)
async def test_what_is_no_request(server: Server, body: bytes, kind: str, word: str) -> None:
    answer = await send(
        server, Request("POST", b"", (("content-type", kind),), body, "/oauth2/token")
    )
    assert error(answer) == word


# --- backchannel requests ------------------------------------------------------------------------


async def test_a_backchannel_request(server: Server, bank: Bank) -> None:
    temp = await token_of(server)
    form = {"login_hint": f"operatortoken:{temp}", "scope": f"openid {NV}"}
    said = members(await bank.proved("/oauth2/bc-authorize", form))
    assert (said["expires_in"], said["interval"]) == (120, 2)
    again = await bank.proved("/oauth2/bc-authorize", form)
    assert error(again) == "unknown_user_id"
    shop = Bank(server, client_id="shop")
    await enrol(server, consumer(shop.signer, client_id="shop"))
    poll = {"grant_type": CIBA, "auth_req_id": said["auth_req_id"]}
    assert error(await shop.proved("/oauth2/token", poll)) == "invalid_grant"
    server.clock.advance(60)
    answer = await bank.proved("/oauth2/token", poll)
    token = opened(server, answer)
    assert (token.method, token.single_use) == (Method.SIM, True)
    assert token.expires - token.issued == 300
    assert token.issued == bank.now
    # What says who it was is signed, of this consumer, and no number.
    keys = pull_keys((await send(server, Request(path="/oauth2/jwks"))).body)
    claims = jwt.decode(members(answer)["id_token"], keys, algorithms=["ES256"]).claims
    assert (claims["iss"], claims["aud"]) == (ISSUER, "bank")
    assert NUMBER.strip("+") not in claims["sub"]
    assert ALLOWED.digits not in claims["sub"]
    assert error(await bank.proved("/oauth2/token", poll)) == "invalid_grant"


async def test_pairwise_subjects_are_of_a_sector(server: Server) -> None:
    subjects = {}
    for name, sector in (("one", "s"), ("two", "s"), ("three", ""), ("four", "")):
        each = Bank(server, client_id=name)
        await enrol(
            server,
            consumer(each.signer, client_id=name, sector=sector, subjects=frozenset({"tel"})),
        )
        form = {"login_hint": f"tel:{NUMBER}", "scope": f"openid {NV}"}
        said = members(await each.proved("/oauth2/bc-authorize", form))
        poll = {"grant_type": CIBA, "auth_req_id": said["auth_req_id"]}
        text = members(await each.proved("/oauth2/token", poll))["id_token"].split(".")[1]
        subjects[name] = json.loads(base64.urlsafe_b64decode(text + "=="))["sub"]
    assert subjects["one"] == subjects["two"]
    assert len(set(subjects.values())) == 3


async def test_polls_of_a_request(server: Server, bank: Bank) -> None:
    form = {"login_hint": f"tel:{NUMBER}", "scope": NV}
    said = members(await bank.proved("/oauth2/bc-authorize", form))
    poll = {"grant_type": CIBA, "auth_req_id": said["auth_req_id"]}
    answers = await asyncio.gather(*(bank.proved("/oauth2/token", poll) for _ in range(10)))
    assert sorted(each.status for each in answers) == [200, *[400] * 9]
    assert "id_token" not in members(next(each for each in answers if each.status == 200))
    late = members(await bank.proved("/oauth2/bc-authorize", form))
    server.clock.advance(120)
    poll = {"grant_type": CIBA, "auth_req_id": late["auth_req_id"]}
    assert error(await bank.proved("/oauth2/token", poll)) == "expired_token"
    moved = members(await bank.proved("/oauth2/bc-authorize", form))
    await server.store.real.revoke_tokens("default", ALLOWED, None)
    poll = {"grant_type": CIBA, "auth_req_id": moved["auth_req_id"]}
    assert error(await bank.proved("/oauth2/token", poll)) == "invalid_grant"
    assert await reason(server) == "request_of_before"


async def test_backchannel_requests_that_are_refused(bank: Bank) -> None:
    good = {"login_hint": f"tel:{NUMBER}", "scope": NV}
    for changes, word in (
        ({"login_hint": ""}, "invalid_request"),
        ({"id_token_hint": "x"}, "invalid_request"),
        ({"login_hint_token": "x"}, "invalid_request"),
        ({"scope": VERIFY}, "invalid_scope"),
        ({"login_hint": "tel:+4915700000000"}, "unknown_user_id"),
        ({"login_hint": "ipport:192.0.2.1:5"}, "unauthorized_client"),
    ):
        answer = await bank.proved("/oauth2/bc-authorize", good | changes)
        assert error(answer) == word, changes
    assert error(await bank.post("/oauth2/bc-authorize", good), 401) == "invalid_client"
    token = {"grant_type": CIBA, "auth_req_id": "x"}
    assert error(await bank.proved("/oauth2/token", token)) == "invalid_grant"


def inside(bank: Bank, **changes: Any) -> dict[str, Any]:
    """Return the claims of a signed request; None leaves one out."""
    asked = {"login_hint": f"tel:{NUMBER}", "scope": f"openid {NV}", "sub": None}
    times = {"aud": f"{ISSUER}/oauth2/bc-authorize", "nbf": bank.now}
    return bank.claims(**(asked | times | changes))


async def test_a_signed_backchannel_request(server: Server, bank: Bank) -> None:
    """CIBA §7.1.1: all that is asked for is in the object."""
    published = members(await send(server, Request(path="/.well-known/openid-configuration")))
    named = published["backchannel_authentication_request_signing_alg_values_supported"]
    assert "ES256" in named
    assert "none" not in named
    ignored = {"binding_message": "pay me", "requested_expiry": 900, "acr_values": "2"}
    here = f"{ISSUER}/sim-swap/v2"
    scope = f"openid dpv:{FRAUD} {CHECK}"
    for aud in (ISSUER, TOKEN_URL, [f"{ISSUER}/oauth2/bc-authorize", "https://x.example"]):
        text = bank.signer.sign(inside(bank, aud=aud, scope=scope, resource=here, **ignored))
        form = {"request": text, "client_id": "bank"}
        said = members(await bank.proved("/oauth2/bc-authorize", form))
        assert (said["expires_in"], said["interval"]) == (120, 2)
        poll = {"grant_type": CIBA, "auth_req_id": said["auth_req_id"]}
        answer = await bank.proved("/oauth2/token", poll)
        token = opened(server, answer)
        assert (token.scopes, token.purpose) == (frozenset({CHECK}), FRAUD)
        assert token.audience == here
        assert members(answer)["id_token"]
        again = await bank.proved("/oauth2/bc-authorize", form)
        assert error(again) == "invalid_request_object"
        assert await reason(server) == "assertion_replayed"


async def test_a_signed_request_uses_up_nothing_if_it_is_refused(
    server: Server, bank: Bank
) -> None:
    temp = await token_of(server)
    claims = inside(bank, login_hint=f"operatortoken:{temp}")
    text = bank.signer.sign(claims)
    refused = await bank.proved("/oauth2/bc-authorize", {"request": text, "scope": NV})
    assert error(refused) == "invalid_request"
    answers = await asyncio.gather(
        *(bank.proved("/oauth2/bc-authorize", {"request": text}) for _ in range(5))
    )
    assert sorted(each.status for each in answers) == [200, 400, 400, 400, 400]


async def test_signed_backchannel_requests_that_are_refused(server: Server, bank: Bank) -> None:
    shop = Bank(server, client_id="shop")
    await enrol(server, consumer(shop.signer, client_id="shop", subjects=frozenset({"tel"})))
    now, wrong = bank.now, "invalid_request_object"
    refusals: list[tuple[dict[str, Any], str, str]] = [
        ({"aud": None}, wrong, "assertion_for_another"),
        ({"aud": "https://x.example"}, wrong, "assertion_for_another"),
        ({"exp": None}, wrong, "assertion_without_times"),
        ({"exp": now - 31, "iat": now - 100}, wrong, "assertion_over"),
        ({"exp": now + 301}, wrong, "assertion_for_too_long"),
        ({"iat": None}, wrong, "assertion_without_times"),
        ({"iat": now + 31}, wrong, "assertion_of_the_future"),
        ({"nbf": None}, wrong, "assertion_without_times"),
        ({"nbf": now + 31}, wrong, "assertion_of_the_future"),
        ({"jti": None}, wrong, "assertion_without_jti"),
        ({"iss": None}, wrong, "consumer_unknown"),
        ({"iss": "shop"}, wrong, "assertion_not_signed"),
        ({"resource": ["https://x.example"]}, wrong, "request_object_malformed"),
        ({"scope": ["openid", VERIFY]}, wrong, "request_object_malformed"),
        ({"login_hint": 5}, wrong, "request_object_malformed"),
        ({"id_token_hint": {}}, wrong, "request_object_malformed"),
        ({"login_hint": None}, "invalid_request", "not_one_hint"),
        ({"login_hint_token": "x"}, "invalid_request", "not_one_hint"),
        ({"scope": None}, "invalid_scope", "not_one_purpose"),
        ({"resource": "https://x.example"}, "invalid_target", "resource_of_another"),
        ({"login_hint": "tel:+4915700000000"}, "unknown_user_id", "subscriber_unknown"),
    ]
    for changes, word, why in refusals:
        text = bank.signer.sign(inside(bank, **changes))
        answer = await bank.proved("/oauth2/bc-authorize", {"request": text})
        assert (error(answer), await reason(server)) == (word, why), changes
    texts = {
        "of another": shop.signer.sign(inside(shop)),
        **forged(bank, inside(bank)),
    }
    for name, text in texts.items():
        answer = await bank.proved("/oauth2/bc-authorize", {"request": text})
        assert error(answer) == wrong, name
    for name in ("scope", "login_hint", "id_token_hint", "resource", "binding_message"):
        form = {"request": bank.signer.sign(inside(bank)), name: "x"}
        answer = await bank.proved("/oauth2/bc-authorize", form)
        assert error(answer) == "invalid_request", name
        assert await reason(server) == "parameters_beside_request"
    # What proves the request does not prove the consumer, and the other way round.
    text = bank.signer.sign(inside(bank))
    alone = await bank.post("/oauth2/bc-authorize", {"request": text})
    assert error(alone, 401) == "invalid_client"
    proof = bank.proof(**inside(bank, sub="bank"))
    twice = {**proof, "request": proof["client_assertion"]}
    assert error(await bank.post("/oauth2/bc-authorize", twice)) == "invalid_request_object"
    assert await reason(server) == "assertion_replayed"
    # Of two that were used, it is the consumer that is not proved.
    members(await bank.post("/oauth2/bc-authorize", {**proof, "request": text}))
    assert error(await bank.post("/oauth2/bc-authorize", twice), 401) == "invalid_client"


# --- what is said of tokens ----------------------------------------------------------------------


async def test_introspection_and_revocation(server: Server, bank: Bank) -> None:
    shop, gateway = Bank(server, client_id="shop"), Bank(server, client_id="gateway")
    may = (Permission(api="gateway", scopes=frozenset({"token:introspect"}), purposes=frozenset()),)
    await enrol(
        server,
        consumer(shop.signer, client_id="shop"),
        consumer(gateway.signer, client_id="gateway", permissions=may),
    )
    access = members(await bank.bearer(f"tel:{NUMBER}", f"dpv:{FRAUD} {CHECK}"))["access_token"]
    form = {"token": access}
    said = members(await bank.proved("/oauth2/introspect", form))
    assert said.pop("sub")
    assert said == {
        "active": True,
        "client_id": "bank",
        "scope": f"dpv:{FRAUD} {CHECK}",
        "token_type": "Bearer",
        "iat": bank.now,
        "exp": bank.now + 300,
        "iss": ISSUER,
    }
    assert members(await shop.proved("/oauth2/introspect", form)) == {"active": False}
    assert members(await gateway.proved("/oauth2/introspect", form))["active"]
    assert error(await bank.post("/oauth2/introspect", form), 401) == "invalid_client"
    for text in ("x", access[:-4] + "AAAA", "y" * 5000):
        answer = await bank.proved("/oauth2/introspect", {"token": text})
        assert members(answer) == {"active": False}
    # Another's is left alone, and nobody learns whose it is.
    assert (await shop.proved("/oauth2/revoke", form)).status == 200
    assert members(await bank.proved("/oauth2/introspect", form))["active"]
    answer = await bank.proved("/oauth2/revoke", form)
    assert (answer.status, answer.body, answer.header("content-type")) == (200, b"", "")
    assert members(await bank.proved("/oauth2/introspect", form)) == {"active": False}
    assert (await bank.proved("/oauth2/revoke", {"token": "x"})).status == 200


# --- tokens at an API ----------------------------------------------------------------------------


async def api(
    server: Server,
    path: str,
    access: str,
    body: object = None,
    *more: tuple[str, str],
    scheme: str = "Bearer",
    certificate: bytes = b"",
) -> Answer:
    """Call an API."""
    headers = (("authorization", f"{scheme} {access}"), ("content-type", "application/json"), *more)
    data = b"" if body is None else json.dumps(body).encode()
    method = "GET" if body is None else "POST"
    return await send(server, Request(method, b"", headers, data, path), certificate=certificate)


async def test_a_token_for_one_call_is_good_for_one(server: Server, bank: Bank) -> None:
    temp = await token_of(server)
    resource = f"{ISSUER}/number-verification/v2"
    said = members(await bank.bearer(f"operatortoken:{temp}", resource=resource))
    access = said["access_token"]
    look = {"token": access}
    assert members(await bank.proved("/oauth2/introspect", look))["aud"] == resource
    asked = [api(server, VERIFY_PATH, access, {"phoneNumber": NUMBER}) for _ in range(50)]
    answers = await asyncio.gather(*asked)
    assert sorted(each.status for each in answers) == [200, *[401] * 49]
    (good,) = (each for each in answers if each.status == 200)
    assert members(good) == {"devicePhoneNumberVerified": True}
    assert members(await bank.proved("/oauth2/introspect", look)) == {"active": False}


async def test_a_token_of_the_trusting_way_verifies_nothing(server: Server, bank: Bank) -> None:
    access = members(await bank.bearer(f"tel:{NUMBER}"))["access_token"]
    answer = await api(server, VERIFY_PATH, access, {"phoneNumber": NUMBER})
    said = members(answer, 403)
    assert said["code"] == "NUMBER_VERIFICATION.USER_NOT_AUTHENTICATED_BY_MOBILE_NETWORK"


async def test_a_revoked_token_is_no_good(server: Server, bank: Bank) -> None:
    access = members(await bank.bearer(f"tel:{NUMBER}", f"dpv:{FRAUD} {CHECK}"))["access_token"]
    answer = await api(server, CHECK_PATH, access, {})
    assert answer.status == 200, await reason(server)
    await bank.proved("/oauth2/revoke", {"token": access})
    assert (await api(server, CHECK_PATH, access, {})).status == 401


# --- bound tokens --------------------------------------------------------------------------------


def dpop(bank: Bank, key: EcSigner, **changes: object) -> tuple[str, str]:
    """Return the header that proves a key."""
    jwk = {name: value for name, value in key.jwk.items() if name in ("kty", "crv", "x", "y")}
    claims = {
        "htm": "POST",
        "htu": TOKEN_URL,
        "iat": bank.now,
        "jti": bank.claims()["jti"],
        **changes,
    }
    text = key.sign(claims, typ=changes.get("typ", "dpop+jwt"), jwk=changes.get("jwk", jwk))
    return "dpop", text


async def test_dpop(server: Server, bank: Bank) -> None:
    await enrol(server, consumer(bank.signer, bound=Bound.DPOP, subjects=frozenset({"tel"})))
    key, tel, scope = EcSigner("k"), f"tel:{NUMBER}", f"dpv:{FRAUD} {CHECK}"
    assert error(await bank.bearer(tel, scope)) == "invalid_dpop_proof"
    header = dpop(bank, key)
    answer = await bank.bearer(tel, scope, header)
    assert members(answer)["token_type"] == "DPoP"
    jwk = {name: key.jwk[name] for name in ("crv", "kty", "x", "y")}
    thumb = sha256(json.dumps(jwk, separators=(",", ":")).encode()).digest()
    assert opened(server, answer).key == thumb
    form = {"token": members(answer)["access_token"]}
    said = members(await bank.proved("/oauth2/introspect", form))
    assert (said["cnf"], said["token_type"]) == ({"jkt": b64(thumb)}, "DPoP")
    assert error(await bank.bearer(tel, scope, header)) == "invalid_dpop_proof"  # replayed
    private = {**key.jwk, "d": b64(bytes(32))}
    for changes in (
        {"htm": "GET"},
        {"htu": "https://x.example/oauth2/token"},
        {"iat": bank.now - 301},
        {"iat": bank.now + 301},
        {"iat": "x"},
        {"jti": ""},
        {"jti": 5},
        {"typ": "JWT"},
        {"jwk": EcSigner("z").jwk},
        {"jwk": None},
        {"jwk": private},
        {"jwk": {"kty": "oct", "k": "eA"}},
    ):
        answer = await bank.bearer(tel, scope, dpop(bank, key, **changes))
        assert error(answer) == "invalid_dpop_proof", changes
    twice = (dpop(bank, key), dpop(bank, key))
    assert error(await bank.bearer(tel, scope, *twice)) == "invalid_dpop_proof"
    # At an API: the key, this request, this token, once.
    access = form["token"]
    mine = {"htu": ISSUER + CHECK_PATH, "ath": b64(sha256(access.encode()).digest())}
    proof = dpop(bank, key, **mine)
    assert (await api(server, CHECK_PATH, access, {}, proof, scheme="DPoP")).status == 200
    for header, scheme in (
        (proof, "DPoP"),
        (dpop(bank, key, **mine), "Bearer"),
        (dpop(bank, EcSigner("k"), **mine), "DPoP"),
        (dpop(bank, key, **mine | {"ath": b64(bytes(32))}), "DPoP"),
        (dpop(bank, key, **mine | {"htu": ISSUER}), "DPoP"),
        (dpop(bank, key, **mine | {"htm": "GET"}), "DPoP"),
        (("x", "y"), "DPoP"),
    ):
        answer = await api(server, CHECK_PATH, access, {}, header, scheme=scheme)
        assert answer.status == 401, (header, scheme)


async def test_certificates(server: Server, bank: Bank) -> None:
    tel, scope = f"tel:{NUMBER}", f"dpv:{FRAUD} {CHECK}"
    bound = consumer(bank.signer, bound=Bound.CERTIFICATE, subjects=frozenset({"tel"}))
    await enrol(server, bound)
    assert error(await bank.bearer(tel, scope), 401) == "invalid_client"
    bank.certificate = b"der"
    answer = await bank.bearer(tel, scope)
    assert opened(server, answer).key == sha256(b"der").digest()
    form = {"token": members(answer)["access_token"]}
    said = members(await bank.proved("/oauth2/introspect", form))
    assert said["cnf"] == {"x5t#S256": b64(sha256(b"der").digest())}
    access = form["token"]
    assert (await api(server, CHECK_PATH, access, {}, certificate=b"der")).status == 200
    assert (await api(server, CHECK_PATH, access, {}, certificate=b"other")).status == 401
    assert (await api(server, CHECK_PATH, access, {})).status == 401
    await enrol(server, replace(bound, certificate=sha256(b"other").digest()))
    assert error(await bank.bearer(tel, scope), 401) == "invalid_client"
    bank.certificate = b"other"
    assert (await bank.bearer(tel, scope)).status == 200


# --- tenants -------------------------------------------------------------------------------------


async def test_a_token_of_another_tenant(bench: Workbench) -> None:
    settings = (
        CAMARA
        + UNLIMITED
        + ('[tenants.mvno]\nplmns = ["310-410"]\ncamara_url = "https://mvno.example"\n')
    )
    async with bench.opened(settings) as server:
        bank = Bank(server)
        await enrol(server, consumer(bank.signer))
        temp = await token_of(server)
        there = consumer(bank.signer)
        assert await server.store.real.consumers.put("mvno", there, seen=0)
        assert server.parts.partners is not None
        await server.parts.partners.known.consumers.look()
        mvno = ("host", "mvno.example")
        hint = f"operatortoken:{temp}"
        assert error(await bank.bearer(hint, NV, mvno)) == "invalid_grant"  # for another
        aud = "https://mvno.example/oauth2/token"
        assert error(await bank.bearer(hint, NV, mvno, aud=aud)) == "invalid_grant"
        assert await reason(server) == "temporary_token_of_another_tenant"
        assert error(await bank.bearer(hint, NV, ("host", "x.example")), 404) == "invalid_request"
        assert (await bank.bearer(hint, NV, ("host", "127.0.0.1:8083"))).status == 200
