"""The errors that simgrant raises on purpose, and nothing else.

EcsError                         what a front may turn into an answer
├── BadRequest                   malformed, missing, too much: the device's fault
│   ├── TooLarge                 more bytes than a request may have
│   │   └── HeadTooLarge         more than its request line and headers may have
│   └── UnsupportedVersion       entitlement_version (TS.43 §2.5)
├── Unauthenticated              no, expired, revoked or foreign token: cured by logging in
│   └── BadLentToken             the same for a token that a device lent to another party
├── AuthenticationRejected       the SIM failed: RES, MAC, reject, client error, second resync
├── UnknownIdentity              not one of our subscriptions, or it may not be served
├── NotAllowed                   known, but this requestor may not do this
├── NotThere                     what a lent token points to does not exist
├── NotOffered                   an operation that this operator does not have
├── Conflict                     the state does not permit the operation
├── Overloaded                   we are too busy, or this source asks too often
├── PeerUnavailable              HSS, AAA, BSS or the store cannot be reached
│   └── PeerTimeout
└── PeerMisbehaved               answered against its specification

The device's fault and a peer's fault are different branches, since the device
must be told "no" for the first and "later" for the second. "Not entitled" is
no error: it is a decision, and is said in a document (TS.43 §2.9).
"""

from __future__ import annotations


class EcsError(Exception):
    """Base of the tree: a reason code, a text for the operator, and when to come back.

    ``reason`` is a short snake_case word that names the cause in records, logs
    and metrics; ``for_operator`` may say more, but never holds a secret or an
    identity in clear. ``for_device`` is all that a device is told.
    """

    for_device = "error"
    default_reason = "error"

    def __init__(
        self,
        reason: str | None = None,
        *,
        for_operator: str = "",
        retry_after: int | None = None,
    ) -> None:
        self.reason = reason or self.default_reason
        self.for_operator = for_operator
        self.retry_after = retry_after
        super().__init__(for_operator or self.reason)


class BadRequest(EcsError):
    """The request is malformed, lacks what it needs, or holds too much."""

    for_device = "bad request"
    default_reason = "bad_request"


class TooLarge(BadRequest):
    """The request has more bytes than a request may have."""

    for_device = "request too large"
    default_reason = "too_large"


class HeadTooLarge(TooLarge):
    """Request line and headers have more bytes than they may have (RFC 6585 §5)."""

    default_reason = "head_too_large"


class UnsupportedVersion(BadRequest):
    """The client speaks a version of TS.43 that is not served (TS.43 §2.5)."""

    for_device = "protocol not supported"
    default_reason = "unsupported_version"


class Unauthenticated(EcsError):
    """No usable proof came; a full authentication cures it (TS.43 §2.10, 511)."""

    for_device = "authentication required"
    default_reason = "unauthenticated"


class BadLentToken(Unauthenticated):
    """A temporary or operator token is not good: its holder must get a new one (401)."""

    default_reason = "bad_lent_token"


class AuthenticationRejected(EcsError):
    """The SIM failed its authentication (TS.43 §2.8.1, 403)."""

    for_device = ""
    default_reason = "authentication_rejected"


class UnknownIdentity(EcsError):
    """No subscription of ours, or one that may not be served at all (403)."""

    for_device = ""
    default_reason = "unknown_identity"


class NotAllowed(EcsError):
    """The requestor is known but may not do this (403)."""

    for_device = "not allowed"
    default_reason = "not_allowed"


class NotThere(EcsError):
    """What a temporary token points to does not exist (404, TS.43 Table 8)."""

    for_device = "not found"
    default_reason = "not_there"


class NotOffered(EcsError):
    """The operation is known, and this operator does not offer it (405)."""

    for_device = "not offered"
    default_reason = "not_offered"


class Conflict(EcsError):
    """The present state does not permit the operation."""

    for_device = "conflict"
    default_reason = "conflict"


class Overloaded(EcsError):
    """Too many requests, from all or from this source; ``retry_after`` is in seconds."""

    for_device = "try again later"
    default_reason = "overloaded"


class PeerUnavailable(EcsError):
    """A system we depend on cannot be asked; the device keeps what it has (503)."""

    for_device = "try again later"
    default_reason = "peer_unavailable"


class PeerTimeout(PeerUnavailable):
    """A system we depend on did not answer within the request's deadline."""

    default_reason = "peer_timeout"


class PeerMisbehaved(EcsError):
    """A system we depend on answered against its specification."""

    for_device = "try again later"
    default_reason = "peer_misbehaved"


class StartRefused(Exception):
    """The server must not start; the message is the one line the operator reads."""
