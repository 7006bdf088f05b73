"""Look-ups by several requests that settings describe: which are sent, what they make together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import msgspec
import pytest

from simgrant.compose.bss import open_sources
from simgrant.config.load import load
from simgrant.domain.eligibility import NOTHING_TOLD, Aspect, Eligibility
from simgrant.domain.subscription import ConsentStatus, SubscriptionStatus
from simgrant.errors import PeerMisbehaved, PeerUnavailable
from simgrant.identities import Imsi, Msisdn
from simgrant.ports.network_data import Subscriber
from simgrant.sim.bss.faults import Fault, Plan
from simgrant.sim.bss.server import Bss
from tests.clocks import MachineClock
from tests.tmf import WHO, running, soon

SETTINGS = """
[bss.crm]
type = "rest"
url = "{url}"

[bss.crm.requests.line]
path = "/lines/{{imsi}}"
nobody = "$.code"
echo = ["$.imsi", "$.msisdn"]
[bss.crm.requests.line.aspects]
status = {{ path = "$.state", meanings = {{ A = "active" }} }}
terms = {{ path = "$.consents.terms", meanings = {{ Y = "given" }} }}

# A list that is empty where nobody is found.
[bss.crm.requests.products]
path = "/tmf-api/productInventory/v4/product?productCharacteristic.value={{msisdn}}"
nobody = "$"
nobody_values = ["[]"]
echo = ["$[*].productCharacteristic[?@.name == 'imsi'].value"]
[bss.crm.requests.products.aspects]
plan = {{ path = "$[?@.productSpecification.id == 'mobile-line'].productOffering.id" }}
options = {{ path = "$[?@.productSpecification.id == 'option'].productOffering.id" }}
"""
LINE = frozenset({Aspect.STATUS, Aspect.TERMS})
PRODUCTS = frozenset({Aspect.PLAN, Aspect.OPTIONS})
Ask: TypeAlias = Callable[..., Awaitable[Eligibility | None]]


@pytest.fixture
async def bss() -> AsyncIterator[Bss]:
    async with running() as found:
        yield found


@pytest.fixture
async def ask(bss: Bss, tmp_path: Path) -> AsyncIterator[Ask]:
    file = tmp_path / "simgrant.toml"
    file.write_text(SETTINGS.format(url=bss.web.url))
    (source,) = open_sources(load(file, {}), MachineClock()).values()
    assert source.tells == LINE | PRODUCTS

    async def asked(
        wants: frozenset[Aspect] = LINE | PRODUCTS, who: Subscriber = WHO
    ) -> Eligibility | None:
        return await source.look_up(who, wants, deadline=soon())

    yield asked
    await source.close()


async def test_answers_are_put_together(bss: Bss, ask: Ask) -> None:
    line = bss.lines.find(imsi=WHO.imsi.digits)
    assert line is not None
    line.options |= {"vowifi", "companion"}
    assert await ask() == Eligibility(
        status=SubscriptionStatus.ACTIVE,
        terms=ConsentStatus.GIVEN,
        plan="standard",
        options=frozenset({"vowifi", "companion"}),
    )


@pytest.mark.parametrize(
    ("wants", "asked"),
    [
        (LINE, {"lines"}),
        ({Aspect.OPTIONS}, {"product"}),
        (LINE | PRODUCTS, {"lines", "product"}),
        ({Aspect.STATUS, Aspect.PORT_FREEZE}, {"lines"}),
    ],
)
async def test_only_what_tells_something_wanted_is_sent(
    bss: Bss, ask: Ask, wants: set[Aspect], asked: set[str]
) -> None:
    assert await ask(frozenset(wants)) is not None
    assert {each.resource for each in bss.seen} == asked


async def test_where_nothing_is_wanted_nobody_is_asked(bss: Bss, ask: Ask) -> None:
    assert await ask(frozenset({Aspect.PORT_FREEZE})) == NOTHING_TOLD
    assert not bss.seen


async def test_they_are_sent_at_the_same_time(bss: Bss, ask: Ask) -> None:
    bss.plan = Plan(fault=Fault.SILENT)
    task = asyncio.ensure_future(ask())
    async with asyncio.timeout(4):
        while len(bss.seen) < 2:
            bss.changed.clear()
            await bss.changed.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("resource", ["lines", "product"])
async def test_one_that_knows_nobody_speaks_for_all(bss: Bss, ask: Ask, resource: str) -> None:
    bss.plan = Plan(fault=Fault.NOBODY, resource=resource)
    assert await ask() is None
    other = PRODUCTS if resource == "lines" else LINE
    assert await ask(other) is not None


@pytest.mark.parametrize("resource", ["lines", "product"])
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.OTHER_SUBSCRIBER, PeerMisbehaved),
        (Fault.GARBAGE, PeerMisbehaved),
        (Fault.BUSY, PeerUnavailable),
    ],
)
async def test_half_an_answer_is_none(
    bss: Bss, ask: Ask, resource: str, fault: Fault, error: type[Exception]
) -> None:
    bss.plan = Plan(fault=fault, resource=resource)
    with pytest.raises(error, match="line" if resource == "lines" else "product"):
        await ask()


async def test_one_of_several_items_of_somebody_else_spoils_all(bss: Bss, ask: Ask) -> None:
    items = [
        {"productCharacteristic": [{"name": "imsi", "value": imsi}]}
        for imsi in (WHO.imsi.digits, "001019999999999")
    ]
    bss.canned = msgspec.json.encode(items)
    with pytest.raises(PeerMisbehaved) as caught:
        await ask(PRODUCTS)
    assert caught.value.reason == "bss_other_subscriber"


async def test_who_has_another_number_than_we_know_is_somebody_else(ask: Ask) -> None:
    who = Subscriber(WHO.imsi, Msisdn("4915550000"))
    with pytest.raises(PeerMisbehaved, match="another subscriber"):
        await ask(LINE, who)


async def test_whom_nobody_knows(ask: Ask) -> None:
    assert await ask(LINE, Subscriber(Imsi("001019999999999"), None)) is None
