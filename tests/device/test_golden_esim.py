"""What each operation on eSIMs answers, whole documents: review them when they change.

``make golden`` writes them anew. Matching ids and tokens are random; a name stands for each.
"""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest

from tests.conftest import Golden
from tests.device.esim import EID, OTHER_EID, SETTINGS, WATCH, World, opened
from tests.device.harness import JSON, NO_VOWIFI, XML, Answer, Workbench
from tests.device.partner import operate
from tests.device.test_golden_operations import named

Step = tuple[str, dict[str, str]]
"""An operation and its parameters: ``DEVICE`` and ``SECOND`` stand for those of a device, and
``{iccid}`` for the profile that was told last."""

DEVICE = {"device": "first"}
SECOND = {"device": "second"}
_DEVICES = {
    ("ap2006", "first"): WATCH,
    ("ap2006", "second"): WATCH
    | {"companion_terminal_id": "350000000000025", "companion_terminal_eid": OTHER_EID},
    ("ap2006", "third"): {"companion_terminal_id": "350000000000058"},
    ("ap2009", "third"): {"target_terminal_id": "350000000000066"},
    ("ap2009", "first"): {"target_terminal_id": "350000000000033", "target_terminal_eid": EID},
    ("ap2009", "second"): {
        "target_terminal_id": "350000000000041",
        "target_terminal_eid": OTHER_EID,
    },
}
_ICCID = {"ap2006": "companion_terminal_iccid", "ap2009": "target_terminal_iccid"}
_PROFILES = re.compile(rb"8944500000000\d{6}")
_CODE = re.compile(rb'(?<=ProfileActivationCode" value=")[^"]+|(?<=ProfileActivationCode":")[^"]+')

_SUBSCRIBE: Step = ("ManageSubscription", {"operation_type": "0"} | DEVICE)
_UPDATE: Step = ("ManageSubscription", {"operation_type": "4"} | DEVICE)
_GIVE_UP: Step = ("ManageSubscription", {"operation_type": "1"} | DEVICE)
_OFF: Step = ("ManageService", {"operation_type": "11", "iccid": "{iccid}"})
_ON: Step = ("ManageService", {"operation_type": "10", "iccid": "{iccid}"})
_ALL: Step = ("AcquireConfiguration", {})
_OF_DEVICE: Step = ("AcquireConfiguration", DEVICE)
_ASK: Step = ("CheckEligibility", DEVICE)
_ASK_FOR_A_THIRD: Step = ("CheckEligibility", {"device": "third"})
_ANOTHER: Step = ("ManageSubscription", {"operation_type": "0"} | SECOND)

