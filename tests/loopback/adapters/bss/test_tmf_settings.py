"""A BSS as settings describe it: what a server that is started with them asks, and understands."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from simgrant.compose.bss import (
    known_countries,
    open_orders,
    open_sale,
    open_sources,
    open_validator,
)
from simgrant.compose.esims import esims
from simgrant.config.load import load
from simgrant.domain.address import CivicAddress
from simgrant.domain.eligibility import Eligibility
from simgrant.domain.order import Kind
from simgrant.domain.plan_offer import PlanOffer
from simgrant.domain.risk import NumberType
from simgrant.domain.subscription import ConsentStatus, SubscriptionStatus
from simgrant.ports.address_validator import AddressState
from simgrant.ports.eligibility import ChecksEligibility, Prospect, Qualification
from simgrant.sim.bss.command import settings_for
from simgrant.sim.bss.server import Bss
from simgrant.spec.ids import ProvStatus
from tests.clocks import MachineClock
from tests.conformance.test_bss_orders import wanted
from tests.tmf import SIMS, WHO, soon


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
    (source,) = open_sources(load(file, {}), MachineClock()).values()
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
    (orders,) = open_orders(load(file, {}), MachineClock()).values()
    assert await orders.order("1", wanted(WHO.imsi), deadline=soon()) is not None
    await orders.close()


MORE = """
[bss.sim.qualification]
on = true
names = { model = "" }

[bss.sim.offers]
on = true
filter = ["category.id=plans"]

[bss.sim.addresses]
on = true
countries = { DE = "Deutschland" }
needs = { DE = ["postcode"] }

[portal]
address_validator = "bss.sim"

[esim.fleet]
app = "enterprise"
order_mode = "bss"
plans_of_bss = true
"""


@pytest.fixture
def whole(file: Path) -> Path:
    """The same, and everything else that it may be asked."""
    file.write_text(file.read_text() + MORE)
    return file


async def test_prospects_are_judged_where_that_is_on(whole: Path) -> None:
    (source,) = open_sources(load(whole, {}), MachineClock()).values()
    assert isinstance(source, ChecksEligibility)
    prospect = Prospect(app_id="ap2006", kind=Kind.SUBSCRIBE)
    found = await source.qualify(WHO, prospect, deadline=soon())
    assert found == Qualification(qualified=True)
    await source.close()


async def test_plans_are_those_of_the_catalogue(whole: Path) -> None:
    loaded = load(whole, {})
    sale = open_sale(loaded, esims(loaded), {"enterprise": "ap2011"}, MachineClock())
    assert not sale["default"].lines["ap2011"].plans
    await sale.look("default")
    plans: tuple[PlanOffer, ...] = sale["default"].lines["ap2011"].plans
    assert [each.plan_id for each in plans] == ["standard", "basic", "home", "data", "premium"]


async def test_addresses_are_checked_by_it(whole: Path) -> None:
    loaded = load(whole, {})
    validator = open_validator(loaded, MachineClock())
    assert validator.countries == known_countries(loaded) == {"DE": "Deutschland"}
    here = CivicAddress(
        country="DE", street="Domkloster", number="4", city="Köln", postcode="50667"
    )
    assert (await validator.check(here, deadline=soon())).state is AddressState.VALID
    await validator.close()


async def test_without_a_bss_the_waiting_list_is_everybodys(tmp_path: Path) -> None:
    file = tmp_path / "simgrant.toml"
    file.write_text("")
    loaded = load(file, {})
    assert open_sources(loaded, MachineClock()) == {}
    (orders,) = open_orders(loaded, MachineClock()).values()
    assert await orders.order("1", wanted(WHO.imsi), deadline=soon()) is None
