"""A civic address, as a person gives it for emergency calls over Wi-Fi."""

from __future__ import annotations

from dataclasses import field

from simgrant.nouns import Word, named_noun


class AddressField(Word):
    """A part of an address, in the order of forms; the names of their fields and of ours."""

    STREET = "street"
    NUMBER = "number"
    UNIT = "unit"
    POSTCODE = "postcode"
    CITY = "city"
    REGION = "region"
    COUNTRY = "country"


MOST_LETTERS = 100
"""Of one part."""


@named_noun
class CivicAddress:
    """Where somebody is at home. Never shown by its repr: it says who a subscriber is."""

    country: str = field(repr=False)
    """Two letters of ISO 3166-1."""
    region: str = field(default="", repr=False)
    """State, province or county, where the country's addresses have one."""
    city: str = field(default="", repr=False)
    postcode: str = field(default="", repr=False)
    street: str = field(default="", repr=False)
    number: str = field(default="", repr=False)
    unit: str = field(default="", repr=False)
    """Apartment, floor, building."""

    def part(self, part: AddressField) -> str:
        """Return one part."""
        text: str = getattr(self, part)
        return text
