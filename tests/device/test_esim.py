"""eSIMs of companions and of the phone itself, asked for by operations (TS.43 §6, §7, §8)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from simgrant.domain.order import Device
from simgrant.domain.subscription import SubscriptionStatus
from simgrant.errors import StartRefused
from simgrant.flows import subscriptions
from simgrant.ports.orders import Shelf
from simgrant.ports.smdp import Cause, NotReached, Refused
from simgrant.ports.store import Change
from tests.device.esim import EID, OTHER_EID, SECOND, SETTINGS, WATCH, World, code_of, opened
from tests.device.harness import ALLOWED, NO_VOWIFI, XML, Workbench
from tests.device.partner import app_of, operate

NOT_POSSIBLE = {
    "OperationResult": "100",
    "GeneralErrorText": "This is not possible at the moment. Please contact customer care.",
}


@pytest.fixture
async def world(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    async with opened(bench, monkeypatch) as made:
        yield made


@pytest.mark.spec("TS.43 §8.1")
@pytest.mark.parametrize("app", ["ap2006", "ap2009"])
async def test_without_operation_a_phone_gets_its_token_alone(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, app: str
) -> None:
    async with opened(bench, monkeypatch, app) as world:
        answer = await world.phone.full()
        assert app_of(answer, app) == {"OperationResult": "1"}


@pytest.mark.spec("TS.43 §6.5.2")
async def test_companions_may_be_offered(world: World) -> None:
    assert await world.ask("CheckEligibility", **WATCH) == {
        "OperationResult": "1",
        "CompanionAppEligibility": "1",
        "CompanionDeviceServices": "SharedNumber,DiffNumber",
    }
    # Figures ask before they know the companion.
    assert (await world.ask("CheckEligibility"))["CompanionAppEligibility"] == "1"


@pytest.mark.spec("TS.43 §7.4", "TS.43 §6.5.3")
@pytest.mark.conforms(
    "companion.without-portal",
    "divergence.companion-info-always",
    "subscription.download-with-2-only",
    "request.companion_terminal_id",
    "request.companion_terminal_vendor",
    "request.companion_terminal_model",
    "request.companion_terminal_friendly_name",
    "request.companion_terminal_eid",
)
async def test_a_watch_gets_its_profile_without_a_portal(world: World) -> None:
    assert await world.configurations(companion_terminal_id="350000000000017") == []
    answer = await world.subscribe()
    assert (answer["OperationResult"], answer["SubscriptionResult"]) == ("1", "2")
    info = answer["DownloadInfo"]
    code = code_of(info)
    assert code.smdp_address == "smdp.example.net"
    assert set(world.books.ordered) == {info["ProfileIccid"]}
    (configuration,) = await world.configurations(companion_terminal_id="350000000000017")
    assert configuration == {
        "ICCID": info["ProfileIccid"],
        "CompanionDeviceService": "SharedNumber",
        "ServiceStatus": "1",
        "DownloadInfo": info,
        "CompanionDeviceInfo": {
            "CompanionTerminalFriendlyName": WATCH["companion_terminal_friendly_name"],
            "CompanionTerminalVendor": "ACME",
            "CompanionTerminalModel": "W1",
            "CompanionTerminalEid": EID,
        },
    }
    assert await world.ask("ManageSubscription", operation_type="4", **WATCH) == {
        "OperationResult": "1",
        "SubscriptionResult": "3",
    }
    (configuration,) = await world.configurations()
    assert "DownloadInfo" not in configuration


async def test_an_export_has_orders_and_an_erasure_ends_them(world: World) -> None:
    info = (await world.subscribe())["DownloadInfo"]
    store, ring = world.server.store.real, world.server.ring
    subscription = await subscriptions.find(store, "default", ALLOWED.digits)
    told = await subscriptions.export(store, subscription, ring)
    (order,) = told["orders"]
    assert (order["iccid"], order["eid"], order["state"]) == (info["ProfileIccid"], EID, "released")
    assert order["name"] == WATCH["companion_terminal_friendly_name"]
    assert [each["after"] for each in told["order_history"]][-1] == "released"
    # Whoever reads an export cannot download the profile with it.
    assert code_of(info).matching_id not in json.dumps(told)
    await subscriptions.erase(store, subscription, ring, now=90, switched=())
    assert await store.orders.of("default", ALLOWED) == []
    assert await store.orders.history("default", ALLOWED) == []


@pytest.mark.conforms("operations.idempotent")
async def test_the_same_request_finds_the_same_order(world: World) -> None:
    first = await world.subscribe()
    assert await world.subscribe() == first
    assert len(world.books.ordered) == 1
    both = await asyncio.gather(world.subscribe(SECOND), world.subscribe(SECOND))
    assert both[0] == both[1] or {each["SubscriptionResult"] for each in both} == {"2", "4"}
    assert len(world.books.ordered) == 2


async def test_a_line_has_no_more_devices_than_it_may(world: World) -> None:
    third = SECOND | {"companion_terminal_eid": EID[:-2] + "99", "companion_terminal_id": "x"}
    answers = await asyncio.gather(
        world.subscribe(), world.subscribe(SECOND), world.subscribe(third)
    )
    results = sorted(answer["SubscriptionResult"] for answer in answers)
    assert results == ["2", "2", "5"]
    assert (await world.ask("CheckEligibility", **third))["CompanionAppEligibility"] == "0"
    records = await world.server.records()
    details = [each.get("detail", "") for each in records]
    assert details.count("too_many_devices") == 2


@pytest.mark.spec("TS.43 §7.3")
@pytest.mark.conforms("companion.later-by-polling", "configuration.polling-ends", "annex.companion")
async def test_what_takes_longer_is_polled_for(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = "[orders]\nimmediate_s = 0.01\nmost_polls = 6\n"
    async with opened(bench, monkeypatch, more=more) as world:
        world.books.gate = asyncio.Event()
        answer = await world.subscribe()
        assert answer == {"OperationResult": "1", "SubscriptionResult": "4"}
        intervals = []
        for _ in range(5):
            (configuration,) = await world.configurations()
            assert configuration["ServiceStatus"] == "2"
            assert configuration["PollingIntervalUnit"] == "1"
            intervals.append(int(configuration["PollingInterval"]))
        assert intervals == sorted(intervals)
        assert intervals[-1] > intervals[0]
        (configuration,) = await world.configurations(**WATCH)
        assert configuration["ServiceStatus"] == "4"
        assert "PollingInterval" not in configuration
        # Another is patient enough to see it come.
        await world.subscribe(SECOND)
        (configuration,) = await world.configurations(**SECOND)
        assert configuration["ServiceStatus"] == "2"
        world.books.gate.set()
        await asyncio.wait(world.server.parts.ordering._taking.under_way)
        (configuration,) = await world.configurations(**SECOND)
        assert configuration["ServiceStatus"] == "1"
        assert code_of(configuration["DownloadInfo"]).smdp_address == "smdp.example.net"


@pytest.mark.spec("TS.43 §6.2")
@pytest.mark.conforms(
    "request.operation_type=5", "request.operation_type=6", "request.companion_terminal_iccid"
)
async def test_a_service_goes_off_and_on_and_a_profile_goes_back(world: World) -> None:
    iccid = (await world.subscribe())["DownloadInfo"]["ProfileIccid"]
    await world.ask("ManageSubscription", operation_type="4", **WATCH)
    for kind, status in (("11", "3"), ("10", "1")):
        told = await world.ask("ManageService", operation_type=kind, companion_terminal_iccid=iccid)
        assert told == {"OperationResult": "1", "ServiceStatus": status}
    for kind, status in (("6", "3"), ("5", "1")):
        told = await world.ask(
            "ManageSubscription", operation_type=kind, companion_terminal_iccid=iccid
        )
        assert told["SubscriptionResult"] == "3"
        assert (await world.configurations())[0]["ServiceStatus"] == status
    for _ in range(2):
        told = await world.ask("ManageSubscription", operation_type="1", **WATCH)
        assert told == {"OperationResult": "1", "SubscriptionResult": "3"}
    assert await world.configurations() == []
    (configuration,) = await world.configurations(**WATCH)
    assert configuration["ServiceStatus"] == "4"
    # A new one is a new profile: the old one was used.
    again = await world.subscribe()
    assert again["DownloadInfo"]["ProfileIccid"] != iccid


@pytest.mark.spec("TS.43 §7.6")
@pytest.mark.conforms(
    "companion.transfer",
    "needed.list-of-companions",
    "request.operation_type=3",
    "request.old_companion_terminal_iccid",
)
async def test_a_companion_is_changed_for_another(world: World) -> None:
    old = (await world.subscribe(companion_terminal_service="DiffNumber"))["DownloadInfo"]
    await world.ask("ManageSubscription", operation_type="4", **WATCH)
    answer = await world.ask(
        "ManageSubscription",
        operation_type="3",
        old_companion_terminal_iccid=old["ProfileIccid"],
        **SECOND,
    )
    assert answer["SubscriptionResult"] == "2"
    assert len(await world.configurations()) == 2
    await world.ask("ManageSubscription", operation_type="4", **SECOND)
    (configuration,) = await world.configurations()
    assert configuration["ICCID"] == answer["DownloadInfo"]["ProfileIccid"]
    assert configuration["CompanionDeviceService"] == "DiffNumber"


@pytest.mark.spec("TS.43 §7.6")
async def test_a_companion_that_is_changed_for_another_counts_once(world: World) -> None:
    third = SECOND | {"companion_terminal_id": "x", "companion_terminal_eid": EID[:-2] + "99"}
    iccids = []
    for device in (WATCH, SECOND):
        iccids.append((await world.subscribe(device))["DownloadInfo"]["ProfileIccid"])
        await world.ask("ManageSubscription", operation_type="4", **device)
    assert (await world.subscribe(third))["SubscriptionResult"] == "5", "two are the most"
    old = {"operation_type": "3", "old_companion_terminal_iccid": iccids[0]}
    assert (await world.ask("ManageSubscription", **old, **third))["SubscriptionResult"] == "2"
    # Until it is installed there are three, and nobody gets in by the way.
    fourth = third | {"companion_terminal_id": "y", "companion_terminal_eid": EID[:-2] + "88"}
    for asked in ({"operation_type": "0"}, old):
        told = await world.ask("ManageSubscription", **asked, **fourth)
        assert told["SubscriptionResult"] == "5"
    await world.ask("ManageSubscription", operation_type="4", **third)
    assert len(await world.configurations()) == 2


@pytest.mark.spec("TS.43 §8.3", "TS.43 §8.7")
async def test_of_two_phones_that_want_a_line_one_gets_it(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(bench, monkeypatch, "ap2009") as world:

        def transfer(terminal_id: str, eid: str) -> Any:
            return world.ask(
                "ManageSubscription",
                operation_type="3",
                old_terminal_iccid="8944500000000000991",
                target_terminal_id=terminal_id,
                target_terminal_eid=eid,
            )

        answers = await asyncio.gather(
            transfer("350000000000033", EID), transfer("350000000000041", OTHER_EID)
        )
        results = sorted(answer["SubscriptionResult"] for answer in answers)
        assert results == ["2", "5"]
        assert len(world.books.ordered) == 1
        found = await world.ask("AcquireConfiguration")
        assert found["PrimaryConfiguration"]["ServiceStatus"] == "1"


@pytest.mark.spec("TS.43 §8.5", "TS.43 §8.8")
@pytest.mark.conforms(
    "primary.transfer-last-steps", "primary.without-portal", "request.target_terminal_id"
)
async def test_a_line_moves_to_a_new_phone(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(bench, monkeypatch, "ap2009", "[orders]\nimmediate_s = 0.05\n") as world:
        device = {"target_terminal_id": "350000000000033", "target_terminal_eid": EID}
        old = {"old_terminal_iccid": "8944500000000000991"}
        world.books.gate = asyncio.Event()
        answer = await world.ask("ManageSubscription", operation_type="3", **old, **device)
        assert answer["SubscriptionResult"] == "4"
        world.books.gate.set()
        while "DownloadInfo" not in answer:
            answer = await world.ask("ManageSubscription", operation_type="3", **old, **device)
        assert answer["SubscriptionResult"] == "2"
        answer = await world.ask("ManageSubscription", operation_type="4", **device)
        assert answer["SubscriptionResult"] == "3"
        found = await world.ask("AcquireConfiguration", target_terminal_id="350000000000033")
        assert found["PrimaryConfiguration"]["ServiceStatus"] == "1"
        answer = await world.ask("AcquireConfiguration", target_terminal_id="350000000000041")
        assert answer == {"OperationResult": "1"}


@pytest.mark.parametrize(
    "service",
    [
        pytest.param(
            "SharedNumber",
            marks=pytest.mark.conforms(
                "ap2006.CompanionConfigurations/CompanionConfiguration/CompanionDeviceService=SharedNumber",
                "request.companion_terminal_service=SharedNumber",
            ),
        ),
        pytest.param(
            "DiffNumber",
            marks=pytest.mark.conforms(
                "ap2006.CompanionConfigurations/CompanionConfiguration/CompanionDeviceService=DiffNumber",
                "request.companion_terminal_service=DiffNumber",
            ),
        ),
        pytest.param(
            "FamilyNumber",
            marks=pytest.mark.conforms(
                "ap2006.CompanionConfigurations/CompanionConfiguration/CompanionDeviceService=FamilyNumber",
                "request.companion_terminal_service=FamilyNumber",
            ),
        ),
    ],
)
@pytest.mark.conforms("request.companion_terminal_service")
async def test_a_companion_has_the_service_that_was_asked_for(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, service: str
) -> None:
    every = SETTINGS.replace('"DiffNumber"]', '"DiffNumber", "FamilyNumber"]')
    monkeypatch.setattr("tests.device.esim.SETTINGS", every)
    async with opened(bench, monkeypatch) as world:
        asked = await world.subscribe(companion_terminal_service=service)
        assert asked["SubscriptionResult"] == "2"
        (configuration,) = await world.configurations()
        assert configuration["CompanionDeviceService"] == service


@pytest.mark.spec("TS.43 §8.2", "TS.43 §6.5.5")
async def test_a_phone_has_several_lines_and_one_is_the_first(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(bench, monkeypatch, "ap2009") as world:
        for terminal_id, eid in (("350000000000033", EID), ("350000000000041", OTHER_EID)):
            answer = await world.ask(
                "ManageSubscription",
                operation_type="0",
                target_terminal_id=terminal_id,
                target_terminal_eid=eid,
            )
            assert answer["SubscriptionResult"] == "2"
        found = await world.ask("AcquireConfiguration")
        each = [entry["PrimaryConfiguration"] for entry in found["PrimaryConfigurations"]]
        assert [one.get("SecondaryICCID") for one in each] == [None, "1"]
        assert "CompanionDeviceService" not in each[0]
        assert (await world.ask("CheckEligibility"))["PrimaryAppEligibility"] == "1"


@pytest.mark.spec("TS.43 §8.13")
@pytest.mark.conforms("primary.recovery", "request.operation_type=7", "request.terminal_iccid")
async def test_a_removed_profile_is_had_anew(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(bench, monkeypatch, "ap2009") as world:
        device = {"target_terminal_id": "350000000000033", "target_terminal_eid": EID}
        await world.ask("ManageSubscription", operation_type="3", **device)
        await world.ask("ManageSubscription", operation_type="4", **device)
        (old,) = world.books.ordered
        answer = await world.ask(
            "ManageSubscription", operation_type="7", terminal_iccid=old, **device
        )
        assert answer["SubscriptionResult"] == "2"
        assert answer["DownloadInfo"]["ProfileIccid"] != old


@pytest.mark.conforms("subscription.smdp-with-profile", "request.target_terminal_eid")
async def test_the_smdp_is_named_in_the_place_of_a_code_where_that_is_wanted(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = 'download = "smdp_address"\n'
    async with opened(bench, monkeypatch, "ap2009", more) as world:
        device = {"target_terminal_id": "350000000000033"}
        answer = await world.ask("ManageSubscription", operation_type="0", **device)
        assert answer == {"OperationResult": "102"}
        answer = await world.ask(
            "ManageSubscription", operation_type="0", target_terminal_eid=EID, **device
        )
        assert answer["DownloadInfo"] == {
            "ProfileIccid": answer["DownloadInfo"]["ProfileIccid"],
            "ProfileSmdpAddress": "smdp.example.net",
        }


@pytest.mark.parametrize(
    ("parameters", "result"),
    [
        ({"operation_type": "0"}, "102"),
        ({"operation_type": "0"} | WATCH | {"companion_terminal_eid": "8904"}, "102"),
        ({"operation_type": "0"} | WATCH | {"companion_terminal_service": "FamilyNumber"}, "102"),
        ({"operation_type": "8"} | WATCH, "101"),
        ({"operation_type": "-1"} | WATCH, "101"),
        ({"operation_type": "٣"} | WATCH, "101"),
        pytest.param(
            {"operation_type": "2"} | WATCH,
            "103",
            marks=pytest.mark.conforms("document.APPLICATION/OperationResult=103"),
        ),
        ({"operation_type": "1"} | WATCH, "102"),
        ({"operation_type": "5", "companion_terminal_iccid": "8944500000000000099"}, "102"),
        ({"operation_type": "3"} | WATCH, "102"),
        (
            {"operation_type": "3", "old_companion_terminal_iccid": "8944500000000000099"} | WATCH,
            "102",
        ),
        pytest.param({}, "102", marks=pytest.mark.conforms("needed.operation-type")),
    ],
)
async def test_what_makes_no_sense_is_refused_and_orders_nothing(
    world: World, parameters: dict[str, str], result: str
) -> None:
    answer = await world.ask("ManageSubscription", **parameters)
    assert answer == {"OperationResult": result}
    assert world.books.calls == []
    assert await world.server.store.real.orders.of("default", ALLOWED) == []


@pytest.mark.conforms("divergence.operations-refused-in-200")
async def test_what_is_somebody_elses_is_not_found(world: World) -> None:
    iccid = (await world.subscribe())["DownloadInfo"]["ProfileIccid"]
    other = world.phone.but(imsi=NO_VOWIFI)
    token = await other.token()
    for operation, kind in (("ManageService", "11"), ("ManageSubscription", "1")):
        answer = await operate(
            other, token, operation, operation_type=kind, companion_terminal_iccid=iccid
        )
        assert app_of(answer, "ap2006") == {"OperationResult": "102"}
    assert (await world.configurations())[0]["ServiceStatus"] == "1"


@pytest.mark.conforms("ap2006.GeneralErrorText")
async def test_a_plan_without_companions_gets_none(world: World) -> None:
    other = world.phone.but(imsi=NO_VOWIFI)
    token = await other.token()
    answer = await operate(other, token, "CheckEligibility", **WATCH)
    assert app_of(answer, "ap2006")["CompanionAppEligibility"] == "2"
    answer = await operate(other, token, "ManageSubscription", operation_type="0", **WATCH)
    assert app_of(answer, "ap2006") == NOT_POSSIBLE
    assert world.books.calls == []


async def test_a_suspended_line_orders_nothing(world: World) -> None:
    await world.server.store.real.change(
        "default", ALLOWED, Change(status=SubscriptionStatus.SUSPENDED), now=1
    )
    assert await world.subscribe() == NOT_POSSIBLE
    assert world.books.calls == []


@pytest.mark.parametrize(
    ("fate", "result"),
    [
        (NotReached(), "4"),
        (
            Refused(Cause.CONFIGURATION, subject="8.2.5", reason_code="3.9", for_operator=""),
            "5",
        ),
        (Refused(Cause.OUT_OF_STOCK, subject="8.2.5", reason_code="3.7", for_operator=""), "4"),
    ],
)
async def test_a_failing_smdp_is_waited_for_or_ends_it(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, fate: Exception, result: str
) -> None:
    async with opened(bench, monkeypatch) as world:
        world.books.fates = [fate]
        answer = await world.subscribe()
        assert answer == {"OperationResult": "1", "SubscriptionResult": result}


async def test_without_stock_a_device_is_dismissed(world: World) -> None:
    orders = world.server.store.real.orders
    while (await orders.stock("default"))[-1] != Shelf("main", "watch", 0, 4):
        from tests.conformance.test_store_orders import an_order

        order = an_order(f"eid {len(await orders.of('default', NO_VOWIFI))}")
        order = replace(order, device=Device("x", None))
        await orders.make("default", NO_VOWIFI, order, instead_of=None, due_at=None)
    assert await world.subscribe() == {"OperationResult": "1", "SubscriptionResult": "5"}
    assert (await world.server.records())[-1]["detail"] == "no_stock"


async def test_xml_says_the_same(world: World) -> None:
    await world.subscribe()
    answer = await operate(world.phone.but(wanted=XML), world.token, "AcquireConfiguration")
    assert b'<characteristic type="CompanionConfigurations">' in answer.content
    # As Android's reader takes it: only the ampersand is an entity.
    assert "value='My \u2039b>\"watch\"\u2039/b> &amp; \u231a'".encode() in answer.content


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ('[esim.x]\nsmdp = "none"\n', "esim.x.smdp: there is no"),
        ('[esim.x]\nsmdp = "main"\n', "esim.x.profile_type: must be set"),
        (
            '[esim.x]\nsmdp = "main"\nprofile_type = "p"\nservices = []\n',
            "esim.x.services: a companion needs one",
        ),
        (
            '[esim.x]\nsmdp = "main"\nprofile_type = "p"\n'
            '[esim.y]\nsmdp = "main"\nprofile_type = "q"\n',
            r"esim.y \(companion\): esim.x \(companion\) has the tenant default already",
        ),
    ],
)
def test_settings_that_make_no_sense_stop_the_start(
    bench: Workbench, settings: str, says: str
) -> None:
    smdp = SETTINGS[: SETTINGS.index("[esim.watch]")]
    with pytest.raises(StartRefused, match=says):
        bench.loaded(smdp + settings)
