"""Access tokens of partner APIs as texts: what went in comes out, and nothing else opens."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.domain.camara.access_token import AccessToken, Method, Subject
from simgrant.errors import Unauthenticated
from simgrant.flows.camara.tokens import pull_access_token, push_access_token
from simgrant.flows.tokens import encode
from simgrant.identities import Imsi, Msisdn
from simgrant.keyring.ring import Purpose
from tests.unit.flows.test_lent_tokens import NONCE, Keys, ring, texts, times

scopes = st.text("abcdefghijklmnopqrstuvwxyz-:", min_size=1, max_size=20)
subjects = st.builds(
    Subject,
    imsi=st.from_regex("[0-9]{6,15}", fullmatch=True).map(Imsi),
    msisdn=st.from_regex("[0-9]{5,15}", fullmatch=True).map(Msisdn),
    epoch=st.integers(0, 2**63),
)
tokens = st.builds(
    AccessToken,
    token_id=st.binary(min_size=16, max_size=16),
    client_id=texts,
    application=texts,
    scopes=st.frozensets(scopes, max_size=4),
    purpose=scopes,
    method=st.sampled_from(Method),
    subject=st.none() | subjects,
    audience=texts,
    single_use=st.booleans(),
    issued=times,
    expires=st.integers(1, 2**32),
    key=st.just(b"") | st.binary(min_size=32, max_size=32),
    temporary_token=st.just(b"") | st.binary(min_size=16, max_size=16),
)
ONE = AccessToken(
    token_id=bytes(16),
    client_id="bank",
    scopes=frozenset({"sim-swap:check"}),
    method=Method.NONE,
    issued=0,
    expires=9,
)


@given(tokens, st.sampled_from(["red", "blue"]))
def test_what_went_in_comes_out(token: AccessToken, tenant: str) -> None:
    text = push_access_token(token, ring(), tenant, nonce=NONCE, now=0)
    assert pull_access_token(text, Keys(ring()), now=0) == (tenant, token)
    with pytest.raises(Unauthenticated) as caught:
        pull_access_token(text, Keys(ring()), now=token.expires)
    assert caught.value.reason == "access_token_expired"


@pytest.mark.parametrize("purpose", [each for each in Purpose if each is not Purpose.ACCESS_TOKEN])
def test_nothing_else_of_ours_opens_as_one(purpose: Purpose) -> None:
    sealed = ring().seal(purpose, "red", bytes(80), nonce=NONCE, now=0)
    with pytest.raises(Unauthenticated) as caught:
        pull_access_token(encode(sealed), Keys(ring()), now=0)
    assert caught.value.reason == "access_token_broken"


@given(st.data())
def test_a_changed_one_does_not_open(data: st.DataObject) -> None:
    text = push_access_token(ONE, ring(), "red", nonce=NONCE, now=0)
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(exclude_characters=text[at], codec="ascii"))
    with pytest.raises(Unauthenticated):
        pull_access_token(text[:at] + other + text[at + 1 :], Keys(ring()), now=0)


@given(st.text(max_size=200) | st.text("abcABC-_019", max_size=5000))
def test_rubbish_is_refused(text: str) -> None:
    with pytest.raises(Unauthenticated):
        pull_access_token(text, Keys(ring()), now=0)


def test_a_ring_that_is_newer_on_file_is_looked_at_once() -> None:
    text = push_access_token(ONE, ring(9), "red", nonce=NONCE, now=0)
    keys = Keys(ring(), ring(9))
    assert pull_access_token(text, keys, now=0) == ("red", ONE)
    assert keys.looked == 1
    with pytest.raises(Unauthenticated):
        pull_access_token(text, Keys(ring()), now=0)


def test_nothing_of_it_is_shown() -> None:
    token = replace(
        ONE,
        token_id=b"A" * 16,
        subject=Subject(imsi=Imsi("001010000000001"), msisdn=Msisdn("447700900001"), epoch=0),
    )
    assert "AAAA" not in repr(token)
    assert "0000000001" not in repr(token)
    assert "900001" not in repr(token)
