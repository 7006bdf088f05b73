"""Which error becomes which status towards a device (TS.43 §2.10, Tables 7, 8, 13).

One table, checked by a test to hold every error of the tree. A SIM that fails is
403, a token that fails 511, a network or store that fails 503: a phone reacts
very differently to each, and to 500 worst of all.
"""

from __future__ import annotations

from simgrant import errors

STATUS: dict[type[errors.EcsError], int] = {
    errors.BadRequest: 400,
    errors.TooLarge: 413,
    errors.HeadTooLarge: 431,
    errors.UnsupportedVersion: 406,
    errors.Unauthenticated: 511,
    errors.BadLentToken: 401,
    errors.AuthenticationRejected: 403,
    errors.UnknownIdentity: 403,
    errors.NotAllowed: 403,
    errors.NotThere: 404,
    errors.NotOffered: 405,
    errors.Conflict: 503,
    errors.Overloaded: 503,
    errors.PeerUnavailable: 503,
    errors.PeerTimeout: 503,
    errors.PeerMisbehaved: 503,
}


def status_of(error: errors.EcsError) -> int:
    """Return the HTTP status that tells a device of this error."""
    for kind in type(error).__mro__:
        if kind in STATUS:
            return STATUS[kind]
    return 500
