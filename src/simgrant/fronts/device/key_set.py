"""The public keys of signed answers, for whoever wants to check one (RFC 7517 §5)."""

from __future__ import annotations

from simgrant.domain.tenant import Tenancy
from simgrant.domain.trail import Trail
from simgrant.flows.authenticate import Call
from simgrant.flows.signing import Signer
from simgrant.fronts.device.message import Reply, Request

PATH = b"/.well-known/jwks.json"
_TYPE = b"content-type: application/jwk-set+json\r\n"


class KeySet:
    """Answers GET with the keys of the host's tenant; at a host of no tenant, with those of all."""

    def __init__(self, signer: Signer, tenancy: Tenancy) -> None:
        self._signer = signer
        self._tenancy = tenancy

    async def __call__(self, request: Request, call: Call, trail: Trail) -> Reply:
        """Return the key set."""
        if request.method != b"GET":
            trail.outcome = "method"
            return Reply(405, b"allow: GET\r\n", b"")
        trail.outcome = "key_set"
        tenant = self._tenancy.by_host(call.host)
        names = tuple(self._tenancy.by_name) if tenant is None else (tenant.name,)
        return Reply(200, _TYPE, self._signer.key_set(names))
