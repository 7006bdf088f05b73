"""The port ``RiskSource``, held against every adapter that there is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from simgrant import adapters
from simgrant.adapters.risk.embedded import EmbeddedRisk
from simgrant.adapters.store.sql.store import SqlStore
from simgrant.domain.facts import NOBODY, Fact
from simgrant.domain.line_marks import LineMark, MarkName
from simgrant.domain.risk import NumberType
from simgrant.identities import Msisdn
from simgrant.ports.risk import Risk, RiskSource
from simgrant.ports.store import Change
from tests.conformance.test_store import IMEI, IMSI, TERMINAL, T, accept, new, subscription

WORLDS: dict[str, Callable[[SqlStore], RiskSource]] = {"embedded": EmbeddedRisk}
"""How to open each adapter over what the store was told."""


def test_every_adapter_is_held_against_the_port() -> None:
    (place,) = adapters.__path__
    found = {path.stem for path in Path(place, "risk").glob("*.py")} - {"__init__"}
    assert found == set(WORLDS)


@pytest.fixture(params=sorted(WORLDS))
def source(request: pytest.FixtureRequest, store: SqlStore) -> RiskSource:
    return WORLDS[request.param](store)


async def told(store: SqlStore, source: RiskSource, *marks: LineMark) -> Risk:
    await store.set_marks(T, IMSI, marks)
    found = await store.find(T, imsi=IMSI)
    assert found is not None
    return await source.of(found, IMEI)


def flags(*values: tuple[MarkName, str, int]) -> Sequence[LineMark]:
    return [LineMark(*value) for value in values]


async def test_what_nobody_told_is_off_and_a_sim_is_as_old_as_its_subscription(
    store: SqlStore, source: RiskSource
) -> None:
    await store.add(new(created_at=40))
    assert await told(store, source) == Risk(
        Fact(40, "subscription", 40),
        Fact(None, "terminal"),
        Fact(value=False, source=NOBODY),
        Fact(value=False, source=NOBODY),
        Fact(NumberType.UNKNOWN, NOBODY),
    )


async def test_what_was_told_has_its_own_age(store: SqlStore, source: RiskSource) -> None:
    await store.add(new())
    marks = flags(
        (MarkName.PORT_FREEZE, "yes", 70),
        (MarkName.PREPAID, "yes", 71),
        (MarkName.NUMBER_TYPE, "voip", 72),
    )
    found = await told(store, source, *marks)
    assert (found.port_freeze.value, found.port_freeze.at) == (True, 70)
    assert (found.prepaid.value, found.prepaid.at) == (True, 71)
    assert (found.number_type.value, found.number_type.at) == (NumberType.VOIP, 72)
    thawed = await told(store, source, *flags((MarkName.PORT_FREEZE, "no", 80)))
    assert (thawed.port_freeze.value, thawed.port_freeze.at) == (False, 80)


async def test_a_device_is_known_since_it_was_first_seen(
    store: SqlStore, source: RiskSource
) -> None:
    await store.add(new())
    assert await accept(store)
    found = await told(store, source)
    assert (found.imei_since.value, found.imei_since.at) == (TERMINAL.seen_at,) * 2
    assert (await source.of(subscription(), "another")).imei_since.value is None
    assert (await source.of(subscription(), "")).imei_since.value is None


async def test_the_newest_sign_of_a_swap_counts(store: SqlStore, source: RiskSource) -> None:
    await store.add(new(created_at=40))
    first, second = "8944110000000000013", "8944110000000000021"

    async def since(*marks: tuple[MarkName, str, int]) -> int | None:
        return (await told(store, source, *flags(*marks))).sim_since.value

    # An ICCID that becomes known says nothing of when the SIM came.
    assert await since((MarkName.ICCID, first, 60)) == 40
    # The operator may know it to be older, or younger, than the subscription.
    assert await since((MarkName.SIM_SINCE, "20", 61)) == 20
    assert await since((MarkName.ICCID, second, 70)) == 70
    assert await since((MarkName.ICCID, second, 75)) == 70
    assert await since((MarkName.SIM_SINCE, "68", 80)) == 68
    await store.change(T, IMSI, Change(msisdn=Msisdn("491710000007")), now=90)
    assert await since() == 90
