"""Product orders: each thing is ordered once, whatever becomes of the answers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from simgrant.adapters.bss.tmf.orders import Config, Names, TmfOrders
from simgrant.domain.order import Delivered, Order, OrderMode, OrderState, Source
from simgrant.domain.owner import Enterprise, Owner
from simgrant.errors import PeerUnavailable
from simgrant.ports.bss_orders import Declined, NotReached, UnknownOutcome, Wanted
from simgrant.sim.bss.faults import Fault, Plan
from simgrant.sim.bss.orders import SMDP_ADDRESS
from simgrant.sim.bss.server import Bss
from simgrant.wire.tmf.apis import Api
from simgrant.wire.tmf.order import OrderState as Wire
from tests.clocks import MachineClock
from tests.conformance.test_store_orders import an_order
from tests.tmf import WHO, link_to, running, soon

CONFIG = Config(path=Api.ORDER, patience_s=0.2, poll_s=0.01, offerings={"gold": "offer-7"})


@pytest.fixture
async def bss() -> AsyncIterator[Bss]:
    async with running() as found:
        yield found


@pytest.fixture
async def orders(bss: Bss) -> AsyncIterator[TmfOrders]:
    found = TmfOrders(link_to(bss.web.url), CONFIG, MachineClock())
    yield found
    await found.close()


def wanted(owner: Owner = WHO.imsi, **more: object) -> Wanted:
    source = Source("", "watch-type", pooled=False, mode=OrderMode.BSS)
    order: Order = replace(an_order(number=7), source=source, **more)  # type: ignore[arg-type]
    return Wanted(tenant="blue", owner=owner, order=order)


async def order(orders: TmfOrders, what: Wanted | None = None) -> Delivered | None:
    return await orders.order("call", what or wanted(), deadline=soon())


def posted(bss: Bss, resource: str = "productOrder") -> list[dict[str, Any]]:
    return [
        json.loads(each.body)
        for each in bss.seen
        if (each.method, each.resource) == ("POST", resource)
    ]


async def test_what_is_ordered(bss: Bss, orders: TmfOrders) -> None:
    what = wanted(plan="gold")
    found = await order(orders, what)
    assert found is not None
    assert found.smdp_address == SMDP_ADDRESS
    (body,) = posted(bss)
    device = what.order.device
    assert device.eid is not None
    assert body == {
        "externalId": what.order_id,
        "category": "eSIM",
        "productOrderItem": [
            {
                "id": "1",
                "quantity": 1,
                "action": "add",
                "productOffering": {"id": "offer-7"},
                "product": {
                    "productCharacteristic": [
                        {"name": name, "valueType": "string", "value": value}
                        for name, value in {
                            "imsi": WHO.imsi.digits,
                            "eid": device.eid.digits,
                            "imei": device.terminal_id,
                            "orderKind": "subscribe",
                            "companionService": "SharedNumber",
                            "profileType": "watch-type",
                        }.items()
                    ]
                },
            }
        ],
    }


async def test_an_enterprise_is_named_as_one(bss: Bss, orders: TmfOrders) -> None:
    await order(orders, wanted(Enterprise("acme")))
    assert '"enterpriseId"' in json.dumps(posted(bss))


async def test_names_are_the_operators(bss: Bss) -> None:
    names = Names(imsi="subscriberId", imei="", kind="")
    found = TmfOrders(link_to(bss.web.url), replace(CONFIG, names=names), MachineClock())
    await order(found)
    said = json.dumps(posted(bss))
    assert '"subscriberId"' in said
    assert '"imei"' not in said
    assert '""' not in said
    await found.close()


@pytest.mark.parametrize("fault", [Fault.LOST, Fault.HALF, Fault.NONSENSE, Fault.GARBAGE])
async def test_an_answer_that_got_lost_orders_nothing_twice(
    bss: Bss, orders: TmfOrders, fault: Fault
) -> None:
    bss.plan = Plan(fault=fault, method="POST", times=1)
    with pytest.raises(UnknownOutcome):
        await order(orders)
    found = await order(orders)
    assert found is not None
    assert await order(orders) == found
    assert len(bss.orders.known) == 1


async def test_another_process_finds_what_one_ordered(bss: Bss, orders: TmfOrders) -> None:
    found = await order(orders)
    other = TmfOrders(link_to(bss.web.url), CONFIG, MachineClock())
    assert await order(other) == found
    assert len(posted(bss)) == 1
    await other.close()


@pytest.mark.parametrize(
    "fault",
    [Fault.RESET, Fault.BUSY, Fault.GARBAGE, Fault.THROTTLED, Fault.UNAUTHORIZED, Fault.HUGE],
)
async def test_whoever_cannot_be_asked_what_there_is_is_not_reached(
    bss: Bss, orders: TmfOrders, fault: Fault
) -> None:
    bss.plan = Plan(fault=fault, method="GET")
    with pytest.raises(NotReached):
        await order(orders)
    assert not bss.orders.known


@pytest.mark.parametrize(
    ("plan", "error"),
    [
        (Plan(fault=Fault.RESET), UnknownOutcome),
        (Plan(fault=Fault.BUSY), UnknownOutcome),
        (Plan(fault=Fault.STATUS, status=500), UnknownOutcome),
        (Plan(fault=Fault.STATUS, status=400), Declined),
        (Plan(fault=Fault.STATUS, status=409), Declined),
        (Plan(fault=Fault.THROTTLED, retry_after_s=9), NotReached),
        (Plan(fault=Fault.UNAUTHORIZED), NotReached),
        (Plan(fault=Fault.EMPTY), UnknownOutcome),
        (Plan(fault=Fault.WRONG_TYPE), UnknownOutcome),
    ],
    ids=lambda each: f"{each.fault}-{each.status}" if isinstance(each, Plan) else each.__name__,
)
async def test_each_outcome_of_ordering(
    bss: Bss, orders: TmfOrders, plan: Plan, error: type[PeerUnavailable]
) -> None:
    bss.plan = replace(plan, method="POST")
    with pytest.raises(error) as caught:
        await order(orders)
    if plan.fault is Fault.THROTTLED:
        assert caught.value.retry_after == 9
    assert WHO.imsi.digits not in f"{caught.value!r} {caught.value.for_operator}"


async def test_who_is_down_is_not_reached(bss: Bss, orders: TmfOrders) -> None:
    await bss.web.down()
    with pytest.raises(NotReached):
        await order(orders)


async def test_silence_is_unknown(bss: Bss, orders: TmfOrders) -> None:
    bss.plan = Plan(fault=Fault.SILENT, method="POST")
    with pytest.raises(UnknownOutcome):
        await orders.order("call", wanted(), deadline=soon(0.3))


async def test_a_filter_that_is_passed_over_is_noticed(bss: Bss, orders: TmfOrders) -> None:
    await order(orders)
    (ordered,) = bss.orders.known.values()
    told = json.dumps([ordered.document | {"externalId": "of another"}]).encode()
    bss.canned = told
    with pytest.raises(NotReached, match="other orders"):
        await order(orders)


@pytest.mark.parametrize("state", [Wire.REJECTED, Wire.FAILED, Wire.CANCELLED])
async def test_a_refusal_is_said_with_its_state(bss: Bss, orders: TmfOrders, state: Wire) -> None:
    bss.orders.left = -1
    assert await order(orders) is None
    (id_,) = bss.orders.known
    bss.orders.become(id_, state)
    with pytest.raises(Declined) as caught:
        await order(orders)
    assert caught.value.reason == state


async def test_what_is_done_after_a_while_is_had_by_asking_again(
    bss: Bss, orders: TmfOrders
) -> None:
    bss.orders.left = -1
    assert await order(orders) is None
    (id_,) = bss.orders.known
    bss.orders.become(id_, Wire.COMPLETED)
    assert await order(orders) is not None
    assert len(posted(bss)) == 1


async def test_a_profile_of_no_use_is_no_profile(bss: Bss, orders: TmfOrders) -> None:
    await order(orders)
    (ordered,) = bss.orders.known.values()
    (item,) = ordered.document["productOrderItem"]
    values = item["product"]["productCharacteristic"]
    for each in values:
        if each["name"] == "smdpAddress":
            each["value"] = "x" * 300
    with pytest.raises(UnknownOutcome):
        await order(orders)
    values[:] = [each for each in values if each["name"] != "iccid"]
    values.append({"name": "iccid", "value": "12"})
    with pytest.raises(UnknownOutcome):
        await order(orders)


# --- taking back, and telling -------------------------------------------------------------


async def test_what_is_under_way_is_cancelled(bss: Bss, orders: TmfOrders) -> None:
    bss.orders.left = -1
    await order(orders)
    assert await orders.cancel("call", wanted(), deadline=soon()) is True
    assert len(posted(bss, "cancelProductOrder")) == 1
    assert await orders.cancel("call", wanted(), deadline=soon()) is True
    assert len(posted(bss, "cancelProductOrder")) == 1


async def test_what_was_made_is_ended(bss: Bss, orders: TmfOrders) -> None:
    found = await order(orders)
    assert found is not None
    about = wanted(iccid=found.iccid, state=OrderState.ENDED)
    for _ in range(2):
        assert await orders.cancel("call", about, deadline=soon()) is True
    (product,) = bss.orders.products.values()
    assert product.ended
    assert len(bss.orders.known) == 2


async def test_what_was_never_ordered_is_taken_back_already(bss: Bss, orders: TmfOrders) -> None:
    assert await orders.cancel("call", wanted(), deadline=soon()) is True
    assert not posted(bss)


async def test_ending_takes_its_time(bss: Bss, orders: TmfOrders) -> None:
    found = await order(orders)
    assert found is not None
    bss.orders.left = -1
    about = wanted(iccid=found.iccid, state=OrderState.ENDED)
    assert await orders.cancel("call", about, deadline=soon()) is False


async def test_who_does_not_cancel_now_is_asked_again(bss: Bss, orders: TmfOrders) -> None:
    bss.orders.left = -1
    await order(orders)
    bss.plan = Plan(fault=Fault.STATUS, status=409, resource="cancelProductOrder")
    with pytest.raises(NotReached):
        await orders.cancel("call", wanted(), deadline=soon())


async def test_of_two_changes_the_later_version_counts(bss: Bss, orders: TmfOrders) -> None:
    found = await order(orders)
    assert found is not None
    for version, state in (
        (3, OrderState.INACTIVE),
        (2, OrderState.ACTIVE),
        (3, OrderState.ACTIVE),
    ):
        about = wanted(iccid=found.iccid, version=version, state=state, plan="gold")
        await orders.changed("call", about, deadline=soon())
    (product,) = bss.orders.products.values()
    assert product.version == 3
    modified = [each for each in posted(bss) if each["externalId"] != wanted().order_id]
    assert [each["externalId"] for each in modified] == [
        f"{wanted().order_id}-3",
        f"{wanted().order_id}-2",
    ]
    (item,) = modified[0]["productOrderItem"]
    assert item["product"]["id"] == product.id
    assert item["product"]["status"] == "suspended"
    assert item["productOffering"] == {"id": "offer-7"}


async def test_a_change_that_is_refused_is_said(bss: Bss, orders: TmfOrders) -> None:
    bss.orders.refuses = True
    with pytest.raises(Declined):
        await orders.changed("call", wanted(version=4), deadline=soon())
