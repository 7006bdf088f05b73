"""Data plans, carrier billing and satellites from the phone's bytes to the document and back."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from simgrant.compose import core_network
from simgrant.config.load import DEFAULT_TENANT
from simgrant.domain.holdings import (
    HeldBilling,
    HeldBoost,
    HeldSatellite,
    HeldUsage,
    Holding,
    Holdings,
    Money,
    Purchase,
)
from simgrant.domain.subscription import ConsentStatus
from simgrant.flows.explain import Inquiry, Rules, explain
from simgrant.flows.handles import Handle, pull_handle
from simgrant.identities import Imsi
from simgrant.ports.store import Change
from simgrant.spec.version import SpecVersion
from simgrant.wire.request import StoreClaim
from tests import android_reader
from tests.device.harness import JSON, START, XML, Phone, Server, Workbench, new_subscription

PREMIUM = Imsi("001010000000020")
OTHER = Imsi("001010000000021")
PORTAL = '[portal]\npublic_url = "https://portal.example.net"\n'
STORE = (("store_vendor", "Google"), ("store_user_id", "user-17"))

HELD = Holdings(
    boosts=(HeldBoost(166, Purchase.ACTIVE, until=START + 3600, at=START - 10),),
    usage=(
        HeldUsage("data", 314_572_800, 5_368_709_120, START + 86_400, at=START - 5),
        HeldUsage("nobody_knows_it", 1),
    ),
    satellite=HeldSatellite(ConsentStatus.GIVEN, at=START - 20),
    billing=(
        HeldBilling(
            "google",
            "user-17",
            ConsentStatus.GIVEN,
            spent=Money(Decimal("49.99"), "EUR"),
            resets_at=START + 86_400,
            at=START - 30,
        ),
    ),
)


async def hold(server: Server, imsi: Imsi, *holdings: Holding) -> None:
    """Let a subscription hold these as well."""
    for each in holdings:
        await server.store.real.set_holding(DEFAULT_TENANT, imsi, each)


@pytest.fixture
async def server(bench: Workbench) -> AsyncIterator[Server]:
    """A server with a portal and two subscriptions that may do everything; one holds something."""
    async with bench.opened(PORTAL) as opened:
        for imsi in (PREMIUM, OTHER):
            await opened.add(new_subscription(imsi, opened.ring, plan="premium"))
        await hold(opened, PREMIUM, *HELD.boosts, *HELD.usage, *HELD.billing)
        assert HELD.satellite is not None
        await hold(opened, PREMIUM, HELD.satellite)
        yield opened


def phone_of(server: Server, app: str, imsi: Imsi = PREMIUM, **changes: Any) -> Phone:
    changes = {"apps": (app,), "wanted": JSON, "entitlement_version": "12.0"} | changes
    return Phone(server, imsi=imsi).but(**changes)


async def told(phone: Phone) -> dict[str, Any]:
    """Return what the phone is told, which is the same by token as after an authentication."""
    full = await phone.full()
    (app,) = phone.apps
    assert full.status == 200, full
    fast = await phone.fast(full.object["Token"]["token"])
    assert set(fast.object) == {"Vers", "Token", app}
    if "ServiceFlow_UserData" not in full.object[app]:
        assert fast.object[app] == full.object[app]
    members: dict[str, Any] = fast.object[app]
    return members


@pytest.mark.spec("TS.43 §9.1.3")
@pytest.mark.conforms("annex.data-plan", "divergence.usage-end-in-utc")
async def test_each_subscription_is_told_its_own_usage(server: Server) -> None:
    phone = phone_of(server, "ap2010")
    (usage,) = (await told(phone))["DataUsageInfo"]
    assert usage["DataUsageInfoDetails"] == {
        "DataUsageType": "0",
        "DataUsageName": "Mobile data",
        "EndOfBillingCycle": "2026-11-19T11:06:40Z",
        "DataAllowanceInBytes": "5368709120",
        "DataUsedInBytes": "314572800",
    }
    as_xml = await phone.but(wanted=XML).full()
    assert as_xml.content.count(b'name="DataUsedInBytes" value="314572800"') == 1
    assert "\ue000" not in as_xml.content.decode()
    used = HeldUsage("data", 1, 5_368_709_120, START + 86_400)
    await hold(server, OTHER, used)
    (usage,) = (await told(phone_of(server, "ap2010", OTHER)))["DataUsageInfo"]
    assert usage["DataUsageInfoDetails"]["DataUsedInBytes"] == "1"


async def test_numbers_of_a_cycle_that_is_over_are_not_told(server: Server) -> None:
    token = await phone_of(server, "ap2010").token()
    server.clock.advance(86_400)
    answer = await phone_of(server, "ap2010").fast(token)
    assert "DataUsageInfo" not in answer.object["ap2010"]


@pytest.mark.spec("TS.43 §9.11")
async def test_a_boost_ends_by_itself_and_is_for_sale_again(server: Server) -> None:
    phone = phone_of(server, "ap2010", extra=(("boost_type", "0"),), entitlement_version="2.0")
    answer = await phone.full()
    assert android_reader.purchase(answer.content) == android_reader.PURCHASED
    token = answer.object["Token"]["token"]
    server.clock.advance(3599)
    still = await phone.fast(token)
    assert android_reader.purchase(still.content) == android_reader.PURCHASED
    server.clock.advance(1)
    over = await phone.fast(token)
    assert android_reader.purchase(over.content) == android_reader.WEB_VIEW


@pytest.mark.spec("TS.43 §9.7")
@pytest.mark.conforms("request.boost_type", "data-plan.real-time-asked")
@pytest.mark.parametrize("number", ["0", "166"])
async def test_0_and_166_are_the_same_boost(server: Server, number: str) -> None:
    phone = phone_of(server, "ap2010", OTHER, extra=(("boost_type", number),))
    found = await told(phone)
    assert (found["EntitlementStatus"], found["ProvStatus"]) == ("1", "0")
    assert found["ServiceFlow_URL"] == "https://portal.example.net/data-plan"


def opened_page(server: Server, user_data: str) -> Handle:
    """Return what a page's user data say to whoever has the keys."""
    assert user_data.startswith("encodedValue=")
    posted = json.loads(base64.b64decode(user_data.removeprefix("encodedValue="), validate=True))
    return pull_handle(posted["flow"], server.parts.keys, now=server.clock.now())[1]


