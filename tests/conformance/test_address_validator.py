"""What every address validator promises, and what the one that comes with simgrant knows."""

from __future__ import annotations

import asyncio
import pkgutil
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import simgrant.adapters.address
from simgrant.adapters.address import embedded, tmf
from simgrant.domain.address import AddressField, CivicAddress
from simgrant.ports.address_validator import (
    AddressProblem,
    AddressState,
    AddressValidator,
    Checked,
)
from simgrant.wire.tmf.apis import Api
from tests.tmf import link_to, running

NEEDED_IN_US = frozenset({AddressField.NUMBER, AddressField.REGION, AddressField.POSTCODE})
COUNTRIES = {code: code for code in ("DE", "US", "GB", "CA", "IE", "ES")}


@asynccontextmanager
async def _embedded() -> AsyncIterator[AddressValidator]:
    yield embedded.open_validator()


@asynccontextmanager
async def _tmf() -> AsyncIterator[AddressValidator]:
    config = tmf.Config(path=Api.ADDRESS, countries=COUNTRIES, needs={"US": NEEDED_IN_US})
    async with running() as bss:
        found = tmf.open_validator(link_to(bss.web.url), config)
        yield found
        await found.close()


WORLDS: Mapping[str, Callable[[], AbstractAsyncContextManager[AddressValidator]]] = {
    "embedded": _embedded,
    "tmf": _tmf,
}
GOOD = [
    CivicAddress(country="DE", street="Domkloster", number="4", city="Köln", postcode="50667"),
    CivicAddress(
        country="US",
        street="Main St",
        number="1",
        city="Springfield",
        region="il",
        postcode="62701-1234",
    ),
    CivicAddress(country="GB", street="Rose Cottage", city="Nether Wallop", postcode="so20 8eu"),
    CivicAddress(
        country="CA",
        street="Rue Sherbrooke",
        number="845",
        city="Montréal",
        region="QC",
        postcode="h3a 0g4",
    ),
    CivicAddress(country="IE", street="Main Street", city="Ballydehob"),
    CivicAddress(country="ES", street="Calle Mayor", number="s/n", city="Madrid", postcode="28013"),
]
PARTS = st.text(max_size=40)


@pytest.fixture(params=sorted(WORLDS))
async def validator(request: pytest.FixtureRequest) -> AsyncIterator[AddressValidator]:
    async with WORLDS[request.param]() as found:
        yield found


def test_every_adapter_has_a_world_here() -> None:
    found = {each.name for each in pkgutil.iter_modules(simgrant.adapters.address.__path__)}
    assert found == set(WORLDS)


async def check(validator: AddressValidator, address: CivicAddress) -> Checked:
    return await validator.check(address, deadline=time.monotonic() + 5)


async def test_countries_have_codes_and_names(validator: AddressValidator) -> None:
    assert validator.countries
    for code, name in validator.countries.items():
        assert re.fullmatch("[A-Z]{2}", code)
        assert name


@pytest.mark.parametrize("address", GOOD, ids=lambda address: address.country)
async def test_a_good_address_is_good_again_as_it_is_written(
    validator: AddressValidator, address: CivicAddress
) -> None:
    checked = await check(validator, address)
    assert checked.state is AddressState.VALID
    assert not checked.problems
    again = await check(validator, checked.address)
    assert (again.state, again.address) == (AddressState.VALID, checked.address)


async def test_codes_are_written_in_capitals(validator: AddressValidator) -> None:
    _, us, gb, *_ = [await check(validator, each) for each in GOOD]
    assert (us.address.region, gb.address.postcode) == ("IL", "SO20 8EU")


@pytest.mark.parametrize(
    ("changes", "part", "problem"),
    [
        ({"country": ""}, AddressField.COUNTRY, AddressProblem.MISSING),
        ({"country": "XX"}, AddressField.COUNTRY, AddressProblem.UNKNOWN),
        ({"country": "us"}, AddressField.COUNTRY, AddressProblem.UNKNOWN),
        ({"street": ""}, AddressField.STREET, AddressProblem.MISSING),
        ({"city": ""}, AddressField.CITY, AddressProblem.MISSING),
        ({"number": ""}, AddressField.NUMBER, AddressProblem.MISSING),
        ({"region": ""}, AddressField.REGION, AddressProblem.MISSING),
        ({"postcode": ""}, AddressField.POSTCODE, AddressProblem.MISSING),
    ],
)
async def test_what_is_missing_is_said_by_its_part(
    validator: AddressValidator,
    changes: dict[str, str],
    part: AddressField,
    problem: AddressProblem,
) -> None:
    given = replace(GOOD[1], **changes)
    checked = await check(validator, given)
    assert (checked.state, checked.problems) == (AddressState.INVALID, {part: problem})
    assert checked.address == given, "what was written is left for whoever corrects it"


@pytest.mark.parametrize(
    ("changes", "part", "problem"),
    [
        ({"region": "Illinois"}, AddressField.REGION, AddressProblem.UNKNOWN),
        ({"postcode": "1234"}, AddressField.POSTCODE, AddressProblem.MALFORMED),
        ({"postcode": "6270\u0661"}, AddressField.POSTCODE, AddressProblem.MALFORMED),
    ],
)
async def test_what_is_wrong_is_said_by_its_part(
    changes: dict[str, str], part: AddressField, problem: AddressProblem
) -> None:
    given = replace(GOOD[1], **changes)
    checked = await check(embedded.open_validator(), given)
    assert (checked.state, checked.problems) == (AddressState.INVALID, {part: problem})
    assert checked.address == given


@given(st.data())
def test_whatever_is_written_has_an_outcome(data: st.DataObject) -> None:
    validator = embedded.open_validator()
    countries = st.sampled_from([*validator.countries, "", "XX"])
    parts = {part.value: data.draw(PARTS) for part in AddressField}
    address = CivicAddress(**parts | {"country": data.draw(countries)})
    checked = asyncio.run(validator.check(address, deadline=0))
    assert (checked.state is AddressState.VALID) == (not checked.problems)


def test_an_address_is_not_in_its_repr() -> None:
    assert "Domkloster" not in repr(GOOD[0])
    assert "50667" not in repr(GOOD[0])
