"""Enterprises, whose device management gets eSIMs for their devices (TS.43 §10, ap2011)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from simgrant.domain.order import Awaited, Order, OrderState
from simgrant.domain.owner import Enterprise
from simgrant.flows.order_desk import NotPossible, OrderDesk, profile_of
from simgrant.wire.activation_code import pull_activation_code
from tests.device.esim import code_of
from tests.device.fleet import EID, SECOND, SETTINGS, TABLET, World, opened
from tests.device.harness import Workbench

pytestmark = [pytest.mark.spec("TS.43 §10")]

ICCIDS = ("8944600000000000099", "8944600000000000107", "8944600000000000115")
CODE = "LPA:1$bss.example.net$CODE-1"


@pytest.fixture
async def world(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    async with opened(bench, monkeypatch) as made:
        yield made


@pytest.mark.spec("TS.43 §10.1", "TS.43 §10.2")
@pytest.mark.conforms(
    "enterprise.prepared",
    "enterprise.activation",
    "identities.system",
    "annex.server-initiated",
    "request.enterprise_id",
    "request.enterprise_terminal_id",
    "request.enterprise_terminal_eid",
    "request.plan_id",
)
async def test_a_device_management_gets_its_tablets_online(world: World) -> None:
    told = await world.ask("CheckEligibility")
    assert told == {"OperationResult": "1", "EnterpriseAppEligibility": "1"}
    world = await world.known()
    offers = (await world.ask("AcquirePlan"))["PlanOffers"]
    assert [each["PlanOffer"]["PlanId"] for each in offers] == ["office", "travel", "meter"]
    assert await world.configuration() is None
    info = await world.subscribe(plan_id="travel")
    assert code_of(info).smdp_address == "smdp.example.net"
    assert set(world.books.ordered) == {info["ProfileIccid"]}
    (order,) = await world.orders()
    assert (order.plan, order.app_id, order.state) == ("travel", "ap2011", OrderState.RELEASED)
    assert order.device.eid is not None
    assert order.device.eid.digits == EID
    assert await world.configuration() == {
        "ICCID": info["ProfileIccid"],
        "ServiceStatus": "1",
        "DownloadInfo": info,
    }
    assert await world.manage(4) == "1/3"
    assert await world.configuration() == {"ICCID": info["ProfileIccid"], "ServiceStatus": "1"}
    assert await world.configuration(terminal_iccid=info["ProfileIccid"]) is not None
    for kind, status in ((6, "3"), (5, "1"), (1, "4"), (1, "4")):
        assert await world.manage(kind) == "1/3"
        found = await world.configuration()
        assert found is not None
        assert found["ServiceStatus"] == status
    # A new subscription is a new profile: the old one was used.
    assert (await world.subscribe())["ProfileIccid"] != info["ProfileIccid"]


@pytest.mark.conforms("operations.idempotent")
async def test_the_same_request_finds_the_same_order(world: World) -> None:
    info = await world.subscribe(plan_id="office")
    assert await world.subscribe(plan_id="office") == info
    assert await world.subscribe(SECOND | {"enterprise_terminal_id": "350000000000058"}) == info
    both = await asyncio.gather(*(world.manage(0, SECOND) for _ in range(2)))
    assert set(both) <= {"1/2", "1/4"}
    assert len(world.books.ordered) == len(await world.orders()) == 2
    assert await world.manage(0, plan_id="travel") == "102"
    assert await world.manage(0, TABLET | {"enterprise_terminal_eid": EID[:-2] + "43"}) == "102"


async def test_a_plan_decides_the_profile_and_an_unknown_one_is_refused(world: World) -> None:
    assert await world.manage(0, plan_id="gold") == "102"
    assert await world.orders() == []
    await world.subscribe(plan_id="meter")
    await world.subscribe(SECOND)
    types = {order.plan: order.source.profile_type for order in await world.orders()}
    assert types == {"meter": "iot", "": "tablet"}
    shelves = await world.server.store.real.orders.stock("default")
    assert {shelf.profile_type: shelf.taken for shelf in shelves} == {"iot": 1, "tablet": 1}


@pytest.mark.spec("TS.43 §6.2")
@pytest.mark.conforms("request.operation_type=2")
async def test_a_plan_is_changed_and_the_profile_stays(world: World) -> None:
    info = await world.subscribe(plan_id="office")
    for _ in range(2):
        assert await world.manage(2, plan_id="travel") == "1/3"
    (order,) = await world.orders()
    assert order.plan == "travel"
    assert order.iccid is not None
    assert order.iccid.digits == info["ProfileIccid"]
    store, owner = world.server.store.real.orders, world.of("acme")
    history = [each.event for each in await store.history("default", _owner(owner))]
    assert history.count("PlanChanged: travel") == 1, "what is so already is not said twice"
    for wrong in ("", "gold", "meter"):
        assert await world.manage(2, plan_id=wrong) == "102"
    assert await world.manage(2, SECOND, plan_id="office") == "102"
    await world.manage(1)
    assert await world.manage(2, plan_id="office") == "101"


def _owner(world: World) -> Enterprise:
    return Enterprise(world.enterprise)


@pytest.mark.spec("TS.43 §10.2", "TS.43 §6.5.5")
async def test_the_bss_orders_for_the_fleet_and_takes_back_what_it_gives_up(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SETTINGS.replace('smdp = "main"\nprofile_type = "tablet"', 'order_mode = "bss"')
    async with opened(bench, monkeypatch, settings=settings) as opening:
        world = await opening.known()
        store, owner = world.server.store.real.orders, Enterprise("acme")
        desk = OrderDesk(store, "default", int(bench.clock.now()))

        async def of(device: dict[str, str]) -> Order:
            (order,) = (
                each
                for each in await world.orders()
                if each.device.terminal_id == device["enterprise_terminal_id"] and not each.is_aside
            )
            return order

        async def deliver(device: dict[str, str], iccid: str) -> Order:
            profile = profile_of(iccid, activation_code=CODE)
            return await desk.deliver(await desk.find((await of(device)).order_id), profile)

        for _ in range(2):
            assert await world.manage(0, plan_id="office") == "1/4"
        found = await world.configuration()
        assert found is not None
        assert (found["ServiceStatus"], "PollingInterval" in found) == ("2", True)
        assert (await of(TABLET)).awaits is Awaited.PROFILE
        await deliver(TABLET, ICCIDS[0])
        info = await world.subscribe()
        assert info["ProfileIccid"] == ICCIDS[0]
        assert code_of(info) == pull_activation_code(CODE)
        assert await world.manage(4) == "1/3"

        # One profile is one device's, whichever enterprise asks.
        other = await world.of("globex").known()
        assert await other.manage(0, SECOND) == "1/4"
        (theirs,) = await world.orders("globex")
        whose = await desk.find(theirs.order_id)
        with pytest.raises(NotPossible, match="another order has a profile"):
            await desk.deliver(whose, profile_of(ICCIDS[0], activation_code=CODE))
        await desk.fail(whose, "no_credit")
        found = await other.configuration(**SECOND)
        assert found is not None
        assert found["ServiceStatus"] == "4"

        # The plan is the BSS's to know; another device takes the place of the first.
        assert await world.manage(2, plan_id="travel") == "1/3"
        assert await world.manage(3, SECOND, old_terminal_iccid=ICCIDS[0]) == "1/4"
        assert (await of(SECOND)).plan == "travel"
        await deliver(SECOND, ICCIDS[1])
        assert await world.manage(4, SECOND) == "1/3"
        assert (await of(TABLET)).state is OrderState.ENDED
        assert await store.live_of("default", owner) == 1
        assert await world.manage(1, SECOND) == "1/3"
        assert await store.live_of("default", owner) == 0

        # What was never installed goes back to who gave it, and is in nobody's way meanwhile.
        assert await world.manage(0, SECOND) == "1/4"
        await deliver(SECOND, ICCIDS[2])
        assert await world.manage(1, SECOND) == "1/3"
        given_up = await desk.find((await of(SECOND)).order_id)
        await world.server.parts.ordering.wait(given_up)
        assert await world.manage(0, SECOND) == "1/4"
        aside = await desk.find(given_up.order.order_id)
        assert (aside.order.is_aside, aside.order.awaits) == (True, Awaited.RETURN)
        assert (await desk.taken_back(aside)).awaits is None
        assert (await of(SECOND)).awaits is Awaited.PROFILE
        assert world.books.calls == []


@pytest.mark.conforms("enterprise.later")
async def test_what_takes_longer_is_polled_for(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(bench, monkeypatch, "[orders]\nimmediate_s = 0.01\n") as world:
        world.books.gate = asyncio.Event()
        assert await world.manage(0) == "1/4"
        found = await world.configuration()
        assert found is not None
        assert (found["ServiceStatus"], found["PollingIntervalUnit"]) == ("2", "1")
        assert int(found["PollingInterval"]) > 0
        assert await world.manage(4) == "101", "it cannot be installed yet"
        world.books.gate.set()
        await asyncio.wait(world.server.parts.ordering._taking.under_way)
        found = await world.configuration()
        assert found is not None
        assert code_of(found["DownloadInfo"]).smdp_address == "smdp.example.net"


async def test_an_enterprise_sees_and_moves_its_own_devices_only(world: World) -> None:
    info = await world.subscribe()
    await world.manage(4)
    (before,) = await world.orders()
    for stranger in (world.of("globex"), world.of("initech", "other")):
        for device in (TABLET, {"terminal_iccid": info["ProfileIccid"]}):
            assert await stranger.configuration(**device) is None
            for kind in (1, 2, 4, 5, 6):
                assert await stranger.manage(kind, device, plan_id="travel") == "102"
        new = {"enterprise_terminal_id": "x"}
        for old in ("terminal_iccid", "old_terminal_iccid"):
            for kind in (3, 7):
                assert await stranger.manage(kind, new | {old: info["ProfileIccid"]}) == "102"
        assert await stranger.orders(stranger.enterprise) == []
    assert await world.orders() == [before]
    # The same device may be another's by now, but it cannot be that of two.
    assert await world.of("globex").manage(0) == "100"
    assert await world.detail() == "eid_of_another"
    await world.manage(1)
    assert (await world.of("globex").subscribe())["ProfileIccid"] != info["ProfileIccid"]


@pytest.mark.parametrize(
    ("client", "enterprise"), [("mdm", "initech"), ("other", "acme"), ("mdm", "nobody")]
)
async def test_a_partner_acts_for_its_enterprises_only(
    world: World, client: str, enterprise: str
) -> None:
    answer = await world.of(enterprise, client).send("AcquireConfiguration", **TABLET)
    assert answer.status == 403
    token = (await world.of("acme").known()).token
    answer = await world.of(enterprise, client).send(
        "AcquireConfiguration", token=token, access_token="", **TABLET
    )
    assert answer.status == 511, "a TOKEN is of one system and one enterprise"


async def test_what_an_operation_is_not_asked_with_is_refused(world: World) -> None:
    nobody = await world.of("").known()
    for operation in ("CheckEligibility", "AcquirePlan", "AcquireConfiguration"):
        assert await nobody.ask(operation, **TABLET) == {"OperationResult": "102"}
    assert (await world.of("initech", "other").send("AcquirePlan")).status == 403
    assert await world.ask("AcquireConfiguration") == {"OperationResult": "102"}
    assert await world.ask("ManageService", operation_type="10") == {"OperationResult": "101"}
    assert await world.ask("ManageSubscription", **TABLET) == {"OperationResult": "102"}
    for wrong in ("8", "-1", "00", "x", "\u0660"):
        answer = await world.ask("ManageSubscription", operation_type=wrong, **TABLET)
        assert answer == {"OperationResult": "101"}, wrong
    for device in (
        {"enterprise_terminal_eid": EID},
        {"enterprise_terminal_id": "x" * 65},
        TABLET | {"enterprise_terminal_eid": EID[:-1]},
        TABLET | {"enterprise_terminal_eid": EID[:-1] + "x"},
    ):
        assert await world.manage(0, device) == "102", device
    for kind in (1, 2, 4, 5, 6, 7):
        assert await world.manage(kind, plan_id="office") == "102", "there is no such device yet"
        assert await world.manage(kind, {"terminal_iccid": "12"}) == "102"
    assert await world.orders() == []
    await world.subscribe()
    assert await world.manage(6, TABLET | {"terminal_iccid": "8944500000000000991"}) == "102"


async def test_an_enterprise_has_no_more_devices_than_it_may(world: World) -> None:
    asked = await asyncio.gather(
        *(world.manage(0, {"enterprise_terminal_id": f"tablet {n}"}) for n in range(5))
    )
    assert sorted(asked) == ["1/2", "1/2", "1/2", "1/5", "1/5"]
    details = [each.get("detail") for each in await world.server.records()]
    assert details.count("too_many_devices") == 2
    told = await world.ask("CheckEligibility")
    assert told == {"OperationResult": "1", "EnterpriseAppEligibility": "0"}
    told = await world.of("globex").ask("CheckEligibility")
    assert told["EnterpriseAppEligibility"] == "1"
    first = next(n for n, each in enumerate(asked) if each == "1/2")
    await world.manage(1, {"enterprise_terminal_id": f"tablet {first}"})
    assert (await world.ask("CheckEligibility"))["EnterpriseAppEligibility"] == "1"


async def test_whoever_orders_too_fast_has_to_come_later(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = SETTINGS.replace("most = 3", "most = 3\nmost_an_hour = 1")
    async with opened(bench, monkeypatch, settings=slow) as world:
        await world.subscribe()
        answer = await world.send("ManageSubscription", operation_type="0", **SECOND)
        assert answer.status == 503
        wait = int(answer.header("retry-after"))
        assert wait > 0
        assert await world.manage(0) == "1/2", "what was made is found"
        bench.clock.advance(wait)
        assert await world.manage(0, SECOND) == "1/2"


async def test_a_tablet_is_replaced_and_the_plan_goes_with_it(world: World) -> None:
    old = await world.subscribe(plan_id="travel")
    await world.manage(4)
    to = SECOND | {"old_terminal_iccid": old["ProfileIccid"]}
    assert await world.manage(3, TABLET | {"old_terminal_iccid": old["ProfileIccid"]}) == "102"
    for _ in range(2):
        assert await world.manage(3, to) == "1/2"
    states = {each.device.terminal_id: each.state for each in await world.orders()}
    assert set(states.values()) == {OrderState.ACTIVE, OrderState.RELEASED}
    assert await world.manage(4, SECOND) == "1/3"
    first, second = await world.orders()
    assert (first.state, second.state) == (OrderState.ENDED, OrderState.ACTIVE)
    assert second.plan == "travel"
    assert await world.manage(3, to | {"enterprise_terminal_id": "another"}) == "102"


async def test_a_wiped_tablet_gets_a_profile_again(world: World) -> None:
    old = await world.subscribe(plan_id="travel")
    await world.manage(4)
    wiped = TABLET | {"terminal_iccid": old["ProfileIccid"]}
    told = await asyncio.gather(*(world.manage(7, wiped) for _ in range(2)))
    assert "1/2" in told
    assert await world.manage(7, wiped) == "1/2"
    (order,) = await world.orders()
    assert order.iccid is not None
    assert order.iccid.digits != old["ProfileIccid"]
    assert (order.plan, order.state) == ("travel", OrderState.RELEASED)
    assert await world.server.store.real.orders.live_of("default", _owner(world)) == 1


async def test_a_profile_is_given_back_while_the_device_gets_another(world: World) -> None:
    info = await world.subscribe()
    assert await world.manage(1) == "1/3"
    assert (await world.subscribe())["ProfileIccid"] != info["ProfileIccid"]
    assert await world.server.store.real.orders.live_of("default", _owner(world)) == 1


async def test_what_is_out_of_stock_or_not_offered_is_said(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    roomy = SETTINGS.replace("most = 3", "most = 30")
    async with opened(bench, monkeypatch, settings=roomy) as world:
        told = [await world.manage(0, {"enterprise_terminal_id": f"{n}"}) for n in range(7)]
        assert told == ["1/2"] * 6 + ["1/5"]
        assert await world.detail() == "no_stock"
    without = SETTINGS.replace('app = "enterprise"', 'app = "primary"')
    async with opened(bench, monkeypatch, settings=without) as world:
        eligible = await world.ask("CheckEligibility")
        assert eligible["EnterpriseAppEligibility"] == "2"
        assert await world.ask("AcquirePlan") == {"OperationResult": "1"}
        assert await world.manage(0) == "1/5"
        assert await world.detail() == "not_offered"


async def test_what_holds_for_every_device_holds_for_an_enterprise_s(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bench.directory / "tacs.csv").write_text("tac,vendor,model,allow\n35000001,a,b,no\n")
    (bench.directory / "eids.csv").write_text("eid,vendor,allow\n89033,x,yes\n8903,x,no\n")
    lists = '[tac_lists.t]\nfile = "tacs.csv"\n[eid_lists.e]\nfile = "eids.csv"\n'
    named = 'most = 3\ntac_list = "t"\neid_list = "e"\nparameters = "strict"\nper_eid = 2'
    async with opened(bench, monkeypatch, lists, SETTINGS.replace("most = 3", named)) as world:
        for eid, said in (("8904" + "0" * 28, "102"), (_sound("8903" + "1" * 26), "100")):
            device = {"enterprise_terminal_id": "tablet", "enterprise_terminal_eid": eid}
            assert await world.manage(0, device) == said
        assert await world.detail() == "device_denied"
        assert await world.manage(0, {"enterprise_terminal_id": "350000010000009"}) == "102"
        assert await world.manage(0, {"enterprise_terminal_id": "350000010000004"}) == "100"
        assert await world.orders() == []
        device["enterprise_terminal_eid"] = _sound("89033" + "1" * 25)
        for _ in range(2):
            for kind, said in ((0, "1/2"), (4, "1/3"), (1, "1/3")):
                assert await world.manage(kind, device) == said
        assert await world.manage(0, device) == "100"
        assert await world.detail() == "too_often_for_eid"


def _sound(digits: str) -> str:
    """Return an EID with its check digits."""
    return f"{digits}{98 - int(digits) * 100 % 97:02d}"


async def test_a_tablet_has_to_say_its_eid_where_the_smdp_is_told(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SETTINGS.replace("most = 3", 'download = "smdp_address"')
    async with opened(bench, monkeypatch, settings=settings) as world:
        assert await world.manage(0, SECOND) == "102"
        info = await world.subscribe()
        assert info["ProfileSmdpAddress"] == "smdp.example.net"
