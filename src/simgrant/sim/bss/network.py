"""Services that a simulated BSS switches in the network (TMF640): Wi-Fi calling, and others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol
from uuid import uuid4

from simgrant.sim.bss.answers import Call, Refusal, json_answer, listed, one
from simgrant.sim.bss.faults import Fault
from simgrant.sim.bss.lines import VOWIFI_SPECIFICATION, Line, Lines
from simgrant.sim.web import Answer
from simgrant.wire.sbi.body import BadMessage, read
from simgrant.wire.tmf.activation import Service
from simgrant.wire.tmf.apis import Api
from simgrant.wire.tmf.inventory import ServiceState
from simgrant.wire.tmf.parts import push_characteristics

DEVICE_SPECIFICATION: Final = "companion"
BOOST_SPECIFICATION: Final = "boost"


class _Switched(Protocol):
    """Something that is switched."""

    def show(self, root: str) -> dict[str, Any]:
        """Return it as TMF638 has it."""

    def become(self, state: ServiceState) -> None:
        """Have it in a state."""


@dataclass(slots=True, repr=False)
class Device:
    """The service of a device of a line, a watch or a phone with an eSIM; or a data boost."""

    specification: str
    values: dict[str, str]
    """What it is found by, the first its own."""
    state: ServiceState = ServiceState.INACTIVE

    @property
    def key(self) -> str:
        """What tells it from others of its specification."""
        return next(iter(self.values.values()))

    def show(self, root: str) -> dict[str, Any]:
        """Return it as TMF638 has it."""
        id_ = f"{self.specification}-{self.key}"
        return {
            "id": id_,
            "href": f"{root}{Api.ACTIVATION}/service/{id_}",
            "name": self.specification,
            "state": self.state,
            "serviceSpecification": {"id": self.specification, "name": self.specification},
            "serviceCharacteristic": push_characteristics(self.values),
        }

    def become(self, state: ServiceState) -> None:
        """Have it in a state."""
        self.state = state


@dataclass(slots=True, repr=False)
class _Calling:
    """Wi-Fi calling of a line."""

    line: Line
    tell: Callable[[Line], None]

    def show(self, root: str) -> dict[str, Any]:
        return self.line.services(root)[0]

    def become(self, state: ServiceState) -> None:
        changes, self.line.vowifi = self.line.vowifi is not state, state
        if changes:
            self.tell(self.line)


class Network:
    """What is switched; what is set here holds for what comes."""

    def __init__(self, lines: Lines, tell: Callable[[Line], None]) -> None:
        """``tell`` is given a line whose Wi-Fi calling was switched."""
        self._lines = lines
        self._tell = tell
        self.devices: dict[str, Device] = {}
        """The services of devices, by ICCID."""
        self.boosts: dict[str, Device] = {}
        """Data boosts, by IMSI."""
        self.left = 0
        """How often a monitor is looked at before what it watches is done; 0 = at once, without
        a monitor."""
        self.fails = False
        """Whether what a monitor watches ends in an error."""
        self.monitors: dict[str, dict[str, Any]] = {}
        self._waiting: dict[str, tuple[int, _Switched, ServiceState]] = {}

    def hurry(self) -> None:
        """Let everything that is under way be done when it is looked at next."""
        self._waiting = {id_: (1, what, state) for id_, (_, what, state) in self._waiting.items()}

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
                if fault is not Fault.NOBODY:
                    others = (*self.devices.values(), *self.boosts.values())
                    found += [each.show(root) for each in others]
                return json_answer(one(found, call)) if id_ else listed(found, call)
            case "POST", "service", "":
                return self._switch(call, root, self._created(call), 201)
            case "PATCH", "service", id_:
                return self._switch(call, root, self._known(id_), 200)
        raise Refusal(405)

    def _known(self, id_: str) -> _Switched:
        kind, _, key = id_.partition("-")
        of = {DEVICE_SPECIFICATION: self.devices, BOOST_SPECIFICATION: self.boosts}.get(kind, {})
        if key in of:
            return of[key]
        line = self._lines.find(imsi=id_.removeprefix("vowifi-"))
        if line is None:
            raise Refusal(404)
        return _Calling(line, self._tell)

    def _created(self, call: Call) -> _Switched:
        asked = _read(call)
        if not asked.state or not asked.service_specification.id:
            raise Refusal(400, "state and serviceSpecification are mandatory")
        values = asked.values
        specification, imsi = asked.service_specification.id, values.get("imsi", "")
        if specification in (DEVICE_SPECIFICATION, BOOST_SPECIFICATION):
            is_device = specification == DEVICE_SPECIFICATION
            own = {"iccid": values.get("iccid", ""), "imsi": imsi} if is_device else {"imsi": imsi}
            if self._lines.find(imsi=imsi) is None or not all(own.values()):
                raise Refusal(400, "there is no such line, or no profile is named")
            made = Device(specification, own)
            return (self.devices if is_device else self.boosts).setdefault(made.key, made)
        if specification != VOWIFI_SPECIFICATION:
            raise Refusal(400, "there is no such specification")
        line = self._lines.find(imsi=imsi, msisdn=values.get("msisdn", ""))
        if line is None:
            raise Refusal(400, "there is no such line")
        return _Calling(line, self._tell)

    def _switch(self, call: Call, root: str, what: _Switched, status: int) -> Answer:
        try:
            state = ServiceState(_read(call).state)
        except ValueError:
            raise Refusal(400, "state is none") from None
        if not self.left:
            what.become(state)
            return json_answer(what.show(root), status=status)
        id_ = uuid4().hex
        href = f"{root}{Api.ACTIVATION}/monitor/{id_}"
        self.monitors[id_] = {
            "id": id_,
            "href": href,
            "sourceHref": f"{root}{Api.ACTIVATION}/service/{what.show(root)['id']}",
            "state": "InProgress",
            "request": {"method": call.method, "body": call.body.decode("utf-8", "replace")},
        }
        self._waiting[id_] = (self.left, what, state)
        return json_answer(self.monitors[id_], ("location", href), status=202)

    def _look_at(self, id_: str) -> None:
        if id_ not in self._waiting:
            return
        left, what, state = self._waiting.pop(id_)
        if left > 1:
            self._waiting[id_] = (left - 1, what, state)
        elif self.fails:
            self.monitors[id_] |= {"state": "InError", "response": {"statusCode": "500"}}
        else:
            what.become(state)
            self.monitors[id_] |= {"state": "Completed", "response": {"statusCode": "200"}}


def _read(call: Call) -> Service:
    call.content()
    try:
        return read(call.body, Service)
    except BadMessage as error:
        raise Refusal(400, str(error)) from None
