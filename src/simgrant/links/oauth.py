"""An access token from an authorization server's token endpoint (RFC 6749 §4.4, RFC 7523 §2.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

import msgspec

from simgrant.errors import PeerMisbehaved, PeerUnavailable
from simgrant.links.bearer import Token
from simgrant.links.http import HttpLink, HttpRequest, Repeat, Reply

_REFUSALS = frozenset({400, 401, 403})
_LIFE_S = 3600
FORM: Final = {
    "content-type": "application/x-www-form-urlencoded",
    "accept": "application/json",
}
"""The headers of a token request."""


class _Grant(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: int = _LIFE_S
    """Recommended only, so that some servers leave it out."""

    def __repr__(self) -> str:
        return "_Grant(…)"


async def fetch_token(
    http: HttpLink, url: str, form: Mapping[str, str], *, deadline: float
) -> Token:
    """Post ``form`` to the token endpoint and return what it grants.

    PeerUnavailable ``credentials_refused`` where it refuses; what it says of the reason is not
    repeated, since some servers quote the request.
    """
    request = HttpRequest("POST", url, FORM, urlencode(form).encode(), Repeat.STRUGGLING)
    return granted(await http.send(request, deadline=deadline), http.peer)


def granted(reply: Reply, peer: str) -> Token:
    """Return what a token endpoint granted; errors as those of `fetch_token`."""
    if reply.status in _REFUSALS:
        raise PeerUnavailable(
            "credentials_refused",
            for_operator=f"{peer}: the token endpoint refuses these credentials",
        )
    if reply.status != 200:
        raise PeerUnavailable(
            "credentials_unavailable",
            for_operator=f"{peer}: the token endpoint answers {reply.status}",
        )
    try:
        grant = reply.json(_Grant)
    except ValueError:
        raise PeerMisbehaved(
            "credentials_unreadable",
            for_operator=f"{peer}: the token endpoint's answer is no grant",
        ) from None
    life = max(1, grant.expires_in)
    return Token(grant.access_token, renew_after=life * 0.9, good_for=life * 0.98)
