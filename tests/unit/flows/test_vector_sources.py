"""Each tenant's SIMs are known to its own source of vectors, and to no other."""

from __future__ import annotations

from simgrant.eap.packet import Variant
from simgrant.eap.vector import AuthVector
from simgrant.flows.vector_sources import VectorSources
from simgrant.identities import Imsi
from simgrant.ports.vectors import VectorRequest


class Source:
    """Says who it is in its XRES."""

    def __init__(self, name: bytes) -> None:
        self.name = name
        self.asked: list[tuple[VectorRequest, float]] = []

    async def fetch(self, request: VectorRequest, *, deadline: float) -> AuthVector:
        self.asked.append((request, deadline))
        return AuthVector(bytes(16), bytes(16), self.name, bytes(16), bytes(16))


async def test_a_tenant_is_asked_for_where_its_sims_are() -> None:
    red, rest = Source(b"red."), Source(b"rest")
    sources = VectorSources({"red": red}, rest)
    for tenant, name in (("red", b"red."), ("blue", b"rest"), ("default", b"rest")):
        request = VectorRequest(tenant, Imsi("001010000000001"), Variant.AKA)
        vector = await sources.fetch(request, deadline=17.0)
        assert vector.xres == name
        source = red if tenant == "red" else rest
        assert source.asked[-1] == (request, 17.0)
