"""Whether there is such an address, and how it is written (TMF673)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeAlias

import msgspec

from simgrant.nouns import Word
from simgrant.wire.tmf.parts import Part, Text

RESOURCE: Final = "geographicAddressValidation"
_MOST_SUB: Final = 16
_MOST_ALTERNATES: Final = 64


class ValidationResult(Word):
    """What is said of an address."""

    SUCCESS = "success"
    PARTIAL = "partial"
    FAIL = "fail"


class SubAddress(Part, frozen=True):
    """GeographicSubAddress: the part of a building."""

    sub_unit_number: Text = ""
    sub_unit_type: Text = ""
    level_number: Text = ""
    name: Text = ""


class Address(Part, frozen=True):
    """GeographicAddress."""

    id: Text = ""
    street_nr: Text = ""
    street_name: Text = ""
    street_type: Text = ""
    city: Text = ""
    locality: Text = ""
    postcode: Text = ""
    state_or_province: Text = ""
    country: Text = ""
    geographic_sub_address: Annotated[
        tuple[SubAddress, ...], msgspec.Meta(max_length=_MOST_SUB)
    ] = ()


_Addresses: TypeAlias = Annotated[tuple[Address, ...], msgspec.Meta(max_length=_MOST_ALTERNATES)]


class Validation(Part, frozen=True):
    """GeographicAddressValidation, as it is asked for or told of."""

    id: Text = ""
    state: Text = ""
    """Such as ``done``."""
    validation_result: Text = ""
    submitted_geographic_address: Address = Address()
    valid_geographic_address: Address | None = None
    alternate_geographic_address: _Addresses = ()


def push_validation(address: Mapping[str, Any]) -> bytes:
    """Return the question for an address, with the members of GeographicAddress."""
    return msgspec.json.encode({"provideAlternative": True, "submittedGeographicAddress": address})
