"""The management listener as an ASGI application: four pages, GET only, and calls on orders."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from simgrant.fronts.management.orders import PATH, OrderCalls
from simgrant.links.asgi import Receive, Scope, Send
from simgrant.services.service import Service

_JSON = b"application/json"
_TEXT = b"text/plain; charset=utf-8"
_PROMETHEUS = b"text/plain; version=0.0.4; charset=utf-8"


class ManagementFront:
    """Serves /healthz, /readyz, /metrics and /services.json."""

    def __init__(
        self,
        *,
        not_ready: Callable[[], Awaitable[str]],
        metrics: Callable[[], bytes | None],
        services: Mapping[str, Service],
        version: str,
        orders: OrderCalls | None = None,
        sources: Callable[[], str] = str,
    ) -> None:
        """Take ``not_ready``, which says why no traffic should come; empty = ready.

        ``sources`` are lines on the core network, which change nothing about that: a node without
        it serves all who have a token.
        """
        self._sources = sources
        self._orders = orders
        self._not_ready = not_ready
        self._metrics = metrics
        self._services = msgspec.json.encode(
            {
                "version": version,
                "services": [
                    {
                        "app_id": service.app_id,
                        "name": service.name,
                        "section": f"TS.43 §{service.section}",
                        "since": str(service.since),
                        "features": list(service.features),
                        "needs": sorted(service.needs),
                    }
                    for _, service in sorted(services.items())
                ],
            }
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope["path"]
        if self._orders is not None and (path == PATH or path.startswith(f"{PATH}/")):
            status, body = await self._orders.answer(scope, receive)
            kind = _JSON
        else:
            status, kind, body = await self._page(scope["method"], path)
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [
                    (b"content-type", kind),
                    (b"content-length", b"%d" % len(body)),
                    (b"cache-control", b"no-store"),
                ],
            }
        )
        await send({"type": "http.response.body", "body": body})

    async def _page(self, method: str, path: str) -> tuple[int, bytes, bytes]:
        if method not in ("GET", "HEAD"):
            return 405, _TEXT, b"method not allowed\n"
        match path:
            case "/healthz":
                return 200, _TEXT, b"alive\n"
            case "/readyz":
                reason = await self._not_ready()
                body = f"{reason or 'ready'}\n{self._sources()}".encode()
                return 503 if reason else 200, _TEXT, body
            case "/metrics":
                metrics = self._metrics()
                if metrics is None:
                    return 503, _TEXT, b"metrics cannot be read right now\n"
                return 200, _PROMETHEUS, metrics
            case "/services.json":
                return 200, _JSON, self._services
            case _:
                return 404, _TEXT, b"not found\n"
