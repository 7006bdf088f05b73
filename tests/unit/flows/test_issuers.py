"""Which issuer is asked of a token, and what is made of what it says."""

from __future__ import annotations

import pytest

from simgrant.errors import BadLentToken, EcsError, PeerMisbehaved, PeerTimeout, PeerUnavailable
from simgrant.flows.issuers import Issuers
from simgrant.ports.issuers import Caller
from tests.jwts import EcSigner

SIGNER = EcSigner("k1")


class Known:
    """An issuer that believes whatever it is shown, and keeps it."""

    def __init__(self, name: str, *, knows_opaque: bool = False, client: str = "bank") -> None:
        self.name, self.knows_opaque, self.client = name, knows_opaque, client
        self.shown: list[str] = []
        self.closed = 0
        self.problem: EcsError | None = None

    async def caller(self, access_token: str, *, deadline: float) -> Caller:
        assert deadline == 7
        self.shown.append(access_token)
        if self.problem is not None:
            raise self.problem
        return Caller(self.client)

    async def close(self) -> None:
        self.closed += 1


def jwt(issuer: object) -> str:
    return SIGNER.sign({"iss": issuer})


@pytest.mark.parametrize(
    ("tenant", "token", "asked"),
    [
        ("red", jwt("one"), "one"),
        ("red", jwt("two"), "two"),
        ("red", jwt("three"), None),
        ("red", "opaque", "two"),
        ("red", jwt(""), "two"),
        ("red", jwt(7), "two"),
        ("blue", jwt("one"), "one"),
        ("blue", jwt("two"), None),
        ("blue", "opaque", None),
        ("green", jwt("one"), None),
        ("green", "opaque", None),
    ],
)
async def test_a_token_is_shown_to_whoever_made_it_and_to_nobody_else(
    tenant: str, token: str, asked: str | None
) -> None:
    one, two = Known("one"), Known("two", knows_opaque=True)
    issuers = Issuers({"red": [one, two], "blue": [one], "green": []})
    assert [issuers.trusted(name) for name in ("red", "blue", "green")] == [True, True, False]
    if asked is None:
        with pytest.raises(BadLentToken, match="foreign"):
            await issuers.client(tenant, token, deadline=7)
    else:
        assert await issuers.client(tenant, token, deadline=7) == "bank"
    assert {each.name: each.shown for each in (one, two)} == {
        name: [token] if name == asked else [] for name in ("one", "two")
    }


async def test_an_issuer_vouches_for_its_own_clients_only() -> None:
    one, two = Known("one"), Known("two")
    issuers = Issuers({"red": [one, two], "blue": [one, two]}, {"red": {"bank": "one"}})
    assert await issuers.client("red", jwt("one"), deadline=7) == "bank"
    with pytest.raises(BadLentToken, match="another_issuer"):
        await issuers.client("red", jwt("two"), deadline=7)
    assert await issuers.client("blue", jwt("two"), deadline=7) == "bank"
    two.client = "shop"
    assert await issuers.client("red", jwt("two"), deadline=7) == "shop"


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (PeerUnavailable(for_operator="why", retry_after=3), "issuer_unavailable"),
        (PeerTimeout(for_operator="why", retry_after=3), "issuer_timeout"),
        (PeerMisbehaved(for_operator="why", retry_after=3), "issuer_misbehaved"),
        (PeerUnavailable("circuit_open", for_operator="why", retry_after=3), "circuit_open"),
    ],
)
async def test_what_keeps_an_issuer_from_answering_is_told_as_such(
    problem: EcsError, reason: str
) -> None:
    one = Known("one")
    one.problem = problem
    with pytest.raises(type(problem)) as raised:
        await Issuers({"red": [one]}).client("red", jwt("one"), deadline=7)
    told = raised.value
    assert (told.reason, told.for_operator, told.retry_after) == (reason, "why", 3)
    assert told is not problem, "several may wait for one"


async def test_each_is_closed_once() -> None:
    one = Known("one")
    await Issuers({"red": [one], "blue": [one]}).close()
    assert one.closed == 1
