"""The management interface of a simulated 5G core: what came, and what is done wrong.

JSON over plain HTTP, on loopback only. What cannot be done is 400 or 404 with a line of text.

| call | does |
| --- | --- |
| GET /requests | lists the requests that came, to instances and the NRF, the newest last |
| GET /instances | lists the instances: who they are, where, whether they are up |
| PUT /instances/0 | sets `priority`, `capacity`, `load`, `up`, `deaf` of an instance, \
whichever are given; who is deaf keeps connections and answers nothing at all |
| GET, PUT, DELETE /fault | shows, sets, ends what instances do wrong |
| GET, PUT, DELETE /nrf/fault | likewise, of the NRF |
| POST /nrf/new-key | lets the NRF sign with a new key: no token that is out is good any more |
| PUT /places/001010000000001 | sets the `network` that a phone is registered in, empty = nowhere; \
`since` when (Unix seconds), and whether the AMF has `purged` it |
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Final

import msgspec

from simgrant.sim.levers import is_json, json_of, read, refused
from simgrant.sim.places import Place
from simgrant.sim.udm.faults import Fault, Plan
from simgrant.sim.udm.instance import Instance
from simgrant.sim.udm.server import Core
from simgrant.sim.web import Answer, Request, WebServer

_LATEST: Final = 253_402_300_799
"""The end of the year 9999."""
_Percent = Annotated[int, msgspec.Meta(ge=0, le=100)]
_Seconds = Annotated[float, msgspec.Meta(ge=0)]
_U16 = Annotated[int, msgspec.Meta(ge=0, le=65_535)]


class _Play(msgspec.Struct, forbid_unknown_fields=True):
    fault: Fault
    times: int = -1
    imsi: str = ""
    instance: Annotated[int, msgspec.Meta(ge=0)] | None = None
    delay_s: _Seconds = 1.0
    status: Annotated[int, msgspec.Meta(ge=400, le=599)] = 500
    cause: str = ""
    retry_after_s: Annotated[int, msgspec.Meta(ge=0)] | None = 1
    reduction: _Percent = 50
    validity_s: Annotated[int, msgspec.Meta(ge=0)] = 10


class _Changes(msgspec.Struct, forbid_unknown_fields=True):
    priority: _U16 | None = None
    capacity: _U16 | None = None
    load: _Percent | None = None
    up: bool | None = None
    deaf: bool | None = None


class _Registered(msgspec.Struct, forbid_unknown_fields=True):
    network: str
    since: Annotated[float, msgspec.Meta(ge=0, le=_LATEST)] | None = None
    purged: bool = False


class Control:
    """The levers of one simulated core; each can be pulled from code as well."""

    def __init__(self, core: Core, *, port: int = 0) -> None:
        self._core = core
        self.web = WebServer(self._answer, None)
        self.web.port = port

    async def _answer(self, request: Request) -> Answer:
        path = request.target.partition("?")[0]
        core = self._core
        try:
            match request.method, path.strip("/").split("/"):
                case "GET", ["requests"]:
                    return json_of([each.as_json() for each in core.seen])
                case "GET", ["instances"]:
                    return json_of([_shown(each) for each in core.instances])
                case ("GET" | "DELETE") as method, ["fault"]:
                    core.plan = core.plan if method == "GET" else None
                    return _plan(core.plan)
                case ("GET" | "DELETE") as method, ["nrf", "fault"]:
                    core.nrf.plan = core.nrf.plan if method == "GET" else None
                    return _plan(core.nrf.plan)
            if not is_json(request):
                return Answer(415)
            match request.method, path.strip("/").split("/"):
                case "PUT", ["fault"]:
                    core.plan = Plan(**msgspec.structs.asdict(read(request, _Play)))
                    return _plan(core.plan)
                case "PUT", ["nrf", "fault"]:
                    core.nrf.plan = Plan(**msgspec.structs.asdict(read(request, _Play)))
                    return _plan(core.nrf.plan)
                case "POST", ["nrf", "new-key"]:
                    core.nrf.renew_key()
                    return json_of(None)
                case "PUT", ["instances", number] if number.isdecimal():
                    return await self._change(int(number), read(request, _Changes))
                case "PUT", ["places", imsi]:
                    core.subscribers.places[imsi] = _place(read(request, _Registered))
                    return json_of(None)
        except (ValueError, OSError) as error:
            return refused(error)
        return Answer(404)

    async def _change(self, number: int, changes: _Changes) -> Answer:
        if number >= len(self._core.instances):
            return Answer(404)
        instance = self._core.instances[number]
        for name in ("priority", "capacity", "load"):
            if (value := getattr(changes, name)) is not None:
                setattr(instance, name, value)
        if changes.deaf is not None:
            instance.web.deaf = changes.deaf
        if changes.up is not None and changes.up == instance.web.is_down:
            await (instance.web.up() if changes.up else instance.web.down())
        return json_of(_shown(instance))


def _shown(instance: Instance) -> dict[str, Any]:
    return {
        "ids": instance.ids,
        "url": instance.web.url,
        "up": not instance.web.is_down,
        "deaf": instance.web.deaf,
        "connections": instance.web.connections,
        "priority": instance.priority,
        "capacity": instance.capacity,
        "load": instance.load,
    }


def _place(told: _Registered) -> Place | None:
    if not told.network:
        return None
    return Place.pull(told.network, since=told.since, purged=told.purged)


def _plan(plan: Plan | None) -> Answer:
    return json_of(None if plan is None else asdict(plan))