BOTH = [
    pytest.param(
        "eligible",
        [_ASK],
        marks=pytest.mark.conforms(
            "ap2006.CompanionAppEligibility",
            "ap2006.CompanionAppEligibility=1",
            "ap2006.CompanionDeviceServices",
            "ap2009.PrimaryAppEligibility",
            "ap2009.PrimaryAppEligibility=1",
            "eligibility.asked",
            "eligibility.answered",
            "operations.CheckEligibility",
        ),
    ),
    pytest.param(
        "too-many",
        [_SUBSCRIBE, _ANOTHER, _ASK_FOR_A_THIRD],
        marks=pytest.mark.conforms(
            "ap2006.CompanionAppEligibility=0", "ap2009.PrimaryAppEligibility=0"
        ),
    ),
    pytest.param(
        "download",
        [_SUBSCRIBE],
        marks=pytest.mark.conforms(
            "ap*.SubscriptionResult",
            "ap*.SubscriptionResult=2",
            "ap*.DownloadInfo/ProfileIccid",
            "ap*.DownloadInfo/ProfileActivationCode",
            "subscription.asked",
            "subscription.answered",
            "operations.ManageSubscription",
            "request.operation_type",
            "request.operation_type=0",
        ),
    ),
    pytest.param(
        "done",
        [_SUBSCRIBE, _UPDATE],
        marks=pytest.mark.conforms("ap*.SubscriptionResult=3", "request.operation_type=4"),
    ),
    pytest.param(
        "service-off",
        [_SUBSCRIBE, _UPDATE, _OFF],
        marks=pytest.mark.conforms(
            "ap*.ServiceStatus",
            "ap*.ServiceStatus=3",
            "service.asked",
            "service.answered",
            "operations.ManageService",
            "request.target_terminal_iccid",
            "request.operation_type=11",
        ),
    ),
    pytest.param(
        "service-on",
        [_SUBSCRIBE, _UPDATE, _OFF, _ON],
        marks=pytest.mark.conforms("ap*.ServiceStatus=1", "request.operation_type=10"),
    ),
    pytest.param(
        "configuration-none",
        [_ALL],
        marks=pytest.mark.conforms("configuration.absent-when-none"),
    ),
    pytest.param(
        "configuration-ready",
        [_SUBSCRIBE, _ALL],
        marks=pytest.mark.conforms(
            "ap2006.CompanionConfigurations/CompanionConfiguration/ICCID",
            "ap2006.CompanionConfigurations/CompanionConfiguration/ServiceStatus",
            "ap2006.CompanionConfigurations/CompanionConfiguration/ServiceStatus=1",
            "ap2006.CompanionConfigurations/CompanionConfiguration/DownloadInfo/ProfileIccid",
            "ap2006.CompanionConfigurations/CompanionConfiguration/DownloadInfo/ProfileActivationCode",
            "ap2006.CompanionConfigurations/CompanionConfiguration/CompanionDeviceService",
            "ap2006.CompanionConfigurations/CompanionConfiguration/CompanionDeviceService=SharedNumber",
            "ap2006.CompanionConfigurations/CompanionConfiguration/CompanionDeviceInfo/*",
            "configuration.CompanionConfigurations/CompanionConfiguration",
            "ap2009.PrimaryConfiguration/ICCID",
            "ap2009.PrimaryConfiguration/ServiceStatus",
            "ap2009.PrimaryConfiguration/ServiceStatus=1",
            "ap2009.PrimaryConfiguration/DownloadInfo/ProfileIccid",
            "ap2009.PrimaryConfiguration/DownloadInfo/ProfileActivationCode",
            "configuration.PrimaryConfiguration",
            "configuration.asked",
            "configuration.answered",
            "operations.AcquireConfiguration",
        ),
    ),
    ("configuration-installed", [_SUBSCRIBE, _UPDATE, _ALL]),
    pytest.param(
        "configuration-off",
        [_SUBSCRIBE, _UPDATE, _OFF, _ALL],
        marks=pytest.mark.conforms(
            "ap2006.CompanionConfigurations/CompanionConfiguration/ServiceStatus=3",
            "ap2009.PrimaryConfiguration/ServiceStatus=3",
        ),
    ),
    pytest.param(
        "configuration-given-up",
        [_SUBSCRIBE, _UPDATE, _GIVE_UP, _OF_DEVICE],
        marks=pytest.mark.conforms(
            "ap2006.CompanionConfigurations/CompanionConfiguration/ServiceStatus=4",
            "ap2009.PrimaryConfiguration/ServiceStatus=4",
            "request.operation_type=1",
        ),
    ),
    pytest.param(
        "configurations",
        [_SUBSCRIBE, _UPDATE, _OFF, _ANOTHER, _ALL],
        marks=pytest.mark.conforms(
            "ap2009.PrimaryConfigurations/PrimaryConfiguration/ICCID",
            "ap2009.PrimaryConfigurations/PrimaryConfiguration/ServiceStatus",
            "ap2009.PrimaryConfigurations/PrimaryConfiguration/ServiceStatus=1",
            "ap2009.PrimaryConfigurations/PrimaryConfiguration/ServiceStatus=3",
            "ap2009.PrimaryConfigurations/PrimaryConfiguration/DownloadInfo/ProfileIccid",
            "ap2009.PrimaryConfigurations/PrimaryConfiguration/DownloadInfo/ProfileActivationCode",
            "ap2009.PrimaryConfigurations/PrimaryConfiguration/SecondaryICCID",
            "ap2009.PrimaryConfigurations/PrimaryConfiguration/SecondaryICCID=1",
            "configuration.PrimaryConfigurations/PrimaryConfiguration",
            "configuration.one-first-profile",
        ),
    ),
    ("parameter-missing", [("ManageSubscription", {"operation_type": "0"})]),
    ("no-such-type", [("ManageSubscription", {"operation_type": "8"} | DEVICE)]),
]
SLOW = [
    pytest.param(
        "delayed",
        [_SUBSCRIBE],
        marks=pytest.mark.conforms("ap*.SubscriptionResult=4"),
    ),
    pytest.param(
        "configuration-waiting",
        [_SUBSCRIBE, _ALL],
        marks=pytest.mark.conforms(
            "ap2006.CompanionConfigurations/CompanionConfiguration/ServiceStatus=2",
            "ap2006.CompanionConfigurations/CompanionConfiguration/PollingInterval",
            "ap2006.CompanionConfigurations/CompanionConfiguration/PollingIntervalUnit",
            "ap2006.CompanionConfigurations/CompanionConfiguration/PollingIntervalUnit=1",
            "ap2009.PrimaryConfiguration/ServiceStatus=2",
            "ap2009.PrimaryConfiguration/PollingInterval",
            "ap2009.PrimaryConfiguration/PollingIntervalUnit",
            "ap2009.PrimaryConfiguration/PollingIntervalUnit=1",
        ),
    ),
    pytest.param(
        "configurations-waiting",
        [_SUBSCRIBE, _ANOTHER, _ALL],
        marks=pytest.mark.conforms(
            "ap2009.PrimaryConfigurations/PrimaryConfiguration/ServiceStatus=2",
            "ap2009.PrimaryConfigurations/PrimaryConfiguration/PollingInterval",
            "ap2009.PrimaryConfigurations/PrimaryConfiguration/PollingIntervalUnit",
            "ap2009.PrimaryConfigurations/PrimaryConfiguration/PollingIntervalUnit=1",
        ),
    ),
]
BY_ADDRESS = [
    pytest.param(
        "download-by-address",
        [_SUBSCRIBE],
        marks=pytest.mark.conforms("ap*.DownloadInfo/ProfileSmdpAddress"),
    ),
    pytest.param(
        "configuration-by-address",
        [_SUBSCRIBE, _ALL],
        marks=pytest.mark.conforms(
            "ap2006.CompanionConfigurations/CompanionConfiguration/DownloadInfo/ProfileSmdpAddress",
            "ap2009.PrimaryConfiguration/DownloadInfo/ProfileSmdpAddress",
        ),
    ),
    pytest.param(
        "configurations-by-address",
        [_SUBSCRIBE, _ANOTHER, _ALL],
        marks=pytest.mark.conforms(
            "ap2009.PrimaryConfigurations/PrimaryConfiguration/DownloadInfo/ProfileSmdpAddress"
        ),
    ),
]
each_app = pytest.mark.parametrize("app", ["ap2006", "ap2009"])
each_form = pytest.mark.parametrize("wanted", [XML, JSON])


