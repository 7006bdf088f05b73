"""The management interface of a simulated BSS: what came, what is done wrong, and what happens.

JSON over plain HTTP, on loopback only. What cannot be done is 400 or 404 with a line of text.

| call | does |
| --- | --- |
| GET /requests | lists the requests that came, the newest last |
| GET, PUT, DELETE /fault | shows, sets, ends what is done wrong |
| PUT /server | takes it down or up again (`up`), makes every token worthless (`revoke`) |
| GET /lines/001010000000001 | shows a line |
| PUT /lines/001010000000001 | changes a line, whichever are given: `plan`, `options`, `state`, \
`vowifi`, `terms`, `address`, `network`, `prepaid`, `frozen`, `number_type`, `msisdn`, `imsi`, \
`iccid`; who wants to know is told, unless `silent` |
| PUT /lines/001010000000001/qualification | says `why` it may have no device; empty = it may |
| PUT /orders | says how often those that come are looked at before they are done (`after`; -1 = \
until somebody says so), and whether they are refused (`refuses`) |
| GET /orders | lists product orders |
| PUT /orders/ID | brings one into another `state` |
| PUT /network | likewise `after` and `fails`, of what is switched there |
| PUT /addresses | says whether addresses are looked at later (`later`) |
| GET /hubs | lists who wants to know what happens |
| POST /hubs | takes somebody in: `callback`, perhaps `api` (`event` = of everything) and `query` |
| PUT /hubs | says whether who registered is shown (`shows`), and whether the same callback may \
register `often` |
| DELETE /hubs | forgets everybody |
| GET /events | lists what has happened |
| POST /events | tells an event as it is given, whatever is in it |
| PUT /events | says whether each event is told `twice` |
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any, Final

import msgspec

from simgrant.sim.bss.faults import Fault, Plan
from simgrant.sim.bss.lines import Line
from simgrant.sim.bss.server import Bss
from simgrant.sim.levers import is_json, json_of, read, refused
from simgrant.sim.web import Answer, Request, WebServer
from simgrant.wire.tmf.apis import Api
from simgrant.wire.tmf.inventory import ProductStatus, ServiceState
from simgrant.wire.tmf.order import OrderState

_Count = Annotated[int, msgspec.Meta(ge=-1)]
_Digits = Annotated[str, msgspec.Meta(pattern="^[0-9]{0,15}$")]
_APIS: Final = {api.name.lower(): api for api in Api}


class _Play(msgspec.Struct, forbid_unknown_fields=True):
    fault: Fault
    times: int = -1
    resource: str = ""
    method: str = ""
    delay_s: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    status: Annotated[int, msgspec.Meta(ge=400, le=599)] = 500
    retry_after_s: Annotated[int, msgspec.Meta(ge=0)] | None = 1
    run: Annotated[int, msgspec.Meta(ge=1)] = 1


class _Server(msgspec.Struct, forbid_unknown_fields=True):
    up: bool | None = None
    revoke: bool = False


class Changes(msgspec.Struct, forbid_unknown_fields=True):
    """What changes of a line; None = it stays."""

    plan: str | None = None
    options: list[str] | None = None
    state: ProductStatus | None = None
    vowifi: ServiceState | None = None
    terms: str | None = None
    address: str | None = None
    network: _Digits | None = None
    prepaid: bool | None = None
    frozen: bool | None = None
    number_type: str | None = None
    msisdn: _Digits | None = None
    imsi: _Digits | None = None
    iccid: Annotated[str, msgspec.Meta(pattern="^[0-9]{18,20}$")] | None = None
    silent: bool = False


class _Qualification(msgspec.Struct, forbid_unknown_fields=True):
    why: str


class _Orders(msgspec.Struct, forbid_unknown_fields=True):
    after: _Count | None = None
    refuses: bool | None = None


class _Order(msgspec.Struct, forbid_unknown_fields=True):
    state: OrderState


class _Network(msgspec.Struct, forbid_unknown_fields=True):
    after: Annotated[int, msgspec.Meta(ge=0)] | None = None
    fails: bool | None = None


class _Addresses(msgspec.Struct, forbid_unknown_fields=True):
    later: bool


class _Hub(msgspec.Struct, forbid_unknown_fields=True):
    callback: str
    api: str = "event"
    query: str = ""


class _Hubs(msgspec.Struct, forbid_unknown_fields=True):
    shows: bool = True
    often: bool = False


class _Events(msgspec.Struct, forbid_unknown_fields=True):
    twice: bool


class Control:
    """The levers of one simulated BSS; each can be pulled from code as well."""

    def __init__(self, bss: Bss, *, port: int = 0, clock: Callable[[], float] = time.time) -> None:
        self._bss = bss
        self._clock = clock
        self.web = WebServer(self._answer, None)
        self.web.port = port

    async def _answer(self, request: Request) -> Answer:
        path = request.target.partition("?")[0].strip("/").split("/")
        try:
            if request.method in ("GET", "DELETE"):
                return self._shown(request.method, path)
            if not is_json(request):
                return Answer(415)
            return await self._set(request, path)
        except (ValueError, OSError) as error:
            return refused(error)

    def _shown(self, method: str, path: list[str]) -> Answer:
        bss = self._bss
        match method, path:
            case "GET", ["requests"]:
                return json_of([each.as_json() for each in bss.seen])
            case _, ["fault"]:
                bss.plan = bss.plan if method == "GET" else None
                return json_of(None if bss.plan is None else asdict(bss.plan))
            case "GET", ["lines", imsi] if line := bss.lines.find(imsi=imsi):
                return _line(line)
            case "GET", ["orders"]:
                return json_of([each.document for each in bss.orders.known.values()])
            case "GET", ["hubs"]:
                hubs = bss.hubs.hubs.values()
                return json_of([each.shown() | {"told": each.told} for each in hubs])
            case "GET", ["events"]:
                return json_of(list(bss.hubs.events))
        return Answer(404)

    async def _set(self, request: Request, path: list[str]) -> Answer:
        bss = self._bss
        match request.method, path:
            case "PUT", ["fault"]:
                bss.plan = Plan(**msgspec.structs.asdict(read(request, _Play)))
                return json_of(asdict(bss.plan))
            case "PUT", ["server"]:
                return await self._switched(read(request, _Server))
            case "PUT", ["lines", imsi] if line := bss.lines.find(imsi=imsi):
                self.change(line, read(request, Changes))
                return _line(line)
            case "PUT", ["lines", imsi, "qualification"] if bss.lines.find(imsi=imsi):
                why = read(request, _Qualification).why
                bss.market.unqualified.pop(imsi, None)
                if why:
                    bss.market.unqualified[imsi] = why
            case "PUT", ["orders"]:
                orders = read(request, _Orders)
                bss.orders.left = bss.orders.left if orders.after is None else orders.after
                bss.orders.refuses = _either(orders.refuses, bss.orders.refuses)
            case "PUT", ["orders", id_]:
                bss.orders.become(id_, read(request, _Order).state)
            case "PUT", ["network"]:
                network = read(request, _Network)
                bss.network.left = bss.network.left if network.after is None else network.after
                bss.network.fails = _either(network.fails, bss.network.fails)
            case "PUT", ["addresses"]:
                bss.addresses.later = read(request, _Addresses).later
            case "POST", ["hubs"]:
                hub = read(request, _Hub)
                if hub.api not in _APIS:
                    raise ValueError(f"api is none of {', '.join(sorted(_APIS))}")
                api = _APIS[hub.api]
                return json_of(bss.hubs.register(api, hub.callback, query=hub.query).shown())
            case "POST", ["events"]:
                bss.hubs.tell(Api.EVENT, read(request, dict[str, Any]))
            case "PUT", ["hubs"]:
                hubs = read(request, _Hubs)
                bss.hubs.shows, bss.hubs.often = hubs.shows, hubs.often
            case "DELETE", ["hubs"]:
                bss.hubs.forget()
            case "PUT", ["events"]:
                bss.hubs.twice = read(request, _Events).twice
            case _:
                return Answer(404)
        return json_of(None)

    def change(self, line: Line, changes: Changes) -> None:
        """Change a line, and tell who wants to know; ValueError."""
        before = (line.state, line.vowifi, line.imsi, line.iccid, line.msisdn, set(line.options))
        shown = line.products("")[0]
        if changes.imsi:
            self._bss.lines.move(line, changes.imsi)
        for name in msgspec.structs.asdict(changes):
            value = getattr(changes, name)
            if value is not None and name not in ("options", "imsi", "silent"):
                setattr(line, name, value)
        if changes.options is not None:
            line.options = set(changes.options)
        state, vowifi, imsi, iccid, msisdn, options = before
        if (line.imsi, line.iccid) != (imsi, iccid):
            line.sim_since = int(self._clock())
        if changes.silent:
            return
        tell = self._bss.announce_line
        if line.state is not state:
            tell(Api.PRODUCT, "ProductStateChangeEvent", line)
        same = {name: value for name, value in shown.items() if name != "status"}
        if any(line.products("")[0][name] != value for name, value in same.items()):
            tell(Api.PRODUCT, "ProductAttributeValueChangeEvent", line)
        for name in sorted(line.options - options):
            self._option(line, name, "ProductCreateEvent", line.state)
        for name in sorted(options - line.options):
            self._option(line, name, "ProductStateChangeEvent", ProductStatus.TERMINATED)
        if line.vowifi is not vowifi:
            tell(Api.SERVICE, "ServiceStateChangeEvent", line)
        if (line.imsi, line.iccid, line.msisdn) != (imsi, iccid, msisdn):
            tell(Api.RESOURCE, "ResourceAttributeValueChangeEvent", line)

    def _option(self, line: Line, name: str, event_type: str, status: ProductStatus) -> None:
        document = line.option(self._bss.web.url, name) | {"status": status}
        self._bss.hubs.announce(Api.PRODUCT, event_type, "product", document)

    async def _switched(self, wanted: _Server) -> Answer:
        web = self._bss.web
        if wanted.revoke:
            self._bss.revoke()
        if wanted.up is not None and wanted.up == web.is_down:
            await (web.up() if wanted.up else web.down())
        return json_of({"up": not web.is_down})


def _line(line: Line) -> Answer:
    return json_of(asdict(line))


def _either(told: bool | None, before: bool) -> bool:
    return before if told is None else told
