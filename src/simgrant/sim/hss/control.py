"""The management interface of a simulated HSS: what came, and what is done wrong.

JSON over plain HTTP, on loopback only. What cannot be done is 400 or 404 with a line of text.

| call | does |
| --- | --- |
| GET /requests | lists the requests that came for vectors and about users, the newest last |
| GET /peers | lists who is connected |
| GET, PUT, DELETE /fault | shows, sets, ends what is done wrong |
| POST /good-bye | tells everybody who is connected to disconnect |
| POST /drop | breaks every connection |
| PUT /places/001010000000001 | sets the `network` that a phone is in; empty = none |
| POST /profile-changed | tells everybody that the profile of ``user`` changed: Push-Profile, \
over s6a Insert-Subscriber-Data |
| POST /terminated | tells everybody that ``user`` has ended: Registration-Termination or \
Cancel-Location, with ``reason``, its number (0 and 2 by default: for good) |
| GET /told | lists the results of what everybody was told, the newest last |

``interface`` of what is told is `swx`, `cx` or `s6a`, by default `swx`.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Final, Literal

import msgspec

from simgrant.sim.hss.faults import Fault, Plan
from simgrant.sim.hss.server import HssServer
from simgrant.sim.levers import is_json, json_of, read, refused
from simgrant.sim.places import Place
from simgrant.sim.web import Answer, Request, WebServer
from simgrant.spec.diameter import result_name
from simgrant.wire.diameter import cx, s6a, swx
from simgrant.wire.diameter.avps import CANCELLATION_TYPE, DEREGISTRATION_REASON, REASON_CODE
from simgrant.wire.diameter.base import pull_result
from simgrant.wire.diameter.told import CancellationType, DeregistrationReason

_U32: Final = (1 << 32) - 1


class _Play(msgspec.Struct, forbid_unknown_fields=True):
    fault: Fault
    times: int = -1
    delay_s: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    vendor: Annotated[int, msgspec.Meta(ge=0, le=_U32)] = 0
    code: Annotated[int, msgspec.Meta(ge=0, le=_U32)] = 5012
    to: tuple[str, ...] = ()
    usage: Annotated[int, msgspec.Meta(ge=0, le=_U32)] = 0
    percent: Annotated[int, msgspec.Meta(ge=0, le=_U32)] = 50
    realm: bool = False
    seconds: Annotated[int, msgspec.Meta(ge=0, le=_U32)] = 30


class _User(msgspec.Struct, forbid_unknown_fields=True):
    user: str
    interface: Literal["swx", "cx", "s6a"] = "swx"


class _Ended(_User, forbid_unknown_fields=True):
    reason: Annotated[int, msgspec.Meta(ge=0, le=_U32)] | None = None


class _Where(msgspec.Struct, forbid_unknown_fields=True):
    network: str


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
                    return json_of([each.as_json() for each in server.seen])
                case "GET", "/peers":
                    return json_of([link.peer for link in server.connections])
                case "GET", "/told":
                    return json_of([result_name(*pull_result(each.avps)) for each in server.told])
                case "GET", "/fault":
                    return self._fault()
                case "DELETE", "/fault":
                    server.plan = None
                    return self._fault()
            if not is_json(request):
                return Answer(415)
            match request.method, path:
                case "PUT", "/fault":
                    server.plan = Plan(**msgspec.structs.asdict(read(request, _Play)))
                    return self._fault()
                case "PUT", place if place.startswith("/places/"):
                    where: _Where = read(request, _Where)
                    network = where.network
                    imsi = place.removeprefix("/places/")
                    server.users.places[imsi] = Place.pull(network) if network else None
                    return json_of(network)
                case "POST", "/good-bye":
                    server.say_good_bye()
                    return json_of([link.peer for link in server.connections])
                case "POST", "/drop":
                    server.drop()
                    return json_of([])
                case "POST", "/profile-changed":
                    changed: _User = read(request, _User)
                    tell_changed(server, changed.user, changed.interface)
                    return json_of([link.peer for link in server.connections])
                case "POST", "/terminated":
                    ended: _Ended = read(request, _Ended)
                    tell_ended(server, ended.user, ended.interface, ended.reason)
                    return json_of([link.peer for link in server.connections])
        except ValueError as error:
            return refused(error)
        return Answer(404)

    def _fault(self) -> Answer:
        plan = self._server.plan
        return json_of(None if plan is None else asdict(plan))


def tell_changed(server: HssServer, user: str, interface: str) -> None:
    """Tell everybody that the profile of a user changed."""
    if interface == "s6a":
        server.push(s6a.Command.INSERT_SUBSCRIBER_DATA, user, s6a.APPLICATION)
    else:
        application = swx.APPLICATION if interface == "swx" else cx.APPLICATION
        server.push(swx.Command.PUSH_PROFILE, user, application)


def tell_ended(server: HssServer, user: str, interface: str, reason: int | None = None) -> None:
    """Tell everybody that a user has ended, for good or by the number of a reason."""
    if interface == "s6a":
        kind = CancellationType.SUBSCRIPTION_WITHDRAWAL if reason is None else reason
        own = CANCELLATION_TYPE.push(kind)
        server.push(s6a.Command.CANCEL_LOCATION, user, s6a.APPLICATION, own=own)
        return
    why = DeregistrationReason.PERMANENT_TERMINATION if reason is None else reason
    own = DEREGISTRATION_REASON.wrap(REASON_CODE.push(why))
    application = swx.APPLICATION if interface == "swx" else cx.APPLICATION
    server.push(swx.Command.REGISTRATION_TERMINATION, user, application, own=own)
