"""What was used of partner APIs, as rows: the token for one call is spent by the row that bills it.

Errors promised by every adapter: PeerUnavailable (nobody knows whether it was written, where it was
to be; to write it again does no harm).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import field
from typing import Protocol

from simgrant.domain.camara.access_token import Method
from simgrant.domain.camara.usage import Outcome, Usage
from simgrant.nouns import named_noun, noun


@noun
class Span:
    """From a moment to before another, both in Unix milliseconds."""

    since_ms: int
    until_ms: int


@noun
class Place:
    """Where to go on in the usage of a span; it does not change while rows are added."""

    shard: int = 0
    at_ms: int = -1
    usage_id: bytes = field(default=b"", repr=False)


@named_noun
class Total:
    """Rows that are alike, counted and added up."""

    client_id: str
    application: str
    api: str
    operation: str
    method: Method
    outcome: Outcome
    tariff: str
    currency: str
    sandbox: bool
    count: int
    price_micros: int
    share_micros: int


@noun
class Counted:
    """Answers to a consumer from one API that count for quotas: not refused, no sandbox."""

    tenant: str
    client_id: str
    api: str
    count: int


class Record(Protocol):
    """Writes a row, and perhaps something else with it."""

    async def __call__(self, tenant: str, usage: Usage, *, expires_at: int) -> bool:
        """As ``UsageRows.record``."""


class UsageRows(Protocol):
    """Where they are kept."""

    async def record(self, tenant: str, usage: Usage, *, expires_at: int) -> bool:
        """Write a row; False, and nothing changed, where there is one of its ``usage_id``.

        ``expires_at`` is when the token is over (Unix seconds): the row is kept until then.
        """

    async def spent(self, tenant: str, token_id: bytes) -> bool:
        """Say whether there is a row of a token for one call."""

    async def page(
        self, tenant: str, span: Span, after: Place, *, client_id: str = "", limit: int
    ) -> tuple[Sequence[Usage], Place | None]:
        """Return the next rows, and where to go on; None = there are no more.

        With ``client_id`` those of one consumer. A page may have fewer rows than ``limit``, or
        none, and yet not be the last one.
        """

    def totals(
        self, tenant: str, span: Span, *, client_id: str = ""
    ) -> AsyncIterator[Sequence[Total]]:
        """Yield totals of parts of the rows: those that are alike are to be added up."""

    async def counted(self, span: Span) -> Sequence[Counted]:
        """Return what counts for quotas, of all tenants."""

    async def purge(self, *, before_ms: int, now: int) -> int:
        """Delete a batch of rows that are older, and whose tokens are over; return how many."""
