"""The management interface of a simulated HSS: what came, and what is done wrong.

JSON over plain HTTP, on loopback only. What cannot be done is 400 or 404 with a line of text.

| call | does |
| --- | --- |
| GET /requests | lists the requests for vectors that came, the newest last |
| GET /peers | lists who is connected |
| GET, PUT, DELETE /fault | shows, sets, ends what is done wrong |
| POST /good-bye | tells everybody who is connected to disconnect |
| POST /drop | breaks every connection |
| POST /profile-changed | tells everybody (Push-Profile) that the profile of ``user`` changed |
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any, Final

import msgspec

from simgrant.sim.hss.faults import Fault, Plan
from simgrant.sim.hss.server import HssServer
from simgrant.sim.push.web import Answer, Request, WebServer
from simgrant.wire.diameter.swx import Command

_JSON: Final = (("content-type", "application/json"),)
_U32: Final = (1 << 32) - 1


class _Play(msgspec.Struct, forbid_unknown_fields=True):
    fault: Fault
    times: int = -1
    delay_s: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    vendor: Annotated[int, msgspec.Meta(ge=0, le=_U32)] = 0
    code: Annotated[int, msgspec.Meta(ge=0, le=_U32)] = 5012


class _User(msgspec.Struct, forbid_unknown_fields=True):
    user: str


class Control:
    """The levers of one simulated HSS; each can be pulled from code as well."""

    def __init__(self, server: HssServer, *, port: int = 0) -> None:
        self._server = server
        self.web = WebServer(self._answer, None)
        self.web.port = port

    def _answer(self, request: Request) -> Answer:
        path = request.target.partition("?")[0]
        server = self._server
        try:
            match request.method, path:
                case "GET", "/requests":
                    return _json([each.as_json() for each in server.seen])
                case "GET", "/peers":
                    return _json([link.peer for link in server.connections])
                case "GET", "/fault":
                    return self._fault()
                case "DELETE", "/fault":
                    server.plan = None
                    return self._fault()
            # A page in a browser can send a form to loopback, but not this.
            if request.headers.get("content-type", "").partition(";")[0] != "application/json":
                return Answer(415)
            match request.method, path:
                case "PUT", "/fault":
                    server.plan = Plan(**msgspec.structs.asdict(_read(request, _Play)))
                    return self._fault()
                case "POST", "/good-bye":
                    server.say_good_bye()
                    return _json([link.peer for link in server.connections])
                case "POST", "/drop":
                    server.drop()
                    return _json([])
                case "POST", "/profile-changed":
                    server.push(Command.PUSH_PROFILE, _read(request, _User).user)
                    return _json([link.peer for link in server.connections])
        except ValueError as error:
            return Answer(400, (("content-type", "text/plain"),), f"{error}\n".encode())
        return Answer(404)

    def _fault(self) -> Answer:
        plan = self._server.plan
        return _json(None if plan is None else asdict(plan))


def _read(request: Request, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(request.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from None


def _json(content: object) -> Answer:
    return Answer(200, _JSON, json.dumps(content).encode() + b"\n")
