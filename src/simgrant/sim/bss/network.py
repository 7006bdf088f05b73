"""Services that a simulated BSS switches in the network (TMF640): Wi-Fi calling of its lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from simgrant.sim.bss.answers import Call, Refusal, json_answer, listed, one
from simgrant.sim.bss.faults import Fault
from simgrant.sim.bss.lines import VOWIFI_SPECIFICATION, Line, Lines
from simgrant.sim.web import Answer
from simgrant.wire.sbi.body import BadMessage, read
from simgrant.wire.tmf.activation import Service
from simgrant.wire.tmf.apis import Api
from simgrant.wire.tmf.inventory import ServiceState


class Network:
    """What is switched; what is set here holds for what comes."""

    def __init__(self, lines: Lines, tell: Callable[[Line], None]) -> None:
        """``tell`` is given a line whose Wi-Fi calling was switched."""
        self._lines = lines
        self._tell = tell
        self.left = 0
        """How often a monitor is looked at before what it watches is done; 0 = at once, without
        a monitor."""
        self.fails = False
        """Whether what a monitor watches ends in an error."""
        self.monitors: dict[str, dict[str, Any]] = {}
        self._waiting: dict[str, tuple[int, Line, ServiceState]] = {}

    def hurry(self) -> None:
        """Let everything that is under way be done when it is looked at next."""
        self._waiting = {id_: (1, line, state) for id_, (_, line, state) in self._waiting.items()}

    def answer(self, call: Call, root: str, fault: Fault | None) -> Answer:
        """Answer a request for service or monitor; Refusal."""
        match call.method, call.resource, call.id:
            case "GET", "monitor", "":
                return listed([*self.monitors.values()], call)
            case "GET", "monitor", id_:
                self._look_at(id_)
                return json_answer(one([*self.monitors.values()], call))
            case "GET", "service", id_:
                lines = [] if fault is Fault.NOBODY else list(self._lines)
                if fault is Fault.OTHER_SUBSCRIBER:
                    lines = [each.as_another() for each in lines]
                found = [
                    service for each in lines for service in each.services(root)
                    if each.vowifi is not ServiceState.TERMINATED
                ]  # fmt: skip
                if fault is Fault.OTHER_SUBSCRIBER:
                    return json_answer(found[:1])
                return json_answer(one(found, call)) if id_ else listed(found, call)
            case "POST", "service", "":
                return self._switch(call, root, self._created(call), 201)
            case "PATCH", "service", id_:
                line = self._lines.find(imsi=id_.removeprefix("vowifi-"))
                if line is None:
                    raise Refusal(404)
                return self._switch(call, root, line, 200)
        raise Refusal(405)

    def _created(self, call: Call) -> Line:
        asked = _read(call)
        if not asked.state or not asked.service_specification.id:
            raise Refusal(400, "state and serviceSpecification are mandatory")
        if asked.service_specification.id != VOWIFI_SPECIFICATION:
            raise Refusal(400, "there is no such specification")
        values = asked.values
        line = self._lines.find(imsi=values.get("imsi", ""), msisdn=values.get("msisdn", ""))
        if line is None:
            raise Refusal(400, "there is no such line")
        return line

    def _switch(self, call: Call, root: str, line: Line, status: int) -> Answer:
        try:
            state = ServiceState(_read(call).state)
        except ValueError:
            raise Refusal(400, "state is none") from None
        if not self.left:
            self._done(line, state)
            return json_answer(line.services(root)[0], status=status)
        id_ = uuid4().hex
        href = f"{root}{Api.ACTIVATION}/monitor/{id_}"
        self.monitors[id_] = {
            "id": id_,
            "href": href,
            "sourceHref": f"{root}{Api.ACTIVATION}/service/vowifi-{line.imsi}",
            "state": "InProgress",
            "request": {"method": call.method, "body": call.body.decode("utf-8", "replace")},
        }
        self._waiting[id_] = (self.left, line, state)
        return json_answer(self.monitors[id_], ("location", href), status=202)

    def _look_at(self, id_: str) -> None:
        if id_ not in self._waiting:
            return
        left, line, state = self._waiting.pop(id_)
        if left > 1:
            self._waiting[id_] = (left - 1, line, state)
        elif self.fails:
            self.monitors[id_] |= {"state": "InError", "response": {"statusCode": "500"}}
        else:
            self._done(line, state)
            self.monitors[id_] |= {"state": "Completed", "response": {"statusCode": "200"}}

    def _done(self, line: Line, state: ServiceState) -> None:
        changes, line.vowifi = line.vowifi is not state, state
        if changes:
            self._tell(line)


def _read(call: Call) -> Service:
    call.content()
    try:
        return read(call.body, Service)
    except BadMessage as error:
        raise Refusal(400, str(error)) from None
