"""How far somebody is who opened a web view, and what a step of it settles (ADR 0025)."""

from __future__ import annotations

from simgrant.domain.holdings import Holding, Money
from simgrant.domain.subscription import Consent
from simgrant.nouns import Word, noun


class Step(Word):
    """Where a visit is; kept in rows and page tokens."""

    TERMS = "terms"
    ADDRESS = "address"
    OFFER = "offer"
    ACTIVATION = "activation"
    DONE = "done"
    """All is settled, and the phone was or is being told."""


@noun
class Visit:
    """The row of a web view that was opened. Times are Unix seconds."""

    step: Step
    opened_at: int
    expires_at: int
    """From when on neither its handle nor a page of it is good, and the row may be forgotten."""


@noun
class Receipt:
    """What was bought on a page. It is kept, whatever becomes of what was bought."""

    what: str
    """``boost 166``."""
    price: Money | None
    """None = nothing was asked for it."""
    lasts_s: int | None
    """Seconds; None = it does not end."""
    at: int
    """Unix seconds."""

    def __str__(self) -> str:
        return f"{self.what} for {self.price or 'nothing'}, {self.lasts_s or 'no end of'} s"


@noun
class Settlement:
    """What a step ends in: written in one transaction, or not at all."""

    of: Step
    to: Step
    at: int
    """Unix seconds."""
    consents: tuple[Consent, ...] = ()
    holding: Holding | None = None
    replaces_at: int | None = None
    """Time of the holding whose place it takes; None = there is none. Where that is another by
    now, somebody else was faster."""
    receipt: Receipt | None = None
    keep_until: int | None = None
    """Unix seconds until which the receipt is kept, and the visit with it."""
