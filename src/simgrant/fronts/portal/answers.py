"""Which error becomes which status and which words of a page.

One table, checked by a test to hold every error of the tree. Whoever reads the page learns what to
do; why it came about, only the operator does, from the record.
"""

from __future__ import annotations

from simgrant import errors

OVER, BUSY, REQUEST, REFUSED = "error_over", "error_busy", "error_request", "error_refused"
"""Names of the texts."""
OVER_ASKED = "error_consent"
"""In place of `OVER`, where nobody came from the settings of a phone."""

ANSWERS: dict[type[errors.EcsError], tuple[int, str]] = {
    errors.BadRequest: (400, REQUEST),
    errors.TooLarge: (413, REQUEST),
    errors.HeadTooLarge: (431, REQUEST),
    errors.UnsupportedVersion: (400, REQUEST),
    errors.Unauthenticated: (403, OVER),
    errors.BadLentToken: (403, OVER),
    errors.AuthenticationRejected: (403, REFUSED),
    errors.UnknownIdentity: (403, REFUSED),
    errors.NotAllowed: (403, REFUSED),
    errors.NotThere: (404, REQUEST),
    errors.NotOffered: (404, REQUEST),
    errors.Conflict: (409, OVER),
    errors.Overloaded: (429, BUSY),
    errors.PeerUnavailable: (503, BUSY),
    errors.PeerTimeout: (503, BUSY),
    errors.PeerMisbehaved: (503, BUSY),
}


def answer_of(error: errors.EcsError) -> tuple[int, str]:
    """Return status and text of an error."""
    for kind in type(error).__mro__:
        if kind in ANSWERS:
            return ANSWERS[kind]
    return 500, BUSY
