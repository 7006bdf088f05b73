"""Who can say which server or app is calling: the issuers of access tokens (TS.43 §2.8.3).

Errors promised by every adapter: `BadLentToken` for a token that an issuer of the tenant is said
to have made and that is not good; PeerUnavailable where that cannot be found out now.
"""

from __future__ import annotations

from typing import Protocol

from simgrant.nouns import noun


@noun
class Caller:
    """Whom an access token proves."""

    client_id: str
    """The OAuth client."""


class Issuers(Protocol):
    """The issuers that a tenant trusts."""

    def trusted(self, tenant: str) -> bool:
        """Say whether the tenant trusts any."""

    async def caller(self, tenant: str, access_token: str, *, deadline: float) -> Caller | None:
        """Return whom a token proves, None for one that no issuer of the tenant has made.

        ``deadline`` is in seconds of the monotonic clock.
        """
