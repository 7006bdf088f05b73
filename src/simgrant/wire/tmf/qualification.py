"""Whether a product may be had, asked before it is ordered (TMF679).

The item's list has one name in the first releases of version 4 and another in later ones: both are
read, and the one that the path goes with is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, TypeAlias

import msgspec

from simgrant.nouns import Word
from simgrant.wire.tmf.parts import (
    Characteristics,
    Part,
    Reference,
    Text,
    characteristics_of,
    push_characteristics,
)

RESOURCE: Final = "checkProductOfferingQualification"
OLD_RESOURCE: Final = "productOfferingQualification"
_MOST: Final = 32


class Result(Word):
    """What is said of an item, or of all."""

    QUALIFIED = "qualified"
    UNQUALIFIED = "unqualified"
    ALTERNATE = "alternate"
    """Something else may be had."""


class Reason(Part, frozen=True):
    """EligibilityUnavailabilityReason."""

    code: Text = ""
    label: Text = ""


class _Product(Part, frozen=True):
    product_characteristic: Characteristics = ()


class Item(Part, frozen=True):
    """A product that is asked about, and what is said of it."""

    id: Text = ""
    qualification_item_result: Text = ""
    product: _Product = _Product()
    product_offering: Reference = Reference()
    eligibility_unavailability_reason: Annotated[
        tuple[Reason, ...], msgspec.Meta(max_length=_MOST)
    ] = ()

    @property
    def values(self) -> Mapping[str, str]:
        """Return the characteristics of its product by name."""
        return characteristics_of(self.product.product_characteristic)


_Items: TypeAlias = Annotated[tuple[Item, ...], msgspec.Meta(max_length=_MOST)]


class Qualification(Part, frozen=True):
    """The whole question, or the answer to it."""

    id: Text = ""
    state: Text = ""
    """TaskStateType, such as ``done``."""
    qualification_result: Text = ""
    check_product_offering_qualification_item: _Items = ()
    product_offering_qualification_item: _Items = ()

    @property
    def items(self) -> Sequence[Item]:
        """Return its items, whatever they are called."""
        return (
            self.check_product_offering_qualification_item
            or self.product_offering_qualification_item
        )

    @property
    def result(self) -> str:
        """Return the result of the only item, else that of all; empty = none is told yet."""
        if len(self.items) == 1 and self.items[0].qualification_item_result:
            return self.items[0].qualification_item_result
        return self.qualification_result

    @property
    def why(self) -> str:
        """Return why not, as the first item says it; empty = it does not."""
        for item in self.items:
            for reason in item.eligibility_unavailability_reason:
                return reason.label or reason.code
        return ""


def push_qualification(resource: str, *, offering: str, values: Mapping[str, str]) -> bytes:
    """Return the question for one offering; an answer is wanted at once."""
    item: dict[str, Any] = {
        "id": "1",
        "action": "add",
        "product": {"productCharacteristic": push_characteristics(values)},
    }
    if offering:
        item["productOffering"] = {"id": offering}
    return msgspec.json.encode(
        {
            "instantSyncQualification": True,
            "provideAlternative": False,
            "provideUnavailabilityReason": True,
            f"{resource}Item": [item],
        }
    )
