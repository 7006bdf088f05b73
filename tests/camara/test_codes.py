"""Authorization codes: whose connection it is says who the subscriber is, and nobody is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from simgrant.compose import camara as compose_camara
from simgrant.domain.camara.access_token import Method
from simgrant.errors import PeerUnavailable
from simgrant.identities import Imsi
from tests.camara.bank import (
    CHECK,
    FRAUD,
    ISSUER,
    NV,
    Bank,
    consumer,
    enrol,
    error,
    members,
    opened,
)
from tests.camara.listener import CAMARA, send
from tests.camara.test_oauth import UNLIMITED
from tests.device.harness import ALLOWED, Answer, Request, Server, Workbench
from tests.jwts import EcSigner, b64

PLACE = "https://bank.example/back?x=1"
VERIFIER = "a" * 50
CHALLENGE = b64(sha256(VERIFIER.encode()).digest())
PHONE, NOBODY, AWAY = "192.0.2.77", "192.0.2.78", "192.0.2.79"


class Owner:
    """Knows one address."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, int]] = []

    async def of(self, tenant: str, address: str, port: int, *, deadline: float) -> Imsi | None:
        assert deadline > 0
        self.asked.append((tenant, address, port))
        if address == AWAY:
            raise PeerUnavailable("connection_owner_away")
        return ALLOWED if address == PHONE else None

    async def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
async def server(bench: Workbench) -> AsyncIterator[Server]:
    bench.monkeypatch.setattr(compose_camara, "open_owner", lambda *_: Owner())
    async with bench.opened(CAMARA + "refusals_burst = 0\n" + UNLIMITED) as found:
        yield found


@pytest.fixture
async def bank(server: Server) -> Bank:
    found = Bank(server)
    known = consumer(
        found.signer,
        redirect_uris=frozenset({PLACE}),
        subjects=frozenset({"ipport"}),
    )
    await enrol(server, known)
    return found


def wanted(**changes: str) -> dict[str, str]:
    found = {
        "client_id": "bank",
        "redirect_uri": PLACE,
        "response_type": "code",
        "scope": f"openid {NV}",
        "state": "s1",
        "nonce": "n1",
        "prompt": "none",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    } | changes
    return {name: value for name, value in found.items() if value}


async def browse(server: Server, source: str = PHONE, **changes: str) -> Answer:
    query = urlencode(wanted(**changes)).encode()
    return await send(server, Request("GET", query, (), b"", "/oauth2/authorize", source))


def sent(answer: Answer) -> dict[str, str]:
    """Return what a browser brings back to where it came from."""
    assert answer.status == 302, answer.body
    place = answer.header("location")
    assert place.startswith(PLACE)
    found = {name: values[0] for name, values in parse_qs(urlsplit(place).query).items()}
    assert (found.pop("x"), found.pop("iss")) == ("1", ISSUER)
    return found


def form(_code: str, **changes: str) -> dict[str, str]:
    return {
        "grant_type": "authorization_code",
        "code": _code,
        "redirect_uri": PLACE,
        "code_verifier": VERIFIER,
    } | changes


async def test_a_code_and_what_it_is_given_for(server: Server, bank: Bank) -> None:
    told = sent(await browse(server))
    assert told.pop("state") == "s1"
    code = told["code"]
    shop = Bank(server, client_id="shop")
    await enrol(server, consumer(shop.signer, client_id="shop"))
    assert error(await shop.proved("/oauth2/token", form(code))) == "invalid_grant"
    for changes in (
        {"code_verifier": "b" * 50},
        {"code_verifier": ""},
        {"redirect_uri": "https://bank.example/other"},
        {"redirect_uri": ""},
        {"code": "x"},
    ):
        answer = await bank.proved("/oauth2/token", form(code, **changes))
        assert error(answer) == "invalid_grant", changes
    answer = await bank.proved("/oauth2/token", form(code))
    token = opened(server, answer)
    assert (token.method, token.single_use) == (Method.NETWORK, True)
    assert token.subject is not None
    assert token.subject.imsi == ALLOWED
    assert members(answer)["id_token"]
    # Used twice: whoever has the token has it no more.
    look = {"token": members(answer)["access_token"]}
    assert members(await bank.proved("/oauth2/introspect", look))["active"]
    assert error(await bank.proved("/oauth2/token", form(code))) == "invalid_grant"
    assert members(await bank.proved("/oauth2/introspect", look)) == {"active": False}


