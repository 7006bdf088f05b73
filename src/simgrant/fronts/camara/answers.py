"""Errors as partners read them: OAuth's bodies at its endpoints, CAMARA's everywhere else.

One table, checked by a test to hold every error of the tree. What is said is of ours: nothing of
the request is repeated, and why it came about only the operator learns, from the record.
"""

from __future__ import annotations

import msgspec

from simgrant import errors
from simgrant.flows.camara.refusals import OAuthError, OAuthRefused
from simgrant.fronts.camara.message import Told
from simgrant.nouns import noun

JSON = "application/json"
NO_STORE = (("content-type", JSON), ("cache-control", "no-store"))


@noun
class Wrong:
    """What an error is, by each of the two ways to say it."""

    status: int
    code: str
    """CAMARA Commonalities."""
    oauth: OAuthError
    message: str


_LATER = "Try again later."
WRONG: dict[type[errors.EcsError], Wrong] = {
    errors.BadRequest: Wrong(
        400, "INVALID_ARGUMENT", OAuthError.INVALID_REQUEST, "The request is malformed."
    ),
    errors.TooLarge: Wrong(
        413, "INVALID_ARGUMENT", OAuthError.INVALID_REQUEST, "The request is too large."
    ),
    errors.HeadTooLarge: Wrong(
        431, "INVALID_ARGUMENT", OAuthError.INVALID_REQUEST, "The headers are too large."
    ),
    errors.UnsupportedVersion: Wrong(
        400, "INVALID_ARGUMENT", OAuthError.INVALID_REQUEST, "The request is malformed."
    ),
    errors.Unauthenticated: Wrong(
        401, "UNAUTHENTICATED", OAuthError.INVALID_CLIENT, "Who asks could not be proved."
    ),
    errors.BadLentToken: Wrong(
        401, "UNAUTHENTICATED", OAuthError.INVALID_GRANT, "Who asks could not be proved."
    ),
    errors.AuthenticationRejected: Wrong(
        401, "UNAUTHENTICATED", OAuthError.ACCESS_DENIED, "Who asks could not be proved."
    ),
    errors.UnknownIdentity: Wrong(
        404, "IDENTIFIER_NOT_FOUND", OAuthError.INVALID_GRANT, "There is no such subscriber."
    ),
    errors.NotAllowed: Wrong(403, "PERMISSION_DENIED", OAuthError.ACCESS_DENIED, "Not allowed."),
    errors.NotThere: Wrong(404, "NOT_FOUND", OAuthError.INVALID_REQUEST, "Not found."),
    errors.NotOffered: Wrong(404, "NOT_FOUND", OAuthError.INVALID_REQUEST, "Not found."),
    errors.Conflict: Wrong(
        409, "INCOMPATIBLE_STATE", OAuthError.INVALID_REQUEST, "It is in another state by now."
    ),
    errors.Overloaded: Wrong(429, "TOO_MANY_REQUESTS", OAuthError.TEMPORARILY_UNAVAILABLE, _LATER),
    errors.PeerUnavailable: Wrong(503, "UNAVAILABLE", OAuthError.TEMPORARILY_UNAVAILABLE, _LATER),
    errors.PeerTimeout: Wrong(503, "UNAVAILABLE", OAuthError.TEMPORARILY_UNAVAILABLE, _LATER),
    errors.PeerMisbehaved: Wrong(503, "UNAVAILABLE", OAuthError.TEMPORARILY_UNAVAILABLE, _LATER),
}
INTERNAL = Wrong(500, "INTERNAL", OAuthError.SERVER_ERROR, "Something is wrong here.")
NO_METHOD = Wrong(
    405, "METHOD_NOT_ALLOWED", OAuthError.INVALID_REQUEST, "This is not asked for like that."
)


def wrong(error: errors.EcsError) -> Wrong:
    """Return what an error is called."""
    for kind in type(error).__mro__:
        if kind in WRONG:
            return WRONG[kind]
    return INTERNAL


def problem(
    status: int, code: str, message: str, headers: tuple[tuple[str, str], ...] = ()
) -> Told:
    """Return an error of an API (CAMARA Commonalities, ErrorInfo)."""
    body = msgspec.json.encode({"status": status, "code": code, "message": message})
    return Told(status, (*NO_STORE, *headers), body)


def oauth_problem(
    status: int, error: str, description: str, headers: tuple[tuple[str, str], ...] = ()
) -> Told:
    """Return an error of an OAuth endpoint (RFC 6749 §5.2)."""
    body = msgspec.json.encode({"error": error, "error_description": description})
    return Told(status, (*NO_STORE, *headers), body)


_REFUSED: dict[OAuthError, tuple[int, str]] = {
    OAuthError.INVALID_CLIENT: (401, "Who asks could not be proved."),
    OAuthError.INVALID_GRANT: (400, "It gives no right to an access token, or none any more."),
    OAuthError.UNAUTHORIZED_CLIENT: (400, "This is not part of the contract."),
    OAuthError.UNSUPPORTED_GRANT_TYPE: (400, "There is no such grant type here."),
    OAuthError.INVALID_SCOPE: (
        400,
        "Name exactly one purpose (dpv:…), and scopes that are part of the contract for it.",
    ),
    OAuthError.INVALID_TARGET: (400, "An access token for that cannot be had here."),
    OAuthError.INVALID_DPOP_PROOF: (400, "The DPoP proof is missing or not good."),
    OAuthError.INVALID_REQUEST_OBJECT: (400, "The signed request is not good."),
    OAuthError.UNKNOWN_USER_ID: (400, "There is no such subscriber, or none any more."),
    OAuthError.AUTHORIZATION_PENDING: (400, "It is not known yet."),
    OAuthError.SLOW_DOWN: (400, "It is asked too often."),
    OAuthError.EXPIRED_TOKEN: (400, "It took too long."),
    OAuthError.ACCESS_DENIED: (400, "It was refused."),
}


def refused(error: OAuthRefused, *, basic: bool = False) -> Told:
    """Return the answer to a consumer that is refused; ``basic`` = it proved itself by a header."""
    status, text = _REFUSED.get(error.error, (400, "The request is malformed."))
    status = error.status or status
    headers = (("www-authenticate", "Basic"),) if basic and status == 401 else ()
    return oauth_problem(status, error.error, text, headers)
