"""Which client an access token is said to be of."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.wire.access_token import Inactive, client_of, pull_introspection
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


ISSUER = "https://login.example.net"
GOOD = {"active": True, "client_id": "bank", "aud": "us", "exp": 1300, "iss": ISSUER, "scope": "a"}


def pulled(answer: dict[str, Any], audience: str = "us") -> tuple[str, float]:
    return pull_introspection(
        answer, issuer=ISSUER, audience=audience, scopes=frozenset("a"), now=1000, life_s=30
    )


def test_an_answer_names_the_client_and_the_end() -> None:
    assert pulled(GOOD) == ("bank", 1300)
    assert pulled(GOOD | {"aud": ["them", "us"], "iss": None}) == ("bank", 1300)
    assert pulled({name: GOOD[name] for name in GOOD.keys() - {"iss", "exp"}}) == ("bank", 1030)
    assert pulled(GOOD | {"exp": 10**9}) == ("bank", 10**9)
    assert pulled(GOOD | {"aud": None}, audience="") == ("bank", 1300)


@pytest.mark.parametrize("active", [False, None, "true", 1, [], {}])
def test_nothing_but_true_is_active(active: object) -> None:
    with pytest.raises(Inactive):
        pulled(GOOD | {"active": active})


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://login.example.org"},
        {"iss": 7},
        {"iss": ""},
        {"aud": None},
        {"aud": "them"},
        {"aud": {"us": True}},
        {"exp": 970},
        {"exp": "1300"},
        {"exp": True},
        {"exp": -1},
        {"exp": 2**60},
        {"nbf": 1031},
        {"scope": "b"},
        {"client_id": None},
    ],
)
def test_an_answer_about_something_else_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(BadJwt) as raised:
        pulled(GOOD | changes)
    assert not isinstance(raised.value, Inactive)


@given(st.dictionaries(st.sampled_from([*GOOD, "azp", "nbf", "more"]), ANYTHING))
def test_whatever_is_answered_is_read_or_refused(changes: dict[str, Any]) -> None:
    answer = GOOD | changes
    try:
        client, expires = pulled(answer)
    except BadJwt:
        return
    assert answer["active"] is True
    assert client in (answer.get("client_id"), answer.get("azp"))
    assert expires > 970
