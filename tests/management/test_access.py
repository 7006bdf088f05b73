"""Who may call, and who may not: tokens, access tokens, certificates, scopes, browsers."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from simgrant.domain.access import MEANINGS, ROLES, Client, Scope, limited
from simgrant.flows.management.call import PARTS, Call
from simgrant.flows.management.calls import CALLS, GROUPS
from tests.jwts import EcSigner
from tests.management.world import AT, SETTINGS, V1, World, make_template, opened, token_of

ISSUER, AUDIENCE = "https://login.example.com", "https://ecs.example.com"
JWT = f"""
[api_issuers.login]
issuer = "{ISSUER}"
audience = "{AUDIENCE}"
jwks = "jwks.json"

[api_clients.desk]
role = "care"
issuer = "login"
client_ids = ["care-desk"]

[api_clients.batch]
role = "operator"
issuer = "login"
client_ids = ["batch"]
token_scopes = false
"""


def target(call: Call) -> str:
    """Return an address of a call."""
    return call.path.format(**{name: part.example for name, part in PARTS.items()})


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
async def test_nobody_gets_in_without_credentials_or_the_scope(world: World, call: Call) -> None:
    for given_ in ({}, {"authorization": "Bearer "}, {"authorization": f"Basic {'x' * 40}"}):
        answer = await world.call(call.method, target(call), client="", said=given_)
        assert (answer.status, answer.code) == (401, "unauthenticated")
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.json.get("detail", "") == ""
    wrong = {"authorization": f"Bearer {token_of('root')[:-1]}y"}
    assert (await world.call(call.method, target(call), client="", said=wrong)).status == 401
    for role in ("viewer", "care"):
        if call.scope not in ROLES[role]:  # type: ignore[index]
            answer = await world.call(call.method, target(call), client=role)
            assert (answer.status, answer.code) == (403, "forbidden")


def test_every_call_has_its_words_and_every_scope_its_call() -> None:
    assert len({call.name for call in CALLS}) == len(CALLS)
    assert len({(call.method, call.path) for call in CALLS}) == len(CALLS)
    assert {call.group for call in CALLS} == set(GROUPS)
    assert set(MEANINGS) == set(Scope)
    assert {call.scope for call in CALLS} == set(Scope)
    # Whoever only looks changes nothing, whatever a call is named.
    for call in CALLS:
        if call.changes and call.name != "check_policy":
            assert call.scope not in ROLES["viewer"]  # type: ignore[index]
        if not call.changes:
            assert not call.scope.endswith((":write", ":revoke", ":erase"))


@given(st.sets(st.sampled_from(list(Scope))), st.sets(st.text(max_size=30)))
def test_an_access_token_only_takes_away(scopes: set[Scope], said: set[str]) -> None:
    client = Client(name="x", scopes=frozenset(scopes))
    assert limited(client, frozenset(said)).scopes <= client.scopes
    assert limited(client, frozenset(map(str, scopes))).scopes == client.scopes


async def test_pages_of_browsers_are_refused_whatever_they_bring(world: World) -> None:
    for said in (
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-origin"},
    ):
        answer = await world.call("GET", V1, said=said)
        assert (answer.status, answer.code) == (403, "from_a_browser")
        assert not [name for name in answer.headers if name.startswith("access-control")]
    assert (await world.call("GET", V1, sec_fetch_site="none")).status == 200
    # What a form can send is no type of a body.
    answer = await world.call("POST", V1, b'{"imsi": "001010000000001"}', content_type="text/plain")
    assert answer.code == "content_type"


async def test_a_token_is_replaced_without_a_restart(world: World) -> None:
    file = world.loaded.base / "care"
    assert (await world.call("GET", V1, client="care")).status == 200
    file.write_text("another-token-of-more-than-32-characters")
    assert (await world.call("GET", V1, client="care")).status == 401
    new = {"authorization": "Bearer another-token-of-more-than-32-characters"}
    assert (await world.call("GET", V1, client="", said=new)).status == 200
    # A file that is no use any more keeps nobody else out.
    file.write_text("short")
    assert (await world.call("GET", V1, client="", said=new)).status == 401
    assert (await world.call("GET", V1)).status == 200


class Issuer:
    """Signs tokens that are for us, unless a test says otherwise."""

    def __init__(self) -> None:
        self.signer = EcSigner("k1")

    def token(self, **claims: Any) -> dict[str, str]:
        usual = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "x",
            "client_id": "care-desk",
            "scope": "subscriptions:read consents:write subscriptions:write",
            "exp": time.time() + 300,
        }
        return {"authorization": f"Bearer {self.signer.sign({**usual, **claims})}"}


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture(scope="module")
def jwt_template(tmp_path_factory: pytest.TempPathFactory, issuer: Issuer) -> Path:
    folder = tmp_path_factory.mktemp("jwt")
    (folder / "jwks.json").write_text(json.dumps({"keys": [issuer.signer.jwk]}))
    return make_template(folder, SETTINGS + JWT)


@pytest.fixture
async def trusting(jwt_template: Path) -> AsyncIterator[World]:
    async with opened(jwt_template) as world:
        yield world


async def test_an_access_token_is_as_good_as_its_scopes(trusting: World, issuer: Issuer) -> None:
    answer = await trusting.call("GET", V1, client="", said=issuer.token())
    assert answer.status == 200
    # The client is no operator, whatever its token says; and its token is not for everything.
    answer = await trusting.call("DELETE", AT, client="", said=issuer.token())
    assert answer.code == "forbidden"
    answer = await trusting.call("GET", f"{AT}/history", client="", said=issuer.token())
    assert answer.code == "forbidden"
    said = issuer.token(client_id="batch", scope="nothing of ours")
    assert (await trusting.call("DELETE", AT, client="", said=said)).code == "not_found"


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"iss": "https://evil.example"}, "access_token_foreign"),
        ({"aud": "https://other.example"}, "access_token_bad"),
        ({"exp": 1}, "access_token_bad"),
        ({"client_id": "stranger"}, "client_unknown"),
        ({"client_id": None}, "access_token_bad"),
    ],
)
async def test_an_access_token_that_is_not_ours_is_nobodys(
    trusting: World, issuer: Issuer, claims: dict[str, Any], reason: str
) -> None:
    with capture_logs() as logs:
        answer = await trusting.call("GET", V1, client="", said=issuer.token(**claims))
    assert (answer.status, answer.json.get("detail", "")) == (401, "")
    (called,) = [line for line in logs if line["event"] == "api_called"]
    assert called["reason"] == reason


async def test_somebody_elses_signature_is_no_signature(trusting: World) -> None:
    answer = await trusting.call("GET", V1, client="", said=Issuer().token())
    assert answer.status == 401


async def test_a_certificate_is_its_clients(tmp_path: Path) -> None:
    shown = b"a certificate that the handshake has checked"
    digest = sha256(shown).hexdigest()
    folder = tmp_path / "site"
    folder.mkdir()
    more = f"""
[api_clients.bss]
role = "operator"
tenants = ["default"]
certificate_sha256 = ["{digest}"]
"""
    made = SETTINGS.replace("[api]", '[api]\ntls_certificate = "a"\ntls_key = "b"\nclient_ca = "c"')
    async with opened(make_template(folder, made + more)) as world:
        answer = await world.call("GET", V1, client="", certificate=shown)
        assert answer.status == 200
        assert (await world.call("GET", V1, client="", certificate=b"another")).status == 401
        # A token counts before it: who shows both speaks for whom the token is of.
        answer = await world.call("DELETE", AT, client="viewer", certificate=shown)
        assert answer.code == "forbidden"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "QUERY"]),
    path=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40),
    query=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40),
    body=st.binary(max_size=60),
)
async def test_whatever_comes_is_answered(
    world: World, method: str, path: str, query: str, body: bytes
) -> None:
    for start in ("/", V1 + "/", f"{AT}/"):
        answer = await world.call(method, f"{start}{path}?{query}", body)
        assert answer.status < 500
        assert answer.code or answer.status in (200, 201, 204)
        bare = await world.call(method, f"{start}{path}?{query}", body, client="")
        assert bare.status == 401
