"""One connection of the device listener: bounds on what comes before a request.

A head that is too long or comes too slowly ends the connection; behind a load
balancer the PROXY v2 header is taken from trusted peers. Everything else is
uvicorn's. The reason phrase of 406 is set here, since TS.43 §2.5 asks for one
and ASGI has no word for it.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from simgrant.fronts.device.source import BadProxyHeader, Proxies, pull_proxy_header
from simgrant.nouns import noun

httptools_impl.STATUS_LINE[406] = b"HTTP/1.1 406 protocol not supported\r\n"

_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain\r\n"
    b"content-length: 17\r\nconnection: close\r\n\r\nrequest too large"
)


@noun
class Bounds:
    """What one connection may do."""

    max_head: int
    head_timeout_s: float
    proxies: Proxies
    proxy_protocol: bool


def protocol_class(bounds: Bounds) -> type[HttpToolsProtocol]:
    """Return the protocol that uvicorn makes one of for each connection."""

    class DeviceProtocol(HttpToolsProtocol):
        def __init__(
            self,
            config: Config,
            server_state: ServerState,
            app_state: dict[str, Any],
            _loop: asyncio.AbstractEventLoop | None = None,
        ) -> None:
            super().__init__(config, server_state, app_state, _loop)
            self._in_head = True
            self._head_bytes = 0
            self._deadline: asyncio.TimerHandle | None = None
            self._proxy_header: bytes | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._arm()
            if bounds.proxy_protocol:
                if self.client is not None and bounds.proxies.trusts(self.client[0]):
                    self._proxy_header = b""
                else:
                    transport.abort()

        def connection_lost(self, exc: Exception | None) -> None:
            self._disarm()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self._proxy_header is not None:
                data = self._take_proxy_header(data)
                if not data:
                    return
            if self._in_head:
                self._head_bytes += len(data)
            super().data_received(data)
            if self._in_head and not self.transport.is_closing():
                if self._head_bytes > bounds.max_head:
                    self._refuse()
                elif self._deadline is None and self._head_bytes:
                    self._arm()

        def _take_proxy_header(self, data: bytes) -> bytes:
            """Return what follows the header; nothing while it is not complete."""
            self._proxy_header = (self._proxy_header or b"") + data
            try:
                found = pull_proxy_header(self._proxy_header)
            except BadProxyHeader:
                self.transport.abort()
                return b""
            if found is None:
                return b""
            source, used = found
            rest, self._proxy_header = self._proxy_header[used:], None
            if source is not None:
                self.client = source
            return rest

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._in_head = True

        def on_headers_complete(self) -> None:
            self._disarm()
            if self._head_bytes > bounds.max_head:
                # The head may have come in one piece with its body: count it alone.
                size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
                if size > bounds.max_head:
                    self._refuse()
                    return
            self._in_head = False
            self._head_bytes = 0
            super().on_headers_complete()

        def on_body(self, body: bytes) -> None:
            if not self._in_head:
                super().on_body(body)

        def on_message_complete(self) -> None:
            if not self._in_head:
                super().on_message_complete()
            self._in_head = True

        def _arm(self) -> None:
            self._deadline = self.loop.call_later(bounds.head_timeout_s, self._too_slow)

        def _disarm(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

        def _too_slow(self) -> None:
            self._deadline = None
            if not self.transport.is_closing():
                self.transport.close()

        def _refuse(self) -> None:
            if not self.transport.is_closing():
                self.transport.write(_TOO_LARGE)
                self.transport.close()

    return DeviceProtocol
