"""JWTs of others: published examples, one claim wrong at a time, and rubbish."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from simgrant.wire.jwt import (
    SIGNED,
    SIGNED_OR_SHARED,
    BadJwt,
    Wanted,
    issuer_of,
    pull_jwt,
    pull_keys,
)
from tests.jwts import EcSigner, SharedSigner, b64

JOE = Wanted(frozenset({"joe"}))
AT = 1_300_819_379

# RFC 7515 §A.1 and §A.3.
HS256_KEY = (
    '{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgU'
    'uTwjAzZr1Z9CAow"}'
)
HS256 = (
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0"
    "dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
)
ES256_KEY = (
    '{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",'
    '"y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}'
)
ES256 = (
    "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNv"
    "bS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxf"
    "KTUJqPP3-Kg6NU1Q"
)


@pytest.mark.parametrize(("key", "text"), [(HS256_KEY, HS256), (ES256_KEY, ES256)])
def test_published_examples(key: str, text: str) -> None:
    assert issuer_of(text) == "joe"
    claims = pull_jwt(text, pull_keys(key), JOE, algorithms=SIGNED_OR_SHARED, now=AT)
    assert claims["http://example.com/is_root"] is True


def test_a_shared_secret_signs_only_where_it_may() -> None:
    with pytest.raises(BadJwt):
        pull_jwt(HS256, pull_keys(HS256_KEY), JOE, algorithms=SIGNED, now=AT)


@pytest.mark.parametrize("header", [{}, {"kid": "other"}, {"kid": None}])
def test_a_public_key_is_no_shared_secret(header: dict[str, Any]) -> None:
    """The oldest trick: to sign with the public key as if it were a secret (RFC 8725 §2.1)."""
    signer = EcSigner("k")
    keys = pull_keys(json.dumps(signer.jwk))
    public = signer.key.public_key()
    for secret in (
        json.dumps(signer.jwk).encode(),
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    ):
        shared = SharedSigner("k", secret)
        forged = shared.sign({"iss": "joe", "exp": AT + 9}, **header)
        bare = shared.sign({"iss": "joe", "exp": AT + 9})
        for text in (forged, bare):
            with pytest.raises(BadJwt):
                pull_jwt(text, keys, JOE, algorithms=SIGNED_OR_SHARED, now=AT)


def test_an_unsigned_one_is_refused() -> None:
    head, payload = (b64(json.dumps(each).encode()) for each in ({"alg": "none"}, {"iss": "joe"}))
    with pytest.raises(BadJwt):
        pull_jwt(f"{head}.{payload}.", pull_keys(ES256_KEY), JOE, algorithms=SIGNED, now=AT)


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        ("RS256", RSAKey.generate_key(2048, auto_kid=True)),
        ("PS256", RSAKey.generate_key(2048, auto_kid=True)),
        ("ES384", ECKey.generate_key("P-384", auto_kid=True)),
        ("Ed25519", OKPKey.generate_key("Ed25519", auto_kid=True)),
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_a_key_of_any_kind_is_found_whether_or_not_it_is_named(
    algorithm: str, key: Any, named: bool
) -> None:
    header = {"alg": algorithm} | ({"kid": key.kid} if named else {})
    claims = {"iss": "joe", "exp": AT + 60}
    text = jwt.encode(header, claims, key, algorithms=[algorithm])
    others = [EcSigner("a").jwk, EcSigner("b").jwk]
    keys = pull_keys(json.dumps({"keys": [*others, key.as_dict(private=False)]}))
    assert pull_jwt(text, keys, JOE, algorithms=SIGNED, now=AT) == claims
    strangers = pull_keys(json.dumps({"keys": others}))
    with pytest.raises(BadJwt):
        pull_jwt(text, strangers, JOE, algorithms=SIGNED, now=AT)


SIGNER = EcSigner("k")
KEYS = pull_keys(json.dumps({"keys": [SIGNER.jwk]}))
GOOD: dict[str, Any] = {"iss": "joe", "aud": ["a", "us"], "exp": AT + 60}


@pytest.mark.parametrize(
    ("claims", "good"),
    [
        ({}, True),
        ({"aud": "us"}, True),
        ({"exp": AT - 29}, True),
        ({"nbf": AT + 29}, True),
        ({"iss": "jim"}, False),
        ({"iss": None}, False),
        ({"iss": ["joe"]}, False),
        ({"aud": "them"}, False),
        ({"aud": None}, False),
        ({"exp": AT - 30}, False),
        ({"exp": None}, False),
        ({"exp": True}, False),
        ({"exp": "1"}, False),
        ({"exp": -1}, False),
        ({"exp": 1e300}, False),
        ({"exp": float("nan")}, False),
        ({"exp": AT + 100_000}, False),
        ({"nbf": AT + 31}, False),
        ({"nbf": []}, False),
    ],
)
def test_one_claim_decides(claims: dict[str, Any], good: bool) -> None:
    text = SIGNER.sign(GOOD | claims)
    wanted = Wanted(frozenset({"joe"}), "us")
    if good:
        assert pull_jwt(text, KEYS, wanted, algorithms=SIGNED, now=AT)["iss"] == "joe"
    else:
        with pytest.raises(BadJwt):
            pull_jwt(text, KEYS, wanted, algorithms=SIGNED, now=AT)


@given(
    st.text()
    | st.text(alphabet="abc-_.=").map(lambda text: f"{text}.{text}.{text}")
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ).map(lambda value: f"{b64(json.dumps(value).encode())}.{b64(json.dumps(value).encode())}.x")
)
def test_rubbish_is_refused_and_nothing_else(text: str) -> None:
    assert isinstance(issuer_of(text), str)
    with pytest.raises(BadJwt):
        pull_jwt(text, KEYS, JOE, algorithms=SIGNED, now=AT)


@given(st.integers(min_value=0), st.characters(codec="ascii"))
def test_a_changed_one_is_refused(at: int, other: str) -> None:
    text = SIGNER.sign(GOOD)
    at %= text.rindex(".")  # The last character of a signature may have bits that nobody reads.
    changed = text[:at] + other + text[at + 1 :]
    if changed != text:
        with pytest.raises(BadJwt):
            pull_jwt(changed, KEYS, JOE, algorithms=SIGNED, now=AT)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", "{}", '{"keys":[]}', '{"keys":[{"kty":"x"}]}']
)
def test_what_is_no_key_set_is_said(text: str) -> None:
    with pytest.raises(ValueError, match="no JWK"):
        pull_keys(text)
