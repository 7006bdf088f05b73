"""Voice-over-Cellular entitlement, ap2003: VoLTE and VoNR (TS.43 §4)."""

from __future__ import annotations

from simgrant.domain.facts import Area, Facts, Question
from simgrant.domain.policy import Decision, Result
from simgrant.services.service import Enquiry, from_table, number_parms, status_parm
from simgrant.spec.ids import AccessType, HomeRoamingNwType
from simgrant.spec.version import PER_RAT_VOICE, SpecVersion
from simgrant.wire.document import Application, Characteristic, CharacteristicList, Parm

_FLAT = (Question("volte", Area.HOME),)
_PER_RAT = (
    Question("volte", Area.HOME),
    Question("volte", Area.ROAMING),
    Question("vonr", Area.HOME),
    Question("vonr", Area.ROAMING),
)


def questions(version: SpecVersion, _facts: Facts) -> tuple[Question, ...]:
    """Ask for each radio access at home and abroad, wherever the device is now.

    The device keeps the answer for days and looks up the entry that suits the network it is in. A
    client older than 7.0 has one status for everything; it gets that of the home network, since a
    "no" learnt on a trip would last after the return, while abroad the networks decide anyway.
    """
    return _PER_RAT if version >= PER_RAT_VOICE else _FLAT


def answer(facts: Facts, decisions: tuple[Decision, ...], enquiry: Enquiry) -> Application:
    """Return one entry per radio access where home and roaming agree, two where they differ."""
    if enquiry.spec_version < PER_RAT_VOICE:
        (volte,) = decisions
        return Application("ap2003", (status_parm(volte),))
    lte_home, lte_roaming, nr_home, nr_roaming = decisions
    falls_back = "eps_fallback" in facts.features.value
    entries = (
        *_entries(AccessType.LTE, lte_home, lte_roaming, enquiry, falls_back=False),
        *_entries(AccessType.NG_RAN, nr_home, nr_roaming, enquiry, falls_back=falls_back),
    )
    return Application("ap2003", (CharacteristicList("VoiceOverCellularEntitleInfo", entries),))


def _entries(
    access: AccessType, home: Decision, roaming: Decision, enquiry: Enquiry, *, falls_back: bool
) -> tuple[Characteristic, ...]:
    at_home = _said(home, enquiry, falls_back=falls_back)
    abroad = _said(roaming, enquiry, falls_back=falls_back)
    if at_home == abroad:
        return (_entry(access, HomeRoamingNwType.ALL, at_home),)
    return (
        _entry(access, HomeRoamingNwType.HOME, at_home),
        _entry(access, HomeRoamingNwType.ROAMING, abroad),
    )


def _entry(access: AccessType, where: HomeRoamingNwType, said: tuple[Parm, ...]) -> Characteristic:
    return Characteristic("RATVoiceEntitleInfoDetails", (_ACCESS[access], _WHERE[where], *said))


def _said(decision: Decision, enquiry: Enquiry, *, falls_back: bool) -> tuple[Parm, ...]:
    """Return what an entry says besides its place (TS.43 Table 21)."""
    status = status_parm(decision)
    if decision.result is Result.DENIED:
        text = enquiry.text(decision.texts)
        return (status, Parm("MessageForIncompatible", text)) if text else (status,)
    return (status, _EPS_FALLBACK) if falls_back else (status,)


_ACCESS = number_parms("AccessType", AccessType)
_WHERE = number_parms("HomeRoamingNWType", HomeRoamingNwType)
# The table's spelling, not that of the examples (divergence "irat-capability-spelling").
_EPS_FALLBACK = Parm("NetworkVoiceIRATCapability", "EPS-Fallback")

SERVICE = from_table(__name__).service(questions=questions, answer=answer)
