"""What systems are told of an enterprise's eSIMs, whole documents: review them when they change.

``make golden`` writes them anew. Matching ids and tokens are random; a name stands for each.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tests.conftest import Golden
from tests.device.fleet import SECOND, SETTINGS, TABLET, World, opened
from tests.device.harness import JSON, XML, Workbench
from tests.device.test_golden_esim import file_of, shown

Step = tuple[str, dict[str, str]]
_SUBSCRIBE: Step = ("ManageSubscription", {"operation_type": "0"} | TABLET)
_UPDATE: Step = ("ManageSubscription", {"operation_type": "4"} | TABLET)
_OFF: Step = ("ManageSubscription", {"operation_type": "6"} | TABLET)
_GIVE_UP: Step = ("ManageSubscription", {"operation_type": "1"} | TABLET)
_ANOTHER: Step = ("ManageSubscription", {"operation_type": "0"} | SECOND)
_HOW_FAR: Step = ("AcquireConfiguration", TABLET)
_ASK: Step = ("CheckEligibility", {})

AT_ONCE = [
    ("authenticated", [("", {})]),
    pytest.param(
        "eligible",
        [_ASK],
        marks=pytest.mark.conforms(
            "ap2011.EnterpriseAppEligibility",
            "ap2011.EnterpriseAppEligibility=1",
        ),
    ),
    pytest.param(
        "too-many",
        [_SUBSCRIBE, _ASK],
        marks=pytest.mark.conforms("ap2011.EnterpriseAppEligibility=0"),
    ),
    pytest.param(
        "plans",
        [("AcquirePlan", {})],
        marks=pytest.mark.conforms(
            "ap2011.PlanOffers/PlanOffer/*", "operations.AcquirePlan", "plan.asked", "plan.answered"
        ),
    ),
    pytest.param(
        "download",
        [_SUBSCRIBE],
        marks=pytest.mark.conforms(
            "ap2011.SubscriptionResult",
            "ap2011.SubscriptionResult=2",
            "ap2011.DownloadInfo/ProfileIccid",
            "ap2011.DownloadInfo/ProfileActivationCode",
        ),
    ),
    pytest.param(
        "done",
        [_SUBSCRIBE, _UPDATE],
        marks=pytest.mark.conforms("ap2011.SubscriptionResult=3"),
    ),
    pytest.param(
        "dismissed",
        [_SUBSCRIBE, _ANOTHER],
        marks=pytest.mark.conforms("ap2011.SubscriptionResult=5"),
    ),
    ("configuration-none", [_HOW_FAR]),
    pytest.param(
        "configuration-ready",
        [_SUBSCRIBE, _HOW_FAR],
        marks=pytest.mark.conforms(
            "configuration.EnterpriseConfiguration",
            "ap2011.EnterpriseConfiguration/ICCID",
            "ap2011.EnterpriseConfiguration/ServiceStatus",
            "ap2011.EnterpriseConfiguration/ServiceStatus=1",
            "ap2011.EnterpriseConfiguration/DownloadInfo/ProfileIccid",
            "ap2011.EnterpriseConfiguration/DownloadInfo/ProfileActivationCode",
        ),
    ),
    ("configuration-installed", [_SUBSCRIBE, _UPDATE, _HOW_FAR]),
    pytest.param(
        "configuration-off",
        [_SUBSCRIBE, _UPDATE, _OFF, _HOW_FAR],
        marks=pytest.mark.conforms("ap2011.EnterpriseConfiguration/ServiceStatus=3"),
    ),
    pytest.param(
        "configuration-given-up",
        [_SUBSCRIBE, _UPDATE, _GIVE_UP, _HOW_FAR],
        marks=pytest.mark.conforms("ap2011.EnterpriseConfiguration/ServiceStatus=4"),
    ),
    ("parameter-missing", [("ManageSubscription", {"operation_type": "0"})]),
    ("no-such-type", [("ManageSubscription", {"operation_type": "8"} | TABLET)]),
]
SLOW = [
    pytest.param(
        "delayed", [_SUBSCRIBE], marks=pytest.mark.conforms("ap2011.SubscriptionResult=4")
    ),
    pytest.param(
        "configuration-waiting",
        [_SUBSCRIBE, _HOW_FAR],
        marks=pytest.mark.conforms(
            "ap2011.EnterpriseConfiguration/ServiceStatus=2",
            "ap2011.EnterpriseConfiguration/PollingInterval",
            "ap2011.EnterpriseConfiguration/PollingIntervalUnit",
            "ap2011.EnterpriseConfiguration/PollingIntervalUnit=1",
        ),
    ),
]
BY_ADDRESS = [
    pytest.param(
        "download-by-address",
        [_SUBSCRIBE],
        marks=pytest.mark.conforms("ap2011.DownloadInfo/ProfileSmdpAddress"),
    ),
    pytest.param(
        "configuration-by-address",
        [_SUBSCRIBE, _HOW_FAR],
        marks=pytest.mark.conforms(
            "ap2011.EnterpriseConfiguration/DownloadInfo/ProfileSmdpAddress"
        ),
    ),
]
_FEW = SETTINGS.replace("most = 3", "most = 1")
each_form = pytest.mark.parametrize("wanted", [XML, JSON])


async def _holds(world: World, steps: list[Step], golden: Golden, case: str, wanted: str) -> None:
    """Take the steps and compare what the last is answered, in the form that is wanted."""
    for operation, parameters in steps[:-1]:
        await world.ask(operation, **parameters)
    operation, parameters = steps[-1]
    answer = await replace(world, wanted=wanted).send(operation, **parameters)
    golden(file_of("ap2011", case, wanted), shown(answer))


@each_form
@pytest.mark.parametrize(("case", "steps"), AT_ONCE)
async def test_an_operation(
    bench: Workbench,
    monkeypatch: pytest.MonkeyPatch,
    golden: Golden,
    case: str,
    steps: list[Step],
    wanted: str,
) -> None:
    async with opened(bench, monkeypatch, settings=_FEW) as world:
        await _holds(world, steps, golden, case, wanted)


@each_form
@pytest.mark.parametrize(("case", "steps"), SLOW)
async def test_while_the_smdp_takes_its_time(
    bench: Workbench,
    monkeypatch: pytest.MonkeyPatch,
    golden: Golden,
    case: str,
    steps: list[Step],
    wanted: str,
) -> None:
    async with opened(bench, monkeypatch, "[orders]\nimmediate_s = 0.01\n") as world:
        world.books.gate = asyncio.Event()
        await _holds(world, steps, golden, case, wanted)
        world.books.gate.set()


@each_form
@pytest.mark.parametrize(("case", "steps"), BY_ADDRESS)
async def test_where_the_smdp_is_named_in_the_place_of_a_code(
    bench: Workbench,
    monkeypatch: pytest.MonkeyPatch,
    golden: Golden,
    case: str,
    steps: list[Step],
    wanted: str,
) -> None:
    settings = SETTINGS.replace("most = 3", 'download = "smdp_address"')
    async with opened(bench, monkeypatch, settings=settings) as world:
        await _holds(world, steps, golden, case, wanted)


@each_form
@pytest.mark.conforms("ap2011.EnterpriseAppEligibility=2", "plan.absent-when-none")
async def test_where_nothing_is_offered(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, golden: Golden, wanted: str
) -> None:
    without = SETTINGS.replace('app = "enterprise"', 'app = "primary"')
    async with opened(bench, monkeypatch, settings=without) as world:
        await _holds(world, [_ASK], golden, "not-offered", wanted)
        await _holds(world, [("AcquirePlan", {})], golden, "plans-none", wanted)
