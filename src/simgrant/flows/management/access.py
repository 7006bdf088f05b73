"""Who calls: by a token in a file, by an issuer's access token, or by a client certificate.

Whoever is not known gets one answer, whatever was wrong; what it was goes into the log.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import Final

from simgrant.domain.access import Client, Scope, limited
from simgrant.errors import BadLentToken, EcsError
from simgrant.flows.issuers import Issuers
from simgrant.flows.management.problem import Code, Problem
from simgrant.nouns import noun

ISSUERS: Final = ""
"""Under which name `Issuers` knows those of the management API: they are no tenant's."""
_LONGEST: Final = 4096


class Unknown(Problem):
    """Nobody is known by what came."""

    def __init__(self, reason: str) -> None:
        """``reason`` is for the log alone."""
        super().__init__(Code.UNAUTHENTICATED)
        self.reason = reason


@noun
class Shown:
    """What somebody shows of himself."""

    authorization: str
    """The header; empty = none."""
    certificate: bytes
    """The client certificate (DER) that was checked in the handshake; empty = none."""


class Access:
    """The clients of the management API."""

    def __init__(
        self,
        clients: Mapping[str, Client],
        *,
        tokens: Iterable[tuple[str, Callable[[], str]]] = (),
        by_issuer: Mapping[tuple[str, str], str] | None = None,
        issuers: Issuers | None = None,
        by_certificate: Callable[[bytes], str | None] = lambda _: None,
    ) -> None:
        """``clients`` are by name, and the others say by what each is known.

        ``tokens`` return what is in its file now; ``by_issuer`` is by issuer and OAuth client.
        """
        self._clients = clients
        self._tokens = tuple(tokens)
        self._by_issuer = by_issuer or {}
        self._issuers = issuers
        self._by_certificate = by_certificate

    async def client(self, shown: Shown, *, deadline: float) -> Client:
        """Return who it is; raise `Unknown`, or PeerUnavailable where that cannot be found out.

        ``deadline`` is in seconds of the monotonic clock. A token counts before a certificate: a
        gateway may show its own, and the token of whom it speaks for.
        """
        if shown.authorization:
            kind, _, token = shown.authorization.partition(" ")
            token = token.strip()
            if kind.lower() != "bearer" or not token or len(token) > _LONGEST:
                raise Unknown("no_bearer_token")
            return await self._by_token(token, deadline)
        if shown.certificate:
            name = self._by_certificate(shown.certificate)
            if name is None:
                raise Unknown("certificate_unknown")
            return self._clients[name]
        raise Unknown("nothing_shown")

    async def _by_token(self, token: str, deadline: float) -> Client:
        name = self._in_file(token)
        if name is not None:
            return self._clients[name]
        if self._issuers is None or not self._issuers.trusted(ISSUERS):
            raise Unknown("token_unknown")
        try:
            issuer, caller = await self._issuers.caller(ISSUERS, token, deadline=deadline)
        except BadLentToken as bad:
            raise Unknown(bad.reason) from None
        name = self._by_issuer.get((issuer, caller.client_id))
        if name is None:
            raise Unknown("client_unknown")
        return limited(self._clients[name], caller.scopes)

    def _in_file(self, token: str) -> str | None:
        """Return whose token it is, in a time that does not say how near it came to one."""
        given = sha256(token.encode()).digest()
        found = None
        for name, read in self._tokens:
            try:
                known = sha256(read().encode()).digest()
            except EcsError:
                # One whose file is no use keeps nobody else out.
                continue
            if hmac.compare_digest(given, known):
                found = name
        return found


def may(client: Client, scope: Scope) -> None:
    """Raise `Problem` where a client may not do something."""
    if scope not in client.scopes:
        raise Problem(Code.FORBIDDEN, f"it needs the scope {scope}")