async def test_a_code_is_good_for_a_minute(server: Server, bank: Bank) -> None:
    code = sent(await browse(server))["code"]
    server.clock.advance(60)
    assert error(await bank.proved("/oauth2/token", form(code))) == "invalid_grant"


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": ""}, "invalid_request"),
        ({"code_challenge": "x"}, "invalid_request"),
        ({"code_challenge": "", "nonce": ""}, "invalid_request"),
        ({"prompt": "login"}, "interaction_required"),
        ({"scope": "openid"}, "invalid_scope"),
        ({"scope": f"dpv:{FRAUD} nothing"}, "invalid_scope"),
        ({"request_uri": "https://x.example"}, "request_uri_not_supported"),
        ({"request": "x"}, "invalid_request_object"),
    ],
)
async def test_refusals_go_back_to_where_it_came_from(
    server: Server, bank: Bank, changes: dict[str, str], word: str
) -> None:
    assert bank.client_id == "bank"
    told = sent(await browse(server, **changes))
    assert told == {"error": word, "state": "s1"}


async def test_who_is_sent_nowhere(server: Server, bank: Bank) -> None:
    assert bank.client_id == "bank"
    for changes in (
        {"client_id": "nobody"},
        {"client_id": ""},
        {"redirect_uri": "https://thief.example/"},
        {"redirect_uri": PLACE + "&y=2"},
        {"redirect_uri": ""},
    ):
        assert error(await browse(server, **changes)) == "invalid_request"
    assert sent(await browse(server, NOBODY))["error"] == "login_required"
    assert sent(await browse(server, AWAY))["error"] == "temporarily_unavailable"


async def test_signed_requests(server: Server, bank: Bank) -> None:
    inside = wanted(scope=f"dpv:{FRAUD} {CHECK}", state="inner")
    outside = {"scope": inside["scope"], "state": "outer"}

    def signed(signer: EcSigner = bank.signer, **changes: Any) -> str:
        return signer.sign(bank.claims(**{**inside, "aud": ISSUER} | changes))

    told = sent(await browse(server, **outside, request=signed()))
    assert told.pop("state") == "inner"
    answer = await bank.proved("/oauth2/token", form(told["code"]))
    assert opened(server, answer).scopes == frozenset({CHECK})
    text = signed()
    assert "code" in sent(await browse(server, **outside, request=text))
    refusals = {
        "replayed": text,
        "of another": signed(EcSigner("bank-1")),
        "for another": signed(aud="https://x.example"),
        "over": signed(exp=bank.now - 31, iat=bank.now - 331),
        "too long": signed(exp=bank.now + 900),
        "without iat": signed(iat=None),
        "another scope": signed(scope=NV),
        "another place": signed(redirect_uri="https://thief.example/"),
        "another consumer": signed(client_id="shop"),
    }
    for name, each in refusals.items():
        told = sent(await browse(server, **outside, request=each))
        assert told["error"] == "invalid_request_object", name


async def test_a_hint_of_a_connection(server: Server, bank: Bank) -> None:
    ask = {"scope": NV, "login_hint": f"ipport:{PHONE}:16790"}
    said = members(await bank.proved("/oauth2/bc-authorize", ask))
    poll = {"grant_type": "urn:openid:params:grant-type:ciba", "auth_req_id": said["auth_req_id"]}
    token = opened(server, await bank.proved("/oauth2/token", poll))
    assert token.method is Method.NETWORK
    for hint in (f"{NOBODY}:5", "[2001:db8::1]:80"):
        answer = await bank.proved("/oauth2/bc-authorize", ask | {"login_hint": f"ipport:{hint}"})
        assert error(answer) == "unknown_user_id"
    for hint in ("x:5", PHONE, f"{PHONE}:0", f"{PHONE}:70000", f"{PHONE}:x", ":5"):
        answer = await bank.proved("/oauth2/bc-authorize", ask | {"login_hint": f"ipport:{hint}"})
        assert error(answer) == "invalid_request", hint


async def test_what_is_published_then(server: Server) -> None:
    said = members(await send(server, Request(path="/.well-known/openid-configuration")))
    assert said["authorization_endpoint"] == f"{ISSUER}/oauth2/authorize"
    assert said["code_challenge_methods_supported"] == ["S256"]
    assert said["request_uri_parameter_supported"] is False
    assert "authorization_code" in said["grant_types_supported"]
