"""What was used of partner APIs: one row for each answer that counts, written with it.

An access token for one call is spent by the same row that bills the call: its ``usage_id`` is the
token's. So there is no call without its row, no row twice, and books equal what was consumed.
"""

from __future__ import annotations

from dataclasses import field

from simgrant.domain.camara.access_token import Method
from simgrant.nouns import Word, named_noun


class Outcome(Word):
    """What the consumer was told, as far as tariffs tell it apart."""

    MATCH = "match"
    NO_MATCH = "no_match"
    DELIVERED = "delivered"
    """A value: a number, a date, a status."""
    REFUSED = "refused"
    """The token is spent, and nothing was told."""
    ASKED = "asked"
    """The subscriber was asked out of band, which costs the operator a message, whatever comes of
    it."""


@named_noun
class Usage:
    """One row."""

    usage_id: bytes = field(repr=False)
    """16 bytes: the ``token_id`` of a token for one call, else random."""
    at_ms: int
    """Unix milliseconds."""
    client_id: str
    application: str = ""
    api: str
    operation: str
    """The operationId of the API's definition."""
    purpose: str = ""
    method: Method
    outcome: Outcome
    status: int
    code: str = ""
    """Of an error; empty for an answer."""
    subject_ref: str = ""
    """Keyed hash of the number."""
    correlator: str = ""
    tariff: str = ""
    price_micros: int = 0
    """Millionths of the currency, as the tariff said at that moment; 0 = not billable."""
    share_micros: int = 0
    """Of the price, the aggregator's."""
    currency: str = ""
    suspicion: str = ""
    """What is odd about it by the rules against fraud; empty = nothing."""
    sandbox: bool = False
    duration_us: int = 0
