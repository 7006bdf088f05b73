"""What became of what access tokens are got for: assertions, temporary tokens, requests of users.

One call writes all of an exchange, or nothing of it (ADR 0055): so of two who come with the same,
one gets an access token, and a consumer that is refused has used nothing up.

Errors promised by every adapter: PeerUnavailable (nobody knows whether it was written; whoever
exchanged anything has to begin anew).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Protocol

from simgrant.domain.camara.questions import DAY_S
from simgrant.identities import Imsi, Msisdn
from simgrant.nouns import Word, named_noun, noun


class Exchanged(Word):
    """What came of an exchange."""

    DONE = "done"
    SPENT = "spent"
    """What it was for was used before, or is in another state; nothing was written."""
    ASKED = "asked"
    """Somebody else asked the same number meanwhile; nothing was written."""


class RequestKind(Word):
    """What a consumer waits with."""

    CIBA = "ciba"
    CODE = "code"


class RequestState(Word):
    """How far it is."""

    PENDING = "pending"
    GRANTED = "granted"
    DENIED = "denied"
    USED = "used"


class AssertionKind(Word):
    """As what an assertion was brought, in the words of the parameters and the header."""

    CLIENT = "client_assertion"
    GRANT = "assertion"
    REQUEST = "request"
    DPOP = "dpop"


@noun
class Assertion:
    """A ``jti`` that is good once: of an assertion, a request object or a DPoP proof."""

    client_id: str
    """Whose it is; of a DPoP proof, the thumbprint of its key."""
    jti: bytes
    """SHA-256 of it."""
    expires_at: int
    """Unix seconds from which on it is refused anyway."""
    kind: AssertionKind
    """For whoever is told that it was used before; it is not kept: there is one use of a jti."""


@named_noun
class Temporary:
    """A temporary token that is exchanged, and what becomes of it; nothing became of it before."""

    imsi: Imsi
    token_id: bytes = field(repr=False)
    at: int
    """Unix seconds."""
    expires_at: int
    """Unix seconds at which it is over anyway."""
    redeemed_for: bytes = field(default=b"", repr=False)
    """SHA-256 of the access token that its holder has to come with; empty = it is consumed."""


@named_noun
class UserRequest:
    """The row of a backchannel request or an authorization code."""

    request_id: bytes = field(repr=False)
    """SHA-256 of what the consumer holds."""
    kind: RequestKind
    client_id: str
    state: RequestState
    body: bytes = field(repr=False)
    """What the access token will be; sealed by whoever writes it, opaque here."""
    expires_at: int
    """Unix seconds."""
    poll_from: int = 0
    """Unix seconds before which it is polled too early."""
    interval_s: int = 0
    """Between two polls."""


@named_noun
class Question:
    """What a number was asked last, out of band, and when before; there is one row for each."""

    msisdn: Msisdn = field(repr=False)
    request_id: bytes = field(repr=False)
    """Of the backchannel request that waits for the answer."""
    proof: bytes = field(repr=False)
    """Keyed hash of what the right answer brings along."""
    open_until: int
    """Unix seconds until which it may be answered; 0 = what became of it is known."""
    asked: tuple[int, ...]
    """Unix seconds of the questions of the last day, this one the last."""
    quiet_until: int = 0
    """Unix seconds before which the number is not asked again."""

    @property
    def kept_until(self) -> int:
        """Unix seconds at which nobody needs the row any more."""
        return max(self.open_until, self.quiet_until, self.asked[-1] + DAY_S)


@named_noun
class Exchange:
    """All that is written for one answer."""

    assertions: tuple[Assertion, ...] = ()
    temporary: Temporary | None = None
    made: UserRequest | None = None
    """A request that begins."""
    used: bytes = field(default=b"", repr=False)
    """``request_id`` of one that is granted, and ends with this."""
    asks: Question | None = None
    """What the subscriber is asked about ``made``."""
    asked_before: bytes = field(default=b"", repr=False)
    """``request_id`` of what the number was asked last; empty = there is no row of it."""


class CamaraTokens(Protocol):
    """Where it is kept."""

    async def exchange(self, tenant: str, exchange: Exchange) -> Exchanged | Assertion:
        """Write all of it in one transaction, or nothing.

        The answer is the first of its assertions that was used before, if one was.
        """

    async def request(self, tenant: str, request_id: bytes) -> UserRequest | None:
        """Return a request."""

    async def polled(
        self, tenant: str, request_id: bytes, *, poll_from: int, interval_s: int
    ) -> None:
        """Write from when on a request may be polled again."""

    async def settle(
        self,
        tenant: str,
        request_id: bytes,
        state: RequestState,
        body: bytes,
        *,
        now: int,
        closes: Question | None = None,
    ) -> bool:
        """Grant or deny a request; False, and nothing changed, if it is not pending, or is over.

        ``closes`` is the question that was answered: it is open no more, and the number is left
        alone until its ``quiet_until``.
        """

    async def question(self, tenant: str, msisdn: Msisdn) -> Question | None:
        """Return what a number was asked last, whether it is still open or not."""

    async def tried(self, tenant: str, question: Question, *, most: int) -> bool:
        """Count an answer to a question; False, and nothing changed, if there were ``most``."""

    async def close_unanswered(self, tenant: str, question: Question) -> bool:
        """Close a question that is over; False, and nothing changed, if it was closed before.

        Of all who close one as over, so True is told to one, and to none if it was answered.
        """

    async def close_all_unanswered(self, *, until: int, asked_since: int) -> Sequence[str]:
        """Close a batch of those that were over by ``until``; return the tenant of each.

        As `close_unanswered` does. ``asked_since`` leaves out those that were asked before (both
        are Unix seconds). An empty answer says that there was none.
        """

    async def revoke(self, tenant: str, token_id: bytes, *, expires_at: int) -> None:
        """Make an access token useless until it is over (Unix seconds)."""

    async def revoked(self, tenant: str, token_id: bytes) -> bool:
        """Say whether an access token was revoked."""

    async def purge(self, *, before: int) -> int:
        """Delete a batch of rows that were over before; return how many."""
