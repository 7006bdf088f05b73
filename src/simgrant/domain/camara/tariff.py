"""What answers of partner APIs cost, and whose the money is.

A tariff has versions, each good from a moment on until the next one begins. A version that is in
force is never changed, so what was priced by it stays explained by it.
"""

from __future__ import annotations

from simgrant.domain.camara.access_token import Method
from simgrant.domain.camara.usage import Outcome
from simgrant.nouns import named_noun, noun

MILLION = 1_000_000
"""Micros in one of a currency; parts of a share in a whole."""


@named_noun
class Price:
    """What one kind of answer costs."""

    outcome: Outcome
    micros: int
    """Millionths of the currency."""
    operation: str = ""
    """The operationId it is for; empty = any that has no price of its own."""
    method: Method | None = None
    """How the subscriber was proved; None = in any way that has no price of its own."""


@named_noun
class Tariff:
    """One version."""

    name: str
    valid_from: int
    """Unix seconds."""
    currency: str
    """ISO 4217."""
    prices: tuple[Price, ...] = ()
    """Answers that none is for cost nothing."""
    share_ppm: int = 0
    """The aggregator's part, in millionths of the price; the rest is the operator's."""

    def charge(self, operation: str, outcome: Outcome, method: Method) -> Charge:
        """Return what an answer costs: by the price that says most about it, operation first."""
        micros, best = 0, (-1, -1)
        for price in self.prices:
            if (
                price.outcome is outcome
                and price.operation in (operation, "")
                and price.method in (method, None)
            ):
                says = (bool(price.operation), price.method is not None)
                if says > best:
                    micros, best = price.micros, says
        return Charge(self.name, micros, self.currency, micros * self.share_ppm // MILLION)


@noun
class Charge:
    """What one answer costs."""

    tariff: str
    price_micros: int
    currency: str
    share_micros: int
    """Of the price, the aggregator's: rounded down, so the operator has what is left."""


FREE = Charge("", 0, "", 0)
