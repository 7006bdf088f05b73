"""Who may show an access token that is bound to a key (RFC 8705 §3, RFC 9449 §7)."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from urllib.parse import urlsplit

from simgrant.domain.camara.access_token import AccessToken
from simgrant.errors import Unauthenticated
from simgrant.flows.camara.proving import used_with
from simgrant.flows.camara.serve_api import ApiRequest
from simgrant.ports.camara_tokens import CamaraTokens, Exchange, Exchanged
from simgrant.ports.clock import Clock
from simgrant.wire.dpop import pull_dpop
from simgrant.wire.jwt import BadJwt


class BoundHolders:
    """Lets whoever has the key show a token (the ``Holders`` of ``serve_api``)."""

    def __init__(self, rows: CamaraTokens, urls: Mapping[str, str], *, clock: Clock) -> None:
        """``urls`` are the addresses of partner APIs by tenant."""
        self._rows = rows
        self._by_host = {urlsplit(url).netloc.lower(): (name, url) for name, url in urls.items()}
        self._only = next(iter(urls.items())) if len(urls) == 1 else None
        self._clock = clock

    async def check(self, token: AccessToken, request: ApiRequest, *, scheme: str) -> None:
        """Raise Unauthenticated where somebody else shows it.

        A proof is good once. Of a token that is good for one call nobody need remember that.
        """
        if scheme == "bearer":
            if token.key and not hmac.compare_digest(token.key, request.certificate):
                raise Unauthenticated("access_token_of_another_holder")
            return
        found = self._by_host.get(request.host.lower()) or self._only
        if scheme != "dpop" or found is None or not token.key:
            raise Unauthenticated("access_token_of_another_holder")
        tenant, base = found
        text = request.authorization.partition(" ")[2]
        try:
            proof = pull_dpop(
                request.dpop,
                method=request.method,
                url=base + request.path,
                now=self._clock.now(),
                access_token=text,
            )
        except BadJwt as bad:
            raise Unauthenticated("bad_dpop_proof", for_operator=str(bad)) from None
        if not hmac.compare_digest(token.key, proof.thumbprint):
            raise Unauthenticated("access_token_of_another_holder")
        if token.single_use:
            return
        used = Exchange(assertions=(used_with(proof),))
        if await self._rows.exchange(tenant, used) is not Exchanged.DONE:
            raise Unauthenticated("dpop_proof_replayed")
