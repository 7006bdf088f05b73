"""What goes wrong with calls of the management API, as codes that stay the same (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Final

import msgspec

from simgrant.errors import (
    BadRequest,
    Conflict,
    EcsError,
    NotOffered,
    Overloaded,
    PeerMisbehaved,
    PeerUnavailable,
)
from simgrant.flows.subscriptions import BadRow
from simgrant.nouns import Word, noun

MOST_ERRORS: Final = 100
"""Lines of an import, or events, that are complained of by themselves."""


class Code(Word):
    """Which problem it is."""

    MALFORMED = "malformed"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    FROM_A_BROWSER = "from_a_browser"
    NOT_FOUND = "not_found"
    REMOVED = "removed"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    CONFLICT = "conflict"
    EXISTS = "exists"
    NUMBER_TAKEN = "number_taken"
    IN_PROGRESS = "in_progress"
    ANSWER_LOST = "answer_lost"
    CHANGED_MEANWHILE = "changed_meanwhile"
    TOO_LARGE = "too_large"
    CONTENT_TYPE = "content_type"
    INVALID = "invalid"
    KEY_REUSED = "key_reused"
    TOO_MANY = "too_many"
    INTERNAL = "internal"
    UNAVAILABLE = "unavailable"


@noun
class Kind:
    """What is the same for all problems with one code."""

    status: int
    """The HTTP status."""
    title: str


KINDS: Final[Mapping[Code, Kind]] = MappingProxyType(
    {
        Code.MALFORMED: Kind(400, "The call is not as the document describes it"),
        Code.UNAUTHENTICATED: Kind(401, "Nobody is known by these credentials"),
        Code.FORBIDDEN: Kind(403, "This client may not do this"),
        Code.FROM_A_BROWSER: Kind(403, "Pages of browsers may not call"),
        Code.NOT_FOUND: Kind(404, "There is no such thing"),
        Code.REMOVED: Kind(404, "The subscription was removed"),
        Code.METHOD_NOT_ALLOWED: Kind(405, "Not a method of this address"),
        Code.CONFLICT: Kind(409, "What there is does not permit it"),
        Code.EXISTS: Kind(409, "It exists already"),
        Code.NUMBER_TAKEN: Kind(409, "The number is another subscription's"),
        Code.IN_PROGRESS: Kind(409, "The same call is being carried out"),
        Code.ANSWER_LOST: Kind(409, "The call was carried out, and its answer was lost"),
        Code.CHANGED_MEANWHILE: Kind(412, "It is no longer what you have seen"),
        Code.TOO_LARGE: Kind(413, "The body is too large"),
        Code.CONTENT_TYPE: Kind(415, "The body is of another type"),
        Code.INVALID: Kind(422, "What is asked for cannot be"),
        Code.KEY_REUSED: Kind(422, "The idempotency key was of another call"),
        Code.TOO_MANY: Kind(429, "Too many calls"),
        Code.INTERNAL: Kind(500, "A fault of this server"),
        Code.UNAVAILABLE: Kind(503, "It cannot be done right now"),
    }
)
"""Status and title of every code."""


class LineError(msgspec.Struct):
    """What is wrong with one line of an import, or one event of a list."""

    line: Annotated[int, msgspec.Meta(ge=1)]
    """Counted from 1; of a list, its members are counted."""
    reason: str


class ProblemDetails(msgspec.Struct, omit_defaults=True, rename={"kind": "type"}):
    """What an answer says that is an error (`application/problem+json`)."""

    kind: str
    """An URI that ends with the code."""
    title: str
    status: int
    code: str
    """What the problem is, in a word that stays the same."""
    detail: str = ""
    """More, for people."""
    request_id: str = ""
    """By which the call is found in the log."""
    errors: list[LineError] = []
    """Of an import, or of events: what is wrong with which of them, the first hundred; how many
    there are is in `detail`."""


class Problem(Exception):
    """A call that is refused."""

    def __init__(
        self,
        code: Code,
        detail: str = "",
        *,
        errors: Sequence[LineError] = (),
        retry_after: int | None = None,
    ) -> None:
        """``retry_after`` is in seconds."""
        super().__init__(detail or code)
        self.code = code
        self.detail = detail
        self.errors = errors
        self.retry_after = retry_after

    @property
    def status(self) -> int:
        """The HTTP status."""
        return KINDS[self.code].status

    def details(self, request_id: str) -> ProblemDetails:
        """Return what the answer says."""
        return ProblemDetails(
            kind=f"urn:simgrant:problem:{self.code}",
            title=KINDS[self.code].title,
            status=self.status,
            code=self.code.value,
            detail=self.detail,
            request_id=request_id,
            errors=list(self.errors[:MOST_ERRORS]),
        )


_CONFLICTS: Final[Mapping[str, Code]] = MappingProxyType(
    {
        "no_subscription": Code.NOT_FOUND,
        "no_terminal": Code.NOT_FOUND,
        "no_holding": Code.NOT_FOUND,
        "no_profile": Code.NOT_FOUND,
        "no_policy_version": Code.NOT_FOUND,
        "no_consumer": Code.NOT_FOUND,
        "no_tariff": Code.NOT_FOUND,
        "subscription_removed": Code.REMOVED,
        "exists": Code.EXISTS,
        "msisdn_taken": Code.NUMBER_TAKEN,
        "changed_meanwhile": Code.CHANGED_MEANWHILE,
    }
)
"""What the reasons of `Conflict` are to a caller; others are `CONFLICT`."""


def problem_of(error: EcsError | BadRow) -> Problem:
    """Return what an error of the flows is to a caller."""
    match error:
        case BadRow():
            return Problem(Code.INVALID, str(error))
        case Conflict():
            return Problem(_CONFLICTS.get(error.reason, Code.CONFLICT), error.for_operator)
        case BadRequest():
            return Problem(Code.INVALID, error.for_operator or error.reason)
        case Overloaded():
            return Problem(Code.TOO_MANY, error.reason, retry_after=error.retry_after or 1)
        case PeerUnavailable() | PeerMisbehaved():
            return Problem(Code.UNAVAILABLE, error.reason, retry_after=error.retry_after or 5)
        case NotOffered():
            return Problem(Code.NOT_FOUND, error.for_operator)
    return Problem(Code.CONFLICT, error.for_operator or error.reason)
