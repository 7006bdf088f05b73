"""Plans that are chosen, and changed, where the request names them (TS.43 §6.2, plan_id)."""

from __future__ import annotations

import pytest

from tests.device import esim
from tests.device.esim import WATCH, World, opened
from tests.device.harness import ALLOWED, Workbench

DEVICE = {
    "ap2006": WATCH,
    "ap2009": {"target_terminal_id": "350000000000033", "target_terminal_eid": esim.EID},
}
PLANS = """
[plan_offers.small]
name = "Small"
[plan_offers.large]
name = "Large"
[plan_offers.other]
name = "Of other profiles"
profile_type = "other"
"""


async def plan_of(world: World) -> str:
    (order,) = await world.server.store.real.orders.of("default", ALLOWED)
    return order.plan


@pytest.mark.spec("TS.43 §6.2")
@pytest.mark.parametrize("app", ["ap2006", "ap2009"])
@pytest.mark.conforms("request.operation_type=2", "request.plan_id")
async def test_a_plan_is_changed_by_a_phone_that_names_one(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, app: str
) -> None:
    offered = '\nplans = ["small", "large", "other"]'
    settings = esim.SETTINGS
    for kind in ("watch", "phone"):
        settings = settings.replace(f'type = "{kind}"', f'type = "{kind}"{offered}')
    monkeypatch.setattr("tests.device.esim.SETTINGS", settings)
    async with opened(bench, monkeypatch, app, PLANS) as world:

        async def manage(kind: int, **more: str) -> str:
            told = await world.ask(
                "ManageSubscription", operation_type=str(kind), **DEVICE[app], **more
            )
            return "/".join(filter(None, (told["OperationResult"], told.get("SubscriptionResult"))))

        assert await manage(0, plan_id="gold") == "102"
        assert await manage(2, plan_id="small") == "102", "there is nothing to change yet"
        assert await manage(0) == "1/2"
        assert await plan_of(world) == "standard", "none was chosen: the line's own"
        assert await manage(2) == "103"
        for _ in range(2):
            assert await manage(2, plan_id="small") == "1/3"
        assert await plan_of(world) == "small"
        for wrong in ("gold", "other", "x" * 900):
            assert await manage(2, plan_id=wrong) == "102"
        assert await plan_of(world) == "small"
        history = await world.server.store.real.orders.history("default", ALLOWED)
        assert [each.event for each in history].count("PlanChanged: small") == 1
        await manage(1)
        assert await manage(2, plan_id="large") == "101"


@pytest.mark.spec("TS.43 §6.1")
@pytest.mark.conforms("operations.optional-103")
async def test_what_a_tenant_withholds_is_not_supported(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    withheld = '[tenants.default]\nwithheld = ["ManageService"]\n'
    async with opened(bench, monkeypatch, more=withheld) as world:
        await world.subscribe()
        told = await world.ask("ManageService", operation_type="11", **WATCH)
        assert told == {"OperationResult": "103"}


@pytest.mark.spec("TS.43 §6.2")
@pytest.mark.conforms("needed.of-android", "request.companion_terminal_sw_version")
async def test_what_phones_send_beside_is_passed_over_and_the_software_kept(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = {
        "target_terminal_imeis": "350000000000041",
        "target_terminal_sn": "x" * 300,
        "target_terminal_model": "another",
        "target_terminal_entitlement_protocol": "1",
        "old_terminal_entitlement_protocol": "0",
    }
    async with opened(bench, monkeypatch) as world:
        assert (await world.subscribe(WATCH | beside))["SubscriptionResult"] == "2"
        (order,) = await world.server.store.real.orders.of("default", ALLOWED)
        assert (order.device.model, order.device.sw_version) == ("W1", "1.0")


async def test_where_no_plan_is_offered_none_is_changed(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(bench, monkeypatch) as world:
        assert (await world.subscribe(plan_id="small"))["OperationResult"] == "102"
        await world.subscribe()
        told = await world.ask("ManageSubscription", operation_type="2", plan_id="x", **WATCH)
        assert told == {"OperationResult": "102"}
