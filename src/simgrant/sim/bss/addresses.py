"""Addresses that a simulated BSS knows (TMF673)."""

from __future__ import annotations

from typing import Any, Final
from uuid import uuid4

from simgrant.sim.bss.answers import Call, Refusal, json_answer
from simgrant.sim.web import Answer
from simgrant.wire.sbi.body import BadMessage, read
from simgrant.wire.tmf.address import RESOURCE, Address, Validation, ValidationResult
from simgrant.wire.tmf.apis import Api

KNOWN: Final[tuple[dict[str, str], ...]] = (
    {
        "id": "place-1",
        "streetNr": "4",
        "streetName": "Domkloster",
        "city": "Köln",
        "postcode": "50667",
        "country": "DE",
    },
    {
        "id": "place-2",
        "streetNr": "1",
        "streetName": "Main St",
        "city": "Springfield",
        "postcode": "62701-1234",
        "stateOrProvince": "IL",
        "country": "US",
    },
    {
        "id": "place-3",
        "streetName": "Rose Cottage",
        "city": "Nether Wallop",
        "postcode": "SO20 8EU",
        "country": "GB",
    },
    {
        "id": "place-4",
        "streetNr": "845",
        "streetName": "Rue Sherbrooke",
        "city": "Montréal",
        "postcode": "H3A 0G4",
        "stateOrProvince": "QC",
        "country": "CA",
    },
    {"id": "place-5", "streetName": "Main Street", "city": "Ballydehob", "country": "IE"},
    {
        "id": "place-6",
        "streetNr": "s/n",
        "streetName": "Calle Mayor",
        "city": "Madrid",
        "postcode": "28013",
        "country": "ES",
    },
)
"""The places that there are."""
_COMPARED: Final = ("streetNr", "streetName", "city", "postcode", "stateOrProvince", "country")


class Addresses:
    """Answers whether there is an address."""

    def __init__(self) -> None:
        self.later = False
        """Whether answers say that somebody has to look at it first."""

    def answer(self, call: Call, root: str) -> Answer:
        """Answer a request for geographicAddressValidation; Refusal."""
        if call.method != "POST" or call.resource != RESOURCE:
            raise Refusal(405)
        content = call.content()
        if not isinstance(content, dict) or not (
            {"provideAlternative", "submittedGeographicAddress"} <= content.keys()
        ):
            raise Refusal(400, "provideAlternative and submittedGeographicAddress are mandatory")
        try:
            asked = read(call.body, Validation).submitted_geographic_address
        except BadMessage as error:
            raise Refusal(400, str(error)) from None
        id_ = uuid4().hex
        told = content | {
            "id": id_,
            "href": f"{root}{Api.ADDRESS}/{RESOURCE}/{id_}",
            "state": "done",
        }
        if self.later:
            return json_answer(told | {"state": "inProgress"}, status=201)
        return json_answer(told | _found(asked), status=201)


def _found(asked: Address) -> dict[str, Any]:
    mine = _key(
        {
            "streetNr": asked.street_nr,
            "streetName": asked.street_name,
            "city": asked.city,
            "postcode": asked.postcode,
            "stateOrProvince": asked.state_or_province,
            "country": asked.country,
        }
    )
    for place in KNOWN:
        if _key(place) == mine:
            return {
                "validationResult": ValidationResult.SUCCESS,
                "validGeographicAddress": place,
            }
    near = [
        place for place in KNOWN
        if place["country"] == asked.country
        and place["city"].casefold() == asked.city.casefold()
        and place["streetName"].casefold() == asked.street_name.casefold()
    ]  # fmt: skip
    if near:
        return {
            "validationResult": ValidationResult.PARTIAL,
            "alternateGeographicAddress": near,
        }
    return {"validationResult": ValidationResult.FAIL}


def _key(place: dict[str, str]) -> tuple[str, ...]:
    return tuple(place.get(name, "").casefold() for name in _COMPARED)
