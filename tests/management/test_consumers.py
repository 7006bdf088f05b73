"""Consumers, tariffs and usage by the management API."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from simgrant.domain.camara.access_token import Method
from simgrant.domain.camara.month import Month
from simgrant.domain.camara.usage import Outcome, Usage
from tests.jwts import EcSigner
from tests.management.world import World

V1 = "/v1/consumers"
KEYS = {"keys": [EcSigner("k1").jwk]}
GOLD = {
    "name": "gold",
    "valid_from": "2099-01-01T00:00:00Z",
    "currency": "EUR",
    "prices": [{"outcome": "match", "price": "0.03", "operation": "", "method": ""}],
    "aggregator_share": "20",
}


def bank(**members: Any) -> dict[str, Any]:
    return {"client_id": "bank", "name": "Bank", "jwks": KEYS} | members


async def test_a_consumer_lives_by_calls(world: World) -> None:
    made = await world.call("POST", V1, bank())
    assert (made.status, made.headers["location"]) == (201, f"{V1}/bank")
    assert made.json["revision"] == 1
    assert (await world.call("POST", V1, bank())).code == "exists"
    at = f"{V1}/bank"
    document = made.json["consumer"] | {"name": "New", "sandbox": True}
    changed = await world.call("PUT", f"{at}?seen=1", document)
    assert (changed.status, changed.json["revision"]) == (200, 2)
    assert (await world.call("PUT", f"{at}?seen=1", document)).code == "changed_meanwhile"
    shown = (await world.call("GET", at, client="viewer")).json
    assert shown | {"warnings": []} == changed.json
    assert (await world.call("PUT", f"{V1}/shop", document)).code == "invalid"
    assert (await world.call("DELETE", f"{at}?seen=1")).code == "changed_meanwhile"
    assert (await world.call("DELETE", at)).status == 204
    assert (await world.call("GET", at)).code == "not_found"
    assert (await world.call("POST", V1, bank())).code == "exists"


async def test_every_mistake_is_told(world: World) -> None:
    wrong = await world.call("POST", V1, bank(algorithms=["none"], application_claim="act"))
    assert wrong.code == "invalid"
    assert "'none' is none of" in wrong.json["detail"]
    assert "application_claim" in wrong.json["detail"]
    assert (await world.call("POST", V1, bank(colour="red"))).code == "malformed"
    bound = await world.call("POST", V1, bank(bound="none"))
    assert "there are certificate, dpop, nothing" in bound.json["detail"]
    shared = {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}
    refused = await world.call("POST", V1, bank(jwks=shared))
    assert refused.code == "invalid"
    assert "c2VjcmV0" not in refused.body.decode()


async def test_what_was_probably_not_meant_is_said_and_written(world: World) -> None:
    permission = {"api": "sim-swap", "scopes": ["sim-swap"], "purposes": ["Marketin"]}
    said = (
        'camara_purposes.Marketin, so it needs the subscriber\'s consent; did you mean "Marketing"?'
    )
    made = await world.call("POST", V1, bank(permissions=[permission]))
    assert (made.status, made.json["warnings"]) == (201, [f"there are no {said}"])
    changed = await world.call("PUT", f"{V1}/bank", bank(permissions=[permission | {"api": "sim"}]))
    assert len(changed.json["warnings"]) == 2
    assert changed.json["consumer"]["permissions"][0]["purposes"] == ["Marketin"]


async def test_consumers_are_each_tenants_own_and_paged(world: World) -> None:
    for name in ("a", "b", "c"):
        await world.call("POST", V1, bank(client_id=name))
    assert (await world.call("POST", f"{V1}?tenant=blue", bank())).status == 201
    page = (await world.call("GET", f"{V1}?limit=2")).json
    assert [each["consumer"]["client_id"] for each in page["items"]] == ["a", "b"]
    rest = (await world.call("GET", f"{V1}?limit=2&after={page['next']}")).json
    assert [each["consumer"]["client_id"] for each in rest["items"]] == ["c"]
    assert rest["next"] is None
    assert (await world.call("GET", f"{V1}/a?tenant=blue")).code == "not_found"


async def test_who_may_only_look_changes_nothing(world: World) -> None:
    for method, target in (("POST", V1), ("PUT", f"{V1}/bank"), ("POST", "/v1/tariffs")):
        content = GOLD if target == "/v1/tariffs" else bank()
        assert (await world.call(method, target, content, client="viewer")).code == "forbidden"
    for target in ("/v1/usage?month=2026-11", "/v1/usage/statement?month=2026-11"):
        assert (await world.call("GET", target, client="viewer")).code == "forbidden"
    assert (await world.call("GET", V1, client="viewer")).json["items"] == []


async def test_a_call_that_comes_again_makes_one_consumer(world: World) -> None:
    first = await world.call("POST", V1, bank(), idempotency_key="k1")
    again = await world.call("POST", V1, bank(), idempotency_key="k1")
    assert (again.status, again.body) == (201, first.body)
    entries = (await world.call("GET", "/v1/audit")).json["items"]
    assert [(each["call"], each["subject"]) for each in entries] == [
        ("add_consumer", "consumer bank")
    ]


async def test_tariffs_begin_later(world: World) -> None:
    made = await world.call("POST", "/v1/tariffs", GOLD)
    assert (made.status, made.json) == (201, GOLD)
    assert (await world.call("POST", "/v1/tariffs", GOLD)).code == "exists"
    past = await world.call("POST", "/v1/tariffs", GOLD | {"valid_from": "2020-01-01"})
    assert past.code == "invalid"
    other = await world.call(
        "POST", "/v1/tariffs", GOLD | {"valid_from": "2099-02-01", "currency": "USD"}
    )
    assert "gold is in EUR" in other.json["detail"]
    permission = {"api": "sim-swap", "scopes": ["sim-swap"], "tariff": "gold"}
    assert (await world.call("POST", V1, bank(permissions=[permission]))).status == 201
    begin = "/v1/tariffs/gold?valid_from=2099-01-01T00:00:00Z"
    assert (await world.call("DELETE", begin)).code == "conflict"
    assert (await world.call("DELETE", f"{V1}/bank")).status == 204
    assert (await world.call("DELETE", begin)).status == 204
    assert (await world.call("DELETE", begin)).code == "not_found"
    assert (await world.call("GET", "/v1/tariffs")).json == {"items": []}


async def test_usage_is_listed_and_added_up(world: World) -> None:
    month = Month(2026, 10)
    one = Usage(
        usage_id=bytes(16),
        at_ms=month.since * 1000,
        client_id="bank",
        api="sim-swap",
        operation="checkSimSwap",
        method=Method.CLAIMED,
        outcome=Outcome.DELIVERED,
        status=200,
        tariff="gold",
        price_micros=30_001,
        share_micros=1,
        currency="EUR",
    )
    for n in range(20):
        row = replace(one, usage_id=bytes([n]) * 16)
        assert await world.store.usage.record("default", row, expires_at=int(time.time()))
    await world.store.usage.record("blue", one, expires_at=0)
    found = (await world.call("GET", "/v1/usage/statement?month=2026-10")).json
    (line,) = found["items"]
    assert (line["count"], line["price"], line["operator"]) == (20, "0.60002", "0.60")
    assert (await world.call("GET", "/v1/usage/statement?month=2026-10&consumer=x")).json == {
        "month": "2026-10",
        "items": [],
    }
    ids, calls = list[str](), 0
    after: str | None = ""
    while after is not None:
        target = f"/v1/usage?month=2026-10&limit=3&shape=tmf635&after={after}"
        page = (await world.call("GET", target)).json
        ids += [each["id"] for each in page["items"]]
        after, calls = page["next"], calls + 1
    assert sorted(ids) == [bytes([n]).hex() * 16 for n in range(20)]
    assert calls >= 16
    for bad in ("month=2026-13", "month=2026-10&after=AAAA", ""):
        answer = await world.call("GET", f"/v1/usage?{bad}")
        assert answer.code in ("malformed", "invalid")
