"""Our own access tokens, shown where devices ask: Google's plain flavour of TS.43 (ADR 0055)."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from simgrant.errors import BadLentToken, Unauthenticated
from simgrant.flows.camara.tokens import pull_access_token
from simgrant.ports.clock import Clock
from simgrant.ports.keys import Keys


class OwnTokens:
    """Knows which consumer an access token of ours is."""

    def __init__(self, urls: Mapping[str, str], *, keys: Keys, clock: Clock) -> None:
        """``urls`` are the addresses of partner APIs by tenant."""
        self._hosts = {name: urlsplit(url).netloc.lower() for name, url in urls.items()}
        self._keys = keys
        self._clock = clock

    def client(self, tenant: str, text: str) -> str | None:
        """Return the consumer; None for a token that is not ours.

        Raise `BadLentToken` for one that is, and is over, another tenant's, bound to a key, or good
        for partner APIs alone.
        """
        try:
            name, token = pull_access_token(text, self._keys, now=self._clock.now())
        except Unauthenticated as error:
            if error.reason == "access_token_expired":
                raise BadLentToken("access_token_over") from None
            return None
        if name != tenant or token.key:
            raise BadLentToken("access_token_of_another")
        if token.audience and urlsplit(token.audience).netloc.lower() == self._hosts.get(tenant):
            raise BadLentToken("access_token_for_another")
        return token.client_id
