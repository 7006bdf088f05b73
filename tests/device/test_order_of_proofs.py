"""Which proof counts where a request has several: one row for each step of TS.43 §2.8."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from simgrant.sim.push.smsc import MessageCentre
from tests.device.harness import ALLOWED, RELAY, XML, Phone, Request, Workbench, relay_body
from tests.device.signing_in import SignIns, signing_in, values
from tests.device.test_otp import ENABLED, TEXTS, number
from tests.jwts import EcSigner

ROWS = {
    # name: (what the request has, leg, outcome, status)
    "an EAP answer before all else": ("packet cookie", "answer", "not_sealed", 511),
    "a call-back before a token": ("code state token", "none", "sign_in_broken", 511),
    "an error before a token": ("error state token", "none", "sign_in_broken", 511),
    "a known state alone before a token": ("own-state token", "oidc", "document", 200),
    "a state that says nothing is passed over": ("state token", "token", "document", 200),
    "a code without state is passed over": ("code token", "token", "document", 200),
    "a temporary token before a token": (
        "temporary_token token operation",
        "temporary_token",
        "lent_token_foreign",
        401,
    ),
    "a temporary token before the SIM": (
        "temporary_token EAP_ID operation",
        "temporary_token",
        "lent_token_foreign",
        401,
    ),
    "an operator token before a token": (
        "operator_token token operation",
        "operator_token",
        "lent_token_foreign",
        401,
    ),
    "a bad access token before the SIM": (
        "access_token EAP_ID",
        "start",
        "access_token_foreign",
        401,
    ),
    "a system's access token": ("access_token system", "access_token", "access_token_foreign", 511),
    "a system's token before its access token": (
        "bad-token access_token system",
        "requestor_token",
        "not_sealed",
        511,
    ),
    "a temporary token before a system's access token": (
        "temporary_token access_token operation system",
        "temporary_token",
        "lent_token_foreign",
        401,
    ),
    "a token": ("token", "token", "document", 200),
    "a token before the SIM": ("token EAP_ID", "token", "document", 200),
    "a token before a number": ("token msisdn", "token", "document", 200),
    "a token before a password": ("token OTP cookie", "token", "document", 200),
    "a bad token is 511": ("bad-token", "token", "not_sealed", 511),
    "a bad token is 511 with a number": ("bad-token msisdn", "token", "not_sealed", 511),
    "a bad token is 511 with the SIM": ("bad-token EAP_ID", "token", "not_sealed", 511),
    "the SIM": ("EAP_ID", "start", "challenge", 200),
    "the SIM before a number": ("EAP_ID msisdn", "start", "challenge", 200),
    "the SIM before a password": ("EAP_ID OTP cookie", "start", "challenge", 200),
    "a password before a number": ("OTP msisdn", "otp", "no_session", 511),
    "a number before the provider": ("msisdn", "otp", "code_sent", 200),
    "a number for another application": ("msisdn other", "oidc", "redirect", 302),
    "nothing: the provider": ("", "oidc", "redirect", 302),
    "nothing for another application": ("neither", "none", "no_credentials", 511),
}


ISSUER = """
[issuers.login]
issuer = "https://login.example.net"
audience = "https://ecs.example.net"
jwks = "jwks"
"""


@pytest.fixture
async def ins(bench: Workbench) -> AsyncIterator[SignIns]:
    centre = MessageCentre()
    await centre.up()
    (bench.directory / "smsc-password").write_text(centre.password)
    (bench.directory / "jwks").write_text(json.dumps({"keys": [EcSigner("k1").jwk]}))
    more = TEXTS.format(port=centre.port) + ENABLED + ISSUER
    try:
        async with signing_in(bench, more) as opened:
            yield opened
    finally:
        await centre.down()


@pytest.mark.spec("TS.43 §2.8")
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
async def test_the_first_proof_of_the_order_counts(
    ins: SignIns, row: tuple[str, str, str, int]
) -> None:
    has, leg, outcome, status = row
    names = has.split()
    apps = {"other": "ap2004", "neither": "ap2005", "system": "ap2011"}
    app = next((apps[name] for name in names if name in apps), "ap2014")
    phone = Phone(ins.server, apps=(app,))
    headers = list(phone.headers(XML, cookie="ECSSID=AAAA" if "cookie" in names else ""))
    if "packet" in names:
        body = relay_body(b"\2\1\0\4")
        answer = await ins.server.send(Request("POST", b"token=x&code=x&state=x", headers, body))
    else:
        known = {
            "code": "abc",
            "error": "access_denied",
            "state": "A" * 200,
            "token": "",
            "bad-token": "no-token",
            "temporary_token": "A" * 100,
            "operator_token": "A" * 100,
            "access_token": "no-token",
            "EAP_ID": phone.eap_id,
            "msisdn": number(ALLOWED.digits)[1:],
            "OTP": "123456",
            "operation": "GetPhoneNumber",
            "system": "fleet-1",
        }
        if "state" in names:
            # One that is sealed by us, and is something else.
            known["state"] = (await phone.full()).token
        if "token" in names:
            known["token"] = (await phone.full()).token
        if "own-state" in names:
            begun = await ins.begin(phone)
            known["own-state"] = values(begun.header("location"))["state"]
        wire = {"bad-token": "token", "own-state": "state", "system": "requestor_id"}
        proofs = [(wire.get(name, name), known[name]) for name in names if name in known]
        answer = await ins.server.get(phone.query(*proofs), *headers)
    record = (await ins.server.records())[-1]
    assert (record["leg"], record["outcome"], answer.status) == (leg, outcome, status)


async def test_after_a_refused_token_the_next_request_is_sent_to_the_provider(
    ins: SignIns,
) -> None:
    """Decided so because Android drops its services on a 302 to a request with a token."""
    phone = Phone(ins.server, apps=("ap2014",))
    assert (await ins.server.get(phone.query(("token", "x")), *phone.headers(XML))).status == 511
    assert (await ins.server.get(phone.query(), *phone.headers(XML))).status == 302


async def test_a_relay_packet_needs_no_parameters(ins: SignIns) -> None:
    phone = Phone(ins.server, apps=("ap2014",))
    challenge = await phone.begin()
    assert challenge.header("content-type") == RELAY
    assert (await phone.end(challenge)).status == 200
