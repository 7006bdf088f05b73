"""What a simulated HSS tells of a user: his number over SWx, and where he is too over Sh."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from simgrant.nouns import named_noun
from simgrant.sim.hss.auc import UNKNOWN_USER, Refusal
from simgrant.sim.hss.faults import Fault
from simgrant.sim.places import Place
from simgrant.sim.sims import Sim
from simgrant.spec.diameter import TGPP
from simgrant.wire.diameter import sh, swx
from simgrant.wire.diameter.avps import SERVER_ASSIGNMENT_TYPE, USER_NAME
from simgrant.wire.diameter.message import Avps
from simgrant.wire.diameter.s6a import push_plmn
from simgrant.wire.diameter.sh_data import State, UserData, push_user_data
from simgrant.wire.diameter.user_data import AAA_USER_DATA_REQUEST, push_number

_OTHER_USER: Final = "999990000000000"
_OTHER_TYPE: Final = (TGPP, 5007)
_OTHER_IDENTITY: Final = (TGPP, 5002)
_NOT_RECOGNIZED: Final = (TGPP, 5100)
_NO_NUMBER: Final = "no number"
_HOSTILE: Final = b'<!DOCTYPE d [<!ENTITY e "e">]><Sh-Data>&e;</Sh-Data>'


class Users:
    """The SIMs of an HSS: each at home unless it is said where else."""

    def __init__(self, sims: Mapping[str, Sim]) -> None:
        self._sims = sims
        self._by_number = {sim.msisdn.digits: sim for sim in sims.values() if sim.msisdn}
        self.places: dict[str, Place | None] = {}
        """By IMSI (digits): where a phone is; None = nowhere."""

    def by_imsi(self, name: str) -> Sim:
        """Return the SIM of an IMSI, with or without a domain; Refusal."""
        sim = self._sims.get(name.removeprefix("sip:").partition("@")[0])
        if sim is None:
            raise Refusal(*UNKNOWN_USER)
        return sim

    def by_number(self, digits: str) -> Sim:
        """Return the SIM of a number; Refusal."""
        sim = self._by_number.get(digits)
        if sim is None:
            raise Refusal(*UNKNOWN_USER)
        return sim

    def place(self, sim: Sim) -> Place | None:
        """Return where a phone is."""
        return self.places.get(sim.imsi.digits, Place(mcc=sim.mcc, mnc=sim.mnc))


@named_noun
class Told:
    """What is answered to a question about a user."""

    what: str
    """What was asked for, for people."""
    avps: bytes


@named_noun
class Questions:
    """One command by which a user is asked about."""

    interface: str
    """As the settings of the server call it."""
    answer: Callable[[Users, Avps, Fault | None], Told]
    """Raises BadDiameter and Refusal."""


def _assignment(users: Users, asked: Avps, fault: Fault | None) -> Told:
    """Answer a Server-Assignment; it knows no other type than the one that changes nothing."""
    name, kind = asked.need(USER_NAME), asked.need(SERVER_ASSIGNMENT_TYPE)
    if kind != AAA_USER_DATA_REQUEST:
        raise Refusal(*_OTHER_TYPE)
    sim = users.by_imsi(name)
    number = sim.msisdn.digits if sim.msisdn else ""
    user = _OTHER_USER if fault is Fault.OTHER_USER else name
    text = _NO_NUMBER if fault is Fault.MALFORMED else number
    avps = USER_NAME.push(user) + push_number(text)
    return Told(what=f"Server-Assignment {kind}", avps=avps)


def _user_data(users: Users, asked: Avps, fault: Fault | None) -> Told:
    """Answer a User-Data request."""
    wanted = sh.pull_request(asked)
    sim = users.by_number(wanted.number) if wanted.number else users.by_imsi(wanted.public)
    if wanted.private and users.by_imsi(wanted.private) is not sim:
        raise Refusal(*_OTHER_IDENTITY)
    if not wanted.references <= set(sh.Reference):
        raise Refusal(*_NOT_RECOGNIZED)
    place = users.place(sim)
    number = sim.msisdn.digits if sim.msisdn else ""
    gone = place is None or place.purged
    state = State.DETACHED if gone else State.CONNECTED_REACHABLE
    located = place if sh.Reference.LOCATION_INFORMATION in wanted.references else None
    told = UserData(
        number=number if sh.Reference.MSISDN in wanted.references else "",
        network=f"{located.mcc}{located.mnc}" if located else "",
        state=state if sh.Reference.USER_STATE in wanted.references else None,
    )
    plmn = push_plmn(f"{located.mcc}-{located.mnc}") if located else b""
    data = _HOSTILE if fault is Fault.MALFORMED else push_user_data(told, plmn=plmn)
    other = USER_NAME.push(_OTHER_USER) if fault is Fault.OTHER_USER else b""
    what = ", ".join(sh.Reference(each).name.lower() for each in sorted(wanted.references))
    return Told(what=f"User-Data {what}", avps=other + sh.push_answer(data))


QUESTIONS: Final[Mapping[tuple[int, int], Questions]] = {
    (swx.APPLICATION, swx.Command.SERVER_ASSIGNMENT): Questions(
        interface="swx", answer=_assignment
    ),
    (sh.APPLICATION, sh.Command.USER_DATA): Questions(interface="sh", answer=_user_data),
}
"""By application and command."""
