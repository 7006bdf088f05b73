"""ID tokens: the published example, one claim wrong at a time, and rubbish."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.wire.id_token import BadIdToken, Expected, access_token_hash, pull_id_token
from simgrant.wire.jwt import pull_keys
from tests.jwts import EcSigner, SharedSigner, b64

# OpenID Connect Core 1.0 §A.3, signed by the key of §A.7.
PUBLISHED_KEY = json.dumps(
    {
        "kty": "RSA",
        "kid": "1e9gdk7",
        "n": "w7Zdfmece8iaB0kiTY8pCtiBtzbptJmP28nSWwtdjRu0f2GFpajvWE4VhfJAjEsOcwYzay7XGN0b-X84BfC8h"
        "mCTOj2b2eHT7NsZegFPKRUQzJ9wW8ipn_aDJWMGDuB1XyqT1E7DYqjUCEOD1b4FLpy_xPn6oV_TYOfQ9fZdbE5HGxJU"
        "zekuGcOKqOQ8M7wfYHhHHLxGpQVgL0apWuP2gDDOdTtpuld4D2LK1MZK99s9gaSjRHE8JDb1Z4IGhEcEyzkxswVdPnd"
        "UWzfvWBBWXWxtSUvQGBRkuy1BHOa4sP6FKjWEeeF7gm7UMs2Nm2QUgNZw6xvEDGaLk4KASdIxRQ",
        "e": "AQAB",
    }
)
PUBLISHED = (
    "eyJraWQiOiIxZTlnZGs3IiwiYWxnIjoiUlMyNTYifQ.ewogImlzcyI6ICJodHRwOi8vc2VydmVyLmV4YW1wbGUuY29tIi"
    "wKICJzdWIiOiAiMjQ4Mjg5NzYxMDAxIiwKICJhdWQiOiAiczZCaGRSa3F0MyIsCiAibm9uY2UiOiAibi0wUzZfV3pBMk1"
    "qIiwKICJleHAiOiAxMzExMjgxOTcwLAogImlhdCI6IDEzMTEyODA5NzAsCiAiYXRfaGFzaCI6ICI3N1FtVVB0alBmeld0"
    "RjJBbnBLOVJRIgp9.F9gRev0Dt2tKcrBkHy72cmRqnLdzw9FLCCSebV7mWs7o_sv2O5s6zMky2kmhHTVx9HmdvNnx9GaZ8"
    "XMYRFeYk8L5NZ7aYlA5W56nsG1iWOou_-gji0ibWIuuf4Owaho3YSoi7EvsTuLFz6tq-dLyz0dKABMDsiCmJ5wqkPUDTE3"
    "QTXjzbUmOzUDli-gCh5QPuZAq0cNW3pf_2n4zpvTYtbmj12cVcxGIMZby7TMWESRjQ9_o3jvhVNcCGcE0KAQXejhA1ocJh"
    "NEvQNqMFGlBb6_0RxxKjDZ-Oa329eGDidOvvp0h5hoES4a8IuGKS7NOcpp-aFwp0qVMDLI-Xnm-Pg"
)
OF_PUBLISHED = Expected(
    issuer="http://server.example.com",
    client_id="s6BhdRkqt3",
    nonce="n-0S6_WzA2Mj",
    access_token="jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y",
)
PUBLISHED_AT = 1_311_280_970

NOW = 1_795_000_000
KEY, OTHER = EcSigner("k1"), EcSigner("k2")
KEYS = pull_keys(json.dumps({"keys": [OTHER.jwk, KEY.jwk]}))
EXPECTED = Expected(
    issuer="https://idp.example.net", client_id="us", nonce="once", access_token="bearer"
)
GOOD = {
    "iss": "https://idp.example.net",
    "sub": "1",
    "aud": "us",
    "exp": NOW + 300,
    "iat": NOW,
    "nonce": "once",
}


def reason(text: str, expected: Expected = EXPECTED, *, now: float = NOW) -> str:
    """Return why a token is refused; empty where it is not."""
    try:
        pull_id_token(text, KEYS, expected, now=now)
    except BadIdToken as bad:
        return bad.reason
    return ""


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in GOOD.items() if key != name}


def test_the_published_example_is_believed() -> None:
    keys = pull_keys(PUBLISHED_KEY)
    claims = pull_id_token(PUBLISHED, keys, OF_PUBLISHED, now=PUBLISHED_AT)
    assert claims["sub"] == "248289761001"
    assert claims["at_hash"] == access_token_hash(OF_PUBLISHED.access_token, "RS256")


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "http://server.example.com/"},
        {"client_id": "S6BhdRkqt3"},
        {"nonce": "n-0S6_WzA2MJ"},
        {"access_token": "another"},
        {"access_token": ""},
        {"algorithms": ("ES256", "RS384")},
    ],
)
def test_the_published_example_is_for_nobody_else(wrong: dict[str, Any]) -> None:
    keys = pull_keys(PUBLISHED_KEY)
    with pytest.raises(BadIdToken):
        pull_id_token(PUBLISHED, keys, replace(OF_PUBLISHED, **wrong), now=PUBLISHED_AT)


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        (GOOD, ""),
        (GOOD | {"aud": ["us"]}, ""),
        (GOOD | {"aud": ["us", "them"], "azp": "us"}, ""),
        (GOOD | {"azp": "us"}, ""),
        (GOOD | {"at_hash": access_token_hash("bearer", "ES256")}, ""),
        (GOOD | {"iat": NOW - 600, "nbf": NOW}, ""),
        (GOOD | {"iss": "https://idp.example.net/"}, "id_token_issuer"),
        (GOOD | {"iss": ["https://idp.example.net"]}, "id_token_issuer"),
        (without("iss"), "id_token_issuer"),
        (GOOD | {"aud": "them"}, "id_token_audience"),
        (GOOD | {"aud": []}, "id_token_audience"),
        (GOOD | {"aud": {"us": 1}}, "id_token_audience"),
        (GOOD | {"aud": "us2"}, "id_token_audience"),
        (without("aud"), "id_token_audience"),
        (GOOD | {"aud": ["us", "them"]}, "id_token_azp"),
        (GOOD | {"azp": "them"}, "id_token_azp"),
        (GOOD | {"azp": None}, "id_token_azp"),
        (GOOD | {"nonce": "Once"}, "id_token_nonce"),
        (GOOD | {"nonce": ""}, "id_token_nonce"),
        (GOOD | {"nonce": ["once"]}, "id_token_nonce"),
        (GOOD | {"nonce": "\ud800"}, "id_token_nonce"),
        (without("nonce"), "id_token_nonce"),
        (GOOD | {"exp": NOW - 30}, "id_token_expired"),
        (GOOD | {"exp": NOW - 29}, ""),
        (GOOD | {"iat": NOW + 31}, "id_token_from_the_future"),
        (GOOD | {"iat": NOW + 30}, ""),
        (GOOD | {"nbf": NOW + 31}, "id_token_from_the_future"),
        (GOOD | {"iat": NOW - 631}, "id_token_old"),
        (without("exp"), "id_token_times"),
        (without("iat"), "id_token_times"),
        (GOOD | {"exp": str(NOW + 300)}, "id_token_times"),
        (GOOD | {"exp": True}, "id_token_times"),
        (GOOD | {"exp": 1e300}, "id_token_times"),
        (GOOD | {"at_hash": access_token_hash("another", "ES256")}, "id_token_at_hash"),
        (GOOD | {"at_hash": 1}, "id_token_at_hash"),
        (GOOD | {"sub": ""}, "id_token_subject"),
        (GOOD | {"sub": 1}, "id_token_subject"),
        (GOOD | {"sub": "x" * 256}, "id_token_subject"),
        (without("sub"), "id_token_subject"),
    ],
)
def test_every_claim_counts(claims: dict[str, Any], why: str) -> None:
    assert reason(KEY.sign(claims)) == why


def test_who_signed_counts() -> None:
    stranger = EcSigner("k1")
    assert reason(stranger.sign(GOOD)) == "id_token_signature"
    assert reason(EcSigner("k9").sign(GOOD)) == "id_token_signature"
    assert reason(KEY.sign(GOOD, kid="k2")) == "id_token_signature"
    assert reason(KEY.sign(GOOD, alg="none")) == "id_token_signature"
    assert reason(KEY.sign(GOOD, alg="HS256")) == "id_token_signature"
    assert reason(KEY.sign(GOOD, crit=["x"], x=1)) == "id_token_signature"
    assert reason(KEY.sign(GOOD), replace(EXPECTED, algorithms=("RS256",))) == "id_token_signature"
    head = {"alg": "none"}
    unsigned = f"{b64(json.dumps(head).encode())}.{b64(json.dumps(GOOD).encode())}."
    assert reason(unsigned) == "id_token_signature"
    shared = SharedSigner("k1", json.dumps(KEY.jwk).encode())
    assert reason(shared.sign(GOOD)) == "id_token_signature"


def test_claims_that_are_no_object_are_refused() -> None:
    payload: Any
    for payload in ([], "x", 1, None):
        assert reason(KEY.sign(payload)) == "id_token_malformed"
    assert reason("x" * 20_000) == "id_token_malformed"


@given(st.text(max_size=300) | st.binary(max_size=300).map(lambda data: data.decode("latin-1")))
def test_rubbish_is_refused_and_never_repeated(text: str) -> None:
    with pytest.raises(BadIdToken) as refused:
        pull_id_token(text, KEYS, EXPECTED, now=NOW)
    assert str(refused.value).startswith("id_token_")


@given(
    st.dictionaries(
        st.sampled_from(["iss", "sub", "aud", "exp", "iat", "nonce", "azp", "nbf", "at_hash"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=8)
        | st.lists(st.text(max_size=3), max_size=3),
    )
)
def test_no_claim_of_whatever_kind_does_more_than_be_refused(claims: dict[str, Any]) -> None:
    try:
        pull_id_token(KEY.sign(GOOD | claims), KEYS, EXPECTED, now=NOW)
    except BadIdToken:
        return
    for name in ("iss", "aud", "nonce"):
        assert claims.get(name, GOOD[name]) in (GOOD[name], [GOOD[name]])


@given(st.integers(0, 10_000), st.characters())
def test_a_changed_character_is_noticed(at: int, new: str) -> None:
    text = KEY.sign(GOOD)
    at %= len(text)
    changed = text[:at] + new + text[at + 1 :]
    if changed == text:
        return
    try:
        claims = pull_id_token(changed, KEYS, EXPECTED, now=NOW)
    except BadIdToken:
        return
    # The last character of a part may have bits that say nothing.
    assert claims == GOOD
