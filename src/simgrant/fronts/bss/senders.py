"""Who may bring events, and how each proves who it is: a token, an access token, a certificate."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from dataclasses import field

from simgrant.errors import BadLentToken
from simgrant.flows.issuers import Issuers
from simgrant.links.client_certificates import Callers
from simgrant.nouns import named_noun


@named_noun
class Sender:
    """One system. It needs one of the three ways; any of those that it has is enough."""

    name: str
    tenant: str
    """Whose subscriptions its events are about."""
    token: Callable[[], str] | None = field(default=None, repr=False)
    """Returns the token that is good now; PeerUnavailable where that cannot be told."""
    client_ids: frozenset[str] = frozenset()
    """OAuth clients of the tenant's issuers."""
    sha256: frozenset[str] = frozenset()
    subjects: frozenset[str] = frozenset()
    """Its certificates, as `links.client_certificates.Callers` takes them."""


class Senders:
    """All of them; making them raises StartRefused where two have one certificate."""

    def __init__(self, senders: Iterable[Sender], *, issuers: Issuers) -> None:
        self._senders = {each.name: each for each in senders}
        self._issuers = issuers
        self._with_token = [each for each in self._senders.values() if each.token is not None]
        self._by_client = {
            (each.tenant, client_id): each
            for each in self._senders.values()
            for client_id in each.client_ids
        }
        self._tenants = sorted({tenant for tenant, _ in self._by_client})
        self._certified = Callers(
            "event_senders",
            sha256={name: each.sha256 for name, each in self._senders.items()},
            subjects={name: each.subjects for name, each in self._senders.items()},
        )

    async def of(self, *, certificate: bytes, authorization: str, deadline: float) -> Sender | None:
        """Return who calls; None = nobody that we know.

        ``certificate`` (DER, empty = none) was checked in the handshake. PeerUnavailable and
        PeerMisbehaved where an issuer is asked in vain.
        """
        if certificate and (name := self._certified.of(certificate)) is not None:
            return self._senders[name]
        kind, _, token = authorization.partition(" ")
        token = token.strip()
        if kind.lower() != "bearer" or not token:
            return None
        given, found = token.encode("latin-1", "replace"), None
        for sender in self._with_token:
            # Each is compared, whichever fits: how long that takes tells nothing.
            assert sender.token is not None  # noqa: S101 - those have one
            if hmac.compare_digest(given, sender.token().encode()):
                found = sender
        return found or await self._of_client(token, deadline)

    async def _of_client(self, token: str, deadline: float) -> Sender | None:
        for tenant in self._tenants:
            try:
                client_id = await self._issuers.client(tenant, token, deadline=deadline)
            except BadLentToken:
                continue
            if (sender := self._by_client.get((tenant, client_id))) is not None:
                return sender
        return None
