"""Which source of vectors a tenant's SIMs are known to."""

from __future__ import annotations

from collections.abc import Mapping

from simgrant.eap.vector import AuthVector
from simgrant.ports.vectors import VectorRequest, Vectors


class VectorSources:
    """Sources by tenant, and one for the rest (the ``Vectors`` port)."""

    def __init__(self, of_tenant: Mapping[str, Vectors], otherwise: Vectors) -> None:
        self._of_tenant = of_tenant
        self._otherwise = otherwise

    async def fetch(self, request: VectorRequest, *, deadline: float) -> AuthVector:
        """Return one vector of the tenant's source (see the port)."""
        source = self._of_tenant.get(request.tenant, self._otherwise)
        return await source.fetch(request, deadline=deadline)
