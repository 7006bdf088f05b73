"""Voice-over-Cellular entitlement, ap2003: VoLTE and VoNR (TS.43 §4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from simgrant.domain.facts import Area, Facts, Question
from simgrant.domain.policy import Decision, Result
from simgrant.services.service import Enquiry, from_table, number_parms, status_parm
from simgrant.spec.ids import AccessType, HomeRoamingNwType, IratCapability
from simgrant.spec.version import PER_RAT_VOICE, SpecVersion
from simgrant.wire.document import Application, Characteristic, CharacteristicList, Parm

_CAPABILITIES: Mapping[AccessType, Mapping[str, IratCapability]] = {
    AccessType.LTE: {"srvcc_4g": IratCapability.SRVCC_4G},
    AccessType.NG_RAN: {
        "eps_fallback": IratCapability.EPS_FALLBACK,
        "srvcc_5g": IratCapability.SRVCC_5G,
    },
}
"""What may be told of each access, by the options that plans have. There is room for one: falling
back comes first, since a device has to know where it is all there is (TS.43 §4.1.1)."""

_FLAT = (Question("volte", Area.HOME),)
_PER_RAT = (
    Question("volte", Area.HOME),
    Question("volte", Area.ROAMING),
    Question("vonr", Area.HOME),
    Question("vonr", Area.ROAMING),
)


def questions(version: SpecVersion, facts: Facts) -> tuple[Question, ...]:
    """Ask for each radio access at home and abroad, wherever the device is now.

    The device keeps the answer for days and looks up the entry that suits the network it is in. A
    client older than 7.0 has one status for everything; it gets that of the home network, since a
    "no" learnt on a trip would last after the return, while abroad the networks decide anyway.
    Of the ways to another access, those are asked for that the plan has as an option.
    """
    if version < PER_RAT_VOICE:
        return _FLAT
    features = facts.features.value
    options = tuple(
        Question(option, area)
        for capabilities in _CAPABILITIES.values()
        for option in capabilities
        if option in features
        for area in (Area.HOME, Area.ROAMING)
    )
    return (*_PER_RAT, *options)


def answer(_facts: Facts, decisions: tuple[Decision, ...], enquiry: Enquiry) -> Application:
    """Return one entry per radio access where home and roaming agree, two where they differ."""
    if enquiry.spec_version < PER_RAT_VOICE:
        (volte,) = decisions
        return Application("ap2003", (status_parm(volte),))
    decided = {decision.question: decision for decision in decisions}
    entries = (
        *_entries(AccessType.LTE, "volte", decided, enquiry),
        *_entries(AccessType.NG_RAN, "vonr", decided, enquiry),
    )
    return Application("ap2003", (CharacteristicList("VoiceOverCellularEntitleInfo", entries),))


_Decided: TypeAlias = Mapping[Question, Decision]


def _entries(
    access: AccessType, feature: str, decided: _Decided, enquiry: Enquiry
) -> tuple[Characteristic, ...]:
    at_home = _said(access, Question(feature, Area.HOME), decided, enquiry)
    abroad = _said(access, Question(feature, Area.ROAMING), decided, enquiry)
    if at_home == abroad:
        return (_entry(access, HomeRoamingNwType.ALL, at_home),)
    return (
        _entry(access, HomeRoamingNwType.HOME, at_home),
        _entry(access, HomeRoamingNwType.ROAMING, abroad),
    )


def _entry(access: AccessType, where: HomeRoamingNwType, said: tuple[Parm, ...]) -> Characteristic:
    return Characteristic("RATVoiceEntitleInfoDetails", (_ACCESS[access], _WHERE[where], *said))


def _said(
    access: AccessType, question: Question, decided: _Decided, enquiry: Enquiry
) -> tuple[Parm, ...]:
    """Return what an entry says besides its place (TS.43 Table 21)."""
    decision = decided[question]
    status = status_parm(decision)
    if decision.result is Result.DENIED:
        text = enquiry.text(decision.texts)
        return (status, Parm("MessageForIncompatible", text)) if text else (status,)
    for option, capability in _CAPABILITIES[access].items():
        allowed = decided.get(Question(option, question.area))
        if allowed is not None and allowed.result is Result.ALLOWED:
            # The table's spelling, not that of the examples (divergence
            # "irat-capability-spelling").
            return status, Parm("NetworkVoiceIRATCapability", capability)
    return (status,)


_ACCESS = number_parms("AccessType", AccessType)
_WHERE = number_parms("HomeRoamingNWType", HomeRoamingNwType)

SERVICE = from_table(__name__).service(questions=questions, answer=answer)
