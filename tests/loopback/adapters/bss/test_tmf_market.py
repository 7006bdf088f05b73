"""What a BSS sells (TMF620), who may have it (TMF679), and what it switches (TMF640)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest

from simgrant.adapters.bss.tmf import activation, offers, qualification
from simgrant.adapters.bss.tmf.activation import TmfActivation
from simgrant.adapters.bss.tmf.offers import TmfOffers
from simgrant.adapters.bss.tmf.qualification import TmfJudge
from simgrant.domain.order import Device, Kind
from simgrant.domain.plan_offer import PlanOffer
from simgrant.errors import EcsError, PeerMisbehaved, PeerUnavailable
from simgrant.identities import Eid, Iccid, Imsi, Msisdn
from simgrant.ports.activation import Switched
from simgrant.ports.eligibility import ChecksEligibility, Prospect, Qualification
from simgrant.ports.network_data import Subscriber
from simgrant.sim.bss.faults import Fault, Plan
from simgrant.sim.bss.server import Bss
from simgrant.spec.ids import ProvStatus
from simgrant.wire.tmf.apis import Api
from simgrant.wire.tmf.inventory import ProductStatus, ServiceState
from simgrant.wire.tmf.qualification import OLD_RESOURCE
from tests.clocks import MachineClock
from tests.tmf import PRODUCTS, WHO, link_to, running, soon

STRANGER = Subscriber(Imsi("001010999999999"), Msisdn("447700999999"))
DEVICE = Device("350000000000017", Eid("89049032123451234512345678901235"), "ACME", "W1")
PROSPECT = Prospect(app_id="ap2006", kind=Kind.SUBSCRIBE, device=DEVICE)
TROUBLE = {
    Fault.BUSY: PeerUnavailable,
    Fault.RESET: PeerUnavailable,
    Fault.THROTTLED: PeerUnavailable,
    Fault.GARBAGE: PeerMisbehaved,
    Fault.EMPTY: PeerMisbehaved,
    Fault.NONSENSE: PeerMisbehaved,
    Fault.WRONG_TYPE: PeerMisbehaved,
    Fault.HUGE: PeerMisbehaved,
}


@pytest.fixture
async def bss() -> AsyncIterator[Bss]:
    async with running() as found:
        yield found


# --- qualification ------------------------------------------------------------------------


@pytest.fixture
async def judge(bss: Bss) -> AsyncIterator[TmfJudge]:
    config = qualification.Config(path=Api.QUALIFICATION, offerings={"ap2006": "watch"})
    found = TmfJudge(link_to(bss.web.url), (PRODUCTS,), config, MachineClock())
    yield found
    await found.close()


async def test_who_qualifies(bss: Bss, judge: TmfJudge) -> None:
    assert isinstance(judge, ChecksEligibility)
    assert await judge.qualify(WHO, PROSPECT, deadline=soon()) == Qualification(qualified=True)
    (seen,) = bss.seen
    assert seen.target == f"{Api.QUALIFICATION}/checkProductOfferingQualification"
    content = json.loads(seen.body)
    (item,) = content.pop("checkProductOfferingQualificationItem")
    assert content == {
        "instantSyncQualification": True,
        "provideAlternative": False,
        "provideUnavailabilityReason": True,
    }
    assert item["productOffering"] == {"id": "watch"}
    told = {each["name"]: each["value"] for each in item["product"]["productCharacteristic"]}
    assert WHO.msisdn is not None
    assert DEVICE.eid is not None
    assert told == {
        "imsi": WHO.imsi.digits,
        "msisdn": WHO.msisdn.digits,
        "eid": DEVICE.eid.digits,
        "imei": DEVICE.terminal_id,
        "deviceVendor": "ACME",
        "deviceModel": "W1",
        "orderKind": "subscribe",
    }


async def test_who_does_not_qualify_is_told_why(bss: Bss, judge: TmfJudge) -> None:
    line = bss.lines.find(imsi=WHO.imsi.digits)
    assert line is not None
    line.state = ProductStatus.SUSPENDED
    found = await judge.qualify(WHO, PROSPECT, deadline=soon())
    assert found == Qualification(qualified=False, reason="the line is not active")


async def test_before_a_device_is_known(judge: TmfJudge) -> None:
    prospect = Prospect(app_id="ap2009", kind=Kind.TRANSFER)
    assert await judge.qualify(WHO, prospect, deadline=soon()) is not None


async def test_somebody_that_there_is_not(judge: TmfJudge) -> None:
    assert await judge.qualify(STRANGER, PROSPECT, deadline=soon()) is None


async def test_the_older_name_of_the_task(bss: Bss) -> None:
    config = qualification.Config(path=Api.QUALIFICATION, resource=OLD_RESOURCE)
    judge = TmfJudge(link_to(bss.web.url), (), config, MachineClock())
    assert await judge.qualify(WHO, PROSPECT, deadline=soon()) == Qualification(qualified=True)
    await judge.close()


async def test_nothing_about_another_subscriber_is_believed(bss: Bss, judge: TmfJudge) -> None:
    bss.plan = Plan(fault=Fault.OTHER_SUBSCRIBER)
    with pytest.raises(PeerMisbehaved) as caught:
        await judge.qualify(WHO, PROSPECT, deadline=soon())
    assert caught.value.reason == "bss_other_subscriber"


@pytest.mark.parametrize(
    "told",
    [
        {"state": "inProgress"},
        {"qualificationResult": "maybe"},
        {"checkProductOfferingQualificationItem": [{"id": "1"}, {"id": "2"}]},
    ],
)
async def test_what_judges_nothing_is_refused(
    bss: Bss, judge: TmfJudge, told: dict[str, object]
) -> None:
    bss.canned = json.dumps(told).encode()
    with pytest.raises(PeerMisbehaved):
        await judge.qualify(WHO, PROSPECT, deadline=soon())


@pytest.mark.parametrize("fault", TROUBLE)
async def test_trouble_with_judging(bss: Bss, judge: TmfJudge, fault: Fault) -> None:
    bss.plan = Plan(fault=fault)
    await _fails(TROUBLE[fault], lambda: judge.qualify(WHO, PROSPECT, deadline=soon()))


# --- offers ---------------------------------------------------------------------------------


@pytest.fixture
async def catalogue(bss: Bss) -> AsyncIterator[TmfOffers]:
    config = offers.Config(
        path=Api.OFFERING, filters=[("category.id", "plans")], plans={"premium": "best"}
    )
    found = TmfOffers(link_to(bss.web.url), config, MachineClock())
    yield found
    await found.close()


async def test_what_is_sold(bss: Bss, catalogue: TmfOffers) -> None:
    found = await catalogue.offers(deadline=soon())
    assert [each.plan_id for each in found] == ["standard", "basic", "home", "data", "best"]
    assert found[-1] == PlanOffer("best", "Premium", "Everything")
    assert "category.id=plans" in bss.seen[0].target


SOLD = {"id": "a", "name": "A", "lifecycleStatus": "Active"}


@pytest.mark.parametrize(
    ("told", "plans"),
    [
        ([SOLD], ["a"]),
        ([{"id": "a", "name": "A"}], ["a"]),
        ([SOLD | {"lifecycleStatus": "Retired"}], []),
        ([SOLD | {"isSellable": False}], []),
        ([SOLD | {"validFor": {"endDateTime": "2001-01-01T00:00:00Z"}}], []),
        ([SOLD | {"validFor": {"startDateTime": "2999-01-01"}}], []),
        ([SOLD | {"validFor": {"startDateTime": "2001-01-01"}}], ["a"]),
        ([SOLD, SOLD], ["a"]),
        ([], []),
    ],
)
async def test_what_is_sold_now(
    bss: Bss, catalogue: TmfOffers, told: list[object], plans: list[str]
) -> None:
    bss.canned = json.dumps(told).encode()
    assert [each.plan_id for each in await catalogue.offers(deadline=soon())] == plans


@pytest.mark.parametrize(
    "told",
    [
        [SOLD | {"id": ""}],
        [SOLD | {"id": "x" * 65}],
        [SOLD | {"name": "\n"}],
        [SOLD | {"id": str(number)} for number in range(51)],
    ],
)
async def test_offers_of_no_use(bss: Bss, catalogue: TmfOffers, told: list[object]) -> None:
    bss.canned = json.dumps(told).encode()
    with pytest.raises(PeerMisbehaved):
        await catalogue.offers(deadline=soon())


async def test_texts_of_others_are_one_line(bss: Bss, catalogue: TmfOffers) -> None:
    bss.canned = json.dumps([SOLD | {"description": "a\u202e\nb " + "c" * 600}]).encode()
    (found,) = await catalogue.offers(deadline=soon())
    assert found.description.startswith("a b ccc")
    assert len(found.description) == 512


@pytest.mark.parametrize("fault", TROUBLE)
async def test_trouble_with_offers(bss: Bss, catalogue: TmfOffers, fault: Fault) -> None:
    bss.plan = Plan(fault=fault)
    await _fails(TROUBLE[fault], lambda: catalogue.offers(deadline=soon()))


# --- activation -------------------------------------------------------------------------------

CONFIG = activation.Config(path=Api.ACTIVATION, patience_s=5, poll_s=0.01)
ON, OFF = Switched(status=ProvStatus.PROVISIONED), Switched(status=ProvStatus.NOT_PROVISIONED)


@pytest.fixture
async def network(bss: Bss) -> AsyncIterator[TmfActivation]:
    found = TmfActivation(link_to(bss.web.url), CONFIG, MachineClock())
    yield found
    await found.close()


def state_of(bss: Bss) -> ServiceState:
    line = bss.lines.find(imsi=WHO.imsi.digits)
    assert line is not None
    return line.vowifi


@pytest.mark.parametrize("left", [0, 1, 3])
@pytest.mark.parametrize("begun", [ServiceState.TERMINATED, ServiceState.INACTIVE])
async def test_on_and_off_again(
    bss: Bss, network: TmfActivation, left: int, begun: ServiceState
) -> None:
    bss.network.left = left
    line = bss.lines.find(imsi=WHO.imsi.digits)
    assert line is not None
    line.vowifi = begun
    assert await network.switch(WHO, on=True, deadline=soon()) == ON
    assert state_of(bss) is ServiceState.ACTIVE
    assert await network.switch(WHO, on=True, deadline=soon()) == ON
    assert await network.switch(WHO, on=False, deadline=soon()) == OFF
    assert state_of(bss) is ServiceState.INACTIVE
    switched = [each.method for each in bss.seen if each.method in ("POST", "PATCH")]
    assert switched == ["POST" if begun is ServiceState.TERMINATED else "PATCH", "PATCH"]
    created = next(each for each in bss.seen if each.method in ("POST", "PATCH"))
    content = json.loads(created.body)
    assert content["state"] == "active"
    if created.method == "POST":
        assert content["serviceSpecification"] == {"id": "vowifi"}


async def test_a_device_s_service_is_found_by_its_profile(bss: Bss) -> None:
    config = replace(CONFIG, specification="companion", iccid="iccid")
    found = TmfActivation(link_to(bss.web.url), config, MachineClock())
    first, second = Iccid("8944500000000000017"), Iccid("8944500000000000025")
    for iccid, on in ((first, True), (second, True), (first, False)):
        told = await found.switch(WHO, on=on, deadline=soon(), iccid=iccid)
        assert told == (ON if on else OFF)
    await found.close()
    states = {iccid: each.state for iccid, each in bss.network.devices.items()}
    assert states == {
        first.digits: ServiceState.INACTIVE,
        second.digits: ServiceState.ACTIVE,
    }
    made = [json.loads(each.body) for each in bss.seen if each.method == "POST"]
    values = {each["name"]: each["value"] for each in made[0]["serviceCharacteristic"]}
    assert values == {
        "iccid": first.digits,
        "imsi": WHO.imsi.digits,
        "msisdn": WHO.msisdn.digits if WHO.msisdn else "",
    }
    assert state_of(bss) is ServiceState.ACTIVE


async def test_what_takes_long_goes_on(bss: Bss, network: TmfActivation) -> None:
    bss.network.left = 1000
    impatient = TmfActivation(
        link_to(bss.web.url), replace(CONFIG, patience_s=0.05), MachineClock()
    )
    found = await impatient.switch(WHO, on=False, deadline=soon())
    await impatient.close()
    assert found.status is ProvStatus.IN_PROGRESS
    bss.network.hurry()
    assert await network.progress(found.watch, on=False, deadline=soon()) == OFF
    assert state_of(bss) is ServiceState.INACTIVE


async def test_what_fails_is_as_it_was(bss: Bss, network: TmfActivation) -> None:
    bss.network.left, bss.network.fails = 1, True
    found = await network.switch(WHO, on=False, deadline=soon())
    assert found == Switched(status=ProvStatus.PROVISIONED, failed=True)
    assert state_of(bss) is ServiceState.ACTIVE


async def test_what_there_is_not_need_not_be_switched_off(bss: Bss, network: TmfActivation) -> None:
    bss.plan = Plan(fault=Fault.NOBODY)
    assert await network.switch(WHO, on=False, deadline=soon()) == OFF
    assert {each.method for each in bss.seen} == {"GET"}


async def test_a_lost_answer_switches_nothing_twice(bss: Bss, network: TmfActivation) -> None:
    line = bss.lines.find(imsi=WHO.imsi.digits)
    assert line is not None
    line.vowifi = ServiceState.TERMINATED
    bss.plan = Plan(fault=Fault.LOST, method="POST", times=1)
    with pytest.raises(PeerUnavailable):
        await network.switch(WHO, on=True, deadline=soon())
    assert await network.switch(WHO, on=True, deadline=soon()) == ON
    assert [each.method for each in bss.seen].count("POST") == 1


async def test_the_service_of_another_is_left_alone(bss: Bss, network: TmfActivation) -> None:
    bss.plan = Plan(fault=Fault.OTHER_SUBSCRIBER)
    with pytest.raises(PeerMisbehaved):
        await network.switch(WHO, on=False, deadline=soon())
    assert {each.method for each in bss.seen} == {"GET"}


# 200 without a body says that it is done.
@pytest.mark.parametrize("fault", [each for each in TROUBLE if each is not Fault.EMPTY])
async def test_trouble_with_switching(bss: Bss, network: TmfActivation, fault: Fault) -> None:
    bss.plan = Plan(fault=fault, method="PATCH")
    await _fails(TROUBLE[fault], lambda: network.switch(WHO, on=False, deadline=soon()))


async def test_a_plain_patch_for_servers_that_know_no_other(bss: Bss) -> None:
    config = replace(CONFIG, patch="application/json")
    network = TmfActivation(link_to(bss.web.url), config, MachineClock())
    assert await network.switch(WHO, on=False, deadline=soon()) == OFF
    assert bss.seen[-1].headers["content-type"] == "application/json"
    await network.close()


async def _fails(error: type[EcsError], call: Callable[[], Awaitable[object]]) -> None:
    with pytest.raises(error) as caught:
        await call()
    assert WHO.imsi.digits not in f"{caught.value!r} {caught.value.for_operator}"
