"""Operator tokens, app tokens and access tokens: ap2015, and who calls (TS.43 §14, §2.8.3)."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from simgrant.flows.by_lent_token import ByLentToken
from simgrant.flows.lent_tokens import pull_lent
from simgrant.keyring.ring import Purpose
from tests.device.harness import ALLOWED, NO_VOWIFI, START, Phone, Server, Workbench
from tests.device.partner import NUMBER, Partner, app_of, number_phone, operate, temporary
from tests.jwts import EcSigner, SharedSigner

ISSUER, AUDIENCE = "https://login.example.net", "https://ecs.example.net"
SETTINGS = f"""
[issuers.login]
issuer = "{ISSUER}"
audience = "{AUDIENCE}"
jwks = "login.json"

[partners.bank]
requestor_ids = ["Bank-1"]
client_ids = ["bank", "bank-2"]
app_key = "bank.json"

[partners.shop]
requestor_ids = ["shop-1"]
client_ids = ["shop"]
operations = ["VerifyPhoneNumber", "AcquireOperatorToken", "ValidateOperatorToken"]
access_token = false

[operator_tokens]
auth_url = "https://ecs.example.net/operator-token"
life_s = 1000
"""


@dataclass
class World:
    """A server, its partners, and the authorization server that both trust."""

    server: Server
    bench: Workbench
    login: EcSigner
    bank: SharedSigner

    def access(self, client: str = "bank", **claims: Any) -> str:
        """Return an access token."""
        now = int(self.bench.clock.now())
        usual = {"iss": ISSUER, "aud": AUDIENCE, "sub": client, "client_id": client}
        return self.login.sign(usual | {"exp": now + 300, "iat": now} | claims)

    def app_token(self, **claims: Any) -> str:
        """Return an app token of the bank."""
        now = int(self.bench.clock.now())
        usual = {"iss": "bank", "sub": "bank", "exp": now + 120, "jti": os.urandom(8).hex()}
        return self.bank.sign(usual | claims)

    def phone(self, **changes: Any) -> Phone:
        return number_phone(self.server, apps=("ap2015",), **changes)

    def partner(self, requestor: str = "bank-1", **changes: Any) -> Partner:
        return Partner(self.server, requestor_id=requestor, app="ap2015", **changes)

    async def operator_token(self, **parameters: str) -> str:
        """Let a phone acquire an operator token for the bank."""
        phone = self.phone()
        asked = {"client_id": "bank", "scope": "msisdn", "access_token": self.access()}
        answer = await operate(
            phone, await phone.token(), "AcquireOperatorToken", **(asked | parameters)
        )
        return str(app_of(answer, "ap2015")["OperatorToken"])


@pytest.fixture
async def world(bench: Workbench) -> AsyncIterator[World]:
    login, bank = EcSigner("k1"), SharedSigner("b1", os.urandom(32))
    (bench.directory / "login.json").write_text(json.dumps({"keys": [login.jwk]}))
    (bench.directory / "bank.json").write_text(json.dumps(bank.jwk))
    async with bench.opened(SETTINGS) as server:
        yield World(server, bench, login, bank)


# --- operator tokens -------------------------------------------------------------------------


@pytest.mark.spec("TS.43 §14.1.2", "TS.43 §14.1.5", "TS.43 §14.1.6")
@pytest.mark.conforms(
    "request.client_id",
    "request.scope",
    "request.operator_token",
    "request.access_token",
    "operations.AcquireOperatorToken",
    "operations.GetSubscriberDeviceInfo",
    "ap2015.OperatorToken",
    "ap2015.OperatorTokenExpiry",
    "ap2015.OperatorTokenAuthURL",
    "ap2015.ClientID",
    "ap2015.MSISDN",
    "ap2015.PhoneNumberVerification",
    "ap2015.PhoneNumberVerification=1",
    "ap2015.msisdn",
    "app-tokens.asked",
    "app-tokens.by-token",
    "app-tokens.no-token-back",
    "app-tokens.bad-401",
    "app-tokens.number-verified",
)
async def test_an_operator_token_is_acquired_and_used(world: World) -> None:
    phone = world.phone()
    answer = await operate(
        phone,
        await phone.token(),
        "AcquireOperatorToken",
        client_id="bank",
        scope="MSISDN  number-verification:verify",
        access_token=world.access(),
    )
    found = app_of(answer, "ap2015")
    token = found.pop("OperatorToken")
    assert found == {
        "OperationResult": "1",
        "OperatorTokenExpiry": "2026-11-18T11:23:20Z",
        "OperatorTokenAuthURL": "https://ecs.example.net/operator-token",
        "ClientID": "bank",
    }
    bank, proof = world.partner(), world.access()
    for _ in range(2):
        answer = await bank.ask("GetSubscriberDeviceInfo", operator_token=token, access_token=proof)
        assert app_of(answer, "ap2015") == {"OperationResult": "1", "MSISDN": NUMBER}
        assert "Token" not in answer.object
    answer = await bank.ask(
        "VerifyPhoneNumber", operator_token=token, access_token=proof, msisdn=NUMBER
    )
    verified = {"OperationResult": "1", "PhoneNumberVerification": "1", "msisdn": NUMBER}
    assert app_of(answer, "ap2015") == verified
    world.bench.clock.advance(1000)
    answer = await bank.ask(
        "GetSubscriberDeviceInfo", operator_token=token, access_token=world.access()
    )
    assert answer.status == 401


@pytest.mark.spec("TS.43 §14.1.5")
@pytest.mark.conforms(
    "ap2015.TemporaryToken",
    "ap2015.TemporaryTokenExpiry",
    "ap2015.OperationTargets",
    "app-tokens.by-temporary-token",
    "annex.app-authentication",
    "divergence.no-token-for-third-parties",
)
async def test_an_app_that_was_proved_with_the_temporary_token_needs_no_more(world: World) -> None:
    phone = world.phone()
    answer = await operate(
        phone,
        await phone.token(),
        "AcquireTemporaryToken",
        operation_targets="AcquireOperatorToken",
        access_token=world.access(),
    )
    lent = app_of(answer, "ap2015")
    assert lent["OperationTargets"] == "AcquireOperatorToken"
    assert lent["TemporaryTokenExpiry"] == "2026-11-18T11:11:40Z"
    bank = world.partner()
    answer = await bank.ask(
        "AcquireOperatorToken",
        temporary_token=lent["TemporaryToken"],
        client_id="bank",
        scope="msisdn",
        access_token=world.access(),
    )
    assert app_of(answer, "ap2015")["ClientID"] == "bank"
    assert "Token" not in answer.object


@pytest.mark.parametrize(
    ("parameters", "result"),
    [
        ({"client_id": "nobody"}, "100"),
        ({"client_id": "bank-2"}, "100"),
        ({"client_id": "shop"}, "100"),
        ({"scope": "nothing-known"}, "100"),
        ({"scope": ""}, "102"),
        ({"client_id": ""}, "102"),
        ({"scope": "x" * 600}, "102"),
        ({"access_token": ""}, "100"),
    ],
)
async def test_an_app_that_is_not_proved_gets_no_operator_token(
    world: World, parameters: dict[str, str], result: str
) -> None:
    phone = world.phone()
    asked = {"client_id": "bank", "scope": "msisdn", "access_token": world.access()} | parameters
    answer = await operate(phone, await phone.token(), "AcquireOperatorToken", **asked)
    assert app_of(answer, "ap2015") == {"OperationResult": result}


@pytest.mark.conforms(
    "request.scope",
    "app-tokens.scopes",
    "ap2015.PhoneNumberVerification=0",
    "app-tokens.number-verified",
    "divergence.lent-token-statuses",
)
async def test_scopes_open_only_what_the_partner_may_have(world: World) -> None:
    token = await world.operator_token(
        client_id="shop", scope="msisdn number-verification:verify", access_token=""
    )
    shop = world.partner("shop-1")
    answer = await shop.ask("GetSubscriberDeviceInfo", operator_token=token)
    assert answer.status == 403
    answer = await shop.ask("VerifyPhoneNumber", operator_token=token, msisdn="+15550100")
    assert app_of(answer, "ap2015")["PhoneNumberVerification"] == "0"
    # The bank holds another's token: its own name does not help.
    answer = await world.partner().ask(
        "VerifyPhoneNumber", operator_token=token, msisdn=NUMBER, access_token=world.access()
    )
    assert answer.status == 403


@pytest.mark.spec("TS.43 §14.1.6")
@pytest.mark.conforms(
    "operations.ValidateOperatorToken",
    "operations.figures-understood",
    "ap2015.OperatorTokenValidity",
    "ap2015.OperatorTokenValidity=0",
    "ap2015.OperatorTokenValidity=1",
    "ap2015.OperatorTokenValidatedParams",
)
@pytest.mark.parametrize(
    ("parameters", "validity", "checked"),
    [
        ({"client_id": "bank"}, "1", "client_id"),
        ({"scope": "MSISDN"}, "1", "scope"),
        ({"client_id": "bank", "scope": "msisdn"}, "1", "scope,client_id"),
        ({"client_id": "bank-2"}, "0", None),
        ({"scope": "msisdn more"}, "0", None),
        ({"operator_token": "x" * 60, "client_id": "bank"}, "0", None),
    ],
)
@pytest.mark.parametrize("spelling", ["ValidateOperatorToken", "validateOperationToken"])
async def test_an_operator_token_is_validated(
    world: World, spelling: str, parameters: dict[str, str], validity: str, checked: str | None
) -> None:
    asked = {"operator_token": await world.operator_token()} | parameters
    answer = await world.partner().ask(spelling, access_token=world.access(), **asked)
    found = app_of(answer, "ap2015")
    assert found["OperationResult"] == "1"
    assert found["OperatorTokenValidity"] == validity
    assert found.get("OperatorTokenValidatedParams") == checked


@pytest.mark.conforms(
    "app-tokens.validity-0", "app-tokens.bad-401", "divergence.lent-token-statuses"
)
async def test_a_dead_operator_token_is_not_valid_and_no_error(world: World) -> None:
    token = await world.operator_token()
    await world.server.store.real.revoke_tokens("default", ALLOWED, None)
    answer = await world.partner().ask(
        "ValidateOperatorToken", operator_token=token, client_id="bank", access_token=world.access()
    )
    assert app_of(answer, "ap2015") == {"OperationResult": "1", "OperatorTokenValidity": "0"}
    answer = await world.partner().ask(
        "GetSubscriberDeviceInfo", operator_token=token, access_token=world.access()
    )
    assert answer.status == 401


@pytest.mark.spec("TS.43 §14.1.6")
@pytest.mark.conforms("app-tokens.validate-needs-102")
async def test_to_validate_a_token_for_nothing_is_a_bad_parameter(world: World) -> None:
    answer = await world.partner().ask(
        "ValidateOperatorToken",
        operator_token=await world.operator_token(),
        access_token=world.access(),
    )
    assert app_of(answer, "ap2015") == {"OperationResult": "102"}


async def test_whether_a_token_is_good_is_told_to_partners_only(world: World) -> None:
    token = await world.operator_token()
    asked = {"operator_token": token, "client_id": "bank"}
    for requestor, more, status in (
        ("bank-1", {}, 401),
        ("bank-1", {"access_token": world.access(aud="x")}, 401),
        ("nobody", {"access_token": world.access()}, 403),
    ):
        partner = world.partner(requestor)
        answer = await partner.ask("ValidateOperatorToken", **asked, **more)
        assert answer.status == status, requestor


# --- access tokens -----------------------------------------------------------------------------


@pytest.mark.spec("TS.43 §2.8.3")
@pytest.mark.conforms("access.checked")
@pytest.mark.parametrize(
    ("claims", "header", "reason"),
    [
        ({"iss": "https://other.example.net"}, {}, "access_token_foreign"),
        ({"aud": "https://other.example.net"}, {}, "access_token_bad"),
        ({"exp": START - 31}, {}, "access_token_bad"),
        ({"exp": START + 100_000}, {}, "access_token_bad"),
        ({"exp": "soon"}, {}, "access_token_bad"),
        ({"nbf": START + 40}, {}, "access_token_bad"),
        ({"client_id": 7}, {}, "access_token_bad"),
        ({"client_id": None, "sub": "bank"}, {}, "access_token_bad"),
        ({}, {"kid": "k2"}, "access_token_bad"),
        ({}, {"alg": "none"}, "access_token_bad"),
        ({}, {"alg": "HS256"}, "access_token_bad"),
        ({}, {"crit": ["b64"], "b64": False}, "access_token_foreign"),
        ({"client_id": "shop"}, {}, "access_token_of_another"),
    ],
)
async def test_a_bad_access_token_proves_nobody(
    world: World, claims: dict[str, Any], header: dict[str, Any], reason: str
) -> None:
    token = await world.operator_token()
    now = int(world.bench.clock.now())
    usual = {"iss": ISSUER, "aud": [AUDIENCE], "client_id": "bank", "exp": now + 60}
    access = world.login.sign(usual | claims, **header)
    answer = await world.partner().ask(
        "GetSubscriberDeviceInfo", operator_token=token, access_token=access
    )
    assert answer.status == (403 if reason == "access_token_of_another" else 401)
    assert (await world.server.records())[-1]["outcome"] == reason


@pytest.mark.conforms("access.checked")
async def test_a_signature_of_another_key_proves_nobody(world: World) -> None:
    token = await world.operator_token()
    forged = EcSigner("k1").sign(
        {"iss": ISSUER, "aud": AUDIENCE, "client_id": "bank", "exp": START + 60}
    )
    answer = await world.partner().ask(
        "GetSubscriberDeviceInfo", operator_token=token, access_token=forged
    )
    assert answer.status == 401


async def test_a_rotation_of_the_issuers_keys_is_followed_at_once(world: World) -> None:
    token = await world.operator_token()
    newer = EcSigner("k2")
    access = newer.sign({"iss": ISSUER, "aud": AUDIENCE, "azp": "bank", "exp": START + 60})
    bank = world.partner()
    asked = {"operator_token": token, "access_token": access}
    assert (await bank.ask("GetSubscriberDeviceInfo", **asked)).status == 401
    file = world.bench.directory / "login.json"
    file.write_text(json.dumps({"keys": [world.login.jwk, newer.jwk, {"kty": "new"}]}))
    assert (await bank.ask("GetSubscriberDeviceInfo", **asked)).status == 200
    # A file that somebody broke leaves the keys as they are.
    file.write_text("{")
    world.bench.clock.advance(10)
    assert (await bank.ask("GetSubscriberDeviceInfo", **asked)).status == 200


@pytest.mark.spec("TS.43 §14.1.5")
@pytest.mark.conforms("app-tokens.proof-first")
async def test_a_bad_access_token_is_not_worth_a_challenge(world: World) -> None:
    phone = world.phone(extra=(("access_token", world.access(aud="x")),))
    assert (await phone.begin()).status == 401
    phone = world.phone(extra=(("access_token", world.access()),))
    assert (await phone.begin()).status == 200


@pytest.mark.conforms(
    "answers.requestor-403", "temporary.not-target-403", "information.access-token-401"
)
async def test_a_partner_has_to_be_known_and_to_prove_itself(world: World) -> None:
    phone = number_phone(world.server)
    token = await phone.token()
    for requestor, more, status in (
        ("nobody", {}, 403),
        ("", {}, 403),
        ("bank-1", {}, 401),
        ("bank-1", {"access_token": world.access(aud="x")}, 401),
        ("bank-1", {"access_token": world.access("shop")}, 403),
        ("shop-1", {}, 403),
        ("BANK-1", {"access_token": world.access("bank-2")}, 200),
    ):
        lent = await temporary(phone, token, "GetPhoneNumber")
        partner = Partner(world.server, requestor_id=requestor)
        answer = await partner.ask("GetPhoneNumber", temporary_token=lent, **more)
        assert answer.status == status, requestor


async def test_a_redeemed_token_is_for_who_holds_what_it_was_redeemed_for(world: World) -> None:
    phone = number_phone(world.server)
    text = await temporary(phone, await phone.token(), "GetPhoneNumber")
    parts = world.server.parts
    opened = pull_lent(Purpose.TEMPORARY_TOKEN, text, parts.keys, now=world.bench.clock.now())
    assert opened is not None
    lent_flow = parts.entitle._operate._lent
    assert isinstance(lent_flow, ByLentToken)
    tenant = parts.tenancy.by_name["default"]
    access, other = world.access(), world.access(iat=1)
    assert await lent_flow.redeem(tenant, opened[1], access)
    assert not await lent_flow.redeem(tenant, opened[1], access)
    bank = Partner(world.server, requestor_id="bank-1")
    for given, status in ((other, 401), (access, 200), (access, 401)):
        answer = await bank.ask("GetPhoneNumber", temporary_token=text, access_token=given)
        assert answer.status == status


# --- app tokens ------------------------------------------------------------------------------


@pytest.mark.spec("TS.43 §14.2.1", "TS.43 §14.2.2")
@pytest.mark.conforms("request.App_token", "operations.Get3PAppInfo", "ap2015.3PAppNameAnon")
async def test_a_device_learns_a_name_for_an_app(world: World) -> None:
    names = set()
    for imsi in (ALLOWED, NO_VOWIFI):
        phone = world.phone(imsi=imsi)
        token = await phone.token()
        answer = await operate(phone, token, "Get3ppAppInfo", App_token=world.app_token())
        names.add(app_of(answer, "ap2015")["3PAppNameAnon"])
        assert answer.object["Token"]
    assert len(names) == 1
    assert not names & {"bank"}


@pytest.mark.conforms("app-tokens.app-token-once")
async def test_an_app_token_is_good_once_whoever_brings_it(world: World) -> None:
    text = world.app_token()
    results = []
    for imsi in (ALLOWED, ALLOWED, NO_VOWIFI):
        phone = world.phone(imsi=imsi)
        answer = await operate(phone, await phone.token(), "Get3PAppInfo", App_token=text)
        results.append(app_of(answer, "ap2015")["OperationResult"])
    assert results == ["1", "102", "102"]


@pytest.mark.conforms("app-tokens.app-token-once")
@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "shop", "sub": "shop"},
        {"iss": "nobody"},
        {"sub": "shop"},
        {"exp": START - 31},
        {"exp": START + 3600},
        {"jti": ""},
        {"jti": "x" * 200},
        {"jti": 7},
    ],
)
async def test_a_bad_app_token_names_no_app(world: World, claims: dict[str, Any]) -> None:
    phone = world.phone()
    answer = await operate(
        phone, await phone.token(), "Get3PAppInfo", App_token=world.app_token(**claims)
    )
    assert app_of(answer, "ap2015") == {"OperationResult": "102"}
    assert world.server.store.writes == ["decide_session"]


async def test_an_app_token_of_another_key_names_no_app(world: World) -> None:
    forged = SharedSigner("b1", os.urandom(32)).sign(
        {"iss": "bank", "sub": "bank", "exp": START + 60, "jti": "1"}
    )
    phone = world.phone()
    answer = await operate(phone, await phone.token(), "Get3PAppInfo", App_token=forged)
    assert app_of(answer, "ap2015") == {"OperationResult": "102"}


async def test_nothing_secret_is_in_records_or_log(world: World) -> None:
    secrets = [await world.operator_token(), world.access(), world.app_token()]
    bank = world.partner()
    await bank.ask("GetSubscriberDeviceInfo", operator_token=secrets[0], access_token=secrets[1])
    phone = world.phone()
    token = await phone.token()
    secrets.append(token)
    secrets.append(await temporary(phone, token, "VerifyPhoneNumber"))
    await operate(phone, token, "Get3PAppInfo", App_token=secrets[2])
    await bank.ask("VerifyPhoneNumber", temporary_token=secrets[-1], msisdn=NUMBER)
    kept = f"{await world.server.records()}{world.server.log_lines}{world.server.events}"
    for secret in (*secrets, NUMBER, NUMBER[1:], ALLOWED.digits):
        assert secret not in kept
