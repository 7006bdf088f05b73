"""Checks that an address is whole and looks like one of its country; asks nobody.

Whether the house is there, only an emergency service's own system knows. For laboratories, and for
operators whose provider looks at addresses later.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import field
from importlib import resources

from simgrant.domain.address import AddressField, CivicAddress
from simgrant.nouns import noun, replace
from simgrant.ports.address_validator import AddressProblem, AddressState, Checked


@noun
class _Country:
    name: str
    needs: frozenset[AddressField]
    postcode: re.Pattern[str]
    regions: frozenset[str] = field(default_factory=frozenset)


_EVERYWHERE = frozenset({AddressField.STREET, AddressField.CITY})


def open_validator() -> EmbeddedValidator:
    """Return the validator."""
    return EmbeddedValidator(_countries())


class EmbeddedValidator:
    """The validator (the ``AddressValidator`` port)."""

    def __init__(self, countries: dict[str, _Country]) -> None:
        self._countries = countries

    @property
    def countries(self) -> Mapping[str, str]:
        """The countries that are taken, and their names."""
        return {code: country.name for code, country in self._countries.items()}

    async def check(self, address: CivicAddress, *, deadline: float) -> Checked:
        """Return whether it is whole and well-formed, written as the country does."""
        del deadline
        country = self._countries.get(address.country)
        if country is None:
            problem = AddressProblem.UNKNOWN if address.country else AddressProblem.MISSING
            return _invalid(address, {AddressField.COUNTRY: problem})
        written = replace(
            address,
            postcode=address.postcode.upper(),
            region=address.region.upper() if country.regions else address.region,
        )
        problems = {
            part: AddressProblem.MISSING
            for part in AddressField
            if part in country.needs and not written.part(part)
        }
        if written.postcode and not country.postcode.fullmatch(written.postcode):
            problems[AddressField.POSTCODE] = AddressProblem.MALFORMED
        if written.region and country.regions and written.region not in country.regions:
            problems[AddressField.REGION] = AddressProblem.UNKNOWN
        if problems:
            return _invalid(address, problems)
        return Checked(state=AddressState.VALID, address=written)

    async def close(self) -> None:
        """Do nothing: there are no connections."""


def _invalid(address: CivicAddress, problems: dict[AddressField, AddressProblem]) -> Checked:
    return Checked(state=AddressState.INVALID, address=address, problems=problems)


def _countries() -> dict[str, _Country]:
    text = resources.files(__package__).joinpath("embedded.toml").read_text("utf-8")
    return {
        name: _Country(
            body["name"],
            _EVERYWHERE.union(map(AddressField, body["needs"])),
            re.compile(body["postcode"], re.ASCII),
            frozenset(body.get("regions", ())),
        )
        for name, body in tomllib.loads(text).items()
    }