async def played(world: World, steps: list[Step], wanted: str) -> Answer:
    """Take the steps and return what the last is answered, in the form that is wanted."""
    app, iccid = world.phone.apps[0], ""
    last = len(steps) - 1
    for number, (operation, given) in enumerate(steps):
        parameters = {
            (_ICCID[app] if name == "iccid" else name): text.format(iccid=iccid)
            for name, text in given.items()
            if name != "device"
        }
        if "device" in given:
            parameters |= _DEVICES[app, given["device"]]
        phone = world.phone.but(wanted=wanted if number == last else JSON)
        answer = await operate(phone, world.token, operation, **parameters)
        if number == last:
            return answer
        found: dict[str, Any] = json.loads(answer.content)[app]
        iccid = found.get("DownloadInfo", {}).get("ProfileIccid", iccid)
    raise AssertionError("there are no steps")


def shown(answer: Answer) -> bytes:
    """Return a document with names for codes, and for the profiles in the order they are told."""
    text = _CODE.sub(b"code", named(answer))
    told = list(dict.fromkeys(_PROFILES.findall(text)))
    return _PROFILES.sub(lambda found: b"89445%014d" % told.index(found[0]), text)


def file_of(app: str, case: str, wanted: str) -> str:
    return f"{app}/{case}.{'xml' if wanted == XML else 'json'}"


