"""Who can say which server or app is calling: an issuer of access tokens (TS.43 §2.8.3).

Promised by every adapter:

- `caller` names a client only for a token that is the issuer's own, for us, in time, and good for
  the scopes that are asked for. It is only ever given tokens that may be this issuer's.
- BadLentToken where the token is not good (``access_token_…``). PeerUnavailable, PeerTimeout,
  PeerMisbehaved where that cannot be found out now: nobody is let in for that reason.
- No token or secret is in any error or log line.
"""

from __future__ import annotations

from typing import Protocol

from simgrant.nouns import noun


@noun
class Caller:
    """Whom an access token proves."""

    client_id: str
    """The OAuth client."""
    scopes: frozenset[str] = frozenset()
    """What the token is good for, as it says."""


class Issuer(Protocol):
    """One issuer. Deadlines are in seconds of the monotonic clock."""

    @property
    def name(self) -> str:
        """Return its issuer identifier: ``iss`` of its tokens, where they say one."""

    @property
    def knows_opaque(self) -> bool:
        """Say whether it can tell whose a token is that says nothing itself."""

    async def caller(self, access_token: str, *, deadline: float) -> Caller:
        """Return whom a token proves."""

    async def close(self) -> None:
        """Let go of every connection."""
