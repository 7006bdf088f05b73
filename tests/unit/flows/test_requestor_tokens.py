"""Tokens of systems as texts: what went in comes out, and nothing else opens."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.errors import Unauthenticated
from simgrant.flows.requestor_tokens import RequestorClaims, pull_requestor, push_requestor
from simgrant.flows.tokens import MAX_TEXT, decode, encode
from simgrant.keyring.ring import Purpose
from tests.unit.flows.test_lent_tokens import NONCE, Keys, ring

texts = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=128)
times = st.integers(0, 2**32 - 1)
claims_of = st.builds(
    RequestorClaims,
    app_id=texts,
    client_id=texts,
    requestor_id=texts,
    enterprise_id=texts,
    issued=times,
    expires=times,
)
ONE = RequestorClaims("ap2011", "fleet", "fleet-1", "acme", 0, 9)


@given(claims_of, st.sampled_from(["red", "blue"]))
def test_what_went_in_comes_out(claims: RequestorClaims, tenant: str) -> None:
    claims = replace(claims, expires=max(claims.expires, 1))
    text = push_requestor(claims, ring(), tenant, nonce=NONCE, now=0)
    assert len(text) <= MAX_TEXT
    assert pull_requestor(text, Keys(ring()), now=0) == (tenant, claims)
    with pytest.raises(Unauthenticated, match="requestor_token_expired"):
        pull_requestor(text, Keys(ring()), now=claims.expires)


@pytest.mark.parametrize("made", [each for each in Purpose if each is not Purpose.REQUESTOR_TOKEN])
def test_nothing_else_opens_as_one(made: Purpose) -> None:
    good = push_requestor(ONE, ring(), "red", nonce=NONCE, now=0)
    _, plain = ring().open(Purpose.REQUESTOR_TOKEN, decode(good), now=0)
    text = encode(ring().seal(made, "red", plain, nonce=NONCE, now=0))
    with pytest.raises(Unauthenticated, match="requestor_token_broken"):
        pull_requestor(text, Keys(ring()), now=0)


def test_that_of_another_release_is_refused() -> None:
    text = encode(
        ring().seal(Purpose.REQUESTOR_TOKEN, "red", b"\2" + bytes(40), nonce=NONCE, now=0)
    )
    with pytest.raises(Unauthenticated, match="requestor_token_format"):
        pull_requestor(text, Keys(ring()), now=0)


@given(st.text(max_size=300) | st.binary(max_size=200).map(encode))
def test_whatever_comes_is_refused_or_opens(text: str) -> None:
    with pytest.raises(Unauthenticated):
        pull_requestor(text, Keys(ring()), now=0)