@pytest.mark.conforms("data-plan.page", "answer.encoded-values", "divergence.page-user-data-json")
async def test_a_page_is_told_which_boost_it_sells(server: Server) -> None:
    phone = phone_of(server, "ap2010", OTHER, extra=(("boost_type", "0"),))
    found = await told(phone)
    handle = opened_page(server, found["ServiceFlow_UserData"])
    assert (handle.app_id, handle.imsi, handle.about) == ("ap2010", OTHER, ("166",))
    assert handle.terminal_id == phone.terminal_id


async def test_what_a_boost_asks_changes_nothing_for_other_applications(server: Server) -> None:
    phone = phone_of(server, "ap2016", extra=(("boost_type", "junk"), ("store_vendor", "x" * 500)))
    assert (await told(phone))["EntitlementStatus"] == "1"


@pytest.mark.parametrize("number", ["256", "-1", "1.5", "x", "٣", "1e2", "0x1", "9999999999"])
async def test_a_boost_type_that_is_none_is_refused_before_any_challenge(
    server: Server, number: str
) -> None:
    answer = await phone_of(server, "ap2010", extra=(("boost_type", number),)).begin()
    assert answer.status == 400
    (record,) = await server.records()
    assert record["outcome"] == "bad_boost_type"


@pytest.mark.spec("TS.43 §11.3.4")
@pytest.mark.conforms(
    "request.store_vendor", "request.store_user_id", "billing.asked", "annex.carrier-billing"
)
async def test_who_agreed_can_purchase_at_that_store_alone(server: Server) -> None:
    assert (await told(phone_of(server, "ap2012", extra=STORE)))["EntitlementStatus"] == "1"
    others = (
        (("store_vendor", "google"), ("store_user_id", "user-18")),
        (("store_vendor", "google"), ("store_user_id", "USER-17")),
        (("store_vendor", "samsung"), ("store_user_id", "user-17")),
    )
    for extra in others:
        found = await told(phone_of(server, "ap2012", extra=extra))
        assert (found["EntitlementStatus"], found["TC_Status"]) == ("0", "0")
        assert "up to 50.00 EUR" in found["MSG"]["Message"]
        assert (await told(phone_of(server, "ap2012", OTHER, extra=STORE)))["TC_Status"] == "0"


