"""A connection of the partners' listener that is not there, and what comes back on it."""

from __future__ import annotations

from typing import Any

from uvicorn.server import ServerState

from simgrant.fronts.device.protocol import Connection, Listener, partners
from tests.device.harness import Answer, Line, Request, Server, pull_answer, push_request

CAMARA = """
[camara_purposes.FraudPreventionAndDetection]
basis = "legitimate_interest"
[camara_purposes.RequestedServiceProvision]
basis = "contract"
[camara]
listen = "127.0.0.1:8083"
"""


class _Tls:
    """The other end's certificate, as the transport of a real connection knows it."""

    def __init__(self, certificate: bytes) -> None:
        self._certificate = certificate

    def getpeercert(self, *, binary_form: bool) -> bytes:
        assert binary_form
        return self._certificate


class PartnerLine(Line):
    """The transport of a partner's connection."""

    def __init__(self, source: str, certificate: bytes = b"") -> None:
        super().__init__(source)
        self._tls: Any = _Tls(certificate) if certificate else None

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what is known of it; TLS where it showed a certificate."""
        return self._tls if name == "ssl_object" else super().get_extra_info(name, default)


async def send(server: Server, request: Request, *, certificate: bytes = b"") -> Answer:
    """Send one request on a partner's connection of its own."""
    parts = server.parts
    assert parts.camara is not None
    connection = Connection(Listener(parts.camara, parts.camara_bounds, ServerState(), partners))
    line = PartnerLine(request.source, certificate)
    connection.connection_made(line)
    for piece in push_request(request):
        connection.data_received(piece)
    await line.answered.wait()
    connection.connection_lost(None)
    if line.sent.startswith(b"HTTP/1.1 204"):
        _, _, body = line.sent.partition(b"\r\n\r\n")
        assert body == b""
        return Answer(204, [], b"")
    return pull_answer(line.sent, bodiless=request.method == "HEAD")
