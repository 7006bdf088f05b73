"""What each operation answers, whole documents: review them when they change.

``make golden`` writes them anew. Tokens are random and sealed; a name stands for each.
"""

from __future__ import annotations

import json
import os
import re

import pytest

from tests.conftest import Golden
from tests.device.harness import JSON, XML, Answer, Server, Workbench
from tests.device.partner import NUMBER, Partner, number_phone, operate, temporary
from tests.jwts import SharedSigner

SETTINGS = """
[documents]
validity_spread = 0
[partners.bank]
requestor_ids = ["bank"]
client_ids = ["bank"]
access_token = false
app_key = "bank.json"
[operator_tokens]
auth_url = "https://ecs.example.net/operator-token"
[tenants.default]
sim_id = "imsi"
tell_imsi = true
mvno_name = "MVNO_1"
"""
BY_DEVICE = [
    pytest.param(
        "ap2014",
        "get-phone-number",
        "GetPhoneNumber",
        {},
        marks=pytest.mark.conforms("information.number-answered"),
    ),
    pytest.param(
        "ap2014",
        "number-verified",
        "VerifyPhoneNumber",
        {"msisdn": NUMBER},
        marks=pytest.mark.conforms("information.verify-answered"),
    ),
    pytest.param(
        "ap2014",
        "number-not-verified",
        "VerifyPhoneNumber",
        {"msisdn": "+15550100"},
        marks=pytest.mark.conforms("information.verify-answered"),
    ),
    pytest.param(
        "ap2014",
        "temporary-token",
        "AcquireTemporaryToken",
        {"operation_targets": "GetPhoneNumber,VerifyPhoneNumber"},
        marks=pytest.mark.conforms("temporary-token.answered"),
    ),
    ("ap2014", "nothing-lent", "AcquireTemporaryToken", {"operation_targets": "Get3PAppInfo"}),
    ("ap2014", "no-such-operation", "NoSuchOperation", {}),
    ("ap2014", "parameter-missing", "VerifyPhoneNumber", {}),
    pytest.param(
        "ap2015",
        "operator-token",
        "AcquireOperatorToken",
        {"client_id": "bank", "scope": "MSISDN"},
        marks=pytest.mark.conforms("app-tokens.answered"),
    ),
    pytest.param(
        "ap2015",
        "app-info",
        "Get3PAppInfo",
        {"App_token": "app token"},
        marks=pytest.mark.conforms("app-tokens.answered"),
    ),
]
BY_PARTNER = [
    ("ap2014", "partner-get-phone-number", "GetPhoneNumber", {}),
    ("ap2014", "partner-number-verified", "VerifyPhoneNumber", {"msisdn": NUMBER}),
    pytest.param(
        "ap2014",
        "partner-subscriber-info",
        "GetSubscriberInfo",
        {},
        marks=pytest.mark.conforms("information.subscriber-answered"),
    ),
    pytest.param(
        "ap2015",
        "token-valid",
        "ValidateOperatorToken",
        {"client_id": "bank", "scope": "msisdn"},
        marks=pytest.mark.conforms("app-tokens.answered"),
    ),
    ("ap2015", "token-not-valid", "ValidateOperatorToken", {"client_id": "other"}),
    pytest.param(
        "ap2015",
        "subscriber-device-info",
        "GetSubscriberDeviceInfo",
        {},
        marks=pytest.mark.conforms("app-tokens.answered", "ap2015.IMSI"),
    ),
]
_SEALED = re.compile(rb'(?<=")[\w-]{80,}(?=")')
_APP_NAME = re.compile(rb'(3PAppNameAnon"(?: value=|:)")[\w-]+')


def named(answer: Answer) -> bytes:
    """Return a document with a name in place of each value that is made of keys."""
    assert answer.status == 200, answer
    return _APP_NAME.sub(rb"\1name", _SEALED.sub(b"sealed", answer.content))


@pytest.mark.parametrize(("app", "case", "operation", "given"), BY_DEVICE)
@pytest.mark.parametrize("wanted", [XML, JSON])
async def test_a_device(
    bench: Workbench,
    golden: Golden,
    app: str,
    case: str,
    operation: str,
    given: dict[str, str],
    wanted: str,
) -> None:
    bank = SharedSigner("b1", os.urandom(32))
    (bench.directory / "bank.json").write_text(json.dumps(bank.jwk))
    async with bench.opened(SETTINGS) as server:
        phone = number_phone(server, apps=(app,), wanted=wanted)
        token = await phone.token()
        if "App_token" in given:
            claims = {"iss": "bank", "exp": bench.clock.now() + 60, "jti": "1"}
            given = {"App_token": bank.sign(claims)}
        answer = await operate(phone, token, operation, **given)
        golden(f"{app}/{case}.{'xml' if wanted == XML else 'json'}", named(answer))


@pytest.mark.parametrize(("app", "case", "operation", "given"), BY_PARTNER)
@pytest.mark.parametrize("wanted", [XML, JSON])
async def test_a_partner(
    bench: Workbench,
    golden: Golden,
    app: str,
    case: str,
    operation: str,
    given: dict[str, str],
    wanted: str,
) -> None:
    (bench.directory / "bank.json").write_text(json.dumps(SharedSigner("b1", bytes(32)).jwk))
    async with bench.opened(SETTINGS) as server:
        lent = await _lent(server, app, operation)
        partner = Partner(server, requestor_id="bank", app=app, accept=wanted)
        answer = await partner.ask(operation, **lent, **given)
        golden(f"{app}/{case}.{'xml' if wanted == XML else 'json'}", named(answer))


async def _lent(server: Server, app: str, operation: str) -> dict[str, str]:
    phone = number_phone(server, apps=(app,))
    token = await phone.token()
    if app == "ap2014":
        return {"temporary_token": await temporary(phone, token, operation)}
    answer = await operate(phone, token, "AcquireOperatorToken", client_id="bank", scope="msisdn")
    return {"operator_token": str(answer.object[app]["OperatorToken"])}