@pytest.mark.conforms("answer.encoded-values", "divergence.page-user-data-json")
async def test_the_page_is_told_which_store_it_is_about(server: Server) -> None:
    found = await told(phone_of(server, "ap2012", OTHER, extra=STORE))
    handle = opened_page(server, found["ServiceFlow_UserData"])
    assert (handle.app_id, handle.about) == ("ap2012", ("google", "user-17"))


@pytest.mark.conforms(
    "billing.accepted-by-message",
    "billing.per-store-user",
    "request.MSG_btn",
    "request.MSG_btn=0",
    "request.MSG_btn=1",
)
@pytest.mark.spec("TS.43 §11.1.3")
async def test_who_presses_a_button_has_decided(server: Server) -> None:
    phone = phone_of(server, "ap2012", OTHER, extra=STORE)
    token = await phone.token()
    before = await phone.fast(token)
    assert before.object["ap2012"]["TC_Status"] == "0"
    server.clock.advance(5)
    agreed = await phone.fast(token, extra=(*STORE, ("MSG_btn", "1")))
    assert (agreed.object["ap2012"]["EntitlementStatus"], agreed.object["ap2012"]["TC_Status"]) == (
        "1",
        "1",
    )
    assert int(agreed.object["Vers"]["version"]) > int(before.object["Vers"]["version"])
    again = await phone.fast(token)
    assert again.object["ap2012"] == agreed.object["ap2012"]
    assert again.object["Vers"]["version"] == agreed.object["Vers"]["version"]
    elsewhere = phone_of(server, "ap2012", OTHER, extra=(STORE[0], ("store_user_id", "user-18")))
    assert (await told(elsewhere))["TC_Status"] == "0"
    refused = await phone.fast(token, extra=(*STORE, ("MSG_btn", "0")))
    assert refused.object["ap2012"]["TC_Status"] == "0"


async def test_what_was_spent_stays_when_terms_are_answered_again(server: Server) -> None:
    phone = phone_of(server, "ap2012", extra=(*STORE, ("MSG_btn", "1")))
    await phone.full()
    held = await server.store.real.holdings(DEFAULT_TENANT, PREMIUM)
    assert [each.spent for each in held.billing] == [HELD.billing[0].spent]


async def test_a_button_for_a_store_that_is_not_offered_writes_nothing(bench: Workbench) -> None:
    async with bench.opened(PORTAL) as server:
        await server.add(new_subscription(OTHER, server.ring, plan="standard"))
        phone = phone_of(server, "ap2012", OTHER, extra=(*STORE, ("MSG_btn", "1")))
        assert (await phone.full()).object["ap2012"]["EntitlementStatus"] == "2"
        assert "set_holding" not in server.store.calls


async def test_a_phone_cannot_fill_the_store_with_users(server: Server) -> None:
    phone = phone_of(server, "ap2012", OTHER, extra=STORE)
    token = await phone.token()

    async def press(user: int) -> int:
        extra = (STORE[0], ("store_user_id", f"u{user}"), ("MSG_btn", "1"))
        return (await phone.fast(token, extra=extra)).status

    assert {await press(user) for user in range(32)} == {200}
    assert await press(32) == 400
    assert await press(31) == 200
    held = await server.store.real.holdings(DEFAULT_TENANT, OTHER)
    assert len(held.billing) == 32