@each_app
@each_form
@pytest.mark.parametrize(("case", "steps"), BOTH)
async def test_an_operation(
    bench: Workbench,
    monkeypatch: pytest.MonkeyPatch,
    golden: Golden,
    app: str,
    case: str,
    steps: list[Step],
    wanted: str,
) -> None:
    monkeypatch.setattr("tests.device.esim.SETTINGS", _few(SETTINGS))
    async with opened(bench, monkeypatch, app) as world:
        answer = await played(world, steps, wanted)
        golden(file_of(app, case, wanted), shown(answer))


@each_app
@each_form
@pytest.mark.parametrize(("case", "steps"), SLOW)
async def test_while_the_smdp_takes_its_time(
    bench: Workbench,
    monkeypatch: pytest.MonkeyPatch,
    golden: Golden,
    app: str,
    case: str,
    steps: list[Step],
    wanted: str,
) -> None:
    more = "[orders]\nimmediate_s = 0.01\n"
    async with opened(bench, monkeypatch, app, more=more) as world:
        world.books.gate = asyncio.Event()
        answer = await played(world, steps, wanted)
        golden(file_of(app, case, wanted), shown(answer))
        world.books.gate.set()


@each_app
@each_form
@pytest.mark.parametrize(("case", "steps"), BY_ADDRESS)
async def test_where_the_smdp_is_named_in_the_place_of_a_code(
    bench: Workbench,
    monkeypatch: pytest.MonkeyPatch,
    golden: Golden,
    app: str,
    case: str,
    steps: list[Step],
    wanted: str,
) -> None:
    by_address = re.sub(r"(?m)^(profile_type = .*)$", r'\1\ndownload = "smdp_address"', SETTINGS)
    monkeypatch.setattr("tests.device.esim.SETTINGS", by_address)
    async with opened(bench, monkeypatch, app) as world:
        answer = await played(world, steps, wanted)
        golden(file_of(app, case, wanted), shown(answer))


@each_app
@each_form
@pytest.mark.conforms("ap2006.OperationResult*", "ap2009.OperationResult*")
async def test_a_request_that_only_authenticates(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, golden: Golden, app: str, wanted: str
) -> None:
    async with opened(bench, monkeypatch, app) as world:
        answer = await world.phone.but(wanted=wanted).full()
        golden(file_of(app, "authenticated", wanted), shown(answer))


@each_app
@each_form
@pytest.mark.conforms(
    "ap2006.CompanionAppEligibility=2",
    "ap2009.PrimaryAppEligibility=2",
)
async def test_a_plan_without_it(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, golden: Golden, app: str, wanted: str
) -> None:
    async with opened(bench, monkeypatch, app) as world:
        other = world.phone.but(imsi=NO_VOWIFI, wanted=wanted)
        token = await other.but(wanted=JSON).token()
        answer = await operate(other, token, "CheckEligibility")
        golden(file_of(app, "not-in-plan", wanted), shown(answer))


@each_app
@each_form
@pytest.mark.conforms("ap*.SubscriptionResult=5")
async def test_a_device_that_gets_none(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, golden: Golden, app: str, wanted: str
) -> None:
    async with opened(bench, monkeypatch, app) as world:
        stock = world.server.store.real.orders
        for kind in ("watch", "phone"):
            # What others have is not free.
            await _take_all(world, kind)
        assert all(shelf.free == 0 for shelf in await stock.stock("default"))
        answer = await played(world, [_SUBSCRIBE], wanted)
        golden(file_of(app, "dismissed", wanted), shown(answer))


async def _take_all(world: World, kind: str) -> None:
    from dataclasses import replace

    from simgrant.domain.order import Device, Source
    from tests.conformance.test_store_orders import an_order

    orders = world.server.store.real.orders
    for number in range(4):
        order = replace(
            an_order(f"eid {kind} {number}"), source=Source("main", kind), device=Device("x", None)
        )
        assert await orders.make("default", NO_VOWIFI, order, instead_of=None, due_at=None)


def _few(settings: str) -> str:
    """Return settings under which a subscription has two devices of each kind at most."""
    return settings.replace('profile_type = "phone"', 'profile_type = "phone"\nmost = 2')
