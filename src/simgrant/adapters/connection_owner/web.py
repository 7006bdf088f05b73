"""Whose a connection is, asked of a system of the operator's by HTTP (``ConnectionOwner``).

``GET url?tenant=…&address=…&port=…`` answers 200 with ``{"imsi": "…"}``, or 404 where nobody has
it. Nothing is kept: an address is another subscriber's a moment later.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

import msgspec

from simgrant.errors import PeerMisbehaved, PeerUnavailable
from simgrant.identities import Imsi, InvalidIdentity
from simgrant.links.http import HttpConfig, HttpLink, HttpRequest
from simgrant.links.secret_file import SecretFile
from simgrant.nouns import named_noun
from simgrant.ports.clock import Clock

_ACCEPT: Final = {"accept": "application/json"}


class _Owner(msgspec.Struct):
    imsi: str


@named_noun
class Config:
    """Where it is asked."""

    url: str
    http: HttpConfig = HttpConfig(peer="connection_owner", most_bytes=4_096)
    token: SecretFile[str] | None = None
    timeout_s: float = 1.0


def open_owner(config: Config, *, clock: Clock) -> WebOwner:
    """Return who asks; nothing is asked yet."""
    return WebOwner(config, clock)


class WebOwner:
    """Asks each time."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._http = HttpLink(config.http, clock)

    async def of(self, tenant: str, address: str, port: int, *, deadline: float) -> Imsi | None:
        """Return the SIM behind an address; None where nobody knows (see the port)."""
        config = self._config
        headers = dict(_ACCEPT)
        if config.token is not None:
            headers["authorization"] = f"Bearer {config.token.value()}"
        query = urlencode({"tenant": tenant, "address": address, "port": port})
        until = min(deadline, self._clock.monotonic() + config.timeout_s)
        request = HttpRequest("GET", f"{config.url}?{query}", headers)
        reply = await self._http.send(request, deadline=until)
        if reply.status == 404:
            return None
        if reply.status != 200:
            raise PeerUnavailable(for_operator=f"{config.http.peer} answers {reply.status}")
        try:
            return Imsi(reply.json(_Owner).imsi)
        except (ValueError, InvalidIdentity):
            raise PeerMisbehaved(for_operator=f"{config.http.peer} names no SIM") from None

    async def close(self) -> None:
        """Ask no more."""
        await self._http.close()
