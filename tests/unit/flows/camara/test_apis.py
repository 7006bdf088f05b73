"""What each partner API answers."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.domain.camara.line import device_changed_at
from simgrant.domain.camara.usage import Outcome
from simgrant.domain.eligibility import Eligibility
from simgrant.domain.subscription import SubscriptionStatus, Terminal
from simgrant.flows.camara.api import ApiRules
from simgrant.flows.camara.callbacks import is_callback
from simgrant.flows.camara.line_facts import Place, Since
from simgrant.identities import Msisdn
from simgrant.ports.camara_consents import Processing, Standing
from simgrant.spec.countries import countries_of
from tests.camara_world import CONSUMER, DAY_S, NOW, NUMBER, OTHER, PURPOSE, World

VERIFY = "/number-verification/v2/verify"
TODAY = "2027-01-15"
"""The day of `NOW`."""


@pytest.fixture
def world() -> World:
    return World()


# --- number-verification -----------------------------------------------------------------------


def hashed(number: str) -> str:
    return sha256(number.encode()).hexdigest()


@pytest.mark.parametrize(
    ("body", "verified"),
    [
        ({"phoneNumber": NUMBER.e164}, True),
        ({"phoneNumber": OTHER.e164}, False),
        ({"hashedPhoneNumber": hashed(NUMBER.e164)}, True),
        ({"hashedPhoneNumber": hashed(NUMBER.e164).upper()}, True),
        ({"hashedPhoneNumber": hashed(OTHER.e164)}, False),
        # Without its + it is another text.
        ({"hashedPhoneNumber": hashed(NUMBER.digits)}, False),
    ],
)
async def test_a_number_is_the_phones_or_not(
    world: World, body: dict[str, str], verified: bool
) -> None:
    called = await world.call(VERIFY, body)
    assert called.json == {"devicePhoneNumberVerified": verified}
    (row,) = world.books.rows
    assert row.outcome is (Outcome.MATCH if verified else Outcome.NO_MATCH)


@given(number=st.from_regex(r"\+[1-9][0-9]{4,14}", fullmatch=True), hashes=st.booleans())
async def test_any_number_is_compared_as_it_is(number: str, hashes: bool) -> None:
    world = World()
    body = {"hashedPhoneNumber": hashed(number)} if hashes else {"phoneNumber": number}
    called = await world.call(VERIFY, body)
    assert called.json == {"devicePhoneNumberVerified": Msisdn(number) == NUMBER}


async def test_a_number_is_shared(world: World) -> None:
    called = await world.call("/number-verification/v2/device-phone-number", method="GET")
    assert called.json == {"devicePhoneNumber": NUMBER.e164}
    assert world.books.rows[0].outcome is Outcome.DELIVERED


# --- sim-swap and device-swap ------------------------------------------------------------------

SIM, DEVICE = "/sim-swap/v2", "/device-swap/v1"


def changed(world: World, path: str, at: int) -> None:
    if path == SIM:
        world.facts.sim_changed = at
    else:
        world.facts.device_changed = at


def rules(path: str, days: int) -> ApiRules:
    return ApiRules(
        monitored_sim_d=days if path == SIM else 0, monitored_device_d=days if path != SIM else 0
    )


@pytest.mark.parametrize("path", [SIM, DEVICE])
async def test_a_swap_was_within_the_hours_or_not(world: World, path: str) -> None:
    for ago_s, hours, swapped in (
        (10 * DAY_S - 1, None, True),  # 240 hours, where nothing is said.
        (10 * DAY_S, None, False),
        (3599, 1, True),
        (3600, 1, False),
        (0, 1, True),
        (2400 * 3600 - 1, 2400, True),
    ):
        changed(world, path, NOW - ago_s)
        body = {} if hours is None else {"maxAge": hours}
        called = await world.call(f"{path}/check", body)
        assert called.json == {"swapped": swapped}


@pytest.mark.parametrize("path", [SIM, DEVICE])
async def test_hours_are_1_to_2400(world: World, path: str) -> None:
    for hours in (0, -1, 2401, 2**31, 2**70):
        called = await world.call(f"{path}/check", {"maxAge": hours})
        assert called.status == 400
        assert called.code in ("OUT_OF_RANGE", "INVALID_ARGUMENT")
    for nonsense in ("240", 1.5, None, True, [1]):
        called = await world.call(f"{path}/check", {"maxAge": nonsense})
        assert (called.status, called.code) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize("path", [SIM, DEVICE])
async def test_the_day_of_a_swap_is_told(world: World, path: str) -> None:
    changed(world, path, NOW - 300 * DAY_S)
    called = await world.call(f"{path}/retrieve-date", {})
    ((name, value),) = called.json.items()
    assert (name, value) == (
        "latestSimChange" if path == SIM else "latestDeviceChange",
        "2026-03-21T08:00:00Z",
    )


@pytest.mark.parametrize("path", [SIM, DEVICE])
async def test_what_is_not_kept_is_not_told(path: str) -> None:
    world = World(rules=rules(path, 30))
    changed(world, path, NOW - 30 * DAY_S)
    called = await world.call(f"{path}/retrieve-date", {})
    assert set(called.json.values()) == {None, 30}
    changed(world, path, NOW - 30 * DAY_S + 1)
    called = await world.call(f"{path}/retrieve-date", {})
    assert None not in called.json.values()
    assert called.json["monitoredPeriod"] == 30
    called = await world.call(f"{path}/check", {"maxAge": 721})
    assert (called.status, called.code) == (400, "OUT_OF_RANGE")
    assert (await world.call(f"{path}/check", {"maxAge": 720})).json == {"swapped": True}


async def test_a_sim_swap_is_what_was_told_last_or_the_activation(world: World) -> None:
    path = f"{SIM}/retrieve-date"
    assert (await world.call(path, {})).json == {"latestSimChange": "2024-04-20T08:00:00Z"}
    for own in ("sim_since", "iccid_at", "number_since"):
        old = dict.fromkeys(("sim_since", "iccid_at", "number_since"), NOW - 60)
        world.line(**(old | {own: NOW - 5}))
        told = (await world.call(path, {})).json["latestSimChange"]
        assert told == "2027-01-15T07:59:55Z"


IMEI, SECOND = "350000000000017", "350000000000025"


@pytest.mark.parametrize(
    ("terminals", "at"),
    [
        ([], 0),
        ([Terminal(IMEI, seen_at=90, first_at=10)], 10),
        ([Terminal("urn:uuid:1", seen_at=90, first_at=10)], 0),
        ([Terminal(IMEI, seen_at=90, first_at=0)], 0),
        ([Terminal(IMEI, seen_at=30, first_at=10), Terminal(SECOND, seen_at=90, first_at=40)], 40),
        # It came back after the other was seen last.
        ([Terminal(IMEI, seen_at=99, first_at=10), Terminal(SECOND, seen_at=90, first_at=40)], 90),
        ([Terminal(IMEI, seen_at=9, first_at=5), Terminal("uuid", seen_at=90, first_at=40)], 5),
    ],
)
def test_a_device_came_when_it_was_seen_first_or_the_other_last(
    terminals: list[Terminal], at: int
) -> None:
    assert device_changed_at(terminals) == at
    assert device_changed_at(terminals[::-1]) == at


# --- device-roaming-status ---------------------------------------------------------------------

ROAMING = "/device-roaming-status/v1/retrieve"
V4 = {"publicAddress": "203.0.113.1", "publicPort": 4000}


async def test_abroad_is_told_with_its_country(world: World) -> None:
    called = await world.call(ROAMING, {})
    assert called.json == {"lastStatusTime": "2027-01-15T07:59:00Z", "roaming": False}
    world.facts.where = Place("34001", NOW - 120)
    token = world.token(two_legs=True)
    device = {"phoneNumber": OTHER.e164, "ipv4Address": V4}
    called = await world.call(ROAMING, {"device": device}, token=token)
    assert called.json == {
        "lastStatusTime": "2027-01-15T07:58:00Z",
        "roaming": True,
        "countryCode": 340,
        "countryName": ["GP", "BL", "GF", "MF", "MQ"],
        # The one identifier that it was found by.
        "device": {"phoneNumber": OTHER.e164},
    }
    world.facts.where = Place("90101", NOW)
    assert (await world.call(ROAMING, {})).json["countryName"] == []


async def test_where_nobody_knows_it_is_unavailable(world: World) -> None:
    world.facts.where = None
    token = world.token(single_use=True)
    called = await world.call(ROAMING, {}, token=token)
    assert (called.status, called.code) == (503, "UNAVAILABLE")
    world.facts.where = Place("00101", NOW)
    assert (await world.call(ROAMING, {}, token=token)).status == 200


@pytest.mark.parametrize(
    "device",
    [
        {"ipv4Address": V4},
        {"ipv6Address": "2001:db8::1"},
        {"networkAccessIdentifier": "1@example.com"},
    ],
    ids=str,
)
async def test_devices_are_found_by_number_alone(world: World, device: dict[str, Any]) -> None:
    for token in (world.token(), world.token(two_legs=True)):
        called = await world.call(ROAMING, {"device": device}, token=token)
        assert (called.status, called.code) == (422, "UNSUPPORTED_IDENTIFIER")


@pytest.mark.parametrize(
    "device",
    [
        {},
        None,
        [],
        {"ipv4Address": {}},
        {"ipv4Address": {"publicAddress": "203.0.113.1"}},
        {"ipv4Address": {"publicAddress": "203.0.113.256", "publicPort": 1}},
        {"ipv4Address": {**V4, "publicPort": 65_536}},
        {"ipv4Address": {**V4, "more": 1}},
        {"ipv6Address": "203.0.113.1"},
        {"ipv6Address": "::1%eth0%"},
        {"phoneNumber": "1"},
        {"phoneNumber": OTHER.e164, "more": 1},
    ],
    ids=str,
)
async def test_a_device_is_as_the_definition_has_it(world: World, device: Any) -> None:
    token = world.token(two_legs=True)
    called = await world.call(ROAMING, {"device": device}, token=token)
    assert (called.status, called.code) == (400, "INVALID_ARGUMENT")


def test_countries_have_their_codes() -> None:
    assert countries_of("262") == ("DE",)
    assert countries_of("310")[0] == "US"
    assert countries_of("001") == ()
    every = [countries_of(f"{mcc:03}") for mcc in range(1000)]
    known = [names for names in every if names]
    assert len(known) > 225
    for names in known:
        assert all(len(name) == 2 and name.isupper() for name in names)
        assert len(set(names)) == len(names)


# --- number-recycling and kyc-tenure -----------------------------------------------------------


@pytest.mark.parametrize(
    ("since", "day", "recycled"),
    [
        (NOW - 10 * DAY_S, "2027-01-04", True),
        (NOW - 10 * DAY_S, "2027-01-05", False),  # On the day itself it was his.
        (NOW - 10 * DAY_S, TODAY, False),
        (NOW - 10 * DAY_S, "1970-01-01", True),
    ],
)
async def test_a_number_was_his_on_a_day_or_another_persons(
    world: World, since: int, day: str, recycled: bool
) -> None:
    world.facts.number = Since(since, known=True)
    path = "/number-recycling/v0.2/check"
    called = await world.call(path, {"specifiedDate": day})
    assert called.json == {"phoneNumberRecycled": recycled}
    # Where he had it earlier perhaps, nobody is told that he had not.
    world.facts.number = Since(since, known=False)
    called = await world.call(path, {"specifiedDate": day})
    assert called.status == (422 if recycled else 200)
    if recycled:
        assert called.code == "SERVICE_NOT_APPLICABLE"


@pytest.mark.parametrize(
    ("day", "held"), [("2027-01-04", False), ("2027-01-05", True), (TODAY, True)]
)
async def test_somebody_was_a_customer_on_a_day_or_not(world: World, day: str, held: bool) -> None:
    path = "/kyc-tenure/v0.2/check-tenure"
    world.facts.since = Since(NOW - 10 * DAY_S, known=True)
    called = await world.call(path, {"tenureDate": day})
    assert called.json == {"tenureDateCheck": held, "contractType": "PAYM"}
    world.facts.said = Eligibility(prepaid=True)
    assert (await world.call(path, {"tenureDate": day})).json["contractType"] == "PAYG"
    world.facts.said = Eligibility()
    assert (await world.call(path, {"tenureDate": day})).json == {"tenureDateCheck": held}
    world.facts.since = Since(NOW - 10 * DAY_S, known=False)
    called = await world.call(path, {"tenureDate": day})
    assert called.status == (200 if held else 422)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/number-recycling/v0.2/check", "specifiedDate"),
        ("/kyc-tenure/v0.2/check-tenure", "tenureDate"),
    ],
)
async def test_a_day_is_one_that_was(world: World, path: str, name: str) -> None:
    for day in ("2027-01-18", "9999-12-31"):
        called = await world.call(path, {name: day})
        assert (called.status, called.code) == (400, "OUT_OF_RANGE")
    assert (await world.call(path, {name: "2027-01-16"})).status == 200
    for nonsense in (
        "2027-02-30",
        "15.01.2027",
        "2027-1-5",
        f"{TODAY}T00:00:00Z",
        "",
        20270115,
        None,
    ):
        called = await world.call(path, {name: nonsense})
        assert (called.status, called.code) == (400, "INVALID_ARGUMENT")
    assert (await world.call(path, {})).code == "INVALID_ARGUMENT"


# --- subscription-status -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "throttled", "told"),
    [
        (SubscriptionStatus.ACTIVE, False, ("active", "active", "active")),
        (SubscriptionStatus.ACTIVE, True, ("active", "active", "throttled")),
        (SubscriptionStatus.SUSPENDED, True, ("suspended", "suspended", "suspended")),
        (SubscriptionStatus.BARRED, False, ("suspended", "suspended", "suspended")),
    ],
)
async def test_a_line_can_be_used_or_not(
    world: World, status: SubscriptionStatus, throttled: bool, told: tuple[str, ...]
) -> None:
    world.facts.said, world.facts.throttled = Eligibility(status=status), throttled
    called = await world.call("/subscription-status/v0.1/retrive-subscription-status", {})
    names = ("voiceSmsIn", "voiceSmsOut", "dataService")
    assert called.json == dict(zip(names, told, strict=True))


# --- consent-info ------------------------------------------------------------------------------

CONSENT = "/consent-info/v0.2/retrieve"


def wanted(*scopes: str, **own: Any) -> dict[str, Any]:
    purpose = f"dpv:{PURPOSE}"
    return {
        "scopes": list(scopes) or ["sim-swap"],
        "purpose": purpose,
        "requestCaptureUrl": False,
        **own,
    }


async def test_how_scopes_stand_is_told(world: World) -> None:
    world.facts.standings = (
        Processing(scopes=("sim-swap",), standing=Standing.VALID, expires_at=NOW + 60),
        Processing(scopes=("device-swap",), standing=Standing.EXPIRED, expires_at=NOW - 60),
        Processing(scopes=("kyc-tenure:check-tenure",), standing=Standing.OBJECTED, expires_at=1),
    )
    body = wanted("sim-swap", "device-swap", "sim-swap", "kyc-tenure:check-tenure")
    called = await world.call(CONSENT, body)
    purpose = f"dpv:{PURPOSE}"
    assert called.json == {
        "statusInfo": [
            {
                "scopes": ["sim-swap"],
                "purpose": purpose,
                "statusValidForProcessing": True,
                "expirationDate": "2027-01-15T08:01:00Z",
            },
            {
                "scopes": ["device-swap"],
                "purpose": purpose,
                "statusValidForProcessing": False,
                "statusReason": "EXPIRED",
                "expirationDate": "2027-01-15T07:59:00Z",
            },
            {
                "scopes": ["kyc-tenure:check-tenure"],
                "purpose": purpose,
                "statusValidForProcessing": False,
                "statusReason": "OBJECTED",
            },
        ]
    }
    asked = world.facts.wanted
    assert asked is not None
    assert asked.scopes == ("sim-swap", "device-swap", "kyc-tenure:check-tenure")
    assert (asked.client_id, asked.purpose) == ("bank", PURPOSE)


@pytest.mark.parametrize(
    ("standing", "url"),
    [
        (Standing.PENDING, True),
        (Standing.REQUESTED, True),
        (Standing.EXPIRED, True),
        (Standing.DENIED, False),
        (Standing.OBJECTED, False),
        (Standing.VALID, False),
    ],
)
async def test_a_page_is_named_where_it_helps_to_ask(
    world: World, standing: Standing, url: bool
) -> None:
    world.facts.page = "https://api.example.net/consent?"
    world.facts.standings = (Processing(scopes=("sim-swap",), standing=standing),)
    called = await world.call(CONSENT, wanted(requestCaptureUrl=True))
    assert ("captureUrl" in called.json) is url
    body = wanted(requestCaptureUrl=True, callbackUrl="https://bank.example/done")
    called = await world.call(CONSENT, body)
    if url:
        page = "https://api.example.net/consent?https://bank.example/done"
        assert called.json["captureUrl"] == page
    assert "captureUrl" not in (await world.call(CONSENT, wanted())).json


async def test_scopes_and_purposes_are_the_consumers(world: World) -> None:
    for body in (wanted("quality-on-demand"), wanted("sim-swap", "other"), wanted(purpose="dpv:X")):
        called = await world.call(CONSENT, body)
        assert (called.status, called.code) == (403, "CONSENT_INFO.NOT_ALLOWED_SCOPES_PURPOSE")
    called = await world.call(CONSENT, wanted(callbackUrl="https://evil.example/"))
    assert (called.status, called.code) == (403, "CONSENT_INFO.INVALID_CALLBACK_URL")


@pytest.mark.parametrize(
    "own",
    [
        {"scopes": []},
        {"scopes": ["x"] * 65},
        {"scopes": ["x" * 129]},
        {"scopes": "sim-swap"},
        {"purpose": PURPOSE},
        {"purpose": "dpv:"},
        {"purpose": "dpv:a b"},
        {"purpose": "dpv:a\n"},
        {"requestCaptureUrl": "yes"},
        {"callbackUrl": 1},
        {"callbackUrl": "https://bank.example/" + "x" * 2048},
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_consent_is_asked_for_as_the_definition_has_it(
    world: World, own: dict[str, Any]
) -> None:
    called = await world.call(CONSENT, wanted(**own))
    assert (called.status, called.code) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://bank.example/anywhere?x=1", True),
        ("https://BANK.example:443/", True),
        ("bankapp:/done", True),
        ("bankapp://done", True),
        ("http://bank.example/", False),
        ("https://bank.example:8443/", False),
        ("https://bank.example.evil.example/", False),
        ("https://bank.example@evil.example/", False),
        ("https://evil.example\\@bank.example/", False),
        ("https://x@bank.example/", False),
        ("//bank.example/", False),
        ("javascript:alert(1)", False),
        ("data:text/html,x", False),
        ("otherapp:/done", False),
        ("https://bank.example:x/", False),
        ("https://[bank.example/", False),
        ("https://bank.example/\r\nSet-Cookie: x", False),
        ("", False),
    ],
)
def test_a_callback_is_of_an_origin_of_the_consumers(url: str, good: bool) -> None:
    assert is_callback(url, CONSUMER) is good


@pytest.mark.parametrize("path", [VERIFY, f"{SIM}/check", ROAMING, CONSENT])
async def test_an_answer_is_small_and_has_nothing_of_the_sim(world: World, path: str) -> None:
    bodies = {VERIFY: {"phoneNumber": NUMBER.e164}, CONSENT: wanted()}
    called = await world.call(path, bodies.get(path, {}))
    assert called.status == 200
    assert b"001010000000001" not in called.body
    assert NUMBER.digits.encode() not in called.body
