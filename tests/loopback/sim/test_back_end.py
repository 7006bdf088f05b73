"""The simulated back end of an application, against a server that writes down what it is sent."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jws, jwt
from joserfc.jwk import ECKey

from simgrant.sim.back_end import BackEnd, Contract, Question, Refused
from simgrant.sim.http import HttpClient, Url
from simgrant.sim.sink import EVENTS, Sink
from simgrant.sim.web import Answer, Request, WebServer

NOW = 1_800_000_000
TOKEN = "the-access-token"
PEM = ec.generate_private_key(ec.SECP256R1()).private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
)
KEY = ECKey.import_key(PEM)


class Operator:
    """Answers every question, and keeps what it was sent."""

    def __init__(self) -> None:
        self.web = WebServer(self._answer, None)
        self.seen: list[Request] = []
        self.status = 200

    def _answer(self, request: Request) -> Answer:
        self.seen.append(request)
        url = self.web.url
        path = urlsplit(request.target).path
        if path == "/.well-known/openid-configuration":
            names = ("token", "authorization", "backchannel_authentication")
            said: dict[str, object] = {f"{name}_endpoint": f"{url}/{name}" for name in names}
            said["issuer"] = url
        elif path == "/token":
            said = {"access_token": TOKEN, "token_type": "Bearer"}
        elif path == "/authorization":
            query = parse_qs(urlsplit(request.target).query)
            claims = jwt.decode(query["request"][0], KEY, algorithms=["ES256"]).claims
            where = f"{claims['redirect_uri']}?code=c1&state={claims['state']}"
            return Answer(302, (("location", where),))
        elif path == "/backchannel_authentication":
            said = {"auth_req_id": "r1", "expires_in": 120, "interval": 2}
        else:
            said = {"devicePhoneNumberVerified": True}
        return Answer(
            self.status, (("content-type", "application/json"),), json.dumps(said).encode()
        )

    def form(self) -> dict[str, str]:
        """Return the fields of the last request."""
        return {name: values[0] for name, values in parse_qs(self.seen[-1].body.decode()).items()}


@pytest.fixture
async def operator() -> AsyncIterator[Operator]:
    there = Operator()
    await there.web.up()
    yield there
    await there.web.down()


def back_end(operator: Operator, *, dpop: bool = False) -> BackEnd:
    contract = Contract(
        issuer=Url.parse(operator.web.url),
        api_root=Url.parse(operator.web.url),
        client_id="bank",
        key=PEM,
        key_id="k1",
        redirect_uri="https://bank.example/callback",
        dpop=dpop,
    )
    return BackEnd(contract, now=lambda: NOW)


async def test_a_temporary_token_is_redeemed_by_an_assertion_that_names_purpose_and_scope(
    operator: Operator,
) -> None:
    async with back_end(operator) as bank:
        scope = "number-verification:verify"
        assert await bank.redeem("operatortoken:abc", scope, resource="https://r") == TOKEN
    form = operator.form()
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert form["resource"] == "https://r"
    assert "scope" not in form
    token = jwt.decode(form["assertion"], KEY, algorithms=["ES256"])
    assert token.header["kid"] == "k1"
    assert token.claims.pop("jti")
    assert token.claims == {
        "iss": "bank",
        "sub": "operatortoken:abc",
        "aud": f"{operator.web.url}/token",
        "iat": NOW,
        "exp": NOW + 120,
        "scope": f"dpv:FraudPreventionAndDetection {scope}",
    }


async def test_the_back_channel_is_asked_and_polled_with_a_proof_for_each_address(
    operator: Operator,
) -> None:
    async with back_end(operator) as bank:
        begun = await bank.ask_back_channel("operatortoken:abc", "sim-swap:check")
        form = operator.form()
        assert form["login_hint"] == "operatortoken:abc"
        assert form["scope"] == "openid dpv:FraudPreventionAndDetection sim-swap:check"
        first = jwt.decode(form["client_assertion"], KEY, algorithms=["ES256"]).claims
        assert first["aud"] == f"{operator.web.url}/backchannel_authentication"
        assert await bank.poll(str(begun["auth_req_id"])) == TOKEN
        form = operator.form()
        assert (form["auth_req_id"], form["client_id"]) == ("r1", "bank")
        second = jwt.decode(form["client_assertion"], KEY, algorithms=["ES256"]).claims
        assert second["aud"] == f"{operator.web.url}/token"
        assert first["jti"] != second["jti"]


async def test_a_code_is_got_by_a_signed_request_and_given_with_its_verifier(
    operator: Operator,
) -> None:
    async with back_end(operator) as bank:
        assert await bank.by_code("number-verification:verify") == TOKEN
    query = {n: v[0] for n, v in parse_qs(urlsplit(operator.seen[-2].target).query).items()}
    claims = jwt.decode(query["request"], KEY, algorithms=["ES256"]).claims
    assert {name: claims[name] for name in query if name != "request"} == {
        name: value for name, value in query.items() if name != "request"
    }
    assert claims["prompt"] == "none"
    form = operator.form()
    digest = hashlib.sha256(form["code_verifier"].encode()).digest()
    assert claims["code_challenge"] == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    assert (form["code"], form["redirect_uri"]) == ("c1", "https://bank.example/callback")


async def test_with_dpop_each_request_is_signed_with_one_key(operator: Operator) -> None:
    async with back_end(operator, dpop=True) as bank:
        token = await bank.by_itself("sim-swap:check")
        await bank.ask(Question.SIM_SWAP, token, phone_number="+15550100")
    thumbprints = set()
    for request, ath in (
        (operator.seen[-2], None),
        (operator.seen[-1], base64.urlsafe_b64encode(hashlib.sha256(TOKEN.encode()).digest())),
    ):
        proof = request.headers["dpop"]
        header = jws.extract_compact(proof.encode()).headers()
        key = ECKey.import_key(header["jwk"])
        claims = jwt.decode(proof, key, algorithms=["ES256"]).claims
        assert header["typ"] == "dpop+jwt"
        assert claims["htm"] == "POST"
        assert claims["htu"] == operator.web.url + urlsplit(request.target).path
        assert claims.get("ath") == (None if ath is None else ath.rstrip(b"=").decode())
        thumbprints.add(key.thumbprint())
    assert len(thumbprints) == 1
    assert operator.seen[-1].headers["authorization"] == f"DPoP {TOKEN}"


async def test_the_number_is_where_each_api_has_it(operator: Operator) -> None:
    async with back_end(operator) as bank:
        for question, body in (
            (Question.VERIFY, {"phoneNumber": "+15550100"}),
            (Question.SIM_SWAP, {"phoneNumber": "+15550100"}),
            (Question.ROAMING, {"device": {"phoneNumber": "+15550100"}}),
        ):
            await bank.ask(question, TOKEN, phone_number="+15550100")
            assert json.loads(operator.seen[-1].body) == body
            assert operator.seen[-1].headers["authorization"] == f"Bearer {TOKEN}"
        await bank.ask(Question.NUMBER, TOKEN)
        assert (operator.seen[-1].method, operator.seen[-1].body) == ("GET", b"")


async def test_what_is_refused_is_kept_for_who_wants_to_see_why(operator: Operator) -> None:
    async with back_end(operator) as bank:
        await bank.discover()
        operator.status = 400
        with pytest.raises(Refused):
            await bank.redeem("operatortoken:abc", "sim-swap:check")
        assert bank.seen[-1].status == 400


async def test_a_sink_keeps_what_came_and_turns_strangers_away() -> None:
    sink = Sink(None, access_token="s3cret")
    await sink.up()
    try:
        event = {"id": "1", "type": "t", "data": {}}
        for token, status in (("s3cret", 204), ("other", 401)):
            client = HttpClient(Url.parse(sink.url))
            headers = (("Authorization", f"Bearer {token}"), ("Content-Type", EVENTS))
            answer = await client.exchange(
                "POST", "/notifications", headers, body=json.dumps(event).encode()
            )
            await client.aclose()
            assert answer.status == status
        came = await sink.until(2, within=5)
    finally:
        await sink.down()
    assert [(each.id, each.type, each.authorized) for each in came] == [
        ("1", "t", True),
        ("1", "t", False),
    ]
