"""Whose access tokens a tenant believes, and which issuer is asked of one (TS.43 §2.8.3).

A token goes to nobody but who made it: it says who that was, or it says nothing and is of the one
issuer of the tenant that can tell. To any other it would be a present.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from simgrant.errors import BadLentToken, EcsError, PeerMisbehaved, PeerUnavailable
from simgrant.ports.issuers import Caller, Issuer
from simgrant.wire.jwt import issuer_of

_REASONS = {
    "peer_unavailable": "issuer_unavailable",
    "peer_timeout": "issuer_timeout",
    "peer_misbehaved": "issuer_misbehaved",
}
"""What a record calls it where the adapter had no better word."""


class Issuers:
    """The issuers of every tenant."""

    def __init__(
        self,
        by_tenant: Mapping[str, Iterable[Issuer]],
        clients: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
    ) -> None:
        """At most one issuer of a tenant may know opaque tokens, or nobody knew whose one is.

        ``clients`` says whose a tenant's clients are, by their ids, where that is known: each
        issuer has its own, and two may have one of the same id.
        """
        self._clients = clients
        self._by_name = {
            tenant: {issuer.name: issuer for issuer in issuers}
            for tenant, issuers in by_tenant.items()
        }
        self._of_opaque = {
            tenant: issuer
            for tenant, issuers in self._by_name.items()
            for issuer in issuers.values()
            if issuer.knows_opaque
        }

    def trusted(self, tenant: str) -> bool:
        """Say whether the tenant believes anybody."""
        return bool(self._by_name.get(tenant))

    async def client(self, tenant: str, access_token: str, *, deadline: float) -> str:
        """Return the client that a token proves, as `caller` does."""
        return (await self.caller(tenant, access_token, deadline=deadline))[1].client_id

    async def caller(
        self, tenant: str, access_token: str, *, deadline: float
    ) -> tuple[str, Caller]:
        """Return the issuer of a token and whom it proves; ``deadline`` is of the monotonic clock.

        BadLentToken where it is not good, PeerUnavailable or PeerMisbehaved where that cannot be
        found out.
        """
        name = issuer_of(access_token)
        issuer = self._by_name.get(tenant, {}).get(name) if name else self._of_opaque.get(tenant)
        if issuer is None:
            raise BadLentToken("access_token_foreign")
        try:
            caller = await issuer.caller(access_token, deadline=deadline)
        except (PeerUnavailable, PeerMisbehaved) as error:
            raise _told(error) from None
        theirs = self._clients.get(tenant, {}).get(caller.client_id, issuer.name)
        if theirs != issuer.name:
            raise BadLentToken("access_token_of_another_issuer")
        return issuer.name, caller

    async def close(self) -> None:
        """Close every issuer; one may be of several tenants."""
        for issuer in {each for issuers in self._by_name.values() for each in issuers.values()}:
            await issuer.close()


def _told(error: EcsError) -> EcsError:
    """Return the error as one of an issuer; anew for each, since several may wait for one."""
    reason = _REASONS.get(error.reason, error.reason)
    return type(error)(reason, for_operator=error.for_operator, retry_after=error.retry_after)
