"""What partner APIs refuse with: codes and statuses of CAMARA's Commonalities, 0.6.

What goes wrong with any request, at whatever listener, is an `EcsError` here too.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from simgrant.nouns import Word, noun


class Code(Word):
    """Which problem it is, by the wire's names."""

    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    INVALID_TOKEN_CONTEXT = "INVALID_TOKEN_CONTEXT"  # noqa: S105 - a name
    NOT_BY_NETWORK = "NUMBER_VERIFICATION.USER_NOT_AUTHENTICATED_BY_MOBILE_NETWORK"
    NOT_ALLOWED_SCOPES_PURPOSE = "CONSENT_INFO.NOT_ALLOWED_SCOPES_PURPOSE"
    CAPTURE_FREQUENCY_EXCEEDED = "CONSENT_INFO.CAPTURE_FREQUENCY_EXCEEDED"
    INVALID_CALLBACK_URL = "CONSENT_INFO.INVALID_CALLBACK_URL"
    NOT_FOUND = "NOT_FOUND"
    IDENTIFIER_NOT_FOUND = "IDENTIFIER_NOT_FOUND"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    NOT_ACCEPTABLE = "NOT_ACCEPTABLE"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    UNSUPPORTED_IDENTIFIER = "UNSUPPORTED_IDENTIFIER"
    UNNECESSARY_IDENTIFIER = "UNNECESSARY_IDENTIFIER"
    MISSING_IDENTIFIER = "MISSING_IDENTIFIER"
    SERVICE_NOT_APPLICABLE = "SERVICE_NOT_APPLICABLE"
    INVALID_PROTOCOL = "INVALID_PROTOCOL"
    INVALID_CREDENTIAL = "INVALID_CREDENTIAL"
    INVALID_TOKEN = "INVALID_TOKEN"  # noqa: S105 - a name
    INVALID_SINK = "INVALID_SINK"
    SUBSCRIPTION_MISMATCH = "SUBSCRIPTION_MISMATCH"
    MULTIEVENT_SUBSCRIPTION_NOT_SUPPORTED = "MULTIEVENT_SUBSCRIPTION_NOT_SUPPORTED"
    ABORTED = "ABORTED"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    TOO_MANY_REQUESTS = "TOO_MANY_REQUESTS"
    UNAVAILABLE = "UNAVAILABLE"


@noun
class Kind:
    """What is the same for all problems with one code."""

    status: int
    """The HTTP status."""
    message: str
    """What is told, where nothing better is known."""


KINDS: Final[Mapping[Code, Kind]] = MappingProxyType(
    {
        Code.INVALID_ARGUMENT: Kind(400, "The request is not as the API describes it"),
        Code.OUT_OF_RANGE: Kind(400, "A value is out of the range that is served"),
        # One text, whatever is wrong with a token.
        Code.UNAUTHENTICATED: Kind(401, "The request needs a new access token"),
        Code.PERMISSION_DENIED: Kind(403, "The access token or the consumer may not do this"),
        Code.INVALID_TOKEN_CONTEXT: Kind(403, "The access token is about something else"),
        Code.NOT_BY_NETWORK: Kind(403, "The access token was not got by SIM or network"),
        Code.NOT_ALLOWED_SCOPES_PURPOSE: Kind(403, "Scopes and purpose are not the consumer's"),
        Code.CAPTURE_FREQUENCY_EXCEEDED: Kind(403, "The subscriber was asked a short while ago"),
        Code.INVALID_CALLBACK_URL: Kind(403, "The callback is not one of the consumer's"),
        Code.NOT_FOUND: Kind(404, "There is no such resource"),
        Code.IDENTIFIER_NOT_FOUND: Kind(404, "No subscriber is known by this identifier"),
        Code.METHOD_NOT_ALLOWED: Kind(405, "Not a method of this resource"),
        Code.NOT_ACCEPTABLE: Kind(406, "Answers are application/json"),
        Code.UNSUPPORTED_MEDIA_TYPE: Kind(415, "The body has to be application/json"),
        Code.UNSUPPORTED_IDENTIFIER: Kind(422, "This kind of identifier is not served"),
        Code.UNNECESSARY_IDENTIFIER: Kind(422, "The access token says already whom it is about"),
        Code.MISSING_IDENTIFIER: Kind(422, "Nothing says whom it is about"),
        Code.SERVICE_NOT_APPLICABLE: Kind(422, "It cannot be told of this subscriber"),
        Code.INVALID_PROTOCOL: Kind(400, "Events are delivered by HTTP"),
        Code.INVALID_CREDENTIAL: Kind(400, "The credential of a sink is an access token"),
        Code.INVALID_TOKEN: Kind(400, "The access token of a sink is a bearer token"),
        Code.INVALID_SINK: Kind(400, "Events cannot be delivered to this sink"),
        Code.SUBSCRIPTION_MISMATCH: Kind(403, "The access token is not for this type of event"),
        Code.MULTIEVENT_SUBSCRIPTION_NOT_SUPPORTED: Kind(
            422, "A subscription is for one type of event"
        ),
        Code.ABORTED: Kind(409, "Something else was done at the same time"),
        Code.ALREADY_EXISTS: Kind(409, "It is there already"),
        Code.QUOTA_EXCEEDED: Kind(429, "The quota is used up"),
        Code.TOO_MANY_REQUESTS: Kind(429, "Too many requests"),
        Code.UNAVAILABLE: Kind(503, "It cannot be told right now"),
    }
)
"""Status and text of every code."""


class Problem(Exception):
    """A call of an API that is refused."""

    def __init__(
        self, code: Code, message: str = "", *, reason: str = "", retry_after: int | None = None
    ) -> None:
        """``reason`` is for records: the word for why; ``retry_after`` is in seconds."""
        super().__init__(code)
        self.code = code
        self.message = message or KINDS[code].message
        self.reason = reason or code.lower()
        self.retry_after = retry_after

    @property
    def status(self) -> int:
        """The HTTP status."""
        return KINDS[self.code].status