async def test_a_plain_request_does_not_ask_what_is_held(server: Server) -> None:
    await phone_of(server, "ap2004").full()
    assert "holdings" not in server.store.calls


async def test_a_limit_that_is_reached_holds_until_the_next_cycle(server: Server) -> None:
    (row,) = HELD.billing
    spent = replace(row, spent=Money(Decimal("50.00"), "EUR"))
    await hold(server, PREMIUM, spent)
    phone = phone_of(server, "ap2012", extra=STORE)
    found = await told(phone)
    assert found["EntitlementStatus"] == "2"
    assert "limit" in found["MessageForIncompatible"]
    token = await phone.token()
    server.clock.advance(86_400)
    again = await phone.fast(token)
    assert again.object["ap2012"]["EntitlementStatus"] == "1"


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ((), "parameter_missing"),
        (STORE[:1], "parameter_missing"),
        (STORE[1:], "parameter_missing"),
        ((("store_vendor", ""), STORE[1]), "parameter_missing"),
        ((("store_vendor", "x" * 65), STORE[1]), "bad_store"),
        ((STORE[0], ("store_user_id", "x" * 257)), "bad_store"),
        ((*STORE, ("MSG_btn", "2")), "bad_msg_btn"),
        ((*STORE, ("MSG_btn", "yes")), "bad_msg_btn"),
    ],
)
async def test_a_store_that_does_not_say_who_it_is(
    server: Server, extra: tuple[tuple[str, str], ...], reason: str
) -> None:
    answer = await phone_of(server, "ap2012", extra=extra).begin()
    assert answer.status == 400
    (record,) = await server.records()
    assert record["outcome"] == reason
    assert "user-17" not in json.dumps(record)


async def test_a_bare_request_with_a_token_for_a_store_is_refused_too(server: Server) -> None:
    phone = phone_of(server, "ap2012", extra=STORE)
    token = await phone.token()
    bare = await phone.server.get(f"token={token}", ("accept", JSON))
    assert bare.status == 400


@pytest.mark.spec("TS.43 §15.2")
@pytest.mark.conforms("satmode.asked", "satmode.configuration-asked")
async def test_satellite_networks_reach_the_phone(server: Server) -> None:
    answer = await phone_of(server, "ap2016", app_name="androidSatmode").full()
    phone = android_reader.Satellite(answer.content)
    assert phone.enabled
    assert phone.metered == {"99940": False, "99941": True}
    assert phone.services["99941"] == {"sms": "", "data": "constrained", "voice": "unconstrained"}
    assert phone.barred == ["99949"]


@pytest.mark.conforms("answer.encoded-values", "divergence.page-user-data-json")
async def test_who_has_not_switched_it_on_is_sent_to_the_page(server: Server) -> None:
    found = await told(phone_of(server, "ap2016", OTHER))
    assert found["EntitlementStatus"] == "0"
    assert found["ServiceFlow_URL"] == "https://portal.example.net/satmode"
    handle = opened_page(server, found["ServiceFlow_UserData"])
    assert (handle.app_id, handle.imsi, handle.about) == ("ap2016", OTHER, ())


@pytest.mark.spec("TS.43 §2.6")
@pytest.mark.parametrize(
    ("app", "extra"),
    [
        pytest.param("ap2010", (), marks=pytest.mark.conforms("data-plan.told-of-changes")),
        pytest.param("ap2012", STORE, marks=pytest.mark.conforms("billing.told-of-changes")),
        ("ap2016", ()),
    ],
)
async def test_a_change_leads_to_a_notice_and_to_another_answer(
    server: Server, app: str, extra: tuple[tuple[str, str], ...]
) -> None:
    push = (("notif_action", "2"), ("notif_token", "FCMTOK"))
    phone = phone_of(server, app, OTHER, extra=(*extra, *push))
    before = await told(phone)
    await server.store.real.change("default", OTHER, Change(plan="data"), now=START)
    assert await server.parts.lifecycle.act()
    (notice,) = await server.store.real.claim_notices(now=2**33, again_at=2**33 + 60, limit=9)
    assert (notice.imsi, notice.app_id) == (OTHER, app)
    after = await told(phone)
    for found in (before, after):
        found.pop("ServiceFlow_UserData", None)
    assert before != after


