"""Product offerings: what may be chosen and bought (TMF620)."""

from __future__ import annotations

from typing import Final

from simgrant.wire.tmf.parts import Part, Reference, Text, unix_seconds


class Period(Part, frozen=True):
    """TimePeriod: from when, until when; empty = without a bound."""

    start_date_time: Text = ""
    end_date_time: Text = ""

    def holds(self, now: float) -> bool:
        """Say whether it is now; a bound that is no time is none. Unix seconds."""
        start, end = unix_seconds(self.start_date_time), unix_seconds(self.end_date_time)
        return (start is None or start <= now) and (end is None or now < end)


class Offering(Part, frozen=True):
    """One offering."""

    id: Text = ""
    name: Text = ""
    description: Text = ""
    lifecycle_status: Text = ""
    is_sellable: bool = True
    valid_for: Period = Period()
    product_specification: Reference = Reference()


FIELDS: Final = (
    "id",
    "name",
    "description",
    "lifecycleStatus",
    "isSellable",
    "validFor",
    "productSpecification",
)
"""The members that are read."""
