"""uvicorn's HTTP connection, with the client's certificate in the scope of each request."""

from __future__ import annotations

import asyncio
import ssl
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

CERTIFICATE: Final = "client_certificate"
"""Where it stands in the scope's ``state``: DER, or empty on a connection without TLS."""


class CertifiedProtocol(HttpToolsProtocol):
    """A connection whose other end showed who it is."""

    _certificate = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, and remember the certificate that was checked in the handshake."""
        tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        if tls is not None:
            self._certificate = tls.getpeercert(binary_form=True) or b""
        super().connection_made(transport)

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self.scope["state"][CERTIFICATE] = self._certificate
