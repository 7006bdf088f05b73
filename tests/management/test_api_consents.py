"""What subscribers said about consumers of partner APIs, by the management API."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.jwts import EcSigner
from tests.management.world import AT, NUMBER, ONE, V1, World

PATH = f"{AT}/api-consents"
SAID = {"client_id": "bank", "purpose": "dpv:FraudPreventionAndDetection", "api": "sim-swap"}


async def start(world: World) -> None:
    consumer = {
        "client_id": "bank",
        "name": "Bank",
        "jwks": {"keys": [EcSigner("k1").jwk]},
        "permissions": [
            {
                "api": "sim-swap",
                "scopes": ["sim-swap:check"],
                "purposes": ["FraudPreventionAndDetection"],
            }
        ],
    }
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
        ({"purpose": "dpv:Fraud"}, "invalid"),
        ({"api": "sim-swapp"}, "invalid"),
        ({"api": "device-swap"}, "invalid"),
        ({"application": "app"}, "invalid"),
        ({"said": "denied", "purpose": "Fraud"}, "invalid"),
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


async def test_what_was_said_can_be_withdrawn_from_a_consumer_that_is_gone(world: World) -> None:
    await start(world)
    assert (await world.call("POST", PATH, SAID | {"said": "given"})).status == 201
    gone = await world.call("DELETE", "/v1/consumers/bank")
    assert gone.status == 204
    for said, status in (("given", 422), ("withdrawn", 201)):
        assert (await world.call("POST", PATH, SAID | {"said": said})).status == status, said


async def test_who_only_looks_says_nothing(world: World) -> None:
    await start(world)
    refused = await world.call("POST", PATH, SAID | {"said": "given"}, client="viewer")
    assert refused.status == 403


async def test_what_is_said_is_in_the_audit_once(world: World) -> None:
    await start(world)
    said = SAID | {"said": "withdrawn"}
    for _ in range(2):
        await world.call("POST", PATH, said, client="care", idempotency_key="a-1")
    await world.call("POST", PATH, said | {"client_id": "shop"}, client="care")
    entries = (await world.call("GET", "/v1/audit")).json["items"]
    (entry,) = [each for each in entries if each["call"] == "say_api_consent"]
    detail = "bank FraudPreventionAndDetection sim-swap withdrawn"
    assert (entry["client"], entry["detail"]) == ("care", detail)
    assert NUMBER not in str(entry)


def told(event_id: str, change: str = "consent_given", **members: Any) -> dict[str, Any]:
    """Return an event that tells a consent."""
    about = {name: SAID[name] for name in ("client_id", "purpose")} | {"apis": ["sim-swap"]}
    at = datetime.fromtimestamp(time.time(), UTC).isoformat()
    event = {"event_id": event_id, "change": change, "at": at, "msisdn": NUMBER}
    return event | {"api_consent": about | members}


async def test_a_consent_may_come_as_an_event(world: World) -> None:
    await start(world)
    given = told("c-1", expires_at="2099-01-01", evidence="text 3")
    stranger = told("c-2", client_id="shop")
    answer = await world.call("POST", "/v1/events", [given, stranger])
    assert [each["taken"] for each in answer.json["items"]] == ["kept", "set_aside"]
    again = await world.call("POST", "/v1/events", [given])
    assert [each["taken"] for each in again.json["items"]] == ["known"]
    (entry,) = (await world.call("GET", PATH)).json["items"]
    assert (entry["said"], entry["source"], entry["genuine"]) == ("given", "bss", True)
    assert (entry["evidence"], entry["expires_at"]) == ("text 3", "2099-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (told("c", "suspended"), "invalid"),
        (told("c", expires_at="2001-01-01"), "invalid"),
        (told("c") | {"told": {"terms": "given"}}, "invalid"),
        (told("c", apis=[]), "malformed"),
        (told("c", said="given"), "malformed"),
    ],
)
async def test_an_event_that_nobody_could_write_down_is_refused(
    world: World, wrong: dict[str, Any], code: str
) -> None:
    await start(world)
    assert (await world.call("POST", "/v1/events", [wrong])).code == code
    assert (await world.call("GET", PATH)).json == {"items": []}


async def test_who_may_tell_events_may_not_therefore_tell_consents(world: World) -> None:
    await start(world)
    refused = await world.call("POST", "/v1/events", [told("c")], client="teller")
    assert refused.code == "forbidden"
    plain = {name: value for name, value in told("e").items() if name != "api_consent"}
    assert (await world.call("POST", "/v1/events", [plain], client="teller")).status == 200
    assert (await world.call("GET", PATH)).json == {"items": []}