@pytest.mark.spec("TS.43 §15.3")
@pytest.mark.conforms("satmode.how-often")
@pytest.mark.parametrize("hours", [1, 720])
async def test_how_often_a_phone_asks_is_the_operators_choice(bench: Workbench, hours: int) -> None:
    settings = f"[documents]\nvalidity_s = {hours * 3600}\nvalidity_spread = 0\n"
    async with bench.opened(settings) as server:
        phone = Phone(server, apps=("ap2016",), wanted=JSON)
        answer = await phone.full()
        assert answer.object["Vers"]["validity"] == str(hours * 3600)


async def test_all_applications_in_one_request(server: Server) -> None:
    apps = ("ap2004", "ap2003", "ap2005", "ap2010", "ap2012", "ap2016")
    for wanted in (JSON, XML):
        phone = phone_of(server, "", apps=apps, extra=STORE, wanted=wanted)
        answer = await phone.full()
        assert answer.status == 200
        if wanted == JSON:
            assert set(answer.object) == {"Vers", "Token", *apps}
        else:
            assert answer.phone.get("ap2004", "EntitlementStatus") == "1"


async def test_records_say_what_was_looked_at_and_nothing_of_the_user(server: Server) -> None:
    await told(phone_of(server, "ap2012", extra=STORE))
    *_, record = await server.records()
    assert record["facts"]["wish"] == [[None, "google"], "request"]
    assert record["facts"]["store"] == [["given", 2, "below_limit", "50.00 EUR"], "store"]
    assert record["ages"]["store"] == 30
    await told(phone_of(server, "ap2010"))
    *_, record = await server.records()
    assert record["facts"]["usage"] == [[["data", True, True]], "usage"]
    assert record["facts"]["boosts"] == [[[166, "active"]], "boosts"]
    text = json.dumps(await server.records())
    for secret in ("user-17", "314572800", PREMIUM.digits):
        assert secret not in text


async def test_records_of_other_applications_are_as_they_were(server: Server) -> None:
    await told(phone_of(server, "ap2004"))
    *_, record = await server.records()
    assert not record["facts"].keys() & {"wish", "store", "usage", "boosts", "satellite", "offer"}


@pytest.mark.parametrize(
    ("app", "boost_type", "store"),
    [("ap2010", None, ()), ("ap2010", 166, ()), ("ap2012", None, STORE), ("ap2016", None, ())],
)
@pytest.mark.parametrize("imsi", [PREMIUM, OTHER])
async def test_explain_says_what_the_phone_is_told(
    server: Server, app: str, boost_type: int | None, store: tuple[Any, ...], imsi: Imsi
) -> None:
    extra = store if boost_type is None else (("boost_type", str(boost_type)),)
    found = await told(phone_of(server, app, imsi, extra=extra))
    profile = await server.store.profile("default", imsi, "", "")
    claim = StoreClaim("google", "user-17") if store else StoreClaim("", "")
    explained = await explain(
        Inquiry(app, SpecVersion(12, 0), boost_type=boost_type, store=claim, languages=("en",)),
        profile.subscription,
        tenant=server.parts.tenancy.by_name["default"],
        policy=server.parts.policies["default"],
        portal=server.parts.portals["default"],
        store=server.store.real,
        ring=server.ring,
        rules=Rules(86_400, core_network.tellers(server.loaded)),
        now=server.clock.now(),
    )
    from simgrant.flows.explain_data import items_data

    said = items_data(explained.application.items)
    for name, value in found.items():
        if name == "ServiceFlow_UserData":
            assert said[name] == "flow=…"
        elif not name.startswith("PLMN"):
            assert said[name] == value, name
