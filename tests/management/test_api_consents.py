"""What subscribers said about consumers of partner APIs, by the management API."""

from __future__ import annotations

from typing import Any

import pytest

from tests.jwts import EcSigner
from tests.management.world import AT, ONE, V1, World

PATH = f"{AT}/api-consents"
SAID = {"client_id": "bank", "purpose": "dpv:FraudPreventionAndDetection", "api": "sim-swap"}


async def start(world: World) -> None:
    consumer = {"client_id": "bank", "name": "Bank", "jwks": {"keys": [EcSigner("k1").jwk]}}
    assert (await world.call("POST", "/v1/consumers", consumer)).status == 201
    assert (await world.call("POST", V1, ONE)).status == 201


async def test_what_is_said_is_kept_with_its_proof(world: World) -> None:
    await start(world)
    given = SAID | {"said": "given", "source": "bss", "evidence": "text 3"}
    first = await world.call("POST", PATH, given, client="care", idempotency_key="a-1")
    again = await world.call("POST", PATH, given, client="care", idempotency_key="a-1")
    assert (first.status, again.status, again.json) == (201, 201, first.json)
    gone = await world.call("POST", PATH, SAID | {"said": "withdrawn"}, client="care")
    listed = (await world.call("GET", PATH, client="viewer")).json["items"]
    assert listed == [first.json, gone.json]
    told = [(each["number"], each["said"], each["source"], each["genuine"]) for each in listed]
    assert told == [(1, "given", "bss", True), (2, "withdrawn", "api", True)]
    assert listed[0]["phone_number"] == ONE["msisdn"]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"client_id": "shop"}, "invalid"),
        ({"expires_at": "2001-01-01"}, "invalid"),
        ({"said": "withdrawn", "expires_at": "2099-01-01"}, "invalid"),
        ({"source": "portal"}, "malformed"),
        ({"purpose": "a b"}, "malformed"),
    ],
)
async def test_what_nobody_could_use_is_refused(
    world: World, wrong: dict[str, Any], code: str
) -> None:
    await start(world)
    assert (await world.call("POST", PATH, SAID | {"said": "given"} | wrong)).code == code
    assert (await world.call("GET", PATH)).json == {"items": []}


async def test_who_only_looks_says_nothing(world: World) -> None:
    await start(world)
    refused = await world.call("POST", PATH, SAID | {"said": "given"}, client="viewer")
    assert refused.status == 403
