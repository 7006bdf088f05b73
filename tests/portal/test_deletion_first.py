"""The old profile is deleted first, where the line was chosen on a page (TS.43 §8.11.2)."""

from __future__ import annotations

from pathlib import Path

import pytest

from simgrant.domain.order import OrderState
from tests.device.harness import Workbench
from tests.device.test_deletion_first import NEW, NEW_PHONE, OLD_PHONE, Moving, moving
from tests.portal.browser import Browser
from tests.portal.esim import orders, page_of
from tests.portal.test_esim import said


async def asked(world: Moving, **more: str) -> dict[str, str]:
    """Ask from the new phone, which does not know the old profile, and choose it on the page."""
    world.phone = world.phone.but(terminal_id=NEW_PHONE)
    world.token = await world.phone.token()
    told = await world.ask("ManageSubscription", operation_type="3", **NEW, **more)
    assert told["SubscriptionResult"] == "1"
    browser = Browser(world.server)
    choose = await browser.open(page_of(told))
    (old,) = [order for order in await orders(world) if order.state is OrderState.ACTIVE]
    confirm = await browser.press(choose, {"line": old.order_id})
    return said(await browser.press(confirm))


@pytest.mark.spec("TS.43 §8.11.2", "TS.43 §6.7.8")
@pytest.mark.conforms("primary.delete-first-new")
@pytest.mark.parametrize(
    ("old_profile", "says", "same"),
    [
        ("deleted", {}, False),
        ("reused", {"redownloadable_profile": "1"}, True),
        # Nobody could be told result 7 by now: it gets a profile of its own.
        ("reused", {}, False),
    ],
)
async def test_the_page_has_the_old_profile_deleted(
    bench: Workbench,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    old_profile: str,
    says: dict[str, str],
    same: bool,
) -> None:
    async with moving(bench, monkeypatch, tmp_path, old_profile, portal="choice") as world:
        shown = await asked(world, **says)
        assert (shown["call"], shown["iccid"]) == ("delete", world.iccid)
        assert world.books.calls == []
        assert (await world.configuration())["ServiceStatus"] == "2"
        assert await world.deleted() == 204
        await world.worker()
        configuration = await world.configuration()
        assert configuration["ServiceStatus"] == "1"
        assert (configuration["ICCID"] == world.iccid) is same
        (gone,) = [each for each in await orders(world) if each.state is OrderState.ENDED]
        assert gone.device.terminal_id == OLD_PHONE
        held = {each.iccid.digits for each in await orders(world) if each.iccid is not None}
        assert set(world.books.ordered) == held
