"""Two nodes, one store: a handle is opened once, a step settles once, nothing is half done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simgrant.config.load import DEFAULT_TENANT
from simgrant.domain.holdings import HeldBoost, Purchase
from simgrant.errors import PeerTimeout
from simgrant.identities import Imsi
from tests.device.harness import START, Server, Workbench, new_subscription
from tests.portal.browser import BERLIN, Browser, Link, Shown, consents, held, link

PREMIUM = Imsi("001010000000011")


@pytest.fixture
async def nodes(bench: Workbench) -> AsyncIterator[tuple[Server, Server]]:
    """Two servers over one database and one key ring."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(bench.opened(worker=0))
        second = await stack.enter_async_context(bench.opened(worker=1))
        await first.add(new_subscription(PREMIUM, first.ring, plan="premium"))
        yield first, second


async def rows(server: Server) -> list[Any]:
    """Return all visits there are."""
    engine: Any = server.store.real
    found = await engine._engine.read("SELECT step, opened_at FROM web_view", ())
    return [tuple(row) for row in found]


async def test_two_nodes_and_one_handle(nodes: tuple[Server, Server]) -> None:
    opened = await link(nodes[0])
    shown = await asyncio.gather(*(Browser(node).open(opened) for node in nodes * 4))
    assert {each.title for each in shown} == {"Wi-Fi calling"}
    assert await rows(nodes[0]) == [("terms", START)], "one of them opened it"
    pages = await asyncio.gather(
        *(Browser(node).press(page) for node, page in zip(nodes * 4, shown, strict=True))
    )
    assert {page.title for page in pages} == {"Your address for emergency calls"}
    settled = [record async for record in settlements(nodes)]
    assert settled.count("terms to address") == 1
    assert settled.count("terms: too late") <= 7
    assert await rows(nodes[0]) == [("address", START)]


async def settlements(nodes: tuple[Server, Server]) -> AsyncIterator[str]:
    for node in nodes:
        for record in await node.records():
            if record["leg"] == "web_view" and "detail" in record:
                yield record["detail"]


async def test_a_boost_is_bought_once_by_whoever_is_fastest(nodes: tuple[Server, Server]) -> None:
    """By one page sent by many, and by pages of two handles."""
    pages: list[tuple[Server, Shown]] = []
    for node in nodes:
        opened = await link(node, "ap2010", PREMIUM, boost_type="0")
        pages += [(each, await Browser(each).open(opened)) for each in nodes]
        for each in nodes:
            each.clock.at += 1
    done = await asyncio.gather(
        *(Browser(node).press(page, {"offer": "0"}) for node, page in pages * 3)
    )
    assert {page.call for page in done} == {"bought"}
    assert len((await held(nodes[0], PREMIUM)).boosts) == 1
    bought = [each async for each in settlements(nodes) if "boost 166" in each]
    assert len(bought) == 1
    receipts = [each async for each in nodes[0].store.real.purchases(DEFAULT_TENANT)]
    assert [str(receipt) for _, receipt in receipts] == ["boost 166 for 0.99 EUR, 3600 s"]


# --- what is lost on the way ---------------------------------------------------------------------

Call = Callable[..., Awaitable[Any]]


def before(_: Call) -> Call:
    """The node dies before the store hears of it."""

    async def call(*_: Any) -> Any:
        raise PeerTimeout("store_timeout")

    return call


def after(real: Call) -> Call:
    """The node dies when it is written, before it can say so."""

    async def call(*arguments: Any) -> Any:
        await real(*arguments)
        raise PeerTimeout("store_timeout")

    return call


@pytest.mark.parametrize("dies", [before, after])
@pytest.mark.parametrize("at", ["begin_visit", "settle_visit"])
async def test_a_purchase_survives_the_death_of_its_node(
    nodes: tuple[Server, Server],
    monkeypatch: pytest.MonkeyPatch,
    dies: Callable[[Call], Call],
    at: str,
) -> None:
    """Whoever repeats what got no answer, at another node, has bought once."""
    weak, strong = nodes
    opened = await link(weak, "ap2010", PREMIUM, boost_type="0")
    monkeypatch.setattr(weak.store.real, at, dies(getattr(weak.store.real, at)))
    if at == "begin_visit":
        await Browser(weak).open(opened, status=503)
        page = await Browser(strong).open(opened)
        done = await Browser(strong).press(page)
    else:
        page = await Browser(weak).open(opened)
        await Browser(weak).press(page, status=503)
        bought = (await held(strong, PREMIUM)).boosts
        assert len(bought) == (dies is after), "all of it, or nothing"
        done = await Browser(strong).press(page)
    assert done.call == "bought"
    assert (await held(strong, PREMIUM)).boosts == (
        HeldBoost(166, Purchase.UNTRACKED, START + 3600, START),
    )
    assert await rows(strong) == [("done", START)]
    assert len([each async for each in strong.store.real.purchases(DEFAULT_TENANT)]) == 1


@pytest.mark.parametrize("dies", [before, after])
async def test_terms_and_address_survive_it_too(
    nodes: tuple[Server, Server], monkeypatch: pytest.MonkeyPatch, dies: Callable[[Call], Call]
) -> None:
    weak, strong = nodes
    page = await Browser(strong).open(await link(strong))
    with monkeypatch.context() as patched:
        patched.setattr(weak.store.real, "settle_visit", dies(weak.store.real.settle_visit))
        await Browser(weak).press(page, status=503)
        form = await Browser(strong).press(page)
        assert form.title == "Your address for emergency calls"
        await Browser(weak).press(form, BERLIN, status=503)
    done = await Browser(strong).press(form, BERLIN)
    assert done.call == "changed"
    assert await consents(strong) == {"terms": "given", "address": "given"}


# --- any order of pressing ------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["go", "close", "edit"])), max_size=12)
)
@settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
def test_no_order_of_pages_settles_what_was_not_shown(
    template: Any, tmp_path_factory: pytest.TempPathFactory, presses: list[tuple[int, str]]
) -> None:
    """Whatever pages are sent again in whatever order: terms first, and the end once."""

    async def walk(server: Server) -> None:
        browser = Browser(server)
        opened: Link = await link(server)
        pages = [await browser.open(opened)]
        for number, button in presses:
            page = pages[number % len(pages)]
            if not page.forms:
                continue
            given = await consents(server)
            shown = await browser.press(page, BERLIN, button=button)
            now = await consents(server)
            if button != "go":
                assert now == given
            if button == "close":
                assert shown.call == "dismiss"
            assert set(now) >= set(given)
            assert "address" not in now or "terms" in now
            assert (shown.call == "changed") == (
                button != "close" and now == {"terms": "given", "address": "given"}
            )
            pages.append(shown)

    with pytest.MonkeyPatch.context() as patched:
        bench = Workbench.copy_of(template, tmp_path_factory.mktemp("walk"), patched)

        async def run() -> None:
            async with bench.opened() as server:
                await walk(server)

        asyncio.run(run())
