"""Partner APIs behind connections: the front, and what it leads to."""

from __future__ import annotations

from simgrant.config.load import Loaded
from simgrant.flows.camara.serve_api import ServeApi
from simgrant.flows.journal import Journal
from simgrant.fronts.camara import app
from simgrant.fronts.camara.apis import ApisFront
from simgrant.fronts.camara.app import CamaraFront
from simgrant.fronts.camara.message import Asked
from simgrant.fronts.device.message import PartnerRequest, Reply, Request, Send
from simgrant.fronts.device.protocol import Answer
from simgrant.fronts.device.source import Proxies
from simgrant.ports.clock import Clock

CAMARA_MAX_BODY = app.MAX_BODY


def open_camara(loaded: Loaded, apis: ServeApi, journal: Journal, clock: Clock) -> CamaraFront:
    """Return the front of partner APIs."""
    settings, server = loaded.settings.camara, loaded.settings.server
    return CamaraFront(
        {},
        others=ApisFront(apis),
        journal=journal,
        clock=clock,
        limits=app.Limits(settings.max_in_flight, server.request_timeout_s, server.retry_after_s),
    )


def camara_answer(front: CamaraFront, proxies: Proxies) -> Answer:
    """Return the front as what answers the requests of a connection of `partners`."""

    async def answer(request: Request, send: Send) -> None:
        if not isinstance(request, PartnerRequest):
            raise TypeError("the connection is one of devices")
        told = await front(
            Asked(
                method=request.method.decode("ascii"),
                path=request.path.decode("latin-1"),
                query=request.query,
                body=request.body,
                host=request.host,
                source=proxies.source(
                    request.peer,
                    forwarded=request.forwarded,
                    x_forwarded_for=request.x_forwarded_for,
                ),
                authorization=request.authorization,
                content_type=request.content_type,
                accept=request.accept,
                x_correlator=request.x_correlator,
                dpop=request.dpop,
                certificate=request.certificate,
                user_agent=request.user_agent,
                fault=request.fault,
            )
        )
        length = "" if told.status == 204 else f"content-length: {len(told.body)}\r\n"
        lines = "".join(f"{name}: {value}\r\n" for name, value in told.headers)
        send(Reply(told.status, (length + lines).encode("latin-1"), told.body), b"")

    return answer
