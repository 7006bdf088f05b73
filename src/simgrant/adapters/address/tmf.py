"""Addresses that a geographic address system knows (TMF673)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Final

from simgrant.domain.address import MOST_LETTERS, AddressField, CivicAddress
from simgrant.errors import PeerMisbehaved, PeerUnavailable
from simgrant.links.api import ApiLink
from simgrant.links.http import Repeat
from simgrant.nouns import named_noun
from simgrant.ports.address_validator import AddressProblem, AddressState, Checked
from simgrant.wire.sbi.body import BadMessage, read
from simgrant.wire.tmf import address as wire
from simgrant.wire.tmf.address import Address, Validation, ValidationResult

_TAKEN: Final = frozenset({200, 201, 202})
_MOST_SUGGESTIONS: Final = 5
_LONGEST_IDENTIFIER: Final = 128
_UNDER_WAY: Final = frozenset({"accepted", "acknowledged", "inprogress"})
_NEEDED: Final = (AddressField.STREET, AddressField.CITY)


@named_noun
class Config:
    """Where it is asked, and about what."""

    path: str
    """What addresses of the API begin with."""
    countries: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Whose addresses it knows: by code (ISO 3166-1) what their people call them."""
    needs: Mapping[str, frozenset[AddressField]] = field(default_factory=dict, hash=False)
    """By code: parts that an address must have beside street and city."""


def open_validator(link: ApiLink, config: Config) -> TmfValidator:
    """Return the validator."""
    return TmfValidator(link, config)


class TmfValidator:
    """The validator (the ``AddressValidator`` port)."""

    def __init__(self, link: ApiLink, config: Config) -> None:
        self._link = link
        self._config = config

    @property
    def countries(self) -> Mapping[str, str]:
        """The countries that are taken, and their names."""
        return self._config.countries

    async def check(self, address: CivicAddress, *, deadline: float) -> Checked:
        """Return what the system says; what lacks a part it is not asked about."""
        if address.country not in self._config.countries:
            problem = AddressProblem.UNKNOWN if address.country else AddressProblem.MISSING
            return _invalid(address, {AddressField.COUNTRY: problem})
        needs = self._config.needs.get(address.country, frozenset()) | frozenset(_NEEDED)
        missing = {
            part: AddressProblem.MISSING
            for part in AddressField
            if part in needs and not address.part(part)
        }
        if missing:
            return _invalid(address, missing)
        reply = await self._link.send(
            "POST",
            f"{self._config.path}/{wire.RESOURCE}",
            wire.push_validation(_pushed(address)),
            # Nothing is changed by it.
            repeat=Repeat.STRUGGLING,
            deadline=deadline,
        )
        if reply.status >= 500:
            raise PeerUnavailable(
                "bss_unavailable", for_operator=f"{self._link.peer}: it answers {reply.status}"
            )
        if reply.status not in _TAKEN:
            raise self._misbehaved(f"it answers {reply.status}")
        try:
            told = read(reply.body, Validation)
        except BadMessage as error:
            raise self._misbehaved(str(error)) from None
        return self._read(address, told)

    async def close(self) -> None:
        """Let go of every connection."""
        await self._link.close()

    def _read(self, address: CivicAddress, told: Validation) -> Checked:
        match told.validation_result.lower():
            case ValidationResult.SUCCESS:
                found = told.valid_geographic_address
                written = address if found is None else self._pulled(found, address)
                if written is None:
                    raise self._misbehaved("the address that it found is none that can be kept")
                identifier = found.id if found else ""
                return Checked(
                    state=AddressState.VALID,
                    address=written,
                    identifier=identifier if len(identifier) <= _LONGEST_IDENTIFIER else "",
                )
            case ValidationResult.PARTIAL | ValidationResult.FAIL:
                near = [self._pulled(each, address) for each in told.alternate_geographic_address]
                suggestions = tuple(each for each in near if each is not None)[:_MOST_SUGGESTIONS]
                if suggestions:
                    return Checked(
                        state=AddressState.SUGGESTED, address=address, suggestions=suggestions
                    )
                return _invalid(address, {AddressField.STREET: AddressProblem.UNKNOWN})
        if told.state.lower() in _UNDER_WAY:
            return Checked(state=AddressState.PENDING, address=address)
        raise self._misbehaved("it gives no result")

    def _pulled(self, found: Address, asked: CivicAddress) -> CivicAddress | None:
        """Return an address as it is written there; None where it is none of ours.

        The apartment stays as it was given where nothing is said of it.
        """
        sub = next(iter(found.geographic_sub_address), None)
        unit = sub.sub_unit_number or sub.name if sub else ""
        street = " ".join(filter(None, (found.street_name, found.street_type)))
        made = CivicAddress(
            country=found.country.upper() or asked.country,
            region=found.state_or_province,
            city=found.city or found.locality,
            postcode=found.postcode,
            street=street,
            number=found.street_nr,
            unit=unit or asked.unit,
        )
        parts = [made.part(part) for part in AddressField]
        usable = all(len(part) <= MOST_LETTERS and part.isprintable() for part in parts)
        if not (usable and made.street and made.city and made.country in self._config.countries):
            return None
        return made

    def _misbehaved(self, why: str) -> PeerMisbehaved:
        return PeerMisbehaved("bss_misbehaved", for_operator=f"{self._link.peer}: {why}")


def _pushed(address: CivicAddress) -> dict[str, object]:
    told: dict[str, object] = {
        "streetNr": address.number,
        "streetName": address.street,
        "city": address.city,
        "postcode": address.postcode,
        "stateOrProvince": address.region,
        "country": address.country,
    }
    if address.unit:
        told["geographicSubAddress"] = [{"subUnitNumber": address.unit}]
    return {name: value for name, value in told.items() if value}


def _invalid(address: CivicAddress, problems: dict[AddressField, AddressProblem]) -> Checked:
    return Checked(state=AddressState.INVALID, address=address, problems=problems)
