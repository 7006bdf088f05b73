"""A partner's server of the simulator: what it sends, and what it makes of answers."""

from __future__ import annotations

import json

import pytest

from simgrant.sim.exchange import Leg, Outcome, Result
from simgrant.sim.partner import Errand, PartnerServer
from simgrant.sim.transcript import Mask, as_json
from tests.loopback.sim.scripted import CLOSE, XML, Says, ScriptedServer, Seen, answer

ERRAND = Errand(
    operation="VerifyPhoneNumber",
    proof=(("temporary_token", "secret-token"), ("access_token", "secret-access")),
    extra=(("msisdn", "+447700900001"),),
)
JSON = "application/json"
DOCUMENT = (
    b'{"Vers":{"version":"1","validity":"60"},'
    b'"ap2014":{"OperationResult":"1","PhoneNumberVerification":"1"}}'
)


async def _run(*script: Says) -> tuple[Outcome, list[Seen]]:
    async with ScriptedServer(*script) as server, PartnerServer(server.url()) as partner:
        return await partner.run(ERRAND), server.seen


async def test_it_posts_one_flat_object() -> None:
    outcome, (seen,) = await _run(answer("200 OK", DOCUMENT, JSON))
    assert (seen.method, seen.target, seen.first("content-type")) == ("POST", "/ts43", JSON)
    members = json.loads(seen.body)
    assert members["temporary_token"] == "secret-token"
    assert members["operation"] == "VerifyPhoneNumber"
    assert members["app"] == "ap2014"
    assert all(isinstance(value, str) for value in members.values())
    assert outcome.result is Result.DOCUMENT
    assert outcome.last.leg is Leg.LENT
    assert outcome.document is not None
    assert outcome.document.token is None


async def test_what_it_shows_holds_no_secret() -> None:
    outcome, _ = await _run(answer("200 OK", DOCUMENT, JSON))
    shown = json.dumps(as_json(outcome, mask=Mask(), sim=None)) + repr(outcome)
    for secret in ("secret-token", "secret-access", "7700900001"):
        assert secret not in shown


@pytest.mark.parametrize(
    ("says", "result"),
    [
        (answer("401 Unauthorized"), Result.REFUSED),
        (answer("503 Service Unavailable"), Result.LATER),
        (answer("200 OK", b"{", JSON), Result.NOT_UNDERSTOOD),
        (answer("200 OK", b"<x", XML), Result.NOT_UNDERSTOOD),
        (b"nonsense\r\n\r\n", Result.NOT_UNDERSTOOD),
        (CLOSE, Result.UNREACHABLE),
    ],
)
async def test_every_answer_is_an_outcome(says: bytes, result: Result) -> None:
    outcome, _ = await _run(says)
    assert outcome.result is result
    assert outcome.document is None
    assert outcome.why
