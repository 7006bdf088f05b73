"""The management interface of a simulated SM-DP+: its books, its faults, and what eUICCs do.

JSON over plain HTTP, on loopback only. What cannot be done is 400 or 404 with a line of text.

| call | does |
| --- | --- |
| GET /stock | counts profiles by type and state |
| GET /profiles, /profiles/ICCID | shows them; with ``profile_type`` in the query, of one type |
| GET /calls | lists the calls that came, the newest last |
| GET, PUT, DELETE /fault | shows, sets, ends what is done wrong |
| POST /profiles | adds profiles: ``profile_type``, ``count`` |
| POST /state | brings ``iccid`` to ``state``, as an eUICC does |
| POST /progress | tells the operator ``point`` and ``status`` of ``iccid``, as late as it likes |
| POST /install | downloads and installs ``iccid``, and tells the operator both |
| POST /delete | deletes ``iccid`` from its eUICC, and tells the operator by ``point`` |
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import parse_qsl

import msgspec

from simgrant.sim.http import HttpError
from simgrant.sim.levers import is_json, json_of, read, refused
from simgrant.sim.smdp.caller import Caller
from simgrant.sim.smdp.faults import Fault, Plan
from simgrant.sim.smdp.pool import Profile, State
from simgrant.sim.smdp.server import Seen, SmdpServer
from simgrant.sim.web import Answer, Request, WebServer
from simgrant.wire.es2plus import DONE, Function, Outcome, Status

S = TypeVar("S", bound=msgspec.Struct)
_DOWNLOAD: Final = 3
_INSTALLATION: Final = 4
DELETION: Final = 100
"""By which point it tells that a profile was deleted, unless it is asked for another: the
specification has none, and each SM-DP+ its own."""
_MOST_AT_ONCE: Final = 100_000


class _Play(msgspec.Struct, forbid_unknown_fields=True):
    fault: Fault
    function: Function | None = None
    times: int = -1
    share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    delay_s: float = 1.0
    subject: str = "8.2.5"
    reason: str = "3.7"


class _Add(msgspec.Struct, forbid_unknown_fields=True):
    profile_type: str
    count: int = 1


class _Move(msgspec.Struct, forbid_unknown_fields=True):
    iccid: str
    state: State


class _Tell(msgspec.Struct, forbid_unknown_fields=True):
    iccid: str
    point: int = _INSTALLATION
    status: Outcome = Outcome.SUCCESS
    subject: str = ""
    reason: str = ""
    function: Function = Function.HANDLE_PROGRESS
    eid: str = ""
    """On which eUICC; empty = the one that the profile is of now."""


class _Install(msgspec.Struct, forbid_unknown_fields=True):
    iccid: str
    function: Function = Function.HANDLE_PROGRESS


class _Delete(msgspec.Struct, forbid_unknown_fields=True):
    iccid: str
    point: int = DELETION
    function: Function = Function.HANDLE_NOTIFICATION


class Control:
    """The levers of one simulated SM-DP+; each can be pulled from code as well."""

    def __init__(self, server: SmdpServer, caller: Caller | None = None, *, port: int = 0) -> None:
        """Without a ``caller`` the operator is told nothing."""
        self._server = server
        self._caller = caller
        self.web = WebServer(self._answer, None)
        self.web.port = port

    async def up(self) -> None:
        """Listen."""
        await self.web.up()

    async def down(self) -> None:
        """Listen no more."""
        await self.web.down()

    async def tell(
        self,
        iccid: str,
        point: int,
        status: Status = DONE,
        function: Function = Function.HANDLE_PROGRESS,
        eid: str = "",
    ) -> int:
        """Tell the operator a step of a profile, and return the HTTP status.

        ``eid`` says on which eUICC, where that is not the one which the profile is of now.
        Raises ValueError where there is no operator or profile, or it could not be told.
        """
        if self._caller is None:
            raise ValueError("there is no operator to tell: no callback URL was given")
        profile = self._profile(iccid)
        told = replace(profile, eid=eid or profile.eid)
        try:
            return await self._caller.tell(told, point, status, function=function)
        except HttpError as error:
            raise ValueError(str(error)) from None

    async def install(self, iccid: str, function: Function = Function.HANDLE_PROGRESS) -> list[int]:
        """Do what an eUICC does with a released profile; return the HTTP statuses of telling it."""
        told = []
        for state, point in ((State.DOWNLOADED, _DOWNLOAD), (State.INSTALLED, _INSTALLATION)):
            self._server.pool.advance(iccid, state)
            if self._caller is not None:
                told.append(await self.tell(iccid, point, function=function))
        return told

    async def delete(
        self,
        iccid: str,
        point: int = DELETION,
        function: Function = Function.HANDLE_NOTIFICATION,
    ) -> list[int]:
        """Do what an eUICC does whose owner deletes a profile; return as `install` does."""
        self._server.pool.advance(iccid, State.DELETED)
        return [await self.tell(iccid, point, function=function)] if self._caller else []

    def _profile(self, iccid: str) -> Profile:
        profile = self._server.pool.profiles.get(iccid)
        if profile is None:
            raise ValueError("no such profile")
        return profile

    def _profiles(self, query: str) -> list[Profile]:
        found = list(self._server.pool.profiles.values())
        wanted = dict(parse_qsl(query, keep_blank_values=True)).get("profile_type")
        return [each for each in found if wanted in (None, each.profile_type)]

    def _answer(self, request: Request) -> Answer | Awaitable[Answer]:
        path, _, query = request.target.partition("?")
        try:
            match request.method, path:
                case "GET", "/stock":
                    return json_of(self._server.pool.stock())
                case "GET", "/profiles":
                    return json_of([asdict(each) for each in self._profiles(query)])
                case "GET", _ if path.startswith("/profiles/"):
                    return json_of(asdict(self._profile(path.removeprefix("/profiles/"))))
                case "GET", "/calls":
                    return json_of([shown(each) for each in self._server.seen])
                case "GET", "/fault":
                    return self._fault()
                case "DELETE", "/fault":
                    self._server.play(None)
                    return self._fault()
            if not is_json(request):
                return Answer(415)
            match request.method, path:
                case "PUT", "/fault":
                    self._server.play(Plan(**msgspec.structs.asdict(read(request, _Play))))
                    return self._fault()
                case "POST", "/profiles":
                    add = read(request, _Add)
                    if not 0 < add.count <= _MOST_AT_ONCE:
                        raise ValueError(f"count is not within 1 to {_MOST_AT_ONCE}")
                    return json_of(self._server.pool.add(add.profile_type, add.count))
                case "POST", "/state":
                    move = read(request, _Move)
                    return json_of(asdict(self._server.pool.advance(move.iccid, move.state)))
                case "POST", "/progress":
                    tell = read(request, _Tell)
                    status = Status(tell.status, tell.subject, tell.reason)
                    told = (tell.iccid, tell.point, status, tell.function, tell.eid)
                    return _awaited(self.tell, *told)
                case "POST", "/install":
                    install = read(request, _Install)
                    return _awaited(self.install, install.iccid, install.function)
                case "POST", "/delete":
                    delete = read(request, _Delete)
                    return _awaited(self.delete, delete.iccid, delete.point, delete.function)
        except ValueError as error:
            return refused(error)
        return Answer(404)

    def _fault(self) -> Answer:
        plan = self._server.plan
        return json_of(None if plan is None else asdict(plan))


def shown(seen: Seen) -> dict[str, Any]:
    """Return a call as JSON has it, in clear: everything here is made up."""
    request = seen.request
    iccid, eid = request.iccid, getattr(request, "eid", None)
    return {
        "function": seen.function.value,
        "call_id": seen.header.call_id,
        "requester": seen.header.requester,
        "iccid": iccid.digits if iccid else "",
        "eid": eid.digits if eid else "",
        "profile_type": getattr(request, "profile_type", ""),
        "fault": seen.fault.value if seen.fault else "",
        "result": seen.result,
    }


async def _awaited(work: Callable[..., Awaitable[object]], *arguments: object) -> Answer:
    try:
        return json_of(await work(*arguments))
    except ValueError as error:
        return refused(error)
