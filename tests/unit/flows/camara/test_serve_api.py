"""What calls of all partner APIs have in common: tokens, scopes, legs, refusals, books."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.domain.camara.access_token import Method, Subject
from simgrant.domain.camara.consumer import Consumer, Permission
from simgrant.domain.camara.usage import Outcome
from simgrant.domain.subscription import SubscriptionStatus
from simgrant.errors import Overloaded, PeerUnavailable
from simgrant.flows.camara.apis import APIS
from simgrant.flows.camara.problem import Code
from simgrant.flows.camara.sandbox import Sandbox, SandboxLine
from simgrant.identities import Imsi, Msisdn
from simgrant.ports.camara_consents import Purposeful
from tests.camara_world import (
    CONSUMER,
    DAY_S,
    IMSI,
    NOBODYS,
    NOW,
    NUMBER,
    OTHER,
    PURPOSE,
    TENANT,
    World,
)

VERIFY = "/number-verification/v2/verify"
SHARE = "/number-verification/v2/device-phone-number"
SWAP = "/sim-swap/v2/check"
MINE = {"phoneNumber": NUMBER.e164}
WRONG = "The request needs a new access token"


@pytest.fixture
def world() -> World:
    return World()


def unauthenticated(called: Any) -> None:
    """See that nothing is revealed."""
    assert (called.status, called.code) == (401, "UNAUTHENTICATED")
    assert called.json["message"] == WRONG


# --- the token ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer nonsense",
        "Basic dXNlcjpwYXNz",
        "bearer:token-1",
        "token-1",
        "DPoP token-1",
        "Bearer token-1, Bearer token-1",
    ],
)
async def test_what_is_no_token_is_nobody(world: World, authorization: str) -> None:
    world.token()
    called = await world.call(VERIFY, MINE, token="", said={"authorization": authorization})
    unauthenticated(called)
    assert world.lines.asked == 0


async def test_a_scheme_is_told_in_any_case(world: World) -> None:
    called = await world.call(VERIFY, MINE, said={"authorization": f"BEARER {world.token()}"})
    assert called.status == 200


async def test_a_token_that_is_over_is_none(world: World) -> None:
    token = world.token()
    world.clock.at += 299
    assert (await world.call(VERIFY, MINE, token=world.token(expires=NOW + 300))).status == 200
    world.clock.at += 1
    unauthenticated(await world.call(VERIFY, MINE, token=token))


@pytest.mark.parametrize("gone", ["removed", "off"])
async def test_a_consumer_that_is_gone_has_no_token(world: World, gone: str) -> None:
    token = world.token()
    if gone == "off":
        world.change(active=False)
    else:
        world.consumers.clear()
    unauthenticated(await world.call(VERIFY, MINE, token=token))


@pytest.mark.parametrize(
    ("audience", "status"),
    [
        ("", 200),
        ("https://api.example.net", 200),
        ("https://api.example.net/", 200),
        ("https://api.example.net/number-verification/v2", 200),
        ("https://api.example.net/number-verification/v2/verify", 200),
        ("https://api.example.net/number-verification/v2/device-phone-number", 401),
        ("https://api.example.net/number-verification/v", 401),
        ("https://api.example.net/sim-swap/v2", 401),
        ("https://api.example.net.evil.example", 401),
        ("http://api.example.net", 401),
        ("https://other.example.net/number-verification/v2", 401),
    ],
)
async def test_a_token_is_for_its_audience(world: World, audience: str, status: int) -> None:
    called = await world.call(VERIFY, MINE, token=world.token(audience=audience))
    assert called.status == status


async def test_a_bound_token_needs_its_certificate(world: World) -> None:
    key = bytes(range(32))
    for shown, status in ((b"", 401), (bytes(32), 401), (key, 200)):
        token = world.token(key=key)
        called = await world.call(VERIFY, MINE, token=token, said={"certificate": shown})
        assert called.status == status
    # One that is bound to nothing may be shown with any.
    assert (await world.call(VERIFY, MINE, said={"certificate": key})).status == 200


async def test_a_revoked_token_is_none_whether_its_number_is_known_or_not(world: World) -> None:
    token = world.token()
    world.lines.revoked.add(world.tokens[token].token_id)
    unauthenticated(await world.call(VERIFY, MINE, token=token))
    token = world.token(two_legs=True)
    world.lines.revoked.add(world.tokens[token].token_id)
    for number in (NUMBER, NOBODYS):
        called = await world.call(SWAP, {"phoneNumber": number.e164}, token=token)
        unauthenticated(called)
    assert not world.books.rows


@pytest.mark.parametrize(
    "fields",
    [
        {"msisdn": OTHER},
        {"msisdn": None},
        {"token_epoch": 4},
        {"status": SubscriptionStatus.BARRED},
        {"status": SubscriptionStatus.REMOVED},
    ],
    ids=str,
)
async def test_a_token_ends_with_what_its_line_was(world: World, fields: dict[str, Any]) -> None:
    for path, body in ((VERIFY, MINE), (SWAP, {})):
        world.line(msisdn=NUMBER, token_epoch=3, status=SubscriptionStatus.ACTIVE)
        assert (await world.call(path, body)).status == 200
        world.line(**fields)
        unauthenticated(await world.call(path, body))


async def test_a_line_that_is_gone_ends_it_too(world: World) -> None:
    del world.lines.there[IMSI]
    unauthenticated(await world.call(VERIFY, MINE))


# --- what it is good for -----------------------------------------------------------------------


async def test_a_token_is_good_for_its_scopes(world: World) -> None:
    token = world.token(scopes=frozenset({"number-verification:device-phone-number:read"}))
    called = await world.call(VERIFY, MINE, token=token)
    assert (called.status, called.code) == (403, "PERMISSION_DENIED")
    assert (await world.call(SHARE, token=token, method="GET")).status == 200


@pytest.mark.parametrize("scope", ["sim-swap", "sim-swap:check"])
async def test_any_scope_of_an_operation_does(world: World, scope: str) -> None:
    token = world.token(scopes=frozenset({scope}))
    assert (await world.call(SWAP, {}, token=token)).status == 200
    called = await world.call("/device-swap/v1/check", {}, token=token)
    assert called.code == "PERMISSION_DENIED"


async def test_what_the_contract_no_longer_has_is_refused(world: World) -> None:
    token = world.token()
    world.change(permissions=CONSUMER.permissions[:1])
    called = await world.call(VERIFY, MINE, token=token)
    assert (called.status, called.code) == (403, "PERMISSION_DENIED")
    permission = Permission(
        api="number-verification",
        scopes=frozenset({"number-verification:verify"}),
        purposes=frozenset({"Marketing"}),
    )
    world.change(permissions=(permission,))
    called = await world.call(VERIFY, MINE, token=token)
    assert (called.status, called.code) == (403, "PERMISSION_DENIED")
    world.change(permissions=(replace(permission, purposes=frozenset({PURPOSE})),))
    assert (await world.call(VERIFY, MINE, token=token)).status == 200


@pytest.mark.parametrize("method", [Method.CLAIMED, Method.CHALLENGE, Method.NONE])
@pytest.mark.parametrize("path", [VERIFY, SHARE])
async def test_a_number_is_verified_by_sim_or_network_alone(
    world: World, path: str, method: Method
) -> None:
    body, by = (MINE, "POST") if path == VERIFY else (None, "GET")
    called = await world.call(path, body, token=world.token(method=method), method=by)
    assert (called.status, called.code) == (403, Code.NOT_BY_NETWORK)
    called = await world.call(path, body, token=world.token(two_legs=True), method=by)
    assert (called.status, called.code) == (403, Code.NOT_BY_NETWORK)
    assert world.lines.asked == 0
    assert not world.books.rows
    for good in (Method.SIM, Method.NETWORK):
        called = await world.call(path, body, token=world.token(method=good), method=by)
        assert called.status == 200


# --- whom it is about --------------------------------------------------------------------------

TWO = [
    ("/sim-swap/v2/retrieve-date", {}),
    ("/sim-swap/v2/check", {"maxAge": 24}),
    ("/device-swap/v1/retrieve-date", {}),
    ("/device-swap/v1/check", {}),
    ("/device-roaming-status/v1/retrieve", {}),
    ("/number-recycling/v0.2/check", {"specifiedDate": "2026-01-01"}),
    ("/kyc-tenure/v0.2/check-tenure", {"tenureDate": "2026-01-01"}),
    ("/subscription-status/v0.1/retrive-subscription-status", {}),
    (
        "/consent-info/v0.2/retrieve",
        {"scopes": ["sim-swap"], "purpose": f"dpv:{PURPOSE}", "requestCaptureUrl": False},
    ),
]


def about(path: str, body: dict[str, Any], number: Msisdn) -> dict[str, Any]:
    named = {"phoneNumber": number.e164}
    return {**body, **({"device": named} if "roaming" in path else named)}


@pytest.mark.parametrize(("path", "body"), TWO, ids=lambda value: str(value)[:40])
async def test_a_number_is_named_with_two_legs_and_not_with_three(
    world: World, path: str, body: dict[str, Any]
) -> None:
    three, two = world.token(), world.token(two_legs=True)
    assert (await world.call(path, body, token=three)).status == 200
    # His own number is refused as another's is, and as one that nobody has.
    for number in (NUMBER, OTHER, NOBODYS):
        called = await world.call(path, about(path, body, number), token=three)
        assert (called.status, called.code) == (422, "UNNECESSARY_IDENTIFIER")
    assert len(world.books.rows) == 1
    assert (await world.call(path, about(path, body, OTHER), token=two)).status == 200
    called = await world.call(path, body, token=two)
    assert (called.status, called.code) == (422, "MISSING_IDENTIFIER")
    called = await world.call(path, about(path, body, NOBODYS), token=two)
    assert (called.status, called.code) == (404, "IDENTIFIER_NOT_FOUND")
    # With three legs an answer names nobody.
    three_legs = await world.call(path, body, token=world.token())
    assert NUMBER.digits.encode() not in three_legs.body


async def test_a_removed_line_is_nobodys(world: World) -> None:
    world.line(status=SubscriptionStatus.REMOVED)
    token = world.token(two_legs=True)
    assert (await world.call(SWAP, MINE, token=token)).code == "IDENTIFIER_NOT_FOUND"


# --- bodies ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"x"',
        b"\xff\xfe",
        b'{"phoneNumber":"\xff"}',
        b"[" * 50_000,
        b'{"phoneNumber":' + b"[" * 50_000,
        {},
        {"phoneNumber": None},
        {"phoneNumber": 447700900001},
        {"phoneNumber": ""},
        {"phoneNumber": "447700900001"},
        {"phoneNumber": "+0447700900001"},
        {"phoneNumber": "+4477"},
        {"phoneNumber": "+4477009000011234"},
        {"phoneNumber": "+447700900001\n"},
        {"phoneNumber": "+44770090000\u0661"},
        {"phoneNumber": " +447700900001"},
        {"hashedPhoneNumber": "a" * 63},
        {"hashedPhoneNumber": "g" * 64},
        {"hashedPhoneNumber": "a" * 64 + "\n"},
        {"phoneNumber": NUMBER.e164, "hashedPhoneNumber": "a" * 64},
        {"phoneNumber": NUMBER.e164, "additional": 1},
        {"phone_number": NUMBER.e164},
        {"PhoneNumber": NUMBER.e164},
    ],
    ids=lambda value: str(value)[:30],
)
async def test_a_body_is_as_the_definition_has_it(world: World, body: Any) -> None:
    token = world.token()
    called = await world.call(VERIFY, body, token=token)
    assert (called.status, called.code) == (400, "INVALID_ARGUMENT")
    assert len(called.body) < 1000
    # It was not spent.
    assert (await world.call(VERIFY, MINE, token=token)).status == 200


async def test_what_a_body_says_besides_is_passed_over_where_that_is_wanted() -> None:
    world = World(strict=False)
    assert (await world.call(SWAP, {"maxAge": 5, "more": {"a": 1}})).status == 200
    assert (await world.call(SWAP, {"maxAge": "5", "more": 1})).status == 400
    # This one may have one member alone.
    assert (await world.call(VERIFY, {**MINE, "more": {"a": 1}})).status == 400
    assert (await world.call(VERIFY, MINE)).status == 200
    device = {"phoneNumber": OTHER.e164, "more": 1}
    path, token = "/device-roaming-status/v1/retrieve", world.token(two_legs=True)
    assert (await world.call(path, {"device": device, "x": 2}, token=token)).status == 200
    assert (await world.call(path, {"device": {"more": 1}}, token=token)).status == 400
    strict = World()
    token = strict.token(two_legs=True)
    assert (await strict.call(path, {"device": device}, token=token)).status == 400


@given(data=st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
async def test_no_bytes_are_a_fault(data: bytes) -> None:
    world = World()
    for api in APIS.values():
        for each in api.operations:
            called = await world.call(api.path + each.path, data, method=each.method)
            assert called.status in (200, 400, 404, 422)


# --- HTTP --------------------------------------------------------------------------------------


async def test_there_is_nothing_elsewhere(world: World) -> None:
    for path in ("/", "/number-verification/v2", VERIFY + "/", "/number-verification/v1/verify"):
        called = await world.call(path, MINE)
        assert (called.status, called.code) == (404, "NOT_FOUND")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "HEAD", "TRACE"])
async def test_a_resource_has_its_methods(world: World, method: str) -> None:
    called = await world.call(VERIFY, MINE, method=method)
    assert (called.status, called.code) == (405, "METHOD_NOT_ALLOWED")


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"content_type": "application/json; charset=utf-8"}, 200),
        ({"content_type": "Application/JSON"}, 200),
        ({"content_type": ""}, 415),
        ({"content_type": "text/plain"}, 415),
        ({"content_type": "application/json; charset=utf-16"}, 415),
        ({"content_type": "application/jsonx"}, 415),
        ({"accept": "*/*"}, 200),
        ({"accept": "text/html, application/json;q=0.9"}, 200),
        ({"accept": "application/*"}, 200),
        ({"accept": "text/html"}, 406),
        ({"accept": "application/xml, text/*"}, 406),
    ],
    ids=str,
)
async def test_types_are_json(world: World, said: dict[str, str], status: int) -> None:
    called = await world.call(VERIFY, MINE, said=said)
    assert called.status == status


# --- the books ---------------------------------------------------------------------------------


async def test_a_row_says_what_was_used(world: World) -> None:
    token = world.token(application="shop")
    assert (await world.call(VERIFY, MINE, token=token)).status == 200
    (row,) = world.books.rows
    assert row.usage_id == world.tokens[token].token_id
    assert row.at_ms == NOW * 1000
    assert (row.client_id, row.application, row.purpose) == ("bank", "shop", PURPOSE)
    assert (row.api, row.operation) == ("number-verification", "phoneNumberVerify")
    assert (row.method, row.outcome, row.status, row.code) == (Method.SIM, Outcome.MATCH, 200, "")
    assert (row.correlator, row.tariff, row.sandbox) == ("c-1", "usual", False)
    ring = world.keys.ring
    assert row.subject_ref == ring.reference(TENANT, "msisdn", NUMBER.digits, now=NOW)
    assert NUMBER.digits not in repr(row)
    assert (world.trail.tenant, world.trail.requestor) == (TENANT, "bank")
    assert world.trail.subscriber_ref == row.subject_ref
    assert world.trail.outcome == "match"


async def test_a_token_for_one_call_is_spent_by_it(world: World) -> None:
    token = world.token()
    assert (await world.call(VERIFY, MINE, token=token)).status == 200
    unauthenticated(await world.call(VERIFY, MINE, token=token))
    # Nor for the other operation, with a number that is not his, or without any body.
    called = await world.call(SHARE, token=token, method="GET")
    unauthenticated(called)
    called = await world.call(VERIFY, {"phoneNumber": OTHER.e164}, token=token)
    unauthenticated(called)
    assert len(world.books.rows) == 1


async def test_of_fifty_at_once_one_is_answered(world: World) -> None:
    token = world.token()
    calls = [world.call(VERIFY, MINE, token=token) for _ in range(50)]
    statuses = [called.status for called in await asyncio.gather(*calls)]
    assert sorted(statuses) == [200] + [401] * 49
    assert len(world.books.rows) == 1


async def test_other_tokens_are_good_until_they_end_and_each_call_is_a_row(world: World) -> None:
    token = world.token()
    for _ in range(3):
        assert (await world.call(SWAP, {}, token=token)).status == 200
    assert len({row.usage_id for row in world.books.rows}) == 3
    once = world.token(single_use=True)
    assert [(await world.call(SWAP, {}, token=once)).status for _ in range(2)] == [200, 401]


async def test_what_is_refused_of_a_line_is_a_row_without_an_answer(world: World) -> None:
    world.facts.device_changed = 0
    called = await world.call("/device-swap/v1/check", {})
    assert (called.status, called.code) == (422, "SERVICE_NOT_APPLICABLE")
    (row,) = world.books.rows
    assert (row.outcome, row.status, row.price_micros) == (Outcome.REFUSED, 422, 0)
    assert row.code == "SERVICE_NOT_APPLICABLE"


async def test_who_cannot_be_asked_spends_nothing(world: World) -> None:
    token = world.token(single_use=True)
    world.facts.error = PeerUnavailable("bss_away")
    with pytest.raises(PeerUnavailable):
        await world.call(SWAP, {}, token=token)
    assert not world.books.rows
    world.facts.error = None
    assert (await world.call(SWAP, {}, token=token)).status == 200


async def test_whom_the_subscriber_does_not_permit_is_told_nothing_and_spends_nothing() -> None:
    permitted = False

    class Subscriber:
        async def permits(
            self, tenant: str, imsi: Imsi, wanted: Purposeful, /, *, now: int, silent: bool = False
        ) -> bool:
            assert (tenant, imsi, now, silent) == (TENANT, IMSI, NOW, False)
            assert (wanted.client_id, wanted.purpose) == ("bank", PURPOSE)
            return permitted

    world = World(permits=Subscriber())
    token = world.token()
    called = await world.call(VERIFY, MINE, token=token)
    assert (called.status, called.code) == (403, "PERMISSION_DENIED")
    assert not world.books.rows
    permitted = True
    assert (await world.call(VERIFY, MINE, token=token)).status == 200


async def test_nothing_is_told_that_is_not_in_the_books(world: World) -> None:
    world.books.error = PeerUnavailable("store_away")
    with pytest.raises(PeerUnavailable):
        await world.call(VERIFY, MINE)


async def test_limits_are_asked_before_anything_is_read() -> None:
    seen: list[str] = []

    class Few:
        def take(
            self, tenant: str, consumer: Consumer, permission: Permission, /, *, now: float
        ) -> None:
            seen.append(f"{tenant} {consumer.client_id} {permission.api} {now}")
            if len(seen) > 1:
                raise Overloaded("quota_exceeded" if len(seen) > 2 else "too_many", retry_after=3)

    world = World(limits=Few())
    assert (await world.call(SWAP, {})).status == 200
    called = await world.call(SWAP, {})
    assert (called.status, called.code) == (429, "TOO_MANY_REQUESTS")
    called = await world.call(SWAP, {})
    assert (called.status, called.code) == (429, "QUOTA_EXCEEDED")
    assert seen[0] == "default bank sim-swap 1000.0"
    assert world.lines.asked == 1


# --- the sandbox -------------------------------------------------------------------------------

TEST = Msisdn("447700900100")
LINES = {
    TEST: SandboxLine(sim_age_h=2, device_age_h=30, customer_d=100, number_d=40, plmn="26201"),
    Msisdn("447700900101"): SandboxLine(suspended=True, prepaid=True),
}


async def test_who_tries_gets_test_numbers_and_learns_of_no_other() -> None:
    world = World(sandbox=Sandbox(LINES))
    world.change(sandbox=True)
    token = world.token(two_legs=True)
    for number in (NUMBER, OTHER, NOBODYS):
        called = await world.call(SWAP, {"phoneNumber": number.e164}, token=token)
        assert called.code == "IDENTIFIER_NOT_FOUND"
    assert world.lines.asked == 0

    async def told(path: str, **body: Any) -> Any:
        named = {"phoneNumber": TEST.e164}
        body |= {"device": named} if "roaming" in path else named
        return (await world.call(path, body, token=token)).json

    assert await told(SWAP, maxAge=3) == {"swapped": True}
    assert await told(SWAP, maxAge=2) == {"swapped": False}
    assert await told("/device-swap/v1/check", maxAge=31) == {"swapped": True}
    roaming = await told("/device-roaming-status/v1/retrieve")
    assert (roaming["roaming"], roaming["countryName"]) == (True, ["DE"])
    day = {"specifiedDate": "2026-11-20"}  # 56 days before the day of the test.
    assert (await told("/number-recycling/v0.2/check", **day))["phoneNumberRecycled"]
    tenure = await told("/kyc-tenure/v0.2/check-tenure", tenureDate="2026-11-20")
    assert tenure == {"tenureDateCheck": True, "contractType": "PAYM"}
    assert {row.sandbox for row in world.books.rows} == {True}


async def test_a_test_number_is_verified_with_three_legs() -> None:
    world = World(sandbox=Sandbox(LINES))
    world.change(sandbox=True)
    subject = Subject(imsi=IMSI, msisdn=TEST, epoch=0)
    token = world.token(subject=subject)
    called = await world.call(VERIFY, {"phoneNumber": TEST.e164}, token=token)
    assert called.json == {"devicePhoneNumberVerified": True}
    unauthenticated(await world.call(VERIFY, MINE, token=token))
    # One about a line that there is tells nothing of it.
    called = await world.call(VERIFY, MINE, token=world.token())
    assert called.status == 404


async def test_test_numbers_are_nobodys_else() -> None:
    world = World(sandbox=Sandbox(LINES))
    called = await world.call(SWAP, {"phoneNumber": TEST.e164}, token=world.token(two_legs=True))
    assert called.code == "IDENTIFIER_NOT_FOUND"


def test_days_are_as_the_test_thinks() -> None:
    assert NOW % DAY_S == 28_800
