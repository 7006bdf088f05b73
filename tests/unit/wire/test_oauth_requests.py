"""What consumers send, as texts: whatever comes, it is read or refused, and nothing else."""

from __future__ import annotations

import base64
import json
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.errors import BadRequest
from simgrant.wire.dpop import pull_dpop, thumbprint
from simgrant.wire.jwt import BadJwt
from simgrant.wire.oauth import pull_basic, pull_form, pull_scopes

printable = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=40)


@given(st.dictionaries(printable, printable, max_size=20))
def test_a_form_comes_back(form: dict[str, str]) -> None:
    assert pull_form(urlencode(form).encode()) == form


@given(st.binary(max_size=300) | st.text("ab=&%;+0\x00", max_size=60).map(str.encode))
def test_any_bytes_are_a_form_or_refused(data: bytes) -> None:
    try:
        found = pull_form(data)
    except BadRequest:
        return
    assert all(value.isprintable() and value.isascii() for value in found.values())


@given(printable.filter(lambda text: ":" not in text), printable)
def test_a_secret_comes_back(name: str, secret: str) -> None:
    pair = urlencode({"n": name})[2:] + ":" + urlencode({"s": secret})[2:]
    header = "Basic " + base64.b64encode(pair.encode()).decode()
    assert pull_basic(header) == (name, secret)


@given(st.text(max_size=60) | st.text("Basic =aQ:", max_size=40).map("Basic ".__add__))
def test_any_header_is_basic_or_not(header: str) -> None:
    found = pull_basic(header)
    assert found is None or len(found) == 2


@given(st.text(max_size=80) | st.text("dpv:open id\\", max_size=60))
def test_any_text_is_scopes_or_none(text: str) -> None:
    found = pull_scopes(text)
    if found is not None:
        words = {*(f"dpv:{each}" for each in found.purposes), *found.scopes}
        assert words | ({"openid"} if found.openid else set()) == set(filter(None, text.split(" ")))


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=6,
)
jwks = st.dictionaries(
    st.sampled_from(["kty", "crv", "x", "y", "n", "e", "d", "k", "kid", "use", "alg"]),
    st.sampled_from(["EC", "RSA", "OKP", "oct", "P-256", "Ed25519", "AQAB", "sig"]) | json_values,
)
headers = st.fixed_dictionaries(
    {},
    optional={
        "alg": st.sampled_from(["ES256", "none", "HS256"]) | json_values,
        "typ": st.just("dpop+jwt") | json_values,
        "jwk": jwks | json_values,
        "kid": json_values,
        "crit": json_values,
    },
)


@given(
    st.text(max_size=80)
    | st.builds(
        lambda head, body: f"{_part(head)}.{_part(body)}.AAAA", headers | json_values, json_values
    )
)
def test_no_proof_is_believed_that_nobody_signed(text: str) -> None:
    with pytest.raises(BadJwt):
        pull_dpop(text, method="POST", url="https://x.example", now=0)


def test_the_thumbprint_of_the_specification() -> None:
    """RFC 7638 §3.1."""
    n = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECP"
        "ebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY"
        "368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0f"
        "M4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    found = thumbprint({"kty": "RSA", "e": "AQAB", "alg": "RS256", "kid": "2011-04-29", "n": n})
    text = base64.urlsafe_b64encode(found).decode().rstrip("=")
    assert text == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
