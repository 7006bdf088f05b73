"""Whatever the systems of two enterprises ask for, in whatever order, the books agree.

They repeat themselves, ask about what is not there, name the other's profiles and devices, and do
things out of order. Whatever is answered is an answer, nobody's order is moved by another, and the
SM-DP+, the stock and the counts say the same as the orders.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simgrant.domain.order import Order, OrderState
from simgrant.domain.owner import Enterprise
from simgrant.identities import Iccid
from tests.clocks import set_clock
from tests.device.fleet import SETTINGS, World, opened
from tests.device.harness import Workbench

pytestmark = pytest.mark.spec("TS.43 §10")

MOST_EXAMPLES = 400
NAMES = [f"e{number}" for number in range(2 * MOST_EXAMPLES)]
STOCK = 20_000
DEVICES = ("350000000000058", "a tablet")
PLANS = ("", "", "office", "travel", "meter", "gold")
ASKED = st.tuples(
    st.integers(0, 1),
    st.sampled_from([0, 0, 1, 2, 3, 3, 4, 4, 5, 6, 7, 7, 9]),
    st.sampled_from([*DEVICES, *DEVICES, ""]),
    st.sampled_from(PLANS),
    st.sampled_from([*DEVICES, ""]),
    st.integers(0, 1),
)
"""Who asks, for what, for which device, with which plan; whose device's profile it names beside."""


class Played:
    """A server that lives as long as the property is tried; each example has its enterprises."""

    def __init__(self, world: World, runner: asyncio.Runner) -> None:
        self.world = world
        self.runner = runner
        self.numbers = count()


@pytest.fixture(scope="module")
def played(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    directory = tmp_path_factory.mktemp("books")
    shutil.copytree(template / "state", directory / "state")
    listed = SETTINGS.replace('["acme", "globex"]', str(NAMES).replace("'", '"'))
    with pytest.MonkeyPatch.context() as patched, asyncio.Runner() as runner:
        bench = Workbench(directory, patched)
        set_clock(patched, bench.clock)
        opening = opened(bench, patched, settings=listed)
        world = runner.run(opening.__aenter__())
        world.books.stock = STOCK
        orders = world.server.store.real.orders
        for kind, first in (("tablet", 100), ("iot", STOCK)):
            iccids = [Iccid(f"89446{number:014d}") for number in range(first, first + STOCK // 4)]
            runner.run(orders.add_stock("default", "main", kind, iccids))
        try:
            yield Played(world, runner)
        finally:
            runner.run(opening.__aexit__(None, None, None))


@settings(max_examples=100, deadline=None)
@given(asked=st.lists(ASKED, min_size=4, max_size=16))
def test_the_books_agree_whatever_is_asked(
    played: Played, asked: list[tuple[int, int, str, str, str, int]]
) -> None:
    number = next(played.numbers) % MOST_EXAMPLES
    pair = (f"e{2 * number}", f"e{2 * number + 1}")
    played.runner.run(_tried(played.world, pair, asked))


def _profile_of(terminal_id: str, orders: list[Order]) -> str:
    for order in orders:
        if order.device.terminal_id == terminal_id and order.iccid is not None:
            return order.iccid.digits
    return ""


async def _tried(
    world: World, pair: tuple[str, str], asked: list[tuple[int, int, str, str, str, int]]
) -> None:
    systems = [replace(await world.of(name).known(), enterprise=name) for name in pair]
    for system in systems:
        assert await system.manage(0, {"enterprise_terminal_id": DEVICES[0]}) == "1/2"
    for who, kind, device, plan, named, whose in asked:
        iccid = _profile_of(named, await world.orders(pair[whose]))
        before = await world.orders(pair[1 - who])
        parameters = {"enterprise_terminal_id": device, "plan_id": plan}
        parameters |= {"terminal_iccid": iccid, "old_terminal_iccid": iccid}
        told = await systems[who].manage(kind, parameters)
        assert told in ("1/2", "1/3", "1/4", "1/5", "100", "101", "102"), (kind, parameters)
        assert await world.orders(pair[1 - who]) == before, "nobody moves another's"
    orders: list[Order] = []
    for name in pair:
        found = await world.orders(name)
        live = [order for order in found if order.state is not OrderState.ENDED]
        counted = await world.server.store.real.orders.live_of("default", Enterprise(name))
        assert counted == len(live) <= len(DEVICES)
        orders += live
    iccids = {order.iccid.digits for order in orders if order.iccid is not None}
    assert len(iccids) == len(orders), "each has a profile of its own"
    assert iccids <= set(world.books.ordered)
    for order in orders:
        assert order.iccid is not None
        kept = await world.server.store.real.orders.by_iccid("default", order.iccid)
        assert kept is not None
        assert kept.order == order
