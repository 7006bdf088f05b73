"""Addresses of a geographic address system: what is made of its answers (TMF673)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from simgrant.adapters.address.tmf import Config, TmfValidator, open_validator
from simgrant.domain.address import AddressField, CivicAddress
from simgrant.errors import EcsError, PeerMisbehaved, PeerUnavailable
from simgrant.ports.address_validator import AddressProblem, AddressState
from simgrant.sim.bss.faults import Fault, Plan
from simgrant.sim.bss.server import Bss
from simgrant.wire.tmf.apis import Api
from tests.tmf import link_to, running, soon

HERE = CivicAddress(country="DE", street="Domkloster", number="4", city="Köln", postcode="50667")


@pytest.fixture
async def bss() -> AsyncIterator[Bss]:
    async with running() as found:
        yield found


@pytest.fixture
async def validator(bss: Bss) -> AsyncIterator[TmfValidator]:
    config = Config(path=Api.ADDRESS, countries={"DE": "Deutschland"})
    found = open_validator(link_to(bss.web.url), config)
    yield found
    await found.close()


async def test_what_is_asked(bss: Bss, validator: TmfValidator) -> None:
    checked = await validator.check(replace(HERE, unit="3"), deadline=soon())
    assert (checked.state, checked.identifier) == (AddressState.VALID, "place-1")
    assert checked.address.unit == "3", "the flat stays, where nothing is said of it"
    (seen,) = bss.seen
    assert (seen.method, seen.target) == ("POST", f"{Api.ADDRESS}/geographicAddressValidation")
    assert json.loads(seen.body) == {
        "provideAlternative": True,
        "submittedGeographicAddress": {
            "streetNr": "4",
            "streetName": "Domkloster",
            "city": "Köln",
            "postcode": "50667",
            "country": "DE",
            "geographicSubAddress": [{"subUnitNumber": "3"}],
        },
    }


async def test_what_is_near_is_suggested(validator: TmfValidator) -> None:
    checked = await validator.check(replace(HERE, number="44"), deadline=soon())
    assert checked.state is AddressState.SUGGESTED
    assert checked.suggestions == (HERE,)


async def test_what_there_is_not_is_said(validator: TmfValidator) -> None:
    checked = await validator.check(replace(HERE, street="Nowhere"), deadline=soon())
    assert checked.problems == {AddressField.STREET: AddressProblem.UNKNOWN}


async def test_somebody_may_look_at_it_first(bss: Bss, validator: TmfValidator) -> None:
    bss.addresses.later = True
    assert (await validator.check(HERE, deadline=soon())).state is AddressState.PENDING


async def test_what_lacks_a_part_is_not_asked_about(bss: Bss, validator: TmfValidator) -> None:
    checked = await validator.check(replace(HERE, city=""), deadline=soon())
    assert checked.problems == {AddressField.CITY: AddressProblem.MISSING}
    assert not bss.seen


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ({"validationResult": "success"}, AddressState.VALID),
        ({"validationResult": "partial"}, AddressState.INVALID),
        (
            {
                "validationResult": "fail",
                "alternateGeographicAddress": [
                    {"streetName": "x" * 200, "city": "y", "country": "DE"},
                    {"streetName": "a\u0000", "city": "y", "country": "DE"},
                    {"streetName": "a", "city": "y", "country": "FR"},
                ],
            },
            AddressState.INVALID,
        ),
    ],
)
async def test_answers_that_say_less(
    bss: Bss, validator: TmfValidator, told: dict[str, object], state: AddressState
) -> None:
    bss.canned = json.dumps(told).encode()
    assert (await validator.check(HERE, deadline=soon())).state is state


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"validationResult": "perhaps"},
        {"validationResult": "success", "validGeographicAddress": {"city": "y"}},
        [],
    ],
)
async def test_answers_of_no_use(bss: Bss, validator: TmfValidator, told: object) -> None:
    bss.canned = json.dumps(told).encode()
    with pytest.raises(PeerMisbehaved):
        await validator.check(HERE, deadline=soon())


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.BUSY, PeerUnavailable),
        (Fault.RESET, PeerUnavailable),
        (Fault.GARBAGE, PeerMisbehaved),
        (Fault.HUGE, PeerMisbehaved),
        (Fault.WRONG_TYPE, PeerMisbehaved),
    ],
)
async def test_trouble_has_a_defined_outcome(
    bss: Bss, validator: TmfValidator, fault: Fault, error: type[EcsError]
) -> None:
    bss.plan = Plan(fault=fault)
    with pytest.raises(error) as caught:
        await validator.check(HERE, deadline=soon())
    assert "Domkloster" not in f"{caught.value!r} {caught.value.for_operator}"
