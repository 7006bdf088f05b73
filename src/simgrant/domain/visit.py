"""How far somebody is who opened a web view, and what a step of it settles (ADR 0025)."""

from __future__ import annotations

from simgrant.domain.holdings import Holding, Money
from simgrant.domain.order import Order, Source
from simgrant.domain.subscription import Consent
from simgrant.nouns import Word, noun


class Step(Word):
    """Where a visit is; kept in rows and page tokens."""

    TERMS = "terms"
    ADDRESS = "address"
    OFFER = "offer"
    ACTIVATION = "activation"
    CHOICE = "choice"
    """What is ordered is chosen, and that it is."""
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
class OrderChange:
    """What a step makes of an eSIM order: one transition of its machine."""

    before: Order
    after: Order
    event: str
    """What happened, as its history calls it."""
    due_at: int | None
    """As for `Orders.change`."""
    keep_due: bool = False
    """Likewise: whoever has something to do for the order goes on with it."""
    otherwise: tuple[Source, ...] = ()
    """As for `Orders.make`, where a profile is to be ordered now."""


@noun
class Settlement:
    """What a step ends in: written in one transaction, or not at all."""

    of: Step
    to: Step
    at: int
    """Unix seconds."""
    consents: tuple[Consent, ...] = ()
    switches: bool = False
    """Whether all is there now for the service to be switched on in the network."""
    holding: Holding | None = None
    replaces_at: int | None = None
    """Time of the holding whose place it takes; None = there is none. Where that is another by
    now, somebody else was faster."""
    receipt: Receipt | None = None
    keep_until: int | None = None
    """Unix seconds until which the receipt is kept, and the visit with it."""
    order: OrderChange | None = None
    """Where something else happened to the order meanwhile, somebody else was faster."""
