"""Which client an access token is said to be of."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.wire.access_token import client_of
from simgrant.wire.jwt import BadJwt

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("claims", "client"),
    [
        ({"client_id": "bank"}, "bank"),
        ({"azp": "bank"}, "bank"),
        ({"client_id": "bank", "azp": "other", "sub": "user"}, "bank"),
        ({"client_id": "", "azp": "bank"}, "bank"),
        ({"client_id": 7, "azp": "bank"}, "bank"),
    ],
)
def test_the_client_is_named(claims: dict[str, Any], client: str) -> None:
    assert client_of(claims, frozenset()) == client


@pytest.mark.parametrize("claims", [{}, {"sub": "bank"}, {"client_id": ["bank"]}, {"azp": None}])
def test_nobody_else_is_taken_for_one(claims: dict[str, Any]) -> None:
    with pytest.raises(BadJwt, match="of no client"):
        client_of(claims, frozenset())


@pytest.mark.parametrize("scope", ["a b", "b  a c", ["a", "b"], ["b", 7, "a"]])
def test_each_scope_is_needed(scope: object) -> None:
    assert client_of({"client_id": "x", "scope": scope}, frozenset("ab")) == "x"
    with pytest.raises(BadJwt, match="scope"):
        client_of({"client_id": "x", "scope": scope}, frozenset("abz"))


@pytest.mark.parametrize("scope", [None, "", "A", "ab", 7, ["a b"], {"a": 1}])
def test_what_is_no_such_scope_is_none(scope: object) -> None:
    with pytest.raises(BadJwt, match="scope"):
        client_of({"client_id": "x", "scope": scope}, frozenset("a"))


@given(st.dictionaries(st.sampled_from(["client_id", "azp", "scope", "sub"]), ANYTHING))
def test_whatever_is_said_is_a_client_or_refused(claims: dict[str, Any]) -> None:
    try:
        client = client_of(claims, frozenset({"a"}))
    except BadJwt:
        return
    assert client in (claims.get("client_id"), claims.get("azp"))
    assert isinstance(client, str)
    assert client
