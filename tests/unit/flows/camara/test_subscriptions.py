"""Subscribing to events: what consumers may ask for, see and end."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.domain.camara.access_token import Subject
from simgrant.domain.camara.consumer import Application
from simgrant.domain.camara.event_subscription import (
    Befell,
    EndReason,
    EventSubscription,
    EventType,
    Happening,
    judged,
)
from simgrant.domain.camara.usage import Outcome
from simgrant.flows.camara.line_facts import Place
from simgrant.flows.camara.subscribing import label_of
from simgrant.identities import Imsi
from simgrant.wire.instant import utc
from tests.camara_world import CONSUMER, NOW, NUMBER, OTHER, SCOPES, TENANT, Called, World

SWAPS = "/sim-swap-subscriptions/v0.3/subscriptions"
ROAMING = "/device-roaming-status-subscriptions/v0.8/subscriptions"
SWAPPED = EventType.SWAPPED.value
SECRET = "let-me-in"
SUBJECT = Subject(imsi=Imsi("001010000000002"), msisdn=OTHER, epoch=3)


@pytest.fixture
def world() -> World:
    return World()


def request(number: str | None = NUMBER.e164, **own: Any) -> dict[str, Any]:
    """Return what a bank says that wants to know of swaps."""
    said = {
        "protocol": "HTTP",
        "sink": "https://bank.example/sink",
        "types": [SWAPPED],
        "config": {"subscriptionDetail": {"phoneNumber": number} if number else {}},
        "sinkCredential": credential(),
    }
    return said | own


def credential(**own: Any) -> dict[str, Any]:
    said = {
        "credentialType": "ACCESSTOKEN",
        "accessToken": SECRET,
        "accessTokenExpiresUtc": utc(NOW + 3600),
        "accessTokenType": "bearer",
    }
    return said | own


def abroad(*kinds: str, number: str | None = NUMBER.e164, **config: Any) -> dict[str, Any]:
    prefix = "org.camaraproject.device-roaming-status-subscriptions.v0."
    detail = {"device": {"phoneNumber": number}} if number else {}
    return request(
        types=[prefix + kind for kind in kinds or ("roaming-status",)],
        config={"subscriptionDetail": detail, **config},
    )


async def ask(world: World, body: Any, *, path: str = SWAPS, two_legs: bool = True) -> Called:
    return await world.call(path, body, token=world.token(two_legs=two_legs))


async def test_a_bank_subscribes_looks_and_ends_it(world: World) -> None:
    made = await ask(world, request())
    assert made.status == 201
    one = made.json
    assert one == {
        "protocol": "HTTP",
        "sink": "https://bank.example/sink",
        "types": [SWAPPED],
        "config": {"subscriptionDetail": {"phoneNumber": NUMBER.e164}},
        "id": one["id"],
        "startsAt": utc(NOW),
        "status": "ACTIVE",
    }
    token = world.token(two_legs=True)
    got = await world.call(f"{SWAPS}/{one['id']}", token=token, method="GET")
    assert (got.status, got.json) == (200, one)
    assert (await world.call(SWAPS, token=token, method="GET")).json == [one]
    gone = await world.call(f"{SWAPS}/{one['id']}", token=token, method="DELETE")
    assert (gone.status, gone.body) == (204, b"")
    assert world.events.ended == [EndReason.SUBSCRIPTION_DELETED]
    for method in ("GET", "DELETE"):
        again = await world.call(f"{SWAPS}/{one['id']}", token=token, method=method)
        assert again.code == "NOT_FOUND"
    assert (await world.call(SWAPS, token=token, method="GET")).json == []
    assert len(world.books.rows) == 7


async def test_the_sinks_access_token_is_kept_wrapped_and_told_to_nobody(world: World) -> None:
    made = await ask(world, request())
    (kept,) = world.events.there.values()
    assert SECRET.encode() not in kept.access_token
    assert SECRET not in repr(kept) + made.body.decode()
    label = label_of(kept.subscription_id)
    assert world.keys.ring.unwrap(TENANT, label, kept.access_token) == SECRET.encode()
    assert kept.token_expires_at == NOW + 3600
    assert world.events.token_ends_at == NOW + 3600 - 60


async def test_whose_number_it_is_from_a_token_is_told_to_nobody(world: World) -> None:
    made = await ask(world, request(number=None), two_legs=False)
    assert made.status == 201
    assert made.json["config"] == {"subscriptionDetail": {}}
    assert NUMBER.digits not in made.body.decode()
    named = await ask(world, request(), two_legs=False)
    assert named.code == "UNNECESSARY_IDENTIFIER"
    assert (await ask(world, request(number=None))).code == "MISSING_IDENTIFIER"
    # The definition has no 404 for it.
    assert (await ask(world, request(number="+447700900009"))).code == "SERVICE_NOT_APPLICABLE"


async def test_nobody_else_sees_a_subscription(world: World) -> None:
    by_number = (await ask(world, request())).json["id"]
    by_token = (await ask(world, request(number=None), two_legs=False)).json["id"]
    world.consumers["other"] = replace(CONSUMER, client_id="other")
    mine = world.token()
    others = [
        world.token(two_legs=True, client_id="other"),
        world.token(subject=SUBJECT),
        world.token(two_legs=True, application="app"),
    ]
    # A token about the subscriber shows what was made with one such, and no more.
    assert [each["id"] for each in (await listed(world, mine))] == [by_token]
    assert (await world.call(f"{SWAPS}/{by_number}", token=mine, method="GET")).status == 404
    for other in others:
        assert await listed(world, other) == []
        for made in (by_number, by_token):
            for method in ("GET", "DELETE"):
                said = await world.call(f"{SWAPS}/{made}", token=other, method=method)
                assert said.code == "NOT_FOUND"
    # Nor is it one of the other API.
    found = await world.call(f"{ROAMING}/{by_token}", token=mine, method="GET")
    assert found.code == "NOT_FOUND"
    assert len(world.events.there) == 2


async def listed(world: World, token: str) -> Any:
    return (await world.call(SWAPS, token=token, method="GET")).json


@pytest.mark.parametrize(
    ("own", "code"),
    [
        ({"protocol": "MQTT5"}, "INVALID_PROTOCOL"),
        ({"protocol": "SMTP"}, "INVALID_ARGUMENT"),
        ({"sink": "http://bank.example/sink"}, "INVALID_SINK"),
        ({"sink": "https://10.0.0.1/sink"}, "INVALID_SINK"),
        ({"sink": "https://127.0.0.1/sink"}, "INVALID_SINK"),
        ({"sink": "https://169.254.169.254/latest/meta-data"}, "INVALID_SINK"),
        ({"sink": "https://[::1]/sink"}, "INVALID_SINK"),
        ({"sink": "https://[::ffff:10.0.0.1]/sink"}, "INVALID_SINK"),
        ({"sink": "https://2130706433/sink"}, "INVALID_SINK"),
        ({"sink": "https://0x7f.1/sink"}, "INVALID_SINK"),
        ({"sink": "https://somebody@bank.example/sink"}, "INVALID_SINK"),
        ({"sink": "https://bank.example\\@10.0.0.1/sink"}, "INVALID_SINK"),
        ({"sink": 1}, "INVALID_ARGUMENT"),
        ({"sinkCredential": {"credentialType": "PLAIN"}}, "INVALID_CREDENTIAL"),
        ({"sinkCredential": {"credentialType": "REFRESHTOKEN"}}, "INVALID_CREDENTIAL"),
        ({"sinkCredential": {"credentialType": "ACCESSTOKEN"}}, "INVALID_ARGUMENT"),
        ({"sinkCredential": credential(accessTokenType="mac")}, "INVALID_TOKEN"),
        ({"sinkCredential": credential(accessToken="a\r\nb: c")}, "INVALID_TOKEN"),
        ({"sinkCredential": credential(accessTokenExpiresUtc=utc(NOW))}, "INVALID_TOKEN"),
        ({"sinkCredential": credential(accessTokenExpiresUtc="1717753038")}, "INVALID_ARGUMENT"),
        ({"types": []}, "INVALID_ARGUMENT"),
        ({"types": [SWAPPED, SWAPPED]}, "INVALID_ARGUMENT"),
        ({"types": ["org.camaraproject.sim-swap.v0.swapped"]}, "INVALID_ARGUMENT"),
        ({"config": {}}, "INVALID_ARGUMENT"),
        ({"more": 1}, "INVALID_ARGUMENT"),
    ],
)
async def test_what_cannot_be_subscribed_to_is_refused(
    world: World, own: dict[str, Any], code: str
) -> None:
    said = await ask(world, request(**own))
    assert said.code == code
    assert SECRET not in said.body.decode() + said.reason
    assert not world.events.there


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("subscriptionExpireTime", utc(NOW + 5), None),
        ("subscriptionExpireTime", utc(NOW), "OUT_OF_RANGE"),
        ("subscriptionExpireTime", "2099-01-01T00:00:00", "INVALID_ARGUMENT"),
        ("subscriptionExpireTime", "tomorrow", "INVALID_ARGUMENT"),
        ("subscriptionMaxEvents", 5, None),
        ("subscriptionMaxEvents", 0, "OUT_OF_RANGE"),
        ("subscriptionMaxEvents", "5", "INVALID_ARGUMENT"),
    ],
)
async def test_how_long_it_lasts(world: World, name: str, value: Any, code: str | None) -> None:
    body = request()
    body["config"][name] = value
    said = await ask(world, body)
    if code is not None:
        assert said.code == code
        return
    assert said.json["config"][name] == value
    assert said.json.get("expiresAt") == (value if isinstance(value, str) else None)


@pytest.mark.parametrize(
    ("of_consumer", "of_application", "host", "allowed"),
    [
        ((), (), "anywhere.example", True),
        (("bank.example",), (), "bank.example", True),
        (("bank.example",), (), "BANK.example", True),
        (("bank.example",), (), "sub.bank.example", False),
        ((), ("app.example",), "bank.example", False),
        (("bank.example", "app.example"), ("app.example",), "app.example", True),
        (("bank.example", "app.example"), ("app.example",), "bank.example", False),
    ],
)
async def test_events_go_to_hosts_that_were_named(
    world: World,
    of_consumer: tuple[str, ...],
    of_application: tuple[str, ...],
    host: str,
    allowed: bool,
) -> None:
    app = Application(id="app", name="App", sink_hosts=frozenset(of_application))
    world.change(applications=(app,), sink_hosts=frozenset(of_consumer))
    token = world.token(two_legs=True, application="app")
    said = await world.call(SWAPS, request(sink=f"https://{host}/sink"), token=token)
    assert said.status == (201 if allowed else 400)


async def test_a_token_is_for_the_types_that_its_scopes_say(world: World) -> None:
    prefix = "device-roaming-status-subscriptions:"
    on = f"{prefix}{EventType.ROAMING_ON}:create"
    scopes = (SCOPES - {each for each in SCOPES if each.startswith(prefix)}) | {on}
    token = world.token(two_legs=True, scopes=scopes)
    said = await world.call(ROAMING, abroad("roaming-off"), token=token)
    assert (said.status, said.code) == (403, "SUBSCRIPTION_MISMATCH")
    assert (await world.call(ROAMING, abroad("roaming-on"), token=token)).status == 201
    read = await world.call(ROAMING, token=token, method="GET")
    assert read.code == "PERMISSION_DENIED"
    several = await ask(world, abroad("roaming-on", "roaming-off"), path=ROAMING)
    assert (several.status, several.code) == (422, "MULTIEVENT_SUBSCRIPTION_NOT_SUPPORTED")


async def test_a_revoked_token_shows_no_subscriptions(world: World) -> None:
    for two_legs in (True, False):
        token = world.token(two_legs=two_legs)
        world.lines.revoked.add(world.tokens[token].token_id)
        assert (await world.call(SWAPS, token=token, method="GET")).code == "UNAUTHENTICATED"
    before = world.token()
    world.line(token_epoch=4)
    assert (await world.call(SWAPS, token=before, method="GET")).code == "UNAUTHENTICATED"


async def test_there_are_only_so_many_of_a_consumer(world: World) -> None:
    for _ in range(50):
        assert (await ask(world, request())).status == 201
    assert (await ask(world, request())).code == "QUOTA_EXCEEDED"
    row = world.books.rows[-1]
    assert (row.outcome, row.code, row.price_micros) == (Outcome.REFUSED, "QUOTA_EXCEEDED", 0)


async def test_a_token_for_one_call_makes_one_subscription(world: World) -> None:
    once = world.token(two_legs=True, single_use=True)
    calls = [world.call(SWAPS, request(), token=once) for _ in range(9)]
    statuses = [called.status for called in await asyncio.gather(*calls)]
    assert sorted(statuses) == [201] + [401] * 8
    assert len(world.events.there) == len(world.books.rows) == 1


async def test_how_things_are_is_told_at_once_to_whoever_wants_it(world: World) -> None:
    world.facts.where = Place("20801", NOW - 5)
    said = await ask(world, abroad(initialEvent=True), path=ROAMING)
    assert said.json["config"] == {
        "subscriptionDetail": {"device": {"phoneNumber": NUMBER.e164}},
        "initialEvent": True,
    }
    assert world.events.happened == [Happening(Befell.BEGUN, NOW, "20801")]
    await ask(world, abroad(initialEvent=False), path=ROAMING)
    world.facts.where = None
    await ask(world, abroad(initialEvent=True), path=ROAMING)
    assert world.events.happened[1:] == [None, None]


# --- judging -----------------------------------------------------------------------------------

HOME = frozenset({"00101", "00102"})
PLACES = ("", "00101", "00102", "20801", "20810", "26201")


def roamer(kind: EventType, plmn: str = "", **own: Any) -> EventSubscription:
    fields: dict[str, Any] = {
        "subscription_id": "1",
        "client_id": "bank",
        "api": "device-roaming-status-subscriptions",
        "type": kind,
        "msisdn": NUMBER,
        "two_legs": True,
        "sink": "https://bank.example",
        "created_at": NOW,
        "plmn": plmn,
    }
    return EventSubscription(**(fields | own))


@given(st.lists(st.sampled_from(PLACES), min_size=1, max_size=12))
def test_a_journey_is_told_as_the_definition_has_it(places: list[str]) -> None:
    def told(kind: EventType) -> list[tuple[int, bool | None, str]]:
        one, found = roamer(kind, "00101"), []
        for at, plmn in enumerate(places):
            step = judged(one, Happening(Befell.PLACE, at, plmn), HOME)
            one = step.subscription
            if step.event is not None:
                found.append((step.event.at, step.event.roaming, step.event.mcc))
        assert one.counted == len(found)
        return found

    journey = ["00101", *places]
    roams = [bool(each) and each not in HOME for each in journey]
    steps = list(zip(journey, journey[1:], roams, roams[1:], strict=False))
    on = [at for at, (_, _, was, does) in enumerate(steps) if does and not was]
    off = [at for at, (_, _, was, does) in enumerate(steps) if was and not does]
    country = [
        at for at, (old, new, was, does) in enumerate(steps) if was and does and old[:3] != new[:3]
    ]
    assert told(EventType.ROAMING_ON) == [(at, None, "") for at in on]
    assert told(EventType.ROAMING_OFF) == [(at, None, "") for at in off]
    assert told(EventType.ROAMING_CHANGE_COUNTRY) == [(at, None, places[at][:3]) for at in country]
    assert told(EventType.ROAMING_STATUS) == [
        (at, at in on, places[at][:3] if at in on else "") for at in sorted(on + off)
    ]


@given(st.permutations(range(6)), st.integers(0, 4))
def test_swaps_in_any_order_are_told_forwards_and_no_more_than_asked_for(
    order: list[int], most: int
) -> None:
    one = roamer(EventType.SWAPPED, sim_since=0, max_events=most)
    told: list[int] = []
    ended: list[EndReason] = []
    for at in order:
        if not ended:
            step = judged(one, Happening(Befell.SIM, at), HOME)
            one = step.subscription
            told += [step.event.at] if step.event else []
            ended += [step.ended] if step.ended else []
    assert told == sorted(set(told))
    assert 0 not in told
    assert (max(told) == 5) or ended
    assert ended == ([EndReason.MAX_EVENTS_REACHED] if most and len(told) == most else [])


@pytest.mark.parametrize(
    ("kind", "plmn", "told"),
    [
        (EventType.ROAMING_STATUS, "20801", True),
        (EventType.ROAMING_STATUS, "00101", True),
        (EventType.ROAMING_ON, "20801", True),
        (EventType.ROAMING_ON, "00101", False),
        (EventType.ROAMING_OFF, "20801", False),
        (EventType.ROAMING_OFF, "00101", True),
        (EventType.ROAMING_CHANGE_COUNTRY, "20801", False),
        (EventType.ROAMING_CHANGE_COUNTRY, "00101", False),
    ],
)
def test_what_is_told_at_the_beginning(kind: EventType, plmn: str, told: bool) -> None:
    one = roamer(kind, plmn, max_events=1)
    step = judged(one, Happening(Befell.BEGUN, NOW, plmn), HOME)
    assert (step.event is not None) is told
    assert (step.ended is EndReason.MAX_EVENTS_REACHED) is told
