"""A BSS as settings describe it: what a server that is started with them asks, and understands."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from simgrant.compose.bss import open_orders, open_sources
from simgrant.config.load import load
from simgrant.domain.eligibility import Eligibility
from simgrant.domain.risk import NumberType
from simgrant.domain.subscription import ConsentStatus, SubscriptionStatus
from simgrant.sim.bss.command import settings_for
from simgrant.sim.bss.server import Bss
from simgrant.spec.ids import ProvStatus
from tests.conformance.test_bss_orders import wanted
from tests.tmf import SIMS, WHO, Clock, soon


@pytest.fixture
async def bss() -> AsyncIterator[Bss]:
    found = Bss(SIMS, client=("ecs", "s3cret"))
    await found.up()
    yield found
    await found.down()


@pytest.fixture
def file(bss: Bss, tmp_path: Path) -> Path:
    """What the simulator prints, and the secret that it names."""
    (tmp_path / "bss.secret").write_text("s3cret\n")
    found = tmp_path / "simgrant.toml"
    found.write_text(settings_for(bss.web.url, client_id="ecs"))
    return found


async def test_what_the_simulator_prints_is_enough(bss: Bss, file: Path) -> None:
    (source,) = open_sources(load(file, {}), Clock()).values()
    told = await source.look_up(WHO, source.tells, deadline=soon())
    assert told is not None
    assert told == Eligibility(
        status=SubscriptionStatus.ACTIVE,
        plan="standard",
        options=frozenset(),
        terms=ConsentStatus.GIVEN,
        address=ConsentStatus.GIVEN,
        provisioning=ProvStatus.PROVISIONED,
        msisdn=WHO.msisdn,
        number_type=NumberType.MOBILE,
        prepaid=False,
        port_freeze=False,
        customer_since=told.customer_since,
        sim_since=told.sim_since,
    )
    assert {each.resource for each in bss.seen} == {"token", "product", "service", "resource"}
    await source.close()


async def test_profiles_are_ordered_of_it(file: Path) -> None:
    (orders,) = open_orders(load(file, {}), Clock()).values()
    assert await orders.order("1", wanted(WHO.imsi), deadline=soon()) is not None
    await orders.close()


async def test_without_a_bss_the_waiting_list_is_everybodys(tmp_path: Path) -> None:
    file = tmp_path / "simgrant.toml"
    file.write_text("")
    loaded = load(file, {})
    assert open_sources(loaded, Clock()) == {}
    (orders,) = open_orders(loaded, Clock()).values()
    assert await orders.order("1", wanted(WHO.imsi), deadline=soon()) is None
