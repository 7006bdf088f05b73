"""What every BSS that orders profiles promises; the one that tests play is held to it too."""

from __future__ import annotations

import pkgutil
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

import pytest

import simgrant.adapters.bss
from simgrant.adapters.bss import embedded
from simgrant.adapters.bss.tmf.orders import Config, TmfOrders
from simgrant.domain.order import Delivered, Order, OrderMode, OrderState, Source
from simgrant.domain.owner import Enterprise, Owner
from simgrant.identities import Imsi
from simgrant.ports.bss_orders import BssOrders, Wanted
from simgrant.wire.tmf.apis import Api
from tests import tmf
from tests.bss import Bss
from tests.clocks import MachineClock
from tests.conformance.test_store_orders import an_order, iccids


@asynccontextmanager
async def _tmf(*, left: int = 0) -> AsyncIterator[BssOrders]:
    """Run a BSS that is done with orders after so many looks at them."""
    async with tmf.running() as bss:
        bss.orders.left = left
        config = Config(path=Api.ORDER, patience_s=0.3, poll_s=0.01)
        found = TmfOrders(tmf.link_to(bss.web.url), config, MachineClock())
        yield found
        await found.close()


WORLDS: Mapping[str, Callable[[], BssOrders | AbstractAsyncContextManager[BssOrders]]] = {
    "embedded": embedded.open_bss,
    "played": Bss,
    "played-later": lambda: Bss(later=True),
    "tmf": _tmf,
    "tmf-slow": lambda: _tmf(left=3),
    "tmf-later": lambda: _tmf(left=-1),
}
OWNERS = pytest.mark.parametrize("owner", [Imsi("001010000000001"), Enterprise("acme")])
SOURCE = Source("", "watch", pooled=False, mode=OrderMode.BSS)
(ICCID,) = iccids(1)


@pytest.fixture(params=sorted(WORLDS))
async def bss(request: pytest.FixtureRequest) -> AsyncIterator[BssOrders]:
    found = WORLDS[request.param]()
    if isinstance(found, AbstractAsyncContextManager):
        async with found as opened:
            yield opened
    else:
        yield found


def wanted(owner: Owner, number: int = 1, **more: object) -> Wanted:
    order: Order = replace(an_order(number=number), source=SOURCE, **more)  # type: ignore[arg-type]
    return Wanted(tenant="blue", owner=owner, order=order)


def soon() -> float:
    return time.monotonic() + 5


def test_every_adapter_has_a_world_here() -> None:
    found = {each.name for each in pkgutil.iter_modules(simgrant.adapters.bss.__path__)}
    # Those that are described by settings tell of subscribers, and order nothing.
    assert found - {"mapped"} <= set(WORLDS)


@OWNERS
async def test_a_call_that_comes_again_is_the_same_call(bss: BssOrders, owner: Owner) -> None:
    first = await bss.order("call-1", wanted(owner), deadline=soon())
    assert await bss.order("call-1", wanted(owner), deadline=soon()) == first
    assert first is None or isinstance(first, Delivered)
    other = await bss.order("call-2", wanted(owner, 2), deadline=soon())
    assert other is None or first is None or other.iccid != first.iccid


@OWNERS
async def test_an_order_is_cancelled_by_its_name(bss: BssOrders, owner: Owner) -> None:
    given = await bss.order("call-1", wanted(owner), deadline=soon())
    about = wanted(owner, iccid=given.iccid if given else None, state=OrderState.ENDED)
    done = await bss.cancel("call-2", about, deadline=soon())
    assert await bss.cancel("call-2", about, deadline=soon()) is done


async def test_a_state_may_be_told_twice_and_late(bss: BssOrders) -> None:
    owner = Imsi("001010000000001")
    for call_id, version, state in (
        ("call-1", 3, OrderState.INACTIVE),
        ("call-1", 3, OrderState.INACTIVE),
        ("call-0", 2, OrderState.ACTIVE),
    ):
        about = wanted(owner, iccid=ICCID, version=version, state=state)
        await bss.changed(call_id, about, deadline=soon())
    if isinstance(bss, Bss):
        assert bss.told == {about.order_id: (3, OrderState.INACTIVE)}


async def test_the_list_is_left_what_was_handed_in_and_nothing_else() -> None:
    bss, owner = embedded.open_bss(), Imsi("001010000000001")
    assert await bss.order("call-1", wanted(owner), deadline=soon()) is None
    assert await bss.cancel("call-2", wanted(owner), deadline=soon()) is True
    handed_in = wanted(owner, iccid=ICCID)
    assert await bss.cancel("call-3", handed_in, deadline=soon()) is False
    await bss.close()
