"""Rules about eSIMs hold on their pages too, until the order is made."""

from __future__ import annotations

import pytest

from simgrant.domain.line_marks import LineMark, MarkName
from tests.device.esim import opened
from tests.device.harness import ALLOWED, START, Workbench
from tests.device.test_esim_rules import RULES, rule
from tests.portal.browser import Browser
from tests.portal.esim import orders, page_of
from tests.portal.test_esim import COMPANION

_RULES = rule("prepaid = true", "step_up", name="sign-in") + rule("port_freeze = true", name="lock")


async def test_what_is_known_by_now_counts_on_the_page(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bench.directory / "rules.toml").write_text(RULES.format(rules=_RULES))
    tenant = '[tenants.default]\npolicy = "rules.toml"\nplmns = ["001-01"]\n'
    more = COMPANION["more"] + tenant
    async with opened(bench, monkeypatch, "ap2006", more, watch=COMPANION["watch"]) as world:
        browser = Browser(world.server)
        link = page_of(await world.subscribe())
        store = world.server.store.real
        # Nobody is sent away from a page to sign in: that was due before the order.
        await store.set_marks("default", ALLOWED, [LineMark(MarkName.PREPAID, "yes", START)])
        choose = await browser.open(link)
        assert choose.title != "Not available"
        await store.set_marks("default", ALLOWED, [LineMark(MarkName.PORT_FREEZE, "yes", START)])
        assert (await browser.press(choose)).title == "Not available"
        assert (await browser.open(link)).title == "Not available"
        assert world.books.calls == []
        await store.set_marks("default", ALLOWED, [LineMark(MarkName.PORT_FREEZE, "no", START)])
        ready = await browser.press(await browser.press(await browser.open(link)))
        assert ready.call == "ready"
        assert len(await orders(world)) == 1
